//! Decides by the tag alone whose words a text is, before any field is read.

use super::{
    amavis, clamav, dovecot_lmtp, opendkim, opendmarc, pmg, policyd, policyd_spf, postgrey, rspamd,
    spamd, spampd,
};
use crate::{Body, LogRecord, Process, Reason};

/// Longest text that is read. rspamd writes the longest lines, some kilobytes of symbols.
const MAX_TEXT: usize = 32 * 1024;

/// Reads the text of a program that is none of Postfix. All but filters are ignored.
pub(crate) fn read<'a>(process: &Process<'a>, text: &'a [u8]) -> Body<'a> {
    let is_agent = process.tag.starts_with(b"lmtp(") || process.tag.starts_with(b"lda(");
    match grammar(process) {
        Some(_) if text.len() > MAX_TEXT => Body::Unrecognised(Reason::Filter),
        Some(grammar) => grammar(text),
        None if is_agent && text.len() <= MAX_TEXT => dovecot_lmtp::tagged(process.tag, text),
        None => Body::Ignored,
    }
}

/// A line of rspamd's own log file, which has no prefix of a logging system.
pub(crate) fn own_file(line: &[u8]) -> Option<LogRecord<'_>> {
    if line.len() > MAX_TEXT {
        return None;
    }
    rspamd::own_file(line)
}

/// Reads a text of one program.
type Grammar = fn(&[u8]) -> Body<'_>;

fn grammar(process: &Process<'_>) -> Option<Grammar> {
    let program = if process.service.is_empty() { process.tag } else { process.service };
    let grammar: Grammar = match program {
        b"amavis" | b"amavisd" | b"amavisd-new" => amavis::read,
        b"rspamd" => rspamd::read,
        b"spamd" => spamd::read,
        b"spampd" => spampd::read,
        b"clamav-milter" => clamav::milter,
        b"clamd" => clamav::clamd,
        b"opendkim" => opendkim::read,
        b"opendmarc" => opendmarc::read,
        b"postgrey" => postgrey::read,
        b"policyd-spf" | b"policy-spf" | b"policyd-spf-perl" => policyd_spf::read,
        b"pmg-smtp-filter" => pmg::read,
        b"policyd-weight" => policyd::weight,
        b"cbpolicyd" | b"cluebringer" | b"policyd" => policyd::cluebringer,
        b"dovecot" => dovecot_lmtp::read,
        _ => return None,
    };
    Some(grammar)
}

//! Records of the queue (`outbound/hmail.js`): what became of an item.

use super::{
    Cause, Deferred, Delivered, Entry, QueueFile, Reason, Refused, Text, core::counts, hook,
    layout::Logged,
};
use crate::fields::{seconds, small_number};

/// What a record of the queue says; none when it says nothing that matters, or breaks the grammar.
pub(super) fn read<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    match logged.message.raw().first() {
        None | Some(b' ') => delivered(logged).or_else(|| hook::route(logged)),
        Some(b'r') => refused(logged).map(Entry::Refused),
        Some(b'T') => deferred(logged).map(Entry::Deferred),
        Some(b'b') => logged.after("bouncing mail: ").map(|text| Entry::Bounced(reason(text))),
        Some(b'p') => deleted(logged),
        Some(b'F' | b'R' | b'O') => unreached(logged),
        _ => None,
    }
}

fn delivered<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let names = [
        "delivered file",
        "domain",
        "host",
        "ip",
        "port",
        "mode",
        "response",
        "delay",
        "fails",
        "rcpts",
    ];
    let [file, domain, host, ip, port, mode, response, delay, fails, recipients] =
        logged.fields_of("")?.texts(names)?;
    if file.is_empty() {
        return None;
    }
    Some(Entry::Delivered(Delivered {
        domain,
        host,
        ip,
        port: small_number(port.raw()),
        is_lmtp: mode.raw() == b"LMTP",
        response,
        delay: seconds(delay.raw()).ok().map(|(_, delay)| delay),
        failures: small_number(fails.raw()).unwrap_or_default(),
        recipients: counts(recipients)?,
    }))
}

/// `recipient <address> rejected: 550 5.1.1 text`.
fn refused<'a>(logged: &Logged<'a>) -> Option<Refused<'a>> {
    let (address, rest) = logged.after("recipient ")?.address()?;
    let (is_final, reply) = match rest.strip_prefix(" rejected: ") {
        Some(reply) => (true, reply),
        None => (false, rest.strip_prefix(" deferred: ")?),
    };
    Some(Refused { address, is_final, reply })
}

/// `Temp failing FILE for 5 seconds: REASON`.
fn deferred<'a>(logged: &Logged<'a>) -> Option<Deferred<'a>> {
    let (file, rest) = logged.after("Temp failing ")?.split_once(" for ")?;
    let (_wait, text) = rest.split_once(" seconds: ")?;
    Some(Deferred { file: queue_file(file.raw())?, reason: reason(text) })
}

/// Of seven parts only the last, the name of the host, may have further underscores.
fn queue_file(name: &[u8]) -> Option<QueueFile<'_>> {
    let mut parts = name.splitn(7, |byte| *byte == b'_');
    let (arrival, _next, attempts) = (parts.next()?, parts.next()?, parts.next()?);
    let (_pid, uniq, _counter) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    Some(QueueFile { arrival, attempts: small_number(attempts)?, uniq })
}

fn deleted<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let (_, rest) = logged.after("plugin responded with: ")?.rsplit_once(". ")?;
    // Behind the verdict come two sentences, and only the last one is looked at.
    (rest.raw() == b"Deleting mail.").then_some(Entry::Deleted)
}

/// What went wrong with a connection to a server.
fn unreached<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    const WORDS: [&str; 3] =
        ["Failed to get socket: ", "Remote end ", "Ongoing connection failed to "];
    let text = match logged.after("Failed to get socket: ") {
        Some(cause) => cause,
        None if WORDS.iter().any(|words| logged.after(words).is_some()) => logged.message,
        None => return None,
    };
    Some(Entry::Unreached(text))
}

fn reason(text: Text<'_>) -> Reason<'_> {
    let last = text.strip_prefix("Too many failures (");
    let last = last.and_then(|last| last.strip_suffix(")"));
    let (text, is_exhausted) = last.map_or((text, false), |last| (last, true));
    Reason { cause: cause(text), text, is_exhausted }
}

fn cause(text: Text<'_>) -> Cause {
    const WORDS: [(&str, Cause); 18] = [
        ("Some recipients temp failed: ", Cause::Recipients),
        ("Some recipients failed: ", Cause::Recipients),
        ("Upstream error: ", Cause::Reply),
        ("Tried all MXs", Cause::Unreached),
        ("No MX for ", Cause::NoServer),
        ("Nowhere to deliver mail to for domain: ", Cause::NoServer),
        ("No Such Domain: ", Cause::NoDomain),
        ("DNS lookup failure: ", Cause::Lookup),
        ("Temporary MX lookup error for ", Cause::Lookup),
        ("No TLS available but required by configuration.", Cause::Tls),
        ("Host failed TLS verification", Cause::Tls),
        ("Unrecognized response from upstream server: ", Cause::Protocol),
        ("Error re-queueing", Cause::Queue),
        ("Error splitting to new recipients: ", Cause::Queue),
        ("Error opening queue file", Cause::Queue),
        ("Error reading queue file", Cause::Queue),
        ("Error populating bounce message: ", Cause::Queue),
        ("Error obtaining file size: ", Cause::Queue),
    ];
    if let Some((_, cause)) = WORDS.iter().find(|(words, _)| text.strip_prefix(words).is_some()) {
        return *cause;
    }
    let is_null_mx =
        text.strip_prefix("Domain ").is_some() && text.strip_suffix(" (NULL MX)").is_some();
    match text.raw().split_first_chunk::<4>() {
        _ if is_null_mx => Cause::NullMx,
        Some(([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' '], _)) => Cause::Reply,
        _ => Cause::Other,
    }
}

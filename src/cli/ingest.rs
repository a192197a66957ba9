//! `ingest`: brings a mail that may be a report to the daemon.
//!
//! It stands in a pipe of the mail server, which bounces the mail on most exit codes and keeps it on
//! one alone: so that one stands for everything that may be better later.

use std::{
    ffi::OsStr,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{
    Failure,
    args::Global,
    client::Daemon,
    report_args::IngestArgs,
    show::{self, Table},
};
use crate::{
    api::{reports::Taken, socket},
    config::{self, ConfigError, Purpose, STATE_DIR},
    limits::REPORT_BYTES,
};

/// Bytes of an address (RFC 5321 §4.5.3.1), and some.
const ADDRESS_BYTES: usize = 512;

/// Where the socket for reports is when the configuration may not be read.
const SOCKET: &str = "/run/mailherald/reports.sock";

/// Reads the mail, has it taken in, and says what came of it.
pub(super) fn run(args: &IngestArgs, global: &Global) -> Result<(), Failure> {
    let taken = take(args, global).map_err(|failure| Failure::NotTaken(Box::new(failure)))?;
    show::one(&taken, global, &table(&taken))
}

fn take(args: &IngestArgs, global: &Global) -> Result<Taken, Failure> {
    let mail = read(io::stdin().lock()).map_err(Failure::Mail)?;
    let mail = delivered_to(args.recipient.as_deref().and_then(OsStr::to_str), mail);
    let daemon = match place(args, global)? {
        Some(path) => Daemon::on_socket(path)?,
        None => Daemon::find(&args.ask, global)?,
    };
    Ok(daemon.post_mail(&["reports"], mail)?)
}

/// The beginning of the mail. The rest is read, too, so that whoever writes it is not cut off.
fn read(mut input: impl Read) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    input.by_ref().take(REPORT_BYTES as u64).read_to_end(&mut mail)?;
    io::copy(&mut input, &mut io::sink())?;
    Ok(mail)
}

/// The mail as a server writes it down for that recipient. One that is no address is left out.
fn delivered_to(recipient: Option<&str>, mail: Vec<u8>) -> Vec<u8> {
    let is_one = |text: &&str| {
        text.contains('@') && text.len() <= ADDRESS_BYTES && !text.contains(char::is_control)
    };
    let Some(recipient) = recipient.filter(is_one) else { return mail };
    // The line before the headers that local(8) writes.
    let begin = if mail.starts_with(b"From ") {
        mail.iter().position(|byte| *byte == b'\n').map_or(mail.len(), |end| end + 1)
    } else {
        0
    };
    let (before, headers) = mail.split_at(begin);
    let header = format!("X-Original-To: {recipient}\n");
    let mut whole = [before, header.as_bytes(), headers].concat();
    whole.truncate(REPORT_BYTES);
    whole
}

/// The socket to bring it to; None for the one of the API.
fn place(args: &IngestArgs, global: &Global) -> Result<Option<PathBuf>, Failure> {
    if args.socket.is_some() || args.ask.api.is_some() || args.ask.state.is_some() {
        return Ok(args.socket.clone());
    }
    match config::load(global.config_path(), Purpose::DryRun) {
        Ok(loaded) => {
            let own = socket::path(&loaded.config.state_dir);
            let socket = loaded.config.reports.socket.map(|socket| socket.path);
            // Whoever may go to the API is trusted there.
            Ok(socket.filter(|_| !may_connect(&own)))
        }
        Err(ConfigError::Read { source, .. })
            if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) =>
        {
            let own = socket::path(Path::new(STATE_DIR));
            Ok((!may_connect(&own)).then(|| SOCKET.into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn may_connect(socket: &Path) -> bool {
    rustix::fs::access(socket, rustix::fs::Access::WRITE_OK).is_ok()
}

fn table(taken: &Taken) -> Table {
    let mut table = Table::new(["RESULT", "TO", "ID", "FOUND BY", "TRUSTED"]);
    for event in &taken.events {
        let kind = &event.kind;
        table.row([
            if event.is_new { kind.clone() } else { format!("{kind} (known)") },
            event.to.clone().unwrap_or_default(),
            event.id.clone(),
            event.method.clone().unwrap_or_else(|| "none".to_owned()),
            event.trusted.to_string(),
        ]);
    }
    for passed in &taken.passed_over {
        let to = passed.to.clone().unwrap_or_default();
        table.row([passed.reason.clone(), to, String::new(), String::new(), String::new()]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn to_whom_it_was_sent_stands_in_front_of_its_headers() {
        let to = |recipient, mail: &str| {
            String::from_utf8(delivered_to(recipient, mail.into())).unwrap()
        };
        let (fbl, header) = (Some("fbl@a.test"), "X-Original-To: fbl@a.test\n");
        assert_eq!(to(fbl, "Subject: x\n\n"), format!("{header}Subject: x\n\n"));
        assert_eq!(
            to(fbl, "From x Sat\nSubject: x\n"),
            format!("From x Sat\n{header}Subject: x\n")
        );
        for nobody in [None, Some(""), Some("fbl"), Some("a@b\nFrom: c@d")] {
            assert_eq!(to(nobody, "Subject: x\n"), "Subject: x\n");
        }
        assert_eq!(delivered_to(fbl, vec![b'a'; REPORT_BYTES]).len(), REPORT_BYTES);
    }

    #[test]
    fn a_long_mail_is_cut_and_read_to_its_end() {
        let mut mail = io::repeat(b'a').take(REPORT_BYTES as u64 + 9);
        assert_eq!(read(&mut mail).unwrap().len(), REPORT_BYTES);
        assert_eq!(mail.limit(), 0);
    }
}

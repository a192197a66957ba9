//! `last message repeated 3 times`: the line before, so many times more.
//!
//! Older loggers write it (sysklogd and BSD `syslogd.c`, `fprintlog()`) under no tag, so only the
//! line in front tells what it stands for. Of Postfix's lines only a refusal without a queue ID can
//! truly repeat; what such a line stands for otherwise has no meaning for any message. Nothing of
//! this survives a restart.

use mailherald_parsers::{Body, LogRecord, Parser, postfix::Entry};

/// The line in front, while it is one that can repeat.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: Vec<u8>,
    parser: Parser,
}

impl Repeats {
    /// The next line is of another file.
    pub(super) fn turn(&mut self) {
        self.last.clear();
    }

    /// What `record` stands for: the line in front, at its own time and as often as it says. None
    /// for a line that stands for itself, which is then the one in front of the next.
    pub(super) fn behind<'a>(&'a mut self, record: &LogRecord<'a>) -> Option<LogRecord<'a>> {
        let is_count = record.repeated > 1
            && record.process.tag.is_empty()
            && matches!(record.body, Body::Ignored);
        if !is_count {
            self.note(record);
            return None;
        }
        if self.last.is_empty() {
            return None;
        }
        let last = self.parser.parse(&self.last);
        let LogRecord { line, stamp, host, repeated, .. } = *record;
        (last.host == host).then_some(LogRecord { line, stamp, repeated, ..last })
    }

    fn note(&mut self, record: &LogRecord<'_>) {
        self.last.clear();
        if let Body::Postfix(Entry::Verdict(verdict)) = &record.body
            && verdict.queue_id.is_none()
        {
            self.last.extend_from_slice(record.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::{
        parse::{Reader, State},
        source::{Fingerprint, testing::batch_of},
    };

    const REFUSAL: &str = "Nov 21 01:02:03 mx postfix/smtpd[11]: NOQUEUE: reject: RCPT from \
        x.test[192.0.2.66]: 554 5.7.1 <r@y.test>: Relay access denied; from=<s@x.test> \
        to=<r@y.test> proto=ESMTP helo=<h>";
    const COUNT: &str = "Nov 21 01:02:33 mx last message repeated 3 times";

    /// Of each record that tells something: the line's bytes, second and number of times.
    fn told(files: &[&[&str]]) -> Vec<(String, i64, u32)> {
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        let mut told = Vec::new();
        for (number, lines) in (0..).zip(files) {
            let mut batch = batch_of(lines.iter().copied());
            batch.position.fingerprint = Fingerprint([number; 16]);
            reader.read(&batch, |line| {
                let bytes = String::from_utf8_lossy(line.bytes).into_owned();
                told.push((
                    bytes,
                    line.at_us.div_euclid(1_000_000).rem_euclid(60),
                    line.record.repeated,
                ));
            });
        }
        told
    }

    #[test]
    fn row_24_the_last_refusal_is_told_once_more_with_its_count() {
        let refused = (REFUSAL.to_owned(), 3, 1);
        let repeated = (COUNT.to_owned(), 33, 3);
        assert_eq!(told(&[&[REFUSAL, COUNT, COUNT]]), [refused, repeated.clone(), repeated]);
    }

    #[test]
    fn row_24_what_cannot_repeat_is_not_repeated() {
        let removed = "Nov 21 01:02:03 mx postfix/qmgr[1]: 97C0A53F4D6: removed";
        let connect = "Nov 21 01:02:03 mx postfix/smtpd[1]: connect from x.test[192.0.2.66]";
        let elsewhere = COUNT.replace(" mx ", " mx2 ");
        let all = [removed, COUNT, REFUSAL, connect, COUNT, REFUSAL, &elsewhere];
        assert_eq!(told(&[&all]).len(), 3, "a removal and two refusals");
        assert_eq!(told(&[&[REFUSAL], &[COUNT]]).len(), 1, "of another file");
        assert_eq!(told(&[&[COUNT]]).len(), 0);
    }
}

//! Markers of lost lines, which logging systems leave in the log.
//!
//! A marker is only as trusted as local users: `logger -t rsyslogd` writes one, too. So it says
//! that something may be missing, and nothing about any message.

use memchr::memmem;
use nom::{
    Parser as _, bytes::complete::tag, character::complete::u64 as number, sequence::delimited,
};

/// Lines that the logging system dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// How many, of whichever program.
    pub lines: u64,
}

/// Reads what the logging system says of itself under `tag`:
///
/// ```text
/// imuxsock lost 12 messages from pid 345 due to rate-limiting
/// imuxsock[pid: 51, name: /usr/sbin/x]: 12 messages lost due to rate-limiting (200 allowed within 5 seconds)
/// Suppressed 500 messages from postfix.service
/// ```
///
/// rsyslog (`imuxsock.c` before 8, `ratelimit.c`, `tellLostCnt()`), and journald
/// (`journald-rate-limit.c`).
pub(crate) fn read(tag: &[u8], text: &[u8]) -> Option<Gap> {
    let lines = match tag {
        b"rsyslogd" => rsyslog(text),
        b"systemd-journald" | b"systemd-journal" | b"journal" => {
            between(b"Suppressed ", text, b" messages from ")
        }
        _ => None,
    };
    lines.map(|lines| Gap { lines })
}

fn rsyslog(text: &[u8]) -> Option<u64> {
    between(b"imuxsock lost ", text, b" messages from pid ").or_else(|| {
        let head = text.get(..memmem::find(text, b" messages lost due to rate-limiting")?)?;
        let digits = head.get(memchr::memrchr(b' ', head)? + 1..)?;
        crate::fields::small_number(digits)
    })
}

fn between(before: &[u8], text: &[u8], after: &[u8]) -> Option<u64> {
    let number = delimited(tag(before), number::<_, nom::error::Error<_>>, tag(after));
    let mut number = number;
    number.parse(text).ok().map(|(_, lines)| lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rsyslog 5 and 8, journald of systemd 219 and 252.
    #[test]
    fn row_38_a_logging_system_tells_how_many_lines_it_lost() {
        for (tag, text, lines) in [
            ("rsyslogd", "imuxsock lost 12 messages from pid 345 due to rate-limiting", 12),
            ("rsyslogd", "imjournal: 236 messages lost due to rate-limiting", 236),
            (
                "rsyslogd",
                "imuxsock[pid: 51, name: /usr/sbin/x]: 48814808 messages lost due to \
                 rate-limiting (20000 allowed within 300 seconds)",
                48_814_808,
            ),
            ("systemd-journald", "Suppressed 500 messages from postfix.service", 500),
            ("journal", "Suppressed 917 messages from /system.slice/postfix.service", 917),
        ] {
            let gap = read(tag.as_bytes(), text.as_bytes());
            assert_eq!(gap, Some(Gap { lines }), "{text}");
        }
    }

    #[test]
    fn row_38_other_words_of_a_logging_system_are_no_gap() {
        for (tag, text) in [
            ("rsyslogd", "imjournal: begin to drop messages due to rate-limiting"),
            ("rsyslogd", "x messages lost due to rate-limiting"),
            ("rsyslogd", "99999999999999999999 messages lost due to rate-limiting"),
            ("systemd-journald", "Suppressed many messages from postfix.service"),
            ("sshd", "Suppressed 500 messages from postfix.service"),
        ] {
            assert_eq!(read(tag.as_bytes(), text.as_bytes()), None, "{text}");
        }
    }
}

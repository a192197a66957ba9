//! A content filter between two passes through the queue, as amavis is set up.
//!
//! The message leaves the queue for the filter, comes back over loopback under a queue ID of its
//! own, and only then the first pass's status line says what became of it.

use std::io::Write;

use super::{Host, Kind, Message, queue_id};

/// Where the filter listens, as a status line names it.
const RELAY: &str = "127.0.0.1[127.0.0.1]:10024";

impl<W: Write> Host<W> {
    /// Takes a message that became active at `queued` through the filter: what comes back, and
    /// when it became active again.
    pub(super) fn through_filter(
        &mut self,
        queued: u64,
        message: &Message,
        recipients: &[String],
    ) -> (u64, Message) {
        let back = queued + self.random.between(80_000, 700_000);
        let inode = self.random.between(200_000, 9_000_000);
        let Message { from, header_id, size, .. } = message;
        let passed = Message {
            id: queue_id::long(back, inode),
            from: from.clone(),
            header_id: header_id.clone(),
            size: size + 432,
        };
        let active_again = self.comes_back(back, &passed, recipients.len() as u64);
        self.verdict(active_again + 2_000, message, &passed, recipients);
        self.handed_over(active_again + 4_000, queued, message, &passed, recipients);
        (active_again, passed)
    }

    /// The filter is a client of the second smtpd.
    fn comes_back(&mut self, at: u64, passed: &Message, recipients: u64) -> u64 {
        const CLIENT: &str = "localhost[127.0.0.1]";
        let pid = self.random.between(1000, 32_000);
        let Message { id, header_id, .. } = passed;
        self.later(at - 1_000, Kind::Noise, format!("postfix/smtpd[{pid}]: connect from {CLIENT}"));
        self.later(at, Kind::Story, format!("postfix/smtpd[{pid}]: {id}: client={CLIENT}"));
        let text = format!("postfix/cleanup[{}]: {id}: message-id={header_id}", pid + 1);
        self.later(at + 2_000, Kind::Story, text);
        self.active(at + 6_000, passed, recipients, Kind::Story);
        let text = format!(
            "postfix/smtpd[{pid}]: disconnect from {CLIENT} ehlo=1 mail=1 rcpt={recipients} \
             data=1 quit=1 commands={}",
            recipients + 4
        );
        self.later(at + 12_000, Kind::Noise, text);
        at + 6_000
    }

    /// amavis's own line about it.
    fn verdict(&mut self, at: u64, message: &Message, passed: &Message, recipients: &[String]) {
        let (pid, number) = (self.random.between(1000, 32_000), self.random.between(1, 20));
        let to: Vec<String> = recipients.iter().map(|to| format!("<{to}>")).collect();
        let text = format!(
            "amavis[{pid}]: ({pid:05}-{number:02}) Passed CLEAN {{RelayedInbound}}, \
             [198.51.100.7]:40522 <{}> -> {}, Queue-ID: {}, Message-ID: {}, mail_id: \
             {:012x}, Hits: -0.2, size: {}, queued_as: {}, 341 ms",
            message.from,
            to.join(","),
            message.id,
            message.header_id,
            self.random.next() >> 16,
            message.size,
            passed.id,
        );
        self.later(at, Kind::Story, text);
    }

    /// The end of the first pass.
    fn handed_over(
        &mut self,
        at: u64,
        queued: u64,
        message: &Message,
        passed: &Message,
        recipients: &[String],
    ) {
        let pid = self.random.between(1000, 32_000);
        let hundredths = (at - queued) / 10_000;
        for to in recipients {
            let text = format!(
                "postfix/smtp[{pid}]: {}: to=<{to}>, relay={RELAY}, delay=0.{hundredths:02}, \
                 delays=0.02/0.01/0.01/0.{hundredths:02}, dsn=2.0.0, status=sent (250 2.0.0 from \
                 MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {})",
                message.id, passed.id
            );
            self.later(at, Kind::HandedOver, text);
        }
        self.later(at + 500, Kind::Story, format!("postfix/qmgr[811]: {}: removed", message.id));
    }
}

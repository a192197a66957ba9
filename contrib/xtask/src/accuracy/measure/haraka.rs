//! Haraka's truth as rows of recipients.
//!
//! `client` rows are sessions with each reply, `sink` rows what receiving servers were asked and
//! answered, `event` rows what follows from these two, or is stated where a server cannot see it.
//! What logs alone do not tell is noted with each recipient, and the verdict on it left open.

use serde_json::Value;

use super::truth::{Recipient, Truth, text, texts, word};

/// Haraka charges the answers of an LMTP server to the wrong recipients where they differ.
const LMTP: &str = "LMTP answers that differ are logged for the wrong recipients of the message \
                    (their events say `unreliable_rcpt`)";

/// Is it a row of Haraka's truth?
pub(super) fn is_haraka(row: &Value) -> bool {
    matches!(word(row, "kind"), Some("event" | "client" | "sink"))
}

/// The recipients of all sessions.
pub(super) fn read(rows: &[Value]) -> Truth {
    let mut truth = Truth::default();
    let mut last = 0;
    for (message, row) in rows.iter().enumerate() {
        match word(row, "kind") {
            Some("client") => {
                last = truth.recipients.len();
                truth.recipients.extend(recipients(row, message, rows));
            }
            // What a filter was made to say stands behind the message that it was made to say it of.
            Some("event") if is_verdict(row) => {
                let scanned = truth.recipients.iter_mut().skip(last);
                scanned.for_each(|recipient| recipient.note_verdict(row));
            }
            _ => {}
        }
    }
    truth
}

fn is_verdict(row: &Value) -> bool {
    let kind = word(row, "event").and_then(|event| event.rsplit('.').next());
    let is_filter = matches!(kind, Some("spam" | "virus"));
    is_filter && row.get("to").is_none()
}

fn recipients(row: &Value, message: usize, rows: &[Value]) -> Vec<Recipient> {
    let session = Session { row, message, rows };
    texts(row, "rcpts").into_iter().map(|address| session.recipient(address)).collect()
}

/// A client's try to send one message.
struct Session<'a> {
    row: &'a Value,
    message: usize,
    rows: &'a [Value],
}

impl Session<'_> {
    fn recipient(&self, address: String) -> Recipient {
        let row = self.row;
        let mut recipient = Recipient {
            message: self.message,
            sender: text(row, "mail_from"),
            message_id: text(row, "message_id"),
            queue_id: text(row, "txn_uuid"),
            client: text(row, "client_ip"),
            service: text(row, "direction"),
            address,
            ..Recipient::default()
        };
        match self.refusal(&recipient.address) {
            Some((stage, reply)) => {
                "rejected".clone_into(&mut recipient.outcome);
                recipient.stage = Some(stage.to_owned());
                recipient.code = reply.get(..3).and_then(|code| code.parse().ok());
                recipient.response = Some(reply);
            }
            None if word(row, "final_reply").is_none_or(|reply| !reply.starts_with('2')) => {
                "aborted".clone_into(&mut recipient.outcome);
            }
            None => self.fate(&mut recipient),
        }
        recipient
    }

    /// Where the recipient was refused, and with what words.
    fn refusal(&self, address: &str) -> Option<(&'static str, String)> {
        let is_refusal = |reply: &&str| reply.starts_with(['4', '5']);
        let own = self.row.get("rcpt_replies").and_then(|replies| replies.get(address)?.as_str());
        if let Some(reply) = own.filter(is_refusal) {
            return Some(("RCPT", reply.to_owned()));
        }
        let reply = word(self.row, "final_reply").filter(is_refusal)?;
        let stage = match word(self.row, "final_stage")? {
            "connect" => "CONNECT",
            "helo" => "EHLO",
            "auth" => "AUTH",
            "mail" => "MAIL",
            "rcpt" => "RCPT",
            "data" => "DATA",
            _ => "END-OF-MESSAGE",
        };
        Some((stage, reply.to_owned()))
    }

    fn fate(&self, recipient: &mut Recipient) {
        let told = self.told(&recipient.address);
        let named = |name: &str| {
            let is_it = |row: &&&Value| event_name(row) == Some(name);
            told.iter().filter(is_it).copied().collect::<Vec<_>>()
        };
        let (bounces, deferrals) = (named("bounced"), named("deferred"));
        let is_exhausted = bounces.iter().any(|row| is_exhausted(row));
        recipient.arrives = true;
        recipient.is_late = self.is_late(recipient);
        let outcome = match () {
            () if !named("delivered").is_empty() => "delivered",
            () if is_exhausted => "expired",
            () if !bounces.is_empty() => "bounced",
            () if !deferrals.is_empty() => "deferred",
            () => "see-log",
        };
        outcome.clone_into(&mut recipient.outcome);
        // A server cannot know that the attempt it put off was the last one.
        let seen = deferrals.iter().filter(|row| row.get("mode").is_some()).count();
        let stated: i64 = deferrals
            .iter()
            .filter(|row| row.get("mode").is_none())
            .map(|row| row.get("times").and_then(Value::as_i64).unwrap_or(1))
            .sum();
        let unprinted = usize::from(is_exhausted && seen > 0);
        let least = seen.saturating_sub(unprinted) + usize::try_from(stated).unwrap_or_default();
        recipient.deferrals = Some(least..=least + self.unnamed());
        recipient.doubt = self.is_mixed_lmtp(recipient).then_some(LMTP);
    }

    /// Events that name the recipient; a refusal at `MAIL` names only the sender.
    fn told(&self, address: &str) -> Vec<&Value> {
        let sender = word(self.row, "mail_from");
        let is_about = |row: &&Value| match word(row, "to") {
            Some(to) => to == address,
            None => row.get("to").is_none() && sender.is_some() && word(row, "from") == sender,
        };
        self.rows.iter().filter(|row| word(row, "kind") == Some("event")).filter(is_about).collect()
    }

    /// What servers put off before a recipient was named: of any message from the sender.
    fn unnamed(&self) -> usize {
        let sender = word(self.row, "mail_from");
        let is_it = |row: &&Value| {
            word(row, "kind") == Some("sink")
                && row.get("rcpt").is_none()
                && word(row, "mail_from").is_none_or(|from| Some(from) == sender)
                && word(row, "reply").is_some_and(|reply| reply.starts_with('4'))
        };
        self.rows.iter().filter(is_it).count()
    }

    /// Was the bounce's reason a reply that only the line of the bounce tells?
    fn is_late(&self, recipient: &Recipient) -> bool {
        let refused_at_rcpt = |row: &&&Value| word(row, "stage") == Some("rcpt");
        let told = self.told(&recipient.address);
        let mut bounces = told.iter().filter(|row| event_name(row) == Some("bounced"));
        !bounces.any(|row| refused_at_rcpt(&row))
    }

    /// Did an LMTP server answer differently for recipients of the message?
    fn is_mixed_lmtp(&self, recipient: &Recipient) -> bool {
        let is_answer = |row: &&Value| {
            word(row, "kind") == Some("sink")
                && word(row, "mode") == Some("LMTP")
                && text(row, "message_id") == recipient.message_id
        };
        let mut results: Vec<_> = self.rows.iter().filter(is_answer).collect();
        results.sort_by_key(|row| word(row, "result"));
        results.dedup_by_key(|row| word(row, "result"));
        results.len() > 1
    }
}

fn event_name(row: &Value) -> Option<&str> {
    word(row, "event")?.split_once('.').map(|(_, name)| name)
}

/// Given up after the last attempt, where the row says so.
fn is_exhausted(row: &Value) -> bool {
    let reason = word(row, "reason").unwrap_or_default();
    word(row, "bounce_type") == Some("soft-exhausted")
        || reason.contains("too many failures")
        || reason.contains("intervals exhausted")
}

impl Recipient {
    fn note_verdict(&mut self, row: &Value) {
        self.verdict = event_name(row).map(str::to_owned);
        self.engine = Some(match word(row, "engine") {
            Some(engine) => engine.to_owned(),
            None => "clamd".to_owned(),
        });
    }
}

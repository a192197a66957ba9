//! What really happened, row by row: JSON lines that no mail server had a hand in.
//!
//! A row without `kind` is one recipient of one message. The others are what the receiving servers
//! got although no client sent it (`generated-message-seen-by-sink`), submissions of which only the
//! recipients are known (`sendmail -t`, `sendmail -bs`), raw SMTP sessions, and notes. A field that
//! is missing or of an unexpected type is not known; no row makes reading fail.

use std::{collections::BTreeMap, ops::RangeInclusive};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{by_hand, haraka};

/// One run of one scenario.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// One for each recipient of each message.
    pub(super) recipients: Vec<Recipient>,
    /// Sessions in which no message was handed over.
    pub(super) sessions: Vec<Session>,
    /// Who was reported as failed for good or given up, in DSNs that the servers received.
    pub(super) notices: Vec<Notice>,
}

/// What became of one recipient.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipient {
    /// Rows with the same number are about one message.
    pub(super) message: usize,
    /// `05_hard_bounce_dsn`.
    pub(super) scenario: String,
    /// Envelope sender; empty for the null sender.
    pub(super) sender: Option<String>,
    /// Envelope recipient, as the client said it.
    pub(super) address: String,
    /// Message-ID header, brackets and all.
    pub(super) message_id: Option<String>,
    /// From the reply to the client.
    pub(super) queue_id: Option<String>,
    /// The word of the truth: `delivered`, `see-log`, …
    pub(super) outcome: String,
    /// Where in the session the client was refused.
    pub(super) stage: Option<String>,
    /// Reply code of that refusal.
    pub(super) code: Option<i64>,
    /// Its text.
    pub(super) response: Option<String>,
    /// Address of the client.
    pub(super) client: Option<String>,
    /// What an alias stands for.
    pub(super) expands_to: Vec<String>,
    /// What a filter was made to find: `spam`, `virus`, `banned`.
    pub(super) verdict: Option<String>,
    /// The filter.
    pub(super) engine: Option<String>,
    /// `outbound` or `inbound`, where that is known.
    pub(super) service: Option<String>,
    /// It is known that the message was taken.
    pub(super) arrives: bool,
    /// How many attempts were put off, where that is known.
    pub(super) deferrals: Option<RangeInclusive<usize>>,
    /// Its bounce was for no reply to its own `RCPT TO`.
    pub(super) is_late: bool,
    /// Why the log may be wrong about it.
    pub(super) doubt: Option<&'static str>,
}

impl Recipient {
    /// The word of the truth, or what it would be had its writer seen everything.
    pub(super) fn word(&self) -> &str {
        by_hand::outcome(self).map_or(&self.outcome, |(word, _)| word)
    }

    /// Was the client told that, among other words?
    pub(super) fn was_told(&self, words: &str) -> bool {
        self.response.as_ref().is_some_and(|response| response.contains(words))
    }

    /// It was refused, or thrown away before it was in the queue.
    pub(super) fn is_refused(&self) -> bool {
        let is_login = self.stage.as_deref() == Some("AUTH");
        (self.word() == "rejected" && !is_login) || self.is_discarded()
    }

    /// The client was told that all is well, and the message thrown away.
    pub(super) fn is_discarded(&self) -> bool {
        self.word().starts_with("discarded")
    }
}

/// A client's session without a message.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Address of the client.
    pub(super) client: Option<String>,
    /// Commands, as sent.
    pub(super) sent: Vec<String>,
    /// Refusals among the replies: code and text.
    pub(super) refusals: Vec<(i64, String)>,
}

/// A recipient in a DSN with `Action: failed`.
#[derive(Debug)]
pub(super) struct Notice {
    /// `Final-Recipient`.
    pub(super) address: String,
    /// Class of `Status`: 4 when it was given up, 5 when it was refused.
    pub(super) class: Option<char>,
}

/// Reads the truth of one run.
///
/// # Errors
/// A line is not JSON.
pub(super) fn read(text: &str) -> Result<Truth> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Value =
            serde_json::from_str(line).with_context(|| format!("read row {}", number + 1))?;
        rows.push(row);
    }
    if rows.iter().any(haraka::is_haraka) {
        return Ok(haraka::read(&rows));
    }
    let mut reading = Reading::default();
    for read in [Reading::row, Reading::generated, Reading::submission] {
        for row in &rows {
            read(&mut reading, row);
        }
    }
    by_hand::add_recipients(&mut reading.truth.recipients);
    Ok(reading.truth)
}

#[derive(Default)]
struct Reading {
    truth: Truth,
    /// By the client's own number of the message.
    messages: BTreeMap<i64, usize>,
    count: usize,
}

impl Reading {
    fn row(&mut self, row: &Value) {
        match word(row, "kind") {
            None => {
                let message = self.message(row);
                self.truth.recipients.push(recipient(row, message));
            }
            Some("raw-session") => self.truth.sessions.push(session(row)),
            Some(_) => {}
        }
    }

    fn message(&mut self, row: &Value) -> usize {
        let count = &mut self.count;
        let mut fresh = || {
            *count += 1;
            *count
        };
        match row.get("msg").and_then(Value::as_i64) {
            Some(number) => *self.messages.entry(number).or_insert_with(fresh),
            None => fresh(),
        }
    }

    /// A message that no client sent: a DSN, or what the mail system made of another message for
    /// recipients of its own choice (`bcc`), or of a submission that was not followed.
    fn generated(&mut self, row: &Value) {
        if word(row, "kind") != Some("generated-message-seen-by-sink") {
            return;
        }
        self.truth.notices.extend(notices(&texts(row, "dsn_report")));
        let sender = word(row, "mail").and_then(path);
        let message_id = text(row, "message_id");
        let accepted = word(row, "reply").is_some_and(|reply| reply.starts_with('2'));
        if !accepted || sender.as_deref().is_none_or(str::is_empty) {
            return;
        }
        let message = self.message_with(message_id.as_deref());
        for address in texts(row, "rcpts") {
            self.truth.recipients.push(Recipient {
                message,
                scenario: text(row, "scenario").unwrap_or_default(),
                sender: sender.clone(),
                address,
                message_id: message_id.clone(),
                outcome: "delivered".to_owned(),
                ..Recipient::default()
            });
        }
    }

    /// A submission of which only the recipients are known. What the servers received of it is
    /// known already.
    fn submission(&mut self, row: &Value) {
        if !matches!(word(row, "kind"), Some("sendmail -t" | "sendmail -bs")) {
            return;
        }
        let queue_id = word(row, "stdout").and_then(queued_as);
        self.count += 1;
        for address in texts(row, "rcpts") {
            if self.truth.recipients.iter().any(|known| known.address == address) {
                continue;
            }
            self.truth.recipients.push(Recipient {
                message: self.count,
                scenario: text(row, "scenario").unwrap_or_default(),
                address,
                queue_id: queue_id.clone(),
                outcome: "see-log".to_owned(),
                ..Recipient::default()
            });
        }
    }

    fn message_with(&mut self, message_id: Option<&str>) -> usize {
        let known = self
            .truth
            .recipients
            .iter()
            .find(|known| message_id.is_some() && known.message_id.as_deref() == message_id);
        if let Some(known) = known {
            return known.message;
        }
        self.count += 1;
        self.count
    }
}

fn recipient(row: &Value, message: usize) -> Recipient {
    Recipient {
        message,
        scenario: text(row, "scenario").unwrap_or_default(),
        sender: text(row, "mail_from"),
        address: text(row, "rcpt_to").unwrap_or_default(),
        message_id: text(row, "message_id"),
        queue_id: text(row, "queue_id"),
        outcome: text(row, "outcome").unwrap_or_default(),
        stage: text(row, "stage"),
        code: row.get("smtp_code").and_then(Value::as_i64),
        response: text(row, "response"),
        client: text(row, "client_ip"),
        expands_to: texts(row, "expands_to"),
        verdict: text(row, "verdict"),
        ..Recipient::default()
    }
}

fn session(row: &Value) -> Session {
    let refusals = list(row, "replies").iter().filter_map(|reply| {
        let code = reply.get(0)?.as_i64().filter(|code| *code >= 400)?;
        Some((code, reply.get(1)?.as_str()?.to_owned()))
    });
    let client = text(row, "client_ip");
    Session { client, sent: texts(row, "sent"), refusals: refusals.collect() }
}

/// The failed recipients of a report: `Final-Recipient`, `Action` and `Status` of each in turn.
fn notices(report: &[String]) -> Vec<Notice> {
    let mut found = Vec::new();
    let (mut address, mut failed) = (None, false);
    for line in report {
        match line.trim().split_once(": ") {
            Some(("Final-Recipient", value)) => {
                address = value.split_once(';').map(|(_, address)| address.trim().to_owned());
            }
            Some(("Action", value)) => failed = value == "failed",
            Some(("Status", value)) if failed => {
                let class = value.chars().next();
                found.extend(address.take().map(|address| Notice { address, class }));
            }
            _ => {}
        }
    }
    found
}

/// The path of `MAIL FROM:<bob@sender.test> SIZE=369`.
fn path(command: &str) -> Option<String> {
    let (path, _) = command.split_once('<')?.1.rsplit_once('>')?;
    Some(path.to_owned())
}

/// The queue ID of `250 2.0.0 Ok: queued as 4jWZVZ20xNznR8n`.
fn queued_as(dialogue: &str) -> Option<String> {
    let (_, rest) = dialogue.split_once("queued as ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

pub(super) fn word<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row.get(key)?.as_str()
}

pub(super) fn text(row: &Value, key: &str) -> Option<String> {
    word(row, key).map(str::to_owned)
}

fn list<'a>(row: &'a Value, key: &str) -> &'a [Value] {
    row.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn texts(row: &Value, key: &str) -> Vec<String> {
    list(row, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

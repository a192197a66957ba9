//! Every line of every recorded log: what it was taken for, and whether the outcomes are those
//! that clients and receiving servers saw.
//!
//! The snapshots count kinds of entries and show each line that was not understood.

#![allow(clippy::needless_pass_by_value, reason = "the harness hands every log over by value")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use mailherald_parsers::{
    Body, Parser,
    filters::Verdict,
    postfix::{Delivery, Entry, NotificationKind, Status},
};
use serde_json::Value;

datatest_stable::harness! {
    { test = every_line_is_taken_for_what_it_is, root = FIXTURES, pattern = r"\.log$" },
    { test = every_outcome_is_in_the_log, root = FIXTURES, pattern = r"\.log$" },
}

const FIXTURES: &str = "../fixtures/postfix";

fn every_line_is_taken_for_what_it_is(path: &Path, log: Vec<u8>) -> datatest_stable::Result<()> {
    let mut counts = BTreeMap::<(String, &str), u32>::new();
    let mut unrecognised = String::new();
    let mut parser = Parser::new();
    for line in lines(&log) {
        let body = parser.parse(line).body;
        *counts.entry((name(&body), action(&body))).or_default() += 1;
        if let Body::Unrecognised(reason) = body {
            writeln!(unrecognised, "{reason:?}: {}", String::from_utf8_lossy(line))?;
        }
    }
    let mut summary = String::new();
    for ((name, action), count) in counts {
        writeln!(summary, "{}", format!("{count:5} {name} {action}").trim_end())?;
    }
    summary.push_str(&unrecognised);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(snapshot_name(path), summary);
    });
    Ok(())
}

fn every_outcome_is_in_the_log(path: &Path, log: Vec<u8>) -> datatest_stable::Result<()> {
    let seen = Seen::read(&log);
    let mut missing = Vec::new();
    for row in fs::read_to_string(expected_path(path))?.lines() {
        let row: Value = serde_json::from_str(row)?;
        if let Some((recipient, status)) = expected(&row)
            && !seen.ends_in(&recipient, status)
            && !seen.ends_elsewhere(&row, status)
        {
            missing.push((recipient, status));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("not in the log: {missing:#?}").into()) }
}

/// Queue ID and address, in lower case: Postfix delivers addresses that differ in case once.
type Recipient = (String, String);

/// The row's final outcome; none for rows that no delivery status line tells about.
fn expected(row: &Value) -> Option<(Recipient, Status)> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let status = match text("outcome")? {
        "delivered" => Status::Sent,
        "bounced" => Status::Bounced,
        "deferred" => Status::Deferred,
        _ => return None,
    };
    Some(((text("queue_id")?.to_owned(), text("rcpt_to")?.to_lowercase()), status))
}

/// What the delivery status lines say.
#[derive(Default)]
struct Seen {
    /// Every status of a recipient, under both of its addresses.
    statuses: BTreeMap<Recipient, Vec<Status>>,
    /// The queue ID that a message got at the next hop.
    next: BTreeMap<Recipient, String>,
    /// The queue IDs under which a message was here, by its Message-ID.
    ids: BTreeMap<String, Vec<String>>,
}

impl Seen {
    fn read(log: &[u8]) -> Self {
        let mut seen = Self::default();
        let mut parser = Parser::new();
        for line in lines(log) {
            match parser.parse(line).body {
                Body::Postfix(Entry::Delivery(delivery)) => seen.add(&delivery),
                Body::Postfix(Entry::MessageId(entry)) => {
                    let id = String::from_utf8_lossy(entry.value).into_owned();
                    let queue_id = entry.queue_id.as_str().to_owned();
                    seen.ids.entry(id).or_default().push(queue_id);
                }
                _ => {}
            }
        }
        seen
    }

    fn add(&mut self, delivery: &Delivery<'_>) {
        let status = match delivery.status {
            Status::SoftBounce => Status::Deferred,
            status => status,
        };
        let text = String::from_utf8_lossy(delivery.text);
        let next = text.rsplit_once("queued as ").map(|(_, next)| next.to_owned());
        for address in [Some(delivery.recipient), delivery.orig_recipient].into_iter().flatten() {
            let address = String::from_utf8_lossy(address).to_lowercase();
            let recipient = (delivery.queue_id.as_str().to_owned(), address);
            if let Some(next) = &next {
                self.next.insert(recipient.clone(), next.clone());
            }
            self.statuses.entry(recipient).or_default().push(status);
        }
    }

    /// The last status here, or at the next hop on the same host, is `expected`.
    fn ends_in(&self, recipient: &Recipient, expected: Status) -> bool {
        let last = |recipient| self.statuses.get(recipient).and_then(|all| all.last());
        let beyond = self.next.get(recipient).map(|next| (next.clone(), recipient.1.clone()));
        let beyond = beyond.as_ref().and_then(last);
        beyond.or_else(|| last(recipient)) == Some(&expected)
    }

    /// As [`Self::ends_in`], under any queue ID that the message ever had: filters behind the
    /// queue, `.forward` and `postsuper -r` give it a new one.
    fn ends_elsewhere(&self, row: &Value, expected: Status) -> bool {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let ids = self.ids.get(text("message_id")).into_iter().flatten();
        ids.into_iter().any(|id| {
            let recipient = (id.clone(), text("rcpt_to").to_lowercase());
            self.statuses.get(&recipient).and_then(|all| all.last()) == Some(&expected)
        })
    }
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// `syslog/01_delivered_single.rfc3339.log` gives `syslog-01_delivered_single.rfc3339`.
fn snapshot_name(path: &Path) -> String {
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mode = part(path.parent().and_then(Path::file_name));
    format!("{mode}-{}", part(path.file_stem()))
}

/// One run has one truth, however often its log was written: the name up to the first dot.
fn expected_path(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let scenario = name.split('.').next().unwrap_or_default();
    path.with_file_name(format!("{scenario}.expected.jsonl"))
}

fn name(body: &Body<'_>) -> String {
    match body {
        Body::Gap(_) => "gap".to_owned(),
        Body::Ignored => "ignored".to_owned(),
        Body::Unrecognised(_) => "UNRECOGNISED".to_owned(),
        Body::Postfix(entry) => entry_name(entry).to_owned(),
        Body::Filter(verdict) => filter_name(verdict),
        Body::Haraka(_) => "haraka".to_owned(),
    }
}

/// Postfix's word for what was done; empty where the line has none.
fn action(body: &Body<'_>) -> &'static str {
    match body {
        Body::Postfix(Entry::Verdict(verdict)) if !verdict.ambiguous => verdict.action.as_str(),
        Body::Postfix(Entry::ContentCheck(check)) if !check.ambiguous => check.action.as_str(),
        _ => "",
    }
}

/// `amavis verdict spam discarded, quarantined, score`: engine, part, kind, action, and what else
/// matters for an event.
fn filter_name(verdict: &Verdict<'_>) -> String {
    let Verdict { engine, part, kind, action, .. } = verdict;
    let (engine, part, kind) = (engine.name(), part.name(), kind.name());
    let mut name = format!("{engine} {part} {kind} {}", action.name());
    for (has, word) in [
        (verdict.quarantined, "quarantined"),
        (verdict.queue_id.is_some(), "queue id"),
        (verdict.queued_as.iter().next().is_some(), "queued as"),
        (verdict.message_id.is_some(), "message id"),
        (verdict.recipients.iter().next().is_some(), "recipients"),
        (verdict.score.is_some(), "score"),
        (verdict.rules.iter().next().is_some(), "rules"),
        (verdict.detail.is_some(), "detail"),
    ] {
        if has {
            name.push_str(", ");
            name.push_str(word);
        }
    }
    name
}

fn entry_name(entry: &Entry<'_>) -> &'static str {
    match entry {
        Entry::Client(client) if client.queue_id.is_none() => "client without queue id",
        Entry::Client(client) if client.orig_queue_id.is_some() => "client behind a filter",
        Entry::Client(client) if client.sasl_username.is_some() => "client authenticated",
        Entry::Client(_) => "client",
        Entry::Pickup(_) => "pickup",
        Entry::MessageId(_) => "message id",
        Entry::QueueActive(_) => "queue active",
        Entry::Expired(_) => "expired",
        Entry::Removed(removed) if removed.by_operator => "removed by operator",
        Entry::Removed(_) => "removed",
        Entry::Delivery(delivery) => status_name(delivery.status),
        Entry::Notification(notification) => match notification.kind {
            NotificationKind::NonDelivery => "notification of failure",
            NotificationKind::Delay => "notification of delay",
            NotificationKind::Success => "notification of success",
            NotificationKind::Postmaster => "notification of the postmaster",
        },
        Entry::Verdict(verdict) if verdict.ambiguous => "verdict AMBIGUOUS",
        Entry::Verdict(_) => "verdict",
        Entry::ContentCheck(check) if check.ambiguous => "content check AMBIGUOUS",
        Entry::ContentCheck(_) => "content check",
        Entry::Refused(_) => "message refused",
        Entry::ProxyAnswer(_) => "answer of a proxy",
        Entry::RateLimit(_) => "rate limit",
        Entry::AuthFailure(_) => "authentication failed",
        Entry::DnsListed(_) => "dns list",
        Entry::Operation(_) => "operation",
        Entry::OperationTotal(_) => "operation total",
        Entry::Corrupt(_) => "corrupt",
        Entry::Started(_) => "started",
        _ => "other",
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Sent => "status sent",
        Status::Deferred => "status deferred",
        Status::Bounced => "status bounced",
        Status::SoftBounce => "status softbounce",
        Status::Probe => "status of a probe",
    }
}

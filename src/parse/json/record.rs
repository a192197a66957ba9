//! A parsed record as JSON, to be read by people and scripts.
//!
//! Bytes become text with replacement characters where they are not UTF-8, durations become
//! seconds, and what the line does not have is left out.

use std::time::Duration;

use mailherald_parsers::{
    Body, LogRecord, Reason,
    filters::{self, Rule},
    postfix::{
        Client, Delivery, Entry, MessageId, Notification, NotificationKind, Peer, Pickup,
        QueueActive, QueueId, Relay, Status, Verdict,
    },
    status::ReplyCodes,
    time::Stamp,
};
use serde_json::{Map, Value};

use super::{
    haraka::{haraka_fields, haraka_plugin_fields},
    remark::remark_fields,
};

/// The record, with `kind` telling what the line is.
#[must_use]
pub(super) fn record_json(record: &LogRecord<'_>) -> Value {
    let process = &record.process;
    let mut fields = Fields::default();
    fields.set_some("stamp", stamp(record.stamp));
    fields.set_unless_empty("host", record.host);
    fields.set_unless_empty("tag", process.tag);
    fields.set_unless_empty("instance", process.instance);
    fields.set_unless_empty("service", process.service);
    fields.set_some("pid", process.pid);
    fields.set_some("repeated", (record.repeated > 1).then_some(record.repeated));
    match &record.body {
        Body::Postfix(entry) => entry_fields(entry, &mut fields),
        Body::Haraka(record) => haraka_fields(record, &mut fields),
        Body::HarakaPlugin(record) => haraka_plugin_fields(*record, &mut fields),
        Body::Gap(gap) => {
            fields.set("kind", "gap");
            fields.set("lines", gap.lines);
        }
        Body::Filter(verdict) => filter_verdict(verdict, &mut fields),
        Body::Ignored => fields.set("kind", "ignored"),
        Body::Unrecognised(reason) => fields.set("unrecognised", reason_name(*reason)),
    }
    Value::Object(fields.0)
}

/// Why a line was not understood, in a word.
#[must_use]
pub(super) fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Header => "header",
        Reason::Partial => "partial",
        Reason::Text => "text",
        Reason::DeliveryStatus => "delivery_status",
        Reason::Reject => "reject",
        Reason::Filter => "filter",
        _ => "other",
    }
}

/// An object under construction.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub(super) fn set_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.set(name, text(bytes));
    }

    fn set_list(&mut self, name: &str, values: impl Iterator<Item = Value>) {
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            self.set(name, values);
        }
    }

    pub(super) fn set_some_bytes(&mut self, name: &str, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            self.set_bytes(name, bytes);
        }
    }

    fn set_unless_empty(&mut self, name: &str, bytes: &[u8]) {
        self.set_some_bytes(name, Some(bytes).filter(|bytes| !bytes.is_empty()));
    }

    pub(super) fn set_queue_id(&mut self, name: &str, queue_id: Option<QueueId<'_>>) {
        self.set_some(name, queue_id.map(QueueId::as_str));
    }

    pub(super) fn set_true(&mut self, name: &str, value: bool) {
        self.set_some(name, value.then_some(true));
    }

    pub(super) fn set_peer(&mut self, name: &str, peer: Option<&Peer<'_>>) {
        let Some(peer) = peer else { return };
        let mut fields = Self::default();
        fields.set_unless_empty("name", peer.name);
        fields.set_bytes("address", peer.address);
        fields.set_some("port", peer.port);
        self.set(name, fields.0);
    }

    pub(super) fn set_codes(&mut self, codes: ReplyCodes) {
        self.set_some("code", codes.code);
        self.set_some("dsn", codes.dsn.map(|dsn| dsn.to_string()));
    }
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// RFC 3339 when the stamp is complete, else what there is of it: `11-21T03:04:05`.
fn stamp(stamp: Stamp) -> Option<String> {
    match stamp {
        Stamp::Missing => None,
        Stamp::Exact(at) => Some(at.to_string()),
        Stamp::Local { civil, .. } => Some(civil.to_string()),
        Stamp::Yearless { month, day, hour, minute, second } => {
            Some(format!("{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
        }
    }
}

/// What a line tells about the way of a message; the others: [`remark_fields`].
fn entry_fields(entry: &Entry<'_>, fields: &mut Fields) {
    match entry {
        Entry::Client(client) => self::client(client, fields),
        Entry::Pickup(pickup) => self::pickup(pickup, fields),
        Entry::MessageId(id) => message_id(id, fields),
        Entry::QueueActive(active) => queue_active(active, fields),
        Entry::Expired(expired) => {
            fields.set("kind", "expired");
            fields.set_queue_id("queue_id", Some(expired.queue_id));
            fields.set_bytes("from", expired.sender);
            fields.set_true("forced", expired.forced);
        }
        Entry::Removed(removed) => {
            fields.set("kind", "removed");
            fields.set_queue_id("queue_id", Some(removed.queue_id));
            fields.set_true("by_operator", removed.by_operator);
        }
        Entry::Delivery(delivery) => self::delivery(delivery, fields),
        Entry::Notification(notification) => self::notification(notification, fields),
        Entry::Verdict(verdict) => self::verdict(verdict, fields),
        other => remark_fields(other, fields),
    }
}

fn client(client: &Client<'_>, fields: &mut Fields) {
    fields.set("kind", "client");
    fields.set_queue_id("queue_id", client.queue_id);
    fields.set_peer("client", Some(&client.peer));
    fields.set_some_bytes("sasl_method", client.sasl_method);
    fields.set_some_bytes("sasl_username", client.sasl_username);
    fields.set_queue_id("orig_queue_id", client.orig_queue_id);
    fields.set_peer("orig_client", client.orig_client.as_ref());
}

fn pickup(pickup: &Pickup<'_>, fields: &mut Fields) {
    fields.set("kind", "pickup");
    fields.set_queue_id("queue_id", Some(pickup.queue_id));
    fields.set_bytes("uid", pickup.uid);
    fields.set_bytes("from", pickup.sender);
    fields.set_queue_id("orig_queue_id", pickup.orig_id);
}

fn message_id(id: &MessageId<'_>, fields: &mut Fields) {
    fields.set("kind", "message_id");
    fields.set_queue_id("queue_id", Some(id.queue_id));
    fields.set_bytes("message_id", id.value);
    fields.set_true("resent", id.resent);
}

fn queue_active(active: &QueueActive<'_>, fields: &mut Fields) {
    fields.set("kind", "queue_active");
    fields.set_queue_id("queue_id", Some(active.queue_id));
    fields.set_bytes("from", active.sender);
    fields.set("size", active.size);
    fields.set("nrcpt", active.nrcpt);
}

fn delivery(delivery: &Delivery<'_>, fields: &mut Fields) {
    fields.set("kind", "delivery");
    fields.set_queue_id("queue_id", Some(delivery.queue_id));
    fields.set_bytes("to", delivery.recipient);
    fields.set_some_bytes("orig_to", delivery.orig_recipient);
    match &delivery.relay {
        Relay::None => {}
        Relay::Host(peer) => fields.set_peer("relay", Some(peer)),
        Relay::Agent(name) => fields.set_bytes("agent", name),
    }
    fields.set_some("conn_use", delivery.conn_use);
    fields.set("delay", delivery.delay.as_secs_f64());
    fields.set("delays", delays(delivery.delays));
    fields.set("dsn", delivery.dsn.to_string());
    fields.set("status", status_name(delivery.status));
    fields.set_bytes("text", delivery.text);
}

fn delays(delays: [Duration; 4]) -> Map<String, Value> {
    let mut fields = Fields::default();
    for (name, delay) in ["before_queue", "in_queue", "connect", "transmit"].iter().zip(delays) {
        fields.set(name, delay.as_secs_f64());
    }
    fields.0
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Sent => "sent",
        Status::Deferred => "deferred",
        Status::Bounced => "bounced",
        Status::SoftBounce => "soft_bounce",
        Status::Probe => "probe",
    }
}

fn notification(notification: &Notification<'_>, fields: &mut Fields) {
    fields.set("kind", "notification");
    fields.set_queue_id("queue_id", Some(notification.parent));
    fields.set_queue_id("child", Some(notification.child));
    fields.set(
        "notification",
        match notification.kind {
            NotificationKind::NonDelivery => "non_delivery",
            NotificationKind::Delay => "delay",
            NotificationKind::Success => "success",
            NotificationKind::Postmaster => "postmaster",
        },
    );
}

fn verdict(verdict: &Verdict<'_>, fields: &mut Fields) {
    fields.set("kind", "verdict");
    fields.set_queue_id("queue_id", verdict.queue_id);
    fields.set("action", verdict.action.as_str());
    fields.set_bytes("stage", verdict.stage);
    fields.set_peer("client", Some(&verdict.peer));
    fields.set_codes(verdict.codes);
    fields.set_bytes("text", verdict.text);
    fields.set_some_bytes("from", verdict.sender);
    fields.set_some_bytes("to", verdict.recipient);
    fields.set_some_bytes("proto", verdict.proto);
    fields.set_some_bytes("helo", verdict.helo);
    fields.set_some_bytes("sasl_username", verdict.sasl_username);
    fields.set_true("ambiguous", verdict.ambiguous);
}

fn filter_verdict(verdict: &filters::Verdict<'_>, fields: &mut Fields) {
    fields.set("kind", "filter_verdict");
    fields.set("engine", verdict.engine.name());
    fields.set("finding", verdict.kind.name());
    fields.set("action", verdict.action.name());
    fields.set("part", verdict.part.name());
    fields.set_true("quarantined", verdict.quarantined);
    fields.set_some("direction", verdict.direction.map(filters::Direction::name));
    fields.set_some("score", verdict.score);
    fields.set_some("required", verdict.required);
    fields.set_list("rules", verdict.rules.iter().map(rule));
    fields.set_some_bytes("detail", verdict.detail);
    fields.set_queue_id("queue_id", verdict.queue_id);
    fields.set_list("queued_as", verdict.queued_as.iter().map(|id| id.as_str().into()));
    fields.set_some_bytes("message_id", verdict.message_id);
    fields.set_some_bytes("scan_id", verdict.scan_id);
    fields.set_some_bytes("client", verdict.client);
    fields.set_some_bytes("user", verdict.user);
    fields.set_some_bytes("from", verdict.sender);
    fields.set_list("to", verdict.recipients.iter().map(text));
    fields.set_some_bytes("subject", verdict.subject);
}

fn rule(rule: Rule<'_>) -> Value {
    let mut fields = Fields::default();
    fields.set_bytes("name", rule.name);
    fields.set_some("weight", rule.weight);
    fields.set_unless_empty("options", rule.options);
    Value::Object(fields.0)
}

#[cfg(test)]
mod tests {
    use mailherald_parsers::{Parser, Process, postfix::Action, status::Dsn};
    use serde_json::json;

    use super::*;

    fn record(body: Body<'static>) -> LogRecord<'static> {
        LogRecord {
            line: b"",
            stamp: Stamp::Yearless { month: 11, day: 2, hour: 3, minute: 4, second: 5 },
            host: b"mx",
            process: Process {
                tag: b"postfix/smtpd",
                instance: b"postfix",
                service: b"smtpd",
                pid: Some(7),
            },
            repeated: 1,
            body,
        }
    }

    #[test]
    fn what_a_line_does_not_have_is_left_out() {
        let mut record = record(Body::Ignored);
        record.stamp = Stamp::Missing;
        record.host = b"";
        record.process = Process { tag: b"kernel", ..Process::default() };
        assert_eq!(record_json(&record), json!({ "tag": "kernel", "kind": "ignored" }));
    }

    #[test]
    fn a_client_line_keeps_bytes_that_are_not_utf_8_as_replacement_characters() {
        let peer = Peer { name: b"unknown", address: b"192.0.2.7", port: Some(2525) };
        let client = Client {
            queue_id: None,
            peer,
            sasl_method: Some(b"PLAIN"),
            sasl_username: Some(b"b\xffb"),
            orig_queue_id: None,
            orig_client: None,
        };
        assert_eq!(
            record_json(&record(Body::Postfix(Entry::Client(client)))),
            json!({
                "stamp": "11-02T03:04:05", "host": "mx", "tag": "postfix/smtpd",
                "instance": "postfix", "service": "smtpd", "pid": 7, "kind": "client",
                "client": { "name": "unknown", "address": "192.0.2.7", "port": 2525 },
                "sasl_method": "PLAIN", "sasl_username": "b\u{fffd}b",
            })
        );
    }

    #[test]
    fn a_verdict_shows_its_codes_and_a_null_sender_is_not_a_missing_one() {
        let verdict = Verdict {
            queue_id: None,
            action: Action::Reject,
            stage: b"RCPT",
            peer: Peer { name: b"", address: b"192.0.2.7", port: None },
            text: b"554 5.7.1 <a@b>: Relay access denied",
            codes: ReplyCodes {
                code: Some(554),
                dsn: Some(Dsn { class: 5, subject: 7, detail: 1 }),
            },
            sender: Some(b""),
            recipient: None,
            proto: Some(b"ESMTP"),
            helo: None,
            sasl_username: None,
            ambiguous: true,
        };
        let mut record = record(Body::Postfix(Entry::Verdict(verdict)));
        record.repeated = 3;
        assert_eq!(
            record_json(&record),
            json!({
                "stamp": "11-02T03:04:05", "host": "mx", "tag": "postfix/smtpd",
                "instance": "postfix", "service": "smtpd", "pid": 7, "repeated": 3,
                "kind": "verdict", "action": "reject", "stage": "RCPT",
                "client": { "address": "192.0.2.7" }, "code": 554, "dsn": "5.7.1",
                "text": "554 5.7.1 <a@b>: Relay access denied",
                "from": "", "proto": "ESMTP", "ambiguous": true,
            })
        );
    }

    #[test]
    fn a_filter_verdict_shows_what_its_line_has() {
        let line = b"2026-11-21T01:44:45Z vm amavis[182]: (00182-02) Passed SPAMMY \
            {RelayedTaggedInbound,Quarantined}, [127.0.2.5]:33707 <> -> <a@lab.test>,<b@lab.test>, \
            Queue-ID: 4jWZl047nYznR77, Message-ID: <1@x.test>, mail_id: uH9lMB7_zMz6, Hits: 6.5, \
            size: 348, queued_as: 4jWZl10wjGznR7Q, Tests: [A=6.6,B=-0.1], 287 ms";
        assert_eq!(
            record_json(&Parser::new().parse(line)),
            json!({
                "stamp": "2026-11-21T01:44:45Z", "host": "vm", "tag": "amavis",
                "instance": "amavis", "pid": 182, "kind": "filter_verdict",
                "engine": "amavis", "finding": "spam", "action": "tagged", "part": "verdict",
                "quarantined": true, "direction": "inbound", "score": 6.5,
                "rules": [{ "name": "A", "weight": 6.6 }, { "name": "B", "weight": -0.1 }],
                "queue_id": "4jWZl047nYznR77", "queued_as": ["4jWZl10wjGznR7Q"],
                "message_id": "<1@x.test>", "scan_id": "00182-02", "client": "127.0.2.5",
                "from": "", "to": ["a@lab.test", "b@lab.test"],
            })
        );
    }

    #[test]
    fn delays_are_seconds() {
        let millis = Duration::from_millis;
        assert_eq!(
            Value::Object(delays([millis(10), millis(0), millis(250), millis(1500)])),
            json!({ "before_queue": 0.01, "in_queue": 0.0, "connect": 0.25, "transmit": 1.5 })
        );
    }
}

//! Stories of Haraka, told by records in each of its layouts, and the events they must give.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod delivery;
mod dialogue;
mod hostile;
mod state;
mod writing;

use jiff::tz::TimeZone;

use crate::{
    correlate::{Correlator, Direction},
    event::Event,
    parse::{Reader, State},
    source::{Batch, testing::batch_of},
};
use writing::{Layout, Written, record};

/// The connection of most stories.
const C: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";

fn direction() -> Direction {
    Direction {
        local_domains: vec!["in.test".into()],
        mynetworks: vec!["127.0.0.1/32".parse().unwrap()],
        ..Direction::default()
    }
}

fn batch(lines: &[String]) -> Batch {
    let anchor = "2026-11-21T12:00:00Z".parse().unwrap();
    Batch { anchor, first_of_generation: true, ..batch_of(lines) }
}

fn follow(correlator: &mut Correlator, lines: &[String]) -> Vec<Event> {
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    let mut events = Vec::new();
    reader.read(&batch(lines), |line| correlator.step(line, &mut events));
    assert_eq!(reader.counts().unrecognised, 0, "{lines:#?}");
    events
}

/// The events of a log that ends there.
fn events_of(lines: &[String]) -> Vec<Event> {
    let mut correlator = Correlator::new(direction(), false);
    let mut events = follow(&mut correlator, lines);
    correlator.release_all(&mut events);
    events
}

/// As type and recipient.
fn shown(events: &[Event]) -> Vec<String> {
    let shown = events
        .iter()
        .map(|event| format!("{} {}", event.kind.name(), event.data.to.as_deref().unwrap_or("-")));
    shown.collect()
}

/// Records in the default layout, ten milliseconds apart.
fn log(records: &[Written]) -> Vec<String> {
    written(records, Layout::Default)
}

fn written(records: &[Written], layout: Layout) -> Vec<String> {
    let stamp = |number: usize| {
        let ms = number * 10;
        format!("2026-11-21T01:40:{:02}.{:03}Z ", ms / 1000, ms % 1000)
    };
    records.iter().enumerate().map(|(at, it)| stamp(at) + &it.in_layout(layout)).collect()
}

fn told(records: &[Written]) -> Vec<String> {
    shown(&events_of(&log(records)))
}

/// A client at 192.0.2.7 that greets.
fn connect() -> Written {
    record("", "core", "connect", &[("ip", "192.0.2.7"), ("port", "1234")])
}

fn sender(address: &str, code: &str) -> Written {
    record(".1", "core", &format!("sender <{address}>"), &[("code", code), ("msg", "")])
}

fn recipient(address: &str, code: &str, text: &str) -> Written {
    let fields = [("code", code), ("msg", text), ("sender", "a@far.test")];
    record(".1", "core", &format!("recipient <{address}>"), &fields)
}

/// A plugin's verdict.
fn hook(end: &str, name: &str, plugin: &str, code: &str, text: &str) -> Written {
    let fields = [
        ("hook", name),
        ("plugin", plugin),
        ("function", "f"),
        ("params", ""),
        ("retval", code),
        ("msg", text),
    ];
    record(end, "core", "", &fields).at("INFO")
}

fn vouched() -> Written {
    hook(".1", "rcpt", "rcpt_to.in_host_list", "OK", "")
}

fn message(rcpts: &str, code: &str, text: &str) -> Written {
    let fields = [
        ("mid", "<1@far.test>"),
        ("size", "163"),
        ("rcpts", rcpts),
        ("delay", "0.1"),
        ("code", code),
        ("msg", text),
    ];
    record(".1", "core", "message", &fields)
}

fn queue(code: &str, text: &str) -> Written {
    record(".1", "core", "queue", &[("code", code), ("msg", &format!("{text} ({C}.1)"))])
}

/// The end of the connection: could it send anywhere, recipients, and the last refusal.
fn disconnect(relay: &str, rcpts: &str, last: &str) -> Written {
    let fields = [
        ("ip", "192.0.2.7"),
        ("rdns", "mx.far.test"),
        ("helo", "far.test"),
        ("relay", relay),
        ("early", "N"),
        ("esmtp", "Y"),
        ("tls", "N"),
        ("pipe", "N"),
        ("errors", "0"),
        ("txns", "1"),
        ("rcpts", rcpts),
        ("msgs", "0/0/0"),
        ("bytes", "0"),
        ("lr", last),
        ("time", "0.1"),
    ];
    record(".1", "core", "disconnect", &fields)
}

/// A line about the item `1`.
fn item(text: &str) -> Written {
    record(".1.1", "outbound", text, &[]).at("INFO")
}

fn delivered(end: &str, domain: &str, mode: &str, rcpts: &str) -> Written {
    let fields = [
        ("delivered file", "1_1_0_9_abcdef_1_mx"),
        ("domain", domain),
        ("host", "mx1.good.test"),
        ("ip", "198.51.100.2"),
        ("port", "25"),
        ("mode", mode),
        ("tls", "N"),
        ("auth", "N"),
        ("response", "Ok: queued as 1"),
        ("delay", "0.25"),
        ("fails", "0"),
        ("rcpts", rcpts),
    ];
    record(end, "outbound", "", &fields)
}

/// What a relaying client sent to these, up to the queue.
fn relayed(recipients: &[&str]) -> Vec<Written> {
    let mut records = vec![connect(), sender("a@far.test", "CONT")];
    records.extend(recipients.iter().map(|to| recipient(to, "OK", "")));
    records.push(message(&format!("{}/0/0", recipients.len()), "CONT", ""));
    records.push(queue("CONT", "Message Queued"));
    records.push(queue("OK", "Message Queued"));
    records
}

/// What came for these, up to the judgement.
fn incoming(recipients: &[&str]) -> Vec<Written> {
    let mut records = vec![connect(), sender("a@far.test", "CONT")];
    for to in recipients {
        records.extend([vouched(), recipient(to, "OK", "")]);
    }
    records
}

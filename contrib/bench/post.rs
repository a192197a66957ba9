//! Sends the events of a log to a receiver, as many at once as told, for `cargo xtask bench
//! deliver`: what rendering, signing, sending and judging cost, without queue and store.
//!
//! `post URL LOG COUNT CONCURRENCY`. The last line of standard output is `seconds failed bytes`: how
//! long it took, how many attempts failed, and bytes of a body on average.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

mod webhook;

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use jiff::{Timestamp, tz::TimeZone};
use mailherald::{
    clock,
    config::Webhook,
    correlate::{Correlator, Direction},
    deliver::{self, Client},
    egress::Policy,
    event::Event,
    parse::{Reader, State},
    queue::outcome::Outcome,
    source::replay,
};
use tokio::{runtime, task::JoinSet};

/// Events that are sent over and over.
const EVENTS: usize = 4096;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, log, count, concurrency] = arguments.as_slice() else {
        bail!("`URL LOG COUNT CONCURRENCY`");
    };
    let sending = Arc::new(Sending {
        client: Client::new(Policy::default())?,
        webhook: webhook::webhook(url)?,
        events: events(log)?,
        next: AtomicUsize::new(0),
        count: count.parse().context("a count")?,
    });
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = now();
    let Sent { failed, bytes } =
        runtime.block_on(send(&sending, concurrency.parse().context("a concurrency")?))?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{seconds} {failed} {}", bytes / sending.count.max(1));
    Ok(())
}

struct Sending {
    client: Client,
    webhook: Webhook,
    events: Vec<Event>,
    next: AtomicUsize,
    count: usize,
}

#[derive(Debug, Default)]
struct Sent {
    failed: usize,
    bytes: usize,
}

async fn send(sending: &Arc<Sending>, concurrency: usize) -> Result<Sent> {
    let mut senders = JoinSet::new();
    for _ in 0..concurrency {
        let sending = Arc::clone(sending);
        senders.spawn(async move { sending.send_on().await });
    }
    let mut all = Sent::default();
    while let Some(ended) = senders.join_next().await {
        let sent = ended.context("send")?;
        all.failed += sent.failed;
        all.bytes += sent.bytes;
    }
    Ok(all)
}

impl Sending {
    /// Sends until enough is sent.
    async fn send_on(&self) -> Sent {
        let (clock, mut sent) = (clock::system(), Sent::default());
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(event) = self.events.get(number % self.events.len()) else { return sent };
            if number >= self.count {
                return sent;
            }
            let report = deliver::attempt(&self.client, &self.webhook, event, 1, &*clock).await;
            sent.failed += usize::from(report.outcome != Outcome::Delivered);
            sent.bytes += report.record.request.map_or(0, |request| request.bytes as usize);
        }
    }
}

/// The first of a log.
fn events(log: &str) -> Result<Vec<Event>> {
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    let mut correlator = Correlator::new(Direction::default(), false);
    let mut events = Vec::new();
    for planned in replay::plan(&[log.to_owned()], &|_, _| None)? {
        let mut each = |batch, _| {
            reader.read(&batch, |line| correlator.step(line, &mut events));
            if events.len() < EVENTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let _whole_or_not = replay::read(&planned, 0, None, Timestamp::UNIX_EPOCH, &mut each)?;
    }
    ensure!(!events.is_empty(), "no event in {log}");
    Ok(events)
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this tool is for")]
fn now() -> Instant {
    Instant::now()
}

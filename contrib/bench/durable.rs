//! Reads a log into a store on disk, as `replay` does, for `cargo xtask bench ingest`.
//!
//! * `durable replay FILE DIR`: every line parsed, correlated and committed, every event offered to
//!   one webhook whose receiver is in this process and says yes at once, and each yes committed.
//! * `durable replay-and-forget FILE DIR`: the same with `retain = "0s"`,
//!   and some time to forget.
//! * `durable open DIR`: opens the store again.
//! * `durable weigh DIR`: opens it, and adds the packed events up.
//!
//! The last line of standard output is `lines events delivered`, or the bytes of packed events, and
//! those bytes compressed.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

mod setup;
mod webhook;

use std::{ops::ControlFlow, path::Path, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use mailherald::{
    clock,
    config::{Kept, Retention, WebhookId},
    limits::BATCHES_WAITING,
    queue::{
        delivery::{Fate, Finished},
        endpoint::{Sighting, Signal},
    },
    source::{Batch, replay},
    store::{Prefix, Store, chunk},
    writer::{Setup, Writer, WriterHandle},
};
use tokio::{
    runtime,
    sync::{mpsc, watch},
};

/// Deliveries claimed at once, more than two commits bring, since the writer hears of what it claims
/// and of what is done between commits: the receiver is never what is waited for.
const CLAIMED: usize = 16_384;

/// Time in which the writer lets go of what was delivered last.
const UPKEEP: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["replay", file, dir] => replay_into(file, Path::new(dir), Retention::default()),
        ["replay-and-forget", file, dir] => {
            let default = Retention::default();
            let events = Kept { age: Duration::ZERO, ..default.events };
            replay_into(file, Path::new(dir), Retention { events, ..default })
        }
        ["open", dir] => {
            Store::open(Path::new(dir)).context("open the store")?;
            println!("0 0 0");
            Ok(())
        }
        ["weigh", dir] => weigh(Path::new(dir)),
        _ => bail!("`replay FILE DIR`, `replay-and-forget FILE DIR`, `open DIR` or `weigh DIR`"),
    }
}

fn weigh(dir: &Path) -> Result<()> {
    let store = Store::open(dir).context("open the store")?;
    let (mut packed, mut stored) = (0, 0);
    for entry in store.scan(&Prefix::chunks()).context("look through the events")? {
        let chunk = entry.context("read events")?.1;
        packed += chunk::packed_bytes(&chunk).context("a chunk is damaged")?;
        stored += chunk.len();
    }
    println!("{packed} {stored}");
    Ok(())
}

fn replay_into(file: &str, dir: &Path, retention: Retention) -> Result<()> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let _context = runtime.enter();
    let (batches, inbox) = mpsc::channel(BATCHES_WAITING);
    let webhook = Arc::new(webhook::webhook("http://127.0.0.1:9/")?);
    let webhooks = vec![Arc::clone(&webhook)];
    let setup = Setup { webhooks, retention, zone: TimeZone::system(), ..setup::setup(dir)? };
    let (writer, handle) = Writer::new(setup, inbox).context("begin to write")?;
    let tokio = runtime.handle().clone();
    let writing = thread::spawn(move || writer.run(&tokio));
    let (all_read, is_all_read) = watch::channel(false);
    let receiving = runtime.spawn(receive(handle.clone(), webhook.id, is_all_read));
    read(file, &batches)?;
    drop(batches);
    let delivered = runtime.block_on(async {
        handle.flush().await.context("flush")?;
        all_read.send(true).context("tell the receiver")?;
        let delivered = receiving.await.context("receive")?;
        if retention.events.age.is_zero() {
            tokio::time::sleep(UPKEEP).await;
        }
        handle.stop().await;
        delivered
    })?;
    let Ok(summary) = writing.join() else { bail!("the writer panicked") };
    let summary = summary.context("write")?;
    println!("{} {} {delivered}", summary.counts.lines, summary.events);
    Ok(())
}

fn read(file: &str, batches: &mpsc::Sender<Batch>) -> Result<()> {
    for planned in &replay::plan(&[file.to_owned()], &|_, _| None).context("find the log")? {
        let mut deliver = |batch: Batch, _: u64| match batches.blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let read = replay::read(planned, 0, None, clock::system().now(), &mut deliver);
        if read.context("read the log")?.is_break() {
            bail!("the writer has ended");
        }
    }
    Ok(())
}

/// Says yes to every delivery until all is read and there are no more. How many those were.
async fn receive(
    writer: WriterHandle,
    webhook: WebhookId,
    mut is_all_read: watch::Receiver<bool>,
) -> Result<u64> {
    let mut durable = writer.durable();
    let mut delivered = 0;
    loop {
        let was_last = *is_all_read.borrow_and_update();
        let claimed = writer.claim(webhook, CLAIMED).await.context("claim")?;
        let is_idle = claimed.claims.is_empty() && !claimed.more;
        let taken = |claim| {
            let sighting =
                Sighting { signal: Signal::Took, hold: Duration::ZERO, gone: false, moved: false };
            Finished { claim, fate: Fate::Delivered, sighting, record: None }
        };
        // As the senders do, which report what came of many attempts at once.
        let finished: Vec<_> = claimed.claims.into_iter().map(taken).collect();
        delivered += finished.len() as u64;
        writer.finish_all(webhook, finished).await.context("finish")?;
        if !is_idle {
            continue;
        }
        if was_last {
            return Ok(delivered);
        }
        tokio::select! {
            changed = durable.changed() => changed.context("the writer has ended")?,
            changed = is_all_read.changed() => changed.context("the reader has ended")?,
        }
    }
}

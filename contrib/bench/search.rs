//! Looks single messages up in a large store, for `cargo xtask bench search`.
//!
//! * `search build DIR EVENTS DAYS`: a store with so many events over so many days, by the product's
//!   own writer from lines that are made up here;
//! * `search look DIR EVENTS TIMES`: reads the whole history once, and looks up so many messages of each
//!   kind, some of which are not there.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

mod setup;

use std::{fmt::Write as _, path::Path, thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use mailherald::{
    clock,
    search::{Wanted, find},
    source::{Batch, Fingerprint, Heads, LineSpan, Position},
    store::{Prefix, Store, chunk},
    writer::Writer,
};
use tokio::{runtime, sync::mpsc};

/// When the first message comes.
const BEGIN_S: i64 = 1_780_000_000;
/// Messages in one batch.
const BATCH_MESSAGES: u64 = 1500;
/// Messages that one recipient gets.
const OF_ONE: u64 = 5;
/// Batches that wait for the writer, as in the product.
const WAITING: usize = 4;
/// Events that a lookup gives at most, as the API asks for.
const LIMIT: usize = 50;
/// How much faster a lookup must be than reading everything.
const TIMES_FASTER: f64 = 50.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build", dir, events, days] => build(Path::new(dir), events.parse()?, days.parse()?),
        ["look", dir, events, times] => look(Path::new(dir), events.parse()?, times.parse()?),
        _ => bail!("`build DIR EVENTS DAYS` or `look DIR EVENTS TIMES`"),
    }
}

/// Each message gives two events: `queued` and `delivered`.
fn build(dir: &Path, events: u64, days: u64) -> Result<()> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let _context = runtime.enter();
    let (batches, inbox) = mpsc::channel(WAITING);
    let (writer, handle) = Writer::new(setup::setup(dir)?, inbox).context("begin to write")?;
    let tokio = runtime.handle().clone();
    let writing = thread::spawn(move || writer.run(&tokio));
    let messages = events / 2;
    let step_us = i64::try_from(days * 86_400_000_000 / messages.max(1))?;
    let (mut first, mut offset) = (0, 0);
    while first < messages {
        let end = messages.min(first + BATCH_MESSAGES);
        let batch = batch(first..end, step_us, offset)?;
        (first, offset) = (end, batch.position.offset);
        if batches.blocking_send(batch).is_err() {
            break;
        }
    }
    drop(batches);
    runtime.block_on(async {
        handle.input_ended().await.context("end")?;
        handle.stop().await;
        anyhow::Ok(())
    })?;
    let Ok(summary) = writing.join() else { bail!("the writer panicked") };
    let summary = summary.context("write")?;
    ensure!(summary.events == messages * 2, "{} events", summary.events);
    println!("{} events in {} lines", summary.events, summary.counts.lines);
    Ok(())
}

/// The lines of these messages, one after the other.
fn batch(messages: std::ops::Range<u64>, step_us: i64, from: u64) -> Result<Batch> {
    let (mut text, mut lines) = (String::new(), Vec::new());
    for number in messages {
        let at_us = BEGIN_S * 1_000_000 + i64::try_from(number)? * step_us;
        let stamp = format!("{:.6}", Timestamp::from_microsecond(at_us)?);
        for line in lines_of(number) {
            let start = text.len();
            write!(text, "{stamp} mx postfix/{line}")?;
            let span = LineSpan {
                start: u32::try_from(start)?,
                end: u32::try_from(text.len())?,
                offset: from + start as u64,
                cut: false,
            };
            lines.push(span);
            text.push('\n');
        }
    }
    let position = Position {
        fingerprint: Fingerprint([1; 16]),
        offset: from + text.len() as u64,
        line_count: 0,
        finished: false,
        seen_at: 0,
        heads: Heads::default(),
    };
    Ok(Batch {
        source: 0,
        bytes: text.into_bytes(),
        lines,
        position,
        journal: None,
        anchor: Timestamp::UNIX_EPOCH,
        first_of_generation: from == 0,
        idle: false,
        is_past: false,
        is_behind_gap: false,
    })
}

fn lines_of(number: u64) -> [String; 5] {
    let id = queue_id(number);
    let (to, message_id) = (recipient(number), message_id(number));
    [
        format!(
            "smtpd[811]: {id}: client=app.test[127.0.0.1], sasl_method=PLAIN, sasl_username=app"
        ),
        format!("cleanup[812]: {id}: message-id=<{message_id}>"),
        format!("qmgr[813]: {id}: from=<news@shop.test>, size=4711, nrcpt=1 (queue active)"),
        format!(
            "smtp[814]: {id}: to=<{to}>, relay=mx.good.test[192.0.2.1]:25, delay=0.42, \
             delays=0.1/0.02/0.1/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {number:012X})"
        ),
        format!("qmgr[813]: {id}: removed"),
    ]
}

fn queue_id(number: u64) -> String {
    format!("3{:014X}", mixed(number) >> 8)
}

fn message_id(number: u64) -> String {
    format!("{:016x}.{number}@shop.test", mixed(number))
}

fn recipient(number: u64) -> String {
    let who = number / OF_ONE;
    format!("{:x}.user{who}@good.test", mixed(who) >> 40)
}

/// Well-mixed numbers (Steele, Lea and Flood, `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn look(dir: &Path, events: u64, times: u64) -> Result<()> {
    let store = Store::open(dir).context("open the store")?;
    let messages = events / 2;
    let whole = read_all(&store, events)?;
    println!("reading the whole history: {:.2} s", whole.as_secs_f64());
    let mut slowest = Duration::ZERO;
    for (what, is_there) in [
        ("queue ID", true),
        ("queue ID", false),
        ("message-id", true),
        ("message-id", false),
        ("recipient", true),
        ("recipient", false),
    ] {
        let mut took = Vec::new();
        for time in 0..times {
            // Of numbers that are too large there is no message.
            let number = mixed(time) % messages + if is_there { 0 } else { messages * 2 };
            took.push(look_up(&store, what, number, is_there)?);
        }
        ensure!(!took.is_empty(), "look something up");
        took.sort_unstable();
        let of_hundred = |count: usize| took.get((took.len() * count / 100).min(took.len() - 1));
        let (Some(middle), Some(most), Some(last)) = (of_hundred(50), of_hundred(99), took.last())
        else {
            bail!("look something up")
        };
        // What is beyond is another program's turn, or the disk's.
        slowest = slowest.max(*most);
        let state = if is_there { "present" } else { "absent" };
        println!(
            "{what:<10}  {state:<7}  p50 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms  1/{:.0} of the \
             whole",
            middle.as_secs_f64() * 1e3,
            most.as_secs_f64() * 1e3,
            last.as_secs_f64() * 1e3,
            whole.as_secs_f64() / most.as_secs_f64()
        );
    }
    let ratio = whole.as_secs_f64() / slowest.as_secs_f64();
    println!(
        "at p99 the slowest kind took 1/{ratio:.0} of the whole; 1/{TIMES_FASTER:.0} is wanted"
    );
    weigh(&store)?;
    ensure!(ratio >= TIMES_FASTER, "looking something up takes too long");
    Ok(())
}

/// Unpacks each event, and asks each one whether it is looked for.
fn read_all(store: &Store, events: u64) -> Result<Duration> {
    let nobody = Wanted { queue_id: Some("nowhere".into()), ..Wanted::default() };
    let clock = clock::system();
    let begun = clock.instant();
    let (mut read, mut found) = (0, 0);
    for entry in store.scan(&Prefix::chunks()).context("read events")? {
        let (_, value) = entry.context("read events")?;
        for (_, event) in chunk::decode(0, &value).context("unpack events")? {
            read += 1;
            found += u64::from(nobody.takes(&event));
        }
    }
    ensure!(read == events / 2 * 2 && found == 0, "{read} events");
    Ok(clock.instant() - begun)
}

fn look_up(store: &Store, what: &str, number: u64, is_there: bool) -> Result<Duration> {
    let mut wanted = Wanted { limit: LIMIT, ..Wanted::default() };
    match what {
        "queue ID" => wanted.queue_id = Some(queue_id(number)),
        "message-id" => wanted.message_id = Some(message_id(number)),
        _ => wanted.to = Some(recipient(number)),
    }
    let clock = clock::system();
    let begun = clock.instant();
    let mut found = 0;
    loop {
        let page = find(store, &wanted).context("look up")?;
        found += page.events.len();
        wanted.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    let took = clock.instant() - begun;
    ensure!((found > 0) == is_there, "{found} events of {what} {number}");
    Ok(took)
}

fn weigh(store: &Store) -> Result<()> {
    let bytes = |prefix: &Prefix| -> Result<u64> {
        let mut bytes = 0;
        for entry in store.scan(prefix).context("weigh")? {
            let (key, value) = entry.context("weigh")?;
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    };
    let chunks = bytes(&Prefix::chunks())?;
    let index = bytes(&Prefix::segments())? + bytes(&Prefix::all_terms())?;
    let files = store.size_on_disk().context("weigh")?;
    let mb = |bytes: u64| bytes / 1_000_000;
    println!("events {} MB, their index {} MB more, files {} MB", mb(chunks), mb(index), mb(files));
    Ok(())
}

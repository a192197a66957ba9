//! The writer says that it works while it does, and not while it hangs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use tempfile::TempDir;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use crate::{
    store::Sparse,
    writer::{Command, look::Look},
};

use super::{Bench, Mode, TestDisk, Wait, lines, open_on};

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

/// It goes on with what needs no line, and that must not look as if all was well.
#[test]
fn while_the_thread_that_takes_lines_in_hangs_the_writer_does_not_say_that_it_works() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    let (commands, inbox) = mpsc::channel(1);
    bench.writer.inbox = inbox;
    let beats = Arc::new(AtomicU32::new(0));
    let beating = Arc::clone(&beats);
    bench.writer = bench.writer.with_pulse(move || {
        beating.fetch_add(1, Ordering::SeqCst);
    });
    bench.writer.ahead.hang();
    // Never joined: its end would wait for the lines.
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(bench.writer.work())
    });
    for _ in 0..10 {
        let (webhook, (answer, answered)) = (Bench::webhook_id(), oneshot::channel());
        commands.blocking_send(Command::Claim { webhook, max: 1, answer }).unwrap();
        answered.blocking_recv().unwrap();
    }
    assert_eq!(beats.load(Ordering::SeqCst), 0);
    let (answer, mut answered) = oneshot::channel();
    commands.blocking_send(Command::Look(Look::Vitals { answer })).unwrap();
    (0..10_000).for_each(|_| thread::yield_now());
    assert!(answered.try_recv().is_err(), "nor that it is well");
}

/// It may take longer than a watchdog waits.
#[test]
fn while_the_store_is_rebuilt_the_writer_says_that_it_works() {
    let dir = TempDir::new().unwrap();
    let store = crate::store::Store::open(dir.path()).unwrap();
    let mut bench = Bench::open_on(store, Mode::Live, &["test"], None);
    let beats = Arc::new(AtomicU32::new(0));
    let beating = Arc::clone(&beats);
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _time = runtime.enter();
    bench.writer = bench.writer.with_pulse(move || {
        beating.fetch_add(1, Ordering::SeqCst);
    });
    bench.writer.rebuild_if(Sparse { times: 1, bytes: 0 }).unwrap();
    assert!(beats.load(Ordering::SeqCst) > 0);
}

/// With a timer instead of its own rounds the count would go on: the time of this runtime passes as
/// fast as the machine can.
#[test]
fn while_a_sync_hangs_the_writer_does_not_say_that_it_works() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let mut bench = Bench::open_on(open_on(dir.path(), &disk), Mode::Live, &["test"], None);
    let (commands, inbox) = mpsc::channel(1);
    bench.writer.inbox = inbox;
    let beats = Arc::new(AtomicU32::new(0));
    let (beating, told) = (Arc::clone(&beats), move || beats.load(Ordering::SeqCst));
    bench.writer = bench.writer.with_pulse(move || {
        beating.fetch_add(1, Ordering::SeqCst);
    });
    let (hangs, may_go_on) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let (hanging, waiting) = (Arc::clone(&hangs), Arc::clone(&may_go_on));
    let hang: Wait = Box::new(move || {
        hanging.store(true, Ordering::SeqCst);
        until(|| waiting.load(Ordering::SeqCst));
    });
    thread::scope(|scope| {
        let batches = bench.batches.clone();
        let batch = bench.batch(&lines(0, 3), false);
        let writer = scope.spawn(move || {
            let mut runtime = runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            runtime.block_on(bench.writer.work()).unwrap();
        });
        until(|| told() > 3);
        *disk.waits.lock().unwrap() = Some(hang);
        batches.try_send(batch).unwrap();
        until(|| hangs.load(Ordering::SeqCst));
        let before = told();
        (0..10_000).for_each(|_| thread::yield_now());
        assert_eq!(told(), before);
        may_go_on.store(true, Ordering::SeqCst);
        until(|| told() > before + 3);
        drop(commands);
        writer.join().unwrap();
    });
}

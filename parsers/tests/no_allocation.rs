//! A parser allocates one buffer at most, whatever the lines: no peer decides over the daemon's memory here.

#![allow(unsafe_code, reason = "a counting allocator cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
};

use mailherald_parsers::{Body, Parser, postfix};

/// Counts the allocations of each thread, so that the test harness is not counted.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged. The counter is a
// const-initialised `Cell` without destructor, so touching it neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, thus from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn parsing_recorded_lines_allocates_nothing() {
    const LOGS: [&[u8]; 7] = [
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/07_noqueue_rejects.rfc3339.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/06_network_failures.traditional.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.rfc5424.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/09_milter.rfc3339.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/10_header_checks.rfc3339.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/40_amavis.traditional.log"),
        include_bytes!(
            "../../fixtures/postfix/3.7.11/syslog/42_opendkim_opendmarc_postgrey_spamd.traditional.log"
        ),
    ];
    let mut parser = Parser::new();
    let (mut responses, mut rules) = (0_usize, 0_usize);
    let count = allocations(|| {
        for line in LOGS.iter().flat_map(|log| log.split(|byte| *byte == b'\n')) {
            let record = black_box(parser.parse(line));
            if let Body::Postfix(postfix::Entry::Delivery(delivery)) = record.body {
                black_box(postfix::response(delivery.text));
                responses += 1;
            }
            if let Body::Filter(verdict) = record.body {
                rules += black_box(verdict.rules.iter().count());
                black_box(verdict.recipients.iter().count());
            }
        }
    });
    assert!(responses > 100, "the logs hold delivery status lines");
    assert!(rules > 5, "the logs hold verdicts of filters");
    assert_eq!(count, 0);
}

#[test]
fn parsing_lines_of_json_allocates_one_buffer_and_no_more() {
    const LOGS: [&[u8]; 2] = [
        include_bytes!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.json.log"),
        include_bytes!("../../fixtures/postfix/3.7.11/journald/02_delivered_multi.json.log"),
    ];
    let mut parser = Parser::new();
    let mut deliveries = 0_usize;
    let mut read = || {
        for line in LOGS.iter().flat_map(|log| log.split(|byte| *byte == b'\n')) {
            let record = black_box(parser.parse(line));
            deliveries +=
                usize::from(matches!(record.body, Body::Postfix(postfix::Entry::Delivery(_))));
        }
    };
    assert_eq!(allocations(&mut read), 1);
    assert_eq!(allocations(read), 0);
    assert_eq!(deliveries, 2 * 2 * 74);
}

#[test]
fn parsing_broken_lines_allocates_nothing() {
    let long = [b"Nov 21 01:28:22 vm postfix/smtp[1]: ".as_slice(), &vec![b'>'; 100_000]].concat();
    let mut parser = Parser::new();
    let count = allocations(|| {
        for line in [b"".as_slice(), b"\xff\xfe", b"Nov 21", b"<22>1 -", &long] {
            black_box(parser.parse(line));
        }
    });
    assert_eq!(count, 0);
}

/// In any layout: what is escaped stays so until somebody asks.
#[test]
fn parsing_records_of_haraka_allocates_nothing() {
    const LOGS: [&[u8]; 5] = [
        include_bytes!("../../fixtures/haraka/3.3.4/default/21-spam-virus.log"),
        include_bytes!("../../fixtures/haraka/3.3.4/logfmt/15-reject-rcpt.log"),
        include_bytes!("../../fixtures/haraka/3.3.4/json/15-reject-rcpt.log"),
        include_bytes!("../../fixtures/haraka/3.3.4/json-timestamps/02-delivered-multi.log"),
        include_bytes!("../../fixtures/haraka/3.3.4/syslog/02-delivered-multi.log"),
    ];
    let mut parser = Parser::new();
    let mut records = 0_usize;
    let count = allocations(|| {
        for line in LOGS.iter().flat_map(|log| log.split(|byte| *byte == b'\n')) {
            records += usize::from(matches!(black_box(parser.parse(line)).body, Body::Haraka(_)));
        }
    });
    assert!(records > 200, "{records}");
    assert_eq!(count, 0);
}

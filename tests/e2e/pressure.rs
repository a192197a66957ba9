//! A receiver that takes nothing any more.

use std::time::Duration;

use crate::{http::Api, program::Host, receiver::Receiver, until};

/// What waits lies in the store, and neither in memory nor in the log.
#[test]
fn row_37_a_receiver_that_never_answers_stops_no_reading_and_takes_no_memory() {
    const EVENTS: usize = 20_000;
    /// Measured in a debug build: 83 MB, and 81 MB when the receiver wants none of these events.
    const BOUND: u64 = 150 * 1024 * 1024;
    let (host, receiver) = (Host::new(), Receiver::start());
    receiver.answer_after(Duration::from_hours(1));
    let api = Api::start(&host, &receiver, "timeout = \"60s\"");
    host.append("mail.log", &(0..EVENTS).map(whole).collect::<String>());
    let page = || api.get("/metrics").body;
    until("all events wait", || waiting(&page()) == EVENTS);
    until("nothing is left to read", || value(&page(), "mailherald_source_lag_bytes") == 0);
    let peak = api.program.peak_bytes().unwrap();
    assert!(peak < BOUND, "{peak} bytes");
    api.program.kill();
}

/// The value of the one series of that name.
fn value(page: &str, name: &str) -> usize {
    let line = page.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Deliveries that are to be made, by one page.
fn waiting(page: &str) -> usize {
    let of = ["mailherald_backlog", "mailherald_attempts_under_way", "mailherald_retries_waiting"];
    of.map(|name| value(page, name)).iter().sum()
}

/// A delivery to its end, so that no message is left open.
fn whole(number: usize) -> String {
    let line = crate::line(number);
    let stamp = line.split_once(" postfix/").unwrap().0;
    format!("{line}{stamp} postfix/qmgr[5]: 3F0B2C8{number:05X}: removed\n")
}

//! The built program as a stranger uses it: real processes, real files, real sockets on loopback,
//! and a receiver that checks signatures by itself. No mail server is needed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "tests"
)]

mod audit;
mod bad_input;
mod control;
mod documented;
mod faults;
mod full_disk;
mod http;
mod journal;
mod journald;
mod listen;
mod lives;
mod logrotate;
mod lost_store;
mod mounts;
mod postconf;
mod pressure;
mod program;
mod receiver;
mod recover;
mod reload;
mod replay;
mod reports;
mod rotation;
mod run;
mod search;
mod selection;
mod service;
mod store_faults;
mod telemetry;
mod tls;
mod traffic;
mod troubles;
mod webhooks;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// What one step may take on a machine that does other things, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An address on loopback that was free a moment ago. No other test is given it, nor is it of those
/// that the kernel gives to whoever asks for any.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Is there a program of that name?
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Says that a test cannot run here: a failure where `cargo xtask test` has installed all that is
/// needed, a loud word elsewhere.
pub(crate) fn skip(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "this test needs {missing}");
    eprintln!("\n*** SKIPPED: this test needs {missing} ***\n");
}

/// A line of a real Postfix, for message and recipient `number`: it gives exactly one event.
pub(crate) fn line(number: usize) -> String {
    format!(
        "2026-03-01T10:00:{:02}.{:06}+00:00 mx postfix/smtp[913]: 3F0B2C8{number:05X}: \
         to=<user{number}@good.test>, relay=mx1.good.test[192.0.2.1]:25, delay=0.08, \
         delays=0.02/0.02/0/0.04, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1F{number:05X})\n",
        number / 100_000 % 60,
        number % 100_000
    )
}

pub(crate) fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(line).collect()
}

//! The whole way, with a real Postfix and a real Haraka: mail goes in by SMTP, and webhooks come out.
//!
//! Each test has a Postfix ([`postfix`]) or Haraka ([`haraka`]) of its own, a world that it delivers to ([`sink`]), an
//! authentication server ([`sasl`]) and, where webhooks are the point, a running `mailherald`
//! ([`herald`]) and a receiver that checks signatures with code that is not ours ([`receiver`]).
//! Everything is on loopback, in a network of its own where the kernel allows it ([`namespace`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "tests say what went wrong by panicking"
)]

mod client;
mod every_kind;
mod facts;
mod haraka;
mod haraka_mail;
mod herald;
mod milter;
mod namespace;
mod needs;
mod opendkim;
mod postconf;
mod postfix;
mod receiver;
mod reports;
mod rotation;
mod sasl;
mod scenario;
mod sigkill;
mod signed;
mod sink;
mod smoke;
mod spam_milter;
mod spamassassin;
mod wait;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address on loopback that is free now; nobody else is in this network to take it.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound listener has an address")
}

//! Whole attempts against receivers, names and certificates that misbehave: each comes to an end,
//! in bounded memory, with the right class and a record that says what was wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod addresses;
mod bounds;
mod faults;
mod record;
mod rotation;
mod tls;
mod tls_peer;

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;

use super::{
    attempt::{clock, webhook_at},
    canonical::tests::bounced,
    peer::{Behaviour, Peer},
    resolve::{Found, Lookup},
    *,
};
use crate::{
    config::Webhook,
    egress::Policy,
    profile::Profile,
    queue::{
        attempt::{Exchange, ExchangeResult},
        outcome::{Failure, Outcome},
    },
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// What each lookup gives, in order; the last one for ever. Whatever the name is.
#[derive(Debug)]
struct Names(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names {
    fn of<const N: usize>(answers: [&[&str]; N]) -> Arc<Self> {
        let parse = |answer: &[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.into_iter().map(parse).collect())))
    }
}

impl Lookup for Names {
    fn addresses(&self, _name: String) -> Found {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(answer.ok_or(io::ErrorKind::NotFound.into())))
    }
}

/// Opens these networks.
fn open(allow: &[&str]) -> Policy {
    Policy { allow: allow.iter().map(|net| net.parse().unwrap()).collect(), ..Policy::default() }
}

/// Goes by these names, to this machine too.
fn client_by(names: Arc<Names>) -> Client {
    Client::with_lookup(open(&["127.0.0.0/8", "::1/128"]), names)
}

fn webhook(url: Url) -> Webhook {
    webhook_at(url, Profile::Generic)
}

async fn tell(client: &Client, webhook: &Webhook) -> AttemptReport {
    attempt(client, webhook, &bounced(), 1, &clock()).await
}

/// The last exchange of an attempt.
fn last(report: &AttemptReport) -> &Exchange {
    report.record.last().unwrap()
}

/// Class and words of a failure.
#[track_caller]
fn failed(report: &AttemptReport) -> (Failure, &str) {
    match &last(report).result {
        ExchangeResult::Failed { class, text } => (*class, text),
        other => panic!("{other:?}"),
    }
}

/// Why it was not sent.
#[track_caller]
fn refused(report: &AttemptReport) -> &str {
    assert_eq!(report.outcome, Outcome::Blocked);
    match &last(report).result {
        ExchangeResult::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

//! Postfix rotates its own log, again and again, while mail flows.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use serde_json::Value;

use crate::{
    client::{Client, Mail},
    herald::Herald,
    namespace::isolated,
    postfix::Postfix,
    receiver::{PROFILES, Receiver},
    sink::Sink,
    wait,
};

/// `postfix logrotate` names what it rotates by the second.
const ROTATIONS: usize = 3;
/// Messages before each rotation, and after the last one.
const MESSAGES: usize = 5;
const MAIL: Duration = Duration::from_secs(90);
const WEBHOOKS: Duration = Duration::from_mins(1);

/// Row 1 of the fault matrix, and row 5: Postfix packs the old log at once.
#[test]
fn row_01_rename_and_create_by_postfix_logrotate_loses_and_doubles_nothing() {
    isolated(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let sink = Sink::start();
        let postfix = Postfix::start(sink.address());
        let receiver = Receiver::start(dir.path(), 0);
        let logs = postfix.log().with_file_name("mail.log*");
        let mut herald = Herald::new(dir.path(), &logs, &receiver, &PROFILES[..1]);
        herald.start();
        for number in 0..ROTATIONS {
            send(&postfix, number);
            postfix.rotate_log();
        }
        send(&postfix, ROTATIONS);
        let accepted = || wait::until(MAIL, || delivered(&sink) == MESSAGES * (ROTATIONS + 1));
        assert!(accepted(), "{} messages arrived", delivered(&sink));
        postfix.wait_until_idle(MAIL);

        let truth = ids(&herald.dry_run(&logs));
        assert!(truth.len() >= 2 * MESSAGES * (ROTATIONS + 1), "{} events", truth.len());
        wait::until(WEBHOOKS, || receiver.accepted("standard").len() >= truth.len());
        assert!(herald.stop().success(), "{}", herald.said());
        let requests = receiver.accepted("standard");
        let told: BTreeSet<String> = requests.iter().map(|request| request.id.clone()).collect();
        assert_eq!(told, truth, "{}", herald.said());
        assert_eq!(told.len(), requests.len(), "none twice");
    });
}

fn send(postfix: &Postfix, round: usize) {
    for number in 0..MESSAGES {
        let mut client = Client::connect(Ipv4Addr::LOCALHOST.into(), postfix.smtp());
        client.send(&Mail::to(&[&format!("ok-{round}-{number}@out.test")]));
    }
}

fn delivered(sink: &Sink) -> usize {
    let attempts = sink.attempts();
    attempts.iter().filter(|attempt| !attempt.from.is_empty()).count()
}

/// What the default webhook is told: all but the beginning of an attempt.
fn ids(events: &[Value]) -> BTreeSet<String> {
    let wanted = events.iter().filter(|event| event["type"] != "outbound.sending");
    wanted.map(|event| event["id"].as_str().expect("every event has an id").to_owned()).collect()
}

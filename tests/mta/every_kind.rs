//! One mail of every kind, one webhook of every profile, and nothing but the truth.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::{
    facts::{Fact, Tally},
    herald::Herald,
    namespace::isolated,
    postfix::Postfix,
    receiver::{PROFILES, Receiver},
    scenario::{self, Fate},
    sink::Sink,
    wait,
};

/// Requests of each webhook that are answered 500 first, so that a retry is part of the way.
const FAIL_FIRST: u32 = 1;
/// Postfix gives up after 15 seconds.
const MAIL: Duration = Duration::from_secs(90);
/// The slowest second attempt is due after 66 seconds (`generic`, with jitter).
const WEBHOOKS: Duration = Duration::from_mins(2);

#[test]
fn every_kind_of_recipient_yields_exactly_the_right_webhooks() {
    isolated(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let sink = Sink::start();
        let postfix = Postfix::start(sink.address());
        let receiver = Receiver::start(dir.path(), FAIL_FIRST);
        let mut herald = Herald::new(dir.path(), &postfix.log(), &receiver, &PROFILES);
        herald.start();
        let fates = scenario::send_every_kind(&postfix);
        postfix.wait_until_idle(MAIL);
        assert_eq!(postfix.mailbox().len(), 2, "the local mail arrived");
        let probed = sink.answers_to("ok-probe@out.test");
        assert!(probed.is_empty(), "a probe delivers nothing, but: {probed:?}");

        let wanted = Wanted::new(&fates, &sink);
        wait::until(WEBHOOKS, || wanted.difference(&receiver).is_empty());
        assert!(herald.stop().success(), "{}", herald.said());
        let difference = wanted.difference(&receiver);
        let (said, log) = (herald.said(), about(&difference, &postfix.log_text()));
        assert!(difference.is_empty(), "the log:\n{log}\nmailherald: {said}\n{difference}");
        every_request_was_verified(&receiver);
        the_same_ids_come_by_replay(&receiver, &herald.dry_run(&postfix.log()));
    });
}

/// What each profile must be told.
struct Wanted {
    standard: Tally,
    others: Vec<(&'static str, Tally<(String, String)>)>,
}

impl Wanted {
    fn new(fates: &[Fate], sink: &Sink) -> Self {
        let facts: Vec<Fact> = fates.iter().flat_map(|fate| fate.facts(sink)).collect();
        let in_profile = |profile: &str| {
            let named = |fact: &Fact| Some((fact.name_in(profile)?.to_owned(), fact.to.clone()));
            facts.iter().filter_map(named).collect()
        };
        let others = ["jetemail", "generic", "lettermint"];
        Self {
            others: others.into_iter().map(|profile| (profile, in_profile(profile))).collect(),
            standard: facts.into_iter().collect(),
        }
    }

    /// What is missing or too much, for all profiles; empty when all is right.
    fn difference(&self, receiver: &Receiver) -> String {
        let standard = receiver.accepted("standard");
        let got: Tally = standard.iter().map(|request| Fact::of_event(&request.body)).collect();
        let mut all = prefixed("standard", &got.difference(&self.standard));
        for (profile, wanted) in &self.others {
            let accepted = receiver.accepted(profile);
            let got: Tally<_> = accepted.iter().map(|request| named(&request.body)).collect();
            all += &prefixed(profile, &got.difference(wanted));
        }
        all
    }
}

/// The lines of the log that name somebody of whom `difference` speaks.
fn about(difference: &str, log: &str) -> String {
    let quoted = difference.split('"').filter(|word| word.contains('@'));
    let people: BTreeSet<&str> = quoted.collect();
    let names = |line: &&str| people.iter().any(|person| line.contains(person));
    log.lines().filter(names).flat_map(|line| [line, "\n"]).collect()
}

/// Type and recipient, wherever the profile keeps them.
fn named(body: &Value) -> (String, String) {
    let kind = body["type"].as_str().or_else(|| body["event"].as_str());
    let data = &body["data"];
    let to = data["to"].as_str().or_else(|| data["recipient"].as_str());
    (kind.unwrap_or_default().to_owned(), to.unwrap_or_default().to_owned())
}

fn prefixed(profile: &str, lines: &str) -> String {
    lines.lines().flat_map(|line| [profile, ": ", line, "\n"]).collect()
}

fn every_request_was_verified(receiver: &Receiver) {
    let requests = receiver.requests();
    let bad: Vec<_> = requests.iter().filter(|request| !request.verified).collect();
    assert!(bad.is_empty(), "signatures that others do not accept: {bad:#?}");
    for (profile, _) in PROFILES {
        let tries = requests.iter().filter(|request| request.profile == profile);
        let failed: Vec<_> = tries.filter(|request| request.status == 500).collect();
        assert_eq!(failed.len(), FAIL_FIRST as usize, "{profile} was not tried in vain first");
        for request in failed {
            let again = receiver.accepted(profile).iter().any(|other| other.id == request.id);
            assert!(again, "{profile}: {} never came again", request.id);
        }
    }
}

fn the_same_ids_come_by_replay(receiver: &Receiver, replayed: &[Value]) {
    let live: BTreeSet<String> =
        receiver.accepted("standard").into_iter().map(|request| request.id).collect();
    let replayed: BTreeSet<String> = replayed
        .iter()
        .filter(|event| event["type"] != "outbound.sending")
        .map(|event| event["id"].as_str().expect("every event has an id").to_owned())
        .collect();
    assert_eq!(live, replayed, "the live tail and a replay tell different events");
}

//! Mail of every kind through a real Haraka, told by its log, by the plugin, and by both at once.

use std::{collections::BTreeSet, net::IpAddr, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    client::{Client, Mail},
    facts::{Fact, Tally},
    haraka::Haraka,
    herald::Herald,
    namespace::isolated,
    receiver::{PROFILES, Receiver, Request},
    sasl,
    sink::Sink,
    wait,
};

/// Haraka gives up after one more attempt, 5 seconds later; a story that no line ends is told after
/// some more.
const PATIENCE: Duration = Duration::from_mins(2);

/// An address outside of `mynetworks`: a stranger.
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));

const HEADERS: &str = "Subject: =?utf-8?q?H=C3=A9llo?=\r\nMessage-ID: <1@sender.test>\r\n\
    X-Order: 7\r\nX-Mailherald-Tag: news";

#[test]
fn mail_through_haraka_is_told_rightly_by_log_plugin_and_both() {
    isolated(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let sink = Sink::start();
        let haraka = Haraka::start(dir.path(), sink.address());
        let (log, plugin) = (log_source(&haraka), plugin_source(&haraka));
        let both = format!("{log}{plugin}");
        let mut tellers = [("log", &log), ("plugin", &plugin), ("both", &both)]
            .map(|(name, sources)| Teller::start(name, dir.path(), sources));
        send_every_kind(&haraka);

        let wanted: Tally = facts().into_iter().collect();
        let is_told = |teller: &Teller| teller.got().difference(&wanted).is_empty();
        wait::until(PATIENCE, || tellers.iter().all(is_told));
        for teller in &mut tellers {
            teller.stop();
            let difference = teller.got().difference(&wanted);
            assert!(difference.is_empty(), "{}: {difference}\n{}", teller.name, haraka.log_text());
        }
        let [log, plugin, both] = &tellers;
        assert_eq!(log.ids(), both.ids(), "a fact is one event, whoever tells it");
        assert_eq!(plugin.ids(), both.ids(), "a fact is one event, whoever tells it");
        for teller in [plugin, both] {
            every_event_of_the_user_knows_subject_and_user(teller);
        }
        the_log_knows_why_nobody_was_reached(both);
    });
}

/// One `mailherald` with a receiver of its own.
struct Teller {
    name: &'static str,
    herald: Herald,
    receiver: Receiver,
}

impl Teller {
    fn start(name: &'static str, dir: &Path, sources: &str) -> Self {
        let dir = dir.join(name);
        std::fs::create_dir(&dir).expect("dir is ours");
        let receiver = Receiver::start(&dir, 0);
        let mut herald = Herald::reading(&dir, sources, &receiver, &PROFILES[..1]);
        herald.start();
        Self { name, herald, receiver }
    }

    fn stop(&mut self) {
        assert!(self.herald.stop().success(), "{}", self.herald.said());
    }

    fn requests(&self) -> Vec<Request> {
        self.receiver.accepted("standard")
    }

    fn got(&self) -> Tally {
        self.requests().iter().map(|request| Fact::of_event(&request.body)).collect()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.requests().into_iter().map(|request| request.id).collect()
    }
}

fn log_source(haraka: &Haraka) -> String {
    let log = haraka.log();
    format!(
        "[[source]]\nname = \"log\"\nkind = \"file\"\ninclude = [\"{}\"]\nstart = \"beginning\"\n",
        log.display()
    )
}

fn plugin_source(haraka: &Haraka) -> String {
    let directory = haraka.events();
    format!(
        "[[source]]\nname = \"plugin\"\nkind = \"haraka-plugin\"\ndirectory = \"{}\"\n\
        start = \"beginning\"\n",
        directory.display()
    )
}

fn send_every_kind(haraka: &Haraka) {
    from_a_user(haraka);
    from_a_stranger(haraka);
}

fn from_a_user(haraka: &Haraka) {
    let mut client = Client::connect(STRANGER, haraka.smtp());
    client.authenticate();
    let many = ["ok-1@out.test", "nouser-2@out.test", "flaky-3@out.test", "policy-4@out.test"];
    assert_eq!(offer(&mut client, &many, HEADERS), [250, 250, 250, 250, 250]);
    for to in ["tempfail-1@out.test", "drop-1@out.test", "some@nowhere.test"] {
        assert_eq!(offer(&mut client, &[to], HEADERS), [250, 250]);
    }
    let beside = ["ok-beside@out.test", "closed-1@out.test"];
    assert_eq!(offer(&mut client, &beside, HEADERS), [250, 550, 250]);
    assert_eq!(offer(&mut client, &["spam@out.test"], "Subject: GTUBE"), [250, 550]);
}

fn from_a_stranger(haraka: &Haraka) {
    let mut client = Client::connect(STRANGER, haraka.smtp());
    assert_eq!(offer(&mut client, &["ok-in@here.test"], HEADERS), [250, 250]);
    assert_eq!(offer(&mut client, &["ok-box@box.test"], HEADERS), [250, 250]);
    assert_eq!(offer(&mut client, &["marked@here.test"], "Subject: SPAMMY"), [250, 250]);
    assert_eq!(offer(&mut client, &["spam@here.test"], "Subject: GTUBE"), [250, 550]);
    let refused = ["ok-relay@out.test", "closed-2@here.test", "busy@here.test"];
    assert_eq!(offer(&mut client, &refused, HEADERS), [550, 550, 450, 250]);
}

/// The codes of the answers to each recipient, and to the message.
fn offer(client: &mut Client, to: &[&str], headers: &str) -> Vec<u16> {
    let (replies, end) = client.offer(&Mail::to(to), headers);
    replies.iter().chain([&end]).map(|reply| reply.code).collect()
}

/// All that must be told.
fn facts() -> Vec<Fact> {
    let told = [
        ("ok-1@out.test", "outbound", &["queued", "delivered"][..]),
        ("nouser-2@out.test", "outbound", &["queued", "bounced hard"]),
        ("flaky-3@out.test", "outbound", &["queued", "deferred", "delivered"]),
        ("policy-4@out.test", "outbound", &["queued", "rejected"]),
        ("tempfail-1@out.test", "outbound", &["queued", "deferred", "bounced soft"]),
        ("drop-1@out.test", "outbound", &["queued", "deferred", "bounced soft"]),
        ("some@nowhere.test", "outbound", &["queued", "deferred", "bounced soft"]),
        ("ok-beside@out.test", "outbound", &["queued", "delivered"]),
        ("closed-1@out.test", "outbound", &["dropped"]),
        ("spam@out.test", "outbound", &["spam"]),
        ("ok-in@here.test", "inbound", &["received", "delivered"]),
        ("ok-box@box.test", "inbound", &["received", "delivered"]),
        ("marked@here.test", "inbound", &["received", "spam", "delivered"]),
        ("spam@here.test", "inbound", &["spam"]),
        ("ok-relay@out.test", "inbound", &["blocked"]),
        ("closed-2@here.test", "inbound", &["blocked"]),
        ("busy@here.test", "inbound", &["blocked"]),
    ];
    let each = |(to, service, names): &(&str, &str, &[&str])| -> Vec<Fact> {
        names.iter().map(|name| fact(to, service, name)).collect()
    };
    told.iter().flat_map(each).collect()
}

fn fact(to: &str, service: &str, name: &str) -> Fact {
    let (name, detail) = name.split_once(' ').map_or((name, None), |(name, it)| (name, Some(it)));
    let detail = detail.map(str::to_owned);
    Fact { kind: format!("{service}.{name}"), to: to.to_owned(), orig_to: None, detail }
}

fn every_event_of_the_user_knows_subject_and_user(teller: &Teller) {
    let requests = teller.requests();
    let outbound = requests.iter().map(|request| &request.body).filter(|body| is_outbound(body));
    for event in outbound {
        let data = &event["data"];
        assert_eq!(data["user"], sasl::USER, "{}: {event:#}", teller.name);
        let subject = if data["to"] == "spam@out.test" { "GTUBE" } else { "Héllo" };
        assert_eq!(data["subject"], subject, "{}: {event:#}", teller.name);
        if subject != "GTUBE" {
            assert_eq!(data["metadata"]["X-Order"], "7", "{}: {event:#}", teller.name);
            assert_eq!(data["tag"], "news", "{}: {event:#}", teller.name);
        }
    }
    let received = requests
        .iter()
        .map(|request| &request.body)
        .find(|body| body["type"] == "inbound.received" && body["data"]["to"] == "ok-in@here.test");
    assert_eq!(received.expect("it was told")["data"]["subject"], "Héllo");
}

fn is_outbound(event: &Value) -> bool {
    event["type"].as_str().is_some_and(|kind| kind.starts_with("outbound."))
}

/// The plugin sees only that all servers were tried.
fn the_log_knows_why_nobody_was_reached(both: &Teller) {
    let requests = both.requests();
    let deferred = requests.iter().map(|request| &request.body).find(|body| {
        body["type"] == "outbound.deferred" && body["data"]["to"] == "some@nowhere.test"
    });
    let response = deferred.expect("it was told")["data"]["response"].as_str();
    assert!(response.is_some_and(|text| text.contains("ECONNREFUSED")), "{response:?}");
}

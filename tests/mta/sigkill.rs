//! A power cut, again and again, while mail flows.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Client, Mail},
    facts::Fact,
    herald::Herald,
    namespace::isolated,
    postfix::Postfix,
    receiver::{PROFILES, Receiver, Request},
    sink::Sink,
    wait,
};

/// How often it is killed.
const KILLS: u32 = 24;
/// The longest life between start and kill; the shortest is nothing at all, so that starting and
/// recovering are interrupted too.
const LIFE: u64 = 1_200; // milliseconds
/// The pause between two messages keeps the log growing through every life, and the machine free
/// to do something about it.
const PAUSE: Duration = Duration::from_millis(40);
/// Postfix gives up after 15 seconds.
const MAIL: Duration = Duration::from_secs(90);
/// From the last start until everything has arrived.
const WEBHOOKS: Duration = Duration::from_mins(2);

#[test]
fn sigkill_at_random_moments_loses_and_doubles_nothing() {
    isolated(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let sink = Sink::start();
        let postfix = Arc::new(Postfix::start(sink.address()));
        let receiver = Receiver::start(dir.path(), 0);
        let mut herald = Herald::new(dir.path(), &postfix.log(), &receiver, &PROFILES[..1]);

        let flow = Flow::start(Arc::clone(&postfix));
        kill_again_and_again(&mut herald);
        let messages = flow.stop();
        assert!(!receiver.requests().is_empty(), "it never lived long enough to be interrupted");
        herald.start();
        postfix.wait_until_idle(MAIL);

        let truth = truth(&herald.dry_run(&postfix.log()));
        assert!(truth.len() > 2 * messages, "{} events of {messages} messages", truth.len());
        wait::until(WEBHOOKS, || ids(&receiver.accepted("standard")).len() >= truth.len());
        assert!(herald.stop().success(), "{}", herald.said());

        let requests = receiver.accepted("standard");
        nothing_was_lost_or_invented(&requests, &truth, &herald);
        the_same_id_is_always_the_same_event(&requests);
        no_recipient_has_two_ends(&truth);
    });
}

/// Mail that flows until it is stopped: every message to several recipients of several kinds,
/// every second one from a user, every third through an alias.
struct Flow {
    running: Arc<AtomicBool>,
    sender: JoinHandle<usize>,
}

impl Flow {
    fn start(postfix: Arc<Postfix>) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let go_on = Arc::clone(&running);
        let sender = thread::spawn(move || {
            let mut sent = 0;
            while go_on.load(Ordering::Relaxed) {
                send_one(&postfix, sent);
                sent += 1;
                pause(PAUSE);
            }
            sent
        });
        Self { running, sender }
    }

    /// How many messages were sent.
    fn stop(self) -> usize {
        self.running.store(false, Ordering::Relaxed);
        self.sender.join().expect("every message was accepted")
    }
}

fn send_one(postfix: &Postfix, number: usize) {
    let user = number.is_multiple_of(2);
    let server = if user { postfix.submission() } else { postfix.smtp() };
    let mut client = Client::connect(Ipv4Addr::LOCALHOST.into(), server);
    if user {
        client.authenticate();
    }
    let kinds = ["ok", "nouser", "policy", "flaky"].iter().take(1 + number % 4);
    let mut to: Vec<String> = kinds.map(|kind| format!("{kind}-{number}@out.test")).collect();
    if number.is_multiple_of(3) {
        to.push("both@virt.test".to_owned());
    }
    let recipients: Vec<&str> = to.iter().map(String::as_str).collect();
    client.send(&Mail::to(&recipients));
}

fn kill_again_and_again(herald: &mut Herald) {
    let seed = rand::random();
    eprintln!("the moments of the kills follow from seed {seed}");
    for number in 0..KILLS {
        herald.start();
        pause(Duration::from_millis(scattered(seed, number) % LIFE));
        herald.kill();
    }
}

/// A moment, not a condition, is what this test waits for: it is the subject, not the proof.
fn pause(duration: Duration) {
    let (_sender, never) = mpsc::sync_channel::<()>(0);
    never.recv_timeout(duration).expect_err("nobody sends");
}

/// `SplitMix64` (Steele, Lea and Flood 2014): the same seed gives the same moments.
fn scattered(seed: u64, number: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The events by id, as an independent reading of the whole log tells them.
fn truth(replayed: &[Value]) -> BTreeMap<String, Value> {
    let wanted = replayed.iter().filter(|event| event["type"] != "outbound.sending");
    let id = |event: &Value| event["id"].as_str().expect("every event has an id").to_owned();
    let all: BTreeMap<_, _> = wanted.clone().map(|event| (id(event), event.clone())).collect();
    assert_eq!(all.len(), wanted.count(), "a replay told two events with one id");
    all
}

fn ids(requests: &[Request]) -> BTreeSet<&str> {
    requests.iter().map(|request| request.id.as_str()).collect()
}

fn nothing_was_lost_or_invented(
    requests: &[Request],
    truth: &BTreeMap<String, Value>,
    herald: &Herald,
) {
    let received = ids(requests);
    let lost: Vec<_> = truth.iter().filter(|(id, _)| !received.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "{} lost: {lost:#?}\n{}", lost.len(), herald.said());
    let invented: Vec<_> =
        requests.iter().filter(|request| !truth.contains_key(&request.id)).collect();
    assert!(invented.is_empty(), "{} invented: {invented:#?}", invented.len());
    for request in requests {
        let event = &truth[&request.id];
        assert_eq!(Fact::of_event(&request.body), Fact::of_event(event), "of {}", request.id);
    }
}

fn the_same_id_is_always_the_same_event(requests: &[Request]) {
    let mut first = BTreeMap::new();
    for request in requests {
        match first.entry(&request.id) {
            Entry::Vacant(entry) => {
                entry.insert(&request.body);
            }
            Entry::Occupied(entry) => assert_eq!(*entry.get(), &request.body, "{}", request.id),
        }
    }
}

/// A recipient is one address of one message, as the sender wrote it.
fn no_recipient_has_two_ends(truth: &BTreeMap<String, Value>) {
    let mut ends = BTreeMap::new();
    for (id, event) in truth {
        let fact = Fact::of_event(event);
        if fact.is_final() {
            let uid = event["data"]["uid"].as_str().expect("every message has a uid");
            let before = ends.insert((uid, fact.to.clone(), fact.orig_to.clone()), id);
            assert_eq!(before, None, "{fact:?} of {uid} ended twice");
        }
    }
}

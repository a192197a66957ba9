//! Where is my mail? Commands that look things up in the running daemon.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    http::Api,
    lines,
    program::{Host, SECRET, output, text},
    receiver::Receiver,
    until,
};

const STAMP: &str = "2026-03-01T11:00:00.000000+00:00 mx postfix";
const QUEUE_ID: &str = "4jWZ7Z08W0zmwBB";
const FILTERED: &str = "4jWZ7Z1vR4zmwBC";

/// A message that goes through a content filter and is delivered, and between its lines others.
fn message() -> String {
    [
        format!("smtpd[1]: {QUEUE_ID}: client=c.test[192.0.2.9], sasl_method=PLAIN, sasl_username=ann"),
        format!("cleanup[2]: {QUEUE_ID}: message-id=<order-17@shop.test>"),
        format!("qmgr[3]: {QUEUE_ID}: from=<shop@shop.test>, size=900, nrcpt=1 (queue active)"),
        "smtpd[9]: connect from other.test[192.0.2.77]".to_owned(),
        format!("smtpd[4]: {FILTERED}: client=localhost[127.0.0.1], orig_queue_id={QUEUE_ID}, orig_client=c.test[192.0.2.9]"),
        format!("cleanup[2]: {FILTERED}: message-id=<order-17@shop.test>"),
        format!("qmgr[3]: {FILTERED}: from=<shop@shop.test>, size=1200, nrcpt=1 (queue active)"),
        format!("smtp[5]: {QUEUE_ID}: to=<bob@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {FILTERED})"),
        format!("qmgr[3]: {QUEUE_ID}: removed"),
        format!("smtp[6]: {FILTERED}: to=<bob@good.test>, relay=mx1.good.test[192.0.2.1]:25, delay=0.4, delays=0.1/0/0.1/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F1)"),
        format!("qmgr[3]: {FILTERED}: removed"),
    ]
    .map(|line| format!("{STAMP}/{line}\n"))
    .concat()
}

/// A source that also knows what becomes of the log.
fn rotated_source(host: &Host) -> String {
    format!("include = [\"{}*\"]\nstart = \"beginning\"", host.text("mail.log"))
}

/// The objects that a command printed, one a line.
fn objects(args: &[&str]) -> Vec<Value> {
    let printed = output(args);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    text(&printed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn story(query: &str, config: &str) -> Value {
    let mut explained = objects(&["explain", query, "--json", "--config", config]).remove(0);
    assert_eq!(explained["stories"].as_array().unwrap().len(), 1, "{explained}");
    explained["stories"][0].take()
}

fn texts<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap()).collect()
}

fn pack(from: &std::path::Path, to: &std::path::Path) {
    let mut packer = GzEncoder::new(fs::File::create(to).unwrap(), Compression::fast());
    packer.write_all(&fs::read(from).unwrap()).unwrap();
    packer.finish().unwrap();
    fs::remove_file(from).unwrap();
}

#[test]
fn the_whole_story_of_a_message_is_told_by_whatever_it_is_known() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let picky = format!(
        "[[webhook]]\nname = \"Picky\"\nurl = \"{}\"\nsecret = \"{}\"\nevents = [\"outbound.bounced\"]",
        receiver.url(),
        crate::program::SECRET
    );
    let config = host.configure(&rotated_source(&host), &receiver, &picky);
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..40));
    host.append("mail.log", &message());
    host.append("mail.log", &lines(40..80));
    until("all are told", || receiver.count() == 82);
    let told = || story(QUEUE_ID, &config);
    until("the last answer is on record", || {
        texts(&told()["events"][1]["deliveries"], "state") == ["delivered", "not_wanted"]
    });
    let by_queue_id = told();
    let kinds: Vec<_> = by_queue_id["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["event"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["outbound.queued", "outbound.delivered"]);
    // Each webhook: who was told, and who was not and why.
    let deliveries = &by_queue_id["events"][1]["deliveries"];
    assert_eq!(deliveries[0]["attempts"][0]["response_code"], 204);
    assert_eq!(deliveries[1]["reason"], "its type is not in `events`");
    // Each hop, and each line of either queue ID, none of another message.
    let hop = serde_json::json!({"from": QUEUE_ID, "to": FILTERED, "how": "handed over"});
    assert!(by_queue_id["hops"].as_array().unwrap().contains(&hop), "{by_queue_id}");
    let expected: Vec<String> =
        message().lines().filter(|it| !it.contains("connect from")).map(str::to_owned).collect();
    assert_eq!(texts(&by_queue_id["lines"], "text"), expected);
    let place = by_queue_id["events"][1]["line"].as_u64().unwrap();
    assert!(expected[usize::try_from(place).unwrap()].contains("queued as 9F1"));

    let event = by_queue_id["events"][1]["event"]["id"].as_str().unwrap();
    let uid = by_queue_id["uid"].as_str().unwrap();
    for query in
        [FILTERED, "order-17@shop.test", "<order-17@shop.test>", uid, event, "BOB@good.test"]
    {
        assert_eq!(story(query, &config), by_queue_id, "{query}");
    }

    // For people.
    let shown = text(&output(&["explain", QUEUE_ID, "--config", &config]).stdout);
    for words in [
        "order-17@shop.test",
        "Shop delivered",
        "attempt 1 at",
        "HTTP 204",
        "Picky not wanted: its type is not in `events`",
        "handed over",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains('\x1b'), "no colours in a file: {shown}");

    // The log is rotated, compressed, and at last deleted.
    fs::rename(host.path("mail.log"), host.path("mail.log.1")).unwrap();
    host.append("mail.log", &lines(80..90));
    until("it goes on", || receiver.count() == 92);
    assert_eq!(texts(&story(QUEUE_ID, &config)["lines"], "text"), expected);
    pack(&host.path("mail.log.1"), &host.path("mail.log.2.gz"));
    let packed = story(QUEUE_ID, &config);
    assert_eq!(texts(&packed["lines"], "text"), expected);
    assert!(packed["lines"][0]["file"].as_str().unwrap().ends_with("mail.log.2.gz"));
    fs::remove_file(host.path("mail.log.2.gz")).unwrap();
    let gone = story(QUEUE_ID, &config);
    assert_eq!(gone["lines"], serde_json::json!([]));
    assert!(gone["missing"][0].as_str().unwrap().contains("is not there any more"), "{gone}");
    assert_eq!(gone["events"].as_array().unwrap().len(), 2);
}

#[test]
fn a_message_without_any_event_yet_is_shown_as_it_is_and_with_its_lines() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&rotated_source(&host), &receiver, "");
    let _program = host.run(&config);
    let begun: String = message().split_inclusive('\n').take(3).collect();
    host.append("mail.log", &begun);
    let open = || {
        let answer = output(&["explain", QUEUE_ID, "--json", "--config", &config]);
        let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
        answer["stories"][0].clone()
    };
    until("it is read", || open()["lines"].as_array().is_some_and(|lines| lines.len() == 3));
    let open = open();
    assert_eq!(open["events"], serde_json::json!([]));
    assert_eq!(open["open"][0]["queue_id"], QUEUE_ID);
    assert_eq!(open["message_id"], "<order-17@shop.test>");
    let shown = text(&output(&["explain", "order-17@shop.test", "--config", &config]).stdout);
    assert!(shown.contains("still in the queue"), "{shown}");
}

#[test]
fn what_nobody_knows_is_said_with_what_to_try_next() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    for query in ["4jWZ7Z08W0zmwBB", "nobody@nowhere.test", "%' OR 1=1 --", "../../etc/passwd"] {
        let unknown = output(&["explain", query, "--config", &config]);
        assert_eq!(unknown.status.code(), Some(66), "{query}");
        assert!(text(&unknown.stderr).contains("`mailherald events list --to ADDRESS`"), "{query}");
    }
    let refused = output(&["events", "show", "evt_nonsense", "--config", &config]);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused.stderr));
    let id = format!("evt_{}", "0".repeat(26));
    let missing = output(&["events", "show", &id, "--config", &config]);
    assert_eq!(missing.status.code(), Some(66), "{}", text(&missing.stderr));
}

#[test]
fn events_are_listed_by_what_they_are_about_and_sent_again_with_the_same_id() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&config);
    host.append("mail.log", &lines(0..60));
    host.append("mail.log", &message());
    until("all are told", || receiver.count() == 62);
    let list = |more: &[&str]| {
        objects(&[&["events", "list", "--json", "--config", &config], more].concat())
    };
    assert_eq!(list(&[]).len(), 50);
    assert_eq!(list(&["--limit", "1000"]).len(), 62);
    for (filter, count) in [
        (["--queue-id", FILTERED], 1),
        (["--message-id", "order-17@shop.test"], 2),
        (["--to", "USER17@good.test"], 1),
        (["--from", "shop@shop.test"], 2),
        (["--user", "ann"], 2),
        (["--domain", "good.test"], 50),
        (["--type", "outbound.queued"], 1),
        (["--since", "2026-03-01T10:30:00Z"], 2),
        (["--until", "2026-03-01T10:00:00.00001Z"], 10),
        (["--to", "%"], 0),
    ] {
        assert_eq!(list(&filter).len(), count, "{filter:?}");
    }
    let event = list(&["--to", "user17@good.test"]).remove(0);
    let id = event["id"].as_str().unwrap();
    let shown = objects(&["events", "show", id, "--json", "--config", &config]);
    assert_eq!(shown, std::slice::from_ref(&event));

    let again = objects(&["events", "replay", id, "--json", "--config", &config]);
    assert_eq!((&again[0]["webhook"], &again[0]["outcome"]), (&"Shop".into(), &"due".into()));
    until("it is sent again", || receiver.count() == 63);
    assert_eq!(receiver.requests()[62].id(), id);

    // Each delivery with all attempts, over a restart too.
    let delivery = again[0]["delivery_id"].as_str().unwrap();
    let shown =
        || objects(&["deliveries", "show", delivery, "--json", "--config", &config]).remove(0);
    let attempts = |delivery: &Value| delivery["attempts"].as_array().unwrap().len();
    until("both attempts are on record", || attempts(&shown()) == 2);
    program.stop(Signal::TERM);
    let _program = host.run(&config);
    let shown = shown();
    assert_eq!((attempts(&shown), &shown["state"]), (2, &"delivered".into()));
    assert_eq!(
        (&shown["attempts"][0]["is_replay"], &shown["attempts"][1]["is_replay"]),
        (&false.into(), &true.into())
    );
    assert_eq!(list(&["--to", "user17@good.test"]).len(), 1, "it is one event");
}

/// However small the pages are and whatever is left out, they have each delivery once and in order.
#[test]
fn pages_of_deliveries_have_each_of_them_once() {
    let (host, receiver, other) = (Host::new(), Receiver::start(), Receiver::start());
    let second = format!(
        "[[webhook]]\nname = \"Second\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\nschedule = []",
        other.url()
    );
    other.refuse();
    let api = Api::start(&host, &receiver, &second);
    host.append("mail.log", &lines(0..5));
    // Whoever asks so often is told to wait.
    let page = |query: &str| {
        let mut answer = api.get(&format!("/v1/deliveries?{query}"));
        until("an answer", || {
            let is_there = answer.status == 200;
            if !is_there {
                answer = api.get(&format!("/v1/deliveries?{query}"));
            }
            is_there
        });
        answer.json()
    };
    let all = |filter: &str, limit: usize| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&format!("limit={limit}{filter}{cursor}"));
            let rows = page["data"].as_array().unwrap();
            // All of an event are on one page.
            assert!(rows.len() <= limit.max(2), "{limit}: {}", rows.len());
            ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    };
    until("all have ended", || {
        all("&state=delivered", 50).len() == 5 && all("&state=dead", 50).len() == 5
    });
    for (filter, count) in [
        ("", 10),
        ("&state=delivered", 5),
        ("&state=dead", 5),
        ("&state=pending", 0),
        ("&webhook=Second", 5),
        ("&webhook=Shop&state=dead", 0),
        ("&to=user3@good.test", 2),
        ("&to=user3@good.test&state=dead", 1),
    ] {
        let whole = all(filter, 1000);
        assert_eq!(whole.len(), count, "{filter}");
        for limit in [1, 2, 3, 5, 7] {
            assert_eq!(all(filter, limit), whole, "{filter} {limit}");
        }
    }
}

/// What waits for an earlier event of its message was never handed out, and is not over.
#[test]
fn what_waits_for_its_turn_is_pending() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let webhook = "schedule = [\"1h\"]\nordering = \"message\"\nevents = [\"outbound.*\"]";
    let config = host.configure(&host.log_source(), &receiver, webhook);
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &message());
    let list = |more: &[&str]| {
        objects(&[&["deliveries", "list", "--json", "--config", &config], more].concat())
    };
    let states = |rows: &[Value]| {
        let mut states: Vec<_> =
            rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect();
        states.dedup();
        states
    };
    let is_tried = |row: &Value| row["attempts"][0].is_object();
    until("one is tried", || list(&[]).len() > 1 && list(&[]).iter().any(is_tried));
    let all = list(&[]);
    assert_eq!(states(&all), ["pending"], "{all:?}");
    assert_eq!(all.iter().filter(|row| is_tried(row)).count(), 1, "{all:?}");
    assert_eq!(list(&["--in-state", "pending"]).len(), all.len());
    assert_eq!(list(&["--in-state", "settled"]).len(), 0);
    let disable = ["webhooks", "disable", "Shop", "--config", &config];
    assert!(output(&disable).status.success());
    assert_eq!(list(&["--in-state", "held"]).len(), all.len());
}

#[test]
fn deliveries_are_listed_by_their_state_and_called_off() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "schedule = [\"1h\"]");
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..3));
    let list = |state: &str| {
        objects(&["deliveries", "list", "--in-state", state, "--json", "--config", &config])
    };
    let tried = |rows: &[Value]| rows.iter().filter(|row| row["attempts"][0].is_object()).count();
    until("all failed once", || tried(&list("pending")) == 3);
    let waiting = list("pending").remove(0);
    assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
    assert_eq!(waiting["to"], "user2@good.test", "the latest first");
    let id = waiting["id"].as_str().unwrap();
    let cancelled = objects(&["deliveries", "cancel", id, "--json", "--config", &config]).remove(0);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(list("cancelled").len(), 1);
    assert_eq!(list("pending").len(), 2);
    let twice = output(&["deliveries", "cancel", id, "--config", &config]);
    assert_eq!(twice.status.code(), Some(75), "{}", text(&twice.stderr));
    receiver.accept();
    let again = objects(&["deliveries", "retry", id, "--json", "--config", &config]).remove(0);
    assert_eq!(again["outcome"], "due");
    until("it is delivered", || list("delivered").len() == 1);
    assert_eq!(list("dead").len(), 0);
    let none = output(&["deliveries", "show", "nonsense", "--config", &config]);
    assert_eq!(none.status.code(), Some(65), "{}", text(&none.stderr));
}

//! What a webhook is told of, and what it is shown of it.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    lines,
    program::{Host, SECRET, output, text},
    receiver::Receiver,
    until,
};

fn bodies(receiver: &Receiver) -> Vec<Value> {
    let requests = receiver.requests();
    requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

fn replay(config: &str, log: &str, more: &[&str]) {
    let output = output(&[&["replay", "--config", config, log], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_hashed_address_stays_the_same_from_run_to_run_and_is_nowhere_in_clear() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config =
        host.configure("kind = \"stdin\"", &receiver, "privacy = \"hash\"\nevidence = true");
    host.append("mail.log", &lines(0..1));
    for more in [&[][..], &["--resend"]] {
        replay(&config, &host.text("mail.log"), more);
    }
    let [first, again] = &bodies(&receiver)[..] else { panic!("{}", receiver.count()) };
    assert_eq!(first, again);
    let to = first["data"]["to"].as_str().unwrap();
    let (local, domain) = to.split_once('@').unwrap();
    assert_eq!((local.len(), domain), (26, "good.test"));
    assert!(!first.to_string().contains("user0"), "{first}");
    let evidence = first["data"]["evidence"][0].as_str().unwrap();
    assert!(
        evidence.contains(&format!("to=<{to}>, relay=mx1.good.test[192.0.2.1]:25")),
        "{evidence}"
    );
    let key = std::fs::metadata(host.path("state/privacy.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

/// Webhooks.md §2.8: whoever names the type is told, and nobody else.
#[test]
fn a_log_of_which_most_is_not_understood_is_told_to_those_who_want_to_know() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(
        &host.log_source(),
        &receiver,
        "events = [\"outbound.delivered\", \"source.parse_drift\"]",
    );
    let program = host.run(&config);
    host.append("mail.log", &"what is this?\n".repeat(600));
    until("the alarm", || receiver.count() == 1);
    let body = &bodies(&receiver)[0];
    assert_eq!(body["type"], "source.parse_drift");
    assert_eq!(body["service"], "operational");
    assert!(body["data"]["count"].as_u64().unwrap() > 250, "{body}");
    assert!(body["data"]["source"].is_string(), "{body}");
    program.stop(Signal::TERM);
    let others = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&others);
    host.append("mail.log", &lines(0..1));
    until("an event", || receiver.count() == 2);
    assert_eq!(bodies(&receiver)[1]["type"], "outbound.delivered");
    program.stop(Signal::TERM);
}

const STAMP: &str = "2026-03-01T10:00:00.000000+00:00 mx postfix";

/// A message from `sender`, deferred three times, twice for the same reason.
fn deferred(queue_id: &str, sender: &str) -> String {
    let reasons = ["4.4.1", "4.4.1", "4.2.0"].map(|code| {
        format!(
            "{STAMP}/smtp[9]: {queue_id}: to=<b@good.test>, relay=none, delay=1, delays=0/0/1/0, \
             dsn={code}, status=deferred (no luck with {code})\n"
        )
    });
    let begin = format!(
        "{STAMP}/smtpd[9]: {queue_id}: client=c.test[127.0.0.1]\n\
         {STAMP}/qmgr[9]: {queue_id}: from=<{sender}>, size=9, nrcpt=1 (queue active)\n"
    );
    begin + &reasons.concat()
}

#[test]
fn a_webhook_is_told_of_its_route_and_of_deferrals_that_change() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let webhook = "events = [\"outbound.deferred\"]\nroutes = [\"news\"]\ndeferrals = \"on_change\"\n\
                   [[route]]\nname = \"news\"\nsender_domains = [\"news.test\"]";
    let config = host.configure("kind = \"stdin\"", &receiver, webhook);
    let log = deferred("3F0B2C80001", "a@news.test") + &deferred("3F0B2C80002", "a@else.test");
    host.append("mail.log", &log);
    replay(&config, &host.text("mail.log"), &[]);
    let mut told: Vec<_> = bodies(&receiver)
        .iter()
        .map(|body| [&body["data"]["dsn"], &body["data"]["route"]].map(Value::to_string))
        .collect();
    told.sort_unstable();
    let expected = ["4.2.0", "4.4.1"].map(|dsn| [format!("\"{dsn}\""), "\"news\"".to_owned()]);
    assert_eq!(told, expected);
}

/// Any number of webhooks may be for one stream, and none of them hears of another one.
#[test]
fn m18_a_bounce_on_one_route_reaches_all_webhooks_of_that_route_and_no_other() {
    let host = Host::new();
    let [news, more_news, shop] = [(); 3].map(|()| Receiver::start());
    let others = [("more news", &more_news, "news"), ("shop", &shop, "shop")]
        .map(|(name, receiver, route)| {
            let url = receiver.url();
            format!(
                "[[webhook]]\nname = {name:?}\nurl = {url:?}\nsecret = {SECRET:?}\n\
                 events = [\"bounced\"]\nprofile = \"generic\"\nroutes = [{route:?}]\n"
            )
        })
        .concat();
    let routes = ["news", "shop"]
        .map(|name| format!("[[route]]\nname = {name:?}\nsender_domains = [\"{name}.test\"]\n"))
        .concat();
    let of_first = "events = [\"outbound.bounced\"]\nroutes = [\"news\"]\n";
    let config = host.configure("kind = \"stdin\"", &news, &[of_first, &others, &routes].concat());
    let bounced = |queue_id, sender| {
        deferred(queue_id, sender).replace("dsn=4.", "dsn=5.").replace("=deferred", "=bounced")
    };
    let log = bounced("3F0B2C80001", "a@news.test") + &bounced("3F0B2C80002", "a@else.test");
    host.append("mail.log", &log);
    replay(&config, &host.text("mail.log"), &[]);
    let counts = [&news, &more_news, &shop].map(Receiver::count);
    assert!(counts[0] > 0, "{counts:?}");
    assert_eq!((counts[1], counts[2]), (counts[0], 0));
    host.append("mail.log", &bounced("3F0B2C80003", "a@shop.test"));
    replay(&config, &host.text("mail.log"), &[]);
    let later = [&news, &more_news, &shop].map(Receiver::count);
    assert_eq!(later, [counts[0], counts[1], counts[0]]);
}

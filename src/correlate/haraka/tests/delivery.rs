//! What becomes of items of the queue.

use super::*;
use crate::event::{BounceCategory, BounceType};

fn after(recipients: &[&str], more: &[Written]) -> Vec<Event> {
    let mut records = relayed(recipients);
    records.extend_from_slice(more);
    let events = events_of(&log(&records));
    let (arrivals, others) = events.split_at(recipients.len());
    assert!(arrivals.iter().all(|event| event.kind.name() == "outbound.queued"));
    others.to_vec()
}

fn refused(address: &str, word: &str, reply: &str) -> Written {
    record(".1.1", "outbound", &format!("recipient <{address}> {word}: {reply}"), &[])
}

fn deferral(attempts: u32, reason: &str) -> Written {
    item(&format!("Temp failing 1_2_{attempts}_9_abcdef_1_mx for 5 seconds: {reason}"))
}

#[test]
fn one_attempt_can_end_in_three_ways() {
    let events = after(
        &["a@good.test", "b@good.test", "c@good.test"],
        &[
            refused("b@good.test", "rejected", "550 5.1.1 no"),
            refused("c@good.test", "deferred", "450 4.2.0 later"),
            delivered(".1.1", "good.test", "SMTP", "1/1/1"),
            deferral(0, "Some recipients temp failed: <c@good.test>"),
            item("bouncing mail: Some recipients failed: <b@good.test>"),
            delivered(".1.1", "good.test", "SMTP", "1/0/0"),
        ],
    );
    assert_eq!(
        shown(&events),
        [
            "outbound.delivered a@good.test",
            "outbound.deferred c@good.test",
            "outbound.bounced b@good.test",
            "outbound.delivered c@good.test",
        ]
    );
    assert_eq!(events[2].data.bounce_type, Some(BounceType::Hard));
    assert_eq!(events[3].data.attempt, Some(2));
    assert_eq!(events[0].data.mx.as_deref(), Some("mx1.good.test"));
    assert_eq!(events[0].data.host.as_deref(), Some("198.51.100.2"));
    assert_eq!(events[0].data.delay_us, Some(250_000));
}

#[test]
fn the_last_deferral_is_the_bounce() {
    let events = after(
        &["a@good.test"],
        &[
            refused("a@good.test", "deferred", "451 4.3.0 later"),
            deferral(0, "Some recipients temp failed: <a@good.test>"),
            refused("a@good.test", "deferred", "451 4.3.0 later"),
            item("bouncing mail: Too many failures (Some recipients temp failed: <a@good.test>)"),
        ],
    );
    assert_eq!(shown(&events), ["outbound.deferred a@good.test", "outbound.bounced a@good.test"]);
    let data = &events[1].data;
    assert_eq!(data.bounce_type, Some(BounceType::Soft));
    assert_eq!(data.bounce_category, Some(BounceCategory::Expired));
    assert_eq!(data.response.as_deref(), Some("451 4.3.0 later"));
}

#[test]
fn a_server_that_lets_go_of_us_leaves_nothing_behind() {
    let events = after(
        &["a@good.test", "b@good.test"],
        &[
            refused("a@good.test", "rejected", "550 5.1.1 no"),
            item(
                "Remote end 198.51.100.2:25 closed connection while we were processing mail. Trying next MX.",
            ),
            delivered(".1.1", "good.test", "SMTP", "2/0/0"),
        ],
    );
    assert_eq!(
        shown(&events),
        ["outbound.delivered a@good.test", "outbound.delivered b@good.test"]
    );
}

#[test]
fn each_reason_has_its_category() {
    for (reason, bounce, category) in [
        ("No MX for good.test", BounceType::Hard, BounceCategory::NoMx),
        (
            "Nowhere to deliver mail to for domain: good.test",
            BounceType::Hard,
            BounceCategory::NoMx,
        ),
        ("No Such Domain: good.test", BounceType::Hard, BounceCategory::InvalidDomain),
        (
            "Domain good.test sends and receives no email (NULL MX)",
            BounceType::Hard,
            BounceCategory::NoMx,
        ),
        (
            "Unrecognized response from upstream server: hi",
            BounceType::Soft,
            BounceCategory::Protocol,
        ),
        ("Error re-queueing email: disk full", BounceType::Soft, BounceCategory::MailSystem),
        ("552 5.2.2 full", BounceType::Soft, BounceCategory::MailboxFull),
    ] {
        let events = after(&["a@good.test"], &[item(&format!("bouncing mail: {reason}"))]);
        assert_eq!(shown(&events), ["outbound.bounced a@good.test"], "{reason}");
        let data = &events[0].data;
        assert_eq!(
            (data.bounce_type, data.bounce_category),
            (Some(bounce), Some(category)),
            "{reason}"
        );
    }
}

#[test]
fn a_refusal_for_policy_is_the_remotes() {
    let events = after(&["a@good.test"], &[item("bouncing mail: 554 5.7.1 blocked as spam")]);
    assert_eq!(shown(&events), ["outbound.rejected a@good.test"]);
}

#[test]
fn a_server_that_cannot_be_reached_says_why_in_the_line_before() {
    let events = after(
        &["a@good.test"],
        &[
            item("Failed to get socket: connect ECONNREFUSED 198.51.100.9:25"),
            deferral(0, "Tried all MXs"),
        ],
    );
    let data = &events[0].data;
    assert_eq!(data.response.as_deref(), Some("connect ECONNREFUSED 198.51.100.9:25"));
    assert_eq!((data.host.as_deref(), data.port), (Some("198.51.100.9"), Some(25)));
    assert_eq!(data.bounce_category, Some(BounceCategory::Connection));
}

#[test]
fn items_are_of_domains_in_the_order_of_their_first_recipients() {
    let events = after(
        &["a@one.test", "b@Two.test", "c@one.test"],
        &[
            record(".1.2", "outbound", "bouncing mail: 550 5.1.1 no", &[]),
            record(".1.1", "outbound", "bouncing mail: 550 5.1.1 no", &[]),
        ],
    );
    assert_eq!(
        shown(&events),
        [
            "outbound.bounced b@Two.test",
            "outbound.bounced a@one.test",
            "outbound.bounced c@one.test"
        ]
    );
}

#[test]
fn domains_that_are_no_ascii_are_known_by_their_place() {
    let events = after(
        &["a@one.test", "b@bücher.test"],
        &[
            delivered(".1.2", "xn--bcher-kva.test", "SMTP", "1/0/0"),
            delivered(".1.1", "one.test", "SMTP", "1/0/0"),
        ],
    );
    assert_eq!(
        shown(&events),
        ["outbound.delivered b@bücher.test", "outbound.delivered a@one.test"]
    );
}

#[test]
fn with_an_item_for_each_recipient_the_place_tells_which() {
    let events = after(
        &["a@one.test", "b@one.test", "c@one.test"],
        &[
            delivered(".1.2", "one.test", "SMTP", "1/0/0"),
            record(".1.3", "outbound", "bouncing mail: 550 5.1.1 no", &[]),
            delivered(".1.1", "one.test", "SMTP", "1/0/0"),
        ],
    );
    assert_eq!(
        shown(&events),
        [
            "outbound.delivered b@one.test",
            "outbound.bounced c@one.test",
            "outbound.delivered a@one.test"
        ]
    );
}

#[test]
fn answers_of_lmtp_servers_that_differ_are_doubtful() {
    let mut records = incoming(&["a@in.test", "b@in.test"]);
    records.extend([
        message("2/0/0", "CONT", ""),
        hook(".1", "queue", "queue/lmtp", "OK", &format!("Message Queued ({C}.1)")),
        queue("OK", &format!("Message Queued ({C}.1)")),
        refused("a@in.test", "rejected", "550 5.2.1 no"),
        delivered(".1.1", "in.test", "LMTP", "1/0/1"),
        item("bouncing mail: Some recipients failed: <a@in.test>"),
    ]);
    let events = events_of(&log(&records));
    assert_eq!(
        shown(&events),
        [
            "inbound.received a@in.test",
            "inbound.received b@in.test",
            "inbound.delivered b@in.test",
            "inbound.bounced a@in.test",
        ]
    );
    assert!(events[2].data.unreliable_rcpt && events[3].data.unreliable_rcpt);
    assert!(!events[0].data.unreliable_rcpt);
}

#[test]
fn a_plugin_that_ends_an_item_drops_it() {
    let events = after(
        &["a@good.test"],
        &[item("plugin responded with: 906. Not deferring. Deleting mail.")],
    );
    assert_eq!(shown(&events), ["outbound.dropped a@good.test"]);
}

#[test]
fn harakas_own_mail_tells_nothing() {
    let own = "8BF96A0A-9F43-427F-975B-F40CE8A0AB5F";
    let records = [
        delivered(".1", "far.test", "SMTP", "1/0/0").of(own),
        record(".1", "outbound", "bouncing mail: No MX for far.test", &[]).of(own),
    ];
    assert_eq!(told(&records), [""; 0]);
}

#[test]
fn below_info_an_answer_stands_after_a_while() {
    let mut records = relayed(&["a@good.test", "b@good.test"]);
    records.push(refused("a@good.test", "rejected", "550 5.1.1 no"));
    records.push(refused("b@good.test", "deferred", "450 4.2.0 later"));
    let lines = log(&records);
    let mut correlator = Correlator::new(direction(), false);
    assert_eq!(follow(&mut correlator, &lines).len(), 2, "two arrivals");
    assert!(correlator.patience().is_some());
    let mut events = Vec::new();
    correlator.silence(std::time::Duration::from_mins(1), &mut events);
    assert_eq!(shown(&events), ["outbound.bounced a@good.test", "outbound.deferred b@good.test"]);
    let again = [
        refused("b@good.test", "deferred", "450 4.2.0 later"),
        delivered(".1.1", "good.test", "SMTP", "1/0/0"),
    ];
    let events = follow(&mut correlator, &log(&again));
    assert_eq!(shown(&events), ["outbound.deferred b@good.test", "outbound.delivered b@good.test"]);
    assert_eq!(events[1].data.attempt, Some(3));
}

#[test]
fn a_log_that_begins_in_the_middle_tells_what_it_knows() {
    let records = [
        refused("a@good.test", "deferred", "450 4.2.0 later"),
        deferral(3, "Some recipients temp failed: <a@good.test>"),
        delivered(".1.2", "good.test", "SMTP", "2/0/0"),
        record(".1.3", "outbound", "bouncing mail: 550 5.1.1 no", &[]).at("INFO"),
    ];
    let events = events_of(&log(&records));
    assert_eq!(
        shown(&events),
        ["outbound.deferred a@good.test", "outbound.delivered -", "outbound.bounced -"]
    );
    assert!(events.iter().all(|event| event.data.incomplete));
    assert_eq!(
        (events[1].data.nrcpt, events[1].data.domain.as_deref()),
        (Some(2), Some("good.test"))
    );
}

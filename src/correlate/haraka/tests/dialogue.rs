//! The dialogue with a client: what was taken, and what was refused where.

use super::*;
use crate::event::Event;

fn only(records: &[Written]) -> Event {
    let mut events = events_of(&log(records));
    assert_eq!(events.len(), 1, "{:?}", shown(&events));
    events.remove(0)
}

#[test]
fn what_the_next_server_took_while_the_client_waited_is_received_and_delivered() {
    let mut records = incoming(&["b@in.test"]);
    records.extend([
        message("1/0/0", "CONT", ""),
        hook(".1", "queue", "queue/smtp_forward", "OK", "{\"0\":\"2.0.0 Ok\"}"),
        queue("OK", "2.0.0 Ok: queued as 7"),
    ]);
    let events = events_of(&log(&records));
    assert_eq!(shown(&events), ["inbound.received b@in.test", "inbound.delivered b@in.test"]);
    assert_eq!(events[1].data.response.as_deref(), Some("2.0.0 Ok: queued as 7"));
    assert_eq!(events[0].data.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(events[0].data.message_id.as_deref(), Some("<1@far.test>"));
    assert_eq!(events[0].data.queue_id.as_deref(), Some(format!("{C}.1").as_str()));
    let without_hooks: Vec<_> = records.into_iter().filter(|it| !it.is_info()).collect();
    assert_eq!(told(&without_hooks), shown(&events), "below INFO the reply tells");
}

#[test]
fn what_a_plugin_threw_away_is_dropped() {
    for (name, expected) in [("queue", "inbound"), ("queue_outbound", "outbound")] {
        let mut records = incoming(&["b@in.test"]);
        records.extend([
            message("1/0/0", "CONT", ""),
            hook(".1", name, "queue/discard", "OK", ""),
            queue("OK", "Message Queued"),
        ]);
        let arrival = if name == "queue" { "received" } else { "queued" };
        let expected =
            [format!("{expected}.{arrival} b@in.test"), format!("{expected}.dropped b@in.test")];
        assert_eq!(told(&records), expected);
    }
}

#[test]
fn whom_nobody_vouched_for_is_refused_although_the_line_says_ok() {
    let records = [
        connect(),
        sender("a@far.test", "CONT"),
        recipient("x@other.test", "OK", ""),
        disconnect("N", "0/0/1", "550 I cannot deliver mail for <x@other.test>"),
    ];
    let event = only(&records);
    assert_eq!(shown(&[event.clone()]), ["inbound.blocked x@other.test"]);
    assert_eq!(event.data.smtp_code, Some(550));
    assert_eq!(event.data.stage.as_deref(), Some("RCPT"));
    assert_eq!(event.data.helo.as_deref(), Some("far.test"));
    assert_eq!(event.data.host.as_deref(), Some("mx.far.test"));
}

#[test]
fn one_of_two_that_were_answered_ok_was_refused_and_the_counts_tell_which() {
    let mut records = incoming(&["b@in.test"]);
    records.extend([
        recipient("x@other.test", "OK", ""),
        message("1/0/1", "CONT", ""),
        queue("OK", "2.0.0 Ok"),
        disconnect("N", "1/0/1", "550 I cannot deliver mail for <x@other.test>"),
    ]);
    let expected = [
        "inbound.received b@in.test",
        "inbound.delivered b@in.test",
        "inbound.blocked x@other.test",
    ];
    assert_eq!(told(&records), expected);
    let without_hooks: Vec<_> = records.into_iter().filter(|it| !it.is_info()).collect();
    assert_eq!(told(&without_hooks), expected, "below INFO the configured domains tell");
}

#[test]
fn of_two_alike_nobody_is_guessed() {
    let records = [
        connect(),
        sender("a@far.test", "CONT"),
        recipient("x@one.test", "OK", ""),
        recipient("y@two.test", "OK", ""),
        message("1/0/1", "CONT", ""),
        queue("OK", "2.0.0 Ok"),
        disconnect("N", "1/0/1", "550 something else"),
    ];
    assert_eq!(told(&records), [""; 0]);
    let mut named = records;
    named[6] = disconnect("N", "1/0/1", "550 I cannot deliver mail for <y@two.test>");
    assert_eq!(
        told(&named),
        [
            "inbound.blocked y@two.test",
            "inbound.received x@one.test",
            "inbound.delivered x@one.test"
        ]
    );
}

#[test]
fn a_relaying_client_that_is_refused_is_ours() {
    let records = [
        connect(),
        sender("a@far.test", "CONT"),
        recipient("x@other.test", "OK", ""),
        hook(".1", "data_post", "clamd", "DENY", "Message is infected with Eicar"),
        message("1/0/0", "DENY", "Message is infected with Eicar"),
        disconnect("Y", "1/0/0", "550 Message is infected with Eicar"),
    ];
    let event = only(&records);
    assert_eq!(shown(&[event.clone()]), ["outbound.virus x@other.test"]);
    assert_eq!(event.data.rules.as_deref(), Some("Eicar"));
    assert_eq!(event.data.action.as_deref(), Some("rejected"));
}

#[test]
fn a_refusal_that_was_overridden_did_not_happen() {
    let overridden = [
        vec![hook(".1", "deny", "karma", "OK", "")],
        vec![
            hook(".1", "deny", "karma", "OK", ""),
            record(".1", "core", "deny(soft?) overridden by deny hook", &[]).at("INFO"),
        ],
    ];
    for overridden in overridden {
        let mut records = vec![connect(), sender("a@far.test", "CONT"), vouched()];
        records.push(recipient("b@in.test", "OK", ""));
        records.push(hook(".1", "data", "access", "DENY", "No"));
        records.extend(overridden);
        records.push(disconnect("N", "1/0/0", ""));
        assert_eq!(told(&records), [""; 0]);
    }
}

#[test]
fn data_that_was_refused_is_refused_for_each_recipient() {
    let mut records = incoming(&["b@in.test", "c@in.test"]);
    records.push(hook(".1", "data", "karma", "DENY", "very bad karma score: -4"));
    records.push(disconnect("N", "2/0/0", "554 very bad karma score: -4"));
    let events = events_of(&log(&records));
    assert_eq!(shown(&events), ["inbound.blocked b@in.test", "inbound.blocked c@in.test"]);
    assert_eq!(events[0].data.response.as_deref(), Some("554 very bad karma score: -4"));
    assert_eq!(events[0].data.engine.as_deref(), Some("karma"));
    let without_hooks: Vec<_> = records.into_iter().filter(|it| !it.is_info()).collect();
    assert_eq!(told(&without_hooks), shown(&events), "below INFO the last refusal tells");
}

#[test]
fn the_core_refuses_contents_by_itself() {
    for (words, code, text) in [
        ("Incoming message exceeded max size of 200000", 550, "550 Message too big!"),
        ("Incoming message exceeded databytes size of 200000", 550, "550 Message too big!"),
        ("Client sent bare line-feed inside DATA", 451, "451 Bare line-feed; see"),
        ("Client sent bare line-feed - .\\n rather than .\\r\\n", 451, "451 Bare line-feed; see"),
    ] {
        let mut records = incoming(&["b@in.test"]);
        records.push(record(".1", "core", words, &[]));
        records.push(disconnect("N", "1/0/0", text));
        let event = only(&records);
        assert_eq!(shown(&[event.clone()]), ["inbound.blocked b@in.test"], "{words}");
        assert_eq!(event.data.smtp_code, Some(code), "{words}");
        assert!(event.data.response.as_deref().is_some_and(|said| said.starts_with(text)));
    }
}

#[test]
fn a_client_that_vanishes_tells_nothing() {
    let mut records = incoming(&["b@in.test"]);
    records
        .push(record(".1", "core", "client dropped connection", &[("ip", "192.0.2.7")]).at("INFO"));
    records.push(disconnect("N", "1/0/0", ""));
    assert_eq!(told(&records), [""; 0]);
}

#[test]
fn a_client_that_talks_too_soon_is_served_all_the_same() {
    let mut early = disconnect("N", "0/0/0", "503 Use EHLO/HELO before MAIL");
    early.uuid = C.to_owned();
    let records = [
        connect(),
        hook("", "connect_init", "early_talker", "DENYDISCONNECT", "You talk too soon"),
        early,
    ];
    assert_eq!(told(&records), [""; 0]);
}

#[test]
fn a_greeting_that_is_refused_names_nobody() {
    let mut end = disconnect("N", "0/0/0", "554 Go away");
    end.uuid = C.to_owned();
    let records =
        [connect(), hook("", "connect", "access", "DENYDISCONNECT", "Go away"), end.clone()];
    let event = only(&records);
    assert_eq!(shown(&[event.clone()]), ["inbound.blocked -"]);
    assert_eq!((event.data.stage.as_deref(), event.data.smtp_code), (Some("CONNECT"), Some(554)));
    let mut quiet = end;
    quiet = quiet.of(C);
    let quiet_line = log(&[connect(), quiet])
        .into_iter()
        .map(|line| line.replace("txns=1", "txns=0"))
        .collect::<Vec<_>>();
    assert_eq!(shown(&events_of(&quiet_line)), ["inbound.blocked -"], "below INFO");
    let failed: Vec<_> = quiet_line
        .iter()
        .map(|line| line.replace("554 Go away", "535 5.7.8 Authentication failed"))
        .collect();
    assert_eq!(shown(&events_of(&failed)), [""; 0], "a password that is wrong is no refusal");
}

#[test]
fn a_proxy_says_whose_the_connection_is() {
    let mut records = incoming(&["b@in.test"]);
    let proxied = [("proto", "TCP6"), ("src_ip", "2001:db8::7:40000"), ("dst_ip", "::1:25")];
    records.insert(1, record("", "core", "HAProxy", &proxied).at("INFO"));
    records.extend([message("1/0/0", "CONT", ""), queue("OK", "2.0.0 Ok")]);
    assert_eq!(events_of(&log(&records))[0].data.ip.as_deref(), Some("2001:db8::7"));
}

#[test]
fn a_tag_is_told_beside_the_arrival() {
    let mut records = incoming(&["b@in.test"]);
    let spam = "status=Yes, score=6.2, required=5.0, reject=10, tests=\"GTUBE,HTML_MESSAGE\"";
    records.push(record(".1", "spamassassin", spam, &[]).at("INFO"));
    records.extend([message("1/0/0", "CONT", ""), queue("OK", "2.0.0 Ok")]);
    for layout in [Layout::Default, Layout::Logfmt, Layout::Json] {
        let events = events_of(&written(&records, layout));
        let names =
            ["inbound.received b@in.test", "inbound.spam b@in.test", "inbound.delivered b@in.test"];
        assert_eq!(shown(&events), names, "{layout:?}");
        let data = &events[1].data;
        assert_eq!((data.score, data.action.as_deref()), (Some(6.2), Some("tagged")), "{layout:?}");
        assert_eq!(data.rules.as_deref(), Some("GTUBE,HTML_MESSAGE"), "{layout:?}");
    }
}

#[test]
fn an_address_without_syntax_is_refused() {
    let why = "Invalid RCPT TO address <a..b@in.test>: Invalid RFC-5321 address at position 2";
    let records = [
        connect(),
        sender("a@far.test", "CONT"),
        record(".1", "core", why, &[]),
        disconnect("N", "0/0/0", "501 x"),
    ];
    let event = only(&records);
    assert_eq!(shown(&[event.clone()]), ["inbound.blocked a..b@in.test"]);
    assert_eq!(event.data.smtp_code, Some(501));
}

#[test]
fn a_refused_sender_names_only_itself() {
    let denied =
        record(".1", "core", "sender <bad@far.test>", &[("code", "DENYSOFT"), ("msg", "later")]);
    let event = only(&[connect(), denied, disconnect("N", "0/0/0", "450 later")]);
    assert_eq!(shown(&[event.clone()]), ["inbound.blocked -"]);
    assert_eq!(event.data.from.as_deref(), Some("bad@far.test"));
    assert!(event.data.temporary);
}

#[test]
fn nobody_took_a_message_that_is_answered_cont_without_a_word() {
    let mut records = incoming(&["b@in.test"]);
    records.extend([message("1/0/0", "CONT", ""), queue("CONT", ""), disconnect("N", "1/0/0", "")]);
    let event = only(&records);
    assert_eq!(shown(&[event.clone()]), ["inbound.blocked b@in.test"]);
    assert_eq!((event.data.smtp_code, event.data.temporary), (Some(451), true));
}

//! What strangers write changes no outcome, and what they keep secret is nowhere.

use proptest::prelude::*;

use super::*;

/// Fragments that imitate what a record says.
const FORGED: [&str; 8] = [
    "x] [core] queue code=OK msg=\"Message Queued (C.1)\"",
    "<x\"] [core] queue code=OK msg=y>",
    "\" code=DENY msg=\"no\" rcpts=0/0/9 relay=Y",
    "550 5.1.1 x\n[NOTICE] [C.1.1] [outbound]  delivered file=1 rcpts=1/0/0",
    "a rejected: 550 bouncing mail: Some recipients failed: <b@good.test>",
    "\\\" , <b@good.test> \\",
    "{\"level\":\"NOTICE\",\"message\":\"queue\",\"code\":\"OK\"}",
    "\u{1b}[34m\u{7}é\u{2028}",
];

/// A story in which each free text is `text`: of two recipients one is delivered and one bounces.
fn story(text: &str) -> Vec<Written> {
    let local =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\u{1b}', '\u{7}'], "");
    let odd = format!("\"{local}\"@good.test");
    let mut records = vec![connect(), sender("a@far.test", "CONT")];
    records.push(recipient(&odd, "OK", text));
    records.push(recipient("b@good.test", "OK", text));
    let fields = [
        ("mid", text),
        ("size", "163"),
        ("rcpts", "2/0/0"),
        ("delay", "0.1"),
        ("code", "CONT"),
        ("msg", text),
    ];
    records.push(record(".1", "core", "message", &fields));
    records.push(queue("CONT", "Message Queued"));
    records.push(queue("OK", "Message Queued"));
    records.push(disconnect("Y", "2/0/0", text));
    let reply = format!("550 5.1.1 {text}");
    records.push(record(".1.1", "outbound", &format!("recipient <{odd}> rejected: {reply}"), &[]));
    records.push(delivered(".1.1", "good.test", "SMTP", "1/0/1"));
    records.push(item(&format!("bouncing mail: Some recipients failed: <{odd}>")));
    records
}

fn kinds(records: &[Written], layout: Layout) -> Vec<&'static str> {
    events_of(&written(records, layout)).iter().map(|event| event.kind.name()).collect()
}

const EXPECTED: [&str; 4] =
    ["outbound.queued", "outbound.queued", "outbound.delivered", "outbound.bounced"];

#[test]
fn a_forged_fragment_changes_no_outcome() {
    for text in FORGED {
        for layout in [Layout::Default, Layout::Logfmt, Layout::Json] {
            assert_eq!(kinds(&story(text), layout), EXPECTED, "{layout:?} {text}");
        }
    }
}

#[test]
fn credentials_are_in_no_event_and_no_evidence() {
    const SECRET: &str = "c2VjcmV0";
    let mut records = relayed(&["a@good.test"]);
    let said = [
        hook("", "unrecognized_command", "auth/flat_file", "OK", SECRET),
        hook("", "unrecognized_command", "limit", "DENYDISCONNECT", SECRET),
        record("", "limit", &format!("unrec_cmds: AUTH,PLAIN {SECRET}"), &[]).at("INFO"),
        record("", "karma", &format!("score: -1, fail:cmd:(AUTH,PLAIN {SECRET})"), &[]).at("INFO"),
    ];
    for record in said {
        records.insert(1, record);
    }
    for layout in [Layout::Default, Layout::Logfmt, Layout::Json] {
        let mut correlator = Correlator::new(direction(), false).with_evidence(true);
        let events = follow(&mut correlator, &written(&records, layout));
        assert_eq!(events.len(), 1);
        assert!(events[0].data.evidence.is_some());
        let mut all = format!("{events:?}");
        correlator.drain_haraka(|name, story, _| {
            let kept = format!("{name} {story:?}");
            all.push_str(&kept);
        });
        assert!(!all.contains(SECRET), "{all}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_changes_an_outcome(text in "[ -~é\u{1b}\n]{0,60}") {
        for layout in [Layout::Default, Layout::Logfmt, Layout::Json] {
            prop_assert_eq!(kinds(&story(&text), layout), EXPECTED);
        }
    }

    #[test]
    fn any_mix_of_connections_changes_no_event_of_any(
        order in prop::collection::vec(0_usize..3, 40),
    ) {
        let names = [C, "546261E6-06CD-432C-B6CD-619CD774B20F", "646261E6-06CD-432C-B6CD-619CD774B20F"];
        let stories = names.map(|name| {
            story("x").into_iter().map(|record| record.of(name)).collect::<Vec<_>>()
        });
        let mut rest = stories.each_ref().map(|story| story.iter());
        let mut mixed: Vec<_> = order.iter().filter_map(|&which| rest[which].next().cloned()).collect();
        mixed.extend(rest.into_iter().flatten().cloned());
        let events = events_of(&log(&mixed));
        for story in &stories {
            let alone = events_of(&log(story));
            let of_this = |event: &&Event| event.data.uid == alone[0].data.uid;
            let ids: Vec<_> = events.iter().filter(of_this).map(|event| (event.id, event.kind)).collect();
            let expected: Vec<_> = alone.iter().map(|event| (event.id, event.kind)).collect();
            prop_assert_eq!(ids, expected);
        }
        prop_assert_eq!(events.len(), 12);
    }
}

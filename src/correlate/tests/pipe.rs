//! Content filters behind pipe(8), which resubmit with sendmail(1).

use super::*;

const IN: [&str; 3] = [
    "smtpd: 1B7F053E70F: client=mail7.client.test[192.0.2.7]",
    "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
    "qmgr: 1B7F053E70F: from=<a@sender.test>, size=400, nrcpt=1 (queue active)",
];
const PIPED: [&str; 2] = [
    "pipe: 1B7F053E70F: to=<b@lab.test>, relay=spamassassin, delay=0.5, delays=0.1/0/0/0.4, dsn=2.0.0, status=sent (delivered via spamassassin service)",
    "qmgr: 1B7F053E70F: removed",
];
const AGAIN: [&str; 3] = [
    "pickup: 2C8A153E71B: uid=115 from=<a@sender.test>",
    "cleanup: 2C8A153E71B: message-id=<1@gen.test>",
    "qmgr: 2C8A153E71B: from=<a@sender.test>, size=600, nrcpt=1 (queue active)",
];
const OUT: [&str; 2] = [
    "local: 2C8A153E71B: to=<b@lab.test>, relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)",
    "qmgr: 2C8A153E71B: removed",
];

/// Lines within one second.
fn at_once(texts: &[&str]) -> Vec<String> {
    texts.iter().flat_map(|text| log(&[text])).collect()
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| {
        format!("{} {}", event.kind.name(), event.data.to.as_deref().unwrap_or_default())
    };
    events.iter().map(name).collect()
}

#[test]
fn mail_that_a_filter_resubmits_is_one_message_in_either_order() {
    let pipe_first = at_once(&[&IN[..], &PIPED, &AGAIN, &OUT].concat());
    let pickup_first = at_once(&[&IN[..], &AGAIN, &PIPED, &OUT].concat());
    let all_first = at_once(&[&IN[..], &AGAIN, &OUT, &PIPED].concat());
    for lines in [pipe_first, pickup_first, all_first] {
        let events = events_of(&lines);
        assert_eq!(names(&events), ["inbound.received b@lab.test", "inbound.delivered b@lab.test"]);
        assert_eq!(events[0].data.uid, events[1].data.uid);
        assert_eq!(events[1].data.queue_id.as_deref(), Some("2C8A153E71B"));
    }
}

/// A message without a Message-ID that is in the pipe once took what a program of this host sent.
#[test]
fn mail_of_this_host_is_no_part_of_what_has_no_message_id_in_a_pipe() {
    let changed = |texts: &[&str], changes: &[[&str; 2]]| -> Vec<String> {
        let change = |text: &&str| {
            changes.iter().fold((*text).to_owned(), |text, [from, to]| text.replace(from, to))
        };
        texts.iter().map(change).collect()
    };
    let ids = [["1B7F053E70F", "3B7F053E70F"], ["2C8A153E71B", "4C8A153E71B"]];
    let nameless = [ids[0], ids[1], ["<1@gen.test>", "<>"], ["b@lab", "c@lab"]];
    let ids = [["1B7F053E70F", "5B7F053E70F"], ["2C8A153E71B", "6C8A153E71B"]];
    let local = [
        ids[0],
        ids[1],
        ["1@gen", "2@gen"],
        ["a@sender", "d@sender"],
        ["b@lab", "d@lab"],
        ["mail7.client.test[192.0.2.7]", "localhost[127.0.0.1]"],
    ];
    let [in_, again, piped, out] =
        [&IN[..], &AGAIN, &PIPED, &OUT].map(|texts| changed(texts, &nameless));
    let [local_in, local_again, local_piped, local_out] =
        [&IN[..], &AGAIN, &PIPED, &OUT].map(|texts| changed(texts, &local));
    let lines = [
        &IN[..],
        &AGAIN,
        &PIPED,
        &OUT,
        &texts(&in_),
        &texts(&local_in),
        &texts(&again),
        &texts(&piped),
        &texts(&out),
        &texts(&local_again),
        &texts(&local_piped),
        &texts(&local_out),
    ];
    let events = events_of(&at_once(&lines.concat()));
    for to in ["b@lab.test", "c@lab.test", "d@lab.test"] {
        let told = events.iter().filter(|event| event.data.to.as_deref() == Some(to));
        let uids: Vec<_> = told.map(|event| event.data.uid).collect();
        assert!(uids.len() == 2 && uids[0] == uids[1], "{to}: {:#?}", names(&events));
    }
}

fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[test]
fn each_recipient_of_a_filter_that_takes_one_at_a_time_is_followed() {
    let second = |texts: &[&str]| -> Vec<String> {
        texts
            .iter()
            .map(|text| text.replace("2C8A153E71B", "3D9A153E71B").replace("b@lab", "c@lab"))
            .collect()
    };
    let (piped, again, out) = (second(&PIPED[..1]), second(&AGAIN), second(&OUT));
    let lines = [
        &IN[..],
        &AGAIN,
        &PIPED[..1],
        &texts(&again),
        &texts(&piped),
        &PIPED[1..],
        &OUT,
        &texts(&out),
    ];
    let mut found = names(&events_of(&at_once(&lines.concat())));
    found.sort();
    assert_eq!(
        found,
        [
            "inbound.delivered b@lab.test",
            "inbound.delivered c@lab.test",
            "inbound.received b@lab.test",
            "inbound.received c@lab.test"
        ]
    );
}

#[test]
fn what_a_pipe_took_for_good_is_delivered() {
    let events = events_of(&at_once(&[&IN[..], &PIPED].concat()));
    assert_eq!(names(&events), ["inbound.received b@lab.test", "inbound.delivered b@lab.test"]);
    for service in ["dovecot", "spamass-dovecot", "vmail-lda", "old-cyrus", "mailman3"] {
        let known = PIPED.map(|text| text.replace("spamassassin", service));
        let lines = at_once(&[&IN[..], &[&*known[0]]].concat());
        assert_eq!(names(&so_far(&lines).1).len(), 2, "nobody waits for a last stage: {service}");
    }
}

#[test]
fn a_silent_log_tells_after_two_seconds_that_a_pipe_was_the_end() {
    let (mut correlator, mut events) = so_far(&at_once(&[&IN[..], &PIPED].concat()));
    let patience = correlator.patience().unwrap();
    assert!(patience <= std::time::Duration::from_millis(2_001), "{patience:?}");
    correlator.silence(patience / 2, &mut events);
    assert_eq!(names(&events), [""; 0]);
    correlator.silence(patience, &mut events);
    assert_eq!(names(&events), ["inbound.received b@lab.test", "inbound.delivered b@lab.test"]);
    assert_eq!(correlator.patience(), None);
}

/// procmail's `! address` and a mailing list keep the Message-ID, too.
#[test]
fn a_forwarded_copy_is_a_message_of_its_own() {
    let local = "local: 1B7F053E70F: to=<b@lab.test>, relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to command: procmail)";
    let copy = AGAIN.map(|text| text.replace("a@sender.test", "list@lab.test"));
    let copy: Vec<_> = copy.iter().map(String::as_str).collect();
    let out = OUT.map(|text| text.replace("b@lab.test", "d@good.test"));
    let out: Vec<_> = out.iter().map(String::as_str).collect();
    for copy in [&copy[..], &AGAIN] {
        let lines = at_once(&[&IN[..], &[local], &PIPED[1..], copy, &out].concat());
        let mut found = names(&events_of(&lines));
        found.sort();
        assert_eq!(
            found,
            [
                "inbound.delivered b@lab.test",
                "inbound.received b@lab.test",
                "outbound.delivered d@good.test",
                "outbound.queued d@good.test"
            ]
        );
    }
}

#[test]
fn a_restart_at_any_line_changes_nothing_for_piped_mail() {
    for parts in [[&PIPED[..], &AGAIN], [&AGAIN, &PIPED[..]]] {
        let lines = at_once(&[&IN[..], parts[0], parts[1], &OUT].concat());
        let expected = events_of(&lines);
        assert_eq!(expected.len(), 2);
        for cut in 0..lines.len() {
            assert_eq!(events_with_restart(&lines, cut), expected, "restart before line {cut}");
        }
    }
}

fn nameless<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.iter().map(|text| text.replace("<1@gen.test>", "<>")).collect()
}

fn parts(parts: &[&[String]]) -> Vec<String> {
    at_once(&parts.concat().iter().map(String::as_str).collect::<Vec<_>>())
}

/// What `sendmail -G` resubmitted without a Message-ID was once a second message.
#[test]
fn a_filter_s_mail_without_a_message_id_is_one_message_in_either_order() {
    let (first, again) = (nameless(IN), nameless(AGAIN));
    let (piped, out) = (PIPED.map(str::to_owned), OUT.map(str::to_owned));
    let pipe_first = parts(&[&first, &piped, &again, &out]);
    let pickup_first = parts(&[&first, &again[..2], &piped, &again[2..], &out]);
    let all_first = parts(&[&first, &again, &out, &piped]);
    for lines in [pipe_first, pickup_first, all_first] {
        let events = events_of(&lines);
        assert_eq!(names(&events), ["inbound.received b@lab.test", "inbound.delivered b@lab.test"]);
        assert_eq!(events[0].data.uid, events[1].data.uid);
        for cut in 0..lines.len() {
            assert_eq!(events_with_restart(&lines, cut), events, "restart before line {cut}");
        }
    }
}

#[test]
fn mail_without_a_message_id_is_no_filter_s_when_that_is_not_sure() {
    let other = |texts: &[String]| -> Vec<String> {
        let other = texts.iter().map(|text| text.replace("1B7F053E70F", "4E8A153E71B"));
        other.map(|text| text.replace("2C8A153E71B", "5F8A153E71B")).collect()
    };
    let (first, again) = (nameless(IN), nameless(AGAIN));
    let (piped, out) = (PIPED.map(str::to_owned), OUT.map(str::to_owned));
    // Two of one sender at once, and neither line tells which is which.
    let (second, second_again) = (other(&first), other(&again));
    let second_out = [other(&piped), other(&out)].concat();
    let two = [&first[..], &second, &again, &second_again, &piped, &second_out, &out];
    assert_eq!(events_of(&parts(&two)).len(), 8);
    // Another sender, and the null sender, which is everybody's.
    for sender in ["z@sender.test", ""] {
        let renamed = |texts: &[String]| -> Vec<String> {
            texts.iter().map(|text| text.replace("a@sender.test", sender)).collect()
        };
        let of_first = if sender.is_empty() { renamed(&first) } else { first.clone() };
        let lines = parts(&[&of_first, &renamed(&again), &piped, &out]);
        assert_eq!(events_of(&lines).len(), 4, "{sender:?}");
    }
}

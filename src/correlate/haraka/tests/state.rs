//! Identity, what survives a restart, and what is let go of.

use super::*;
use crate::correlate::haraka::{Restored, Stored};

/// Deliveries of several kinds, and refusals.
fn story() -> Vec<Written> {
    let mut records = relayed(&["a@good.test", "b@good.test"]);
    records.extend([
        record(".1.1", "outbound", "recipient <b@good.test> deferred: 450 4.2.0 later", &[]),
        delivered(".1.1", "good.test", "SMTP", "1/1/0"),
        item("Temp failing 1_2_0_9_abcdef_1_mx for 5 seconds: Some recipients temp failed: <b@good.test>"),
        delivered(".1.1", "good.test", "SMTP", "1/0/0"),
        disconnect("Y", "2/0/0", ""),
    ]);
    let other = "546261E6-06CD-432C-B6CD-619CD774B20F";
    let refused = [
        connect(),
        sender("a@far.test", "CONT"),
        recipient("x@other.test", "OK", ""),
        recipient("y@in.test", "DENY", "No"),
        disconnect("N", "0/0/2", "550 No"),
    ];
    records.extend(refused.into_iter().map(|record| record.of(other)));
    records
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.id, event.kind.name())).collect()
}

#[test]
fn the_same_fact_is_the_same_event_however_it_was_logged() {
    let expected = ids(&events_of(&log(&story())));
    assert_eq!(expected.len(), 7);
    for layout in [Layout::Default, Layout::Logfmt, Layout::Json] {
        assert_eq!(ids(&events_of(&written(&story(), layout))), expected, "{layout:?}");
    }
    let bare: Vec<_> = story().iter().map(|record| record.in_layout(Layout::Default)).collect();
    assert_eq!(ids(&events_of(&bare)), expected, "without stamps");
    let syslog = bare.iter().map(|line| format!("<21>Nov 21 01:40:04 haraka[1]: {line}"));
    assert_eq!(ids(&events_of(&syslog.collect::<Vec<_>>())), expected, "syslog");
    let with_host = bare.iter().map(|line| format!("Nov 21 01:40:04 mx haraka[1]: {line}"));
    assert_eq!(ids(&events_of(&with_host.collect::<Vec<_>>())), expected, "syslog with a host");
    let mut unique = expected.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), expected.len());
}

/// What is stored of `correlator`, given to another one.
fn restarted(correlator: &mut Correlator) -> Correlator {
    let mut next = Correlator::new(direction(), false);
    correlator.drain_haraka(|name, story, _| match story {
        Stored::Connection(story) => {
            next.restore_haraka(name, Restored::Connection(Box::new(story.clone())));
        }
        Stored::Transaction(story) => {
            next.restore_haraka(name, Restored::Transaction(Box::new(story.clone())));
        }
        Stored::Gone => {}
    });
    next
}

#[test]
fn a_restart_between_any_two_lines_changes_no_event() {
    let lines = log(&story());
    let expected = ids(&events_of(&lines));
    for cut in 0..=lines.len() {
        let mut correlator = Correlator::new(direction(), false);
        let mut events = follow(&mut correlator, &lines[..cut]);
        let mut next = restarted(&mut correlator);
        events.extend(follow(&mut next, &lines[cut..]));
        next.release_all(&mut events);
        assert_eq!(ids(&events), expected, "cut at {cut}");
    }
}

#[test]
fn what_is_over_leaves_the_store_and_then_the_memory() {
    let mut correlator = Correlator::new(direction(), false);
    follow(&mut correlator, &log(&story()));
    correlator.drain_haraka(|_, _, is_stored| *is_stored = false);
    assert_eq!(correlator.len(), 4, "two connections, two transactions");
    follow(&mut correlator, &[much_later()]);
    assert_eq!(correlator.len(), 1, "only the new connection");
}

#[test]
fn what_came_and_went_before_it_was_stored_leaves_the_memory_at_once() {
    let mut correlator = Correlator::new(direction(), false);
    follow(&mut correlator, &log(&story()));
    follow(&mut correlator, &[much_later()]);
    assert_eq!(correlator.len(), 1, "only the new connection");
    correlator.drain_haraka(|_, story, _| assert!(!matches!(story, Stored::Gone)));
}

#[test]
fn what_is_over_stays_in_the_memory_until_it_has_left_the_store() {
    let mut correlator = Correlator::new(direction(), false);
    let lines = log(&story());
    let (last, before) = lines.split_last().unwrap();
    follow(&mut correlator, before);
    correlator.drain_haraka(|_, _, is_stored| *is_stored = true);
    follow(&mut correlator, &[last.clone(), much_later()]);
    let mut gone = 0;
    correlator.drain_haraka(|_, story, is_stored| {
        *is_stored = !matches!(story, Stored::Gone);
        gone += u32::from(!*is_stored);
    });
    assert_eq!(gone, 2, "the connection that the last line ended, and its transaction");
}

/// A line of a new connection.
fn much_later() -> String {
    let connect = connect().of("7C6261E6-06CD-432C-B6CD-619CD774B20F");
    "2026-11-21T01:50:00.000Z ".to_owned() + &connect.in_layout(Layout::Default)
}

#[test]
fn a_connection_that_began_before_its_source_tells_what_comes() {
    let lines = log(&story());
    let mut correlator = Correlator::new(direction(), false);
    let mut past = correlator.of_the_past();
    follow(&mut past, &lines[..8]);
    correlator.take_over(past);
    let events = follow(&mut correlator, &lines[8..]);
    assert_eq!(
        shown(&events)[..2],
        ["outbound.delivered a@good.test", "outbound.deferred b@good.test"]
    );
    assert_eq!(events[1].data.from.as_deref(), Some("a@far.test"));
}

#[test]
fn refusals_wait_for_the_direction_but_not_forever() {
    let mut correlator = Correlator::new(direction(), false);
    let records = [connect(), sender("a@far.test", "CONT"), recipient("y@in.test", "DENY", "No")];
    assert_eq!(follow(&mut correlator, &log(&records)), []);
    let mut events = Vec::new();
    correlator.silence(std::time::Duration::from_mins(11), &mut events);
    assert_eq!(shown(&events), ["inbound.blocked y@in.test"]);
    assert_eq!(
        shown(&follow(&mut correlator, &log(&[disconnect("N", "0/0/1", "550 No")]))),
        [""; 0]
    );
}

#[test]
fn postfix_and_haraka_in_one_file_do_not_disturb_each_other() {
    let postfix = [
        "2026-11-21T01:40:00.000000+00:00 mx postfix/smtpd[9]: 1B7F053E70F: client=localhost[127.0.0.1]",
        "2026-11-21T01:40:00.100000+00:00 mx postfix/cleanup[9]: 1B7F053E70F: message-id=<1@gen.test>",
        "2026-11-21T01:40:00.200000+00:00 mx postfix/qmgr[9]: 1B7F053E70F: from=<a@b.test>, size=9, nrcpt=1 (queue active)",
        "2026-11-21T01:40:00.300000+00:00 mx postfix/smtp[9]: 1B7F053E70F: to=<c@d.test>, relay=mx.d.test[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)",
        "2026-11-21T01:40:00.400000+00:00 mx postfix/qmgr[9]: 1B7F053E70F: removed",
    ]
    .map(str::to_owned);
    let haraka = log(&story());
    let mut mixed: Vec<String> = Vec::new();
    for (index, line) in haraka.iter().enumerate() {
        mixed.extend(postfix.get(index).cloned());
        mixed.push(line.clone());
    }
    let mut expected = ids(&events_of(&haraka));
    expected.extend(ids(&events_of(&postfix)));
    let mut found = ids(&events_of(&mixed));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// While the clock was behind the latest time in the log, no line was waited for, and deferrals were told
/// twice.
#[test]
fn row_23_recorded_stories_are_the_same_while_the_clock_is_behind_the_latest_time() {
    let ahead = "2026-11-21T03:00:00.000Z [NOTICE] [99999999-06CD-432C-B6CD-619CD774B20F] [core] connect \
        ip=192.0.2.9 port=1 local_ip=192.0.2.1 local_port=25";
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/haraka/3.3.4/default");
    let mut count = 0;
    for entry in std::fs::read_dir(recorded).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "log") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let behind = [&[ahead.to_owned()], &lines[..]].concat();
        let (mut expected, mut told) = (shown(&events_of(&lines)), shown(&events_of(&behind)));
        // What waits together is told in another order at the end.
        expected.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, expected, "{}", path.display());
        count += expected.len();
    }
    assert!(count > 20, "{count}");
}

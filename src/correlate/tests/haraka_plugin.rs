//! Haraka's log and its plugin, of one run: each alone, both together in any order, and the plugin
//! with gaps.

use std::collections::BTreeSet;

use super::*;
use crate::{correlate::haraka::Reads, event::EventId};

const LOG: &str = include_str!("../../../fixtures/haraka_plugin/3.3.4/every_kind.log.jsonl");
const PLUGIN: &str = include_str!("../../../fixtures/haraka_plugin/3.3.4/every_kind.plugin.jsonl");

/// Both.
const BOTH: Reads = Reads { log: true, plugin: true };

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn told(lines: &[String], reads: Reads) -> Vec<Event> {
    ended(follow(Correlator::new(direction(), false).reading(reads), lines))
}

fn ids(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(|event| event.id).collect()
}

/// Merges two logs: `choices` tells which of them goes on.
fn merged(log: &[String], plugin: &[String], choices: &[bool]) -> Vec<String> {
    let (mut log, mut plugin) = (log.iter(), plugin.iter());
    let mut all = Vec::new();
    for of_plugin in choices {
        all.extend(if *of_plugin { plugin.next() } else { log.next() }.cloned());
    }
    all.extend(plugin.cloned());
    all.extend(log.cloned());
    all
}

/// Number of the transaction that a line of the plugin is about; 0 for a line about none.
fn number(line: &str) -> usize {
    let name = line.split(r#""t":""#).nth(1).and_then(|rest| rest.split('"').next());
    name.and_then(|name| name.rsplit('.').next()?.parse().ok()).unwrap_or_default()
}

/// For a failure: what, and to whom.
fn names(events: &[Event]) -> Vec<(&str, &str)> {
    let name = |event: &'_ Event| event.kind.name();
    let mut all: Vec<_> =
        events.iter().map(|it| (name(it), it.data.to.as_deref().unwrap_or_default())).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_fact_is_the_same_event_whoever_tells_it() {
    let (log, plugin) = (lines(LOG), lines(PLUGIN));
    let by_log = told(&log, Reads::default());
    let by_plugin = told(&plugin, Reads::default());
    assert_eq!(names(&by_log), names(&by_plugin));
    assert_eq!(ids(&by_log), ids(&by_plugin));
    // One behind the other, as a replay reads them: the store passes over what it has.
    for all in [[&log[..], &plugin].concat(), [&plugin[..], &log].concat()] {
        assert_eq!(ids(&told(&all, Reads::default())), ids(&by_log));
    }
}

#[test]
fn only_the_plugin_knows_subject_and_user() {
    let outbound = |events: Vec<Event>| -> Vec<Event> {
        let is_outbound = |it: &Event| it.kind.name().starts_with("outbound.");
        events.into_iter().filter(is_outbound).collect()
    };
    for event in outbound(told(&lines(LOG), Reads::default())) {
        assert_eq!((event.data.subject, event.data.user), (None, None));
    }
    for event in outbound(told(&lines(PLUGIN), Reads::default())) {
        assert!(event.data.subject.is_some(), "{event:?}");
        assert_eq!(event.data.user.as_deref(), Some("api-user"));
    }
}

#[test]
fn why_nobody_was_reached_comes_from_the_log() {
    let both = merged(&lines(LOG), &lines(PLUGIN), &[false; 200]);
    let events = told(&both, BOTH);
    let is_it = |it: &&Event| {
        it.kind == EventType::OutboundDeferred && it.data.domain.as_deref() == Some("nowhere.test")
    };
    let response = events.iter().find(is_it).unwrap().data.response.clone().unwrap();
    assert_eq!(response, "connect ECONNREFUSED 127.0.0.1:9");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A plugin's file is read a little before or after the log.
    #[test]
    fn in_any_order_each_fact_is_told_once_and_with_all_that_is_known(
        choices in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let events = told(&merged(&lines(LOG), &lines(PLUGIN), &choices), BOTH);
        let alone = told(&lines(PLUGIN), Reads::default());
        prop_assert_eq!(names(&events), names(&alone));
        prop_assert_eq!(ids(&events), ids(&alone));
        for event in events.iter().filter(|it| it.kind.name().starts_with("outbound.")) {
            prop_assert!(event.data.subject.is_some(), "{:?}", event);
            prop_assert_eq!(event.data.user.as_deref(), Some("api-user"));
        }
    }

    /// What the plugin does not tell of a transaction or of an outcome, the log does.
    #[test]
    fn the_log_fills_every_gap(
        choices in prop::collection::vec(any::<bool>(), 0..200),
        lost in prop::collection::vec(any::<bool>(), 40),
        transactions in prop::collection::vec(any::<bool>(), 12),
    ) {
        let is_outcome = |line: &str| line.contains(r#","q":""#);
        let kept = lines(PLUGIN).into_iter().zip(&lost).filter(|(line, is_lost)| {
            if is_outcome(line) { !**is_lost } else { !transactions[number(line)] }
        });
        let plugin: Vec<String> = kept.map(|(line, _)| line).collect();
        let events = told(&merged(&lines(LOG), &plugin, &choices), BOTH);
        let whole = told(&lines(PLUGIN), Reads::default());
        prop_assert_eq!(names(&events), names(&whole));
        prop_assert_eq!(ids(&events), ids(&whole));
    }
}

//! Lines that come before the queue ID of their message is known, or that never name one.
//!
//! smtpd speaks of a message by its process, a policy server by client and recipient, spamd by
//! Message-ID. Such lines are put aside under their [`Topic`] until a line that knows both the
//! topic and the queue ID takes them, or until nobody will. What they mean is the business of whoever
//! takes them. The writer keeps them in the store, so that a restart does not lose their half of
//! the story.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::message::KeptLine;
use crate::parse::Line;

/// Lines that are kept at once; beyond it those that would leave next go first.
const MOST: usize = 4096;

/// Bytes of one kept line; Postfix cuts its own at 2,000. One value in the store stays small.
const LINE_BYTES: usize = 4096;

/// What a line is about, and on which host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// An access action for the message that the smtpd process of that ID opens next. It gives an
    /// event all the same if none follows.
    Access(Box<[u8]>, u32),
    /// A refusal whose verdict may come after it, by queue ID or by the ID of the scan. It gives an
    /// event of its own if none does.
    Refusal(Box<[u8]>, Box<[u8]>),
    /// A refusal that another instance on the host may tell of, by recipient and words. It gives an
    /// event of its own if none does.
    Relayed(Box<[u8]>, Box<[u8]>),
    /// The client that an smtpd process passes on to a before-queue filter.
    Proxied(Box<[u8]>, u32),
    /// The first lines of a verdict, by what its last one has in common with them: the process of
    /// spamd, the scan of amavis.
    Beginning(Box<[u8]>, Box<[u8]>),
    /// A filter's verdict on a message that is not known yet.
    Verdict(Box<[u8]>, Name),
    /// A policy server's answer, by client, sender and recipient.
    Policy(Box<[u8]>, Box<[u8]>),
    /// Mail that a mailbox's own rules filed as junk, by session or Message-ID.
    Filed(Box<[u8]>, Box<[u8]>),
    /// A line of Haraka's log that its plugin may tell, or the other way round, by UUID. It tells by
    /// itself what the other did not.
    Haraka(Box<[u8]>),
    /// A DNS list has a client, by its address.
    Listed(Box<[u8]>, Box<[u8]>),
}

/// What a filter calls a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Name {
    /// Its queue ID.
    QueueId(SmolStr),
    /// Its Message-ID, in the form that all programs share.
    MessageId(SmolStr),
    /// The filter's own ID of the scan.
    Scan(Box<[u8]>),
    /// Sender and recipient.
    Envelope(Box<[u8]>),
    /// One recipient of a queue ID, or of a scan, where others of it have another verdict.
    Recipient(SmolStr, SmolStr),
}

impl Topic {
    /// Its lines give events even if nothing takes them.
    fn is_telling(&self) -> bool {
        matches!(self, Self::Access(..) | Self::Refusal(..) | Self::Relayed(..))
    }
}

/// A line put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// What it is about.
    pub topic: Topic,
    /// Until when a line may take it, log time in microseconds.
    pub until_us: i64,
    /// Instance of the MTA that logged it.
    pub instance: Box<[u8]>,
    /// The line.
    pub line: KeptLine,
}

impl Aside {
    /// `line`, put aside until then.
    pub(crate) fn new(topic: Topic, line: &Line<'_>, until_us: i64) -> Self {
        Self {
            topic,
            until_us,
            instance: line.record.process.instance.into(),
            line: KeptLine::from(line),
        }
    }
}

/// Place of an aside: first by the end of its time, then by number, in the order of arrival.
type Place = (i64, u64);

#[derive(Debug)]
struct Waiting {
    aside: Aside,
    /// The store holds it.
    is_stored: bool,
}

/// All lines put aside.
#[derive(Debug, Default)]
pub(crate) struct Asides {
    waiting: BTreeMap<Place, Waiting>,
    by_topic: BTreeMap<Topic, Vec<Place>>,
    next: u64,
    /// Places put since the last [`Asides::drain_changes`].
    fresh: Vec<Place>,
    /// Numbers of lines that the store holds and that are no more.
    gone: Vec<u64>,
}

impl Asides {
    /// Puts a line aside, beside others of its topic; false when it is too long to be kept.
    pub(crate) fn put(&mut self, aside: Aside) -> bool {
        if aside.line.bytes.len() > LINE_BYTES {
            return false;
        }
        let place = (aside.until_us, self.next);
        self.next += 1;
        self.fresh.push(place);
        self.insert(place, Waiting { aside, is_stored: false });
        true
    }

    /// Takes the lines of a topic, in the order in which they were put.
    pub(crate) fn take(&mut self, topic: &Topic) -> Vec<Aside> {
        let mut places = self.by_topic.remove(topic).unwrap_or_default();
        places.sort_unstable_by_key(|&(_, number)| number);
        places.into_iter().filter_map(|place| self.forget(place)).collect()
    }

    /// The lines of a topic, which stay.
    pub(crate) fn of(&self, topic: &Topic) -> impl Iterator<Item = &Aside> {
        let places = self.by_topic.get(topic).into_iter().flatten();
        places.filter_map(|place| self.waiting.get(place)).map(|waiting| &waiting.aside)
    }

    /// Lets go of the lines of a topic that `is_settled` says are.
    pub(crate) fn settle(&mut self, topic: &Topic, mut is_settled: impl FnMut(&Line<'_>) -> bool) {
        for aside in self.take(topic) {
            let mut goes = false;
            aside.line.read(|line| goes = is_settled(line));
            if !goes {
                self.put(aside);
            }
        }
    }

    /// Does any client on that host wait for the answer of a before-queue filter?
    pub(crate) fn has_proxied(&self, host: &[u8]) -> bool {
        let all = Topic::Proxied(host.into(), 0)..=Topic::Proxied(host.into(), u32::MAX);
        self.by_topic.range(all).next().is_some()
    }

    /// Until when the first of them waits.
    pub(crate) fn first_until_us(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(place, _)| place.0)
    }

    /// Some lines give events even if nothing takes them.
    pub(crate) fn are_telling(&self) -> bool {
        // The telling topics are the first ones in order.
        self.by_topic.keys().next().is_some_and(Topic::is_telling)
    }

    /// Is any line of that topic put aside?
    pub(crate) fn contains(&self, topic: &Topic) -> bool {
        self.by_topic.contains_key(topic)
    }

    /// No line is put aside.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next line whose time was over before `now_us`, or that is one too many.
    pub(crate) fn take_overdue(&mut self, now_us: i64) -> Option<Aside> {
        let (&place, _) = self.waiting.first_key_value()?;
        let is_over = place.0 < now_us || self.waiting.len() > MOST;
        is_over.then(|| self.remove(place)).flatten()
    }

    /// Gives each change since the last call to `each`, with the number of the line: the line that
    /// was put, or none where it is no more. Lines that came and went in between are never seen.
    pub(crate) fn drain_changes(&mut self, mut each: impl FnMut(u64, Option<&Aside>)) {
        for number in self.gone.drain(..) {
            each(number, None);
        }
        for place in self.fresh.drain(..) {
            if let Some(waiting) = self.waiting.get_mut(&place) {
                waiting.is_stored = true;
                each(place.1, Some(&waiting.aside));
            }
        }
    }

    /// Brings back a line that an earlier run stored.
    pub(crate) fn restore(&mut self, number: u64, aside: Aside) {
        self.next = self.next.max(number.saturating_add(1));
        self.insert((aside.until_us, number), Waiting { aside, is_stored: true });
    }

    fn insert(&mut self, place: Place, waiting: Waiting) {
        self.by_topic.entry(waiting.aside.topic.clone()).or_default().push(place);
        self.waiting.insert(place, waiting);
    }

    fn remove(&mut self, place: Place) -> Option<Aside> {
        let aside = self.forget(place)?;
        if let Some(places) = self.by_topic.get_mut(&aside.topic) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.by_topic.remove(&aside.topic);
            }
        }
        Some(aside)
    }

    fn forget(&mut self, place: Place) -> Option<Aside> {
        let waiting = self.waiting.remove(&place)?;
        if waiting.is_stored {
            self.gone.push(place.1);
        }
        Some(waiting.aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TimeQuality;

    fn aside(pid: u32, until_us: i64, text: &str) -> Aside {
        let line =
            KeptLine { bytes: text.into(), occurrence: 0, at_us: 0, quality: TimeQuality::Exact };
        Aside { topic: topic(pid), until_us, instance: Box::default(), line }
    }

    fn topic(pid: u32) -> Topic {
        Topic::Proxied(Box::from(*b"mx"), pid)
    }

    fn count(asides: &Asides, pid: u32) -> usize {
        asides.by_topic.get(&topic(pid)).map_or(0, Vec::len)
    }

    fn texts(asides: &[Aside]) -> Vec<String> {
        asides.iter().map(|aside| String::from_utf8_lossy(&aside.line.bytes).into()).collect()
    }

    #[test]
    fn lines_of_a_topic_come_back_once_in_their_order() {
        let mut asides = Asides::default();
        asides.put(aside(1, 9, "first"));
        asides.put(aside(2, 5, "other"));
        asides.put(aside(1, 3, "second"));
        assert_eq!(count(&asides, 1), 2);
        assert_eq!(texts(&asides.take(&topic(1))), ["first", "second"]);
        assert!(asides.take(&topic(1)).is_empty());
        assert_eq!((count(&asides, 1), count(&asides, 2)), (0, 1));
    }

    #[test]
    fn overdue_lines_leave_by_their_time() {
        let mut asides = Asides::default();
        asides.put(aside(1, 9, "later"));
        asides.put(aside(1, 3, "sooner"));
        assert_eq!(asides.take_overdue(3), None);
        let first = asides.take_overdue(4).into_iter().collect::<Vec<_>>();
        assert_eq!(texts(&first), ["sooner"]);
        assert_eq!(texts(&asides.take(&topic(1))), ["later"]);
    }

    #[test]
    fn the_store_sees_only_what_outlives_a_commit() {
        let mut asides = Asides::default();
        asides.put(aside(1, 9, "short-lived"));
        asides.take(&topic(1));
        asides.put(aside(2, 9, "kept"));
        let mut seen = Vec::new();
        asides.drain_changes(|number, aside| seen.push((number, aside.is_some())));
        assert_eq!(seen, [(1, true)]);
        asides.take(&topic(2));
        asides.drain_changes(|number, aside| seen.push((number, aside.is_some())));
        assert_eq!(seen, [(1, true), (1, false)]);
    }

    #[test]
    fn what_was_restored_is_found_and_numbers_go_on() {
        let mut asides = Asides::default();
        asides.restore(41, aside(1, 9, "old"));
        asides.put(aside(1, 7, "new"));
        assert_eq!(texts(&asides.take(&topic(1))), ["old", "new"]);
        let mut gone = Vec::new();
        asides.drain_changes(|number, aside| gone.push((number, aside.is_some())));
        assert_eq!(gone, [(41, false)]);
    }

    #[test]
    fn there_are_never_too_many_nor_too_long_ones() {
        let mut asides = Asides::default();
        for pid in 0..u32::try_from(MOST).expect("small") + 10 {
            assert!(asides.put(aside(pid, i64::from(pid), "line")));
        }
        assert_eq!(std::iter::from_fn(|| asides.take_overdue(0)).count(), 10);
        assert_eq!((count(&asides, 9), count(&asides, 10)), (0, 1));
        assert!(!asides.put(aside(1, i64::MAX, &"x".repeat(LINE_BYTES + 1))));
    }
}

//! The log beside the plugin: both tell the same, the plugin better and in lines that come a moment
//! before or after the log's.
//!
//! Where the plugin is read, lines of the log wait until it has had its time, and those that it has
//! told by then tell nothing. So events come once and with all that is known, and what the plugin
//! did not tell (it was not there yet, its disk was full) the log does. What both tell has the same
//! identity, in case a wait was too short. The plugin, in turn, waits a moment where only the log
//! knows why no server could be reached.

use mailherald_parsers::{
    Body,
    haraka::{Cause, Entry, Record, Uuid},
    haraka_plugin,
};

use super::{Name, Step, Stories, story::Recipient};
use crate::{
    correlate::{
        Correlator,
        aside::{Aside, Topic},
    },
    event::Event,
    parse::Line,
};

/// Log time that the plugin has to tell what a line of the log tells.
const PLUGIN_US: i64 = 10 * 1_000_000;

/// Log time that the log has to tell why no server could be reached.
const CAUSE_US: i64 = 2 * 1_000_000;

/// Hook and log line of one attempt are that close; the next attempt is five seconds away at least.
const SAME_US: u64 = 2 * 1_000_000;

/// Times of outcomes that are remembered of a recipient.
const OUTCOMES: usize = 8;

/// What is read of a Haraka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Its log.
    pub log: bool,
    /// The files of our plugin.
    pub plugin: bool,
}

impl Recipient {
    /// The plugin told the outcome of an attempt that was logged then.
    pub(super) fn is_told(&self, at_us: i64) -> bool {
        self.told_us.iter().any(|told_us| told_us.abs_diff(at_us) <= SAME_US)
    }

    /// An outcome that was logged then is not told yet. A deferral that the plugin has lost may come
    /// after the end that it has told.
    pub(super) fn is_open_to(&self, at_us: i64, is_deferral: bool) -> bool {
        let is_before_end = self.told_us.last().is_some_and(|end_us| at_us < *end_us);
        !self.is_told(at_us) && (!self.is_done || is_deferral && is_before_end)
    }

    /// Notes when the plugin told the outcome of an attempt.
    pub(super) fn note_told(&mut self, at_us: i64) {
        if self.told_us.len() >= OUTCOMES {
            self.told_us.remove(0);
        }
        self.told_us.push(at_us);
    }
}

impl Correlator {
    /// Says what is read.
    #[must_use]
    pub fn reading(mut self, reads: Reads) -> Self {
        self.haraka.reads = reads;
        self
    }

    /// A line of the log that the plugin has told, or still may.
    pub(super) fn leaves_to_plugin(&mut self, record: &Record<'_>, line: &Line<'_>) -> bool {
        if !self.haraka.reads.plugin {
            return false;
        }
        if self.haraka.is_told(record) {
            return true;
        }
        let is_cause = matches!(record.entry, Entry::Unreached(_));
        let knows_item = Name::of_transaction(record.uuid)
            .and_then(|name| self.haraka.transactions.get(name))
            .is_some_and(|story| story.is_told);
        let until_us = self.wait_from(line, PLUGIN_US);
        !(is_cause && knows_item) && self.asides.put(aside(record.uuid, line, until_us))
    }

    /// A line of the plugin that the log may have something to say to.
    pub(super) fn leaves_to_log(
        &mut self,
        members: &haraka_plugin::Members<'_>,
        line: &Line<'_>,
    ) -> bool {
        let is_unreached = members.reason.is_some_and(|it| it.cause == Cause::Unreached);
        let Some(uuid) = members.uuid.filter(|_| is_unreached && self.haraka.reads.log) else {
            return false;
        };
        self.hear_causes(uuid);
        let story = Name::of_transaction(uuid).and_then(|it| self.haraka.transactions.get(it));
        let item = story.and_then(|it| it.items.iter().find(|it| Some(it.number) == uuid.item));
        let knows_cause = item.is_some_and(|item| item.cause.is_some());
        let until_us = self.wait_from(line, CAUSE_US);
        !knows_cause && self.asides.put(aside(uuid, line, until_us))
    }

    /// A line that has waited long enough.
    pub(in crate::correlate) fn tell_haraka(&mut self, aside: &Aside, events: &mut Vec<Event>) {
        aside.line.read(|line| match &line.record.body {
            Body::Haraka(record) if self.haraka.is_told(record) => {}
            Body::Haraka(record) => {
                let (stories, direction) = (&mut self.haraka, &self.direction);
                let horizon_us = self.horizon_us;
                Step { stories, direction, line, horizon_us, events }.record(record);
            }
            Body::HarakaPlugin(record) => {
                let members = record.members();
                if let Some(uuid) = members.uuid {
                    self.hear_causes(uuid);
                }
                let (stories, direction) = (&mut self.haraka, &self.direction);
                let horizon_us = self.horizon_us;
                Step { stories, direction, line, horizon_us, events }.told(record.kind, &members);
            }
            _ => {}
        });
    }

    /// Takes one line of the plugin in.
    pub(in crate::correlate) fn haraka_plugin(
        &mut self,
        record: haraka_plugin::Record<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) {
        self.note_time(line);
        self.release_overdue(self.horizon_us, events);
        let members = record.members();
        if !self.leaves_to_log(&members, line) {
            let (stories, direction) = (&mut self.haraka, &self.direction);
            let horizon_us = self.horizon_us;
            Step { stories, direction, line, horizon_us, events }.told(record.kind, &members);
            self.forget_log_of(&members);
        }
        self.forget_haraka();
    }

    /// What waits of a dialogue that the plugin has told is not waited for any more.
    fn forget_log_of(&mut self, members: &haraka_plugin::Members<'_>) {
        let Some(uuid) = members.uuid.filter(|uuid| uuid.item.is_none()) else { return };
        let stories = &mut self.haraka;
        self.asides.settle(&topic(uuid), |line| match &line.record.body {
            Body::Haraka(record) => stories.is_told(record),
            _ => false,
        });
    }

    /// What waits of an item and says why no server could be reached, says it now.
    fn hear_causes(&mut self, uuid: Uuid<'_>) {
        let (stories, direction) = (&mut self.haraka, &self.direction);
        let horizon_us = self.horizon_us;
        self.asides.settle(&topic(uuid), |line| match &line.record.body {
            Body::Haraka(record) if matches!(record.entry, Entry::Unreached(_)) => {
                // It gives none.
                let events = &mut Vec::new();
                Step { stories, direction, line, horizon_us, events }.record(record);
                true
            }
            _ => false,
        });
    }
}

impl Stories {
    /// The plugin has told what the line tells.
    fn is_told(&self, record: &Record<'_>) -> bool {
        let name = Name::of_transaction(record.uuid);
        let Some(story) = name.and_then(|name| self.transactions.get(name)) else { return false };
        match (&record.entry, record.uuid.item) {
            // It ends more than the transaction, whose name is merely the last one.
            (Entry::Disconnect(_), _) => false,
            // What became of an item is asked for each of its recipients.
            (Entry::Route(_), Some(_)) | (_, None) => story.is_told,
            (_, Some(_)) => false,
        }
    }
}

fn topic(uuid: Uuid<'_>) -> Topic {
    Topic::Haraka(uuid.as_str().as_bytes().into())
}

fn aside(uuid: Uuid<'_>, line: &Line<'_>, until_us: i64) -> Aside {
    Aside::new(topic(uuid), line, until_us)
}

//! Lines in, events out: what the lines of one queue ID tell together.
//!
//! A pure state machine: no IO, no clock, no store. Time is the log's own ([`Line::at_us`]), so a
//! replay gives the same events as the live tail did. State lives in one map for each mail system
//! (host and instance); the writer keeps it in the store ([`Correlator::drain_changes`]) and brings
//! it back ([`Correlator::restore`]).
//!
//! * [`message`] — what is known about a message and its recipients,
//! * [`finding`] — what a filter has against a message,
//! * [`haraka`] — all of Haraka's, apart from Postfix's,
//! * [`lineage`], `directory`, [`hold`], `pipe` — one story across several queue IDs,
//! * [`aside`], `session` — lines that come before the queue ID is known,
//! * [`direction`] — outbound or inbound,
//! * `route` — the stream that a message belongs to,
//! * `known` — what a milter knows of a message beside the log,
//! * `open` — messages that have not come to their end, for who asks,
//! * `past` — messages that were under way when a source began,
//! * `relayed` — refusals that another instance tells of,
//! * `swapped` — answers that come before the stage that they name,
//! * `arrival`, `delivery`, `ending`, `refusal` — what each kind of line does to it.
//!
//! Invariants: each recipient of a message gets at most one final event; a message that our own
//! MTA made (DSN, probe) gets none; the class of a message is decided once.

mod arrival;
pub mod aside;
mod content;
mod delivery;
pub mod direction;
mod directory;
mod emit;
mod ending;
pub mod few;
pub mod finding;
pub mod haraka;
pub mod hold;
mod known;
pub mod lineage;
pub mod message;
mod messages;
mod open;
mod past;
mod pipe;
mod refusal;
mod relayed;
mod route;
mod session;
mod swapped;
mod system;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use mailherald_parsers::{Body, postfix::Entry};
use smol_str::SmolStr;

use crate::{event::Event, limits, parse::Line};

pub use direction::Direction;
pub use message::Message;
pub use open::{Open, Sought};

use aside::{Aside, Asides};
use directory::Directory;
use hold::Held;
use known::Known;
use lineage::Kin;
use system::System;

/// Late lines still find a message at least this long after its end (syslog relays reorder).
const CLOSED_LINGER_US: i64 = 60 * 1_000_000;

/// Log time after which what has lingered is dropped together.
const FORGET_EVERY_US: i64 = 5 * 1_000_000;

/// A message without a line for this long is forgotten: Postfix gives up after five days by
/// default (`maximal_queue_lifetime`), and an ID may end without a last line.
const SILENCE_US: i64 = 7 * 86_400 * 1_000_000;

/// Messages followed at once; tests need not make a million.
const MOST: usize = if cfg!(test) { 1000 } else { limits::LIVE_MESSAGES };

/// Nothing waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Log time between two searches for silent messages.
const SWEEP_US: i64 = 3_600 * 1_000_000;

/// Follows all messages of all mail systems in a stream of lines.
#[derive(Debug)]
pub struct Correlator {
    direction: Direction,
    sending: bool,
    evidence: bool,
    systems: Vec<System>,
    /// Index of the system that the last line belonged to: mostly the next one's, too.
    last_system: usize,
    /// Latest log time seen; time does not run backwards with a late line.
    horizon_us: i64,
    swept_us: i64,
    /// Ended messages in order of their end.
    closed: VecDeque<(i64, usize, SmolStr)>,
    /// Held messages in order of the time until which they are.
    held: BTreeSet<(i64, usize, SmolStr)>,
    directory: Directory,
    asides: Asides,
    haraka: haraka::Stories,
    known: Known,
}

/// A queue ID that a line of another message or process names, and what it is to that.
pub(crate) struct Link {
    queue_id: SmolStr,
    kin: Kin,
}

/// One line on its way into one system.
pub(crate) struct Step<'a> {
    pub(crate) line: &'a Line<'a>,
    /// Latest log time seen.
    pub(crate) horizon_us: i64,
    pub(crate) system: &'a mut System,
    pub(crate) direction: &'a Direction,
    pub(crate) sending: bool,
    pub(crate) directory: &'a mut Directory,
    pub(crate) asides: &'a mut Asides,
    pub(crate) known: &'a mut Known,
    pub(crate) links: &'a mut Vec<Link>,
    pub(crate) events: &'a mut Vec<Event>,
}

/// The log time at which a wait ends that begins with a line, when the latest seen is `horizon_us`. A
/// clock that was set back ends none before it has begun.
fn wait_from(horizon_us: i64, line: &Line<'_>, wait_us: i64) -> i64 {
    horizon_us.max(line.clock_us(horizon_us)).saturating_add(wait_us)
}

impl Correlator {
    /// An empty correlator that decides directions by `direction`. `outbound.sending`, which few
    /// webhooks name, is given only if `sending`.
    #[must_use]
    pub fn new(direction: Direction, sending: bool) -> Self {
        Self {
            direction,
            sending,
            evidence: false,
            systems: Vec::new(),
            last_system: 0,
            horizon_us: i64::MIN,
            swept_us: i64::MIN,
            closed: VecDeque::new(),
            held: BTreeSet::new(),
            directory: Directory::default(),
            asides: Asides::default(),
            haraka: haraka::Stories::default(),
            known: Known::default(),
        }
    }

    /// From the first line on, events carry the line that gave them.
    #[must_use]
    pub fn with_evidence(mut self, evidence: bool) -> Self {
        self.haraka.teller.evidence = evidence;
        Self { evidence, ..self }
    }

    /// From now on messages are classed by this; one whose class is decided keeps it.
    pub fn class_by(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// From the next line on, `outbound.sending` is given if `sending`, and events carry the line that
    /// gave them if `evidence`: who is told has changed.
    pub fn tell_of(&mut self, sending: bool, evidence: bool) {
        (self.sending, self.evidence) = (sending, evidence);
        self.haraka.teller.evidence = evidence;
        self.systems.iter_mut().for_each(|system| system.evidence = evidence);
    }

    /// Takes one line in and pushes the events that are due now.
    pub fn step(&mut self, line: &Line<'_>, events: &mut Vec<Event>) {
        let entry = match &line.record.body {
            Body::Postfix(entry) => entry,
            Body::Filter(verdict) => return self.filter(verdict, line, events),
            Body::Haraka(record) => return self.haraka(record, line, events),
            Body::HarakaPlugin(record) => return self.haraka_plugin(*record, line, events),
            _ => return,
        };
        self.note_time(line);
        self.release_overdue(self.horizon_us, events);
        let instance = self.direction.instance(&line.record.process);
        let index = self.system_index(line.record.host, instance);
        if !self.hold(index, entry, line, events) {
            self.take_in(index, entry, line, events);
        }
        self.forget();
    }

    /// Ends all waiting for lines that might still come: the log has ended.
    pub fn release_all(&mut self, events: &mut Vec<Event>) {
        self.release_overdue(i64::MAX, events);
    }

    /// How long a silence of the log has to last until [`Correlator::silence`] has something to do.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let held = self.held.first().map(|(until_us, ..)| *until_us);
        let others = self.asides.first_until_us().into_iter().chain(self.haraka.first_until_us());
        let first_us = held.into_iter().chain(others).min()?;
        let wait_us = first_us.saturating_sub(self.horizon_us).saturating_add(1);
        Some(Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)).min(LONGEST_WAIT))
    }

    /// There was no line for so long: ends the waiting for those that should have come by then.
    pub fn silence(&mut self, silence: Duration, events: &mut Vec<Event>) {
        let silence_us = i64::try_from(silence.as_micros()).unwrap_or(i64::MAX);
        self.release_overdue(self.horizon_us.saturating_add(silence_us), events);
    }

    /// The effects of one line, then of the links that it makes.
    fn take_in(
        &mut self,
        index: usize,
        entry: &Entry<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) {
        self.settle_before(entry, line, events);
        self.with_step(index, line, events, |step| step.entry(entry));
    }

    /// Lets `act` change one system, and settles what comes of it elsewhere.
    fn with_step(
        &mut self,
        index: usize,
        line: &Line<'_>,
        events: &mut Vec<Event>,
        act: impl FnOnce(&mut Step<'_>),
    ) {
        let Some(system) = self.systems.get_mut(index) else { return };
        let (direction, sending, horizon_us) = (&self.direction, self.sending, self.horizon_us);
        let (directory, asides, known) = (&mut self.directory, &mut self.asides, &mut self.known);
        let mut made = Vec::new();
        let links = &mut made;
        act(&mut Step {
            line,
            horizon_us,
            system,
            direction,
            sending,
            directory,
            asides,
            known,
            links,
            events,
        });
        // What most lines do not do is asked before it is taken apart.
        if !system.ended.is_empty() || !system.held.is_empty() {
            self.note_ends(index);
        }
        for link in made {
            self.follow(line.record.host, &link, events);
        }
    }

    /// Puts what ended, and what waits, in line.
    fn note_ends(&mut self, index: usize) {
        let Some(system) = self.systems.get_mut(index) else { return };
        for queue_id in system.ended.drain(..) {
            self.closed.push_back((self.horizon_us, index, queue_id));
        }
        for (until_us, queue_id) in system.held.drain(..) {
            self.held.insert((until_us, index, queue_id));
        }
    }

    /// Gives each change since the last call to `each`: host, instance and queue ID, the message, or
    /// none when it is forgotten, and whether the store has it, which `each` keeps true.
    pub fn drain_changes(
        &mut self,
        mut each: impl FnMut(&[u8], &[u8], &str, Option<&Message>, &mut bool),
    ) {
        for system in &mut self.systems {
            // Before a message that has the same queue ID now.
            for queue_id in system.gone.drain(..) {
                each(&system.host, &system.instance, &queue_id, None, &mut true);
            }
            for queue_id in system.changed.drain(..) {
                // It is there twice where one that is gone had the same queue ID.
                if let Some(message) = system.messages.get_mut(&queue_id)
                    && std::mem::take(&mut message.changed)
                {
                    let mut is_stored = message.is_stored;
                    let kept = message.is_remembered().then_some(&*message);
                    each(&system.host, &system.instance, &queue_id, kept, &mut is_stored);
                    message.is_stored = is_stored;
                }
            }
        }
    }

    /// Gives each change of the lines put aside since the last call to `each`: the number of the
    /// line, and the line, or none where it is no more.
    pub fn drain_asides(&mut self, each: impl FnMut(u64, Option<&Aside>)) {
        self.asides.drain_changes(each);
    }

    /// Brings back a line put aside that an earlier run stored.
    pub fn restore_aside(&mut self, number: u64, aside: Aside) {
        self.horizon_us = self.horizon_us.max(aside.line.at_us.min(aside.until_us));
        self.asides.restore(number, aside);
    }

    /// Brings back a message that an earlier run stored.
    pub fn restore(&mut self, host: &[u8], instance: &[u8], queue_id: &str, mut message: Message) {
        self.horizon_us = self.horizon_us.max(message.seen_us);
        let index = self.system_index(host, instance);
        if message.closed {
            self.closed.push_back((self.horizon_us, index, queue_id.into()));
        }
        if let Some(held) = &message.held {
            self.held.insert((held.until_us, index, queue_id.into()));
            self.directory.note_possible_stage(host, queue_id, &message);
            self.directory.note_held(host, &message);
        } else if message.origin == message::Origin::Child {
            self.directory.note_stage(host, queue_id, message.uid);
        }
        if let Some(system) = self.systems.get_mut(index) {
            self.directory.note(host, &system.instance, queue_id, &mut message);
            self.directory.note_own(host, &system.instance, queue_id, &mut message);
            let waits = |held: &Held| held.for_pickup || message.origin == message::Origin::Local;
            if message.message_id.is_none() && message.held.as_deref().is_some_and(waits) {
                system.nameless.insert(queue_id.into());
            }
            if message.held.as_deref().is_some_and(|held| !held.for_pickup) {
                system.passed_on.insert(queue_id.into());
            }
            system.messages.put(queue_id, Box::new(message));
        }
    }

    /// Messages in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        let messages: usize = self.systems.iter().map(|system| system.messages.len()).sum();
        messages + self.haraka.len()
    }

    /// No message is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The log has come to that line.
    fn note_time(&mut self, line: &Line<'_>) {
        self.horizon_us = self.horizon_us.max(self.clock_us(line));
    }

    /// When that line was logged, by the clock of the whole log.
    fn clock_us(&self, line: &Line<'_>) -> i64 {
        line.clock_us(self.horizon_us)
    }

    /// When a wait ends that begins with this line.
    fn wait_from(&self, line: &Line<'_>, wait_us: i64) -> i64 {
        wait_from(self.horizon_us, line, wait_us)
    }

    fn system_index(&mut self, host: &[u8], instance: &[u8]) -> usize {
        let is_it = |system: &System| system.host == host && *system.instance == *instance;
        if self.systems.get(self.last_system).is_some_and(is_it) {
            return self.last_system;
        }
        self.last_system = self.systems.iter().position(is_it).unwrap_or_else(|| {
            let evidence = self.evidence;
            self.systems.push(System { evidence, ..System::new(host, instance) });
            self.systems.len() - 1
        });
        self.last_system
    }

    /// Drops what ended a while ago, and now and then what fell silent.
    fn forget(&mut self) {
        let over_us = self.horizon_us.saturating_sub(CLOSED_LINGER_US);
        if let Some((closed_at, ..)) = self.closed.front()
            && closed_at.saturating_add(FORGET_EVERY_US) < over_us
        {
            self.forget_closed(over_us);
        }
        let due = self.swept_us.saturating_add(SWEEP_US) <= self.horizon_us;
        if due || self.systems.iter().any(|system| system.messages.len() > system.crowded_above) {
            self.sweep();
        }
    }

    /// Drops what ended before then. Nothing of it was touched for a minute, and all has to be fetched
    /// from memory: one step for all before the next one, so that many of them wait at once.
    fn forget_closed(&mut self, over_us: i64) {
        let count = self.closed.partition_point(|(closed_at, ..)| *closed_at < over_us);
        let (systems, mut over) = (&mut self.systems, Vec::with_capacity(count));
        for (_, index, queue_id) in self.closed.drain(..count) {
            let message = systems.get_mut(index).and_then(|system| system.take_closed(&queue_id));
            over.extend(message.map(|message| (index, queue_id, message)));
        }
        for (index, queue_id, message) in &over {
            if let Some(system) = systems.get_mut(*index) {
                system.forget(queue_id, message, &mut self.directory);
            }
        }
    }

    /// Ends messages without a line for too long; when there are too many, the most silent ones.
    fn sweep(&mut self) {
        self.swept_us = self.horizon_us;
        self.known.forget(self.horizon_us);
        let silent_before = self.horizon_us.saturating_sub(SILENCE_US);
        for (index, system) in self.systems.iter_mut().enumerate() {
            system.end_silent(silent_before);
            for queue_id in system.ended.drain(..) {
                self.closed.push_back((self.horizon_us, index, queue_id));
            }
        }
        self.haraka.end_silent(self.horizon_us);
    }
}

impl Step<'_> {
    /// When the line was logged, by the clock of the whole log.
    pub(crate) fn clock_us(&self) -> i64 {
        self.line.clock_us(self.horizon_us)
    }

    /// When a wait ends that begins with this line.
    pub(crate) fn wait(&self, wait_us: i64) -> i64 {
        wait_from(self.horizon_us, self.line, wait_us)
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Client(client) => self.client(client),
            Entry::Pickup(pickup) => self.pickup(pickup),
            Entry::MessageId(message_id) => self.message_id(message_id),
            Entry::QueueActive(active) => self.queue_active(active),
            Entry::Notification(notification) => self.notification(notification),
            Entry::Delivery(delivery) => self.delivery(delivery),
            Entry::Expired(expired) => self.expired(expired),
            Entry::Removed(removed) => self.removed(removed),
            Entry::Verdict(verdict) => self.verdict(verdict),
            Entry::ContentCheck(check) => self.content_check(check),
            Entry::Refused(refused) => self.refused(refused),
            Entry::RateLimit(limit) => self.rate_limit(limit),
            Entry::ProxyAnswer(answer) => self.proxy_answer(answer),
            Entry::Corrupt(corrupt) => self.corrupt(corrupt),
            Entry::OperationTotal(total) => self.operation_total(*total),
            Entry::DnsListed(listed) => self.dns_listed(listed),
            _ => {}
        }
    }
}

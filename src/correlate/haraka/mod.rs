//! Haraka's stories: what the lines of one UUID tell together.
//!
//! A connection `C` has transactions `C.N`, and what a transaction queued goes out in items
//! `C.N.K`, whose lines name neither sender nor message: all is remembered under `C.N`. State lives
//! apart from Postfix's, and is kept by the writer in the same way.
//!
//! * `name`, `table`, `story` — what is known, and under which name,
//! * `scene` — events and their identity,
//! * `session` — the dialogue with a client, `content` — what filters and the queue say to it,
//! * `settle` — which recipients were accepted after all,
//! * `refusal` — what was refused, told at the end of the connection, which knows the direction,
//! * `attempt` — what becomes of an item, `ending` — how each attempt ends,
//! * `plugin` — what our plugin tells, `beside` — the log and the plugin together.
//!
//! What has no parent is Haraka's own mail (DSNs, `outbound.send_email()`), and tells nothing.

mod attempt;
pub(crate) mod beside;
mod content;
mod ending;
pub mod name;
mod plugin;
mod refusal;
pub(crate) mod scene;
mod session;
mod settle;
pub mod story;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use mailherald_parsers::haraka::{Entry, Record};

use super::{Correlator, direction::Direction, wait_from};
use crate::{event::Event, parse::Line};

pub use beside::Reads;
pub use name::Name;
pub use story::{Connection, Transaction};

use scene::{Scene, Teller};
use table::Table;

/// What the writer stores under a [`Name`].
#[derive(Debug)]
pub enum Stored<'a> {
    /// Of a connection.
    Connection(&'a Connection),
    /// Of a transaction.
    Transaction(&'a Transaction),
    /// It is no more.
    Gone,
}

/// What a store gave back.
#[derive(Debug)]
pub enum Restored {
    /// Of a connection.
    Connection(Box<Connection>),
    /// Of a transaction.
    Transaction(Box<Transaction>),
}

/// All connections and transactions.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    pub(crate) teller: Teller,
    pub(crate) reads: Reads,
    pub(crate) connections: Table<Connection>,
    pub(crate) transactions: Table<Transaction>,
    /// What waits for a line that tells more, by the end of its time.
    waiting: BTreeSet<(i64, Name)>,
    /// Each recipient gets an item of its own (`outbound.ini`, `always_split`), as far as is known.
    is_splitting: bool,
}

/// One record on its way into the stories.
pub(crate) struct Step<'a> {
    pub(crate) stories: &'a mut Stories,
    pub(crate) direction: &'a Direction,
    pub(crate) line: &'a Line<'a>,
    /// Latest log time seen.
    pub(crate) horizon_us: i64,
    pub(crate) events: &'a mut Vec<Event>,
}

impl Step<'_> {
    /// When the line was logged, by the clock of the whole log.
    fn clock_us(&self) -> i64 {
        self.line.clock_us(self.horizon_us)
    }

    /// The story of that name waits so long, from this line on.
    fn wait(&mut self, name: Name, wait_us: i64) {
        self.stories.wait(name, wait_from(self.horizon_us, self.line, wait_us));
    }
}

impl Correlator {
    /// Takes one record of Haraka in.
    pub(super) fn haraka(&mut self, record: &Record<'_>, line: &Line<'_>, events: &mut Vec<Event>) {
        self.note_time(line);
        self.release_overdue(self.horizon_us, events);
        if !self.leaves_to_plugin(record, line) {
            let (stories, direction) = (&mut self.haraka, &self.direction);
            let horizon_us = self.horizon_us;
            Step { stories, direction, line, horizon_us, events }.record(record);
        }
        self.forget_haraka();
    }

    /// Drops what ended a while ago, and what is too much.
    fn forget_haraka(&mut self) {
        self.haraka.forget(self.horizon_us);
        if self.haraka.is_crowded() {
            self.haraka.end_silent(self.horizon_us);
        }
        self.forget();
    }

    /// Gives each connection and transaction that changed since the last call to `each`, and
    /// whether the store has it, which `each` keeps true.
    pub fn drain_haraka(&mut self, mut each: impl FnMut(Name, Stored<'_>, &mut bool)) {
        self.haraka.connections.drain_changes(|name, story, is_stored| {
            each(name, story.map_or(Stored::Gone, Stored::Connection), is_stored);
        });
        self.haraka.transactions.drain_changes(|name, story, is_stored| {
            each(name, story.map_or(Stored::Gone, Stored::Transaction), is_stored);
        });
    }

    /// Brings back what an earlier run stored.
    pub fn restore_haraka(&mut self, name: Name, story: Restored) {
        let (seen_us, until_us) = match &story {
            Restored::Connection(story) => (story.seen_us, story.waits_until_us),
            Restored::Transaction(story) => (story.seen_us, story.waits_until_us),
        };
        self.horizon_us = self.horizon_us.max(seen_us);
        self.haraka.waiting.extend(until_us.map(|until_us| (until_us, name)));
        match story {
            Restored::Connection(story) => self.haraka.connections.restore(name, *story),
            Restored::Transaction(story) => self.haraka.transactions.restore(name, *story),
        }
    }

    /// Goes on with what is under way in `past`, of which nothing before its end is told.
    pub(super) fn take_over_haraka(&mut self, past: &mut Stories) {
        for (name, mut story) in past.connections.take_open() {
            (story.objection, story.is_past) = (None, true);
            story.refusals.clear();
            self.haraka.connections.get_or(name, || story);
        }
        for (name, mut story) in past.transactions.take_open() {
            story.objection = None;
            story.refusals.clear();
            for recipient in &mut story.recipients {
                recipient.is_announced |= story.queued.is_some();
            }
            self.haraka.waiting.extend(story.waits_until_us.map(|until_us| (until_us, name)));
            self.haraka.transactions.get_or(name, || story);
        }
    }
}

impl Stories {
    /// Ends the waiting for lines that should have come by then.
    pub(crate) fn release_overdue(
        &mut self,
        now_us: i64,
        direction: &Direction,
        events: &mut Vec<Event>,
    ) {
        while let Some(&(until_us, name)) = self.waiting.first()
            && until_us < now_us
        {
            self.waiting.remove(&(until_us, name));
            let (teller, scene_events) = (&self.teller, &mut *events);
            let mut scene = Scene { teller, direction, events: scene_events };
            if name.is_transaction() {
                if let Some(story) = self.transactions.get_mut(name)
                    && story.waits_until_us == Some(until_us)
                {
                    scene.stop_waiting(name, story);
                }
            } else if let Some(story) = self.connections.get_mut(name)
                && story.waits_until_us == Some(until_us)
            {
                story.waits_until_us = None;
                scene.tell_refusals_of_client(name, story, None);
            }
            self.close_finished(name, until_us.max(now_us.min(until_us)));
        }
    }

    /// The end of the first waiting.
    pub(crate) fn first_until_us(&self) -> Option<i64> {
        self.waiting.first().map(|(until_us, _)| *until_us)
    }

    /// A transaction waits until then, if it did not wait before.
    pub(crate) fn wait(&mut self, name: Name, until_us: i64) {
        let waits = if name.is_transaction() {
            self.transactions.get_mut(name).map(|story| &mut story.waits_until_us)
        } else {
            self.connections.get_mut(name).map(|story| &mut story.waits_until_us)
        };
        if let Some(waits) = waits
            && waits.is_none()
        {
            *waits = Some(until_us);
            self.waiting.insert((until_us, name));
        }
    }

    /// Nothing is waited for any more.
    pub(crate) fn stop_waiting(&mut self, name: Name) {
        let waits = if name.is_transaction() {
            self.transactions.get_mut(name).and_then(|story| story.waits_until_us.take())
        } else {
            self.connections.get_mut(name).and_then(|story| story.waits_until_us.take())
        };
        if let Some(until_us) = waits {
            self.waiting.remove(&(until_us, name));
        }
    }

    /// Ends a transaction that has nothing left to tell.
    pub(crate) fn close_finished(&mut self, name: Name, now_us: i64) {
        if self.transactions.get(name).is_some_and(Transaction::is_finished) {
            self.stop_waiting(name);
            self.transactions.close(name, now_us);
        }
    }

    /// A transaction that has not come to its end.
    pub(crate) fn open(&self, name: Name) -> Option<&Transaction> {
        self.transactions.get_open(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len() + self.transactions.len()
    }

    fn is_crowded(&self) -> bool {
        self.connections.is_crowded() || self.transactions.is_crowded()
    }

    fn forget(&mut self, now_us: i64) {
        self.connections.forget(now_us);
        self.transactions.forget(now_us);
    }

    pub(crate) fn end_silent(&mut self, now_us: i64) {
        self.connections.end_silent(now_us);
        self.transactions.end_silent(now_us);
    }
}

impl Step<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let connection = Name::of_connection(record.uuid);
        let transaction = Name::of_transaction(record.uuid);
        match (&record.entry, transaction, record.uuid.item) {
            (
                Entry::Route(_)
                | Entry::Unreached(_)
                | Entry::Refused(_)
                | Entry::Delivered(_)
                | Entry::Deferred(_)
                | Entry::Bounced(_)
                | Entry::Deleted,
                _,
                None,
            ) => {}
            (entry, Some(transaction), Some(item)) => self.outbound(transaction, item, entry),
            (entry, transaction, _) => self.inbound(connection, transaction, entry),
        }
    }

    /// What makes events of a story.
    pub(crate) fn scene(&mut self) -> (Scene<'_>, &mut Table<Transaction>) {
        let Stories { teller, transactions, .. } = &mut *self.stories;
        (Scene { teller, direction: self.direction, events: self.events }, transactions)
    }
}

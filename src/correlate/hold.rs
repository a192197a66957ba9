//! Messages whose beginning could be another message's next stage.
//!
//! A content filter or a second instance hands a message back over loopback. Where it tells no
//! original queue ID (XFORWARD), the new queue ID looks like a message of its own, until the old
//! one's status line says `queued as` it, which comes last. Until then its lines are held: at most
//! `HOLD_US` of log time and `LINES` lines, after which it is a message of its own (mailing
//! list software does send copies with one Message-ID over loopback).
//!
//! A message that went to a pipe(8) service is held as well, for a shorter time: a pickup of the
//! same message tells that the service was a filter, and none that it was the end.

use serde::{Deserialize, Serialize};

use mailherald_parsers::{
    Body,
    postfix::{Entry, Pickup, QueueId},
};
use smol_str::SmolStr;

use super::{
    Correlator, Link, Step,
    lineage::{Kin, Lineage},
    message::{KeptLine, Message},
    system::System,
};
use crate::{event::Event, parse::Line};

/// Log time that the answer of the stage before may take.
pub(crate) const HOLD_US: i64 = 10 * 1_000_000;

/// Log time in which a filter behind pipe(8) has resubmitted what it passed on.
pub(crate) const PIPE_US: i64 = 2 * 1_000_000;

/// Lines that are held of one message.
const LINES: usize = 256;

/// The lines of a message that may turn out to be a stage of another story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The story that it may belong to.
    pub story: Lineage,
    /// When it is a message of its own after all, log time in microseconds.
    pub until_us: i64,
    /// It waits for a pickup of what a pipe took.
    pub for_pickup: bool,
    /// Its lines since.
    pub lines: Vec<KeptLine>,
}

impl Held {
    /// Nothing held yet.
    fn new(story: Lineage, until_us: i64) -> Self {
        Self { story, until_us, for_pickup: false, lines: Vec::new() }
    }

    /// Keeps a line; false when there are too many.
    pub(crate) fn push(&mut self, line: KeptLine) -> bool {
        let fits = self.lines.len() < LINES;
        if fits {
            self.lines.push(line);
        }
        fits
    }
}

impl Message {
    /// Do its lines wait because it may be `parent` once more, from the same sender?
    pub(crate) fn waits_for(&self, parent: &Self) -> bool {
        let Some(held) = self.held.as_deref() else { return false };
        let is_senders =
            |sender: &[u8]| parent.sender.as_ref().is_some_and(|known| known.as_bytes() == sender);
        let is_it = !held.for_pickup && held.story.uid == parent.uid;
        is_it && held.lines.iter().any(|line| line.names_sender(is_senders))
    }
}

impl KeptLine {
    /// Is it the line of qmgr that names such a sender?
    fn names_sender(&self, is_it: impl Fn(&[u8]) -> bool + Copy) -> bool {
        let mut found = false;
        self.read(|line| {
            if let Body::Postfix(Entry::QueueActive(active)) = &line.record.body {
                found = is_it(active.sender);
            }
        });
        found
    }
}

impl Step<'_> {
    /// What makes a message wait for so much log time: it may belong to `story`.
    pub(crate) fn may_belong_to(&self, story: Lineage, wait_us: i64) -> Held {
        Held::new(story, self.wait(wait_us))
    }

    /// Lets the lines of `message` wait.
    pub(crate) fn hold_back(&mut self, queue_id: QueueId<'_>, message: &mut Message, held: Held) {
        self.system.held.push((held.until_us, queue_id.as_str().into()));
        if !held.for_pickup {
            self.system.passed_on.insert(queue_id.as_str().into());
        }
        if message.held.replace(Box::new(held)).is_none() {
            self.directory.note_held(&self.system.host, message);
        }
    }
}

impl Correlator {
    /// Keeps the line of a message whose story is not sure yet. A line that begins another message
    /// under the same queue ID, and one too many, settle it.
    pub(super) fn hold(
        &mut self,
        index: usize,
        entry: &Entry<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) -> bool {
        if self.held.is_empty() {
            return false;
        }
        if let Entry::Pickup(Pickup { orig_id: Some(before), .. }) = entry {
            // What was requeued goes on under another queue ID, with all that was said of it.
            self.release(index, before.as_str(), None, events);
        }
        let Some(queue_id) = holdable(entry) else { return false };
        let message = self.systems.get_mut(index).and_then(|system| {
            system.messages.get_mut(queue_id.as_str()).filter(|message| message.is_held())
        });
        let Some(held) = message.and_then(|message| message.held.as_mut()) else { return false };
        let begins_anew = matches!(entry, Entry::Client(_) | Entry::Pickup(_));
        if begins_anew || !held.push(KeptLine::from(line)) {
            self.release(index, queue_id.as_str(), None, events);
            return false;
        }
        if let Some(system) = self.systems.get_mut(index) {
            system.mark_changed(queue_id.as_str());
        }
        true
    }

    /// A line named `link`: wherever on this host it is held, it goes on as what it turned out to
    /// be. A filter that split a message names only one of its parts, so the others follow.
    pub(super) fn follow(&mut self, host: &[u8], link: &Link, events: &mut Vec<Event>) {
        let is_it = |system: &System| {
            system.host == host && system.messages.get(&link.queue_id).is_some_and(Message::is_held)
        };
        let Some(index) = self.systems.iter().position(is_it) else { return };
        let others = match &link.kin {
            Kin::Stage(lineage) => self.held_beside(index, &link.queue_id, lineage),
            _ => Vec::new(),
        };
        self.release(index, &link.queue_id, Some(&link.kin), events);
        for (index, queue_id) in others {
            self.release(index, &queue_id, Some(&link.kin), events);
        }
    }

    /// Messages that are held because they may be a stage of that story, and that came from where the
    /// named one did: a client of this network may send a message twice by itself.
    fn held_beside(
        &self,
        index: usize,
        named: &SmolStr,
        lineage: &Lineage,
    ) -> Vec<(usize, SmolStr)> {
        let message = |index: usize, queue_id: &SmolStr| {
            self.systems.get(index).and_then(|it| it.messages.get(queue_id))
        };
        let Some(named) = message(index, named) else { return Vec::new() };
        let is_beside = |other: &Message| {
            let held = other.held.as_ref();
            held.is_some_and(|held| !held.for_pickup && held.story.uid == lineage.uid)
                && other.client_address == named.client_address
        };
        let held = self
            .held
            .iter()
            .filter(|(_, index, queue_id)| message(*index, queue_id).is_some_and(is_beside));
        held.map(|(_, index, queue_id)| (*index, queue_id.clone())).collect()
    }

    pub(super) fn release_overdue(&mut self, now_us: i64, events: &mut Vec<Event>) {
        while self.held.first().is_some_and(|(until_us, ..)| *until_us < now_us)
            && let Some((until_us, index, queue_id)) = self.held.pop_first()
        {
            if self.is_held_until(index, &queue_id, until_us) {
                self.release(index, &queue_id, None, events);
            }
        }
        self.tell_overdue(now_us, events);
        self.haraka.release_overdue(now_us, &self.direction, events);
    }

    /// What was let go may be held again, for another reason and time.
    fn is_held_until(&self, index: usize, queue_id: &str, until_us: i64) -> bool {
        let message = self.systems.get(index).and_then(|system| system.messages.get(queue_id));
        let held = message.and_then(|message| message.held.as_ref());
        held.is_some_and(|held| held.until_us == until_us)
    }

    /// Takes the held lines of a message in: as what another line told it to be, or as a message of
    /// its own.
    pub(super) fn release(
        &mut self,
        index: usize,
        queue_id: &str,
        kin: Option<&Kin>,
        events: &mut Vec<Event>,
    ) {
        let Some(system) = self.systems.get_mut(index) else { return };
        let Some(message) = system.messages.get_mut(queue_id) else { return };
        let Some(held) = message.held.take() else { return };
        self.directory.forget_held(&system.host, message);
        system.passed_on.remove(queue_id);
        // Nearly always the only one: most lines then need not be looked at twice.
        self.held.remove(&(held.until_us, index, queue_id.into()));
        match kin {
            Some(kin) => kin.adopt(message),
            // What a pipe took and nobody resubmitted was at its end there, and so was what went to a
            // queue ID of which nothing is logged.
            None if held.for_pickup => message.filtered_by_pipe = Some(false),
            // An answer that comes later ends the message that it is of.
            None => self.directory.forget_stage(&system.host, queue_id),
        }
        self.directory.note(&system.host, &system.instance, queue_id, message);
        system.mark_changed(queue_id);
        for line in &held.lines {
            line.read(|line| match &line.record.body {
                Body::Postfix(entry) => self.take_in(index, entry, line, events),
                Body::Filter(verdict) => self.filter(verdict, line, events),
                _ => {}
            });
        }
    }
}

/// The queue ID of an entry that a held message makes wait.
fn holdable<'a>(entry: &Entry<'a>) -> Option<QueueId<'a>> {
    match entry {
        Entry::Client(client) => client.queue_id,
        Entry::Pickup(pickup) => Some(pickup.queue_id),
        Entry::QueueActive(active) => Some(active.queue_id),
        Entry::Delivery(delivery) => Some(delivery.queue_id),
        Entry::Expired(expired) => Some(expired.queue_id),
        Entry::Removed(removed) => Some(removed.queue_id),
        Entry::Notification(notification) => Some(notification.parent),
        Entry::Verdict(verdict) => verdict.queue_id,
        Entry::ContentCheck(check) => Some(check.queue_id),
        Entry::Refused(refused) => Some(refused.queue_id),
        _ => None,
    }
}

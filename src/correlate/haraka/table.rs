//! Where connections and transactions lie: bookkeeping without meaning.

use std::collections::{HashMap, VecDeque};

use super::{
    super::{CLOSED_LINGER_US, MOST, SILENCE_US},
    Name,
};

/// What a table keeps.
pub(crate) trait Story: Default {
    /// Log time of its latest line, microseconds.
    fn seen_us(&self) -> i64;
}

/// Stories by name. Strangers do not choose names, but the seed is random all the same.
#[derive(Debug)]
pub(crate) struct Table<T> {
    places: HashMap<Name, Place<T>, foldhash::fast::RandomState>,
    /// Changed since the last [`Table::drain_changes`].
    changed: Vec<Name>,
    /// Ended, in the order of their end: late lines still find them for a while.
    ended: VecDeque<(i64, Name)>,
}

#[derive(Debug, Default)]
struct Place<T> {
    story: Box<T>,
    is_changed: bool,
    is_closed: bool,
    /// The store has it, as it is or was.
    is_stored: bool,
}

impl<T> Place<T> {
    /// It changes: `changed` names it once.
    fn mark(&mut self, name: Name, changed: &mut Vec<Name>) {
        if !std::mem::replace(&mut self.is_changed, true) {
            changed.push(name);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { places: HashMap::default(), changed: Vec::new(), ended: VecDeque::new() }
    }
}

impl<T: Story> Table<T> {
    pub(crate) fn get(&self, name: Name) -> Option<&T> {
        self.places.get(&name).map(|place| &*place.story)
    }

    /// As [`Table::get`], unless it has ended.
    pub(crate) fn get_open(&self, name: Name) -> Option<&T> {
        self.places.get(&name).filter(|place| !place.is_closed).map(|place| &*place.story)
    }

    /// To be changed.
    pub(crate) fn get_mut(&mut self, name: Name) -> Option<&mut T> {
        let place = self.places.get_mut(&name)?;
        place.mark(name, &mut self.changed);
        Some(&mut place.story)
    }

    /// To be changed; `new` if there is none.
    pub(crate) fn get_or(&mut self, name: Name, new: impl FnOnce() -> T) -> &mut T {
        let place = self.places.entry(name).or_insert_with(|| Place {
            story: Box::new(new()),
            is_changed: false,
            is_closed: false,
            is_stored: false,
        });
        place.mark(name, &mut self.changed);
        &mut place.story
    }

    /// Ends a story.
    pub(crate) fn close(&mut self, name: Name, now_us: i64) {
        if let Some(place) = self.places.get_mut(&name)
            && !std::mem::replace(&mut place.is_closed, true)
        {
            self.ended.push_back((now_us, name));
            place.mark(name, &mut self.changed);
        }
    }

    /// Gives each change since the last call to `each`: the story, or none when it has ended, and
    /// whether the store has it, which `each` keeps true.
    pub(crate) fn drain_changes(&mut self, mut each: impl FnMut(Name, Option<&T>, &mut bool)) {
        for name in self.changed.drain(..) {
            if let Some(place) = self.places.get_mut(&name) {
                place.is_changed = false;
                let story = (!place.is_closed).then_some(&*place.story);
                each(name, story, &mut place.is_stored);
            }
        }
    }

    /// Brings back what an earlier run stored.
    pub(crate) fn restore(&mut self, name: Name, story: T) {
        let (story, is_changed, is_closed) = (Box::new(story), false, false);
        self.places.insert(name, Place { story, is_changed, is_closed, is_stored: true });
    }

    /// Drops what ended a while ago and is no more in the store.
    pub(crate) fn forget(&mut self, now_us: i64) {
        while let Some(&(ended_us, name)) = self.ended.front()
            && ended_us.saturating_add(CLOSED_LINGER_US) < now_us
        {
            self.ended.pop_front();
            match self.places.get(&name) {
                Some(place) if place.is_changed && place.is_stored => {
                    self.ended.push_back((now_us, name));
                }
                _ => drop(self.places.remove(&name)),
            }
        }
    }

    /// Are there more than can be followed?
    pub(crate) fn is_crowded(&self) -> bool {
        self.places.len() > MOST.saturating_add(self.ended.len())
    }

    /// Ends what had no line for too long; when there are too many, the most silent ones.
    pub(crate) fn end_silent(&mut self, now_us: i64) {
        let open = self.places.iter().filter(|(_, place)| !place.is_closed);
        let mut open: Vec<_> = open.map(|(name, place)| (place.story.seen_us(), *name)).collect();
        open.sort_unstable();
        let surplus = if open.len() > MOST { open.len() - MOST / 10 * 9 } else { 0 };
        let silent_before_us = now_us.saturating_sub(SILENCE_US);
        for (place, (seen_us, name)) in open.into_iter().enumerate() {
            if place < surplus || seen_us < silent_before_us {
                self.close(name, now_us);
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Takes all that has not ended, in order.
    pub(crate) fn take_open(&mut self) -> Vec<(Name, T)> {
        let places = std::mem::take(&mut self.places).into_iter();
        let open = places.filter(|(_, place)| !place.is_closed);
        let mut open: Vec<_> = open.map(|(name, place)| (name, *place.story)).collect();
        open.sort_unstable_by_key(|(name, _)| *name);
        open
    }
}

//! Where the messages of one queue lie, by queue ID.
//!
//! Each message has a place of its own in memory, so that a step takes it out, changes it and puts
//! it back without moving more than its address.

use smol_str::SmolStr;

use super::{Message, system::Map};

/// Messages by queue ID.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// None while a step has the message.
    places: Map<Option<Box<Message>>>,
}

impl Messages {
    /// The message, unless a step has it.
    pub(crate) fn get(&self, queue_id: &str) -> Option<&Message> {
        self.places.get(queue_id)?.as_deref()
    }

    /// As [`Messages::get`], to be changed in its place.
    pub(crate) fn get_mut(&mut self, queue_id: &str) -> Option<&mut Message> {
        self.places.get_mut(queue_id)?.as_deref_mut()
    }

    /// Takes a message out, for a step that will put it back.
    pub(crate) fn take(&mut self, queue_id: &str) -> Option<Box<Message>> {
        self.places.get_mut(queue_id)?.take()
    }

    /// Puts a message in its place, and gives the one that was there.
    pub(crate) fn put(&mut self, queue_id: &str, message: Box<Message>) -> Option<Box<Message>> {
        if let Some(place) = self.places.get_mut(queue_id) {
            return place.replace(message);
        }
        self.places.insert(queue_id.into(), Some(message));
        None
    }

    /// Removes a message and its place.
    pub(crate) fn remove(&mut self, queue_id: &str) -> Option<Box<Message>> {
        self.places.remove(queue_id)?
    }

    /// The same, if that is true of it.
    pub(crate) fn remove_if(
        &mut self,
        queue_id: &str,
        is_it: impl Fn(&Message) -> bool,
    ) -> Option<Box<Message>> {
        let message = self.remove(queue_id)?;
        if is_it(&message) {
            return Some(message);
        }
        self.places.insert(queue_id.into(), Some(message));
        None
    }

    /// All messages, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Message)> {
        self.places.iter().filter_map(|(queue_id, place)| Some((queue_id, place.as_deref()?)))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

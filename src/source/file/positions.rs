//! Which generation a file is, and how far each has been read.

use std::collections::HashMap;

use crate::source::{
    Fingerprint, Position,
    head::{Head, Likeness},
};

/// How far every known generation has been read, ahead of what is durable.
#[derive(Debug)]
pub(super) struct Positions(HashMap<Fingerprint, Position>);

/// Which generation a head belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// One that was read before, or is being read.
    Known(Fingerprint),
    /// One that was never read.
    New(Fingerprint),
    /// It ends before that one was read to, and begins like it: a copy that is still being made or
    /// lacks the last lines, or another one that begins alike.
    Shorter(Fingerprint),
    /// Its first line is not complete.
    Unclear,
}

impl Identity {
    /// The generation before, if it is one, or a part of one.
    pub(super) fn known(self) -> Option<Fingerprint> {
        match self {
            Self::Known(fingerprint) | Self::Shorter(fingerprint) => Some(fingerprint),
            Self::New(_) | Self::Unclear => None,
        }
    }
}

impl Positions {
    /// What is stored.
    pub(super) fn new(stored: Vec<Position>) -> Self {
        Self(stored.into_iter().map(|position| (position.fingerprint, position)).collect())
    }

    /// The `start` rule has been applied, in this run or an earlier one.
    pub(super) fn have_started(&self) -> bool {
        self.0.contains_key(&Fingerprint::NONE)
    }

    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&Position> {
        self.0.get(&fingerprint)
    }

    /// Remembers where reading goes on.
    pub(super) fn set(&mut self, position: Position) {
        self.0.insert(position.fingerprint, position);
    }

    /// Which generation begins with `head`. `open` are the generations that are being read, and
    /// `not` is one that it cannot be.
    ///
    /// Generations with the same first line have the fingerprints of slots 0, 1, 2, …; the
    /// latest one that fits is meant.
    pub(super) fn identify(
        &self,
        head: &Head,
        size: u64,
        open: &[(Fingerprint, &Head)],
        not: Option<Fingerprint>,
    ) -> Identity {
        let mut result = None;
        for slot in 0..=u8::MAX {
            let Some(fingerprint) = head.fingerprint(slot) else { return Identity::Unclear };
            let other = open.iter().find(|(open, _)| *open == fingerprint).map(|(_, head)| *head);
            let stored = self.get(fingerprint);
            if stored.is_none() && other.is_none() {
                return result.unwrap_or(Identity::New(fingerprint));
            }
            match likeness(head, size, stored, other) {
                _ if not == Some(fingerprint) => {}
                Likeness::Same => result = Some(Identity::Known(fingerprint)),
                Likeness::TooShort if !matches!(result, Some(Identity::Known(_))) => {
                    result = Some(Identity::Shorter(fingerprint));
                }
                Likeness::TooShort | Likeness::Different => {}
            }
        }
        result.unwrap_or(Identity::Unclear)
    }
}

fn likeness(head: &Head, size: u64, stored: Option<&Position>, open: Option<&Head>) -> Likeness {
    if open.is_some_and(|open| !open.agrees_with(head)) {
        return Likeness::Different;
    }
    let Some(stored) = stored else { return Likeness::Same };
    match head.compare(&stored.heads) {
        Likeness::Same if size < stored.offset && !stored.finished => Likeness::TooShort,
        likeness => likeness,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn head(text: &str) -> Head {
        Head::of_text(text)
    }

    fn read_whole(head: &Head, slot: u8) -> Position {
        Position {
            fingerprint: head.fingerprint(slot).unwrap(),
            offset: head.bytes.len() as u64,
            line_count: 0,
            finished: false,
            seen_at: 0,
            heads: head.hashes(u64::MAX),
        }
    }

    fn identify(positions: &Positions, text: &str) -> Identity {
        positions.identify(&head(text), text.len() as u64, &[], None)
    }

    #[test]
    fn row_34_a_file_without_a_whole_line_has_no_identity() {
        let nothing = Positions::new(Vec::new());
        assert_eq!(identify(&nothing, "half a li"), Identity::Unclear);
        let whole = head("half a line\n").fingerprint(0).unwrap();
        assert_eq!(identify(&nothing, "half a line\nmore"), Identity::New(whole));
    }

    #[test]
    fn row_34_a_generation_with_the_same_first_line_gets_the_next_slot_and_keeps_it() {
        let (one, two) = (head("start\none\n"), head("start\ntwo\n"));
        let slots = [0, 1].map(|slot| one.fingerprint(slot).unwrap());
        let mut positions = Positions::new(vec![read_whole(&one, 0)]);
        assert_eq!(identify(&positions, "start\none\nmore\n"), Identity::Known(slots[0]));
        assert_eq!(identify(&positions, "start\ntwo\n"), Identity::New(slots[1]));
        positions.set(read_whole(&two, 1));
        assert_eq!(identify(&positions, "start\ntwo\nmore\n"), Identity::Known(slots[1]));
        assert_eq!(identify(&positions, "start\none\nmore\n"), Identity::Known(slots[0]));
    }

    #[test]
    fn row_34_a_file_too_short_to_be_told_from_another_is_shorter_until_it_differs() {
        let positions = Positions::new(vec![read_whole(&head("start\none\n"), 0)]);
        let [slot_0, slot_1] = [0, 1].map(|slot| head("start\n").fingerprint(slot).unwrap());
        assert_eq!(identify(&positions, "start\n"), Identity::Shorter(slot_0));
        assert_eq!(identify(&positions, "start\nothers\n"), Identity::New(slot_1));
    }

    #[test]
    fn an_open_generation_tells_a_shorter_one_apart_at_once() {
        let long = head(&format!("start\n{}\n", "x".repeat(500)));
        let positions = Positions::new(vec![read_whole(&long, 0)]);
        let slots = [0, 1].map(|slot| long.fingerprint(slot).unwrap());
        let open = [(slots[0], &long)];
        let found = positions.identify(&head("start\ny\n"), 8, &open, None);
        assert_eq!(found, Identity::New(slots[1]));
        assert_eq!(identify(&positions, "start\ny\n"), Identity::Shorter(slots[0]));
    }

    #[test]
    fn row_34_a_short_file_is_told_from_a_long_one_with_the_same_first_lines_by_its_own_length() {
        let begin = "started\n".repeat(60);
        let long = head(&format!("{begin}{}\n", "a".repeat(90_000)));
        let positions = Positions::new(vec![read_whole(&long, 0)]);
        let [slot_0, slot_1] = [0, 1].map(|slot| long.fingerprint(slot).unwrap());
        let short = format!("{begin}{}\n", "b".repeat(100));
        assert_eq!(identify(&positions, &short), Identity::New(slot_1));
        let copy = format!("{begin}{}", "a".repeat(100));
        assert_eq!(identify(&positions, &copy), Identity::Shorter(slot_0));
    }

    #[test]
    fn a_truncated_file_that_begins_again_in_the_same_way_is_not_taken_for_itself() {
        let text = "start\none\n";
        let positions = Positions::new(vec![read_whole(&head(text), 0)]);
        let slots = [0, 1].map(|slot| head(text).fingerprint(slot).unwrap());
        let found = positions.identify(&head(text), 10, &[], Some(slots[0]));
        assert_eq!(found, Identity::New(slots[1]));
    }
}

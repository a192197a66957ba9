//! Something to read: an open plain file, or an archive that is read in one go.

use std::io;

use jiff::Timestamp;

use super::{
    scan::{FileId, Found},
    tail::Tail,
};

/// Something to read.
#[derive(Debug)]
pub(super) enum Work {
    Tail(Box<Tail>),
    Archive(Found),
}

/// What reading one piece of work means for the round.
pub(super) enum Step {
    /// Go on.
    Keep,
    /// It is done with.
    Drop,
    /// It is another generation from now on, and the files must be listed again.
    Rescan,
}

impl Work {
    /// The open plain file, if it is one.
    pub(super) fn tail(&self) -> Option<&Tail> {
        match self {
            Self::Tail(tail) => Some(tail),
            Self::Archive(_) => None,
        }
    }

    /// Orders by age. Of the same moment (file times move in ticks of some milliseconds), a file
    /// that was truncated comes after the copy that was made of it.
    pub(super) fn order(&self) -> (Timestamp, bool) {
        match self {
            Self::Tail(tail) => (tail.order, tail.not.is_some()),
            Self::Archive(found) => (found.order, false),
        }
    }

    /// The path of a tail leads elsewhere by now.
    pub(super) fn was_renamed(&self) -> bool {
        let Some(tail) = self.tail() else { return false };
        let Some(path) = &tail.path else { return false };
        match std::fs::metadata(path) {
            Ok(metadata) => FileId::of(&metadata) != tail.id,
            // A path that may not be looked at now says nothing.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

//! Finds out which generation an open file is, and whether another one has the same content.

use std::{io, path::Path};

use super::{
    outbox::Outbox,
    positions::Identity,
    scan::Version,
    tail::Tail,
    tailer::Tailer,
    work::{Step, Work},
};
use crate::source::{
    Fingerprint,
    archive::Compression,
    head::{self, Head},
};

impl Tailer {
    /// Finds out which generation a tail is, if its first line is complete.
    pub(super) fn name(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> io::Result<Step> {
        let metadata = tail.file.metadata()?;
        let (version, size) = (Version::of(&metadata), metadata.len());
        if tail.looked_at == Some(version) {
            return Ok(Step::Keep);
        }
        if head::detect_log(&tail.file)? != Compression::Plain {
            return Ok(Step::Drop);
        }
        let head = Head::of_file(&tail.file)?;
        let identity = self.identify(&head, size, tail.not);
        self.existing.extend(identity.known());
        let fingerprint = match identity {
            Identity::Unclear => {
                tail.is_unnamed(version, None);
                return Ok(Step::Keep);
            }
            Identity::Shorter(fingerprint) => {
                tail.is_unnamed(version, Some(fingerprint));
                return Ok(Step::Keep);
            }
            Identity::New(fingerprint) => {
                self.say_new(tail.path.as_deref(), fingerprint);
                fingerprint
            }
            Identity::Known(fingerprint) => {
                if self.positions.get(fingerprint).is_some_and(|at| at.finished) {
                    return Ok(Step::Drop);
                }
                fingerprint
            }
        };
        if self.yields_to_twin(fingerprint, tail, size, out) {
            return Ok(Step::Drop);
        }
        tail.name(fingerprint, head, &self.positions);
        Ok(Step::Keep)
    }

    /// Of two files with the same content the larger one is read: the other is a copy that is
    /// still being made, or was not finished. True when `tail` is the other one.
    fn yields_to_twin(
        &mut self,
        fingerprint: Fingerprint,
        tail: &Tail,
        size: u64,
        out: &mut Outbox<'_>,
    ) -> bool {
        let is_twin = |other: &Tail| other.fingerprint() == Some(fingerprint);
        let Some(place) = self.work.iter().position(|work| work.tail().is_some_and(is_twin)) else {
            return false;
        };
        let other = self.work.get(place).and_then(Work::tail);
        let other_size =
            other.and_then(|other| other.file.metadata().ok()).map_or(0, |it| it.len());
        if size > other_size {
            self.work.remove(place);
            return false;
        }
        if self.duplicates.insert(tail.id) {
            out.tally.duplicate_files += 1;
        }
        true
    }

    /// Says which file a generation is first read from: later words name it by its fingerprint.
    pub(super) fn say_new(&self, path: Option<&Path>, generation: Fingerprint) {
        let path = path.unwrap_or(Path::new("")).display();
        tracing::info!(source = self.name, %path, %generation, "A log is read from its beginning");
    }

    pub(super) fn identify(&self, head: &Head, size: u64, not: Option<Fingerprint>) -> Identity {
        let tails = self.work.iter().filter_map(Work::tail);
        let named = tails.filter_map(|tail| tail.named.as_ref());
        let open: Vec<_> = named.map(|named| (named.fingerprint, &named.head)).collect();
        self.positions.identify(head, size, &open, not)
    }

    pub(super) fn is_open(&self, fingerprint: Fingerprint) -> bool {
        let mut tails = self.work.iter().filter_map(Work::tail);
        tails.any(|tail| tail.fingerprint() == Some(fingerprint))
    }
}

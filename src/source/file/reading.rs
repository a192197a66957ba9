//! Reads one piece of work, and says what that means for the round.

use std::{io, ops::ControlFlow};

use super::{
    outbox::{Outbox, Sink},
    positions::Identity,
    scan::{self, Found, Version},
    tail::{Drained, Tail},
    tailer::{Flow, Tailer},
    unpack::{self, Archive},
    work::{Step, Work},
};
use crate::source::{archive::Compression, head};

impl Tailer {
    pub(super) fn read(&mut self, item: &mut Work, out: &mut Outbox<'_>) -> Flow<Step> {
        match item {
            Work::Tail(tail) => self.read_tail(tail, out),
            Work::Archive(found) => {
                let found = found.clone();
                let result = self.read_archive(&found, out);
                // Damage stays until the file changes; what the system refused is tried again.
                if result.as_ref().is_err_and(|error| error.raw_os_error().is_none()) {
                    self.settled.insert(found.version, None);
                }
                let now = self.clock.now();
                self.complaints.noted(&found.path, found.seen(), now, result).map_or_else(
                    || ControlFlow::Continue(Step::Drop),
                    |flow| flow.map_continue(|()| Step::Drop),
                )
            }
        }
    }

    fn read_tail(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> Flow<Step> {
        let path = tail.path.clone().unwrap_or_default();
        let now = self.clock.now();
        let read_at = tail.read_at();
        if tail.named.is_none() {
            let result = self.name(tail, out);
            match self.complaints.noted(&path, tail.seen(), now, result) {
                Some(Step::Keep) => {}
                Some(step) => return ControlFlow::Continue(step),
                None => return ControlFlow::Continue(Step::Drop),
            }
        }
        let (source, positions) = (self.source, &mut self.positions);
        let result = tail.drain(&mut self.buffer, &mut Sink { source, now, positions, out });
        self.has_grown |= tail.path.is_some() && tail.read_at() > read_at;
        tail.is_broken = result.is_err();
        match self.complaints.noted(&path, tail.seen(), now, result) {
            Some(flow) => match flow? {
                Drained::AtEnd => ControlFlow::Continue(Step::Keep),
                Drained::Truncated => ControlFlow::Continue(self.truncated(tail, out)),
            },
            // Nothing but the descriptor leads to it.
            None if tail.path.is_none() => ControlFlow::Continue(Step::Keep),
            // The next listing finds it again, or what took its place.
            None => ControlFlow::Continue(Step::Drop),
        }
    }

    fn read_archive(&mut self, found: &Found, out: &mut Outbox<'_>) -> io::Result<Flow> {
        let (file, metadata) = scan::open(&found.path)?;
        let compression = head::detect_log(&file)?;
        if Version::of(&metadata) != found.version || compression == Compression::Plain {
            return Ok(ControlFlow::Continue(()));
        }
        let head = unpack::head(&file, found, compression)?;
        let fingerprint = match self.identify(&head, u64::MAX, None) {
            Identity::Known(fingerprint) => fingerprint,
            Identity::New(fingerprint) => {
                self.say_new(Some(&found.path), fingerprint);
                fingerprint
            }
            identity @ (Identity::Shorter(_) | Identity::Unclear) => {
                self.settled.insert(found.version, identity.known());
                return Ok(ControlFlow::Continue(()));
            }
        };
        if self.is_open(fingerprint) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut flow = ControlFlow::Continue(());
        if self.positions.get(fingerprint).is_none_or(|at| !at.finished) {
            let takes_half_line = self.partial_line_timeout.is_some();
            let head = &head;
            let archive =
                Archive { found, file: &file, compression, fingerprint, head, takes_half_line };
            let (source, now, positions) = (self.source, self.clock.now(), &mut self.positions);
            flow = archive.unpack(&mut self.buffer, &mut Sink { source, now, positions, out })?;
        }
        self.settled.insert(found.version, Some(fingerprint));
        Ok(flow)
    }
}

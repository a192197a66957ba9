//! Lines from one stream: `postfix start-fg | mailherald run`, or an archive through a pipe.
//!
//! There is nothing to resume: what was read from a pipe is gone. Back-pressure is the pipe, and
//! so reaches whoever writes to it.

use std::{
    io::{self, Read},
    ops::ControlFlow,
    thread::JoinHandle,
};

use tokio::sync::mpsc::Sender;

use super::{Batch, Fingerprint, batching::Origin, head::Head, journal::Lines, lines::Cutter};
use crate::clock::{Clock, SharedClock};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// Reads standard input in a thread of its own until it ends or the receiver is gone.
///
/// A read that waits cannot be interrupted: on shutdown, drop the receiver and do not join.
///
/// # Errors
///
/// When the system gives us no thread.
pub fn spawn(
    source: usize,
    out: Sender<Batch>,
    clock: SharedClock,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name("stdin-source".to_owned()).spawn(move || {
        read(source, io::stdin().lock(), &*clock, &mut |batch| match out.blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    })
}

/// Reads `input`, lines or an export of the journal, to its end or until `deliver` breaks. A last line without an end is handed out
/// marked as cut.
///
/// # Errors
///
/// When `input` cannot be read.
pub fn read(
    source: usize,
    input: impl Read,
    clock: &dyn Clock,
    deliver: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut input = Lines::new(input);
    let head = Head::default();
    let mut cutter = Cutter::new(0, 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        let now = clock.now();
        let origin =
            Origin { source, fingerprint: Fingerprint::NONE, head: &head, anchor: now, now };
        let flow = cutter
            .feed(buffer.get(..count).unwrap_or_default(), &mut |cut| deliver(origin.batch(cut)));
        if count == 0 {
            cutter.finish();
        }
        // A full buffer means that more is waiting.
        let idle = count < buffer.len();
        let rest = cutter.take().map(|cut| Batch { idle, ..origin.batch(cut) });
        let flow = flow.is_continue() && rest.is_none_or(|rest| deliver(rest).is_continue());
        if count == 0 || !flow {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::clock::SystemClock;

    /// Gives its pieces one at a time, as a pipe does.
    struct Pipe(std::vec::IntoIter<&'static [u8]>);

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.next().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn batches(pieces: Vec<&'static [u8]>, limit: usize) -> Vec<Batch> {
        let mut all = Vec::new();
        read(1, Pipe(pieces.into_iter()), &SystemClock, &mut |batch| {
            all.push(batch);
            if all.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
        all
    }

    #[test]
    fn lines_come_as_they_are_written_and_a_last_one_without_an_end_is_marked() {
        let all = batches(vec![b"a\nb", b"c\n", b"half"], usize::MAX);
        let texts: Vec<_> = all.iter().map(|batch| batch.bytes.as_slice()).collect();
        assert_eq!(texts, [b"a\n".as_slice(), b"bc\n", b"half\n"]);
        assert!(all.iter().all(|batch| batch.idle && batch.lines.len() == 1));
        let cut: Vec<_> = all.iter().map(|batch| batch.lines[0].cut).collect();
        assert_eq!(cut, [false, false, true]);
        assert_eq!(all[2].position.offset, 9);
    }

    #[test]
    fn reading_ends_when_the_receiver_is_gone() {
        assert_eq!(batches(vec![b"a\n", b"b\n", b"c\n"], 2).len(), 2);
    }
}

//! Streams one planned input.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    ops::ControlFlow,
    rc::Rc,
};

use jiff::Timestamp;

use super::{Input, Planned, ReplayError};
use crate::source::{
    Batch, Position, archive,
    batching::Origin,
    head::{self, Head},
    journal::Lines,
    lines::Cutter,
};

/// Bytes of one read: what a processor still has in its cache when they are cut into lines. More
/// take longer, and less as well.
const READ_BYTES: usize = 64 * 1024;

/// Takes a batch and the number of stored (compressed) bytes that were read so far.
type Deliver<'a> = &'a mut dyn FnMut(Batch, u64) -> ControlFlow<()>;

/// Reads `planned` on from `from` to its end, or until `deliver` breaks. Each batch comes with
/// the number of stored bytes read so far, of [`Planned::size_bytes`]. The last one is marked as
/// finished, also when it has no lines. A last line without an end is handed out marked as cut.
///
/// `source` is the index that the batches carry, `now` the time they are seen at. A position of
/// another generation is ignored.
///
/// # Errors
///
/// [`ReplayError::Read`] when the input cannot be read, or is an archive that is short or damaged;
/// the lines in front of the damage were handed out.
pub fn read(
    planned: &Planned,
    source: usize,
    from: Option<&Position>,
    now: Timestamp,
    deliver: Deliver<'_>,
) -> Result<ControlFlow<()>, ReplayError> {
    let from = from.filter(|from| from.fingerprint == planned.fingerprint);
    if from.is_some_and(|from| from.finished) {
        return Ok(ControlFlow::Continue(()));
    }
    let (offset, line_count) = from.map_or((0, 0), |from| (from.offset, from.line_count));
    let cutter = Cutter::new(offset, line_count);
    stream(planned, source, cutter, now, deliver).map_err(ReplayError::read(planned.input.path()))
}

fn stream(
    planned: &Planned,
    source: usize,
    cutter: Cutter,
    now: Timestamp,
    deliver: Deliver<'_>,
) -> io::Result<ControlFlow<()>> {
    let fingerprint = planned.fingerprint;
    let Input::File(path) = &planned.input else {
        let head = Head::default();
        let origin = Origin { source, fingerprint, head: &head, anchor: now, now };
        let count = Rc::new(Cell::new(0));
        let input = Counted { inner: io::stdin().lock(), count: Rc::clone(&count) };
        return pump(Lines::new(input), &count, cutter, &origin, deliver);
    };
    let open = || -> io::Result<_> {
        let file = File::open(path)?;
        let compression = head::detect(&file)?;
        let size = file.metadata()?.len();
        Ok((file, compression, size))
    };
    let (file, compression, size) = open()?;
    let head = Head::of_stream(&mut Lines::new(archive::reader(file, compression, size)?))?;
    let origin = Origin { source, fingerprint, head: &head, anchor: planned.modified, now };
    let count = Rc::new(Cell::new(0));
    let (file, compression, size) = open()?;
    let counted = Counted { inner: file, count: Rc::clone(&count) };
    pump(Lines::new(archive::reader(counted, compression, size)?), &count, cutter, &origin, deliver)
}

fn pump(
    mut input: impl Read,
    count: &Cell<u64>,
    mut cutter: Cutter,
    origin: &Origin<'_>,
    deliver: Deliver<'_>,
) -> io::Result<ControlFlow<()>> {
    io::copy(&mut Read::take(&mut input, cutter.offset()), &mut io::sink())?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) => return Ok(last_batch(cutter, count, origin, deliver)),
            Ok(read) => read,
            Err(error) => {
                // What was whole in front of the damage is handed out.
                let rest = cutter.take().map(|cut| deliver(origin.batch(cut), count.get()));
                return rest.filter(ControlFlow::is_break).ok_or(error);
            }
        };
        let flow = cutter.feed(buffer.get(..read).unwrap_or_default(), &mut |cut| {
            deliver(origin.batch(cut), count.get())
        });
        if flow.is_break() {
            return Ok(flow);
        }
    }
}

fn last_batch(
    mut cutter: Cutter,
    count: &Cell<u64>,
    origin: &Origin<'_>,
    deliver: Deliver<'_>,
) -> ControlFlow<()> {
    deliver(Batch { idle: true, ..origin.last(&mut cutter) }, count.get())
}

/// Counts what passes through.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

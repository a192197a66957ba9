//! One compressed generation, from where its plain file was left.
//!
//! An archive is read twice: first to its end, which proves that it is complete and its checksums
//! are right, then for its lines. So nothing comes from an archive that is still being written,
//! or damaged.

use std::{fs::File, io, ops::ControlFlow};

use super::{outbox::Sink, scan::Found};
use crate::source::{
    Fingerprint,
    archive::{self, Compression},
    batching::Origin,
    head::Head,
    lines::{Cut, Cutter},
};

/// A compressed generation whose identity is known.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    pub(super) found: &'a Found,
    pub(super) file: &'a File,
    pub(super) compression: Compression,
    pub(super) fingerprint: Fingerprint,
    pub(super) head: &'a Head,
    /// Half a line at its end counts as a line.
    pub(super) takes_half_line: bool,
}

/// The beginning of what is in an archive.
pub(super) fn head(file: &File, found: &Found, compression: Compression) -> io::Result<Head> {
    Head::of_stream(&mut *rewound(file, found, compression)?)
}

impl Archive<'_> {
    /// Proves the archive, hands out the lines behind its position and marks it as finished.
    pub(super) fn unpack(
        &self,
        buffer: &mut [u8],
        sink: &mut Sink<'_, '_>,
    ) -> io::Result<ControlFlow<()>> {
        let (offset, line_count) =
            sink.positions.get(self.fingerprint).map_or((0, 0), |at| (at.offset, at.line_count));
        let size = self.prove(buffer)?;
        let mut cutter = Cutter::new(offset, line_count);
        if size > offset && self.read(&mut cutter, buffer, sink)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(rest) = cutter.take()
            && self.hand_on(rest, sink).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        Ok(self.finish(cutter, sink))
    }

    fn hand_on(&self, cut: Cut, sink: &mut Sink<'_, '_>) -> ControlFlow<()> {
        sink.take(self.fingerprint, self.head, self.found.modified, cut)
    }

    fn finish(&self, mut cutter: Cutter, sink: &mut Sink<'_, '_>) -> ControlFlow<()> {
        let (fingerprint, head, anchor) = (self.fingerprint, self.head, self.found.modified);
        let origin = Origin { source: sink.source, fingerprint, head, anchor, now: sink.now };
        let last = if self.takes_half_line {
            origin.last(&mut cutter)
        } else {
            origin.mark(origin.position(cutter.offset(), cutter.line_count(), true))
        };
        sink.positions.set(last.position.clone());
        sink.out.push(last)
    }

    /// Reads to the end without looking; the decompressed size.
    fn prove(&self, buffer: &mut [u8]) -> io::Result<u64> {
        let mut stream = rewound(self.file, self.found, self.compression)?;
        let mut size = 0;
        loop {
            match stream.read(buffer)? {
                0 => return Ok(size),
                count => size += count as u64,
            }
        }
    }

    fn read(
        &self,
        cutter: &mut Cutter,
        buffer: &mut [u8],
        sink: &mut Sink<'_, '_>,
    ) -> io::Result<ControlFlow<()>> {
        let mut stream = rewound(self.file, self.found, self.compression)?;
        io::copy(&mut io::Read::take(&mut stream, cutter.offset()), &mut io::sink())?;
        loop {
            let count = stream.read(buffer)?;
            if count == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            let read = buffer.get(..count).unwrap_or_default();
            let flow = cutter.feed(read, &mut |cut| self.hand_on(cut, sink));
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }
}

fn rewound<'a>(
    mut file: &'a File,
    found: &Found,
    compression: Compression,
) -> io::Result<Box<dyn io::Read + 'a>> {
    io::Seek::rewind(&mut file)?;
    archive::reader(file, compression, found.size)
}

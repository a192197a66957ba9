//! Where a replay goes on that was stopped.

use std::{fs::File, io};

use super::{Input, Planned, ReplayError};
use crate::source::{
    Position, archive,
    head::{self, Head, Likeness},
    journal::Lines,
    line_end,
};

/// The positions to go on from, by those that were stored; None when one of the inputs is not what
/// was read then.
///
/// A log that was read to its end and has grown since is read on, from the line that had no end
/// then.
///
/// # Errors
///
/// [`ReplayError::Read`] when an input cannot be read.
pub fn resume(
    planned: &[Planned],
    stored: &[Position],
) -> Result<Option<Vec<Position>>, ReplayError> {
    let mut positions = Vec::new();
    for position in stored {
        let Some(planned) = planned.iter().find(|one| one.fingerprint == position.fingerprint)
        else {
            return Ok(None);
        };
        let Input::File(path) = &planned.input else { return Ok(None) };
        let file = File::open(path).map_err(ReplayError::read(path))?;
        match go_on(planned, &file, position).map_err(ReplayError::read(path))? {
            Some(position) => positions.push(position),
            None => return Ok(None),
        }
    }
    Ok(Some(positions))
}

fn go_on(planned: &Planned, file: &File, stored: &Position) -> io::Result<Option<Position>> {
    let size = file.metadata()?.len();
    let stream = archive::reader(file, head::detect(file)?, size)?;
    let head = Head::of_stream(&mut Lines::new(stream))?;
    let is_short = planned.may_grow && size < stored.offset;
    if is_short || head.compare(&stored.heads) != Likeness::Same {
        return Ok(None);
    }
    let has_grown = planned.may_grow && stored.finished && size > stored.offset;
    if has_grown { reopened(file, stored).map(Some) } else { Ok(Some(stored.clone())) }
}

/// The end of a log was no end.
fn reopened(file: &File, stored: &Position) -> io::Result<Position> {
    let offset = line_end::last(file, stored.offset, &mut vec![0; head::HEAD_BYTES])?;
    let half_lines = u64::from(offset < stored.offset);
    let line_count = stored.line_count.saturating_sub(half_lines);
    Ok(Position { offset, line_count, finished: false, ..stored.clone() })
}

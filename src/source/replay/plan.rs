//! Which files a replay reads, and in which order.

use std::{fs::File, io, path::Path};

use jiff::Timestamp;

use super::{Input, Planned, ReplayError, named::Named};
use crate::source::{
    Compression, Fingerprint, archive,
    head::{self, Head},
    journal::Lines,
};

/// Reads the stamp of a line. The second argument is the reference for stamps without a year.
pub type StampOf<'a> = &'a dyn Fn(&[u8], Timestamp) -> Option<Timestamp>;

/// First lines that are asked for a stamp: Haraka begins its log with some that have none.
const STAMPLESS_LINES: usize = 32;

/// One file before twins are dropped.
struct Candidate {
    planned: Planned,
    head: Head,
}

/// Finds the logs that `patterns` name: files, directories (the files in them), glob patterns,
/// and `-` for standard input. Of files with the same content one is kept, a plain one before a
/// compressed one. The order is that of the first stamps, or of the modification times where
/// there is none; standard input comes last.
///
/// # Errors
///
/// [`ReplayError::Missing`] for a name under which nothing is found,
/// [`ReplayError::Pattern`] for a wrong pattern, [`ReplayError::Unreadable`] when the beginning of a
/// file cannot be read: lines that nobody misses would be missing.
pub fn plan(patterns: &[String], stamp_of: StampOf<'_>) -> Result<Vec<Planned>, ReplayError> {
    let mut candidates = candidates(patterns, stamp_of)?;
    // A stream and a twin that comes first wins, so the plain and larger ones go first.
    let is_packed = |planned: &Planned| planned.compression != Compression::Plain;
    candidates
        .sort_by_key(|one| (is_packed(&one.planned), std::cmp::Reverse(one.planned.size_bytes)));
    let mut planned: Vec<_> =
        without_twins(candidates).into_iter().map(|candidate| candidate.planned).collect();
    planned.sort_by(|one, two| {
        let key = |planned: &Planned| planned.first_stamp.unwrap_or(planned.modified);
        key(one).cmp(&key(two)).then_with(|| two.input.path().cmp(one.input.path()))
    });
    planned.extend(patterns.iter().find(|pattern| *pattern == "-").map(|_| stdin()));
    if planned.is_empty() { Err(ReplayError::Missing(patterns.join(" "))) } else { Ok(planned) }
}

fn stdin() -> Planned {
    Planned {
        input: Input::Stdin,
        fingerprint: Fingerprint::NONE,
        size_bytes: 0,
        compression: Compression::Plain,
        modified: Timestamp::UNIX_EPOCH,
        may_grow: false,
        first_stamp: None,
    }
}

/// The logs among what the patterns name. What is no log is passed over if only a pattern or its
/// directory led to it, as the live source does.
fn candidates(patterns: &[String], stamp_of: StampOf<'_>) -> Result<Vec<Candidate>, ReplayError> {
    let Named { files, mut unreadable } = Named::find(patterns)?;
    let mut candidates = Vec::new();
    for (path, is_own_name) in files {
        match look_at(&path, stamp_of) {
            Ok(candidate) => candidates.push(candidate),
            Err(error) if !is_own_name && is_no_log(&path) => {
                tracing::warn!(path = %path.display(), %error, "A file is passed over");
            }
            Err(error) => unreadable.push((path, error)),
        }
    }
    if unreadable.is_empty() { Ok(candidates) } else { Err(ReplayError::Unreadable(unreadable)) }
}

/// Its content says so, and not the system.
fn is_no_log(path: &Path) -> bool {
    let detected = File::open(path).and_then(|file| head::detect_log(&file));
    detected.is_err_and(|error| error.raw_os_error().is_none())
}

fn look_at(path: &Path, stamp_of: StampOf<'_>) -> io::Result<Candidate> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let compression = head::detect_log(&file)?;
    let stream = archive::reader(&file, compression, metadata.len())?;
    let mut lines = Lines::new(stream);
    let head = Head::of_stream(&mut lines)?;
    let may_grow = compression == Compression::Plain && lines.is_text();
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let modified = modified.unwrap_or(Timestamp::UNIX_EPOCH);
    let mut lines = head.bytes.split(|&byte| byte == b'\n').take(STAMPLESS_LINES);
    let planned = Planned {
        input: Input::File(path.to_owned()),
        fingerprint: head.final_fingerprint(0).unwrap_or(Fingerprint::NONE),
        size_bytes: metadata.len(),
        compression,
        modified,
        may_grow,
        first_stamp: lines.find_map(|line| stamp_of(line, modified)),
    };
    Ok(Candidate { planned, head })
}

/// Drops files whose content is in an earlier one; gives different files with the same first
/// line different fingerprints.
fn without_twins(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for mut candidate in candidates {
        let first = candidate.head.final_fingerprint(0);
        let mut alike = kept.iter().filter(|other| other.head.final_fingerprint(0) == first);
        if first.is_some() && alike.clone().any(|other| other.head.agrees_with(&candidate.head)) {
            tracing::debug!(path = %candidate.planned.input.path().display(), "A twin is left out");
            continue;
        }
        let slot = alike.by_ref().count();
        let fingerprint = candidate.head.final_fingerprint(u8::try_from(slot).unwrap_or(u8::MAX));
        candidate.planned.fingerprint = fingerprint.unwrap_or(Fingerprint::NONE);
        kept.push(candidate);
    }
    kept
}

//! Lists what the patterns match. Looks at no content.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Component, Path, PathBuf},
};

use glob::{GlobResult, Pattern};
use jiff::Timestamp;
use rustix::fs::OFlags;

use super::{SourceError, age, complaints::Seen};

/// Names that editors and copying programs use for what is not yet or no longer a log.
const PASSED_OVER: [&str; 3] = [".swp", ".tmp", "~"];

/// What makes a pattern more than a path.
const WILDCARDS: [char; 3] = ['*', '?', '['];

/// A file as the file system knows it. Only valid while somebody holds it open: inode numbers
/// are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// A file at one moment: while all of this is equal, its content is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    id: FileId,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Who may read a file: its mode and owners.
pub(super) type Access = (u32, u32, u32);

/// One matching file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) version: Version,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    /// Orders the generations.
    pub(super) order: Timestamp,
    pub(super) access: Access,
}

/// What some patterns match.
#[derive(Debug)]
pub struct Matches {
    /// The logs, the one that was written to last at the end.
    pub files: Vec<PathBuf>,
    /// What may not be looked at.
    pub failures: Vec<(PathBuf, io::Error)>,
}

/// Everything the patterns match.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Oldest first, each file once.
    pub(super) files: Vec<Found>,
    /// What could not be looked at.
    pub(super) failures: Vec<(PathBuf, io::Error)>,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Version {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Checks the patterns.
///
/// # Errors
///
/// [`SourceError::Pattern`] for the first that is wrong.
pub(super) fn check(patterns: &[String]) -> Result<(), SourceError> {
    for pattern in patterns {
        Pattern::new(pattern)
            .map_err(|error| SourceError::Pattern { pattern: pattern.clone(), error })?;
    }
    Ok(())
}

/// Lists the regular files that match `patterns`; links are followed.
pub(super) fn list(patterns: &[String]) -> Listing {
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    for entry in patterns.iter().flat_map(|pattern| matches(pattern)) {
        match entry {
            Ok(path) if is_passed_over(&path) => {}
            Ok(path) => match std::fs::metadata(&path) {
                Ok(metadata) if !metadata.is_file() || !seen.insert(FileId::of(&metadata)) => {}
                Ok(metadata) => listing.files.push(Found::new(path, &metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => listing.failures.push((path, error)),
            },
            Err(error) => listing.failures.push((error.path().to_owned(), error.into())),
        }
    }
    age::sort(&mut listing.files);
    listing
}

/// Does this name say that another of the files took its place? Rotations append a number or a date
/// to the name of the live file: `.1`, `-20261121`, `.20261121-120000`.
pub(super) fn is_rotated(path: &Path, files: &[Found]) -> bool {
    let name = path.as_os_str().as_bytes();
    let appended = files.iter().filter_map(|it| name.strip_prefix(it.path.as_os_str().as_bytes()));
    let is_of_rotation = |suffix: &[u8]| {
        suffix.iter().any(u8::is_ascii_digit)
            && suffix.iter().all(|byte| byte.is_ascii_digit() || b".-_".contains(byte))
            && !suffix.first().is_some_and(u8::is_ascii_digit)
    };
    appended.into_iter().any(is_of_rotation)
}

/// The logs that `patterns` match now, as a source with them sees them.
#[must_use]
pub fn matching(patterns: &[String]) -> Matches {
    let Listing { files, failures } = list(patterns);
    Matches { files: files.into_iter().map(|found| found.path).collect(), failures }
}

/// The paths that a pattern matches. One without wildcards is always its own match: `glob` would
/// take a directory that may not be entered for an empty one.
fn matches(pattern: &str) -> Vec<GlobResult> {
    if pattern.contains(WILDCARDS) {
        glob::glob(pattern).into_iter().flatten().collect()
    } else {
        vec![Ok(PathBuf::from(pattern))]
    }
}

/// Opens a file for reading; never waits, even if it has become a pipe meanwhile.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// The directories in which something about these files can change: where the patterns look, and
/// where links lead.
pub(super) fn directories(patterns: &[String], files: &[Found]) -> BTreeSet<PathBuf> {
    let mut directories: BTreeSet<PathBuf> =
        patterns.iter().filter_map(|pattern| base_of(Path::new(pattern))).collect();
    for file in files {
        directories.extend(file.path.parent().map(Path::to_owned));
        let target = file.path.canonicalize();
        directories.extend(target.iter().filter_map(|target| target.parent().map(Path::to_owned)));
    }
    directories
}

/// The deepest existing directory that a pattern names without wildcards.
fn base_of(pattern: &Path) -> Option<PathBuf> {
    let is_literal = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(WILDCARDS);
    let literal: PathBuf = pattern.parent()?.components().take_while(is_literal).collect();
    let here = || Path::new(".").to_owned();
    let base = literal.ancestors().find(|base| base.is_dir()).map(Path::to_owned);
    if literal.is_relative() { base.or_else(|| Some(here())) } else { base }
}

impl Found {
    /// What it is to be told by while it is in trouble.
    pub(super) fn seen(&self) -> Seen {
        (self.id, self.access)
    }

    pub(super) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = modified(metadata);
        Self {
            path,
            id: FileId::of(metadata),
            version: Version::of(metadata),
            size: metadata.len(),
            modified,
            order: modified,
            access: (metadata.mode(), metadata.uid(), metadata.gid()),
        }
    }
}

/// The modification time.
pub(super) fn modified(metadata: &Metadata) -> Timestamp {
    let nanoseconds = i32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Timestamp::new(metadata.mtime(), nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Its name says that it is not yet or no longer a log.
pub(crate) fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    PASSED_OVER.iter().any(|end| name.ends_with(end.as_bytes()))
}

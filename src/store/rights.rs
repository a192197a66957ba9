//! Whether the user of this process may use a state directory, found out without changing it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{lock, marks, open::DATABASE};

/// The first thing in a state directory that the daemon reads and writes, and this user may not.
#[must_use]
pub fn first_closed(dir: &Path) -> Option<(PathBuf, io::Error)> {
    let closed = |path: PathBuf| may_write(&path).err().map(|error| (path, error));
    closed(dir.to_owned()).or_else(|| files(dir).into_iter().find_map(closed))
}

/// May this user make and change what is there?
///
/// # Errors
/// When not: why.
pub fn may_write(path: &Path) -> io::Result<()> {
    let enter = if path.is_dir() { Access::EXEC_OK } else { Access::empty() };
    match access(path, Access::READ_OK | Access::WRITE_OK | enter) {
        // A daemon that runs makes and deletes files.
        Err(rustix::io::Errno::NOENT) => Ok(()),
        result => Ok(result?),
    }
}

/// What is opened for writing. All else is replaced, which the directory decides about.
fn files(dir: &Path) -> Vec<PathBuf> {
    let name = marks::current(dir).ok().flatten();
    let database = dir.join(name.as_deref().unwrap_or(DATABASE));
    let inside = fs::read_dir(&database).into_iter().flatten().flatten().map(|entry| entry.path());
    let inside: Vec<_> = inside.collect();
    [dir.join(lock::FILE), database].into_iter().chain(inside).collect()
}

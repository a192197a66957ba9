//! Says what cannot be read, once for each change.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

/// What was last said, for each path.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<PathBuf, io::ErrorKind>);

impl Complaints {
    /// The value, or a complaint and None.
    pub(super) fn noted<T>(
        &mut self,
        source: &str,
        path: &Path,
        result: io::Result<T>,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                if self.0.remove(path).is_some() {
                    tracing::info!(source, path = %path.display(), "A log can be read again");
                }
                Some(value)
            }
            Err(error) => {
                self.complain(source, path, &error);
                None
            }
        }
    }

    /// Complains unless the same was said last.
    pub(super) fn complain(&mut self, source: &str, path: &Path, error: &io::Error) {
        if self.0.insert(path.to_owned(), error.kind()) != Some(error.kind()) {
            tracing::warn!(source, path = %path.display(), %error, "A log cannot be read now");
        }
    }

    /// Forgets paths under which nothing is any more.
    pub(super) fn forget_the_gone(&mut self) {
        self.0.retain(|path, _| path.symlink_metadata().is_ok());
    }
}

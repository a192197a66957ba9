//! The files that a replay is given, by name, by pattern or in a directory.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use glob::{GlobResult, Pattern};

use super::ReplayError;
use crate::source::file::is_passed_over;

/// What some names and patterns stand for.
#[derive(Default)]
pub(super) struct Named {
    /// Each file once, and whether it was given by its own name.
    pub(super) files: BTreeMap<PathBuf, bool>,
    /// What may not be looked at.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

impl Named {
    /// Finds them.
    pub(super) fn find(patterns: &[String]) -> Result<Self, ReplayError> {
        let mut named = Self::default();
        for pattern in patterns.iter().filter(|pattern| *pattern != "-") {
            if !named.add(pattern)? {
                return Err(ReplayError::Missing(pattern.clone()));
            }
        }
        Ok(named)
    }

    /// False when nothing is there.
    fn add(&mut self, pattern: &str) -> Result<bool, ReplayError> {
        let path = Path::new(pattern);
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return self.add_matches(&all_in(path)),
            Ok(_) => drop(self.files.insert(path.to_owned(), true)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.unreadable.push((path.to_owned(), error));
            }
            Err(_) => return self.add_matches(pattern),
        }
        Ok(true)
    }

    fn add_matches(&mut self, pattern: &str) -> Result<bool, ReplayError> {
        let matches = glob::glob(pattern)
            .map_err(|error| ReplayError::Pattern { pattern: pattern.to_owned(), error })?;
        Ok(matches.map(|found| self.add_match(found)).filter(|is_file| *is_file).count() > 0)
    }

    /// True for a file, and for what may be one.
    fn add_match(&mut self, found: GlobResult) -> bool {
        let looked_at = found
            .map_err(|error| (error.path().to_owned(), error.into()))
            .and_then(|path| path.metadata().map(|it| (path.clone(), it)).map_err(|it| (path, it)));
        match looked_at {
            Ok((path, metadata)) if metadata.is_file() && !is_passed_over(&path) => {
                self.files.entry(path).or_insert(false);
                true
            }
            // A link that leads nowhere, or a file that is gone by now.
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => false,
            Ok(_) => false,
            Err(unreadable) => {
                self.unreadable.push(unreadable);
                true
            }
        }
    }
}

/// The pattern of everything in a directory.
fn all_in(directory: &Path) -> String {
    let all = Path::new(&Pattern::escape(&directory.to_string_lossy())).join("*");
    all.to_string_lossy().into_owned()
}

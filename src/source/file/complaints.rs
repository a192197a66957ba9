//! Says what cannot be read, once for each change, and spaces out what is tried again.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::scan::{Access, FileId, Found};

/// Wait before the first time that something is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Each wait is twice the one before it, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What was last said, for each path.
#[derive(Debug)]
pub(super) struct Complaints {
    /// Name of the source.
    source: String,
    troubles: HashMap<PathBuf, Trouble>,
}

/// A file that is in trouble, and who might read it.
pub(super) type Seen = (FileId, Access);

#[derive(Debug)]
struct Trouble {
    kind: io::ErrorKind,
    /// None when not even that can be seen.
    seen: Option<Seen>,
    /// The system refused it, and may allow it later. Content is bad until the file changes.
    is_refused: bool,
    tried_at: Timestamp,
    wait: Duration,
}

impl Complaints {
    /// Nothing to complain about yet.
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), troubles: HashMap::new() }
    }

    /// The value, or a complaint and None.
    pub(super) fn noted<T>(
        &mut self,
        path: &Path,
        seen: Seen,
        now: Timestamp,
        result: io::Result<T>,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                if self.troubles.remove(path).is_some() {
                    let path = path.display();
                    tracing::info!(source = self.source, %path, "A log can be read again");
                }
                Some(value)
            }
            Err(error) => {
                self.complain(path, Some(seen), now, &error);
                None
            }
        }
    }

    /// Complains unless the same was said last.
    pub(super) fn complain(
        &mut self,
        path: &Path,
        seen: Option<Seen>,
        now: Timestamp,
        error: &io::Error,
    ) {
        let kind = error.kind();
        let before = self.troubles.get(path);
        if before.is_none_or(|before| before.kind != kind) {
            let path = path.display();
            tracing::warn!(source = self.source, %path, %error, "A log cannot be read now");
        }
        let is_refused = error.raw_os_error().is_some();
        let (tried_at, wait) = before.map_or((now, FIRST_WAIT), |before| before.next_try(now));
        let trouble = Trouble { kind, seen, is_refused, tried_at, wait };
        self.troubles.insert(path.to_owned(), trouble);
    }

    /// It is too early to try this file again. Another file in its place, and one whose owner or
    /// mode changed, are tried at once.
    pub(super) fn must_wait(&self, found: &Found, now: Timestamp) -> bool {
        let is_same = |trouble: &&Trouble| trouble.seen == Some(found.seen());
        let trouble = self.troubles.get(&found.path).filter(is_same);
        trouble.is_some_and(|trouble| trouble.is_refused && !trouble.is_due(now))
    }

    /// Files that the system refuses now.
    pub(super) fn refused(&self) -> usize {
        self.troubles.values().filter(|trouble| trouble.is_refused).count()
    }

    /// Something is to be tried again.
    pub(super) fn retry_is_due(&self, now: Timestamp) -> bool {
        self.troubles.values().any(|trouble| trouble.is_due(now))
    }

    /// What was due has been tried: the next time comes later.
    pub(super) fn tried(&mut self, now: Timestamp) {
        for trouble in self.troubles.values_mut() {
            (trouble.tried_at, trouble.wait) = trouble.next_try(now);
        }
    }

    /// Forgets paths under which nothing is any more.
    pub(super) fn forget_the_gone(&mut self) {
        let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        self.troubles.retain(|path, _| !path.symlink_metadata().is_err_and(is_gone));
    }
}

impl Trouble {
    /// From when on it waits, and how long: anew and longer if it was due.
    fn next_try(&self, now: Timestamp) -> (Timestamp, Duration) {
        if self.is_due(now) {
            (now, (self.wait * 2).min(LONGEST_WAIT))
        } else {
            (self.tried_at, self.wait)
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        // The clock may have stepped back.
        let is_over =
            now < self.tried_at || now.duration_since(self.tried_at).unsigned_abs() >= self.wait;
        self.is_refused && is_over
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn refusal() -> io::Error {
        io::Error::from_raw_os_error(13)
    }

    fn found() -> Found {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mail.log");
        std::fs::write(&path, "").unwrap();
        Found::new(path.clone(), &path.metadata().unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The seconds in which a file that is refused for ever is tried.
    fn tries(
        complaints: &mut Complaints,
        found: &Found,
        seconds: std::ops::Range<i64>,
    ) -> Vec<i64> {
        let try_at = |&second: &i64| {
            let is_tried = !complaints.must_wait(found, at(second));
            if is_tried {
                complaints.complain(&found.path, Some(found.seen()), at(second), &refusal());
            }
            complaints.tried(at(second));
            is_tried
        };
        seconds.filter(try_at).collect()
    }

    #[test]
    fn row_12_a_file_that_is_refused_is_tried_ever_less_often_and_never_given_up() {
        let (mut complaints, found) = (Complaints::new("test"), found());
        assert_eq!(tries(&mut complaints, &found, 0..130), [0, 1, 3, 7, 15, 31, 61, 91, 121]);
    }

    #[test]
    fn row_12_a_change_of_mode_and_another_file_are_tried_at_once() {
        let (mut complaints, mut found) = (Complaints::new("test"), found());
        tries(&mut complaints, &found, 0..100);
        assert!(complaints.must_wait(&found, at(100)));
        found.access.0 ^= 0o444;
        assert!(!complaints.must_wait(&found, at(100)));
        assert!(complaints.noted(&found.path, found.seen(), at(100), Ok(())).is_some());
        assert_eq!(tries(&mut complaints, &found, 101..105), [101, 102, 104], "it begins anew");
    }

    #[test]
    fn row_23_a_clock_that_steps_back_puts_no_try_off() {
        let (mut complaints, found) = (Complaints::new("test"), found());
        complaints.complain(&found.path, Some(found.seen()), at(10_000), &refusal());
        assert!(!complaints.must_wait(&found, at(5_000)));
        assert!(complaints.retry_is_due(at(5_000)));
    }
}

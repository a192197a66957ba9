//! Opens the store, with all that may come of it.

use std::{
    fs::{self, DirEntry},
    io,
    path::Path,
    process::Command,
};

use rustix::process::{Signal, set_parent_process_death_signal};

use super::{AppError, service};
use crate::{
    clock::Clock,
    config::{Config, Source, SourceKind},
    store::{Loss, Recovered, Store},
    writer::positions,
};

/// The command that opens the store before us when the last process ended badly.
pub const TRY_STORE: &str = "try-store";

/// Opens the store, saying where it is and what was lost, if anything was.
pub(super) fn open_store(state_dir: &Path, clock: &dyn Clock) -> Result<Store, AppError> {
    service::opening(bytes_below(state_dir));
    let Recovered { store, loss } = Store::recover(state_dir, clock.now(), || trial(state_dir))?;
    match loss {
        None => tracing::debug!(path = %state_dir.display(), "store is open"),
        Some(Loss::Commits { count }) => tracing::error!(
            commits = count,
            "the store has lost its last commits; what the logs still hold is read again"
        ),
        Some(Loss::Everything { aside, why }) => tracing::error!(
            why,
            aside = %aside.display(),
            "the store was damaged beyond repair and is begun anew; what waited for a retry is in it"
        ),
    }
    Ok(store)
}

/// Bytes of the files in a directory and those below it; what cannot be looked at has none.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let bytes = |entry: DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// Opens the store in this process, which may die of it: nothing else is at stake here.
///
/// # Errors
/// When it cannot be opened, or holds what cannot be read.
pub fn try_store(state_dir: &Path) -> Result<(), AppError> {
    // A caller that is killed does not leave us behind with the store.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| AppError::system("follow the caller")(error.into()))?;
    Ok(Store::try_out(state_dir)?)
}

fn trial(state_dir: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(TRY_STORE).arg(state_dir);
    Ok(command)
}

/// The sources as they are to start. After the store was lost, those that have not begun anew begin
/// by the rule for that case; once all have, it is forgotten.
pub(super) fn sources(config: &Config, store: &Store) -> Result<Vec<Source>, AppError> {
    let mut sources = config.sources.clone();
    if !store.has_begun_anew()? {
        return Ok(sources);
    }
    let mut all_begun = true;
    for source in &mut sources {
        let is_file = matches!(source.kind, SourceKind::File(_));
        if is_file && positions(store, &source.name)?.is_empty() {
            all_begun = false;
            source.start = config.store.on_loss;
            let (source, start) = (&source.name, source.start);
            tracing::warn!(source, ?start, "a source begins anew because the store was lost");
        }
    }
    if all_begun {
        store.settle()?;
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::time::Duration;

    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::*;
    use crate::config::{FileSource, Mail, Mta, Start, StoreSettings};

    fn config(dir: &Path) -> Config {
        let file = SourceKind::File(FileSource {
            include: vec!["/var/log/mail.log".into()],
            ..FileSource::default()
        });
        let source = |name: &str, kind| Source {
            name: name.into(),
            mta: Mta::Auto,
            start: Start::End,
            silence: None,
            kind,
        };
        Config {
            state_dir: dir.to_owned(),
            sources: vec![source("a", file), source("in", SourceKind::Stdin)],
            store: StoreSettings::default(),
            egress: crate::egress::Policy::default(),
            api: None,
            reports: crate::config::Reports::default(),
            sealing: crate::secret::Sealing::default(),
            mail: Mail::default(),
            webhooks: Vec::new(),
            concurrency: 1,
        }
    }

    fn starts(config: &Config, store: &Store) -> Vec<Start> {
        sources(config, store).unwrap().iter().map(|source| source.start).collect()
    }

    #[test]
    fn row_31_after_a_loss_files_begin_by_its_rule_until_they_have_begun_however_often_it_is_started()
     {
        let dir = TempDir::new().unwrap();
        let mut config = config(dir.path());
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(starts(&config, &store), [Start::End, Start::End], "nothing is lost");
        drop(store);
        std::fs::write(dir.path().join("store/db"), b"").unwrap();
        let trial = || Err(io::Error::from(io::ErrorKind::Unsupported));
        drop(Store::recover(dir.path(), Timestamp::UNIX_EPOCH, trial).unwrap());
        let since = Start::Since(Duration::from_hours(24));
        for _ in 0..2 {
            let store = Store::open(dir.path()).unwrap();
            assert_eq!(starts(&config, &store), [since, Start::End]);
        }
        let store = Store::open(dir.path()).unwrap();
        config.sources.remove(0);
        assert_eq!(starts(&config, &store), [Start::End], "all that can begin has begun");
        assert!(!store.has_begun_anew().unwrap());
    }
}

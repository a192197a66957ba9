//! The state directory: may we write, who has the store, is there room?

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Finding;
use crate::{
    config::Config,
    store::{self, Space},
};

/// Looks at the state directory, or at where it will be made.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let dir = &config.state_dir;
    let mut findings = vec![rights(dir)];
    findings.extend(user(dir));
    let min_free = config.store.min_free;
    findings.extend(nearest(dir).map(|there| room(dir, &there, min_free)));
    findings
}

/// Itself, or the nearest directory above that exists.
fn nearest(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

fn rights(dir: &Path) -> Finding {
    let name = dir.display();
    match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => making(dir),
        Err(error) => Finding::bad(name, format!("cannot be looked at: {error}"))
            .mended_by(format!("namei -l {}", dir.display())),
        Ok(metadata) if !metadata.is_dir() => Finding::bad(name, "is no directory")
            .mended_by("name another one: state_dir in the configuration"),
        Ok(metadata) => writing(dir, metadata.permissions().mode()),
    }
}

/// One that is not there yet.
fn making(dir: &Path) -> Finding {
    let Some(above) = nearest(dir) else {
        return Finding::bad(dir.display(), "cannot be made: no directory above it is there");
    };
    match store::may_write(&above) {
        Ok(()) => Finding::good(dir.display(), "is not there yet; the first start makes it"),
        Err(error) => {
            let message = format!("cannot be made by this user in {}: {error}", above.display());
            let mend = format!("install -d -m 0700 -o mailherald {}", dir.display());
            Finding::bad(dir.display(), message).mended_by(mend)
        }
    }
}

fn writing(dir: &Path, mode: u32) -> Finding {
    if let Some((path, error)) = store::first_closed(dir) {
        let message = format!("cannot be written to by this user: {error}");
        return Finding::bad(path.display(), message).mended_by(way_in(dir, &error));
    }
    if mode & 0o077 != 0 {
        let message = "holds secrets and mail addresses, and others may look into it";
        let finding = Finding::warning(dir.display(), message);
        return finding.mended_by(format!("chmod 0700 {}", dir.display()));
    }
    Finding::good(dir.display(), "can be written to, and is closed to others")
}

fn way_in(dir: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => format!("findmnt --target {}", dir.display()),
        _ => format!("chown -R mailherald: {}", dir.display()),
    }
}

/// Who has the store. What cannot be looked at is told by [`rights`].
fn user(dir: &Path) -> Option<Finding> {
    let message = if store::is_in_use(dir).ok()? {
        "is in use now, as it is while the daemon runs"
    } else {
        "is not in use now"
    };
    dir.is_dir().then(|| Finding::good(dir.display(), message))
}

fn room(dir: &Path, there: &Path, min_free: Option<u64>) -> Finding {
    let name = dir.display().to_string();
    let space = match Space::of(there) {
        Ok(space) => space,
        Err(error) => return Finding::warning(name, format!("its file system: {error}")),
    };
    let needed = min_free.unwrap_or_else(|| space.min_free());
    let free = format!("{} MiB are free on its file system", space.free >> 20);
    if space.free < needed {
        let message = format!("{free}, and below {} MiB nothing is read", needed >> 20);
        return Finding::bad(name, message).mended_by(format!("df -h {}", there.display()));
    }
    Finding::good(name, free)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;
    use crate::{app::doctor::State, store::Store};

    #[test]
    fn a_directory_that_others_may_look_into_is_a_warning() {
        let dir = TempDir::new().unwrap();
        for (mode, expected) in [(0o700, State::Good), (0o755, State::Warning)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(rights(dir.path()).state, expected, "{mode:o}");
        }
        assert_eq!(rights(&dir.path().join("later")).state, State::Good);
    }

    #[test]
    fn a_file_in_its_place_is_bad() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("state");
        fs::write(&file, "").unwrap();
        assert_eq!(rights(&file).state, State::Bad);
        assert_eq!(rights(&file.join("below")).state, State::Bad);
    }

    #[test]
    fn who_has_the_store_is_said_and_not_disturbed() {
        let dir = TempDir::new().unwrap();
        let said = || user(dir.path()).unwrap().message;
        assert_eq!(said(), "is not in use now");
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(said(), "is in use now, as it is while the daemon runs");
        drop(store);
        assert_eq!(said(), "is not in use now");
        assert!(user(&dir.path().join("later")).is_none());
        Store::open(dir.path()).unwrap();
    }

    #[test]
    fn too_little_room_is_bad_before_the_directory_exists() {
        let dir = TempDir::new().unwrap();
        let later = dir.path().join("a/b");
        let there = nearest(&later).unwrap();
        assert_eq!(there, dir.path());
        assert_eq!(room(&later, &there, Some(0)).state, State::Good);
        assert_eq!(room(&later, &there, Some(u64::MAX)).state, State::Bad);
    }
}

//! The state directory: is there room, may we write, who has the store?

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Finding;
use crate::{config::Config, store::Space};

/// Looks at the state directory, or at where it will be made.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let dir = &config.state_dir;
    let mut findings = vec![rights(dir)];
    let min_free = config.store.min_free;
    findings.extend(nearest(dir).map(|there| room(dir, &there, min_free)));
    findings
}

/// Itself, or the nearest directory above that exists.
fn nearest(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

fn rights(dir: &Path) -> Finding {
    let name = dir.display().to_string();
    match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::good(name, "is not there yet; the first start makes it")
        }
        Err(error) => Finding::bad(name, format!("cannot be looked at: {error}")),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            Finding::warning(name, "holds secrets and mail addresses, and others may look into it")
                .mended_by(format!("chmod 0700 {}", dir.display()))
        }
        Ok(_) => Finding::good(name, "is closed to others"),
    }
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
    use crate::app::doctor::State;

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
    fn too_little_room_is_bad_before_the_directory_exists() {
        let dir = TempDir::new().unwrap();
        let later = dir.path().join("a/b");
        let there = nearest(&later).unwrap();
        assert_eq!(there, dir.path());
        assert_eq!(room(&later, &there, Some(0)).state, State::Good);
        assert_eq!(room(&later, &there, Some(u64::MAX)).state, State::Bad);
    }
}

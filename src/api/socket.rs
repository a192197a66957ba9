//! The unix socket in the state directory.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

/// Name of the socket in the state directory.
const NAME: &str = "api.sock";

/// Where the daemon with that state directory listens.
#[must_use]
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// Listens in the state directory, readable and writable by its owner only. Whoever calls holds the
/// lock of the directory, so a socket that is there already is a dead process's.
///
/// # Errors
/// When the system refuses it. A path of more than 107 bytes is too long for a socket.
pub fn listen(state_dir: &Path) -> io::Result<UnixListener> {
    listen_at(&path(state_dir), 0o600)
}

/// Listens at a path that nobody else listens at, with that mode.
///
/// # Errors
/// As [`listen`].
pub fn listen_at(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_dead_process_s_socket_is_replaced_and_only_the_owner_may_connect() {
        let dir = tempfile::tempdir().unwrap();
        drop(listen(dir.path()).unwrap());
        assert!(path(dir.path()).exists());
        let _listener = listen(dir.path()).unwrap();
        let mode = fs::metadata(path(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

//! The key by which this host hashes addresses for webhooks with `privacy = "hash"`.
//!
//! Made once and kept in the state directory, so that an address has the same hash for as long as
//! the directory lives. It is in nobody else's hands: who knows a webhook's secret still cannot try
//! out addresses.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::selection::HashKey;

const FILE: &str = "privacy.key";

/// The key of this state directory; made first, when there is none.
pub(crate) fn kept(state_dir: &Path) -> io::Result<HashKey> {
    match fs::read(state_dir.join(FILE)) {
        Ok(bytes) => {
            let whole = bytes.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
            Ok(HashKey(whole))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(state_dir),
        Err(error) => Err(error),
    }
}

/// Complete and durable before it has its name. Only its owner can read it.
fn make_key(state_dir: &Path) -> io::Result<HashKey> {
    let key = HashKey::generate();
    let mut file = tempfile::NamedTempFile::new_in(state_dir)?;
    file.write_all(&key.0)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(state_dir.join(FILE)).map_err(|error| error.error)?;
    File::open(state_dir)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_a_damaged_one_is_not_replaced() {
        let dir = TempDir::new().unwrap();
        let made = kept(dir.path()).unwrap();
        assert!(kept(dir.path()).unwrap() == made);
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert_eq!(kept(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

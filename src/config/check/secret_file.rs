//! Files that hold one secret.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::config::{problem::Problems, value::At};

/// Bytes of a secret file. A secret has at most 256, so more is another file.
const BYTES: u64 = 1024;

/// What a secret file held.
pub(crate) struct SecretText {
    /// The secret, without white space around it.
    pub(crate) text: String,
    /// Its mode lets every user of the host read it.
    pub(crate) readable_by_others: bool,
}

/// Why a secret file gives no secret.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It could not be read.
    #[error("cannot be read: {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too long, or not text.
    #[error("is not a secret file: {path} holds more than one line of text")]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// Neither absolute nor the name of a credential.
    #[error("must be an absolute path or the name of a systemd credential")]
    Relative,
    /// A credential was named, but the service manager gave none.
    #[error("is the name of a credential, but CREDENTIALS_DIRECTORY is not set")]
    NoCredentials,
}

/// The file that `secret_file` means: an absolute path, or a credential that the service manager
/// laid into `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
pub(in crate::config) fn locate(value: &str) -> Result<PathBuf, SecretFileError> {
    let path = Path::new(value);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    if value.is_empty() || value == ".." || value == "." || value.contains('/') {
        return Err(SecretFileError::Relative);
    }
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    directory
        .map(|directory| Path::new(&directory).join(path))
        .ok_or(SecretFileError::NoCredentials)
}

/// Reads a secret file.
pub(crate) fn read(path: &Path) -> Result<SecretText, SecretFileError> {
    let failed = |source| SecretFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    match text {
        Some(text) if text.len() as u64 <= BYTES && !text.contains('\n') => {
            Ok(SecretText { text, readable_by_others: mode & 0o007 != 0 })
        }
        _ => Err(SecretFileError::Content { path: path.to_owned() }),
    }
}

/// The text of the file that `key` names; says what is wrong with it, and when others can read it.
pub(super) fn text(file: &At<String>, key: &str, problems: &mut Problems<'_>) -> Option<String> {
    match locate(&file.value).and_then(|path| read(&path)) {
        Ok(found) => {
            if found.readable_by_others {
                warn_of_readers(file, key, problems);
            }
            Some(found.text)
        }
        Err(error) => {
            problems.error(&file.span, key, error.to_string());
            None
        }
    }
}

/// Every user of the host may read the file that `key` names.
pub(super) fn warn_of_readers(file: &At<String>, key: &str, problems: &mut Problems<'_>) {
    problems
        .warn(&file.span, key, "can be read by every user of this host")
        .hint(format!("chmod o-rwx {}", file.value));
}

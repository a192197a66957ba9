//! A file in, a checked configuration or everything that is wrong with it out.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    check,
    checked::Config,
    problem::{Problem, Problems},
    raw,
};

/// Bytes of a configuration file; hundreds of webhooks fit.
const FILE_BYTES: u64 = 1024 * 1024;

/// What a configuration is read for, which decides what has to be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Everything; without a source there is nothing to do.
    Daemon,
    /// As for the daemon, to be told what is odd. Logs that do not exist are, which the daemon
    /// notices and says by itself.
    Check,
    /// Old logs are sent to the webhooks: `[[source]]` may be missing.
    Replay,
    /// Old logs are only read: `[[source]]` and `[[webhook]]` are left out of the result, so that
    /// nobody needs the right to read a secret for it.
    DryRun,
}

/// A configuration that can be worked with.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read, and is wrong.
    #[error("use the configuration {path}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// At least one error; warnings, too. In the order of the file.
        problems: Vec<Problem>,
    },
}

/// Reads and checks the file at `path`. Unknown keys and wrong types are errors for every purpose.
///
/// # Errors
/// When it cannot be read, or holds an error.
pub fn load(path: &Path, purpose: Purpose) -> Result<Loaded, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB")));
    }
    check_bytes(&bytes, purpose, mode & 0o007 != 0)
        .map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
}

fn check_bytes(
    bytes: &[u8],
    purpose: Purpose,
    readable_by_others: bool,
) -> Result<Loaded, Vec<Problem>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => check_text(text, purpose, readable_by_others),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            // A space behind the valid text, so that the place of the first wrong byte exists.
            let text = format!("{} ", String::from_utf8_lossy(valid));
            let mut problems = Problems::new(&text);
            let end = text.len().saturating_sub(1);
            problems.error(&(end..end), "", "is not UTF-8 text");
            Err(problems.into_sorted())
        }
    }
}

/// Checks a text. `readable_by_others`: the file that holds it is, so that a secret in it is
/// worth a warning.
pub(super) fn check_text(
    text: &str,
    purpose: Purpose,
    readable_by_others: bool,
) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let raw = raw::read(text, &mut problems);
    if readable_by_others {
        warn_of_readable_secrets(&raw, &mut problems);
    }
    let config = check::check(raw, purpose, &mut problems);
    let problems = problems.into_sorted();
    match config {
        Some(config) => Ok(Loaded { config, warnings: problems }),
        None => Err(problems),
    }
}

fn warn_of_readable_secrets(raw: &raw::RawConfig, problems: &mut Problems<'_>) {
    const WHY: &str = "every user of this host can read this file";
    let webhooks = raw.webhook.iter().flat_map(|list| &list.value).map(|webhook| &webhook.value);
    for webhook in webhooks {
        if let Some(secret) = &webhook.secret {
            problems
                .warn(&secret.span, "webhook.secret", WHY)
                .hint("chmod o-rwx the file, or use secret_file");
        }
        let headers = webhook.headers.iter().flat_map(|headers| &headers.value.0);
        for (_, value) in headers.filter(|(name, _)| is_telling(&name.value)) {
            problems.warn(&value.span, "webhook.headers", WHY).hint("chmod o-rwx the file");
        }
        if let Some(proxy) = webhook.proxy.as_ref().filter(|proxy| proxy.value.contains('@')) {
            problems.warn(&proxy.span, "webhook.proxy", WHY).hint("chmod o-rwx the file");
        }
    }
}

/// A header of this name has a secret for its value.
fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "key", "secret", "token"].iter().any(|part| name.contains(part))
}

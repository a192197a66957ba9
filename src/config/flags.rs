//! A configuration from the flags of `run`, for a host without a file.
//!
//! The secret, when none is given, is made once for each URL and kept in the state directory, so
//! that a restart signs with the same one.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    check::{self, SecretFileError},
    checked::Config,
    load::{Loaded, Purpose},
    problem::{Problem, Problems},
    raw::{RawApi, RawConfig, RawSource, RawWebhook},
    value::At,
};
use crate::{
    profile::Profile,
    secret::{Secret, SecretError},
};

/// What the operator typed.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--log`: live log files. Their rotated generations are found beside them.
    pub logs: Vec<PathBuf>,
    /// `--webhook`: where to POST.
    pub webhook: String,
    /// `--secret-file`; a secret is made when it is not given.
    pub secret_file: Option<PathBuf>,
    /// `--profile`; `standard` when it is not given.
    pub profile: Option<String>,
    /// `--state`; the default of `state_dir` when it is not given.
    pub state: Option<PathBuf>,
}

/// A configuration from flags.
#[derive(Debug, Clone)]
pub struct FromFlags {
    /// The configuration, and what is odd about it.
    pub loaded: Loaded,
    /// The secret that was made, when there was none: to be shown this once.
    pub new_secret: Option<NewSecret>,
}

/// A secret that did not exist before.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// The secret.
    pub secret: Secret,
    /// Where it is kept.
    pub path: PathBuf,
}

/// Why flags give no configuration.
#[derive(Debug, Error)]
pub enum FlagsError {
    /// Values that a file could not have either.
    #[error("use these flags")]
    Invalid(Vec<Problem>),
    /// A path on the command line cannot be made absolute, or is not UTF-8.
    #[error("use the path {path}")]
    Path {
        /// As typed.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No secret could be made.
    #[error("make a secret")]
    Generate(#[source] SecretError),
    /// The generated secret could not be kept.
    #[error("keep the generated secret in {path}")]
    Keep {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret kept by a former run could not be read.
    #[error("read the generated secret")]
    Kept(#[source] SecretFileError),
}

impl Config {
    /// A configuration with one webhook, named after its URL, and one source for each log with
    /// `start = "end"` and `include = [FILE, FILE.*]`.
    ///
    /// Goes through the same checks as a file. Makes and keeps a secret only when the other
    /// flags are right.
    ///
    /// # Errors
    /// When a value is wrong, or a secret cannot be kept.
    pub fn from_flags(flags: &Flags) -> Result<FromFlags, FlagsError> {
        let state = absolute(flags.state.as_deref().unwrap_or(Path::new(check::STATE_DIR)))?;
        let raw = as_raw(flags, &state)?;
        if let Some(file) = &flags.secret_file {
            let file = absolute(file)?;
            let loaded = check_with(raw, |webhook| webhook.secret_file = Some(At::typed(file)))?;
            return Ok(FromFlags { loaded, new_secret: None });
        }
        // First with a secret that is thrown away: nothing is written for a mistyped URL.
        let trial = Secret::generate().map_err(FlagsError::Generate)?;
        check_with(raw.clone(), |webhook| webhook.secret = Some(text(trial.reveal_once())))?;
        let (secret, new_secret) = kept_secret(Path::new(&state), &flags.webhook)?;
        let loaded = check_with(raw, |webhook| webhook.secret = Some(text(secret.reveal_once())))?;
        Ok(FromFlags { loaded, new_secret })
    }
}

/// The file that would say the same.
fn as_raw(flags: &Flags, state: &str) -> Result<RawConfig, FlagsError> {
    let mut config = RawConfig::empty();
    config.state_dir = Some(text(state));
    // Several of these may run beside each other; the socket in each state directory is enough.
    let api = RawApi { listen: Some(text("none")), ..RawApi::empty() };
    config.api = Some(At::typed(api));
    let sources = flags.logs.iter().map(|log| source(log)).collect::<Result<_, _>>()?;
    config.source = Some(At::typed(sources));
    let mut webhook = RawWebhook::empty();
    webhook.name = Some(At::typed(webhook_name(&flags.webhook)));
    webhook.url = Some(text(&flags.webhook));
    webhook.profile = flags.profile.as_deref().map(text);
    config.webhook = Some(At::typed(vec![At::typed(webhook)]));
    Ok(config)
}

fn source(log: &Path) -> Result<At<RawSource>, FlagsError> {
    let live = glob::Pattern::escape(&absolute(log)?);
    let rotated = format!("{live}.*");
    let mut source = RawSource::empty();
    source.include = Some(At::typed(vec![At::typed(live), At::typed(rotated)]));
    Ok(At::typed(source))
}

/// One set of rules for both: problems only speak of flags instead of keys.
fn check_with(
    mut raw: RawConfig,
    set_secret: impl FnOnce(&mut RawWebhook),
) -> Result<Loaded, FlagsError> {
    let mut problems = Problems::new("");
    if let Some(webhook) = raw.webhook.iter_mut().flat_map(|list| &mut list.value).next() {
        set_secret(&mut webhook.value);
    }
    let config = check::check(raw, Purpose::Daemon, &mut problems);
    let problems = problems.into_sorted().into_iter().map(naming_the_flag).collect();
    match config {
        Some(config) => Ok(Loaded { config, warnings: problems }),
        None => Err(FlagsError::Invalid(problems)),
    }
}

fn naming_the_flag(mut problem: Problem) -> Problem {
    let flag = match problem.key.as_str() {
        "source" | "source.name" | "source.include" => "--log",
        "webhook.url" => "--webhook",
        "webhook.profile" => "--profile",
        "webhook.secret_file" => "--secret-file",
        "state_dir" => "--state",
        _ => return problem,
    };
    flag.clone_into(&mut problem.key);
    problem
}

/// A name that another URL does not get: what was sent is remembered under it.
fn webhook_name(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host: String = host.unwrap_or_default().chars().take(40).collect();
    format!("{host} ({})", url_hash(url))
}

/// The first 64 bits of the SHA-256 of a URL, in hex.
fn url_hash(url: &str) -> String {
    let hash = Sha256::digest(url.as_bytes());
    data_encoding::HEXLOWER.encode(hash.get(..8).unwrap_or_default())
}

/// The secret kept for this URL; made and kept first, when there is none.
fn kept_secret(state: &Path, url: &str) -> Result<(Secret, Option<NewSecret>), FlagsError> {
    let directory = state.join("secrets");
    let path = directory.join(url_hash(url));
    if !path.exists() {
        let secret = Secret::generate().map_err(FlagsError::Generate)?;
        let failed = |source| FlagsError::Keep { path: path.clone(), source };
        keep(&directory, &path, &secret).map_err(failed)?;
        return Ok((secret.clone(), Some(NewSecret { secret, path })));
    }
    let kept = check::read_secret_file(&path).map_err(FlagsError::Kept)?;
    // Any profile takes a generated secret, and this one reads it most strictly.
    let secret = Secret::parse(&kept.text, Profile::Standard).map_err(|error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, error);
        FlagsError::Kept(SecretFileError::Read { path, source })
    })?;
    Ok((secret, None))
}

/// Writes the secret, complete and durable before it has its name, so that a crash leaves either
/// none or all of it.
fn keep(directory: &Path, path: &Path, secret: &Secret) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    writeln!(file, "{}", secret.reveal_once())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

fn absolute(path: &Path) -> Result<String, FlagsError> {
    let failed = |source| FlagsError::Path { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not UTF-8")))
}

fn text(text: &str) -> At<String> {
    At::typed(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::{fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;

    use super::*;
    use crate::config::{SourceKind, Start};

    fn flags(dir: &TempDir) -> Flags {
        Flags {
            logs: vec![dir.path().join("mail.log")],
            webhook: "https://example.com/hook".to_owned(),
            state: Some(dir.path().join("state")),
            ..Flags::default()
        }
    }

    #[test]
    fn a_log_is_read_with_its_rotated_generations_from_its_end() {
        let dir = TempDir::new().unwrap();
        let config = Config::from_flags(&flags(&dir)).unwrap().loaded.config;
        let log = dir.path().join("mail.log").display().to_string();
        let SourceKind::File(file) = &config.sources[0].kind else { panic!() };
        assert_eq!(file.include, [log.clone(), format!("{log}.*")]);
        assert_eq!(config.sources[0].start, Start::End);
        assert_eq!(config.state_dir, dir.path().join("state"));
    }

    #[test]
    fn a_secret_is_made_once_for_each_url_and_kept_for_its_owner_only() {
        let dir = TempDir::new().unwrap();
        let first = Config::from_flags(&flags(&dir)).unwrap();
        let made = first.new_secret.unwrap();
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Config::from_flags(&flags(&dir)).unwrap();
        assert!(again.new_secret.is_none(), "shown once only");
        assert!(again.loaded.config.webhooks[0].secret == made.secret);

        let other = Flags { webhook: "https://example.org/".to_owned(), ..flags(&dir) };
        let other = Config::from_flags(&other).unwrap();
        assert_ne!(other.new_secret.unwrap().path, made.path);
        assert_ne!(other.loaded.config.webhooks[0].id, first.loaded.config.webhooks[0].id);
    }

    #[test]
    fn wrong_flags_are_named_and_leave_nothing_behind() {
        let dir = TempDir::new().unwrap();
        let wrong = Flags { webhook: "nowhere".to_owned(), logs: Vec::new(), ..flags(&dir) };
        let Err(FlagsError::Invalid(problems)) = Config::from_flags(&wrong) else { panic!() };
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["--log", "--webhook"]);
        assert!(problems.iter().all(|problem| problem.line.is_none()));
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn a_given_secret_file_is_used_and_nothing_is_made() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, Secret::generate().unwrap().reveal_once()).unwrap();
        let given = Flags { secret_file: Some(file), ..flags(&dir) };
        assert!(Config::from_flags(&given).unwrap().new_secret.is_none());
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn characters_that_mean_something_in_a_pattern_are_taken_literally() {
        let dir = TempDir::new().unwrap();
        let odd = Flags { logs: vec![dir.path().join("mail[1].log")], ..flags(&dir) };
        fs::write(dir.path().join("mail[1].log"), "").unwrap();
        let config = Config::from_flags(&odd).unwrap().loaded.config;
        let SourceKind::File(file) = &config.sources[0].kind else { panic!() };
        assert_eq!(glob::glob(&file.include[0]).unwrap().count(), 1);
    }
}

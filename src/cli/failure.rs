//! Every way in which a command can end other than well, with its words and its exit code.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, ErrorKind, Write},
    path::Path,
};

use thiserror::Error;
use url::Url;

use super::{DaemonError, client::Place};
use crate::{
    app::AppError,
    config::{ConfigError, FlagsError, MAKE_KEY, Problem, SecretFileError},
    deliver::ClientError,
    secret::SecretError,
    source::{journald::Doubt, replay::ReplayError},
    store::{StoreError, StoreErrorKind},
    writer::{KeysError, WriterError},
};

/// Ran well, and found problems.
const FOUND: u8 = 1;
/// `EX_USAGE` of sysexits.h; clap's errors.
pub(super) const USAGE: u8 = 64;
/// `EX_DATAERR`.
const DATA: u8 = 65;
/// `EX_NOINPUT`.
const NO_INPUT: u8 = 66;
/// `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;
/// `EX_SOFTWARE`.
const SOFTWARE: u8 = 70;
/// `EX_CANTCREAT`.
const CANNOT_CREATE: u8 = 73;
/// `EX_IOERR`.
const IO: u8 = 74;
/// `EX_TEMPFAIL`.
const TRY_AGAIN: u8 = 75;
/// `EX_NOPERM`.
const PERMISSION: u8 = 77;
/// `EX_CONFIG`.
const CONFIG: u8 = 78;

/// Every exit code and what it means, as the help documents it.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "All went well"),
    (
        FOUND,
        "check, doctor, verp verify, webhooks test, webhooks verify: ran well, and found errors",
    ),
    (USAGE, "Wrong arguments"),
    (DATA, "The data of an input is unusable"),
    (NO_INPUT, "An input does not exist, or nothing is known about what was asked for"),
    (UNAVAILABLE, "The daemon that is asked does not run"),
    (SOFTWARE, "A bug in mailherald: please report it"),
    (CANNOT_CREATE, "A file or directory could not be made"),
    (IO, "Reading or writing failed; when it was the store: start again, nothing is lost"),
    (TRY_AGAIN, "Not now: the store is taken, or deliveries or a report wait for another try"),
    (PERMISSION, "No permission"),
    (CONFIG, "The configuration is wrong"),
];

/// Conflicts that end by themselves: it is being sent, or former secrets are still good.
const PASSING: [&str; 2] = ["not_pending", "too_many_secrets"];

/// What to do when the daemon is silent.
const SILENT_HINT: &str = "is it running, with this configuration? systemctl status mailherald; \
     for one that was started with --state DIR, give --state DIR here, too";

/// What to do when nobody answers on the network.
const NETWORK_HINT: &str =
    "is it running, and does `listen` in its [api] name that address and port?";

/// What to do when its certificate is not believed.
const CERTIFICATE_HINT: &str = "name the authority of its certificate with --ca-file FILE; the host in \
     --api must be one of the names in the certificate";

/// What to do when it does not speak HTTP in the clear.
const PLAIN_HINT: &str = "if the daemon has a `tls_cert`, it is asked with https://";

/// What to do when it does not speak TLS.
const TLS_HINT: &str = "without a `tls_cert` the daemon is asked with http://";

/// What to do when a daemon on the network lets nobody in.
const KEY_HINT: &str = "make a key on its host with `mailherald keys create NAME`, and set \
     MAILHERALD_API_KEY to it";

/// What to do when some of many logs cannot be read.
const UNREADABLE_HINT: &str = "nothing was read, because lines would be missing: mend what is named, or \
     give the names of the other logs only";

/// What to do when nobody knows a message.
const UNKNOWN_HINT: &str = "it was kept for long enough, or its lines were never read: see what is \
     there with `mailherald events list --to ADDRESS`, how far the logs are read with \
     `mailherald sources`, and fill in what is missing with `mailherald replay FILE…`";

/// What to do when a stored secret does not open.
const OPEN_HINT: &str = "name the file of that key in seal_key_file, or in former_seal_key_file if \
     there is a new one; if the key is lost, give the webhook another secret in the configuration: \
     then the stored ones are not needed";

/// What to do when a webhook that was made through the API does not open.
const DEFINITION_HINT: &str = "name the file of that key in seal_key_file, or in \
     former_seal_key_file if there is a new one";

/// What to do when it is none for the profile.
const UNFIT_HINT: &str = "give the webhook another secret in the configuration, one that its \
     profile takes";

/// The part of the long help about exit codes.
pub(super) fn exit_codes_help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in EXIT_CODES {
        // Writing to a String cannot fail.
        let _never_fails = writeln!(text, "  {code:<3} {meaning}");
    }
    text
}

/// One variant for each situation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// `check` found errors, and has printed them.
    #[error("the configuration has errors")]
    ProblemsFound,
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The flags that stand for a configuration cannot be used.
    #[error(transparent)]
    Flags(#[from] FlagsError),
    /// A secret file that was given cannot be used.
    #[error("the secret file {0}")]
    SecretFile(SecretFileError),
    /// A secret cannot be made, or is none for the profile.
    #[error("the secret")]
    Secret(#[source] SecretError),
    /// A result cannot be written. A closed pipe is not a failure: the reader has enough.
    #[error("write the result")]
    Output(#[source] io::Error),
    /// The store, a source or the machine failed under way.
    #[error(transparent)]
    App(#[from] AppError),
    /// A replay ended before everything was delivered; nothing is lost.
    #[error("not everything is delivered yet")]
    DeliveriesWait,
    /// The running daemon was asked, and gave no answer that can be used.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// What was asked for is in no event that is stored, and in no message under way.
    #[error("nothing is known about `{0}`")]
    Unknown(String),
    /// A page was asked for of a command that there is not.
    #[error("there is no command `{0}`")]
    NoCommand(String),
    /// A mail was not taken in, and whoever has it is to keep it.
    #[error("the mail is not taken in; bring it again later")]
    NotTaken(#[source] Box<Self>),
    /// An address cannot be signed.
    #[error("an envelope sender to be signed is LOCAL@DOMAIN, with 31 bytes before the @ at most")]
    Unsignable,
    /// An address bears no token.
    #[error("the address has no token: 32 characters of 0-9 and a-v before the @")]
    NoToken,
    /// There is nothing to sign envelope senders with.
    #[error("there is no key for envelope senders")]
    NoVerpKey,
    /// A mail cannot be read from standard input.
    #[error("read the mail from standard input")]
    Mail(#[source] io::Error),
    /// A signal ended a replay before its time; nothing is lost.
    #[error("the replay was stopped")]
    ReplayStopped,
    /// A broken invariant, noticed in time.
    #[error("{0}: this is a bug")]
    Software(&'static str),
}

impl Failure {
    /// The exit code, by sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ProblemsFound => FOUND,
            Self::Unknown(_) => NO_INPUT,
            Self::Config(ConfigError::Invalid { .. }) | Self::Flags(FlagsError::Invalid(_)) => {
                CONFIG
            }
            Self::Config(ConfigError::Read { source, .. })
            | Self::SecretFile(SecretFileError::Read { source, .. }) => of_reading(source),
            Self::Flags(FlagsError::Path { .. }) | Self::NoCommand(_) => USAGE,
            Self::Flags(FlagsError::Keep { source, .. }) => of_creating(source),
            Self::SecretFile(_) | Self::Secret(_) | Self::Unsignable | Self::NoToken => DATA,
            Self::NoVerpKey => CONFIG,
            Self::Output(source) if source.kind() == ErrorKind::BrokenPipe => 0,
            Self::Flags(FlagsError::Kept(_) | FlagsError::Generate(_))
            | Self::Output(_)
            | Self::Mail(_) => IO,
            Self::App(error) => of_app(error),
            Self::DeliveriesWait | Self::ReplayStopped | Self::NotTaken(_) => TRY_AGAIN,
            Self::Daemon(error) => of_daemon(error),
            Self::Software(_) => SOFTWARE,
        }
    }

    /// Says it: `error:`, each `caused by:`, and a `hint:` when there is one.
    pub fn print(&self, to: &mut impl Write) {
        if self.exit_code() == 0 || matches!(self, Self::ProblemsFound) {
            return;
        }
        // There is nobody left to tell when standard error is closed.
        let _closed = to.write_all(self.words().as_bytes());
    }

    fn words(&self) -> String {
        let mut text = format!("error: {self}\n");
        for cause in self.causes() {
            // Writing to a String cannot fail.
            let _never_fails = writeln!(text, "  caused by: {cause}");
        }
        for problem in self.problems() {
            let _never_fails = writeln!(text, "  {problem}");
        }
        if let Some(hint) = self.hint() {
            let _never_fails = writeln!(text, "hint: {hint}");
        }
        text
    }

    /// From the outermost to the innermost. Of those of the HTTP client only the last one tells
    /// anything.
    fn causes(&self) -> Vec<&(dyn Error + 'static)> {
        let mut causes: Vec<_> =
            std::iter::successors(self.source(), |&error| error.source()).collect();
        match self {
            Self::Daemon(DaemonError::Silent { .. }) => {
                causes.drain(..causes.len().saturating_sub(1));
            }
            Self::NotTaken(why) => {
                causes.truncate(1);
                causes.extend(why.causes());
            }
            _ => {}
        }
        causes
    }

    fn problems(&self) -> &[Problem] {
        match self {
            Self::Config(ConfigError::Invalid { problems, .. })
            | Self::Flags(FlagsError::Invalid(problems)) => problems,
            _ => &[],
        }
    }

    /// The next thing to do, when it can be said.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(ConfigError::Read { path, source }) => match source.kind() {
                ErrorKind::NotFound => Some(
                    "write one (contrib/docs/config.md), or start without: \
                     mailherald run --log /var/log/mail.log --webhook URL"
                        .to_owned(),
                ),
                ErrorKind::PermissionDenied => Some(permission_hint(path)),
                _ => None,
            },
            Self::Config(ConfigError::Invalid { path, .. }) => {
                Some(format!("mailherald check --config {}", path.display()))
            }
            Self::Flags(FlagsError::Keep { .. }) => {
                Some("choose another state directory with --state DIR or state_dir".to_owned())
            }
            Self::DeliveriesWait => {
                Some("they are in the store; send them with: mailherald run".to_owned())
            }
            Self::ReplayStopped => {
                Some("start it again in the same way: it goes on where it was".to_owned())
            }
            Self::NotTaken(failure) => failure.hint(),
            Self::NoVerpKey => Some(format!("{MAKE_KEY}; name it in reports.verp_key_files")),
            Self::Unknown(_) => Some(UNKNOWN_HINT.to_owned()),
            Self::App(error) => app_hint(error),
            Self::Daemon(DaemonError::Silent { source, .. }) if is_denied(source) => {
                Some("ask as root or as the user that the daemon runs as: sudo".to_owned())
            }
            Self::Daemon(DaemonError::Silent { place: Place::Network(url), source }) => {
                Some(network_hint(url, source).to_owned())
            }
            Self::Daemon(DaemonError::Silent { .. }) => Some(SILENT_HINT.to_owned()),
            Self::Daemon(DaemonError::Refused(problem)) if problem.status == 401 => {
                Some(KEY_HINT.to_owned())
            }
            _ => None,
        }
    }
}

fn of_app(error: &AppError) -> u8 {
    match error {
        AppError::Store(store) | AppError::Keys(KeysError::Store(store)) => of_store(store),
        AppError::Writer(WriterError::Store(store)) => match store.kind() {
            StoreErrorKind::Corrupt(_) => DATA,
            _ => IO,
        },
        AppError::Keys(KeysError::Value(_))
        | AppError::Writer(WriterError::Value(_) | WriterError::Chunk(_)) => DATA,
        AppError::Replay(ReplayError::Missing(_)) => NO_INPUT,
        AppError::Replay(ReplayError::Read { error, .. }) => of_reading(error),
        AppError::Replay(ReplayError::Unreadable(files)) => {
            files.first().map_or(IO, |(_, error)| of_reading(error))
        }
        AppError::Replay(_) | AppError::UnknownWebhook { .. } => USAGE,
        AppError::Output(error) if error.kind() == ErrorKind::BrokenPipe => 0,
        AppError::System { source, .. } | AppError::Writer(WriterError::Thread(source)) => {
            of_creating(source)
        }
        AppError::Keys(KeysError::Seal(_)) | AppError::Output(_) | AppError::Stdin(_) => IO,
        AppError::Keys(
            KeysError::Open { .. } | KeysError::Unfit { .. } | KeysError::Definition { .. },
        )
        | AppError::Source(_)
        | AppError::Journald(_)
        | AppError::Client(ClientError::Webhook { .. }) => CONFIG,
        AppError::Client(ClientError::Setup(_))
        | AppError::Panic(_)
        | AppError::Writer(WriterError::IntakeEnded) => SOFTWARE,
    }
}

fn of_daemon(error: &DaemonError) -> u8 {
    match error {
        DaemonError::Silent { source, .. } if is_denied(source) => PERMISSION,
        DaemonError::Silent { .. } => UNAVAILABLE,
        DaemonError::Refused(problem) => match problem.status {
            401 | 403 => PERMISSION,
            404 => NO_INPUT,
            409 if PASSING.contains(&problem.code.as_str()) => TRY_AGAIN,
            429 | 503 => TRY_AGAIN,
            400..=499 => DATA,
            _ => SOFTWARE,
        },
        DaemonError::Key => USAGE,
        DaemonError::Authority { source, .. } => of_reading(source),
        DaemonError::NoAuthority { .. } => DATA,
        DaemonError::Strange(_) | DaemonError::Endless | DaemonError::Setup(_) => SOFTWARE,
        DaemonError::Runtime(error) => of_creating(error),
    }
}

/// The socket is there, and not for this user.
fn is_denied(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// The next thing to do when the daemon at that URL gave no answer.
fn network_hint(url: &Url, error: &(dyn Error + 'static)) -> &'static str {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let words: Vec<_> = causes.map(ToString::to_string).collect();
    let says = |word: &str| words.iter().any(|words| words.contains(word));
    match url.scheme() {
        "https" if says("certificate") => CERTIFICATE_HINT,
        "https" if says("InvalidContentType") || says("corrupt message") => TLS_HINT,
        "http" if !says("tcp connect") && !says("dns") => PLAIN_HINT,
        _ => NETWORK_HINT,
    }
}

fn of_store(error: &StoreError) -> u8 {
    match error.kind() {
        StoreErrorKind::Locked(_) => TRY_AGAIN,
        StoreErrorKind::Corrupt(_) | StoreErrorKind::FormatTooNew { .. } => DATA,
        StoreErrorKind::Io(error) => of_creating(error),
        _ => IO,
    }
}

fn app_hint(error: &AppError) -> Option<String> {
    match error {
        AppError::Store(store) | AppError::Keys(KeysError::Store(store)) => store_hint(store),
        AppError::Keys(KeysError::Open { .. }) => Some(OPEN_HINT.to_owned()),
        AppError::Keys(KeysError::Definition { .. }) => Some(DEFINITION_HINT.to_owned()),
        AppError::Keys(KeysError::Unfit { .. }) => Some(UNFIT_HINT.to_owned()),
        AppError::Writer(WriterError::Store(store)) => Some(format!(
            "nothing is lost; see to the disk under {} and start again",
            store.path().display()
        )),
        AppError::Journald(_) => Some(Doubt::NoJournalctl.hint().to_owned()),
        AppError::Replay(ReplayError::Read { path, error })
            if error.kind() == ErrorKind::PermissionDenied =>
        {
            Some(permission_hint(path))
        }
        AppError::Replay(ReplayError::Unreadable(files)) => Some(match &files[..] {
            [(path, error)] if error.kind() == ErrorKind::PermissionDenied => permission_hint(path),
            _ => UNREADABLE_HINT.to_owned(),
        }),
        _ => None,
    }
}

fn store_hint(store: &StoreError) -> Option<String> {
    match store.kind() {
        _ if store.is_disk_full() => Some(format!(
            "nothing is lost, the logs wait; make room under {} and start again",
            store.path().display()
        )),
        StoreErrorKind::Locked(_) => {
            Some("stop the other one first: systemctl stop mailherald".to_owned())
        }
        StoreErrorKind::Corrupt(_) => Some(
            "start again: a store that is beyond repair is put aside, and the sources begin by \
             store.on_store_loss"
                .to_owned(),
        ),
        StoreErrorKind::FormatTooNew { .. } => {
            Some("run the version of mailherald that wrote it, or a later one".to_owned())
        }
        StoreErrorKind::Io(_) => {
            Some("choose another state directory with --state DIR or state_dir".to_owned())
        }
        _ => None,
    }
}

fn permission_hint(path: &Path) -> String {
    format!("see who may read it: ls -l {}", path.display())
}

fn of_reading(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => NO_INPUT,
        ErrorKind::PermissionDenied => PERMISSION,
        // A damaged archive, each of the libraries in its own words.
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => DATA,
        _ => IO,
    }
}

fn of_creating(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::PermissionDenied => PERMISSION,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => IO,
        _ => CANNOT_CREATE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: ErrorKind) -> Failure {
        let (path, error) = ("mail.log".into(), kind.into());
        Failure::App(AppError::Replay(ReplayError::Read { path, error }))
    }

    fn keep(kind: ErrorKind) -> Failure {
        Failure::Flags(FlagsError::Keep { path: "s".into(), source: kind.into() })
    }

    fn printed(failure: &Failure) -> String {
        let mut text = Vec::new();
        failure.print(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn each_situation_has_its_code_and_each_code_is_documented() {
        let invalid = ConfigError::Invalid { path: "c".into(), problems: Vec::new() };
        let denied = || ErrorKind::PermissionDenied.into();
        let cases = [
            (Failure::ProblemsFound, 1),
            (Failure::Unknown("x".into()), 66),
            (Failure::NoCommand("x".into()), 64),
            (Failure::Config(invalid), 78),
            (Failure::Config(ConfigError::Read { path: "c".into(), source: denied() }), 77),
            (input(ErrorKind::NotFound), 66),
            (input(ErrorKind::PermissionDenied), 77),
            (input(ErrorKind::IsADirectory), 74),
            (input(ErrorKind::UnexpectedEof), 65),
            (Failure::Output(ErrorKind::StorageFull.into()), 74),
            (Failure::Output(ErrorKind::BrokenPipe.into()), 0),
            (keep(ErrorKind::PermissionDenied), 77),
            (keep(ErrorKind::NotADirectory), 73),
            (Failure::DeliveriesWait, 75),
            (Failure::ReplayStopped, 75),
            (Failure::NotTaken(Box::new(Failure::Mail(denied()))), 75),
            (Failure::App(AppError::Panic("writer")), 70),
            (Failure::App(WriterError::IntakeEnded.into()), 70),
            (Failure::App(WriterError::Thread(denied()).into()), 77),
            (Failure::App(AppError::Output(ErrorKind::BrokenPipe.into())), 0),
            (Failure::App(AppError::System { action: "a", source: denied() }), 77),
            (Failure::Software("x"), 70),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
            assert!(EXIT_CODES.iter().any(|(known, _)| *known == code), "{code} is documented");
        }
    }

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        assert_eq!(
            printed(&input(ErrorKind::PermissionDenied)),
            "error: read the log mail.log\n  caused by: permission denied\n\
             hint: see who may read it: ls -l mail.log\n"
        );
    }

    #[test]
    fn logs_that_cannot_be_read_are_all_named() {
        let files = vec![
            ("a.gz".into(), ErrorKind::UnexpectedEof.into()),
            ("b".into(), ErrorKind::PermissionDenied.into()),
        ];
        let failure = Failure::App(AppError::Replay(ReplayError::Unreadable(files)));
        assert_eq!(failure.exit_code(), 65);
        let said = printed(&failure);
        assert!(
            said.starts_with(
                "error: read a.gz: unexpected end of file\n  and b: permission denied\n"
            ),
            "{said}"
        );
        assert!(said.contains("hint: nothing was read, because lines would be missing"), "{said}");
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        assert_eq!(printed(&Failure::Output(ErrorKind::BrokenPipe.into())), "");
    }
}

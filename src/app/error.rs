//! Why a run ended badly.

use std::io;

use crate::{
    deliver::ClientError,
    source::{file::SourceError, journald::JournaldError, replay::ReplayError},
    store::StoreError,
    writer::{KeysError, WriterError},
};

/// A run ended badly. What was not committed is read again, what was not delivered is sent again,
/// with the next start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets of the webhooks cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The writer could not go on.
    #[error("the writer stopped")]
    Writer(#[from] WriterError),
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The journal cannot be followed.
    #[error(transparent)]
    Journald(#[from] JournaldError),
    /// Standard input could not be read.
    #[error("read standard input")]
    Stdin(#[source] io::Error),
    /// A historical log could not be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The HTTP client could not be made.
    #[error("set up the HTTP client")]
    Client(#[from] ClientError),
    /// The system refused a thread, a signal handler, a socket or a temporary directory.
    #[error("{action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("write to standard output")]
    Output(#[source] io::Error),
    /// No configured webhook has that name.
    #[error("no webhook is named `{name}`; there are: {}", known.join(", "))]
    UnknownWebhook {
        /// As it was given.
        name: String,
        /// The configured names.
        known: Vec<String>,
    },
    /// A thread panicked: a bug.
    #[error("the {0} thread panicked")]
    Panic(&'static str),
}

impl AppError {
    /// The store has no room on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Store(error)
            | Self::Keys(KeysError::Store(error))
            | Self::Writer(WriterError::Store(error)) => error.is_disk_full(),
            _ => false,
        }
    }

    /// For `map_err`: the system refused `action`.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

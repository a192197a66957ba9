//! The newest entry of a journal. Asking for it tells whether the journal may be read, too.

use std::path::PathBuf;

use mailherald_parsers::journal::Reader;
use tokio::time::timeout;

use super::{
    entries,
    follow::{READ_BYTES, Trouble, of_end},
    journalctl::Journalctl,
    run::{Heard, Run},
};
use crate::limits::JOURNALCTL_LOOK;

/// The newest entry.
#[derive(Debug)]
pub(super) struct Newest {
    /// None while there is no entry.
    pub(super) cursor: Option<String>,
    /// What `journalctl` said besides.
    pub(super) said: String,
}

/// What a first look at a journal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Entries of mail.
    Entries,
    /// A journal without any.
    Nothing,
    /// That it, or a part of it, may not be read by this user: what `journalctl` says.
    Refused(String),
    /// That it cannot be read: why.
    Failed(String),
}

/// Looks at a journal once: this host's own, or that of a directory.
pub async fn sight(directory: Option<PathBuf>) -> Sight {
    match Journalctl::find(directory) {
        Some(journalctl) => sight_with(&journalctl).await,
        None => Sight::Failed("there is no journalctl in PATH".to_owned()),
    }
}

pub(super) async fn sight_with(journalctl: &Journalctl) -> Sight {
    match timeout(JOURNALCTL_LOOK, newest(journalctl)).await {
        Ok(Ok(Newest { cursor: Some(_), .. })) => Sight::Entries,
        Ok(Ok(Newest { cursor: None, .. })) => Sight::Nothing,
        Ok(Err(Trouble::Permission(said))) => Sight::Refused(said),
        Ok(Err(trouble)) => Sight::Failed(trouble.to_string()),
        Err(_) => {
            Sight::Failed(format!("journalctl takes more than {} s", JOURNALCTL_LOOK.as_secs()))
        }
    }
}

/// Asks for it.
///
/// # Errors
/// When `journalctl` cannot be run or ends badly, or the journal may not be read.
pub(super) async fn newest(journalctl: &Journalctl) -> Result<Newest, Trouble> {
    let mut run = Run::start(journalctl.newest())?;
    let (mut reader, mut cursor) = (Reader::new(), None);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match run.next(&mut buffer).await? {
            Heard::Written(count) => {
                let written = buffer.get(..count).unwrap_or_default();
                reader.feed(written, &mut |entry| {
                    cursor = entries::cursor(entry).map(str::to_owned);
                });
            }
            Heard::Said(_) => {}
            Heard::Ended(status, said) => {
                of_end(status, &said)?;
                return Ok(Newest { cursor, said });
            }
        }
    }
}

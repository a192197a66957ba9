//! What Haraka logs, 2.8 to 3.3, in any of its three layouts.
//!
//! * `layout` — stamp, colours and layout: level, UUID, origin, words and fields,
//! * `fields` — pairs and members, `text` — what is escaped in them, `uuid` — who it is about,
//! * `core`, `hook`, `plugin` — the dialogue with a client, verdicts, filters,
//! * `outbound` — what becomes of an item of the queue.
//!
//! A line is read from its first byte on, and its grammar is chosen by origin and first word: what
//! strangers put into an address, a reply or a header stands behind these. What a client sends as
//! credentials is in lines of `unrecognized_command`, `limit` and `karma`: nothing of them is kept.
//! A line that says nothing of a message is ignored, and so are those without any layout that Haraka
//! writes when it starts.

mod core;
mod entry;
mod fields;
mod hook;
mod layout;
pub(crate) mod outbound;
mod plugin;
pub(crate) mod text;
mod uuid;

pub use entry::{
    Answered, AuthUser, BadAddress, Cause, Code, Connect, Content, Counts, Deferred, Delivered,
    Disconnect, Entry, Hook, HookName, Message, QueueFile, Reason, Record, Refused, Scan, Verdict,
};
pub use text::Text;
pub use uuid::Uuid;

pub(crate) use layout::{is_record, split_stamp};

use crate::{Body, Reason as Unknown};
use layout::Logged;

/// A line that has no layout (`haraka.js`, `config`, `haraka-tld`).
pub(crate) fn is_raw(text: &[u8]) -> bool {
    let begins = |beginning: &str| text.starts_with(beginning.as_bytes());
    // Asked of every line, whosever it is: mostly the first letter answers.
    match text.first() {
        Some(b'l') => {
            begins("loglevel: ")
                || begins("log format: ")
                || begins("loaded TLD files: ")
                || begins("loaded Public Suffixes: ")
        }
        Some(b'S') => begins("Starting up Haraka version "),
        Some(b'U') => begins("Using iconv-lite only"),
        Some(b'R') => begins("Reloaded file: "),
        Some(b'i') => begins("invalid loglevel: ") || begins("invalid log format: "),
        _ => false,
    }
}

/// Reads a text that [`is_record`].
pub(crate) fn read(text: &[u8]) -> Body<'_> {
    match layout::read(text) {
        Some(logged) => match record(&logged) {
            Some(record) => Body::Haraka(record),
            None if is_promised(&logged) => Body::Unrecognised(Unknown::Text),
            None => Body::Ignored,
        },
        None => Body::Unrecognised(Unknown::Text),
    }
}

fn record<'a>(logged: &Logged<'a>) -> Option<Record<'a>> {
    // What is below is the dialogue itself, passwords included.
    if matches!(logged.level, b"DEBUG" | b"PROTOCOL" | b"DATA") {
        return None;
    }
    let uuid = Uuid::parse(logged.uuid)?;
    let entry = match logged.origin {
        b"core" => core::read(logged)?,
        b"outbound" => outbound::read(logged)?,
        _ => plugin::read(logged)?,
    };
    Some(Record { uuid, entry })
}

/// It begins like a record that matters, and is about a message: none of these breaks its grammar,
/// unless its end is missing.
fn is_promised(logged: &Logged<'_>) -> bool {
    const CORE: [&str; 5] =
        ["sender <", "recipient <", "message mid=", "queue code=", "disconnect ip="];
    const OUTBOUND: [&str; 4] =
        ["recipient <", " delivered file=", "bouncing mail: ", "Temp failing "];
    let beginnings = match logged.origin {
        b"core" => &CORE[..],
        b"outbound" => &OUTBOUND[..],
        _ => return false,
    };
    let is_quiet = matches!(logged.level, b"DEBUG" | b"PROTOCOL" | b"DATA");
    let begins = |words: &&str| logged.after(words).is_some();
    !is_quiet && Uuid::parse(logged.uuid).is_some() && beginnings.iter().any(begins)
}

#[cfg(test)]
mod tests;

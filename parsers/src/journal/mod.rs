//! The journal of systemd: its export format, and the one line that stands for an entry.
//!
//! journald keeps fields and no line, and each way out of it writes them differently: `-o json`
//! puts the members in an order that changes from one export to the next, `-o export` has another
//! one. So that the same entry is the same line whichever way it came, [`Entry`] has one canonical
//! rendering, and only that is read: by [`crate::Parser`] for JSON, by the source of an export
//! stream behind its [`Reader`].
//!
//! Who runs `journalctl`, and where to continue, is decided by the reader of this crate.

mod entry;
mod export;
mod kept;

pub use entry::Entry;
pub use export::{MAGIC, Reader};

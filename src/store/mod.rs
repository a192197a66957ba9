//! The durable state: one sled database, one tree, one atomic commit at a time.
//!
//! This room is the only one that names `sled` (0.34.7). It knows keys, versioned values, atomic
//! commits and what "durable" takes; it does not know what the values mean, who is due when, or
//! what to do when the store is lost. Exactly one thread writes (the writer); readers call it from
//! threads of their own, never from async workers, because a batch write blocks every reader of
//! the process.
//!
//! # Layout
//!
//! One tree, so that one `apply_batch` covers everything that belongs together. A key is a table
//! tag, then the fields: numbers big-endian, so that key order is number order; variable-length
//! parts behind their length, so that no two keys ever collide ([`key`]).
//!
//! | tag | table | key | value |
//! |---|---|---|---|
//! | `m` | meta | name | format marker and other singletons |
//! | `o` | position | source, fingerprint | how far a generation of a log has been read |
//! | `j` | journal | source | how far the journal has been read |
//! | `s` | source state | source | what the writer remembers of a source |
//! | `z` | ledger | number | what is under way, as it changed ([`ledger`]) |
//! | `l` | live | host, instance, queue ID, part | a message under way, before there was a ledger |
//! | `n` | haraka | name, part | a connection or transaction of Haraka under way, as `l` |
//! | `w` | aside | number | a line that waits for its message |
//! | `e` | chunk | first sequence number | packed events ([`chunk`]) |
//! | `c` | cursor | webhook | below this sequence number all is done |
//! | `h` | endpoint | webhook | whether it is disabled, held, failing or down |
//! | `k` | ring | webhook | its secrets, sealed if there is a key for that |
//! | `v` | made | webhook | what the API was told of it, sealed as its secrets are |
//! | `u` | API key | SHA-256 of it | its name and role |
//! | `q` | place | webhook, message, sequence number | a delivery that waits for another, or another for it |
//! | `r` | retry | webhook, due, sequence number | a delivery that failed and waits |
//! | `d` | dead | webhook, sequence number | a delivery that was given up |
//! | `a` | attempt | webhook, number | packed records of attempts |
//! | `b` | offered | webhook, page | bitmap: older events that a replay offered to it |
//! | `t` | age | first sequence number | when the chunk that begins there was begun |
//! | `p` | replay | a key of `m`, `o`, `s`, `z`, `w`, `l` or `n` | the same of a replay that is not finished |
//! | `y` | audit | number | who changed what |
//! | `x` | posting | hour, part | which events of one hour of log time are stored |
//! | `g` | segment | first sequence number | which events an index segment is of ([`index`]) |
//! | `i` | terms | segment, first posting | which of them are about what |
//! | `f` | log | number | the generation of a log that lines of events are in |
//!
//! Every value opens with a format version byte ([`codec`], [`chunk`]), so none is empty. An empty
//! value is a tombstone and reads as absent.
//!
//! # Commit protocol
//!
//! 1. One `apply_batch`: every put, the first [`crate::limits::REMOVES_PER_COMMIT`] removes in key
//!    order, and a tombstone over every remove beyond that.
//! 2. The tombstones are removed in further batches, in key order: larger batches of removes, or
//!    random order, leave leaves that sled never frees.
//! 3. `flush()`, which on Linux is only `sync_file_range`.
//! 4. `fdatasync` through our own handle on `<dir>/store/db`. Only now the commit is durable.
//!
//! A crash keeps a prefix of these batches. The first one alone is the whole commit as readers
//! see it; what a lost later batch leaves behind are tombstones, and a marker written with the
//! first batch tells the next opening to sweep them.
//!
//! # Failures
//!
//! A failed commit poisons the store ([`StoreErrorKind::Poisoned`]): the process must end and
//! start anew from what is on disk. Repairs at opening are described in `open`,
//! and what happens to a store that cannot be repaired in `recover`.

pub mod chunk;
pub mod codec;
mod commit;
mod database;
mod disk;
mod error;
pub mod index;
pub mod key;
pub mod ledger;
mod lock;
pub mod log;
mod marks;
mod open;
mod poison;
mod rebuild;
mod recover;
mod rights;
mod space;
mod squeeze;
mod verify;
mod view;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod rebuild_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkBuilder, ChunkError};
pub use codec::CodecError;
pub use commit::Commit;
pub use database::Store;
pub use error::{StoreError, StoreErrorKind};
pub use key::{Key, Prefix};
pub use lock::is_in_use;
pub use rebuild::Sparse;
pub use recover::{DAMAGED, Loss, PANIC_EXIT, Recovered, end_process_on_panic};
pub use rights::{first_closed, may_write};
pub use space::Space;
pub use view::{Entry, StoreReader, View};

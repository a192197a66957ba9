//! What has happened: looks up what the store holds, for whoever asks.
//!
//! * [`Search`] — a thread that reads the store beside the writer: a commit of a batch blocks every
//!   reader of the process, and nobody who serves sockets may wait for that;
//! * [`Wanted`] — which events are looked for;
//! * [`find()`] — finds them, by the index where there is one; [`among`] — of those that are named;
//! * [`lines`] — the lines behind them, read again from the logs.
//!
//! It sees what is committed, and only that. Work is bounded: an answer that would take longer comes
//! in pieces, each with the place where the next one begins. Events and attempts that were deleted
//! meanwhile are not there, which is no error.

mod chunks;
mod find;
pub mod lines;
mod thread;
mod wanted;

#[cfg(test)]
mod tests;

pub use find::{Page, among, find};
pub use thread::{Search, SearchError};
pub use wanted::Wanted;

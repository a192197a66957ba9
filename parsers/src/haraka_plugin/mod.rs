//! The lines that `haraka-plugin-mailherald` writes (`contrib/haraka`): one JSON object an event.
//!
//! * `record` — which event a line is, and when,
//! * `members` — what it says of a mail.
//!
//! A line is known by its first bytes, so it may stand in any file. Members are looked at twice:
//! once to see that the line is whole, and again where an event is made of it. What a record borrows
//! lies in the line, escapes and all.

mod members;
mod record;
#[cfg(test)]
mod tests;

pub use members::{List, Members, Pairs, Scan, Stage, Via};
pub use record::{Kind, Record};

pub(crate) use record::read;

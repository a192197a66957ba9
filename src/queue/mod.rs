//! The life of a delivery: which events a webhook wants, when an attempt is due, what its result
//! means. Pure policy: no IO, no clock, no store.

pub mod attempt;
pub mod delivery;
pub mod filter;
pub mod outcome;
pub mod progress;
pub mod schedule;
pub mod subscription;

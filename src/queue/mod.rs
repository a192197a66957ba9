//! The life of a delivery: which events a webhook wants, when an attempt is due, what its result
//! means. Pure policy: no IO, no clock, no store.

pub mod attempt;
pub mod class;
pub mod delivery;
pub mod endpoint;
pub mod filter;
pub mod gist;
pub mod outcome;
pub mod pace;
pub mod policy;
pub mod progress;
pub mod record;
pub mod schedule;
pub mod slots;
pub mod subscription;

//! The composition root: opens the store, makes the channels, starts the rooms and ends them in
//! order. Only here the whole line from source to endpoint is known.
//!
//! * `run` — the daemon: `source` → writer → senders, until a signal;
//! * `reload` — another configuration for the running daemon;
//! * `replay` — history into the same store and queue, until all is sent;
//! * `dry_run` — history to standard output, without store and network;
//! * `demo` — the whole way on this machine;
//! * `doctor` — what the host has to do with it that events would be missing.

mod alerts;
mod complaints;
mod control;
mod demo;
mod dispatch;
mod doctor;
mod dry_run;
mod error;
mod fate;
mod full_disk;
mod lateness;
mod opening;
mod pipeline;
mod reload;
mod replay;
mod replay_set;
mod reports;
mod run;
mod service;
mod signals;
mod webhooks;

pub use demo::{Demo, DemoSummary, demo};
pub use doctor::{Finding, State, doctor};
pub use dry_run::{DryRun, DrySummary, dry_run};
pub use error::AppError;
pub use opening::{TRY_STORE, try_store};
pub use reload::Loader;
pub use replay::{Ended, Progress, Replay, Replayed, TellProgress, plan as replay_plan, replay};
pub use run::{Beginning, run};

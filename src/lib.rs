//! mailherald tells the world what became of every e-mail that a mail server handled.
//!
//! ```text
//! source ─► parse ─► correlate ─► event ─► queue ─► deliver ─► endpoint
//! ```
//!
//! Code depends only downward: a room knows its own input, its output and the foundations
//! (`store`, `config`, `clock`, `limits`, `telemetry`), never the next room. Only [`app`] knows
//! the whole line. The rule is a check: `cargo xtask tidy`.

#[cfg(target_os = "linux")]
mod allocator;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod deliver;
pub mod egress;
pub mod event;
pub mod limits;
pub mod parse;
pub mod profile;
pub mod queue;
pub mod report;
pub mod search;
pub mod secret;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod writer;

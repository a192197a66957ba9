//! The promises about delivery, held against receivers on paused time: nothing here waits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod endpoint;
mod history;
mod manual;
mod model;
mod operational;
mod order;
mod schedule;
mod turnover;
mod world;

//! Telling a webhook: render the event, sign the exact bytes, POST them, read the answer.
//!
//! [`attempt::attempt`] is the whole way of one delivery attempt. When it is due and what becomes
//! of the delivery is `queue`'s, what is kept of it is `store`'s.

pub mod attempt;
pub mod canonical;
pub mod client;
pub mod envelope;
pub mod json;
pub mod privacy;
pub mod sign;
pub mod test_event;

#[cfg(test)]
mod peer;
#[cfg(test)]
mod promises;

pub use attempt::{AttemptReport, attempt};
pub use client::{Client, ClientError};

//! Telling a webhook: render the event, sign the exact bytes, POST them, read the answer.
//!
//! [`attempt::attempt`] is the whole way of one delivery attempt. When it is due and what becomes
//! of the delivery is `queue`'s, what is kept of it is `store`'s. Where a webhook may be sent is
//! decided by `egress`; `resolve` and `client` see to it that nothing is sent anywhere else.

pub mod attempt;
pub mod canonical;
pub mod catalogue;
pub mod client;
pub mod envelope;
mod failure;
mod http;
pub mod json;
pub mod privacy;
pub mod probe;
mod resolve;
pub mod sign;
mod skew;
pub mod test_event;
mod trace;

#[cfg(test)]
mod peer;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod tests;

pub use attempt::{AttemptReport, attempt, forward, test};
pub use client::{Client, ClientError};
pub use probe::{Probe, Verdict, probe};
pub use skew::SkewNews;

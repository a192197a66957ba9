//! What the four providers promise their receivers, held against what we send. The names are the
//! rows of the checklist of those promises: D of delivery, E of envelopes and events, C of the
//! contradictions between them.
//!
//! | row | promise | test |
//! |---|---|---|
//! | D1, D2, D3 | headers and signatures of each profile | [`requests`] |
//! | D4, D5, D6 | which answers are retried | [`timing`] |
//! | D7, D8, D9, D10 | timeouts, schedules, attempts | [`timing`] |
//! | D11 | a repeated delivery has the same id | [`requests`] |
//! | D12, D14 | filters, machine events | `queue::subscription` |
//! | D13 | the test event | [`test_event`] |
//! | D16 | what went wrong is told in words | `deliver::attempt` |
//! | E1, E2, E3 | the envelopes | [`envelopes`] |
//! | E4, E5, E6 | the type names | [`envelopes`] |
//! | E7, E8, E9, E10 | fields of the fifteen types | [`envelopes`] |
//! | E11 | fields of the generic guide | [`envelopes`] |
//! | C1 | fifteen types everywhere | [`envelopes`] |
//! | C3 | body-only profiles carry the standard headers, too | [`requests`] |
//! | C5 | two ways from a secret to a key | [`requests`] |
//! | C6, C7, C8, C9, C10 | timeouts, response classes, attempts, two ends | [`timing`] |
//! | C11 | ids and times of each dialect | [`envelopes`] |
//! | C12 | the id and the time have headers of their own | [`requests`] |
//! | C13 | who may use plain http | `config::endpoint` |
//! | C14 | one class for each reply | `correlate::tests::route` |
//! | C15, C16 | both spellings; `host` and `ip` by direction | [`envelopes`] |
//! | C17, C18 | filters look at the event; empty means all | `queue::subscription` |
//! | C21 | bodies survive JavaScript | [`golden`], `deliver::json` |
//! | C22, C24 | one clock in a test event, which passes every filter | [`test_event`], `queue::subscription` |
//!
//! D15, C2, C4, C19, C20 and C23 are about metrics and the admin API.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod envelopes;
mod golden;
mod requests;
mod samples;
mod test_event;
mod timing;

use super::envelope::{Rendered, render};
use crate::{event::Event, profile::Profile};

/// What `profile` makes of an event that it carries.
fn rendered(event: &Event, profile: Profile) -> Rendered {
    render(event, profile).unwrap()
}

/// The same as JSON.
fn value(event: &Event, profile: Profile) -> serde_json::Value {
    serde_json::from_slice(&rendered(event, profile).body).unwrap()
}

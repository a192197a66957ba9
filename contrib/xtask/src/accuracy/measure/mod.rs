//! What the events of a recorded log are worth: held against what really happened.
//!
//! A corpus directory holds logs, beside each the truth that clients and receiving servers wrote
//! down (`NN_name.expected.jsonl`), and `settings.toml`, which says how the host was configured.
//! The built program reads each log as a dry run; its events are compared by the table "Ground
//! truth of the corpus → events" of the event model.
//!
//! * [`corpus`] — directories, logs, and the program's answer to each,
//! * [`truth`] — the rows of Postfix' truth, [`haraka`] — those of Haraka's; both become one [`Truth`],
//! * [`particulars`] — what a row knows beyond how its recipient ended,
//! * [`by_hand`] — what rows mean that nothing external can prove,
//! * [`expect`] — what a row allows,
//! * [`event`] — events, and the messages that they tell of,
//! * [`assign`] — which message and which events a row is about,
//! * [`judge`] — the verdict on each recipient, and what was invented,
//! * [`report`] — sums and findings.
//!
//! It knows nothing of the product but its command line, so a test of the built program uses it
//! as well as `cargo xtask accuracy`.
//!
//! [`Truth`]: truth::Truth

mod assign;
mod by_hand;
mod corpus;
mod event;
mod expect;
mod haraka;
mod judge;
mod particulars;
mod report;
#[cfg(test)]
mod tests;
mod truth;

pub(crate) use corpus::measure;

//! The text of Postfix's daemons, one file for each group of lines.
//!
//! The shape of a text decides, not the daemon that logged it: the same status line comes from
//! nine daemons, and some logging systems lose the daemon's name. A shape counts only at its
//! place behind the queue ID, because everything further right may be words of a stranger.

mod action;
mod auth;
mod bounce;
mod cleanup;
mod content;
mod delivery;
mod dnsblog;
mod entry;
mod ignored;
mod limit;
mod list;
mod list_sweep;
mod master;
mod peer;
mod pickup;
mod postscreen;
mod postsuper;
mod proxy;
mod qmgr;
pub mod queue_id;
mod response;
mod smtpd;
mod text;
mod trouble;
mod verdict;

pub use action::Action;
pub use auth::AuthFailure;
pub use content::{ContentCheck, Part};
pub use dnsblog::DnsListed;
pub use entry::{
    Client, Delivery, Entry, Expired, MessageId, Notification, NotificationKind, Peer, Pickup,
    QueueActive, Relay, Removed, Status, Verdict,
};
pub use limit::{Limit, RateLimit};
pub use master::Started;
pub use postsuper::{Operation, OperationTotal, OperatorAct};
pub use proxy::ProxyAnswer;
pub use queue_id::QueueId;
pub use response::{FilterOutcome, FilterReply, Response, response};
pub(crate) use text::read;
pub use trouble::{Corrupt, Refused, RefusedReason};

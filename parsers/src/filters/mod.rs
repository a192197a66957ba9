//! The verdicts of programs that judge mail: spam and virus filters, policy servers, signatures.
//!
//! Each program logs under a tag of its own, and only that tag decides whose words a text is. All
//! of them give the same [`Verdict`], so that nobody else has to know one from the other. What a
//! verdict means for a message, and which message it is, is decided by the reader.
//!
//! Senders, recipients, Message-IDs, subjects and rule options are chosen by strangers and may
//! imitate the fields around them. So every grammar reads from the left until the first free
//! text, and behind it from the right; what can be read in two ways is left out.

mod amavis;
mod clamav;
mod dispatch;
mod dovecot_lmtp;
mod headers;
mod lists;
mod opendkim;
mod opendmarc;
mod pmg;
mod policyd;
mod policyd_spf;
mod postgrey;
mod rspamd;
mod spamd;
mod spampd;
mod text;
mod verdict;

pub use amavis::join_pieces;
pub(crate) use dispatch::{own_file, read};
pub use headers::{HeaderFinding, HeaderSaid, header};
pub use lists::{QueuedAs, Recipients, Rule, Rules};
pub(crate) use pmg::is_id as is_pmg_id;
pub use verdict::{Action, Direction, Engine, Kind, Outcome, Part, Verdict};

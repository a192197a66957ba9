//! Configuration: a TOML file (or flags) in, a checked [`Config`] out.
//!
//! * `raw` defines every key and reads them, each with its place in the file,
//! * `check` turns them into what the rooms work with, collecting everything that is wrong,
//! * [`load`](mod@load) does both for a file, [`flags`] for a command line without one,
//! * [`draft`] does the second for a webhook that is made at run time,
//! * [`postconf`] fills what was left out with what Postfix says about itself,
//! * `reference` prints the definition of the keys as documentation.

mod check;
pub mod checked;
pub mod draft;
pub mod flags;
mod hash_key;
pub mod identity;
pub mod load;
pub mod postconf;
pub mod problem;
mod raw;
mod reference;
pub mod selection;
pub mod transport;
mod value;

pub(crate) use check::{MAKE_KEY, read_secret_file, verp_key};
pub use check::{STATE_DIR, SecretFileError};
pub use checked::{
    Api, Config, FileSource, HeaderNames, JournaldSource, Kept, Listen, Mail, MilterSource, Mta,
    ReportSocket, Reports, Retention, Source, SourceKind, Start, StoreSettings, Unmatched, Unsaid,
    VERDICT_HEADERS, Webhook, WebhookId,
};
pub use draft::{Draft, DraftKey, Grounds, Made, draft_keys};
pub use flags::{Flags, FlagsError, FromFlags, NewSecret};
pub(crate) use hash_key::kept as kept_hash_key;
pub use identity::{ServerIdentity, Validity};
pub use load::{ConfigError, Loaded, Purpose, load};
pub use problem::{Code, Problem, Severity};
pub use reference::reference;
pub use selection::{HashKey, Privacy, Selection};
pub use transport::{Connection, CustomHeader, Transport};
pub(crate) use value::duration as parse_duration;

/// The words that `profile` and `--profile` take.
pub const PROFILE_NAMES: [&str; 4] = ["standard", "jetemail", "generic", "lettermint"];

#[cfg(test)]
mod tests;

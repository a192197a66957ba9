//! The secrets of webhooks: what signs their requests, and what else nobody may see.
//!
//! Nothing here has a `Debug` that shows it, a `Display` or a `Serialize`: the bytes leave only
//! through functions whose names say so. [`Secret`] is the text that an operator knows, [`KeySet`]
//! which of them are good at one time, [`KeyRing`] what a rotation makes of them, [`LiveKeys`] a ring
//! that changes under its users, [`ApiKeys`] who may ask over the network, [`Sealing`] what makes them fit to be stored, [`Hidden`] any other
//! text that is not for eyes.
//!
//! ```compile_fail,E0277
//! fn show(secret: mailherald::secret::Secret) -> String {
//!     format!("{secret}")
//! }
//! ```
//!
//! ```compile_fail,E0277
//! fn store(secret: &mailherald::secret::Secret) -> String {
//!     serde_json::to_string(secret).unwrap_or_default()
//! }
//! ```

mod api_key;
mod hidden;
mod keys;
mod live;
mod ring;
mod seal;
mod sealing;
mod text;

pub use api_key::{ApiKey, ApiKeys, Known, Owned, Role, Token, TokenDigest};
pub use hidden::Hidden;
pub use keys::{FormerKey, KeyId, KeySet};
pub use live::LiveKeys;
pub use ring::{GRACE, KeyRing, LONGEST_GRACE, RotationError};
pub use seal::{SealError, Sealed, Sealer};
pub use sealing::{Kept, Sealing};
pub use text::{Secret, SecretError};

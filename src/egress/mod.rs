//! Where webhooks may be sent (webhooks.md §2.7): pure policy, no resolver and no socket.
//!
//! A URL is judged as it is written ([`Policy::check_url`]), and every address that its name
//! resolves to is judged again for every new connection ([`Policy::check_address`]). `config` asks
//! the first for what can be told without a network; `deliver` asks both and connects to nothing
//! that was not asked about.

mod address;
mod policy;
mod url;

pub use address::AddressClass;
pub use policy::{Denied, Origin, Policy};
pub use url::{UrlRules, is_localhost};

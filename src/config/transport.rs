//! How a webhook's requests travel, beyond where they go: whom to trust, who we are, what else to
//! say. Files are read when the configuration is checked, so that a webhook is complete in itself.

use crate::{
    egress::Origin,
    secret::{Hidden, LiveKeys},
};

/// How the requests of a webhook travel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transport {
    /// What connections are made with.
    pub connection: Connection,
    /// Headers that the operator adds.
    pub headers: Vec<CustomHeader>,
    /// The three headers of Standard Webhooks beside the profile's own signature; None: where that
    /// one does not protect against a repeated request.
    pub standard_signature: Option<bool>,
    /// Sends `X-Webhook-Attempt`.
    pub attempt_header: bool,
    /// Sends `Idempotency-Key`, the id of the event.
    pub idempotency_key: bool,
    /// What has become of its secret at run time.
    pub keys: LiveKeys,
}

/// What connections are made with. Webhooks for which all of it is equal share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Connection {
    /// Who made the webhook. A connection that one may make is not for others to use.
    pub origin: Origin,
    /// Certificate authorities (PEM) that are trusted besides the system's.
    pub ca: Option<Hidden>,
    /// Our certificate and its key (PEM).
    pub identity: Option<Hidden>,
    /// URL of an HTTP proxy; may hold a password.
    pub proxy: Option<Hidden>,
    /// Takes any certificate for the receiver's.
    pub skips_verification: bool,
}

/// A header that the operator adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomHeader {
    /// Its name, lower case.
    pub name: String,
    /// Its value, which is a secret more often than not. Visible ASCII, spaces and tabs.
    pub value: Hidden,
}

//! `webhook.test`: what a person sends to see whether a receiver works (webhooks.md D13).
//!
//! It is about no message, so it is none of the log's events: it is never stored, counted, or held
//! against a webhook, and goes out whatever the webhook subscribed to (C24). Signed and sent like
//! any other.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    canonical::milliseconds,
    envelope::{Envelope, Rendered},
    json,
};
use crate::{
    config::WebhookId,
    event::{EventType, id},
    profile::Profile,
};

/// What a person reads who looks at what arrived.
const MESSAGE: &str = "This is a test webhook from mailherald";

/// One test of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestEvent {
    /// Chosen at random: 128 bits.
    pub id: [u8; 16],
    /// The webhook that is tested.
    pub webhook: WebhookId,
    /// When it was asked for. The only reading of the clock: every time in the body is this one
    /// (webhooks.md C22).
    pub at: Timestamp,
}

impl TestEvent {
    /// A test of `webhook`, asked for `at`.
    #[must_use]
    pub fn new(webhook: WebhookId, at: Timestamp) -> Self {
        Self { id: rand::random(), webhook, at }
    }

    /// The test as `profile` says it; each has a word for it.
    #[must_use]
    pub fn render(&self, profile: Profile) -> Rendered {
        let type_name = EventType::WebhookTest.name();
        let envelope = Envelope {
            id: self.id(profile),
            service: EventType::WebhookTest.service(),
            type_name,
            at: milliseconds(self.at),
            at_s: self.at.as_second(),
            data: self.data(profile),
        };
        let body = json::to_bytes(&envelope.of(profile)).into();
        Rendered { id: self.id(profile), type_name, body }
    }

    /// `test-` and a UUID for lettermint, as its sample has it; an event id for the others.
    fn id(&self, profile: Profile) -> String {
        match profile {
            Profile::Lettermint => format!("test-{}", id::uuid(self.id)),
            Profile::Standard | Profile::Jetemail | Profile::Generic => {
                format!("evt_{}", id::base32(self.id))
            }
        }
    }

    fn data(&self, profile: Profile) -> Map<String, Value> {
        let fields = [
            ("message", MESSAGE.into()),
            ("webhook_id", self.webhook_id(profile).into()),
            ("timestamp", self.at.as_second().into()),
        ];
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The identity of the webhook as the API of the profile prints it.
    fn webhook_id(&self, profile: Profile) -> String {
        let WebhookId(bytes) = self.webhook;
        match profile {
            Profile::Jetemail | Profile::Lettermint => id::uuid(bytes),
            Profile::Standard | Profile::Generic => format!("wh_{}", id::base32(bytes)),
        }
    }
}

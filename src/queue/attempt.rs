//! What is on record of one attempt (webhooks.md §2.4): enough to see what was wrong.
//!
//! Only the shape and its bounds. `deliver` fills it in; who keeps it, and for how long, is
//! `writer`'s. Everything in it that comes from a receiver is text from a stranger.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::outcome::Failure;

/// Bytes kept of the URL.
pub const URL_BYTES: usize = 2048;

/// Bytes kept of one header value of an answer.
pub const HEADER_BYTES: usize = 256;

/// Bytes kept of an explanation.
pub const TEXT_BYTES: usize = 512;

/// The headers of an answer that are kept, lower case: what a receiver, or a proxy before it, says
/// about itself and about what it wants.
pub const KEPT_HEADERS: [&str; 8] = [
    "content-type",
    "date",
    "location",
    "retry-after",
    "server",
    "via",
    "www-authenticate",
    "x-request-id",
];

/// One attempt to tell a webhook of an event.
///
/// At most 13 KiB, as much again for each further exchange; most are a few hundred bytes. What the
/// history keeps of a large one is [`super::record::Record::shorten`]'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which attempt of the delivery, from 1.
    pub number: u32,
    /// When it began, microseconds since the epoch. Its second is the one that was signed.
    pub started_us: i64,
    /// From then to the last byte read, monotonic, microseconds.
    pub elapsed_us: u64,
    /// Where it was sent, at most [`URL_BYTES`]. May hold a token: not for logs.
    pub url: String,
    /// The request body; None when none was made.
    pub request: Option<RequestBody>,
    /// What was sent and what came of it, in order. One; two when a receiver that refused the
    /// current key was asked again with the former one (webhooks.md §2.3, note 1); three when it
    /// refused that, too, and may have changed over between the two. The last one decides.
    pub exchanges: Vec<Exchange>,
}

/// The request body, as a receiver can compare it with what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBody {
    /// Its length.
    pub bytes: u32,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
}

/// One request and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Id of the key whose signature decides, which is the newest one of the request; None when
    /// nothing was signed.
    pub key: Option<String>,
    /// The address that answered, which is the proxy's where there is one; None when none did.
    pub remote: Option<SocketAddr>,
    /// The target's name was resolved by a proxy, and not checked by us.
    pub by_proxy: bool,
    /// How long its parts took.
    pub times: Times,
    /// What came of it.
    pub result: ExchangeResult,
    /// Those of [`KEPT_HEADERS`] that the answer had, at most [`HEADER_BYTES`] of each value.
    pub headers: Vec<(String, String)>,
    /// Beginning of the answer's body, at most [`crate::limits::ANSWER_KEPT_BYTES`]; what was not
    /// UTF-8 is replaced.
    pub body: String,
}

/// How long the parts of an exchange took, in microseconds on a monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    /// Resolving the name; None on a connection that was open already, and for an address.
    pub dns_us: Option<u64>,
    /// TCP and TLS; None on a connection that was open already.
    pub connect_us: Option<u64>,
    /// From the start to the status line; None when none came.
    pub first_byte_us: Option<u64>,
    /// From the start to the end.
    pub total_us: u64,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExchangeResult {
    /// The receiver answered with this status code.
    Answered(u16),
    /// No answer came.
    Failed {
        /// Why, as a class.
        class: Failure,
        /// Why, for a person; at most [`TEXT_BYTES`].
        text: String,
    },
    /// Not sent, because we may not send there; says what to change. At most [`TEXT_BYTES`].
    Refused(String),
    /// Not sent, because there was nothing to say; says why. At most [`TEXT_BYTES`].
    Unsent(String),
}

impl Attempt {
    /// The exchange that decides.
    #[must_use]
    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }
}

impl ExchangeResult {
    /// Status code, if there is an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            _ => None,
        }
    }

    /// The class on record, one word.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Answered(200..=299) => "ok",
            Self::Answered(_) => "status",
            Self::Failed { class, .. } => class.name(),
            Self::Refused(_) => "refused",
            Self::Unsent(_) => "unsent",
        }
    }

    /// What it met, for people: `HTTP 503`, or why there is no answer.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Answered(status) => format!("HTTP {status}"),
            Self::Failed { class, text } => format!("{}: {text}", class.name()),
            Self::Refused(text) | Self::Unsent(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            number: 3,
            started_us: 1_704_825_660_000_000,
            elapsed_us: 1_500,
            url: "https://example.com/hook".into(),
            request: Some(RequestBody { bytes: 2, sha256: [7; 32] }),
            exchanges: vec![Exchange {
                key: Some("0a1b2c3d".into()),
                remote: Some(SocketAddr::from(([192, 0, 2, 1], 443))),
                by_proxy: false,
                times: Times { dns_us: Some(1), total_us: 1_500, ..Times::default() },
                result: ExchangeResult::Failed { class: Failure::Tls, text: "expired".into() },
                headers: vec![("server".into(), "x".into())],
                body: String::new(),
            }],
        }
    }

    #[test]
    fn what_is_stored_comes_back() -> Result<(), postcard::Error> {
        let stored = postcard::to_allocvec(&attempt())?;
        assert_eq!(postcard::from_bytes::<Attempt>(&stored)?, attempt());
        Ok(())
    }

    #[test]
    fn each_result_has_a_class_and_words() {
        let failed = ExchangeResult::Failed { class: Failure::Dns, text: "no such name".into() };
        for (result, class, words) in [
            (ExchangeResult::Answered(204), "ok", "HTTP 204"),
            (ExchangeResult::Answered(503), "status", "HTTP 503"),
            (failed, "dns", "dns: no such name"),
            (ExchangeResult::Refused("change it".into()), "refused", "change it"),
            (ExchangeResult::Unsent("no word".into()), "unsent", "no word"),
        ] {
            assert_eq!((result.class(), result.words().as_str()), (class, words));
        }
    }
}

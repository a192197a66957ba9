//! Attempts as they are shown: what was sent where, what came back, and where the time went.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::queue::attempt::{self, Exchange, ExchangeResult};

/// One POST, or more when a former secret was tried as well; then `former` is the last but one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Which one of the delivery, from 1.
    pub attempt: u32,
    /// When it began, RFC 3339 in UTC.
    pub created_at: String,
    /// From then to its end.
    pub duration_ms: f64,
    /// Where it went.
    pub url: String,
    /// Bytes of the request body; null when none was made.
    pub request_bytes: Option<u32>,
    /// Hexadecimal SHA-256 of the request body.
    pub request_sha256: Option<String>,
    /// The exchange that decides; null when there was none.
    pub answer: Option<Answer>,
    /// The exchange before it: the receiver did not take the new secret.
    pub former: Option<Answer>,
}

/// One request and its result.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// `ok`, `status`, `dns`, `connect`, `tls`, `timeout`, `reset`, `exchange`, `refused` or `unsent`.
    pub class: String,
    /// In words: `HTTP 204`, or why there is no answer.
    pub words: String,
    /// Status code, if it was answered.
    pub response_code: Option<u16>,
    /// Headers of the answer that say something about the receiver.
    pub response_headers: Vec<(String, String)>,
    /// Beginning of the answer's body; a stranger's text.
    pub response_body: String,
    /// Address that answered.
    pub remote: Option<String>,
    /// A proxy was between.
    pub by_proxy: bool,
    /// Id of the secret that signed.
    pub key: Option<String>,
    /// Resolving the name; null on a connection that was open.
    pub dns_ms: Option<f64>,
    /// TCP and TLS; null on a connection that was open.
    pub connect_ms: Option<f64>,
    /// From the start to the status line.
    pub first_byte_ms: Option<f64>,
    /// From the start to the end.
    pub total_ms: f64,
}

impl From<&attempt::Attempt> for Attempt {
    fn from(attempt: &attempt::Attempt) -> Self {
        let mut answers = attempt.exchanges.iter().rev().map(Answer::from);
        Self {
            attempt: attempt.number,
            created_at: time(attempt.started_us),
            duration_ms: milliseconds(attempt.elapsed_us),
            url: attempt.url.clone(),
            request_bytes: attempt.request.map(|request| request.bytes),
            request_sha256: attempt.request.map(|request| HEXLOWER.encode(&request.sha256)),
            answer: answers.next(),
            former: answers.next(),
        }
    }
}

impl From<&Exchange> for Answer {
    fn from(exchange: &Exchange) -> Self {
        let times = &exchange.times;
        Self {
            class: exchange.result.class().to_owned(),
            words: exchange.result.words(),
            response_code: exchange.result.status(),
            response_headers: exchange.headers.clone(),
            response_body: exchange.body.clone(),
            remote: exchange.remote.map(|remote| remote.to_string()),
            by_proxy: exchange.by_proxy,
            key: exchange.key.clone(),
            dns_ms: times.dns_us.map(milliseconds),
            connect_ms: times.connect_us.map(milliseconds),
            first_byte_ms: times.first_byte_us.map(milliseconds),
            total_ms: milliseconds(times.total_us),
        }
    }
}

impl Attempt {
    /// The receiver has it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.class == good_class())
    }
}

fn good_class() -> &'static str {
    ExchangeResult::Answered(204).class()
}

/// RFC 3339 in UTC, of microseconds since the epoch.
pub(super) fn time(us: i64) -> String {
    Timestamp::from_microsecond(us).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// The same, of milliseconds.
pub(super) fn time_of_ms(ms: u64) -> String {
    time(i64::try_from(ms).unwrap_or(0).saturating_mul(1000))
}

#[expect(clippy::cast_precision_loss, reason = "a length of time, to be read")]
fn milliseconds(us: u64) -> f64 {
    us as f64 / 1000.0
}

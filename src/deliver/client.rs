//! POSTs bytes and reads a bounded answer. The only place that speaks HTTP to receivers.
//!
//! No redirects, cookies or proxies; no hidden second send of a request that may have arrived.
//! Nothing a receiver does costs more than [`limits::ANSWER_READ_BYTES`] or the timeout.

use std::{error::Error, io, iter::successors, time::Duration};

use bytes::Bytes;
use reqwest::{
    Response, Url,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::sign::Header;
use crate::{limits, queue::outcome::Failure};

/// For name, TCP and TLS of a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections kept for each receiver; as many as attempts run at once by default.
const IDLE_CONNECTIONS: usize = 16;

/// How long one is kept: less than the 5 s after which common servers (Node.js, Apache) close it,
/// so that a request hardly ever meets a closing connection and loses an attempt.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Bytes of a header of the answer beyond which it is not worth reading.
const HEADER_BYTES: usize = 128;

/// Bytes kept of an error's text; parts of it come from the receiver.
const ERROR_BYTES: usize = 512;

/// Who calls.
const USER_AGENT: &str = concat!("mailherald/", env!("CARGO_PKG_VERSION"));

/// Sends requests over connections that it keeps. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

/// The client cannot be made.
#[derive(Debug, Error)]
#[error("set up the HTTP client")]
pub struct ClientError(#[from] reqwest::Error);

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// Beginning of the body, at most [`limits::ANSWER_KEPT_BYTES`]: text from a stranger, in
    /// which only what is not UTF-8 is replaced.
    pub body: String,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {text}", kind.name())]
pub struct TransportError {
    /// What stood in the way.
    pub kind: Failure,
    /// For a person, without the URL, which may hold a token. At most 512 bytes.
    pub text: String,
}

impl Client {
    /// A client that trusts the certificate authorities of this machine. Where it has none, a
    /// bare container perhaps, plain http still works and https fails with a TLS error.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new() -> Result<Self, ClientError> {
        let client = builder().build().or_else(|error| {
            warn!(%error, "no certificate authorities found: https webhooks will fail");
            builder().tls_certs_only([]).build()
        })?;
        Ok(Self(client))
    }

    /// Sends one request. `timeout` runs from connecting to the status line, which decides; the
    /// body is read for the record only, within the same timeout, and may be cut by it.
    ///
    /// # Errors
    /// No status line came.
    ///
    /// # Cancel safety
    /// Dropped half-way it closes the connection; the request may have arrived or not.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[Header],
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, TransportError> {
        let deadline = Instant::now() + timeout;
        let request = self.0.post(url.clone()).headers(header_map(headers)).body(body);
        let Ok(sent) = timeout_at(deadline, request.send()).await else {
            let text = format!("no answer within {timeout:?}");
            return Err(TransportError { kind: Failure::Timeout, text });
        };
        let response = sent.map_err(|error| TransportError::of(&error.without_url()))?;
        Ok(answer(response, deadline).await)
    }
}

fn builder() -> reqwest::ClientBuilder {
    let accept = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(accept)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// Signing makes only ASCII, so no header is left out here.
fn header_map(headers: &[Header]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        })
        .collect()
}

async fn answer(mut response: Response, deadline: Instant) -> Answer {
    let header = |name| {
        let value: &HeaderValue = response.headers().get(name)?;
        value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES).map(str::to_owned)
    };
    let (status, retry_after) = (response.status().as_u16(), header(RETRY_AFTER));
    Answer { status, retry_after, body: beginning(&mut response, deadline).await }
}

/// The beginning of the body. Reads on up to [`limits::ANSWER_READ_BYTES`], so that a connection
/// with a short answer can be used again; a longer one is closed by dropping the response.
async fn beginning(response: &mut Response, deadline: Instant) -> String {
    let mut kept = Vec::new();
    let mut read_bytes = 0;
    while read_bytes < limits::ANSWER_READ_BYTES
        && let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await
    {
        read_bytes += chunk.len();
        let room = limits::ANSWER_KEPT_BYTES - kept.len();
        kept.extend(chunk.iter().take(room));
    }
    bounded(String::from_utf8_lossy(&kept).into_owned(), limits::ANSWER_KEPT_BYTES)
}

fn bounded(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

impl TransportError {
    fn of(error: &reqwest::Error) -> Self {
        let mut texts: Vec<_> = causes(error).map(ToString::to_string).collect();
        texts.dedup();
        let text = texts.join(": ").replace(char::is_control, " ");
        Self { kind: failure(error), text: bounded(text, ERROR_BYTES) }
    }
}

/// Told by the types of the causes, never by their texts.
fn failure(error: &reqwest::Error) -> Failure {
    let has = |kinds: &[io::ErrorKind]| {
        causes(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| kinds.contains(&cause.kind()))
    };
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_dns() {
        Failure::Dns
    } else if error.is_connect() {
        // tokio-rustls reports what rustls refuses as InvalidData, and a peer that hangs up in
        // the handshake as UnexpectedEof. TCP alone gives neither.
        let is_tls = has(&[io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof]);
        if is_tls { Failure::Tls } else { Failure::Connect }
    } else if has(&[
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
    ]) {
        Failure::Reset
    } else {
        Failure::Exchange
    }
}

/// The error and its causes. An `io::Error` hides what it wraps from `source`.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    successors(Some(error as &(dyn Error + 'static)), |&cause| {
        match cause.downcast_ref::<io::Error>() {
            Some(cause) => cause.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{
        super::peer::{Behaviour, Peer},
        *,
    };

    const AMPLE: Duration = Duration::from_secs(20);

    async fn post(url: &Url, timeout: Duration) -> Result<Answer, TransportError> {
        let headers = [("webhook-id", "evt_1".to_owned())];
        Client::new().unwrap().post(url, &headers, Bytes::from_static(b"{}"), timeout).await
    }

    async fn answered(raw: &'static str) -> (Peer, Result<Answer, TransportError>) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let result = post(&peer.url(), AMPLE).await;
        (peer, result)
    }

    #[tokio::test]
    async fn a_request_is_plain_and_says_who_calls() {
        let (peer, result) = answered("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        assert_eq!(result.unwrap().status, 204);
        let [request] = &peer.requests()[..] else { panic!("one request") };
        assert_eq!(request.line(), "POST /hook?token=secret HTTP/1.1");
        assert_eq!(request.header("user-agent"), Some(USER_AGENT));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.header("webhook-id"), Some("evt_1"));
        assert_eq!(request.header("content-length"), Some("2"));
        assert_eq!(request.header("cookie"), None);
        assert_eq!(request.body, b"{}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let target = Peer::start(Behaviour::Silent).await;
        let raw = format!(
            "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            target.url()
        );
        let (_peer, result) = answered(raw.leak()).await;
        assert_eq!(result.unwrap().status, 302);
        assert!(target.requests().is_empty());
    }

    #[tokio::test]
    async fn the_answer_keeps_the_headers_that_matter_and_a_lossy_body() {
        let raw = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 5\r\n\r\nnot y";
        let answer = answered(raw).await.1.unwrap();
        assert_eq!(answer.retry_after.as_deref(), Some("7"));
        assert_eq!(answer.body, "not y");
    }

    #[tokio::test]
    async fn an_endless_body_is_bounded_and_the_connection_closed() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut peer = Peer::start(Behaviour::Endless(head)).await;
        // The bound ends the reading, long before the timeout of the request would.
        let url = peer.url();
        let answer = timeout_at(Instant::now() + AMPLE, post(&url, Duration::from_hours(1))).await;
        let answer = answer.unwrap().unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, limits::ANSWER_KEPT_BYTES));
        peer.hung_up().await;
    }

    #[tokio::test]
    async fn a_body_that_is_not_utf_8_stays_within_its_bound() {
        let peer = Peer::start(Behaviour::Garbage).await;
        let answer = post(&peer.url(), AMPLE).await.unwrap();
        assert!(answer.body.len() <= limits::ANSWER_KEPT_BYTES);
        assert!(answer.body.starts_with('\u{fffd}'));
    }

    #[tokio::test]
    async fn a_status_counts_although_its_body_never_ends() {
        let raw = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
        let peer = Peer::start(Behaviour::Stall(raw)).await;
        let answer = post(&peer.url(), Duration::from_millis(300)).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "half"));
    }

    async fn failure_of(behaviour: Behaviour, timeout: Duration) -> TransportError {
        let peer = Peer::start(behaviour).await;
        post(&peer.url(), timeout).await.unwrap_err()
    }

    #[tokio::test]
    async fn silence_is_a_timeout() {
        for behaviour in [Behaviour::Silent, Behaviour::Stall("HTTP/1.1 200 OK\r\nx-half: ")] {
            let error = failure_of(behaviour, Duration::from_millis(300)).await;
            assert_eq!(error.kind, Failure::Timeout);
        }
    }

    #[tokio::test]
    async fn a_reset_is_told_from_a_close_without_answer() {
        assert_eq!(failure_of(Behaviour::Reset, AMPLE).await.kind, Failure::Reset);
        assert_eq!(failure_of(Behaviour::HalfClose, AMPLE).await.kind, Failure::Exchange);
    }

    #[tokio::test]
    async fn what_is_not_http_fails_without_harm() {
        for raw in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/9.9 200\r\n\r\n"] {
            let (_peer, result) = answered(raw).await;
            assert_eq!(result.unwrap_err().kind, Failure::Exchange, "{raw}");
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_a_connect_failure() {
        let url = Peer::nobody().await;
        let error = post(&url, AMPLE).await.unwrap_err();
        assert_eq!(error.kind, Failure::Connect);
        assert!(!error.text.contains("token"), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_a_dns_failure() {
        // A label of 64 bytes is refused by the resolver without asking the network.
        let url = format!("http://{}.test/", "a".repeat(64)).parse().unwrap();
        assert_eq!(post(&url, AMPLE).await.unwrap_err().kind, Failure::Dns);
    }

    #[tokio::test]
    async fn https_to_a_peer_that_does_not_speak_it_is_a_tls_failure() {
        for behaviour in [Behaviour::Greet("220 mail.example.com ESMTP\r\n"), Behaviour::HangUp] {
            let peer = Peer::start(behaviour).await;
            let mut url = peer.url();
            url.set_scheme("https").unwrap();
            let error = post(&url, AMPLE).await.unwrap_err();
            assert_eq!(error.kind, Failure::Tls, "{error}");
        }
    }
}

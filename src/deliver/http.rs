//! POSTs bytes and reads a bounded answer. The only place that speaks HTTP to receivers.
//!
//! No redirects and no cookies; no hidden second send of a request that may have arrived; TLS 1.2 at
//! least. Nothing a receiver does costs more than [`limits::ANSWER_READ_BYTES`] or the timeout.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Certificate, ClientBuilder, Identity, Method, Proxy, Request, Response, Url,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderValue},
    redirect::Policy as Redirects,
    tls::Version,
};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    failure::{PostError, bounded},
    resolve::Resolver,
    trace::{Timing, Trace},
};
use crate::{
    config::Connection,
    limits,
    queue::attempt::{HEADER_BYTES, KEPT_HEADERS, Times},
};

/// For name, TCP and TLS of a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections kept for each receiver; as many as attempts run at once for all webhooks by
/// default, so that none is closed that the next attempt would use.
const IDLE_CONNECTIONS: usize = 256;

/// How long one is kept: less than the 5 s after which common servers (Node.js, Apache) close it,
/// so that a request hardly ever meets a closing connection and loses an attempt.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Who calls.
pub(super) const USER_AGENT: &str = concat!("mailherald/", env!("CARGO_PKG_VERSION"));

/// Sends requests over connections that it keeps, all made in one way. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// Those of [`KEPT_HEADERS`] that there are, bounded.
    pub(super) headers: Vec<(String, String)>,
    /// Beginning of the body, at most [`limits::ANSWER_KEPT_BYTES`]: text from a stranger, in
    /// which only what is not UTF-8 is replaced.
    pub(super) body: String,
}

/// One request, from its start to its end.
#[derive(Debug)]
pub(super) struct Posted {
    /// Who answered.
    pub(super) remote: Option<SocketAddr>,
    /// What took how long.
    pub(super) times: Times,
    /// What came of it.
    pub(super) result: Result<Answer, PostError>,
}

impl Answer {
    /// A header of the answer.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Http {
    /// A client that connects in this way, to where `resolver` lets it. It trusts the certificate
    /// authorities of this machine and those named. Where the machine has none, a bare container
    /// perhaps, plain http still works and https fails with a TLS error.
    ///
    /// # Errors
    /// What was configured cannot be used, or the TLS library cannot be set up.
    pub(super) fn new(connection: &Connection, resolver: Resolver) -> Result<Self, reqwest::Error> {
        let resolver = Arc::new(resolver);
        let authorities = authorities(connection)?;
        let trusting = builder(connection, &resolver)?.tls_certs_merge(authorities.clone());
        let client = trusting.build().or_else(|error| {
            let bare = builder(connection, &resolver)?.tls_certs_only(authorities).build()?;
            warn!(%error, "no certificate authorities found: https webhooks may fail");
            Ok::<_, reqwest::Error>(bare)
        })?;
        Ok(Self(client))
    }

    /// Sends one request. `timeout` runs from connecting to the status line, which decides; the
    /// body is read for the record only, within the same timeout, and may be cut by it.
    ///
    /// # Cancel safety
    /// Dropped half-way it closes the connection; the request may have arrived or not.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Posted {
        let started = Instant::now();
        let deadline = started + timeout;
        let trace = Trace::new(url.port_or_known_default().unwrap_or_default());
        // What reqwest's builder makes of the same, without a copy of every header.
        let mut request = Request::new(Method::POST, url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let request = self.0.execute(request);
        let sent = Arc::clone(&trace).around(timeout_at(deadline, request)).await;
        let first_byte = started.elapsed();
        let mut posted = match sent {
            Err(_) => Posted::failed(PostError::timeout(timeout)),
            Ok(Err(error)) => Posted::failed(PostError::of(&error.without_url())),
            Ok(Ok(response)) => Posted::answered(response, deadline, first_byte).await,
        };
        posted.times.add(&trace, started.elapsed());
        posted
    }
}

impl Posted {
    fn failed(error: PostError) -> Self {
        Self { remote: None, times: Times::default(), result: Err(error) }
    }

    async fn answered(response: Response, deadline: Instant, first_byte: Duration) -> Self {
        Self {
            remote: response.remote_addr(),
            times: Times { first_byte_us: Some(micros(first_byte)), ..Times::default() },
            result: Ok(answer(response, deadline).await),
        }
    }
}

impl Times {
    /// A name that was resolved for a connection that another request then used is not of this
    /// one, if it was answered.
    fn add(&mut self, trace: &Trace, total: Duration) {
        let spent = trace.spent();
        let own = spent.connect.is_some() || self.first_byte_us.is_none();
        self.dns_us = spent.dns.filter(|_| own).map(micros);
        self.connect_us = spent.connect.map(micros);
        self.total_us = micros(total);
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn builder(
    connection: &Connection,
    resolver: &Arc<Resolver>,
) -> Result<ClientBuilder, reqwest::Error> {
    let accept = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(accept)
        .redirect(Redirects::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Arc::clone(resolver))
        .connector_layer(Timing)
        .tls_version_min(Version::TLS_1_2)
        .tls_danger_accept_invalid_certs(connection.skips_verification);
    if let Some(identity) = &connection.identity {
        builder = builder.identity(Identity::from_pem(identity.reveal())?);
    }
    if let Some(proxy) = &connection.proxy {
        builder = builder.proxy(Proxy::all(&*String::from_utf8_lossy(proxy.reveal()))?);
    }
    Ok(builder)
}

fn authorities(connection: &Connection) -> Result<Vec<Certificate>, reqwest::Error> {
    let pem = connection.ca.as_ref().map(|ca| Certificate::from_pem_bundle(ca.reveal()));
    pem.unwrap_or_else(|| Ok(Vec::new()))
}

async fn answer(mut response: Response, deadline: Instant) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: kept_headers(response.headers()),
        body: beginning(&mut response, deadline).await,
    }
}

/// The first of each name.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = KEPT_HEADERS.iter().filter_map(|&name| {
        let value = String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned();
        Some((name.to_owned(), bounded(value, HEADER_BYTES)))
    });
    kept.collect()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use reqwest::header::HeaderName;

    use super::{
        super::{
            client::Client,
            peer::{Behaviour, Peer},
        },
        *,
    };
    use crate::{egress::Policy, queue::outcome::Failure};

    const AMPLE: Duration = Duration::from_secs(20);

    async fn post(url: &Url, timeout: Duration) -> Result<Answer, PostError> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("webhook-id"),
            HeaderValue::from_static("evt_1"),
        )]);
        let http = Client::new(Policy::default()).unwrap().http(&Connection::default()).unwrap();
        http.post(url, headers, Bytes::from_static(b"{}"), timeout).await.result
    }

    fn class(error: &PostError) -> Failure {
        match error {
            PostError::Failed { class, .. } => *class,
            PostError::Denied(denied) => panic!("{denied}"),
        }
    }

    async fn answered(raw: &'static str) -> (Peer, Result<Answer, PostError>) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let result = post(&peer.url(), AMPLE).await;
        (peer, result)
    }

    #[test]
    fn a_name_that_was_resolved_for_the_connection_of_another_request_is_not_counted() {
        let trace = Trace::new(443);
        trace.resolved_in(Duration::from_micros(5));
        let mut answered = Times { first_byte_us: Some(9), ..Times::default() };
        answered.add(&trace, Duration::from_micros(10));
        assert_eq!((answered.dns_us, answered.connect_us, answered.total_us), (None, None, 10));
        // A connection that never came about still tells how long its name took.
        let mut failed = Times::default();
        failed.add(&trace, Duration::from_micros(10));
        assert_eq!((failed.dns_us, failed.connect_us), (Some(5), None));
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
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert_eq!(answer.body, "not y");
    }

    #[tokio::test]
    async fn an_endless_body_is_bounded_and_the_connection_closed() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut peer = Peer::start(Behaviour::Endless(head, "10\r\nsixteen bytes...\r\n")).await;
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

    async fn failure_of(behaviour: Behaviour, timeout: Duration) -> PostError {
        let peer = Peer::start(behaviour).await;
        post(&peer.url(), timeout).await.unwrap_err()
    }

    #[tokio::test]
    async fn silence_is_a_timeout() {
        for behaviour in [Behaviour::Silent, Behaviour::Stall("HTTP/1.1 200 OK\r\nx-half: ")] {
            let error = failure_of(behaviour, Duration::from_millis(300)).await;
            assert_eq!(class(&error), Failure::Timeout);
        }
    }

    #[tokio::test]
    async fn a_reset_is_told_from_a_close_without_answer() {
        assert_eq!(class(&failure_of(Behaviour::Cut(""), AMPLE).await), Failure::Reset);
        assert_eq!(class(&failure_of(Behaviour::HalfClose, AMPLE).await), Failure::Exchange);
    }

    #[tokio::test]
    async fn what_is_not_http_fails_without_harm() {
        for raw in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/9.9 200\r\n\r\n"] {
            let (_peer, result) = answered(raw).await;
            assert_eq!(class(&result.unwrap_err()), Failure::Exchange, "{raw}");
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_a_connect_failure() {
        let url = Peer::nobody().await;
        let error = post(&url, AMPLE).await.unwrap_err();
        assert_eq!(class(&error), Failure::Connect);
        assert!(!error.to_string().contains("token"), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_a_dns_failure() {
        // A label of 64 bytes is refused by the resolver without asking the network.
        let url = format!("http://{}.test/", "a".repeat(64)).parse().unwrap();
        assert_eq!(class(&post(&url, AMPLE).await.unwrap_err()), Failure::Dns);
    }

    #[tokio::test]
    async fn https_to_a_peer_that_does_not_speak_it_is_a_tls_failure() {
        for behaviour in [Behaviour::Greet("220 mail.example.com ESMTP\r\n"), Behaviour::HangUp] {
            let peer = Peer::start(behaviour).await;
            let mut url = peer.url();
            url.set_scheme("https").unwrap();
            let error = post(&url, AMPLE).await.unwrap_err();
            assert_eq!(class(&error), Failure::Tls, "{error}");
        }
    }
}

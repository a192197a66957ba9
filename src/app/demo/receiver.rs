//! A webhook receiver on loopback, as a developer would write one: it checks the signature of the
//! Standard Webhooks scheme over the raw body before it believes anything.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{net::TcpListener, sync::mpsc};
use url::Url;

use crate::{app::AppError, limits, secret::Secret};

/// Requests that may wait to be shown.
const WAITING: usize = 256;

/// One request that came in.
#[derive(Debug)]
pub(super) struct Received {
    /// The signature was right.
    pub(super) verified: bool,
    /// The payload; null when it was not JSON.
    pub(super) payload: Value,
}

#[derive(Clone)]
struct Shared {
    secret: Secret,
    show: mpsc::Sender<Received>,
}

/// Listens on a free port of loopback and gives its URL. Must be called on a runtime.
pub(super) async fn start(secret: Secret) -> Result<(Url, mpsc::Receiver<Received>), AppError> {
    let listener =
        TcpListener::bind("127.0.0.1:0").await.map_err(AppError::system("listen on loopback"))?;
    let address = listener.local_addr().map_err(AppError::system("listen on loopback"))?;
    let (show, received) = mpsc::channel(WAITING);
    let router = Router::new()
        .route("/webhook", post(receive))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .with_state(Shared { secret, show });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the demo's receiver stopped");
        }
    });
    let url = format!("http://{address}/webhook");
    let url = Url::parse(&url).map_err(super::refused("make the receiver's address"))?;
    Ok((url, received))
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let verified = verify(&shared.secret, &headers, &body).is_some();
    let payload = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if shared.show.send(Received { verified, payload }).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if verified { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

/// The check of the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.
fn verify(secret: &Secret, headers: &HeaderMap, body: &[u8]) -> Option<()> {
    let header = |name| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signature = header("webhook-signature")?.strip_prefix("v1,")?;
    let signature = BASE64.decode(signature.as_bytes()).ok()?;
    let key = secret.decoded_key()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.verify_slice(&signature).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::profile::Profile;

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const BODY: &[u8] = br#"{"id":"evt_0001","service":"outbound","type":"outbound.delivered","created_at":1704825600,"data":{"uid":"4B1F2C3D"}}"#;

    fn headers(signature: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            ("webhook-id".parse().unwrap(), "evt_0001".parse().unwrap()),
            ("webhook-timestamp".parse().unwrap(), "1704825660".parse().unwrap()),
            ("webhook-signature".parse().unwrap(), signature.parse().unwrap()),
        ])
    }

    #[test]
    fn the_published_vector_verifies_and_a_changed_body_does_not() {
        let secret = Secret::parse(SECRET, Profile::Standard).unwrap();
        let signed = headers("v1,w9etUMb4ZmY6k0x3IssoPynBzOhX1JvqwSlY0filP2I=");
        assert!(verify(&secret, &signed, BODY).is_some());
        assert!(verify(&secret, &signed, b"{}").is_none());
        assert!(verify(&secret, &HeaderMap::new(), BODY).is_none());
    }
}

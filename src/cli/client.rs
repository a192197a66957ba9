//! The command line's side of the control API.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Certificate, Client, ClientBuilder, RequestBuilder, Response, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;

use super::{
    Failure,
    args::{Ask, Global},
};
use crate::{
    api::{problem::Problem, socket, stream::Listen},
    config::{self, ConfigError, Purpose, STATE_DIR},
};

/// How long a mail may take to be taken in.
const MAIL_WAIT: Duration = Duration::from_mins(1);

/// How long a daemon on the network may take to be reached.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Environment variable of the key for a daemon on the network.
const KEY: &str = "MAILHERALD_API_KEY";

/// The running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    place: Place,
    client: Client,
    runtime: Runtime,
}

/// Where it is asked.
#[derive(Debug, Clone)]
pub enum Place {
    /// On its unix socket.
    Socket(PathBuf),
    /// On the network.
    Network(Url),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Network(url) => url.fmt(f),
        }
    }
}

/// Why the daemon gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nobody listens.
    #[error("the daemon does not answer on {place}")]
    Silent {
        /// Where it was looked for.
        place: Place,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// It speaks of what this version does not know.
    #[error("the daemon's answer is not understood: it may be of another version")]
    Strange(#[source] serde_json::Error),
    /// It says more without an end than this version understands.
    #[error("the daemon's answer has no end: it may be of another version")]
    Endless,
    /// The file of its authority cannot be read.
    #[error("read the certificates in {path}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// That file holds none.
    #[error("there is no certificate in {path}")]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The environment gives a key that cannot be one.
    #[error("{KEY} holds what cannot be a key")]
    Key,
    /// The client could not be made.
    #[error("set up the client")]
    Setup(#[source] reqwest::Error),
    /// The runtime could not be made.
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl DaemonError {
    /// The same question may be answered a little later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 500..),
            _ => false,
        }
    }
}

impl Daemon {
    /// The daemon with that state directory. Nothing is sent yet.
    pub(super) fn find(ask: &Ask, global: &Global) -> Result<Self, Failure> {
        match (&ask.api, &ask.state) {
            (Some(url), _) => {
                let authorities = ask.ca_file.as_deref().map(authorities).transpose()?;
                Self::on_network(url.clone(), authorities)
            }
            (None, Some(state_dir)) => Self::on_socket(socket::path(state_dir)),
            (None, None) => Self::on_socket(socket::path(&configured(global)?)),
        }
    }

    /// The daemon on that socket. Nothing is sent yet.
    pub(super) fn on_socket(path: PathBuf) -> Result<Self, Failure> {
        // Without TLS nobody needs the authorities of the system, and there may be none.
        let client = Client::builder().unix_socket(path.clone()).no_proxy().tls_certs_only([]);
        Self::with(Place::Socket(path), client)
    }

    /// The daemon at that URL, whose certificate comes from one of these authorities, or else from one
    /// that the system knows. Nothing is sent yet.
    fn on_network(url: Url, authorities: Option<Vec<Certificate>>) -> Result<Self, Failure> {
        let client = Client::builder().default_headers(key()?).connect_timeout(CONNECT_WAIT);
        let client = match authorities {
            None if url.scheme() == "https" => client,
            authorities => client.tls_certs_only(authorities.unwrap_or_default()),
        };
        Self::with(Place::Network(url), client)
    }

    fn with(place: Place, client: ClientBuilder) -> Result<Self, Failure> {
        let client = client.build().map_err(DaemonError::Setup)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { place, client, runtime: runtime.map_err(DaemonError::Runtime)? })
    }

    /// What is at that place.
    pub(super) fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, DaemonError> {
        self.answer(self.client.get(self.url(segments)))
    }

    /// The part of it that is asked for.
    pub(super) fn get_of<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        which: &impl Serialize,
    ) -> Result<T, DaemonError> {
        self.answer(self.client.get(self.url(segments)).query(which))
    }

    /// What comes of removing that.
    pub(super) fn delete<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        which: &impl Serialize,
    ) -> Result<T, DaemonError> {
        self.answer(self.client.delete(self.url(segments)).query(which))
    }

    /// Removes what is at that place.
    pub(super) fn remove(&self, segments: &[&str]) -> Result<(), DaemonError> {
        self.answer(self.client.delete(self.url(segments)))
    }

    /// What comes of that operation.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, DaemonError> {
        let bytes = serde_json::to_vec(body).map_err(DaemonError::Strange)?;
        let request = self.client.post(self.url(segments));
        self.answer(request.header("content-type", "application/json").body(bytes))
    }

    /// What comes of changing what is at that place.
    pub(super) fn patch<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, DaemonError> {
        let bytes = serde_json::to_vec(body).map_err(DaemonError::Strange)?;
        let request = self.client.patch(self.url(segments));
        self.answer(request.header("content-type", "application/json").body(bytes))
    }

    /// What comes of a mail. A daemon that hangs is given up: the mail server waits.
    pub(super) fn post_mail<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        mail: Vec<u8>,
    ) -> Result<T, DaemonError> {
        let request = self.client.post(self.url(segments)).timeout(MAIL_WAIT);
        self.answer(request.header("content-type", "message/rfc822").body(mail))
    }

    /// What happens from now on, or since `last`, as server-sent events.
    pub(super) async fn listen(
        &self,
        asked: &Listen,
        last: Option<&str>,
    ) -> Result<Response, DaemonError> {
        let silent = |source| DaemonError::Silent { place: self.place.clone(), source };
        let mut request = self.client.get(self.url(&["stream"])).query(asked);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(silent)?;
        if response.status().is_success() {
            return Ok(response);
        }
        // It is a refusal, and never what was asked for.
        understood::<serde_json::Value>(response, silent)
            .await
            .and_then(|_| Err(DaemonError::Endless))
    }

    /// Waits for what a command does here and there.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn url(&self, segments: &[&str]) -> Url {
        match &self.place {
            Place::Socket(_) => at(socket_url(), segments),
            Place::Network(url) => at(url.clone(), segments),
        }
    }

    fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, DaemonError> {
        let silent = |source| DaemonError::Silent { place: self.place.clone(), source };
        self.runtime.block_on(async {
            let response = request.send().await.map_err(silent)?;
            understood(response, silent).await
        })
    }
}

/// The state directory of the daemon that runs with this configuration.
fn configured(global: &Global) -> Result<PathBuf, ConfigError> {
    match config::load(global.config_path(), Purpose::DryRun) {
        Ok(loaded) => Ok(loaded.config.state_dir),
        Err(ConfigError::Read { source, .. })
            if global.config.is_none() && source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(STATE_DIR.into())
        }
        Err(error) => Err(error),
    }
}

/// The certificates in that file.
fn authorities(file: &Path) -> Result<Vec<Certificate>, DaemonError> {
    let unreadable = |source| DaemonError::Authority { path: file.to_owned(), source };
    let pem = fs::read(file).map_err(unreadable)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(DaemonError::NoAuthority { path: file.to_owned() }),
    }
}

async fn understood<T: DeserializeOwned>(
    response: Response,
    silent: impl Fn(reqwest::Error) -> DaemonError,
) -> Result<T, DaemonError> {
    let is_good = response.status().is_success();
    #[expect(clippy::disallowed_methods, reason = "our own daemon bounds what it answers")]
    let bytes = response.bytes().await.map_err(silent)?;
    if is_good {
        // No content is JSON's nothing.
        let bytes = if bytes.is_empty() { b"null" } else { &bytes[..] };
        serde_json::from_slice(bytes).map_err(DaemonError::Strange)
    } else {
        Err(match serde_json::from_slice(&bytes) {
            Ok(problem) => DaemonError::Refused(problem),
            Err(error) => DaemonError::Strange(error),
        })
    }
}

/// The header that says who asks.
fn key() -> Result<HeaderMap, DaemonError> {
    let Some(key) = env::var_os(KEY) else { return Ok(HeaderMap::new()) };
    let text = key.to_str().map(|key| format!("Bearer {}", key.trim()));
    let value = text.and_then(|text| HeaderValue::from_str(&text).ok());
    let mut value = value.ok_or(DaemonError::Key)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// The host does not matter: the socket is where it goes.
#[expect(clippy::expect_used, reason = "a constant that a test parses")]
fn socket_url() -> Url {
    "http://mailherald".parse().expect("a URL")
}

/// Where that is below `base`.
fn at(mut base: Url, segments: &[&str]) -> Url {
    if let Ok(mut path) = base.path_segments_mut() {
        path.pop_if_empty().push("v1").extend(segments);
    }
    base
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(
            at(socket_url(), &["webhooks", "a/b ?#ü", "test"]).as_str(),
            "http://mailherald/v1/webhooks/a%2Fb%20%3F%23%C3%BC/test"
        );
        for base in ["http://127.0.0.1:8025", "http://127.0.0.1:8025/"] {
            let url = at(base.parse().unwrap(), &["keys"]);
            assert_eq!(url.as_str(), "http://127.0.0.1:8025/v1/keys");
        }
    }
}

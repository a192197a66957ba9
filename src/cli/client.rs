//! The command line's side of the control API.

use std::{io, path::PathBuf};

use reqwest::{Client, RequestBuilder, Response, Url};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;

use super::{
    Failure,
    args::{Ask, Global},
};
use crate::{
    api::{problem::Problem, socket},
    config::{self, ConfigError, Purpose, STATE_DIR},
};

/// The running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    socket: PathBuf,
    client: Client,
    runtime: Runtime,
}

/// Why the daemon gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nobody listens.
    #[error("the daemon does not answer on {}", socket.display())]
    Silent {
        /// Where it was looked for.
        socket: PathBuf,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// It speaks of what this version does not know.
    #[error("the daemon's answer is not understood: it may be of another version")]
    Strange(#[source] serde_json::Error),
    /// The client could not be made.
    #[error("set up the client")]
    Setup(#[source] reqwest::Error),
    /// The runtime could not be made.
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl Daemon {
    /// The daemon with that state directory. Nothing is sent yet.
    pub(super) fn find(ask: &Ask, global: &Global) -> Result<Self, Failure> {
        let state_dir = match &ask.state {
            Some(state_dir) => state_dir.clone(),
            None => configured(global)?,
        };
        let socket = socket::path(&state_dir);
        let client = Client::builder().unix_socket(socket.clone()).no_proxy().build();
        let client = client.map_err(DaemonError::Setup)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { socket, client, runtime: runtime.map_err(DaemonError::Runtime)? })
    }

    /// What is at that place.
    pub(super) fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, DaemonError> {
        self.answer(self.client.get(place(segments)))
    }

    /// The part of it that is asked for.
    pub(super) fn get_of<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        which: &impl Serialize,
    ) -> Result<T, DaemonError> {
        self.answer(self.client.get(place(segments)).query(which))
    }

    /// What comes of removing that.
    pub(super) fn delete<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        which: &impl Serialize,
    ) -> Result<T, DaemonError> {
        self.answer(self.client.delete(place(segments)).query(which))
    }

    /// What comes of that operation.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, DaemonError> {
        let bytes = serde_json::to_vec(body).map_err(DaemonError::Strange)?;
        let request = self.client.post(place(segments));
        self.answer(request.header("content-type", "application/json").body(bytes))
    }

    fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, DaemonError> {
        let silent = |source| DaemonError::Silent { socket: self.socket.clone(), source };
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

async fn understood<T: DeserializeOwned>(
    response: Response,
    silent: impl Fn(reqwest::Error) -> DaemonError,
) -> Result<T, DaemonError> {
    let is_good = response.status().is_success();
    #[expect(clippy::disallowed_methods, reason = "our own daemon bounds what it answers")]
    let bytes = response.bytes().await.map_err(silent)?;
    if is_good {
        serde_json::from_slice(&bytes).map_err(DaemonError::Strange)
    } else {
        Err(match serde_json::from_slice(&bytes) {
            Ok(problem) => DaemonError::Refused(problem),
            Err(error) => DaemonError::Strange(error),
        })
    }
}

/// The host does not matter: the socket is where it goes.
fn place(segments: &[&str]) -> Url {
    #[expect(clippy::expect_used, reason = "a constant that a test parses")]
    let mut url: Url = "http://mailherald/v1".parse().expect("a URL");
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(
            place(&["webhooks", "a/b ?#ü", "test"]).as_str(),
            "http://mailherald/v1/webhooks/a%2Fb%20%3F%23%C3%BC/test"
        );
    }
}

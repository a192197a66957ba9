//! Why no answer came, told by the types of the causes and never by their texts.

use std::{error::Error, io, iter::successors};

use thiserror::Error;

use crate::{
    egress::Denied,
    queue::{attempt::TEXT_BYTES, outcome::Failure},
};

/// The other side cut a connection that there was.
const CUT: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe];

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum PostError {
    /// Something stood in the way.
    #[error("{}: {text}", class.name())]
    Failed {
        /// What.
        class: Failure,
        /// For a person, without the URL, which may hold a token. Bounded.
        text: String,
    },
    /// We may not go where the name led.
    #[error(transparent)]
    Denied(Denied),
}

impl PostError {
    /// Of an error that reqwest gives.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(denied) = causes(error).find_map(|cause| cause.downcast_ref::<Denied>()) {
            return Self::Denied(denied.clone());
        }
        let class = class(error);
        let mut texts: Vec<_> = causes(error).skip(1).map(ToString::to_string).collect();
        texts.dedup();
        // The HTTP library says first that it was its client, which helps nobody.
        if texts.len() > 1 {
            texts.retain(|text| !text.starts_with("client error ("));
        }
        if texts.is_empty() {
            texts.push(error.to_string());
        }
        Self::Failed { class, text: one_line(&texts.join(": ")) }
    }

    /// No status line in time.
    pub(super) fn timeout(after: std::time::Duration) -> Self {
        Self::Failed { class: Failure::Timeout, text: format!("no answer within {after:?}") }
    }
}

/// A text for a record: one line, bounded.
pub(super) fn one_line(text: &str) -> String {
    bounded(text.replace(char::is_control, " "), TEXT_BYTES)
}

/// Cut to so many bytes, between two characters.
pub(super) fn bounded(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn class(error: &reqwest::Error) -> Failure {
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
        if has(&[io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof]) {
            Failure::Tls
        } else if has(&CUT) {
            Failure::Reset
        } else {
            Failure::Connect
        }
    } else if has(&CUT) {
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

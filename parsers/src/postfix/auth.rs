//! Failed authentication (`smtpd_sasl_glue.c`).

use crate::fields::tag;
use memchr::memmem;
use nom::{Parser as _, sequence::terminated};

use super::{Peer, peer::peer};

/// `warning: name[addr]: SASL PLAIN authentication failed: reason, sasl_username=ivy`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuthFailure<'a> {
    /// The client.
    pub peer: Peer<'a>,
    /// SASL mechanism, as the client named it.
    pub mechanism: &'a [u8],
    /// Why, in the words of the SASL library.
    pub reason: &'a [u8],
    /// The user that the client claimed to be; older releases do not log it.
    pub username: Option<&'a [u8]>,
}

/// Reads what follows `warning: `:
/// `mail7.client.test[127.0.2.7]: SASL PLAIN authentication failed: (reason unavailable),
/// sasl_username=ivy`.
///
/// The reason is the SASL library's, and the user name the client's, so the first split counts.
pub(super) fn failure(text: &[u8]) -> Option<AuthFailure<'_>> {
    let (said, peer) = terminated(peer, tag(": SASL ")).parse(text).ok()?;
    let (mechanism, reason) = split(said, b" authentication failed: ")?;
    let (reason, username) = match split(reason, b", sasl_username=") {
        Some((reason, username)) => (reason, Some(username)),
        None => (reason, None),
    };
    Some(AuthFailure { peer, mechanism, reason, username })
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (head, tail) = text.split_at_checked(memmem::find(text, at)?)?;
    Some((head, tail.strip_prefix(at)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// smtpd(8) of a submission service, Postfix 3.7.11.
    #[test]
    fn a_failure_names_client_mechanism_and_user() {
        let failure = failure(
            b"mail7.client.test[127.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), \
              sasl_username=ivy, sasl_username=x",
        )
        .unwrap();
        assert_eq!((failure.peer.address, failure.mechanism), (&b"127.0.2.7"[..], &b"PLAIN"[..]));
        assert_eq!(failure.reason, b"(reason unavailable)");
        assert_eq!(failure.username, Some(&b"ivy, sasl_username=x"[..]));
    }

    #[test]
    fn older_releases_name_no_user() {
        let failure = failure(b"a[::1]: SASL LOGIN authentication failed: no").unwrap();
        assert_eq!((failure.reason, failure.username), (&b"no"[..], None));
        assert_eq!(super::failure(b"SASL authentication failure: no"), None);
    }
}

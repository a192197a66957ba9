//! Lines of smtpd about an accepted client. Refusals: [`super::verdict`].

use std::sync::LazyLock;

use memchr::memmem::FinderRev;
use nom::{
    Parser as _,
    combinator::{all_consuming, opt, verify},
    sequence::preceded,
};

use super::{Client, Peer, QueueId, peer::peer};
use crate::fields::{Parsed, key, tag, word};

// Made once, because making one takes longer than the search.
static ORIG_CLIENT: LazyLock<FinderRev<'_>> = LazyLock::new(|| FinderRev::new(", orig_client="));
static ORIG_QUEUE_ID: LazyLock<FinderRev<'_>> =
    LazyLock::new(|| FinderRev::new(", orig_queue_id="));
static SASL_SENDER: LazyLock<FinderRev<'_>> = LazyLock::new(|| FinderRev::new(", sasl_sender="));

/// Reads what follows `QID: ` or `NOQUEUE: `:
///
/// ```text
/// client=mail7.client.test[127.0.2.7], sasl_method=PLAIN, sasl_username=ivy
/// client=localhost[127.0.0.1], orig_queue_id=97C0A53F4D6, orig_client=out5.client.test[127.0.2.5]
/// ```
///
/// `smtpd.c`, `mail_open_stream()`. The user name is free text and stands before the fields of a
/// filter's XFORWARD, so those are taken from the right.
pub(super) fn client<'a>(queue_id: Option<QueueId<'a>>, text: &'a [u8]) -> Option<Client<'a>> {
    let (list, peer) = preceded(tag("client="), peer).parse(text).map(ended).ok().flatten()?;
    if list.is_empty() {
        let (sasl_method, sasl_username, orig_queue_id, orig_client) = (None, None, None, None);
        return Some(Client {
            queue_id,
            peer,
            sasl_method,
            sasl_username,
            orig_queue_id,
            orig_client,
        });
    }
    let (list, orig_client) = trailing(list, &ORIG_CLIENT, whole_peer);
    let (list, orig_queue_id) = trailing(list, &ORIG_QUEUE_ID, QueueId::parse);
    let (list, _) = trailing(list, &SASL_SENDER, single_word);
    let (_, (sasl_method, sasl_username)) = all_consuming(sasl).parse(list).ok()?;
    Some(Client { queue_id, peer, sasl_method, sasl_username, orig_queue_id, orig_client })
}

/// A client, and the list behind it, which is empty or begins with a comma.
fn ended<'a>((list, peer): (&'a [u8], Peer<'a>)) -> Option<(&'a [u8], Peer<'a>)> {
    (list.is_empty() || list.starts_with(b", ")).then_some((list, peer))
}

/// Splits the last `key` and its value off `list`, when the value reads to the end.
fn trailing<'a, T>(
    list: &'a [u8],
    key: &FinderRev<'_>,
    value: impl Fn(&'a [u8]) -> Option<T>,
) -> (&'a [u8], Option<T>) {
    let split = key.rfind(list).and_then(|at| list.split_at_checked(at));
    let parsed =
        split.and_then(|(head, tail)| Some((head, value(tail.strip_prefix(key.needle())?)?)));
    match parsed {
        Some((head, value)) => (head, Some(value)),
        None => (list, None),
    }
}

fn whole_peer(text: &[u8]) -> Option<Peer<'_>> {
    all_consuming(peer).parse(text).ok().map(|(_, peer)| peer)
}

/// An XTEXT value (RFC 3461 §4) holds neither space nor comma of its own.
fn single_word(text: &[u8]) -> Option<&[u8]> {
    all_consuming(word).parse(text).ok().map(|(_, word)| word)
}

/// Mechanism and user name.
type Sasl<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn sasl(input: &[u8]) -> Parsed<'_, Sasl<'_>> {
    let user = verify(nom::combinator::rest, |_: &[u8]| true);
    (opt(preceded(key("sasl_method"), word)), opt(preceded(key("sasl_username"), user)))
        .parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parsed(text: &str) -> Client<'_> {
        client(None, text.as_bytes()).unwrap()
    }

    #[test]
    fn a_client_may_be_alone() {
        let client = parsed("client=unknown[::1]");
        assert_eq!((client.peer.name, client.peer.address), (&b"unknown"[..], &b"::1"[..]));
        assert_eq!((client.sasl_username, client.orig_client), (None, None));
    }

    /// smtpd(8) of a submission service, Postfix 3.7.11.
    #[test]
    fn an_authenticated_client_has_method_and_user() {
        let client =
            parsed("client=mail7.client.test[127.0.2.7], sasl_method=PLAIN, sasl_username=ivy");
        assert_eq!(client.sasl_method, Some(&b"PLAIN"[..]));
        assert_eq!(client.sasl_username, Some(&b"ivy"[..]));
    }

    #[test]
    fn a_user_name_may_hold_spaces_and_commas() {
        let client = parsed(
            "client=a[::1], sasl_method=LOGIN, sasl_username=ivy, the user, sasl_sender=a@x, \
            orig_queue_id=97C0A53F4D6, orig_client=b[192.0.2.1]",
        );
        assert_eq!(client.sasl_username, Some(&b"ivy, the user"[..]));
        assert_eq!(client.orig_queue_id.unwrap().as_str(), "97C0A53F4D6");
        assert_eq!(client.orig_client.unwrap().address, b"192.0.2.1");
    }

    #[test]
    fn a_list_that_does_not_read_to_its_end_is_none() {
        for text in ["client=", "client=a", "client=a[::1] x", "client=a[::1], other=1"] {
            assert_eq!(client(None, text.as_bytes()), None, "{text}");
        }
    }
}

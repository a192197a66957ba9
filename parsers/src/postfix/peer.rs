//! `name[address]:port`, the way Postfix names a host.

use super::Peer;
use crate::fields::{Parsed, decimal, failed};

/// `mx1.good.test[127.0.1.1]:25`, `localhost[127.0.0.1]`, `::1[::1]:2606`,
/// `mx.test[private/dovecot-lmtp]`, and postscreen's `[192.0.2.1]:45678`.
///
/// The name may hold colons, the address neither brackets nor spaces (`smtp_session.c`,
/// `namaddr`; `smtpd_peer.c`).
pub(super) fn peer(input: &[u8]) -> Parsed<'_, Peer<'_>> {
    let (name, rest) = plain(input);
    let (address, rest) = bracketed(rest).ok_or_else(|| failed(input))?;
    let (port, rest) = port(rest).map_or((None, rest), |(port, rest)| (Some(port), rest));
    Ok((rest, Peer { name, address, port }))
}

fn bracketed(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (address, rest) = plain(input.strip_prefix(b"[")?);
    let rest = rest.strip_prefix(b"]")?;
    (!address.is_empty()).then_some((address, rest))
}

/// `:25`; a number that is no port is not part of the peer.
fn port(input: &[u8]) -> Option<(u16, &[u8])> {
    let (rest, port) = decimal(1, 19)(input.strip_prefix(b":")?).ok()?;
    Some((port.try_into().ok()?, rest))
}

/// What names a host or is its address, and what follows.
fn plain(input: &[u8]) -> (&[u8], &[u8]) {
    let length = input.iter().position(|byte| !is_plain(*byte)).unwrap_or(input.len());
    input.split_at_checked(length).unwrap_or((input, b""))
}

fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'[' | b']' | b' ' | b',' | b';' | b'<' | b'>' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(text: &str, (name, address): (&str, &str), port: Option<u16>, rest: &str) {
        let expected = Peer { name: name.as_bytes(), address: address.as_bytes(), port };
        assert_eq!(peer(text.as_bytes()), Ok((rest.as_bytes(), expected)), "{text}");
    }

    #[test]
    fn hosts_are_named_in_many_ways() {
        expect("mx1.good.test[127.0.1.1]:25, x", ("mx1.good.test", "127.0.1.1"), Some(25), ", x");
        expect("unknown[unknown]", ("unknown", "unknown"), None, "");
        expect("::1[::1]:2606", ("::1", "::1"), Some(2606), "");
        expect("mx.test[private/dovecot-lmtp]", ("mx.test", "private/dovecot-lmtp"), None, "");
        expect("[192.0.2.1]:45678: x", ("", "192.0.2.1"), Some(45678), ": x");
        expect("a_b.test[192.0.2.1]: x", ("a_b.test", "192.0.2.1"), None, ": x");
        expect("mx.test[192.0.2.1]:65536", ("mx.test", "192.0.2.1"), None, ":65536");
    }

    #[test]
    fn text_that_names_no_host_is_none() {
        for text in ["", "mx.test", "mx test[192.0.2.1]", "mx.test[]", "mx.test[192.0.2.1"] {
            assert!(peer(text.as_bytes()).is_err(), "{text}");
        }
    }
}

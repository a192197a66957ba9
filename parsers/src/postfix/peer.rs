//! `name[address]:port`, the way Postfix names a host.

use nom::{
    Parser as _,
    bytes::complete::{tag, take_while, take_while1},
    character::complete::u16 as number,
    combinator::opt,
    sequence::{delimited, preceded},
};

use super::Peer;
use crate::fields::Parsed;

/// `mx1.good.test[127.0.1.1]:25`, `localhost[127.0.0.1]`, `::1[::1]:2606`,
/// `mx.test[private/dovecot-lmtp]`, and postscreen's `[192.0.2.1]:45678`.
///
/// The name may hold colons, the address neither brackets nor spaces (`smtp_session.c`,
/// `namaddr`; `smtpd_peer.c`).
pub(super) fn peer(input: &[u8]) -> Parsed<'_, Peer<'_>> {
    let name = take_while(|byte: u8| is_plain(byte));
    let address = delimited(tag("["), take_while1(is_plain), tag("]"));
    let (rest, (name, address, port)) =
        (name, address, opt(preceded(tag(":"), number))).parse(input)?;
    Ok((rest, Peer { name, address, port }))
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
    }

    #[test]
    fn text_that_names_no_host_is_none() {
        for text in ["", "mx.test", "mx test[192.0.2.1]", "mx.test[]", "mx.test[192.0.2.1"] {
            assert!(peer(text.as_bytes()).is_err(), "{text}");
        }
    }
}

//! Lines of dnsblog, which asks DNS lists for postscreen.

use nom::{Parser as _, combinator::all_consuming, sequence::preceded};

use crate::fields::{tag, word};

/// `addr 192.0.2.1 listed by domain zen.dnsbl.test as 127.0.0.2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DnsListed<'a> {
    /// The client's address, as text.
    pub address: &'a [u8],
    /// The list. May hold the operator's access key, so it is not for strangers.
    pub domain: &'a [u8],
    /// What the list answered: an address in 127.0.0.0/8.
    pub answer: &'a [u8],
}

/// Reads `addr 192.0.2.1 listed by domain zen.dnsbl.test as 127.0.0.2` (`dnsblog.c`,
/// `dnsblog_query()`).
pub(super) fn listed(text: &[u8]) -> Option<DnsListed<'_>> {
    let line = (
        preceded(tag("addr "), word),
        preceded(tag(" listed by domain "), word),
        preceded(tag(" as "), word),
    );
    let (_, (address, domain, answer)) = all_consuming(line).parse(text).ok()?;
    Some(DnsListed { address, domain, answer })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_listed_client_is_told_with_list_and_answer() {
        let listed =
            listed(b"addr 2001:db8::1 listed by domain zen.dnsbl.test as 127.0.0.2").unwrap();
        assert_eq!((listed.address, listed.domain), (&b"2001:db8::1"[..], &b"zen.dnsbl.test"[..]));
        assert_eq!(listed.answer, b"127.0.0.2");
        assert_eq!(super::listed(b"addr 192.0.2.1 not listed by domain zen.dnsbl.test"), None);
    }
}

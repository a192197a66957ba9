//! Outbound or inbound (events.md §4).

use std::net::IpAddr;

use ipnet::IpNet;
use mailherald_parsers::{Process, postfix::Relay};

use super::message::{Class, Message, Origin};
use crate::event::{Route, text};

/// What the mail host knows about itself.
#[derive(Debug, Clone, Default)]
pub struct Direction {
    /// Domains whose mailboxes are here, lower case.
    pub local_domains: Vec<String>,
    /// Networks whose clients submit outbound mail.
    pub mynetworks: Vec<IpNet>,
    /// Components of a syslog tag that mark a submission service.
    pub submission_services: Vec<String>,
    /// Instances of the MTA that are named by more of the tag, or less, than [`Process::instance`].
    pub instances: Vec<String>,
    /// Streams that have a name; the first one that a message fits is its own.
    pub routes: Vec<Route>,
    /// Headers that a sender may set for its own use.
    pub metadata_headers: Vec<String>,
    /// The one that comes back as `tag`.
    pub tag_header: String,
}

impl Direction {
    /// The class of a message, from the first of its recipients that a line names. First match
    /// wins, in the order of events.md §4; a child's class was set when it was linked.
    #[must_use]
    pub fn class(&self, message: &Message, recipient: &str, is_local_agent: bool) -> Class {
        let is_submission =
            message.user.is_some() || message.origin == Origin::Local || message.submitted;
        if is_submission {
            return Class::Outbound;
        }
        match &message.client_address {
            Some(address) => self.class_of_client(address),
            None if self.is_local(recipient) || is_local_agent => Class::Inbound,
            None => Class::Outbound,
        }
    }

    /// The class of what a client at `address` sends.
    #[must_use]
    pub fn class_of_client(&self, address: &str) -> Class {
        let known = address.parse::<IpAddr>().ok();
        if known.is_some_and(|ip| self.mynetworks.iter().any(|net| net.contains(&ip))) {
            Class::Outbound
        } else {
            Class::Inbound
        }
    }

    /// The instance that a program belongs to: the longest one named that its tag begins with.
    #[must_use]
    pub fn instance<'a>(&self, process: &Process<'a>) -> &'a [u8] {
        let ends_there = |rest: &[u8]| rest.first().is_none_or(|&byte| byte == b'/');
        let named = self
            .instances
            .iter()
            .map(String::as_bytes)
            .filter(|name| process.tag.strip_prefix(*name).is_some_and(ends_there));
        let longest = named.map(<[u8]>::len).max();
        longest.and_then(|length| process.tag.get(..length)).unwrap_or(process.instance)
    }

    /// Does a syslog tag such as `postfix/submission/smtpd` name a submission service?
    #[must_use]
    pub fn is_submission(&self, tag: &[u8]) -> bool {
        tag.split(|&byte| byte == b'/').any(|component| {
            self.submission_services.iter().any(|service| service.as_bytes() == component)
        })
    }

    /// Could a program of ours be at that address: one of this machine or of its own network?
    pub(crate) fn is_near(&self, address: &[u8]) -> bool {
        let text = || std::str::from_utf8(address).unwrap_or_default();
        is_near(address) || self.class_of_client(text()) == Class::Outbound
    }

    /// A header for the sender's own use, as the configuration writes its name.
    pub(crate) fn metadata_header(&self, name: &str) -> Option<&str> {
        let mut known = self.metadata_headers.iter();
        known.find(|known| known.eq_ignore_ascii_case(name)).map(String::as_str)
    }

    fn is_local(&self, recipient: &str) -> bool {
        text::domain(recipient)
            .is_some_and(|domain| self.local_domains.iter().any(|local| *local == domain))
    }
}

/// Agents that put mail into mailboxes here. The socket of LMTP shows as a path instead of an address:
/// `relay=mx.lab.test[private/dovecot-lmtp]` (Postfix `src/smtp/smtp_connect.c`,
/// `smtp_connect_unix()`).
pub(crate) fn is_local_agent(process: &Process<'_>, relay: Relay<'_>) -> bool {
    match relay {
        Relay::Agent(_) => true,
        Relay::Host(peer) => {
            process.service == b"lmtp" || peer.address.contains(&b'/') || peer.name.contains(&b'/')
        }
        // They had no mailbox, or no server behind their socket, to hand it to.
        Relay::None => matches!(process.service, b"lmtp" | b"virtual" | b"local"),
    }
}

/// An address of this machine.
pub(crate) fn is_loopback(address: &[u8]) -> bool {
    // Few addresses look like one, and parsing takes longer than looking.
    let may_be = address.starts_with(b"127.") || address.contains(&b':');
    let is_it =
        |address: &str| address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    may_be && std::str::from_utf8(address).is_ok_and(is_it)
}

/// An address of this machine, or one that the Internet has no route to.
fn is_near(address: &[u8]) -> bool {
    let is_private = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    let address_of = |address: &[u8]| std::str::from_utf8(address).ok()?.parse().ok();
    is_loopback(address) || address_of(address).is_some_and(is_private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_instance_that_is_named_counts() {
        let instances = ["mta/eu", "mta/eu/out", "postfix-x/relay"].map(str::to_owned).into();
        let direction = Direction { instances, ..Direction::default() };
        for (tag, told, expected) in [
            ("mta/eu/smtpd", "mta", "mta/eu"),
            ("mta/eu/out/smtp", "mta", "mta/eu/out"),
            ("mta/eur/smtpd", "mta", "mta"),
            ("postfix-x/relay/smtp", "postfix-x", "postfix-x/relay"),
            ("postfix/smtp", "postfix", "postfix"),
            ("mta/eu", "mta", "mta/eu"),
        ] {
            let process =
                Process { tag: tag.as_bytes(), instance: told.as_bytes(), ..Process::default() };
            assert_eq!(direction.instance(&process), expected.as_bytes(), "{tag}");
        }
    }
}

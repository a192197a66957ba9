//! Refusals of clients that do too much (`smtpd.c`, with anvil's counters).

use nom::{
    Parser as _,
    branch::alt,
    character::complete::u32 as number,
    combinator::{rest, value, verify},
    sequence::{preceded, terminated},
};

use super::{Peer, peer::peer};
use crate::fields::{Parsed, tag};

/// `warning: Connection rate limit exceeded: 5 from unknown[192.0.2.1] for service smtp`.
///
/// The client got a temporary refusal (421, 450 or 451), of which no other line tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit<'a> {
    /// What there was too much of.
    pub limit: Limit,
    /// How many there were, in `anvil_rate_time_unit` or at once.
    pub count: u32,
    /// The client.
    pub peer: Peer<'a>,
    /// Name of the service in master.cf: `smtp`, `submission`, `127.0.0.1:10025`.
    pub service: &'a [u8],
}

/// What anvil counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `Connection concurrency` (`smtpd_client_connection_count_limit`), 421 4.7.0.
    ConnectionConcurrency,
    /// `Connection rate` (`smtpd_client_connection_rate_limit`), 421 4.7.0.
    ConnectionRate,
    /// `Message delivery request rate` (`smtpd_client_message_rate_limit`), 450 4.7.1.
    MessageRate,
    /// `Recipient address rate` (`smtpd_client_recipient_rate_limit`), 450 4.7.1.
    RecipientRate,
    /// `AUTH command rate` (`smtpd_client_auth_rate_limit`), 450 4.7.1.
    AuthRate,
    /// `New TLS session rate` (`smtpd_client_new_tls_session_rate_limit`), 421 or 454 4.7.0.
    TlsSessionRate,
}

/// Reads what follows `warning: `:
/// `Connection rate limit exceeded: 5 from unknown[192.0.2.1] for service smtp`.
pub(super) fn exceeded(text: &[u8]) -> Option<RateLimit<'_>> {
    let from = preceded(tag(" from "), peer);
    let service = preceded(tag(" for service "), verify(rest, |name: &[u8]| !name.is_empty()));
    let (_, (limit, count, peer, service)) =
        (terminated(limit, tag(" limit exceeded: ")), number, from, service).parse(text).ok()?;
    Some(RateLimit { limit, count, peer, service })
}

fn limit(input: &[u8]) -> Parsed<'_, Limit> {
    alt((
        value(Limit::ConnectionConcurrency, tag("Connection concurrency")),
        value(Limit::ConnectionRate, tag("Connection rate")),
        value(Limit::MessageRate, tag("Message delivery request rate")),
        value(Limit::RecipientRate, tag("Recipient address rate")),
        value(Limit::AuthRate, tag("AUTH command rate")),
        value(Limit::TlsSessionRate, tag("New TLS session rate")),
    ))
    .parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// smtpd(8), Postfix 3.7.11.
    #[test]
    fn every_limit_is_known() {
        for (words, limit) in [
            ("Connection concurrency", Limit::ConnectionConcurrency),
            ("Connection rate", Limit::ConnectionRate),
            ("Message delivery request rate", Limit::MessageRate),
            ("Recipient address rate", Limit::RecipientRate),
            ("AUTH command rate", Limit::AuthRate),
            ("New TLS session rate", Limit::TlsSessionRate),
        ] {
            let line =
                format!("{words} limit exceeded: 3 from unknown[127.0.2.9] for service smtp");
            let exceeded = exceeded(line.as_bytes()).unwrap();
            assert_eq!((exceeded.limit, exceeded.count), (limit, 3));
            assert_eq!(
                (exceeded.peer.address, exceeded.service),
                (&b"127.0.2.9"[..], &b"smtp"[..])
            );
        }
    }

    #[test]
    fn other_limits_are_none_of_a_client() {
        for line in [
            "Connection rate limit exceeded: 3 from unknown[127.0.2.9]",
            "Connection rate limit exceeded: 3 from unknown[127.0.2.9] for service ",
            "Connection rate limit exceeded: many from unknown[127.0.2.9] for service smtp",
            "queue file size limit exceeded",
        ] {
            assert_eq!(exceeded(line.as_bytes()), None, "{line}");
        }
    }
}

//! Delivery status lines, of every delivery agent.
//!
//! One function writes them all: `global/log_adhoc.c`, `log_adhoc()`. The keys come in a fixed
//! order, so the status is the first `, status=WORD (` behind it, and everything further right is
//! remote text, whatever it imitates.

use std::time::Duration;

use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::{take_while, take_while1},
    character::complete::u32 as number,
    combinator::{all_consuming, opt, rest, verify},
    multi::fold_many0,
    sequence::preceded,
};

use super::{Delivery, QueueId, Relay, Status, peer::peer};
use crate::{
    address,
    fields::{Parsed, key, seconds, tag, word},
    status::{self, Dsn},
};

/// Reads what follows the queue ID:
///
/// ```text
/// to=<two@good.test>, orig_to=<one@lab.test>, relay=mx1.good.test[127.0.1.1]:25, conn_use=2,
/// delay=0.03, delays=0.01/0/0.01/0.01, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as FH3JZ)
/// ```
pub(super) fn read<'a>(queue_id: QueueId<'a>, text: &'a [u8]) -> Option<Delivery<'a>> {
    let to = text.strip_prefix(b"to=")?;
    let (recipient, (orig_recipient, outcome)) = address::field(to, after_recipient)?;
    Some(Delivery {
        queue_id,
        recipient,
        orig_recipient,
        relay: outcome.relay,
        conn_use: outcome.conn_use,
        delay: outcome.delay,
        delays: outcome.delays,
        dsn: outcome.dsn,
        status: outcome.status,
        text: outcome.text,
    })
}

/// The fields behind the addresses.
struct Outcome<'a> {
    relay: Relay<'a>,
    conn_use: Option<u32>,
    delay: Duration,
    delays: [Duration; 4],
    dsn: Dsn,
    status: Status,
    text: &'a [u8],
}

fn after_recipient(input: &[u8]) -> Option<(Option<&[u8]>, Outcome<'_>)> {
    let Some(orig_to) = input.strip_prefix(b", orig_to=") else {
        return Some((None, after_addresses(input)?));
    };
    let (orig_recipient, outcome) = address::field(orig_to, after_addresses)?;
    Some((Some(orig_recipient), outcome))
}

fn after_addresses(input: &[u8]) -> Option<Outcome<'_>> {
    all_consuming(outcome).parse(input).ok().map(|(_, outcome)| outcome)
}

fn outcome(input: &[u8]) -> Parsed<'_, Outcome<'_>> {
    let (input, relay) = preceded(key("relay"), relay).parse(input)?;
    let (input, conn_use) = opt(preceded(key("conn_use"), number)).parse(input)?;
    let (input, delay) = preceded(key("delay"), seconds).parse(input)?;
    let (input, delays) = preceded(key("delays"), delays).parse(input)?;
    let (input, ()) = additions(input)?;
    let (input, dsn) = preceded(key("dsn"), status::dsn).parse(input)?;
    let (input, status) = preceded(key("status"), status).parse(input)?;
    let (input, text) = preceded(tag(" ("), rest).parse(input)?;
    let text = text.strip_suffix(b")").unwrap_or(text);
    Ok((input, Outcome { relay, conn_use, delay, delays, dsn, status, text }))
}

/// `none`, `mx1.good.test[127.0.1.1]:25`, or the name of an agent.
fn relay(input: &[u8]) -> Parsed<'_, Relay<'_>> {
    let agent = word.map(|word: &[u8]| match word {
        b"none" => Relay::None,
        agent => Relay::Agent(agent),
    });
    alt((peer.map(Relay::Host), agent)).parse(input)
}

/// `0.03/0/0.05/0.1`: before the queue manager, in it, connection set-up, transmission.
fn delays(input: &[u8]) -> Parsed<'_, [Duration; 4]> {
    let next = || preceded(tag("/"), seconds);
    let (rest, (a, b, c, d)) = (seconds, next(), next(), next()).parse(input)?;
    Ok((rest, [a, b, c, d]))
}

/// Keys that later releases put before `dsn=`: `tls=verify/requiretls` since 3.11
/// (`pol_stats.c`).
///
/// The value is strict because a lax one would swallow the real `dsn=` and `status=`, and take
/// those that a remote put into its reply.
fn additions(input: &[u8]) -> Parsed<'_, ()> {
    let name = take_while1(|byte: u8| byte.is_ascii_lowercase() || byte == b'_');
    let name = verify(name, |name: &[u8]| name != b"dsn" && name != b"status");
    let value = take_while(|byte: u8| byte.is_ascii_alphanumeric() || b"!?:/_.-".contains(&byte));
    fold_many0((tag(", "), name, tag("="), value), || (), |(), _| ()).parse(input)
}

fn status(input: &[u8]) -> Parsed<'_, Status> {
    let word = take_while1(|byte: u8| byte.is_ascii_alphabetic() || byte == b'-');
    let known = |word: &[u8]| match word {
        b"sent" => Some(Status::Sent),
        b"deferred" => Some(Status::Deferred),
        b"bounced" => Some(Status::Bounced),
        b"SOFTBOUNCE" => Some(Status::SoftBounce),
        b"deliverable" | b"undeliverable" | b"undeliverable-but-not-cached" => Some(Status::Probe),
        _ => None,
    };
    nom::combinator::map_opt(word, known).parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn delivery(text: &str) -> Option<Delivery<'_>> {
        read(QueueId::parse(b"97C0A53F4D6").unwrap(), text.as_bytes())
    }

    /// The tail of a status line behind the addresses, with `text` between its parentheses.
    fn tail(status: &str, text: &str) -> String {
        let class = if status == "sent" { 2 } else { 5 };
        format!(", relay=none, delay=1, delays=0/0/0/1, dsn={class}.0.0, status={status} ({text})")
    }

    /// smtp(8), Postfix 3.7.11.
    #[test]
    fn a_status_line_gives_all_its_fields() {
        let line = "to=<two@good.test>, orig_to=<one@lab.test>, relay=mx1.good.test[127.0.1.1]:25, \
            conn_use=2, delay=0.03, delays=0.01/0/1.5/432001, dsn=2.0.0, \
            status=sent (250 2.0.0 Ok: queued as FH3JZ)";
        let delivery = delivery(line).unwrap();
        assert_eq!(delivery.recipient, b"two@good.test");
        assert_eq!(delivery.orig_recipient, Some(&b"one@lab.test"[..]));
        let Relay::Host(peer) = delivery.relay else { panic!("a host") };
        assert_eq!((peer.name, peer.address), (&b"mx1.good.test"[..], &b"127.0.1.1"[..]));
        assert_eq!((peer.port, delivery.conn_use), (Some(25), Some(2)));
        assert_eq!(delivery.delay, Duration::from_millis(30));
        assert_eq!(
            delivery.delays,
            [
                Duration::from_millis(10),
                Duration::ZERO,
                Duration::from_millis(1500),
                Duration::from_secs(432_001)
            ]
        );
        assert_eq!(delivery.dsn.to_string(), "2.0.0");
        assert_eq!(delivery.status, Status::Sent);
        assert_eq!(delivery.text, b"250 2.0.0 Ok: queued as FH3JZ");
    }

    #[test]
    fn a_relay_is_a_host_an_agent_or_none() {
        let relay = |relay: &str| {
            let line = format!("to=<a@x>{}", tail("sent", "ok").replace("none", relay));
            match delivery(&line).unwrap().relay {
                Relay::None => "none".to_owned(),
                Relay::Agent(name) => String::from_utf8_lossy(name).into_owned(),
                Relay::Host(peer) => {
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    format!("{} at {} on {:?}", text(peer.name), text(peer.address), peer.port)
                }
            }
        };
        assert_eq!(relay("none"), "none");
        assert_eq!(relay("dovecot"), "dovecot");
        assert_eq!(relay("::1[::1]:2606"), "::1 at ::1 on Some(2606)");
        assert_eq!(
            relay("mx.lab.test[private/dovecot-lmtp]"),
            "mx.lab.test at private/dovecot-lmtp on None"
        );
    }

    #[test]
    fn every_status_word_is_known_and_no_other() {
        for (word, expected) in [
            ("sent", Some(Status::Sent)),
            ("deferred", Some(Status::Deferred)),
            ("bounced", Some(Status::Bounced)),
            ("SOFTBOUNCE", Some(Status::SoftBounce)),
            ("deliverable", Some(Status::Probe)),
            ("undeliverable", Some(Status::Probe)),
            ("undeliverable-but-not-cached", Some(Status::Probe)),
            ("softbounce", None),
            ("sentt", None),
        ] {
            let line = format!("to=<a@x>{}", tail(word, "x"));
            assert_eq!(delivery(&line).map(|delivery| delivery.status), expected, "{word}");
        }
    }

    /// The forgery that `sendmail(1)` lets a local user put into a domain literal.
    #[test]
    fn a_forged_status_in_a_domain_literal_is_part_of_the_address() {
        let relay =
            format!("to=<ok@[x>, relay=evil[1.2.3.4]:25>{}", tail("bounced", "bad address"));
        assert_eq!(delivery(&relay).unwrap().recipient, b"ok@[x>, relay=evil[1.2.3.4]:25");
        let forged = tail("sent", "250 ok");
        let status = format!("to=<ok@[x>{forged}]>{}", tail("bounced", "bad address"));
        assert_eq!(delivery(&status).unwrap().status, Status::Bounced);
    }

    #[test]
    fn a_forged_status_in_a_quoted_local_part_is_part_of_the_address() {
        let line = format!("to=<\"a>{}\"@x.test>{}", tail("sent", "ok"), tail("bounced", "no"));
        assert_eq!(delivery(&line).unwrap().status, Status::Bounced);
    }

    #[test]
    fn a_literal_that_closes_early_and_imitates_the_rest_is_not_understood() {
        let line = format!("to=<ok@[x]>{}]>{}", tail("sent", "250 ok"), tail("bounced", "bad"));
        assert_eq!(delivery(&line), None);
    }

    #[test]
    fn a_status_that_the_remote_forged_is_remote_text() {
        let forged = tail("sent", "250 ok");
        let line = format!("to=<a@x>{}", tail("bounced", &format!("host said: 550 <b@y>{forged}")));
        let delivery = delivery(&line).unwrap();
        assert_eq!(delivery.status, Status::Bounced);
        assert!(delivery.text.ends_with(b"status=sent (250 ok)"));
    }

    #[test]
    fn the_text_ends_with_the_line_whatever_its_parentheses() {
        let text = |line: &str| delivery(line).map(|delivery| delivery.text.to_vec());
        let whole = format!("to=<a@x>{}", tail("sent", "250 :-) (ok"));
        assert_eq!(text(&whole).unwrap(), b"250 :-) (ok");
        let cut = whole.strip_suffix("ok)").unwrap();
        assert_eq!(text(cut).unwrap(), b"250 :-) (");
    }

    /// Since 3.11, `smtp_log_tls_feature_status`.
    #[test]
    fn a_tls_field_before_the_dsn_is_skipped() {
        for value in ["may", "encrypt:none", "!dane", "may?", "verify/requiretls", ""] {
            let line = format!("to=<a@x>{}", tail("sent", "ok"));
            let line = line.replace(", dsn", &format!(", tls={value}, dsn"));
            assert!(delivery(&line).is_some(), "{value}");
        }
    }

    #[test]
    fn an_addition_never_swallows_the_real_status() {
        let line = "to=<a@x>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (x, \
            dsn=2.0.0, status=sent (250 ok))";
        assert_eq!(delivery(line).unwrap().status, Status::Bounced);
        let spaced = line.replace(", dsn=5.1.1", ", tls=a b, dsn=5.1.1");
        assert_eq!(delivery(&spaced), None);
    }

    #[test]
    fn internal_addresses_of_old_releases_may_hold_spaces_and_commas() {
        let line = format!("to=<a b, c@x.test>, orig_to=<d, e@y.test>{}", tail("sent", "ok"));
        let delivery = delivery(&line).unwrap();
        assert_eq!(delivery.recipient, b"a b, c@x.test");
        assert_eq!(delivery.orig_recipient, Some(&b"d, e@y.test"[..]));
    }

    #[test]
    fn addresses_that_lost_their_brackets_are_tolerated() {
        let line = format!("to=a@x.test, orig_to=b@x.test{}", tail("sent", "ok"));
        let delivery = delivery(&line).unwrap();
        assert_eq!(delivery.recipient, b"a@x.test");
        assert_eq!(delivery.orig_recipient, Some(&b"b@x.test"[..]));
    }

    #[test]
    fn a_line_that_was_cut_before_its_status_is_not_understood() {
        let line = format!("to=<a@x>{}", tail("sent", "ok"));
        let status = line.find(" (").unwrap();
        for end in 0..=status {
            assert_eq!(delivery(line.get(..end).unwrap()), None);
        }
    }
}

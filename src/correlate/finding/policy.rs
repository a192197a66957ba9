//! What policy servers say of a recipient before there is a queue ID.
//!
//! They answer smtpd, which then refuses the recipient in words that an operator may have chosen:
//! the event is the refusal's, and only says whose decision it was. Policy servers know no queue
//! ID; client, sender and recipient within two seconds tell what their line is about.

use mailherald_parsers::{
    Body, filters,
    filters::{Engine, Kind},
    postfix::{Action, Verdict},
};
use memchr::memmem;
use smol_str::SmolStr;

use crate::{
    correlate::{
        Correlator, Step,
        aside::{Aside, Topic},
        emit::bounded,
    },
    parse::Line,
};

/// smtpd has the answer at once.
const ANSWER_US: i64 = 2 * 1_000_000;

/// Whose decision a refusal was.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Name of the program.
    pub(crate) engine: &'static str,
    /// Why, in its words.
    pub(crate) reason: Option<SmolStr>,
}

impl Correlator {
    /// Keeps what a policy server says against a recipient, until smtpd says it to the client.
    pub(super) fn keep_policy(&mut self, verdict: &filters::Verdict<'_>, line: &Line<'_>) {
        let is_refusal = is_for_now(verdict.action).is_some();
        let (Some(client), Some(sender)) = (verdict.client, verdict.sender) else { return };
        if is_refusal {
            let recipient = verdict.recipients.iter().next().unwrap_or_default();
            let key = transaction(client, sender, recipient);
            let topic = Topic::Policy(line.record.host.into(), key);
            let until_us = self.wait_from(line, ANSWER_US);
            self.asides.put(Aside::new(topic, line, until_us));
        }
    }
}

impl Step<'_> {
    /// The policy server behind smtpd's refusal, if one said so.
    pub(crate) fn policy_behind(
        &mut self,
        verdict: &Verdict<'_>,
        temporary: bool,
    ) -> Option<Policy> {
        if verdict.action != Action::Reject || self.asides.is_empty() {
            return None;
        }
        let (client, sender) = (verdict.peer.address, verdict.sender?);
        // policyd-spf names no recipient, unless told to, and for the null sender the HELO name.
        let helo = verdict.helo.unwrap_or_default();
        let escaped = escaped(sender);
        let names = [(sender, verdict.recipient?), (sender, b""), (&escaped, b""), (helo, b"")];
        names.into_iter().find_map(|(sender, recipient)| {
            let key = transaction(client, sender, recipient);
            let said = self.asides.take(&Topic::Policy(self.system.host.as_slice().into(), key));
            said.iter().rev().find_map(|aside| policy(aside, temporary, verdict))
        })
    }
}

fn policy(aside: &Aside, temporary: bool, refusal: &Verdict<'_>) -> Option<Policy> {
    let mut policy = None;
    aside.line.read(|line| {
        if let Body::Filter(verdict) = &line.record.body
            && is_for_now(verdict.action) == Some(temporary)
            && (verdict.kind != Kind::Greylisted || is_greylisting(refusal))
        {
            policy = Some(Policy { engine: verdict.engine.name(), reason: reason(verdict) });
        }
    });
    policy
}

/// A greylist says `DEFER_IF_PERMIT`, so that whatever else Postfix has against the mail comes first
/// (`access(5)`).
fn is_greylisting(refusal: &Verdict<'_>) -> bool {
    let says = |word: &[u8]| memmem::find(refusal.text, word).is_some();
    let is_mailbox_status = refusal.codes.dsn.is_some_and(|dsn| dsn.subject == 2);
    is_mailbox_status || says(b"reylist") || says(b"raylist")
}

/// A sender as the macros of SPF write it into an explanation (RFC 7208, section 7.3).
fn escaped(sender: &[u8]) -> Vec<u8> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape =
        |&byte: &u8| if is_plain(byte) { vec![byte] } else { format!("%{byte:02X}").into() };
    sender.iter().flat_map(escape).collect()
}

/// Did it refuse, and only for now?
fn is_for_now(action: filters::Action) -> Option<bool> {
    match action {
        filters::Action::TempFailed => Some(true),
        filters::Action::Rejected => Some(false),
        _ => None,
    }
}

/// The reason, where the answer to the client does not hold it anyway.
fn reason(verdict: &filters::Verdict<'_>) -> Option<SmolStr> {
    match (verdict.engine, verdict.kind) {
        (Engine::PolicydWeight, _) => None,
        (_, Kind::Authentication(_)) => Some(verdict.kind.name().into()),
        _ => verdict.detail.map(|reason| bounded(reason, &mut false)),
    }
}

/// One recipient of one message of one client.
fn transaction(client: &[u8], sender: &[u8], recipient: &[u8]) -> Box<[u8]> {
    [client, sender, recipient].join(&0).to_ascii_lowercase().into()
}

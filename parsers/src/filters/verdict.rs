//! What a filter said about a message, in one shape for all filters.

use super::{QueuedAs, Recipients, Rules};
use crate::postfix::QueueId;

/// One line in which a filter says what it thinks of a message, or of a delivery attempt.
///
/// Byte fields are exactly as logged and hold words of strangers. What the line does not say is
/// none or empty: most filters say little, and every template can be changed by its operator.
///
/// Which line belongs to which message is for the reader to find out; the keys, best first:
/// [`queue_id`](Self::queue_id), [`queued_as`](Self::queued_as), [`scan_id`](Self::scan_id),
/// [`message_id`](Self::message_id), and for policy servers client, sender and recipient within
/// two seconds. The lines of spamd are joined by the process ID of the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict<'a> {
    /// Which program said it.
    pub engine: Engine,
    /// What it found.
    pub kind: Kind,
    /// What it did about it, or asked the mail server to do.
    pub action: Action,
    /// Whether the line is the verdict itself, or tells more about one that has a line of its own.
    pub part: Part,
    /// A copy lies in a quarantine, whatever became of the message itself.
    pub quarantined: bool,
    /// Which way the message went; only amavis tells.
    pub direction: Option<Direction>,
    /// How spammy the message is, in points; none when it was not scored.
    pub score: Option<f64>,
    /// The score from which on a message is spam.
    pub required: Option<f64>,
    /// The rules that matched.
    pub rules: Rules<'a>,
    /// By kind: the names of the viruses, the banned part, the policy's reason, what was
    /// authenticated, the mailbox. Free text, without the parentheses or quotes around it.
    pub detail: Option<&'a [u8]>,
    /// The message, as the mail server named it when the filter got it.
    pub queue_id: Option<QueueId<'a>>,
    /// What the message is called behind the filter; several when it was split.
    pub queued_as: QueuedAs<'a>,
    /// The raw header value, brackets and all. The sender chose it.
    pub message_id: Option<&'a [u8]>,
    /// The filter's own name for this scan, which its replies to the mail server repeat: `00182-03`
    /// of amavis, the tag of rspamd, the session of Dovecot's LMTP, the log ID of pmg-smtp-filter.
    pub scan_id: Option<&'a [u8]>,
    /// Network address of the client, as text without brackets.
    pub client: Option<&'a [u8]>,
    /// Authenticated user; for Dovecot the owner of the mailbox.
    pub user: Option<&'a [u8]>,
    /// Envelope sender without angle brackets; empty for the null reverse-path.
    pub sender: Option<&'a [u8]>,
    /// Envelope recipients that the line is about.
    pub recipients: Recipients<'a>,
    /// Subject, as the filter decoded it.
    pub subject: Option<&'a [u8]>,
}

impl Verdict<'_> {
    /// A verdict that says nothing else yet.
    pub(super) fn new(engine: Engine, kind: Kind, action: Action) -> Self {
        Self {
            engine,
            kind,
            action,
            part: Part::Verdict,
            quarantined: false,
            direction: None,
            score: None,
            required: None,
            rules: Rules::default(),
            detail: None,
            queue_id: None,
            queued_as: QueuedAs::default(),
            message_id: None,
            scan_id: None,
            client: None,
            user: None,
            sender: None,
            recipients: Recipients::default(),
            subject: None,
        }
    }
}

/// A program that judges mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// amavisd-new, amavis.
    Amavis,
    /// rspamd.
    Rspamd,
    /// spamd of `SpamAssassin`.
    SpamAssassin,
    /// spampd, a proxy that asks `SpamAssassin`.
    Spampd,
    /// clamav-milter.
    ClamavMilter,
    /// clamd of `ClamAV`.
    Clamd,
    /// opendkim.
    OpenDkim,
    /// opendmarc.
    OpenDmarc,
    /// pmg-smtp-filter of Proxmox Mail Gateway.
    Pmg,
    /// postgrey.
    Postgrey,
    /// policyd-spf (pypolicyd-spf, spf-engine, postfix-policyd-spf-perl).
    PolicydSpf,
    /// policyd-weight.
    PolicydWeight,
    /// policyd v2, also called cluebringer.
    Cluebringer,
    /// LMTP service of Dovecot, which files mail by the user's Sieve script.
    DovecotLmtp,
}

impl Engine {
    /// The name of the program, as users write it: `amavis`, `clamav-milter`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amavis => "amavis",
            Self::Rspamd => "rspamd",
            Self::SpamAssassin => "spamassassin",
            Self::Spampd => "spampd",
            Self::ClamavMilter => "clamav-milter",
            Self::Clamd => "clamd",
            Self::OpenDkim => "opendkim",
            Self::OpenDmarc => "opendmarc",
            Self::Pmg => "pmg-smtp-filter",
            Self::Postgrey => "postgrey",
            Self::PolicydSpf => "policyd-spf",
            Self::PolicydWeight => "policyd-weight",
            Self::Cluebringer => "cluebringer",
            Self::DovecotLmtp => "dovecot-lmtp",
        }
    }
}

/// What a filter found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing against the message.
    Clean,
    /// Spam, certain or likely.
    Spam,
    /// A virus; [`Verdict::detail`] names it.
    Virus,
    /// A forbidden file type or name; [`Verdict::detail`] tells which.
    Banned,
    /// A header that breaks the rules.
    BadHeader,
    /// Not judged: encrypted, too large, or the scan failed.
    Unchecked,
    /// To be tried again later, because the sender is new.
    Greylisted,
    /// The operator's policy; [`Verdict::detail`] holds its reason.
    Policy,
    /// A signature, SPF or DMARC was looked at; [`Verdict::detail`] says more.
    Authentication(Outcome),
    /// Filed in a mailbox; [`Verdict::detail`] names it.
    Stored,
}

impl Kind {
    /// In a word: `spam`, `bad_header`, `authentication_pass`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Spam => "spam",
            Self::Virus => "virus",
            Self::Banned => "banned",
            Self::BadHeader => "bad_header",
            Self::Unchecked => "unchecked",
            Self::Greylisted => "greylisted",
            Self::Policy => "policy",
            Self::Authentication(Outcome::Pass) => "authentication_pass",
            Self::Authentication(Outcome::Fail) => "authentication_fail",
            Self::Authentication(Outcome::Signed) => "authentication_signed",
            Self::Authentication(Outcome::None) => "authentication_none",
            Self::Authentication(Outcome::Error) => "authentication_error",
            Self::Stored => "stored",
        }
    }
}

/// What came out of an authentication check (RFC 8601 §2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// A signature of our own was added.
    Signed,
    /// There was nothing to check, or nothing certain: `none`, `neutral`.
    None,
    /// The check itself failed: DNS, broken records.
    Error,
}

/// What a filter did with a message, or asked the mail server to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let through unchanged.
    Passed,
    /// Let through, with a mark in its header or subject.
    Tagged,
    /// Refused for good: the client was told.
    Rejected,
    /// Swallowed: nobody was told.
    Discarded,
    /// Kept for a person to decide, and not delivered.
    Quarantined,
    /// Taken and returned to the sender by the filter itself.
    Bounced,
    /// Refused for now.
    TempFailed,
    /// The line does not tell: what was done is the caller's decision (spamd, clamd), or nothing.
    Unknown,
}

impl Action {
    /// In a word, as events have it: `passed`, `tagged`, `rejected`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Tagged => "tagged",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
            Self::Quarantined => "quarantined",
            Self::Bounced => "bounced",
            Self::TempFailed => "temp_failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a line is to its verdict. Counting only [`Part::Verdict`] counts each verdict once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The verdict itself.
    Verdict,
    /// Rules or other details of a verdict that has a line of its own: spamd's `result:`, amavis'
    /// `spam-tag`.
    Details,
    /// The same verdict once more, one recipient at a time: amavis at `log_level` 1 and above.
    Repeat,
    /// A part of a line that amavis split, because syslog takes no longer ones. It says nothing but
    /// which scan it is of.
    Piece,
}

impl Part {
    /// In a word: `verdict`, `details`, `repeat`, `piece`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Details => "details",
            Self::Repeat => "repeat",
            Self::Piece => "piece",
        }
    }
}

/// Which way a message went through a filter that knows what is local.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To a local recipient.
    Inbound,
    /// From a local user to a foreign recipient.
    Outbound,
    /// From a local user to a local recipient.
    Internal,
    /// From a stranger to a foreign recipient, or amavis was not told who is local.
    OpenRelay,
}

impl Direction {
    /// In a word: `inbound`, `open_relay`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
            Self::OpenRelay => "open_relay",
        }
    }
}

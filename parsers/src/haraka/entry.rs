//! What a record can say that matters to a message or a client.

use std::time::Duration;

use super::{Text, Uuid};

/// A record of Haraka's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// The connection, transaction or item of the queue that it is about.
    pub uuid: Uuid<'a>,
    /// What it says.
    pub entry: Entry<'a>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// A client connected, or its proxy.
    Connect(Connect<'a>),
    /// The proxy said who the client is.
    Proxied(Connect<'a>),
    /// `MAIL FROM` was answered.
    Sender(Answered<'a>),
    /// `RCPT TO` was answered. Code `OK` also when nobody vouched for the recipient, who is refused
    /// then: `rcpt_respond()` logs `CONT` as `OK`.
    Recipient(Answered<'a>),
    /// An address that breaks the syntax; refused with 501.
    BadAddress(BadAddress<'a>),
    /// The content of a message was judged.
    Message(Message<'a>),
    /// A message was queued, or not.
    Queue(Verdict<'a>),
    /// The content of a message was refused by the core itself.
    Content(Content),
    /// The end of a connection, with its sums.
    Disconnect(Disconnect<'a>),
    /// The verdict of a plugin.
    Hook(Hook<'a>),
    /// The refusal before did not happen.
    Overridden,
    /// A client gave a password that is wrong, and waits for the answer.
    AuthFailed,
    /// A client gave a name and a password.
    AuthUser(AuthUser<'a>),
    /// What a filter found.
    Scan(Scan<'a>),
    /// To what domain an item of the queue goes.
    Route(Text<'a>),
    /// A server could not be reached, or let go of us; the next one is tried.
    Unreached(Text<'a>),
    /// A server refused a recipient.
    Refused(Refused<'a>),
    /// A server took an item of the queue, for some of its recipients.
    Delivered(Delivered<'a>),
    /// An attempt failed for now.
    Deferred(Deferred<'a>),
    /// The recipients of an item are given up.
    Bounced(Reason<'a>),
    /// A plugin ended an item instead of having it tried again.
    Deleted,
}

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connect<'a> {
    /// Address of the client.
    pub ip: Text<'a>,
}

/// What a plugin, or all of them together, decided.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Verdict<'a> {
    /// In a word.
    pub code: Code,
    /// In words: most of the reply to the client.
    pub text: Text<'a>,
}

/// A decision (`haraka-constants`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Code {
    /// Nothing decided: the next plugin is asked, or the default holds.
    #[default]
    Cont,
    /// Good.
    Ok,
    /// Refused for good.
    Deny,
    /// Refused for now.
    DenySoft,
    /// Refused for good, and sent away.
    DenyDisconnect,
    /// Refused for now, and sent away.
    DenySoftDisconnect,
    /// Sent away without a word.
    Disconnect,
    /// Any other.
    Other,
}

impl Code {
    /// A refusal.
    #[must_use]
    pub fn is_denial(self) -> bool {
        self.is_temporary() || matches!(self, Self::Deny | Self::DenyDisconnect)
    }

    /// A refusal for now.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::DenySoft | Self::DenySoftDisconnect)
    }

    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CONT" => Self::Cont,
            b"OK" => Self::Ok,
            b"DENY" => Self::Deny,
            b"DENYSOFT" => Self::DenySoft,
            b"DENYDISCONNECT" => Self::DenyDisconnect,
            b"DENYSOFTDISCONNECT" => Self::DenySoftDisconnect,
            b"DISCONNECT" => Self::Disconnect,
            b"" => return None,
            _ => Self::Other,
        })
    }
}

/// A command that named an address, and the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered<'a> {
    /// The address, without its brackets; empty for the null sender.
    pub address: Text<'a>,
    /// The answer.
    pub verdict: Verdict<'a>,
}

/// An address that breaks the syntax.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BadAddress<'a> {
    /// `MAIL` or `RCPT`; None before Haraka 3.3.1, which does not say.
    pub command: Option<&'static str>,
    /// The address as given, without its brackets.
    pub address: Option<Text<'a>>,
    /// The words of the reply.
    pub text: Text<'a>,
}

/// Accepted, deferred and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Accepted.
    pub accepted: u32,
    /// Refused for now.
    pub deferred: u32,
    /// Refused for good.
    pub refused: u32,
}

/// A message whose content was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// `Message-ID` header, with its brackets; empty where Haraka will add one.
    pub message_id: Text<'a>,
    /// Bytes.
    pub size: Option<u64>,
    /// Its recipients.
    pub recipients: Counts,
    /// The judgement.
    pub verdict: Verdict<'a>,
}

/// Why the core refused a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// 550: larger than allowed.
    TooBig,
    /// 451: a line feed without carriage return.
    BareLineFeed,
    /// 554: too many parts.
    TooManyParts,
    /// 550: too many `Received` headers.
    Loop,
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disconnect<'a> {
    /// Address of the client, also behind a proxy.
    pub ip: Text<'a>,
    /// Name of the client; `NXDOMAIN`, `DNSERROR`, `Unknown` or empty where there is none.
    pub rdns: Text<'a>,
    /// What it greeted with; empty when that was refused.
    pub helo: Text<'a>,
    /// It could send anywhere.
    pub is_relaying: bool,
    /// It spoke before it was asked.
    pub is_early: bool,
    /// Transactions.
    pub transactions: u32,
    /// Recipients of all transactions.
    pub recipients: Counts,
    /// Messages of all transactions.
    pub messages: Counts,
    /// The last reply that was a refusal, code first.
    pub last_refusal: Text<'a>,
}

/// Where a plugin decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the hooks of Haraka's plugin interface, by their names")]
pub enum HookName {
    ConnectInit,
    LookupRdns,
    Connect,
    Helo,
    Mail,
    Rcpt,
    RcptOk,
    Data,
    DataPost,
    Queue,
    QueueOutbound,
    Deny,
    Other,
}

/// The verdict of a plugin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hook<'a> {
    /// Where it decided.
    pub name: HookName,
    /// Its name, as in `config/plugins`.
    pub plugin: Text<'a>,
    /// What it decided.
    pub verdict: Verdict<'a>,
}

/// A client that authenticates with a plugin that logs whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuthUser<'a> {
    /// The name.
    pub user: Text<'a>,
    /// Whether the password was right.
    pub is_right: bool,
}

/// What a filter found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scan<'a> {
    /// rspamd.
    Rspamd {
        /// `no action`, `greylist`, `add header`, `rewrite subject`, `soft reject`, `reject`.
        action: Text<'a>,
        /// The score.
        score: Option<f64>,
    },
    /// `SpamAssassin`.
    SpamAssassin {
        /// The score is not below what is required.
        is_spam: bool,
        /// The score.
        score: Option<f64>,
        /// The rules, comma-separated.
        rules: Text<'a>,
    },
    /// `ClamAV`.
    Virus {
        /// What it is called.
        name: Text<'a>,
    },
}

/// A server's answer for one recipient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refused<'a> {
    /// The recipient, without brackets.
    pub address: Text<'a>,
    /// For good.
    pub is_final: bool,
    /// The reply, code first; the lines of a long one joined with spaces.
    pub reply: Text<'a>,
}

/// An item that a server took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivered<'a> {
    /// Where it goes.
    pub domain: Text<'a>,
    /// Name of the server; its address where it has none (and always before 3.1).
    pub host: Text<'a>,
    /// Address of the server, or path of its socket.
    pub ip: Text<'a>,
    /// Port of the server.
    pub port: Option<u16>,
    /// By LMTP.
    pub is_lmtp: bool,
    /// The reply without its codes.
    pub response: Text<'a>,
    /// From the arrival on.
    pub delay: Option<Duration>,
    /// Attempts of this item that failed before.
    pub failures: u32,
    /// Recipients that the server took, put off and refused.
    pub recipients: Counts,
}

/// An item that waits for its next attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deferred<'a> {
    /// What names the attempt among those of all items.
    pub file: QueueFile<'a>,
    /// Why.
    pub reason: Reason<'a>,
}

/// The name of a file in the queue (Haraka `outbound/qfile.js`):
/// `arrival_nextattempt_attempts_pid_uniq_counter_host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFile<'a> {
    /// When the item was made, milliseconds; a part that is split off is another item.
    pub arrival: &'a [u8],
    /// Attempts before this one.
    pub attempts: u32,
    /// Six random letters and digits.
    pub uniq: &'a [u8],
}

/// Why an attempt failed, or an item was given up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason<'a> {
    /// What kind of reason.
    pub cause: Cause,
    /// As logged, but for the words `Too many failures (…)`.
    pub text: Text<'a>,
    /// The attempts are used up: it is the reason of the last one.
    pub is_exhausted: bool,
}

/// Kinds of reasons (Haraka `outbound/hmail.js`, the callers of `temp_fail()` and `bounce()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Of these recipients, whose replies were logged before.
    Recipients,
    /// The server's reply, for all recipients of the item.
    Reply,
    /// No server could be reached; why was logged before.
    Unreached,
    /// There is no server for the domain.
    NoServer,
    /// There is no such domain.
    NoDomain,
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// The servers of the domain could not be looked up.
    Lookup,
    /// No TLS, though it is required.
    Tls,
    /// The server does not speak SMTP.
    Protocol,
    /// Haraka could not write its queue.
    Queue,
    /// Any other.
    Other,
}

impl<'a> Reason<'a> {
    /// The recipients that it names, without brackets.
    pub fn recipients(self) -> impl Iterator<Item = Text<'a>> {
        let mut rest = match self.cause {
            Cause::Recipients => self.text.split_once(": ").map(|(_, list)| list),
            _ => None,
        };
        std::iter::from_fn(move || {
            let (address, behind) = rest?.address()?;
            rest = behind.strip_prefix(", ");
            Some(address)
        })
    }

    /// The server's reply, code first.
    #[must_use]
    pub fn reply(self) -> Option<Text<'a>> {
        (self.cause == Cause::Reply).then_some(())?;
        Some(self.text.strip_prefix("Upstream error: ").unwrap_or(self.text))
    }
}

//! What a line of Postfix says, as values.

use std::time::Duration;

use super::{
    Action, AuthFailure, ContentCheck, Corrupt, DnsListed, Operation, OperationTotal, ProxyAnswer,
    QueueId, RateLimit, Refused, Started,
};
use crate::status::{Dsn, ReplyCodes};

/// One line of a Postfix daemon.
///
/// Byte fields are exactly as logged: addresses without the angle brackets (an empty sender is
/// the null reverse-path), in external, quoted form since Postfix 3.5.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// smtpd opened a queue file for a client (`smtpd.c`, `mail_open_stream()`).
    Client(Client<'a>),
    /// pickup took a local submission (`pickup.c`, `copy_segment()`).
    Pickup(Pickup<'a>),
    /// cleanup saw the Message-ID header (`cleanup_message.c`).
    MessageId(MessageId<'a>),
    /// qmgr opened the message for delivery (`qmgr_message.c`).
    QueueActive(QueueActive<'a>),
    /// qmgr gave up (`qmgr_active.c`, `qmgr_active_done_25_generic()`).
    Expired(Expired<'a>),
    /// End of the queue file.
    Removed(Removed<'a>),
    /// What became of one recipient in one attempt (`log_adhoc.c`, `log_adhoc()`).
    Delivery(Delivery<'a>),
    /// The bounce daemon made a notification (`bounce_notify_service.c` and its kin).
    Notification(Notification<'a>),
    /// A refusal, or another verdict on a transaction: of an access table (`smtpd_check.c`,
    /// `log_whatsup()`), of postscreen, or of a milter (`cleanup_milter.c`).
    Verdict(Verdict<'a>),
    /// A header or body check matched (`cleanup_message.c`, `cleanup_act_log()`).
    ContentCheck(ContentCheck<'a>),
    /// cleanup refused a whole message, in a warning (`cleanup_message.c` and its kin).
    Refused(Refused<'a>),
    /// What the filter behind a before-queue proxy answered (`smtpd.c`).
    ProxyAnswer(ProxyAnswer<'a>),
    /// A client was refused because it did too much (`smtpd.c`, anvil's counters).
    RateLimit(RateLimit<'a>),
    /// A client could not authenticate (`smtpd_sasl_glue.c`). To be counted: never an event.
    AuthFailure(AuthFailure<'a>),
    /// dnsblog found a client in a list of postscreen's (`dnsblog.c`).
    DnsListed(DnsListed<'a>),
    /// An operator did something to one message, except deleting it, which is
    /// [`Entry::Removed`] (`postsuper.c`).
    Operation(Operation<'a>),
    /// How many messages one call of `postsuper` was about (`postsuper.c`). With `ALL` in place of
    /// a queue ID this is the only line.
    OperationTotal(OperationTotal),
    /// A queue file was damaged and set aside: the message is lost to its recipients
    /// (`global/mark_corrupt.c`).
    Corrupt(Corrupt<'a>),
    /// Postfix started, or read its configuration again (`master.c`).
    Started(Started<'a>),
}

/// `QID: client=name[addr], sasl_method=…, sasl_username=…, orig_queue_id=…, orig_client=…`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Client<'a> {
    /// None for `NOQUEUE: client=…`: the message goes through a before-queue proxy, whose answer
    /// ([`ProxyAnswer`]) the same process logs.
    pub queue_id: Option<QueueId<'a>>,
    /// The client.
    pub peer: Peer<'a>,
    /// SASL mechanism.
    pub sasl_method: Option<&'a [u8]>,
    /// Authenticated user; free text of the SASL layer.
    pub sasl_username: Option<&'a [u8]>,
    /// Queue ID before a content filter (XFORWARD).
    pub orig_queue_id: Option<QueueId<'a>>,
    /// Client before a content filter (XFORWARD).
    pub orig_client: Option<Peer<'a>>,
}

/// `name[addr]`, also `name[addr]:port` and postscreen's `[addr]:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Verified name, or `unknown`; empty when the line has none.
    pub name: &'a [u8],
    /// Address as text, without brackets; `unknown` when the peer was already gone.
    pub address: &'a [u8],
    /// TCP port, when logged.
    pub port: Option<u16>,
}

/// `QID: uid=102 from=<sender> orig_id=OLD`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pickup<'a> {
    /// The new message.
    pub queue_id: QueueId<'a>,
    /// Numeric user ID of the submitter, as logged.
    pub uid: &'a [u8],
    /// Envelope sender.
    pub sender: &'a [u8],
    /// Queue ID before a requeue.
    pub orig_id: Option<QueueId<'a>>,
}

/// `QID: message-id=<…>`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MessageId<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// The raw header value, brackets and all; may be empty or lack them.
    pub value: &'a [u8],
    /// It is the `Resent-Message-ID`.
    pub resent: bool,
}

/// `QID: from=<sender>, size=N, nrcpt=M (queue active)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueActive<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// Envelope sender.
    pub sender: &'a [u8],
    /// Bytes.
    pub size: u64,
    /// Recipients in the queue file.
    pub nrcpt: u32,
}

/// `QID: from=<sender>, status=expired, returned to sender`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expired<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// Envelope sender.
    pub sender: &'a [u8],
    /// `force-expired`: an operator did it.
    pub forced: bool,
}

/// `QID: removed`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removed<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// An operator deleted it (`postsuper -d`), qmgr did not end it. False where the logging system
    /// lost the daemon's name.
    pub by_operator: bool,
}

/// One delivery status line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// Envelope recipient after all expansion.
    pub recipient: &'a [u8],
    /// Recipient before expansion; only when it differs.
    pub orig_recipient: Option<&'a [u8]>,
    /// Who took it, or would not.
    pub relay: Relay<'a>,
    /// Uses of the cached connection, ≥ 2.
    pub conn_use: Option<u32>,
    /// Since arrival.
    pub delay: Duration,
    /// Before the queue manager, in it, connection set-up, transmission.
    pub delays: [Duration; 4],
    /// Enhanced status code. Postfix makes its class agree with the status (`bounce.c`,
    /// `bounce_append_intern()` and its kin).
    pub dsn: Dsn,
    /// Postfix's word for the outcome.
    pub status: Status,
    /// All between the parentheses: words of the remote. Without the closing one.
    pub text: &'a [u8],
}

/// The `relay=` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relay<'a> {
    /// No host was reached, or none was meant.
    None,
    /// `host[address]:port`, also `host[/socket]`.
    Host(Peer<'a>),
    /// A local agent or pipe service: `local`, `virtual`, `dovecot`.
    Agent(&'a [u8]),
}

/// The `status=` word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `sent`.
    Sent,
    /// `deferred`.
    Deferred,
    /// `bounced`.
    Bounced,
    /// `SOFTBOUNCE`: a permanent answer that `soft_bounce` keeps in the queue.
    SoftBounce,
    /// `deliverable`, `undeliverable`, `undeliverable-but-not-cached`: an address probe.
    Probe,
}

/// `PARENT: sender non-delivery notification: CHILD`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notification<'a> {
    /// The message it is about.
    pub parent: QueueId<'a>,
    /// The message that carries it.
    pub child: QueueId<'a>,
    /// What it tells.
    pub kind: NotificationKind,
}

/// Kinds of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// `sender non-delivery notification`.
    NonDelivery,
    /// `sender delay notification`.
    Delay,
    /// `sender delivery status notification`.
    Success,
    /// To the postmaster.
    Postmaster,
}

/// `QID|NOQUEUE: action: STAGE from client: text; from=<> to=<> proto= helo=<>`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict<'a> {
    /// None for `NOQUEUE`. When the action is not a refusal, the message is the one whose
    /// `client=` line the same process logs next.
    pub queue_id: Option<QueueId<'a>>,
    /// What was done.
    pub action: Action,
    /// SMTP stage: `CONNECT`, `RCPT`, `END-OF-MESSAGE`, …
    pub stage: &'a [u8],
    /// The client.
    pub peer: Peer<'a>,
    /// The reply or reason, before the `; from=` list.
    pub text: &'a [u8],
    /// Codes at the head of `text`.
    pub codes: ReplyCodes,
    /// Envelope sender, when known at that stage.
    pub sender: Option<&'a [u8]>,
    /// Envelope recipient, when there is exactly one.
    pub recipient: Option<&'a [u8]>,
    /// `SMTP` or `ESMTP`.
    pub proto: Option<&'a [u8]>,
    /// HELO name.
    pub helo: Option<&'a [u8]>,
    /// Authenticated user.
    pub sasl_username: Option<&'a [u8]>,
    /// More than one way to split text from list fits, because the text imitates the list; or
    /// none does, because the record was cut there or an address without quotes imitates it.
    pub ambiguous: bool,
}

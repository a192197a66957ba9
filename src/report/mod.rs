//! Mail that came back, to events: complaints (`outbound.complaint`), late bounces and late deferrals
//! (`outbound.bounced`, `outbound.deferred` with `async`).
//!
//! * [`Desk::take`] does all of it for one mail, and answers when what came of it is durable;
//! * `logs` — whether the logs are read that may tell of its message;
//! * `claim` — what a report says of each recipient;
//! * `story` — which message that is about, by what the store holds;
//! * `verp` — which message that is by a token that its sender signed;
//! * `trust` — whether it is shown who says it;
//! * `tell` — the events.
//!
//! What a mail means depends on its bytes and on what is stored, not on the way it came, so that one
//! that came in twice, through the milter and through a pipe, is told once: the id and the time of an
//! event are those of the report.
//!
//! Anybody can send a report about anything. Its events say how its message was found and whether it
//! may be believed; no message is changed or ended by one.

mod claim;
mod logs;
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod trust;
pub mod verp;

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use mailherald_parsers::report::{self, Content, Report};

use crate::{
    clock::SharedClock,
    config::{Reports, Unmatched},
    event::{Event, MessageUid, SenderToken},
    limits::{REPORT_PATIENCE, REPORT_PATIENCE_OF_PIPES},
    search::{Search, Wanted},
    writer::{Stopped, WriterHandle},
};

pub use logs::Logs;

use claim::Claim;
use story::Story;
use verp::Signed;

/// A report that is older tells nothing that anybody could still use.
const OLDEST_S: i64 = 60 * 86_400;

/// Clocks of other hosts may be ahead by so much.
const AHEAD_S: i64 = 3_600;

/// What is known of messages.
pub trait Stories: Clone + Debug + Send + Sync + 'static {
    /// Events about mail, the newest first, at most `limit`. It sees what is durable.
    fn events(
        &self,
        clue: Clue,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Event>, Stopped>> + Send;
}

/// What an event is looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clue {
    /// Queue ID of its message.
    QueueId(String),
    /// Message-ID of its message, without brackets.
    MessageId(String),
    /// Its recipient, in whatever case, and the time from which on it happened, microseconds.
    Recipient(String, i64),
    /// Its message, and the recipient.
    Message(MessageUid, String),
    /// The token in the envelope sender of its message.
    SenderToken(SenderToken),
}

impl Stories for Search {
    async fn events(&self, clue: Clue, limit: usize) -> Result<Vec<Event>, Stopped> {
        let page = self.find(Wanted { limit, ..clue.wanted() }).await.map_err(|error| {
            tracing::warn!(%error, "a report waits: nothing can be looked up");
            Stopped
        })?;
        Ok(page.events.into_iter().map(|(_, event)| event).collect())
    }
}

impl Clue {
    fn wanted(self) -> Wanted {
        let any = Wanted::default();
        match self {
            Self::QueueId(id) => Wanted { queue_id: Some(id), ..any },
            Self::MessageId(id) => Wanted { message_id: Some(id), ..any },
            Self::Recipient(to, since_us) => {
                Wanted { to: Some(to), since_us: Some(since_us), ..any }
            }
            Self::Message(uid, to) => Wanted { uid: Some(uid), to: Some(to), ..any },
            Self::SenderToken(token) => Wanted { sender_token: Some(token), ..any },
        }
    }

    /// Is that event looked for?
    #[cfg(test)]
    fn fits(&self, event: &Event) -> bool {
        let data = &event.data;
        let is_to = |name: &str| {
            let own = [&data.to, &data.orig_to].into_iter().flatten();
            own.into_iter().any(|to| to.eq_ignore_ascii_case(name))
        };
        match self {
            Self::QueueId(id) => data.queue_id.as_deref() == Some(id),
            Self::MessageId(id) => data.message_id.as_deref().map(story::bare) == Some(id),
            Self::Recipient(to, since_us) => event.at_us >= *since_us && is_to(to),
            Self::Message(uid, to) => data.uid == *uid && is_to(to),
            Self::SenderToken(token) => {
                data.from.as_deref().and_then(SenderToken::in_address) == Some(*token)
            }
        }
    }
}

/// Where reports are brought.
#[derive(Debug, Clone)]
pub struct Desk<S> {
    reader: Reader<S>,
    logs: Logs,
    writer: WriterHandle,
}

/// Why a mail was not taken in: it is to be brought again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The daemon is ending, or can take nothing in now.
    Stopped,
    /// What it is about is not known yet, and the logs are not read that may tell of it.
    Early,
}

impl From<Stopped> for NotTaken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Reads mail, and changes nothing.
#[derive(Debug, Clone)]
struct Reader<S> {
    settings: Arc<Reports>,
    stories: S,
    clock: SharedClock,
}

/// A report, and what is known of it.
#[derive(Debug)]
struct Case<'a> {
    report: &'a Report,
    story: Option<Story>,
    /// An address in it that bears a token of ours.
    signed: Option<&'a Signed<'a>>,
    /// It is shown who wrote it.
    is_proven: bool,
    /// Whoever brings it is believed to bring what came.
    may_be_trusted: bool,
    /// When it was written.
    at: Timestamp,
}

/// What came of a mail.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// `feedback`, `delivery`, `disposition`; None when it is no report.
    pub kind: Option<&'static str>,
    /// Events, and whether each is new: a report may come twice.
    pub told: Vec<(Event, bool)>,
    /// What was passed over, with the recipient where one was named.
    pub passed: Vec<(Passed, Option<String>)>,
}

/// Why something in a mail gave no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The mail is no report.
    NoReport,
    /// Somebody opened a message, or did not.
    Disposition,
    /// Somebody says that a message is no spam.
    NotSpam,
    /// The authentication of a message failed: no complaint.
    AuthFailure,
    /// It was delivered, relayed or expanded, or nobody knows the word.
    NotFailed,
    /// It was written too long ago.
    TooOld,
    /// No message of ours was found that it is about.
    Unmatched,
    /// It may be forged, and such are not wanted.
    Untrusted,
}

impl Passed {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoReport => "no_report",
            Self::Disposition => "disposition",
            Self::NotSpam => "not_spam",
            Self::AuthFailure => "auth_failure",
            Self::NotFailed => "not_failed",
            Self::TooOld => "too_old",
            Self::Unmatched => "unmatched",
            Self::Untrusted => "untrusted",
        }
    }
}

impl<S: Stories> Desk<S> {
    /// One that works by these settings.
    #[must_use]
    pub fn new(
        settings: Reports,
        stories: S,
        logs: Logs,
        writer: WriterHandle,
        clock: SharedClock,
    ) -> Self {
        Self { reader: Reader { settings: Arc::new(settings), stories, clock }, logs, writer }
    }

    /// Takes a whole mail, or its beginning, from somebody who can bring it again. Whoever brings one
    /// that no verifier has seen does not let it be trusted. Durable when it answers.
    ///
    /// # Errors
    /// [`NotTaken`]: the mail is to be brought again.
    pub async fn take(&self, mail: &[u8], may_be_trusted: bool) -> Result<Outcome, NotTaken> {
        let patience = REPORT_PATIENCE_OF_PIPES;
        match self.look(mail, may_be_trusted, patience).await? {
            (_, false) => Err(NotTaken::Early),
            (outcome, true) => Ok(self.keep(outcome).await?),
        }
    }

    /// Takes one that a milter saw, and that nobody will bring again. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] as for [`NotTaken::Stopped`].
    pub async fn take_now_or_never(&self, mail: &[u8]) -> Result<Outcome, Stopped> {
        let (outcome, _) = self.look(mail, true, REPORT_PATIENCE).await?;
        self.keep(outcome).await
    }

    /// What comes of a mail, and whether nothing more can come of it later. One whose message is not
    /// known waits for the logs, which may tell of it.
    async fn look(
        &self,
        mail: &[u8],
        may_be_trusted: bool,
        patience: Duration,
    ) -> Result<(Outcome, bool), Stopped> {
        let outcome = self.reader.read(mail, may_be_trusted).await?;
        if !outcome.lacks_a_message() {
            return Ok((outcome, true));
        }
        let is_read = self.logs.read_up_to_now(patience).await;
        self.writer.flush().await?;
        let outcome = self.reader.read(mail, may_be_trusted).await?;
        let is_final = is_read || !outcome.lacks_a_message();
        Ok((outcome, is_final))
    }

    async fn keep(&self, mut outcome: Outcome) -> Result<Outcome, Stopped> {
        let events = outcome.told.into_iter().map(|(event, _)| event).collect();
        outcome.told = self.writer.report(events).await?;
        outcome.say();
        Ok(outcome)
    }
}

impl<S: Stories> Reader<S> {
    /// What comes of a mail, as if it had never come before.
    async fn read(&self, mail: &[u8], may_be_trusted: bool) -> Result<Outcome, Stopped> {
        let Some(report) = report::parse(mail) else {
            return Ok(Outcome::passed(None, Passed::NoReport));
        };
        let (at, is_too_old) = self.when(&report);
        let mut outcome = Outcome { kind: Some(kind(&report)), ..Outcome::default() };
        let claims = match claim::of(&report) {
            _ if is_too_old => return Ok(Outcome::passed(outcome.kind, Passed::TooOld)),
            Ok(claims) => claims,
            Err(passed) => return Ok(Outcome::passed(outcome.kind, passed)),
        };
        let signed = verp::find(&report, &self.settings.verp_keys, self.clock.now());
        let case = Case {
            report: &report,
            story: story::find(&self.stories, &report, &claims, &signed, &self.settings, at)
                .await?,
            signed: signed.first(),
            is_proven: may_be_trusted && trust::is_proven(&report.head, &self.settings),
            may_be_trusted,
            at,
        };
        for claim in &claims {
            match self.event(&case, claim).await? {
                Ok(event) => outcome.told.push((event, true)),
                Err(passed) => outcome.passed.push((passed, claim.recipient().map(str::to_owned))),
            }
        }
        Ok(outcome)
    }

    /// The event of a claim, or why there is none.
    async fn event(
        &self,
        case: &Case<'_>,
        claim: &Claim<'_>,
    ) -> Result<Result<Event, Passed>, Stopped> {
        if claim.is_uneventful() {
            return Ok(Err(Passed::NotFailed));
        }
        let found = match &case.story {
            Some(story) => Some(story::recipient(&self.stories, story, claim).await?),
            None => None,
        };
        if found.is_none() && !self.tells_unmatched(case, claim) {
            return Ok(Err(Passed::Unmatched));
        }
        let trusted = found
            .as_ref()
            .is_some_and(|found| trust::is_trusted(found, case.is_proven, case.may_be_trusted));
        if self.settings.trusted_only && !trusted {
            return Ok(Err(Passed::Untrusted));
        }
        Ok(Ok(tell::event(case, claim, found, trusted)))
    }

    /// What bears a token of ours answers nothing that a stranger sent.
    fn tells_unmatched(&self, case: &Case<'_>, claim: &Claim<'_>) -> bool {
        match self.settings.unmatched {
            Unmatched::All => true,
            Unmatched::Complaints => claim.is_complaint() || case.signed.is_some(),
            Unmatched::None => false,
        }
    }

    /// When it was written, as far as that can be; and whether that is too long ago.
    fn when(&self, report: &Report) -> (Timestamp, bool) {
        let now = self.clock.now();
        let written = report.head.written_at.and_then(|at| Timestamp::from_second(at).ok());
        let written = written.filter(|at| at.as_second() <= now.as_second() + AHEAD_S);
        let at = written.unwrap_or(now);
        (at, at.as_second() < now.as_second() - OLDEST_S)
    }
}

impl Outcome {
    fn passed(kind: Option<&'static str>, why: Passed) -> Self {
        Self { kind, passed: vec![(why, None)], ..Self::default() }
    }

    /// It is about a message that was not found.
    fn lacks_a_message(&self) -> bool {
        let is_unmatched = |event: &Event| {
            event.data.reported.as_ref().is_some_and(|reported| reported.correlation.is_none())
        };
        self.passed.iter().any(|(why, _)| *why == Passed::Unmatched)
            || self.told.iter().any(|(event, _)| is_unmatched(event))
    }

    /// What was passed over is nowhere else.
    fn say(&self) {
        let events = self.told.iter().filter(|(_, is_new)| *is_new).count();
        let known = self.told.len() - events;
        let (report, passed) = (self.kind.unwrap_or("none"), self.passed.len());
        let why = self.passed.first().map_or("-", |(why, _)| why.name());
        tracing::info!(report, events, known, passed, why, "a report came in");
    }
}

fn kind(report: &Report) -> &'static str {
    match report.content {
        Content::Feedback(_) => "feedback",
        Content::Delivery(_) => "delivery",
        Content::Disposition => "disposition",
    }
}

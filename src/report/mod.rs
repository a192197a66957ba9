//! Mail that came back, to events: complaints (`outbound.complaint`), late bounces and late deferrals
//! (`outbound.bounced`, `outbound.deferred` with `async`).
//!
//! * [`Desk::take`] does all of it for one mail, and answers when what came of it is durable;
//! * `claim` — what a report says of each recipient;
//! * `story` — which message that is about, by what the store holds;
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
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod trust;

use std::{fmt::Debug, future::Future, sync::Arc};

use jiff::Timestamp;
use mailherald_parsers::report::{self, Content, Report};

use crate::{
    clock::SharedClock,
    config::{Reports, Unmatched},
    event::{Correlation, Event, MessageUid},
    search::{Search, Wanted},
    writer::{Stopped, WriterHandle},
};

use claim::Claim;
use story::Story;

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
        }
    }
}

/// Where reports are brought.
#[derive(Debug, Clone)]
pub struct Desk<S> {
    reader: Reader<S>,
    writer: WriterHandle,
}

/// Reads mail, and changes nothing.
#[derive(Debug, Clone)]
struct Reader<S> {
    settings: Arc<Reports>,
    stories: S,
    clock: SharedClock,
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
    pub fn new(settings: Reports, stories: S, writer: WriterHandle, clock: SharedClock) -> Self {
        Self { reader: Reader { settings: Arc::new(settings), stories, clock }, writer }
    }

    /// Takes a whole mail, or its beginning. Whoever brings one that no verifier has seen does not
    /// let it be trusted. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the daemon is ending, or can take nothing in now: the mail is to be brought
    /// again.
    pub async fn take(&self, mail: &[u8], may_be_trusted: bool) -> Result<Outcome, Stopped> {
        let mut outcome = self.reader.read(mail, may_be_trusted).await?;
        if outcome.lacks_a_message() {
            // Lines that tell of it may just have been read.
            self.writer.flush().await?;
            outcome = self.reader.read(mail, may_be_trusted).await?;
        }
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
        let story = story::find(&self.stories, &report, &claims, &self.settings, at).await?;
        let is_proven = may_be_trusted && trust::is_proven(&report.head, &self.settings);
        for claim in &claims {
            match self.event(&report, claim, story.as_ref(), is_proven, at).await? {
                Ok(event) => outcome.told.push((event, true)),
                Err(passed) => outcome.passed.push((passed, claim.recipient().map(str::to_owned))),
            }
        }
        Ok(outcome)
    }

    /// The event of a claim, or why there is none.
    async fn event(
        &self,
        report: &Report,
        claim: &Claim<'_>,
        story: Option<&Story>,
        is_proven: bool,
        at: Timestamp,
    ) -> Result<Result<Event, Passed>, Stopped> {
        if claim.is_uneventful() {
            return Ok(Err(Passed::NotFailed));
        }
        let found = match story {
            Some(story) => Some(story::recipient(&self.stories, story, claim).await?),
            None => None,
        };
        if found.is_none() && !self.tells_unmatched(claim) {
            return Ok(Err(Passed::Unmatched));
        }
        let correlation = found.as_ref().map(|found| found.correlation);
        let is_recipient_known = found.as_ref().is_some_and(|found| found.is_recipient_known);
        let trusted = is_proven
            && is_recipient_known
            && correlation.is_some_and(|Correlation { method, .. }| trust::may_prove(method));
        if self.settings.trusted_only && !trusted {
            return Ok(Err(Passed::Untrusted));
        }
        Ok(Ok(tell::event(report, claim, found, trusted, at)))
    }

    fn tells_unmatched(&self, claim: &Claim<'_>) -> bool {
        match self.settings.unmatched {
            Unmatched::All => true,
            Unmatched::Complaints => claim.is_complaint(),
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

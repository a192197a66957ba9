//! Mail that came back, to events: complaints (`outbound.complaint`), late bounces and late deferrals
//! (`outbound.bounced`, `outbound.deferred` with `async`).
//!
//! * [`Desk::take`] does all of it for one mail, and answers when what came of it is durable;
//! * `logs` — whether the logs are read that may tell of its message;
//! * `claim` — what a report says of each recipient;
//! * `stories` — what is known of messages, and how they are looked for;
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
mod stories;
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod trust;
pub mod verp;

use std::sync::Arc;

use jiff::Timestamp;
use mailherald_parsers::report::{self, Content, Report};
use tokio::sync::Semaphore;

use crate::{
    clock::SharedClock,
    config::{Reports, Unmatched},
    event::Event,
    limits::{REPORT_PATIENCE, REPORT_PATIENCE_OF_PIPES, REPORTS_READ},
    writer::{Stopped, WriterHandle},
};

pub use logs::Logs;
pub use stories::{Clue, Stories};

use claim::Claim;
use story::Story;
use verp::Signed;

/// A report that is older tells nothing that anybody could still use.
const OLDEST_S: i64 = 60 * 86_400;

/// Clocks of other hosts may be ahead by so much.
const AHEAD_S: i64 = 3_600;

/// Where reports are brought.
#[derive(Debug, Clone)]
pub struct Desk<S> {
    reader: Reader<S>,
    logs: Logs,
    writer: WriterHandle,
    /// For mail that is being read: what a stranger wrote may say much in few bytes.
    places: Arc<Semaphore>,
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
    /// Our own mail server says it, whose log has told it.
    Own,
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
            Self::Own => "own",
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
        let reader = Reader { settings: Arc::new(settings), stories, clock };
        Self { reader, logs, writer, places: Arc::new(Semaphore::new(REPORTS_READ)) }
    }

    /// Takes a whole mail, or its beginning, from somebody who can bring it again. Whoever brings one
    /// that no verifier has seen does not let it be trusted. Durable when it answers.
    ///
    /// # Errors
    /// [`NotTaken`]: the mail is to be brought again.
    pub async fn take(&self, mail: &[u8], may_be_trusted: bool) -> Result<Outcome, NotTaken> {
        if let Some(outcome) = self.take_known(mail, may_be_trusted).await? {
            return Ok(outcome);
        }
        let is_read = self.logs.read_up_to_now(REPORT_PATIENCE_OF_PIPES).await;
        self.writer.flush().await?;
        if is_read {
            return Ok(self.take_as_it_is(mail, may_be_trusted).await?);
        }
        self.take_known(mail, may_be_trusted).await?.ok_or(NotTaken::Early)
    }

    /// Takes one that a milter saw, and that nobody will bring again. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] as for [`NotTaken::Stopped`].
    pub async fn take_now_or_never(&self, mail: &[u8]) -> Result<Outcome, Stopped> {
        if let Some(outcome) = self.take_known(mail, true).await? {
            return Ok(outcome);
        }
        self.logs.read_up_to_now(REPORT_PATIENCE).await;
        self.writer.flush().await?;
        self.take_as_it_is(mail, true).await
    }

    /// Takes it in unless it is about a message that is not known: whoever waits for that keeps nothing
    /// but the mail.
    async fn take_known(
        &self,
        mail: &[u8],
        may_be_trusted: bool,
    ) -> Result<Option<Outcome>, Stopped> {
        let _place = self.places.acquire().await;
        let outcome = self.reader.read(mail, may_be_trusted).await?;
        if outcome.lacks_a_message() {
            return Ok(None);
        }
        self.keep(outcome).await.map(Some)
    }

    async fn take_as_it_is(&self, mail: &[u8], may_be_trusted: bool) -> Result<Outcome, Stopped> {
        let _place = self.places.acquire().await;
        let outcome = self.reader.read(mail, may_be_trusted).await?;
        self.keep(outcome).await
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
        let story =
            story::find(&self.stories, &report, &claims, &signed, &self.settings, at).await?;
        if story::is_told_by_the_log(&self.stories, story.as_ref(), &report).await? {
            return Ok(Outcome::passed(outcome.kind, Passed::Own));
        }
        let case = Case {
            report: &report,
            story,
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

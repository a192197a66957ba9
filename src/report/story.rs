//! Which message a report is about: by a token that its sender signed, by our own queue ID, by the
//! sender's envelope id, by Message-ID, by a configured header, by the recipient alone; the first that
//! leads to a message of ours counts.
//!
//! A report is about one message, so it is found once, and then its recipients. Only outbound messages
//! are looked for, by their events, which have all that an event of a report repeats.

use jiff::Timestamp;
use mailherald_parsers::report::{Content, Report};

use super::{Clue, Stories, claim::Claim, verp::Signed};
use crate::{
    config::Reports,
    event::{Confidence, Correlation, Event, MessageUid, Method, Service},
    writer::Stopped,
};

/// Events looked at of one message, or of one recipient.
const EVENTS: usize = 50;

/// Events looked at of a message that its sender signed: all that one recipient can have in five days.
const SIGNED_EVENTS: usize = 500;

/// Recipients that a message is looked for by, of one report.
const RECIPIENTS: usize = 5;

/// A message to a recipient is only guessed at when it left within the last days.
const GUESSED_US: i64 = 7 * 86_400 * 1_000_000;

/// And one that something else identifies, within as many.
const KNOWN_US: i64 = 60 * 86_400 * 1_000_000;

/// The message that a report is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    method: Method,
    /// Another fact agrees.
    is_confirmed: bool,
    /// An event of it, of whichever recipient.
    event: Event,
    /// What led to it leads to no other recipient.
    is_to_one: bool,
}

/// What is known of a recipient of that message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) correlation: Correlation,
    /// An event of the recipient, or of another one.
    pub(super) event: Event,
    /// It is one of the message's recipients.
    pub(super) is_recipient_known: bool,
    /// The message has only this one.
    pub(super) is_to_one: bool,
}

/// The message, if it is found.
pub(super) async fn find(
    stories: &impl Stories,
    report: &Report,
    claims: &[Claim<'_>],
    signed: &[Signed<'_>],
    settings: &Reports,
    at: Timestamp,
) -> Result<Option<Story>, Stopped> {
    if let Some(story) = by_token(stories, signed).await? {
        return Ok(Some(story));
    }
    if let Some(story) = by_queue_id(stories, report).await? {
        return Ok(Some(story));
    }
    let of_recipients = of_recipients(stories, claims, at).await?;
    if let Some(story) = by_envelope_id(&of_recipients, report) {
        return Ok(Some(story));
    }
    if let Some(story) = by_message_id(stories, report, claims).await? {
        return Ok(Some(story));
    }
    Ok(by_header(&of_recipients, report, settings)
        .or_else(|| by_recipient(&of_recipients, at.as_microsecond())))
}

/// The recipient of a claim among those of the message.
pub(super) async fn recipient(
    stories: &impl Stories,
    story: &Story,
    claim: &Claim<'_>,
) -> Result<Found, Stopped> {
    let uid = story.event.data.uid;
    for name in claim.names() {
        let clue = Clue::Message(uid, name.to_owned());
        let events = outbound(stories.events(clue, EVENTS).await?);
        if let Some(event) = events.into_iter().next() {
            return Ok(story.found(event, true));
        }
    }
    // Whoever else is named, there is only one.
    Ok(story.found(story.event.clone(), story.is_to_one))
}

/// Does our own mail server say it? A notification of Postfix names its message as the log does, which has
/// told what became of that.
pub(super) async fn is_told_by_the_log(
    stories: &impl Stories,
    story: Option<&Story>,
    report: &Report,
) -> Result<bool, Stopped> {
    let (Some(story), Content::Delivery(delivery)) = (story, &report.content) else {
        return Ok(false);
    };
    let Some(queue_id) = delivery.postfix_queue_id.clone() else { return Ok(false) };
    let events = outbound(stories.events(Clue::QueueId(queue_id), EVENTS).await?);
    Ok(events.iter().any(|event| event.data.uid == story.event.data.uid))
}

impl Story {
    /// The message of one of the events that were found, by what led to all of them.
    fn of(method: Method, is_confirmed: bool, event: &Event, all: &[Event]) -> Self {
        let to = event.data.to.as_deref();
        let is_to_it = |other: &Event| {
            let same = |name: &str| to.is_some_and(|to| to.eq_ignore_ascii_case(name));
            other.data.nrcpt == Some(1) && other.data.to.as_deref().is_none_or(same)
        };
        let is_to_one = to.is_some() && all.iter().all(is_to_it);
        Self { method, is_confirmed, event: event.clone(), is_to_one }
    }

    fn found(&self, event: Event, is_recipient_known: bool) -> Found {
        let confidence = match self.method {
            Method::Recipient => Confidence::Low,
            Method::Verp | Method::QueueId | Method::EnvelopeId | Method::MessageId
                if self.is_confirmed || is_recipient_known =>
            {
                Confidence::High
            }
            _ => Confidence::Medium,
        };
        let correlation = Correlation { method: self.method, confidence };
        Found { correlation, event, is_recipient_known, is_to_one: self.is_to_one }
    }
}

/// A token stands for one message; one that was used for several stands for none.
async fn by_token(stories: &impl Stories, signed: &[Signed<'_>]) -> Result<Option<Story>, Stopped> {
    for Signed { token, .. } in signed {
        let events = outbound(stories.events(Clue::SenderToken(*token), SIGNED_EVENTS).await?);
        let Some(event) = events.first() else { continue };
        if events.iter().all(|other| other.data.uid == event.data.uid) {
            return Ok(Some(Story::of(Method::Verp, true, event, &events)));
        }
    }
    Ok(None)
}

/// One of the servers that had the message may be ours, and call it by a name that we know. Another
/// server's name may be the same by chance: a Message-ID that differs says so.
async fn by_queue_id(stories: &impl Stories, report: &Report) -> Result<Option<Story>, Stopped> {
    let Some(returned) = &report.returned else { return Ok(None) };
    let message_id = returned.message_id.as_deref();
    for hop in &returned.received {
        let events = outbound(stories.events(Clue::QueueId(hop.id.clone()), EVENTS).await?);
        let is_same = |event: &&Event| same_message_id(event, message_id) != Some(false);
        if let Some(event) = events.iter().find(is_same) {
            let is_confirmed = same_message_id(event, message_id) == Some(true);
            let all = of_message(&events, event);
            return Ok(Some(Story::of(Method::QueueId, is_confirmed, event, &all)));
        }
    }
    Ok(None)
}

async fn by_message_id(
    stories: &impl Stories,
    report: &Report,
    claims: &[Claim<'_>],
) -> Result<Option<Story>, Stopped> {
    let returned = report.returned.as_ref();
    let Some(message_id) = returned.and_then(|message| message.message_id.clone()) else {
        return Ok(None);
    };
    let events = outbound(stories.events(Clue::MessageId(message_id), EVENTS).await?);
    // A sender may use one again, for another recipient.
    let is_named = |event: &&Event| claims.iter().any(|claim| is_to(event, claim));
    let event = events.iter().find(is_named).or(events.first());
    Ok(event.map(|event| Story::of(Method::MessageId, false, event, &events)))
}

/// The newest events of the recipients that are named.
async fn of_recipients(
    stories: &impl Stories,
    claims: &[Claim<'_>],
    at: Timestamp,
) -> Result<Vec<Event>, Stopped> {
    let since_us = at.as_microsecond() - KNOWN_US;
    let mut all = Vec::new();
    for name in claims.iter().flat_map(Claim::names).take(RECIPIENTS) {
        let clue = Clue::Recipient(name.to_owned(), since_us);
        all.extend(outbound(stories.events(clue, EVENTS).await?));
    }
    Ok(all)
}

fn by_envelope_id(events: &[Event], report: &Report) -> Option<Story> {
    let given = match &report.content {
        Content::Delivery(delivery) => delivery.envelope_id.as_deref(),
        Content::Feedback(feedback) => feedback.envelope_id.as_deref(),
        Content::Disposition => None,
    }?;
    let is_it = |event: &&Event| {
        let known = event.data.envelope_id.as_deref();
        known.is_some_and(|known| {
            known == given || from_xtext(known) == given || known == from_xtext(given)
        })
    };
    let event = events.iter().find(is_it)?;
    Some(Story::of(Method::EnvelopeId, true, event, &of_message(events, event)))
}

fn by_header(events: &[Event], report: &Report, settings: &Reports) -> Option<Story> {
    let name = settings.id_header.as_deref()?;
    let value = report.returned.as_ref()?.header(name)?;
    let is_it = |event: &&Event| {
        let given = event.data.given.iter().flat_map(|given| &given.metadata);
        given.into_iter().any(|(known, given)| known == name && given == value)
    };
    let event = events.iter().find(is_it)?;
    Some(Story::of(Method::Header, false, event, &of_message(events, event)))
}

/// The only message to that recipient.
fn by_recipient(events: &[Event], at_us: i64) -> Option<Story> {
    let window = at_us - GUESSED_US..=at_us;
    let mut recent = events.iter().filter(|event| window.contains(&event.at_us));
    let event = recent.next()?;
    let uid: MessageUid = event.data.uid;
    let is_only_one = recent.all(|other| other.data.uid == uid);
    let story = || Story::of(Method::Recipient, false, event, &of_message(events, event));
    is_only_one.then(story)
}

/// What happened to outbound messages; what another report said is no proof.
fn outbound(events: Vec<Event>) -> Vec<Event> {
    let is_ours = |event: &Event| {
        event.kind.service() == Service::Outbound
            && event.data.reported.is_none()
            && event.data.hit.is_none()
    };
    events.into_iter().filter(is_ours).collect()
}

/// Those of the same message.
fn of_message(events: &[Event], event: &Event) -> Vec<Event> {
    events.iter().filter(|other| other.data.uid == event.data.uid).cloned().collect()
}

fn is_to(event: &Event, claim: &Claim<'_>) -> bool {
    let own = [&event.data.to, &event.data.orig_to];
    claim.names().any(|name| own.into_iter().flatten().any(|to| to.eq_ignore_ascii_case(name)))
}

/// None when one of them is not known.
fn same_message_id(event: &Event, wanted: Option<&str>) -> Option<bool> {
    let known = event.data.message_id.as_deref()?;
    Some(bare(known) == wanted?)
}

/// Without brackets.
pub(super) fn bare(message_id: &str) -> &str {
    message_id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// `+2B` of RFC 3461 §4 is `+`: servers repeat what they were given, as it was or as it meant.
pub(super) fn from_xtext(text: &str) -> String {
    let mut parts = text.split('+');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (first, rest) = code.zip(part.get(2..)).unwrap_or((b'+', part));
        out.push(first);
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}

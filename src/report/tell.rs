//! The event of a claim: what is known of the message and the recipient, and what the report says.

use mailherald_parsers::{
    report::{Action, Content, Feedback, RecipientStatus, Report},
    status::Dsn,
};
use smol_str::{SmolStr, ToSmolStr};

use super::{Case, claim::Claim, story::Found};
use crate::{
    event::{
        BounceType, Complaint, Event, EventData, EventId, EventType, MessageUid, Reported,
        TimeQuality, bounce, text,
    },
    limits,
};

/// Version of the recipe of ids and uids made of reports.
const RECIPE: [&[u8]; 2] = [b"v1", b"report"];

/// Makes the event. Its id and its time depend on the report alone: one that comes twice is told once.
pub(super) fn event(
    case: &Case<'_>,
    claim: &Claim<'_>,
    found: Option<Found>,
    trusted: bool,
) -> Event {
    let Case { report, at, .. } = *case;
    let correlation = found.as_ref().map(|found| found.correlation);
    let mut data = match found {
        Some(found) => of_message(found, claim),
        None => of_report(case, claim),
    };
    let kind = match claim {
        Claim::Complaint(..) => EventType::OutboundComplaint,
        Claim::Status(status) => say_status(&mut data, status),
    };
    data.reported = Some(Box::new(Reported {
        trusted,
        correlation,
        report_id: report.head.message_id.as_deref().map(kept),
        reporting_mta: reporting_mta(report).map(kept),
        complaint: complaint(report, claim),
    }));
    let id = id(report, claim, kind);
    let (at_us, time_quality) = (at.as_microsecond(), TimeQuality::Second);
    Event { id, kind, at_us, time_quality, data }
}

/// What every event of the message repeats. An event of one recipient has the outcome of an attempt,
/// too: that is not what is told now.
fn of_message(found: Found, claim: &Claim<'_>) -> Box<EventData> {
    let Found { event, is_recipient_known, .. } = found;
    let known = *event.data;
    let mut data = EventData {
        uid: known.uid,
        queue_id: known.queue_id,
        message_id: known.message_id,
        from: known.from,
        subject: known.subject,
        user: known.user,
        size: known.size,
        nrcpt: known.nrcpt,
        helo: known.helo,
        client_name: known.client_name,
        lossy: known.lossy,
        incomplete: known.incomplete,
        route: known.route,
        given: known.given,
        envelope_id: known.envelope_id,
        ..EventData::default()
    };
    if is_recipient_known {
        (data.to, data.orig_to, data.domain) = (known.to, known.orig_to, known.domain);
    } else {
        name_recipient(&mut data, claim);
    }
    Box::new(data)
}

/// What the report itself says of a message that nobody knows here.
fn of_report(case: &Case<'_>, claim: &Claim<'_>) -> Box<EventData> {
    let Case { report, signed, .. } = *case;
    let returned = report.returned.as_ref();
    let message_id = returned.and_then(|message| message.message_id.as_deref());
    let from = match &report.content {
        Content::Feedback(feedback) => feedback.mail_from.as_deref().map(kept),
        _ => None,
    };
    let from = signed.map(|signed| kept(signed.address)).or(from);
    let parts = [origin(report), claim.recipient().unwrap_or_default().to_owned()];
    let parts = [RECIPE[0], RECIPE[1], parts[0].as_bytes(), parts[1].as_bytes()];
    let mut data = EventData {
        uid: MessageUid::of(&parts),
        message_id: message_id.map(|id| kept(&format!("<{id}>"))),
        from,
        incomplete: true,
        ..EventData::default()
    };
    name_recipient(&mut data, claim);
    Box::new(data)
}

fn name_recipient(data: &mut EventData, claim: &Claim<'_>) {
    data.to = claim.recipient().map(kept);
    data.domain = claim.recipient().and_then(text::domain);
}

/// What a server said of a recipient, and the type of the event.
fn say_status(data: &mut EventData, status: &RecipientStatus) -> EventType {
    let has_failed = status.action == Action::Failed;
    let class = if has_failed { 5 } else { 4 };
    // A failure may have been temporary before the server gave up, and a delay is never for good.
    let fits = |dsn: &Dsn| dsn.class == 4 || (has_failed && dsn.class == 5);
    let dsn = status.status.filter(fits).unwrap_or(Dsn { class, subject: 0, detail: 0 });
    let response = text::bounded(
        status.diagnostic.as_deref().unwrap_or_default().as_bytes(),
        limits::RESPONSE_BYTES,
    );
    data.lossy |= response.lossy;
    let category = bounce::category(dsn, &response.value, None);
    data.response = Some(response.value).filter(|text| !text.is_empty());
    data.smtp_code = status.smtp_code;
    data.dsn = Some(dsn.to_smolstr());
    data.mx = status.remote_mta.as_deref().map(kept);
    data.bounce_category = Some(category);
    data.bounce_type =
        Some(if has_failed { bounce::bounce_type(dsn, category) } else { BounceType::Soft });
    if has_failed { EventType::OutboundBounced } else { EventType::OutboundDeferred }
}

fn complaint(report: &Report, claim: &Claim<'_>) -> Option<Complaint> {
    let Claim::Complaint(feedback, _) = claim else { return None };
    let Feedback { kind, user_agent, mail_from, source_ip, arrived, .. } = feedback;
    let writer = report.head.from.as_deref().and_then(text::domain);
    let some = |value: &Option<String>| value.as_deref().map(kept);
    Some(Complaint {
        feedback_type: kept(kind.name()),
        provider: some(user_agent).or(writer),
        original_mail_from: some(mail_from),
        source_ip: some(source_ip),
        arrival_date: some(arrived),
        incidents: feedback.incidents,
        reported_domain: feedback.domains.first().map(|domain| kept(domain)),
        reported_uri: feedback.uris.first().map(|uri| kept(uri)),
        cfbl_feedback_id: some(&feedback.cfbl_feedback_id),
    })
}

fn reporting_mta(report: &Report) -> Option<&str> {
    match &report.content {
        Content::Delivery(delivery) => delivery.reporting_mta.as_deref(),
        Content::Feedback(feedback) => feedback.reporting_mta.as_deref(),
        Content::Disposition => None,
    }
}

/// The event of that type, about what the report says it is about: never about what we found.
fn id(report: &Report, claim: &Claim<'_>, kind: EventType) -> EventId {
    let recipient = claim.recipient().unwrap_or_default();
    let written = report.head.written_at.unwrap_or_default().to_be_bytes();
    let parts: [&[u8]; 8] = [
        RECIPE[0],
        RECIPE[1],
        kind.name().as_bytes(),
        &origin(report).into_bytes(),
        recipient.as_bytes(),
        report.head.message_id.as_deref().unwrap_or_default().as_bytes(),
        report.head.from.as_deref().unwrap_or_default().as_bytes(),
        &written,
    ];
    EventId::of(&parts)
}

/// What the report calls its message: Message-ID, else queue ID, else envelope id.
fn origin(report: &Report) -> String {
    let returned = report.returned.as_ref();
    let message_id = returned.and_then(|message| message.message_id.clone());
    let queue_id =
        || returned.and_then(|message| message.received.last()).map(|hop| hop.id.clone());
    let envelope_id = || match &report.content {
        Content::Delivery(delivery) => delivery.envelope_id.clone(),
        Content::Feedback(feedback) => feedback.envelope_id.clone(),
        Content::Disposition => None,
    };
    message_id.or_else(queue_id).or_else(envelope_id).unwrap_or_default()
}

fn kept(value: &str) -> SmolStr {
    text::bounded(value.as_bytes(), limits::TEXT_BYTES).value
}

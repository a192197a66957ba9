//! The canonical JSON of an event (events.md §1), which every dialect is made from.
//!
//! `replay --dry-run` prints it as it is; [`super::envelope`] dresses it for a receiver.

use jiff::Timestamp;
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Number, Value};
use smol_str::SmolStr;

use super::json;
use crate::event::{
    BounceCategory, BounceType, Correlation, Event, EventData, EventType, Notice, TimeQuality,
};

/// Microseconds in a second.
const SECOND: f64 = 1e6;

/// Appends the event as an object on one line, without a line end: `id`, `service`, `type`,
/// `created_at`, `data`.
pub fn append_canonical(event: &Event, bytes: &mut Vec<u8>) {
    json::append(&Canonical(event), bytes);
}

struct Canonical<'a>(&'a Event);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &event.id.to_string())?;
        map.serialize_entry("service", event.kind.service().name())?;
        map.serialize_entry("type", event.kind.name())?;
        map.serialize_entry("created_at", &created_at(event))?;
        map.serialize_entry("data", &Data(event))?;
        map.end()
    }
}

/// The `data` object, printed without being built first.
pub(super) struct Data<'a>(pub(super) &'a Event);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut printer = Printer { map: serializer.serialize_map(None)?, failed: false };
        all(&mut printer, self.0);
        if printer.failed {
            return Err(S::Error::custom("a field cannot be printed"));
        }
        printer.map.end()
    }
}

/// When it happened, RFC 3339 in UTC, with the fraction that the log has: none, milliseconds or
/// microseconds.
#[must_use]
pub fn created_at(event: &Event) -> String {
    let at = event.at();
    let whole_seconds = event.time_quality == TimeQuality::Second || event.at_us % 1_000_000 == 0;
    match event.at_us % 1_000 {
        _ if whole_seconds => format!("{at:.0}"),
        0 => milliseconds(at),
        _ => format!("{at:.6}"),
    }
}

/// RFC 3339 in UTC with exactly three digits of a second, as JavaScript's `toISOString`.
#[must_use]
pub fn milliseconds(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The `data` object, what is not known left out.
#[must_use]
pub fn data(event: &Event) -> Map<String, Value> {
    let mut fields = Map::new();
    all(&mut fields, event);
    fields
}

fn all(fields: &mut impl Fields, event: &Event) {
    if let Some(told) = &event.data.notice {
        return notice(fields, told);
    }
    message(fields, &event.data);
    answer(fields, &event.data);
    timing(fields, &event.data);
    further(fields, event);
}

/// An object under construction, or one that is printed.
trait Fields {
    fn put(&mut self, key: &'static str, value: Option<impl Into<Value> + Serialize>);

    fn flag(&mut self, key: &'static str, is_set: bool) {
        self.put(key, is_set.then_some(true));
    }
}

impl Fields for Map<String, Value> {
    fn put(&mut self, key: &'static str, value: Option<impl Into<Value> + Serialize>) {
        if let Some(value) = value {
            self.insert(key.to_owned(), value.into());
        }
    }
}

/// Prints fields as they come.
struct Printer<M> {
    map: M,
    failed: bool,
}

impl<M: SerializeMap> Fields for Printer<M> {
    fn put(&mut self, key: &'static str, value: Option<impl Into<Value> + Serialize>) {
        if let Some(value) = value {
            self.failed |= self.map.serialize_entry(key, &value).is_err();
        }
    }
}

/// The `delays` object, in seconds.
#[derive(Serialize)]
struct Delays {
    before_queue: f64,
    in_queue: f64,
    connect: f64,
    transmit: f64,
}

impl From<[u64; 4]> for Delays {
    fn from(us: [u64; 4]) -> Self {
        let [before_queue, in_queue, connect, transmit] = us.map(seconds);
        Self { before_queue, in_queue, connect, transmit }
    }
}

impl From<Delays> for Value {
    fn from(delays: Delays) -> Self {
        json::object([
            ("before_queue", delays.before_queue.into()),
            ("in_queue", delays.in_queue.into()),
            ("connect", delays.connect.into()),
            ("transmit", delays.transmit.into()),
        ])
    }
}

/// The `metadata` object: names and values in the order of the configuration.
struct Metadata<'a>(&'a [(SmolStr, SmolStr)]);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl From<Metadata<'_>> for Value {
    fn from(metadata: Metadata<'_>) -> Self {
        let pairs = metadata.0.iter();
        pairs
            .map(|(name, value)| (name.to_string(), value.as_str().into()))
            .collect::<Map<_, _>>()
            .into()
    }
}

fn notice(fields: &mut impl Fields, told: &Notice) {
    fields.put("webhook", told.webhook.as_deref());
    fields.put("source", told.source.as_deref());
    fields.put("event_id", told.event.map(|id| id.to_string()));
    fields.put("reason", told.reason.as_deref());
    fields.put("error", told.error.as_deref());
    fields.put("attempts", told.attempts);
    fields.put("count", told.count);
}

fn message(fields: &mut impl Fields, data: &EventData) {
    fields.put("uid", Some(data.uid.to_string()));
    fields.put("queue_id", data.queue_id.as_deref());
    fields.put("message_id", data.message_id.as_deref());
    fields.put("from", data.from.as_deref());
    fields.put("to", data.to.as_deref());
    fields.put("subject", data.subject.as_deref());
    fields.put("user", data.user.as_deref());
    fields.put("domain", data.domain.as_deref());
}

fn answer(fields: &mut impl Fields, data: &EventData) {
    fields.put("mx", data.mx.as_deref());
    fields.put("host", data.host.as_deref());
    fields.put("port", data.port);
    fields.put("ip", data.ip.as_deref());
    fields.put("response", data.response.as_deref());
    fields.put("smtp_code", data.smtp_code);
    fields.put("dsn", data.dsn.as_deref());
    fields.put("stage", data.stage.as_deref());
    fields.put("bounce_type", data.bounce_type.map(BounceType::name));
    fields.put("bounce_category", data.bounce_category.map(BounceCategory::name));
}

fn timing(fields: &mut impl Fields, data: &EventData) {
    fields.put("delay", data.delay_us.map(seconds));
    fields.put("delays", data.delays_us.map(Delays::from));
    fields.put("attempt", data.attempt);
}

fn further(fields: &mut impl Fields, event: &Event) {
    let data = &event.data;
    fields.put("orig_to", data.orig_to.as_deref());
    fields.put("nrcpt", data.nrcpt);
    fields.put("size", data.size);
    fields.put("helo", data.helo.as_deref());
    fields.put("client_name", data.client_name.as_deref());
    fields.flag("temporary", data.temporary);
    verdict(fields, event);
    fields.put("engine", data.engine.as_deref());
    fields.put("action", data.action.as_deref());
    fields.put("repeated", data.repeated);
    fields.put("route", data.route.as_deref());
    if let Some(given) = data.given.as_deref() {
        let is_any = !given.metadata.is_empty();
        fields.put("metadata", is_any.then(|| Metadata(&given.metadata)));
        fields.put("tag", given.tag.as_deref());
    }
    fields.put("envelope_id", data.envelope_id.as_deref());
    tracking(fields, data);
    reported(fields, data);
    fields.flag("lossy", data.lossy);
    fields.flag("incomplete", data.incomplete);
    fields.flag("partial", data.partial);
    fields.flag("unreliable_rcpt", data.unreliable_rcpt);
    fields.put("time_quality", quality(event.time_quality));
    fields.put("evidence", data.evidence.as_deref().map(|line| vec![line]));
}

/// What an open or a click tells.
fn tracking(fields: &mut impl Fields, data: &EventData) {
    let Some(hit) = data.hit.as_deref() else { return };
    fields.put("url", hit.url.as_deref());
    fields.put("country", hit.country.as_deref());
    fields.put("email_client", hit.email_client.as_deref());
    fields.put("user_agent", hit.user_agent.as_deref());
    fields.flag("machine", hit.machine);
}

/// What a report that came by mail tells.
fn reported(fields: &mut impl Fields, data: &EventData) {
    let Some(reported) = data.reported.as_deref() else { return };
    fields.flag("async", reported.complaint.is_none());
    fields.put("trusted", Some(reported.trusted));
    fields.put("correlation", Some(Found(reported.correlation)));
    if let Some(complaint) = &reported.complaint {
        fields.put("feedback_type", Some(complaint.feedback_type.as_str()));
        fields.put("provider", complaint.provider.as_deref());
        fields.put("original_mail_from", complaint.original_mail_from.as_deref());
        fields.put("source_ip", complaint.source_ip.as_deref());
        fields.put("arrival_date", complaint.arrival_date.as_deref());
        fields.put("incidents", complaint.incidents);
        fields.put("reported_domain", complaint.reported_domain.as_deref());
        fields.put("reported_uri", complaint.reported_uri.as_deref());
        fields.put("cfbl_feedback_id", complaint.cfbl_feedback_id.as_deref());
    }
    fields.put("reporting_mta", reported.reporting_mta.as_deref());
    fields.put("report_message_id", reported.report_id.as_deref());
}

/// The `correlation` object.
struct Found(Option<Correlation>);

impl Found {
    /// Method and confidence; `none` where no message was found.
    fn words(&self) -> [(&'static str, &'static str); 2] {
        let found = self.0.map(|found| (found.method.name(), found.confidence.name()));
        let (method, confidence) = found.unwrap_or(("none", "none"));
        [("method", method), ("confidence", confidence)]
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.words())
    }
}

impl From<Found> for Value {
    fn from(found: Found) -> Self {
        json::object(found.words().map(|(name, word)| (name, word.into())))
    }
}

/// Spam events carry both spellings of the verdict (webhooks.md C15).
fn verdict(fields: &mut impl Fields, event: &Event) {
    let score = event.data.score.and_then(Number::from_f64);
    let rules = event.data.rules.as_deref();
    fields.put("score", score.clone());
    fields.put("rules", rules);
    if matches!(event.kind, EventType::OutboundSpam | EventType::InboundSpam) {
        fields.put("spam_score", score);
        fields.put("spam_report", rules);
    }
}

fn quality(quality: TimeQuality) -> Option<&'static str> {
    match quality {
        TimeQuality::Exact => None,
        TimeQuality::Second => Some("second"),
        TimeQuality::NoZone => Some("no_zone"),
        TimeQuality::ReadTime => Some("read_time"),
    }
}

/// Microseconds as seconds. A double holds them exactly for 285 years.
#[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 microseconds")]
fn seconds(us: u64) -> f64 {
    us as f64 / SECOND
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::event::{EventId, MessageUid};

    /// The example of events.md §1.
    pub(in crate::deliver) fn bounced() -> Event {
        Event {
            id: EventId::of(&[b"bounced"]),
            kind: EventType::OutboundBounced,
            at_us: "2026-11-21T01:17:30.084512Z".parse::<Timestamp>().unwrap().as_microsecond(),
            time_quality: TimeQuality::Exact,
            data: Box::new(EventData {
                uid: MessageUid::of(&[b"message"]),
                queue_id: Some("4jWZ7Z08W0zmwBB".into()),
                message_id: Some("<a@b>".into()),
                from: Some("bob@sender.test".into()),
                to: Some("nouser@good.test".into()),
                subject: Some("Hello".into()),
                user: Some("api-user".into()),
                domain: Some("good.test".into()),
                mx: Some("mx1.good.test".into()),
                host: Some("127.0.1.1".into()),
                port: Some(25),
                ip: Some("192.0.2.9".into()),
                response: Some("550 5.1.1 User unknown".into()),
                smtp_code: Some(550),
                dsn: Some("5.1.1".into()),
                stage: Some("RCPT TO".into()),
                bounce_type: Some(BounceType::Hard),
                bounce_category: Some(BounceCategory::InvalidRecipient),
                delay_us: Some(80_000),
                delays_us: Some([20_000, 20_000, 0, 40_000]),
                attempt: Some(1),
                ..EventData::default()
            }),
        }
    }

    fn text(event: &Event) -> String {
        let mut bytes = Vec::new();
        append_canonical(event, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        // What is printed at once is what receivers get of the object.
        let object = json::to_bytes(&data(event).into());
        assert!(text.ends_with(&format!("\"data\":{}}}", String::from_utf8(object).unwrap())));
        text
    }

    #[test]
    fn the_documented_example_has_its_documented_order() {
        let event = bounced();
        let expected = format!(
            concat!(
                r#"{{"id":"{}","service":"outbound","type":"outbound.bounced","#,
                r#""created_at":"2026-11-21T01:17:30.084512Z","data":{{"uid":"{}","#,
                r#""queue_id":"4jWZ7Z08W0zmwBB","message_id":"<a@b>","from":"bob@sender.test","#,
                r#""to":"nouser@good.test","subject":"Hello","user":"api-user","#,
                r#""domain":"good.test","mx":"mx1.good.test","host":"127.0.1.1","port":25,"#,
                r#""ip":"192.0.2.9","response":"550 5.1.1 User unknown","smtp_code":550,"#,
                r#""dsn":"5.1.1","stage":"RCPT TO","bounce_type":"hard","#,
                r#""bounce_category":"invalid_recipient","delay":0.08,"delays":"#,
                r#"{{"before_queue":0.02,"in_queue":0.02,"connect":0,"transmit":0.04}},"attempt":1}}}}"#
            ),
            event.id, event.data.uid
        );
        assert_eq!(text(&event), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let event = Event { data: Box::default(), ..bounced() };
        let data = data(&event);
        assert_eq!(data.keys().collect::<Vec<_>>(), ["uid"]);
    }

    #[test]
    fn the_time_has_the_fraction_of_the_log_and_says_when_it_is_not_exact() {
        let at = |text: &str, time_quality| {
            let at_us = text.parse::<Timestamp>().unwrap().as_microsecond();
            let event = Event { at_us, time_quality, ..bounced() };
            (created_at(&event), data(&event).remove("time_quality"))
        };
        let micro = "2026-11-21T01:17:30.084510Z";
        assert_eq!(at(micro, TimeQuality::Exact), (micro.into(), None));
        let milli = "2026-11-21T01:17:30.120Z";
        assert_eq!(at(milli, TimeQuality::NoZone), (milli.into(), Some("no_zone".into())));
        let whole = "2026-11-21T01:17:30Z";
        assert_eq!(at(whole, TimeQuality::Second), (whole.into(), Some("second".into())));
        assert_eq!(at(whole, TimeQuality::ReadTime), (whole.into(), Some("read_time".into())));
    }

    #[test]
    fn an_operational_event_tells_of_the_service_and_of_no_message() {
        let notice = Notice {
            event: Some(bounced().id),
            reason: Some("dead".into()),
            attempts: Some(6),
            ..Notice::about("Production")
        };
        let data = EventData { notice: Some(Box::new(notice)), ..EventData::default() };
        let event = Event { kind: EventType::DeliveryDead, data: Box::new(data), ..bounced() };
        let id = bounced().id;
        let told = format!(
            r#""data":{{"webhook":"Production","event_id":"{id}","reason":"dead","attempts":6}}"#
        );
        let text = text(&event);
        assert!(text.contains(r#""service":"operational","type":"delivery.dead""#), "{text}");
        assert!(text.contains(&told), "{text}");
    }

    #[test]
    fn spam_events_carry_both_spellings_and_scores_without_a_point_when_whole() {
        for kind in [EventType::InboundSpam, EventType::OutboundSpam] {
            let data = EventData {
                score: Some(15.0),
                rules: Some("BAYES_99".into()),
                action: Some("tagged".into()),
                ..EventData::default()
            };
            let text = text(&Event { kind, data: data.into(), ..bounced() });
            let verdict = concat!(
                r#""score":15,"rules":"BAYES_99","spam_score":15,"#,
                r#""spam_report":"BAYES_99","action":"tagged""#
            );
            assert!(text.contains(verdict), "{text}");
        }
    }

    #[test]
    fn flags_appear_only_when_set_and_the_null_sender_is_empty() {
        let data = EventData {
            from: Some("".into()),
            temporary: true,
            lossy: true,
            incomplete: true,
            repeated: Some(4),
            ..EventData::default()
        };
        let text = text(&Event { data: data.into(), ..bounced() });
        assert!(text.contains(r#""from":"""#), "{text}");
        let flags = r#""temporary":true,"repeated":4,"lossy":true,"incomplete":true"#;
        assert!(text.contains(flags), "{text}");
    }
}

//! What happens, a line each.

use std::io::{self, IsTerminal, Write};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::sse::Message;
use crate::cli::{Failure, show::note};

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    /// As it comes, one object a line.
    json: bool,
    /// It is a terminal that shows colours.
    pub(super) has_colours: bool,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, has_colours: wanted && io::stdout().is_terminal() }
    }

    /// Prints what happened.
    pub(super) fn tell(&self, message: &Message) -> Result<(), Failure> {
        let Ok(value) = serde_json::from_str::<Value>(&message.data) else { return Ok(()) };
        if message.name == "gap" {
            let missed = value.get("missed").and_then(Value::as_u64).unwrap_or_default();
            note(&format!(
                "{missed} events are not shown here: they came too fast, or are too old"
            ));
            return Ok(());
        }
        match message.name.as_str() {
            _ if self.json => self.print(&message.data),
            "attempt" => self.print(&self.attempt(&value)),
            _ => self.print(&self.event(&value)),
        }
    }

    /// Prints a line at once.
    #[expect(clippy::unused_self, reason = "it is this screen's")]
    pub(super) fn print(&self, line: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Failure::Output)
    }

    fn event(&self, event: &Value) -> String {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/type");
        let who = [text("/data/to"), text("/data/webhook"), text("/data/source")];
        let who = who.into_iter().find(|who| !who.is_empty()).unwrap_or_default();
        let what = [text("/data/response"), text("/data/error"), text("/data/reason")];
        let what = what.into_iter().find(|what| !what.is_empty()).unwrap_or_default();
        let (time, padded) = (time(text("/created_at")), format!("{kind:<20}"));
        let colour = colour(kind);
        let (time, kind) = (self.painted(DIM, &time), self.painted(colour, &padded));
        plain(&format!("{time}  {kind}  {who:<28}  "), what)
    }

    fn attempt(&self, attempt: &Value) -> String {
        let text = |path: &str| attempt.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let took = attempt.pointer("/duration_ms").and_then(Value::as_f64);
        let time = self.painted(DIM, &time(text("/created_at")));
        let is_taken = text("/status") == "delivered";
        let status = format!("{:<20}", text("/status"));
        let status = self.painted(if is_taken { GREEN } else { RED }, &status);
        let (webhook, kind) = (text("/webhook"), text("/type"));
        let told = format!("{webhook}: {kind}");
        let words = format!("{} in {:.0} ms", text("/answer/words"), took.unwrap_or(0.0));
        plain(&format!("{time}  {status}  {told:<28}  "), &words)
    }

    pub(super) fn painted(&self, colour: &str, text: &str) -> String {
        let text = text.replace(char::is_control, " ");
        if self.has_colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text }
    }
}

const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Good is green, for now is yellow, for good is red, and what is about the service is blue.
fn colour(kind: &str) -> &'static str {
    let (service, name) = kind.split_once('.').unwrap_or((kind, ""));
    match (service, name) {
        ("outbound" | "inbound", "delivered") => GREEN,
        ("outbound" | "inbound", "deferred" | "spam") => YELLOW,
        (
            "outbound" | "inbound",
            "bounced" | "rejected" | "blocked" | "virus" | "dropped" | "complaint",
        ) => RED,
        ("outbound" | "inbound", _) => "0",
        _ => CYAN,
    }
}

/// A stranger's words cannot move the cursor.
fn plain(head: &str, words: &str) -> String {
    let words = words.replace(char::is_control, " ");
    format!("{head}{words}").trim_end().to_owned()
}

/// Of the day, here.
pub(super) fn time(at: &str) -> String {
    let at = at.parse::<Timestamp>().map(|at| at.to_zoned(TimeZone::system()));
    at.map_or_else(|_| "        ".to_owned(), |at| at.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: Screen = Screen { json: false, has_colours: false };

    fn without_time(line: &str) -> &str {
        line.get(8..).unwrap_or_default()
    }

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_says() {
        let event = json!({"type": "outbound.bounced", "created_at": "2026-03-01T10:00:00Z",
            "data": {"to": "bob@example.com", "response": "550 no\n\u{1b}[2J"}});
        assert_eq!(
            without_time(&PLAIN.event(&event)),
            "  outbound.bounced      bob@example.com               550 no  [2J"
        );
        let event = json!({"type": "endpoint.failing", "created_at": "?",
            "data": {"webhook": "Shop", "attempts": 4}});
        assert_eq!(without_time(&PLAIN.event(&event)), "  endpoint.failing      Shop");
    }

    #[test]
    fn an_attempt_says_who_was_told_what_and_what_came_of_it() {
        let attempt = json!({"webhook": "Shop", "type": "outbound.queued", "status": "retry",
            "attempt": 1, "created_at": "2026-03-01T10:00:00Z", "duration_ms": 12.3,
            "answer": {"words": "HTTP 503"}});
        assert_eq!(
            without_time(&PLAIN.attempt(&attempt)),
            "  retry                 Shop: outbound.queued         HTTP 503 in 12 ms"
        );
    }

    #[test]
    fn colours_are_only_where_they_are_seen() {
        assert_eq!(PLAIN.painted(RED, "a"), "a");
        let terminal = Screen { json: false, has_colours: true };
        assert_eq!(terminal.painted(RED, "a"), "\u{1b}[31ma\u{1b}[0m");
    }
}

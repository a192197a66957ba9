//! `explain`: the story of a message, for a terminal.

use std::{fmt::Write as _, io::IsTerminal};

use super::{Failure, args::Global, client::Daemon, deliveries, lookup_args::ExplainArgs, show};
use crate::api::{
    deliveries::Delivery,
    explain::{Explained, Query, Story, Told, UnderWay},
};

/// Asks, and prints the answer. That nothing is known is a failure.
pub(super) fn run(args: &ExplainArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    let explained: Explained = daemon.get_of(&["explain"], &Query { q: args.query.clone() })?;
    let ink =
        Ink { is_on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    show::text(&explained, global, &story_text(&explained, ink))?;
    if explained.stories.is_empty() { Err(Failure::Unknown(explained.query)) } else { Ok(()) }
}

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy)]
struct Ink {
    is_on: bool,
}

impl Ink {
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Green for what went well, red for what did not, yellow for what is open.
    fn verdict(self, word: &str, text: &str) -> String {
        let good = ["delivered"];
        let bad =
            ["bounced", "rejected", "dropped", "blocked", "dead", "discarded", "virus", "spam"];
        let last = word.rsplit('.').next().unwrap_or(word);
        match last {
            _ if good.contains(&last) => self.with("32", text),
            _ if bad.contains(&last) => self.with("31", text),
            "deferred" | "pending" | "held" | "in_flight" => self.with("33", text),
            _ => text.to_owned(),
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What strangers wrote cannot move the cursor.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn story_text(explained: &Explained, ink: Ink) -> String {
    let mut text = String::new();
    for (place, story) in explained.stories.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        one(story, ink, &mut text);
    }
    if explained.is_cut {
        line(&mut text, &ink.faint("\nThere are more messages: ask for one by its queue ID."));
    }
    text
}

fn line(text: &mut String, words: &str) {
    // Writing to a String cannot fail.
    let _never_fails = writeln!(text, "{words}");
}

fn one(story: &Story, ink: Ink, text: &mut String) {
    line(text, &ink.bold(&format!("Message {}", story.uid)));
    head(story, text);
    for under_way in &story.open {
        line(text, &open(under_way, ink));
    }
    section("Way", !story.hops.is_empty(), ink, text);
    for hop in &story.hops {
        line(
            text,
            &format!("  {} → {}  {}", plain(&hop.from), plain(&hop.to), ink.faint(&hop.how)),
        );
    }
    section("Lines", !story.lines.is_empty() || !story.missing.is_empty(), ink, text);
    lines(story, ink, text);
    section("Events", !story.events.is_empty(), ink, text);
    for told in &story.events {
        event(told, ink, text);
    }
    if story.events_cut {
        line(text, &ink.faint("  there are more events"));
    }
}

fn head(story: &Story, text: &mut String) {
    let rows = [
        ("queue ID", Some(story.queue_ids.join(", ")).filter(|all| !all.is_empty())),
        ("Message-ID", story.message_id.clone()),
        (
            "from",
            story
                .from
                .as_ref()
                .map(|from| if from.is_empty() { "<>".to_owned() } else { from.clone() }),
        ),
        ("subject", story.subject.clone()),
        ("user", story.user.clone()),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            line(text, &format!("  {name:<11} {}", plain(&value)));
        }
    }
}

fn section(name: &str, is_there: bool, ink: Ink, text: &mut String) {
    if is_there {
        line(text, &format!("\n{}", ink.bold(name)));
    }
}

fn open(message: &UnderWay, ink: Ink) -> String {
    let state = match message {
        UnderWay { is_on_hold: true, .. } => "on hold: a person has to decide",
        UnderWay { is_held: true, .. } => "waits for a line that tells whose stage it is",
        _ => "still in the queue",
    };
    let waiting = match message.waiting.as_slice() {
        [] => String::new(),
        some => format!("; waiting: {}", plain(&some.join(", "))),
    };
    let words = format!("{state}, last heard of at {}{waiting}", message.seen_at);
    format!("  {:<11} {} {}", "now", plain(&message.queue_id), ink.with("33", &words))
}

fn lines(story: &Story, ink: Ink, text: &mut String) {
    let mut file = "";
    for (place, found) in story.lines.iter().enumerate() {
        if found.file != file {
            file = &found.file;
            line(text, &ink.faint(&format!("  {}", plain(file))));
        }
        let is_told = story.events.iter().any(|told| told.line == Some(place));
        let mark = if is_told { "►" } else { " " };
        line(text, &format!("  {mark} {}", plain(&found.text)));
    }
    if story.lines_cut {
        line(text, &ink.faint("  there may be more lines"));
    }
    for missing in &story.missing {
        line(text, &ink.faint(&format!("  {}", plain(missing))));
    }
}

fn event(told: &Told, ink: Ink, text: &mut String) {
    let event = &told.event;
    let kind = ink.verdict(&event.kind, &event.kind);
    let to = plain(event.text("to"));
    line(text, &format!("  {}  {kind}  {to}  {}", event.created_at, ink.faint(&event.id)));
    let response = event.text("response");
    if !response.is_empty() {
        line(text, &format!("      {}", plain(response)));
    }
    for delivery in &told.deliveries {
        deliver(delivery, ink, text);
    }
}

fn deliver(delivery: &Delivery, ink: Ink, text: &mut String) {
    let state = ink.verdict(&delivery.state, &delivery.state.replace('_', " "));
    // What the last attempt met is told with it.
    let reason = delivery.reason.as_deref().filter(|_| delivery.attempts.is_empty());
    let reason = reason.map(|why| format!(": {}", plain(why)));
    let next = delivery.next_attempt_at.as_deref().map(|next| format!(", next attempt at {next}"));
    let (reason, next) = (reason.unwrap_or_default(), next.unwrap_or_default());
    line(text, &format!("    {} {state}{reason}{next}", plain(&delivery.webhook)));
    for logged in &delivery.attempts {
        line(text, &format!("      attempt {}", plain(&deliveries::attempt(logged))));
    }
    if delivery.attempts_cut {
        line(text, &ink.faint("      there may be more attempts"));
    }
}

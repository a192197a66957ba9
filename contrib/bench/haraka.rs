//! Makes a log of Haraka: the same for the same seed, in two layouts.
//!
//! Relayed mail, as it is logged at `INFO` with scanners: for each message about twenty lines, of
//! which a third tells nothing. Eight connections at a time take turns, and one attempt in ten
//! fails for now.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::random::Random;

/// How records look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// With stamps.
    Default,
    /// JSON objects.
    Json,
}

/// Connections that take turns.
const AT_ONCE: usize = 8;

/// Level, end of the UUID, origin, message and fields.
type Record = (&'static str, &'static str, &'static str, String, Vec<(&'static str, String)>);

/// Writes at least `size` bytes, and gives lines and bytes.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn generate(
    size: u64,
    seed: u64,
    layout: Layout,
    mut out: impl Write,
) -> io::Result<(u64, u64)> {
    let mut random = Random::new(seed);
    let (mut lines, mut bytes) = (0, 0);
    while bytes < size {
        let stories: Vec<_> = (0..AT_ONCE).map(|_| story(&mut random)).collect();
        let longest = stories.iter().map(|(_, records)| records.len()).max().unwrap_or_default();
        for place in 0..longest {
            for (uuid, records) in &stories {
                let Some(record) = records.get(place) else { continue };
                let line = written(record, uuid, layout, lines);
                out.write_all(line.as_bytes())?;
                lines += 1;
                bytes += line.len() as u64;
            }
        }
    }
    out.flush()?;
    Ok((lines, bytes))
}

fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08X}-{:04X}-4{:03X}-8{:03X}-{:012X}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// A connection with one message, and what becomes of it.
fn story(random: &mut Random) -> (String, Vec<Record>) {
    let uuid = uuid(random);
    let user = random.between(0, 100_000);
    let to = format!("user{user}@good.example");
    let mut records = dialogue(&uuid, &to, random);
    records.push(hook(".1.1", "outbound", "get_mx", "good.example", "OK"));
    if random.in_thousand(100) {
        let refused = format!("recipient <{to}> deferred: 450 4.2.0 Greylisted, try again later");
        records.push(("NOTICE", ".1.1", "outbound", refused, Vec::new()));
        let file = "1795225219953_1795225219953_0_18122_BUJh0X_37_mx";
        let failing =
            format!("Temp failing {file} for 64 seconds: Some recipients temp failed: <{to}>");
        records.push(("INFO", ".1.1", "outbound", failing, Vec::new()));
    }
    records.push(delivered(random));
    (uuid, records)
}

fn dialogue(uuid: &str, to: &str, random: &mut Random) -> Vec<Record> {
    let text = |value: &str| value.to_owned();
    let queued = format!("Message Queued ({uuid}.1)");
    let code = |code: &str, msg: &str| vec![("code", text(code)), ("msg", text(msg))];
    let mut answered = code("OK", "");
    answered.push(("sender", text("sender@ours.example")));
    let message = vec![
        ("mid", format!("<{:x}@client.example>", random.next())),
        ("size", random.between(500, 90_000).to_string()),
        ("rcpts", text("1/0/0")),
        ("delay", text("0.046")),
        ("code", text("CONT")),
        ("msg", text("")),
    ];
    let rspamd =
        "action: no action, is_skipped: false, required_score: 15, score: 1.2, urls: , time: 0.01";
    let spamd = "status=No, score=0.1, required=5.0, reject=10, tests=\"HTML_MESSAGE,SPF_PASS\"";
    let connect = vec![
        ("ip", text("192.0.2.7")),
        ("port", random.between(1024, 65_000).to_string()),
        ("local_ip", text("192.0.2.1")),
        ("local_port", text("587")),
    ];
    let nothing = "no org domain from client.example";
    vec![
        ("NOTICE", "", "core", text("connect"), connect),
        hook("", "core", "lookup_rdns", "", "OK"),
        ("INFO", "", "access", text(nothing), Vec::new()),
        ("INFO", "", "access", text(nothing), Vec::new()),
        hook("", "core", "unrecognized_command", "AUTH", "OK"),
        ("INFO", ".1", "access", text(nothing), Vec::new()),
        ("NOTICE", ".1", "core", text("sender <sender@ours.example>"), code("CONT", "")),
        ("INFO", ".1", "access", text(nothing), Vec::new()),
        ("NOTICE", ".1", "core", format!("recipient <{to}>"), answered),
        ("INFO", ".1", "rspamd", text(rspamd), Vec::new()),
        ("INFO", ".1", "spamassassin", text(spamd), Vec::new()),
        ("INFO", ".1", "clamd", text("pass:clean"), Vec::new()),
        ("NOTICE", ".1", "core", text("message"), message),
        ("NOTICE", ".1", "core", text("queue"), code("CONT", &queued)),
        (
            "INFO",
            "-",
            "outbound",
            text("Transaction delivery for domain: good.example"),
            Vec::new(),
        ),
        ("NOTICE", ".1", "core", text("queue"), code("OK", &queued)),
        ("NOTICE", ".1", "core", text("disconnect"), disconnect()),
    ]
}

fn disconnect() -> Vec<(&'static str, String)> {
    let fields = [
        ("ip", "192.0.2.7"),
        ("rdns", "client.example"),
        ("helo", "client.example"),
        ("relay", "Y"),
        ("early", "N"),
        ("esmtp", "Y"),
        ("tls", "Y"),
        ("pipe", "N"),
        ("errors", "0"),
        ("txns", "1"),
        ("rcpts", "1/0/0"),
        ("msgs", "1/0/0"),
        ("bytes", "163"),
        ("lr", ""),
        ("time", "0.119"),
    ];
    fields.map(|(key, value)| (key, value.to_owned())).into()
}

fn hook(end: &'static str, origin: &'static str, name: &str, params: &str, code: &str) -> Record {
    let fields = [
        ("hook", name),
        ("plugin", "routes/mx"),
        ("function", "hook"),
        ("params", params),
        ("retval", code),
        ("msg", ""),
    ];
    let fields = fields.map(|(key, value)| (key, value.to_owned())).into();
    ("INFO", end, origin, String::new(), fields)
}

fn delivered(random: &mut Random) -> Record {
    let response = format!("Ok: queued as {:X}", random.next());
    let fields = [
        ("delivered file", "1795225203938_1795225203938_0_18122_Fna7ih_2_mx"),
        ("domain", "good.example"),
        ("host", "mx1.good.example"),
        ("ip", "198.51.100.2"),
        ("port", "25"),
        ("mode", "SMTP"),
        ("tls", "Y"),
        ("auth", "N"),
        ("response", &response),
        ("delay", "0.264"),
        ("fails", "0"),
        ("rcpts", "1/0/0"),
    ];
    let fields = fields.map(|(key, value)| (key, value.to_owned())).into();
    ("NOTICE", ".1.1", "outbound", String::new(), fields)
}

fn written(record: &Record, uuid: &str, layout: Layout, number: u64) -> String {
    let (level, end, origin, message, fields) = record;
    let name = if *end == "-" { "-".to_owned() } else { format!("{uuid}{end}") };
    let mut line = String::with_capacity(256);
    // Writing to a String cannot fail.
    let _never_fails = match layout {
        Layout::Default => {
            let (minutes, ms) = (number / 60_000 % 60, number % 60_000);
            let stamp = format!("2026-11-21T01:{minutes:02}:{:02}.{:03}Z", ms / 1000, ms % 1000);
            write!(line, "{stamp} [{level}] [{name}] [{origin}] {message}")
        }
        Layout::Json => write!(
            line,
            "{{\"level\":\"{level}\",\"uuid\":\"{name}\",\"origin\":\"{origin}\",\"message\":\"{}\"",
            message.replace('"', "\\\"")
        ),
    };
    for (key, value) in fields {
        let needs_quotes = value.is_empty() || value.contains([' ', '=']);
        let _never_fails = match layout {
            Layout::Json => write!(line, ",\"{key}\":\"{value}\""),
            Layout::Default if needs_quotes => write!(line, " {key}=\"{value}\""),
            Layout::Default => write!(line, " {key}={value}"),
        };
    }
    line.push_str(if layout == Layout::Json { "}\n" } else { "\n" });
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn made(layout: Layout) -> String {
        let mut out = Vec::new();
        let (lines, bytes) = generate(20_000, 1, layout, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.lines().count() as u64, text.len() as u64), (lines, bytes));
        text
    }

    #[test]
    fn the_same_seed_gives_the_same_log() {
        assert_eq!(made(Layout::Json), made(Layout::Json));
        assert!(made(Layout::Default).contains("[outbound]  delivered file="));
    }

    #[test]
    fn each_object_is_one() {
        for line in made(Layout::Json).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}

//! What a line says of a mail. Which members an event has is in `contrib/haraka/README.md`; any may
//! be missing, and what is not of its type is as good as missing.

use std::time::Duration;

use crate::{
    fields::{seconds, small_number},
    haraka::{
        QueueFile, Reason, Text, Uuid,
        outbound::{queue_file, reason},
        text::Escapes,
    },
    json::{Value, elements, object},
};

/// The members of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Members<'a> {
    /// The connection, transaction or item of the queue that it is about: the longest name of them.
    pub uuid: Option<Uuid<'a>>,
    /// `dir`: the client may send anywhere.
    pub is_outbound: Option<bool>,
    /// The plugin had seen the message before it was queued.
    pub is_noted: bool,
    /// Envelope sender; empty for the null sender.
    pub from: Option<Text<'a>>,
    /// Envelope recipients that the event is about.
    pub to: List<'a>,
    /// Which handful of the recipients these are, from 1; None where they are all.
    pub part: Option<u32>,
    /// Subject header, decoded.
    pub subject: Option<Text<'a>>,
    /// Message-ID header.
    pub message_id: Option<Text<'a>>,
    /// Headers that come back on each event of the message.
    pub metadata: Pairs<'a>,
    /// The header that comes back as `tag`.
    pub tag: Option<Text<'a>>,
    /// Who authenticated.
    pub user: Option<Text<'a>>,
    /// Address of the client.
    pub ip: Option<Text<'a>>,
    /// Name of the client.
    pub rdns: Option<Text<'a>>,
    /// What the client greeted with.
    pub helo: Option<Text<'a>>,
    /// Bytes.
    pub size: Option<u64>,
    /// Where an accepted message went.
    pub via: Option<Via>,
    /// What filters found.
    pub scan: Scan<'a>,
    /// Where something was refused.
    pub stage: Option<Stage>,
    /// Which plugin refused it.
    pub plugin: Option<Text<'a>>,
    /// The refusal was for now.
    pub is_temporary: bool,
    /// Code of the reply to the client.
    pub code: Option<u16>,
    /// Words of the reply to the client.
    pub reply: Option<Text<'a>>,
    /// How often the same recipient was refused before, in the same transaction.
    pub nth: u32,
    /// Words of the server that mail was given to; of a failed attempt with its code.
    pub response: Option<Text<'a>>,
    /// Why an attempt failed.
    pub reason: Option<Reason<'a>>,
    /// Name of the server.
    pub mx: Option<Text<'a>>,
    /// Its address, or the path of its socket.
    pub mx_ip: Option<Text<'a>>,
    /// Its port.
    pub mx_port: Option<u16>,
    /// It spoke LMTP.
    pub is_lmtp: bool,
    /// From the arrival to the delivery.
    pub delay: Option<Duration>,
    /// Number of the attempt, from 1.
    pub attempt: Option<u32>,
    /// The file of the item.
    pub file: Option<QueueFile<'a>>,
}

/// Where an accepted message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Into Haraka's queue.
    Outbound,
    /// To another server, which has taken it.
    Forward,
    /// Nowhere.
    Discard,
    /// Some plugin has it.
    Plugin,
}

/// Where something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "steps of an SMTP session")]
pub enum Stage {
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    /// At the end of DATA, for what the message is.
    DataPost,
    /// At the end of DATA, by whoever should have taken it.
    Queue,
}

/// What filters found in a message.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scan<'a> {
    /// rspamd's verdict.
    pub rspamd: Option<Verdict<'a>>,
    /// `SpamAssassin`'s.
    pub spamassassin: Option<Verdict<'a>>,
    /// What `ClamAV` found.
    pub viruses: List<'a>,
}

/// A spam filter's verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict<'a> {
    /// What rspamd wants done.
    pub action: Option<Text<'a>>,
    /// Points.
    pub score: Option<f64>,
    /// Points that make it spam.
    pub required: Option<f64>,
    /// Rules that matched.
    pub rules: List<'a>,
}

/// A list of texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct List<'a>(&'a [u8]);

/// Names and texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairs<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// Gives each to `take`, in order.
    pub fn each(self, mut take: impl FnMut(Text<'a>)) {
        // What is no list any more was given as far as it is one.
        let _: Option<()> = elements(self.0, |element| {
            if let Some(text) = text(element) {
                take(text);
            }
            Some(())
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        let mut count = 0;
        self.each(|_| count += 1);
        count
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Pairs<'a> {
    /// Gives each name and text to `take`, in order.
    pub fn each(self, mut take: impl FnMut(Text<'a>, Text<'a>)) {
        each_member(Value::Object(self.0), |name, value| {
            if let Some(value) = text(value) {
                take(Text::escaped(name, Escapes::Json), value);
            }
        });
    }
}

impl<'a> Members<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut members = Self::default();
        let walked = object(line, |key, value| members.note(key, value));
        walked.map_or_else(|_| Self::default(), |_| members)
    }

    fn note(&mut self, key: &[u8], value: Value<'a>) {
        match key {
            b"c" | b"t" | b"q" => self.uuid = longest(self.uuid, uuid(value)),
            b"dir" => self.is_outbound = Some(is(value, b"out")),
            b"noted" => self.is_noted = is_true(value),
            b"from" => self.from = text(value),
            b"to" => self.to = list(value),
            b"part" => self.part = number(value),
            b"subject" => self.subject = text(value),
            b"mid" => self.message_id = text(value),
            b"meta" => self.metadata = pairs(value),
            b"tag" => self.tag = text(value),
            b"size" => self.size = number(value),
            b"via" => self.via = via(value),
            b"scan" => self.scan = scan(value),
            b"response" => self.response = text(value),
            b"attempt" => self.attempt = number(value),
            b"file" => self.file = raw(value).and_then(queue_file),
            _ => self.note_peer(key, value),
        }
    }

    /// Who talked to Haraka, or whom Haraka talked to.
    fn note_peer(&mut self, key: &[u8], value: Value<'a>) {
        match key {
            b"user" => self.user = text(value),
            b"ip" => self.ip = text(value),
            b"rdns" => self.rdns = text(value),
            b"helo" => self.helo = text(value),
            b"stage" => self.stage = stage(value),
            b"plugin" => self.plugin = text(value),
            b"temporary" => self.is_temporary = is_true(value),
            b"code" => self.code = number(value),
            b"reply" => self.reply = text(value),
            b"nth" => self.nth = number(value).unwrap_or_default(),
            b"reason" => self.reason = text(value).map(reason),
            b"mx" => self.mx = text(value),
            b"mx_ip" => self.mx_ip = text(value),
            b"mx_port" => self.mx_port = number(value),
            b"mode" => self.is_lmtp = is(value, b"LMTP"),
            b"delay" => self.delay = plain(value).and_then(duration),
            _ => {}
        }
    }
}

fn longest<'a>(known: Option<Uuid<'a>>, new: Option<Uuid<'a>>) -> Option<Uuid<'a>> {
    let len = |uuid: &Option<Uuid<'_>>| uuid.map_or(0, |uuid| uuid.as_str().len());
    if len(&new) > len(&known) { new } else { known }
}

fn uuid(value: Value<'_>) -> Option<Uuid<'_>> {
    raw(value).and_then(Uuid::parse)
}

fn text(value: Value<'_>) -> Option<Text<'_>> {
    raw(value).map(|raw| Text::escaped(raw, Escapes::Json))
}

fn raw(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Text(raw) => Some(raw),
        _ => None,
    }
}

fn plain(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Plain(digits) => Some(digits),
        _ => None,
    }
}

fn is(value: Value<'_>, word: &[u8]) -> bool {
    raw(value) == Some(word)
}

fn is_true(value: Value<'_>) -> bool {
    plain(value) == Some(b"true")
}

fn number<N: TryFrom<u64>>(value: Value<'_>) -> Option<N> {
    small_number(plain(value)?)
}

/// With sign and fraction, as JavaScript prints it.
fn score(value: Value<'_>) -> Option<f64> {
    let text = std::str::from_utf8(plain(value)?).ok()?;
    text.parse().ok().filter(|score: &f64| score.is_finite())
}

fn duration(digits: &[u8]) -> Option<Duration> {
    seconds(digits).ok().map(|(_, delay)| delay)
}

fn list(value: Value<'_>) -> List<'_> {
    match value {
        Value::Array(inside) => List(inside),
        _ => List::default(),
    }
}

fn pairs(value: Value<'_>) -> Pairs<'_> {
    match value {
        Value::Object(whole) => Pairs(whole),
        _ => Pairs::default(),
    }
}

fn via(value: Value<'_>) -> Option<Via> {
    Some(match raw(value)? {
        b"outbound" => Via::Outbound,
        b"forward" => Via::Forward,
        b"discard" => Via::Discard,
        _ => Via::Plugin,
    })
}

fn stage(value: Value<'_>) -> Option<Stage> {
    Some(match raw(value)? {
        b"connect" => Stage::Connect,
        b"helo" => Stage::Helo,
        b"mail" => Stage::Mail,
        b"rcpt" => Stage::Rcpt,
        b"data" => Stage::Data,
        b"data_post" => Stage::DataPost,
        b"queue" => Stage::Queue,
        _ => return None,
    })
}

fn scan(value: Value<'_>) -> Scan<'_> {
    let mut scan = Scan::default();
    each_member(value, |key, value| match key {
        b"rspamd" => scan.rspamd = Some(verdict(value)),
        b"spamassassin" => scan.spamassassin = Some(verdict(value)),
        b"clamd" => each_member(value, |key, value| {
            if key == b"found" {
                scan.viruses = list(value);
            }
        }),
        _ => {}
    });
    scan
}

fn verdict(value: Value<'_>) -> Verdict<'_> {
    let mut verdict = Verdict::default();
    each_member(value, |key, value| match key {
        b"action" => verdict.action = text(value),
        b"score" => verdict.score = score(value),
        b"required" => verdict.required = score(value),
        b"rules" => verdict.rules = list(value),
        _ => {}
    });
    verdict
}

fn each_member<'a>(value: Value<'a>, each: impl FnMut(&'a [u8], Value<'a>)) {
    if let Value::Object(whole) = value {
        // One without members is none to `object`.
        object(whole, each).map(|_| ()).unwrap_or_default();
    }
}

//! What holds for any bytes, one function for each grammar.
//!
//! The fuzzers and the replay of their seeds (`tests/fuzz_seeds.rs`) share these functions. They
//! see the crate as its users do.

mod borrowed;
mod records;

use borrowed::{assert_in, of_record, of_response};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use mailherald_parsers::{
    Body, LogRecord, Parser, Reason, address, haraka, journal,
    milter::{Broken, Command, Observer, Session, Wanted},
    postfix::{self, Entry},
    report::{self, Content},
    status,
    time::{Quality, Resolver, Stamp},
};
use records::texts;

/// A check and the name of its fuzz target and of its seeds.
pub(crate) type Check = (&'static str, fn(&[u8]));

/// Every check.
pub(crate) const ALL: [Check; 13] = [
    ("line", line),
    ("header", header),
    ("delivery", delivery),
    ("response", response),
    ("reject", reject),
    ("content", content),
    ("filters", filters),
    ("haraka", haraka),
    ("json", json),
    ("time", time),
    ("journal", journal),
    ("milter", milter),
    ("report", report),
];

/// Any line: it becomes a record, always the same one, that borrows from nothing but the line.
pub(crate) fn line(line: &[u8]) {
    let (mut parser, mut again) = (Parser::new(), Parser::new());
    let record = parser.parse(line);
    assert_eq!(record, again.parse(line), "one line, one record");
    if line.first() != Some(&b'{') {
        of_record(&record, &mut |slice| assert_in(slice, line));
    }
    use_up(&record);
}

/// Lines in a row: what came before changes nothing, but for the lines that a runtime split.
pub(crate) fn header(lines: &[u8]) {
    let mut parser = Parser::new();
    for one in lines.split(|byte| *byte == b'\n') {
        line(one);
        let mut fresh = Parser::new();
        let expected = fresh.parse(one);
        let record = parser.parse(one);
        if record.body != Body::Unrecognised(Reason::Partial) {
            assert_eq!(record, expected, "what came before changes nothing");
        }
        parser.turn();
    }
}

/// What follows `to=`. The text of a delivery ends where the line ends.
pub(crate) fn delivery(rest: &[u8]) {
    let text = said(b"smtp", b"97C0A53F4D6: to=", rest);
    line(&text);
    let mut parser = Parser::new();
    if let Body::Postfix(Entry::Delivery(delivery)) = parser.parse(&text).body {
        assert_eq!(delivery.queue_id.as_str(), "97C0A53F4D6");
        let behind = delivery.text.as_ptr_range().end as usize;
        let end = text.as_ptr_range().end as usize;
        assert!(end - behind <= 1, "only one bracket may stand behind the text");
        assert!(rest.ends_with(b")") || end == behind);
    }
}

/// The text of a delivery.
pub(crate) fn response(text: &[u8]) {
    let response = postfix::response(text);
    assert_eq!(response, postfix::response(text));
    of_response(&response, &mut |slice| assert_in(slice, text));
    std::hint::black_box(status::reply_codes(text));
    std::hint::black_box(status::Dsn::parse(text));
    if let Some(domain) = address::domain(text) {
        assert!(text.ends_with(domain), "a domain is the end of its address");
    }
}

/// What a client, a milter or a filter was refused with: the first byte chooses the line's start.
pub(crate) fn reject(data: &[u8]) {
    const STARTS: [&[u8]; 8] = [
        b"NOQUEUE: reject: RCPT from ",
        b"97C0A53F4D6: milter-reject: END-OF-MESSAGE from ",
        b"97C0A53F4D6: reject: END-OF-MESSAGE from a.test[192.0.2.1]: ",
        b"proxy-accept: END-OF-MESSAGE: ",
        b"proxy-reject: END-OF-MESSAGE: 550 ",
        b"warning: ",
        b"NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 554 5.7.1 no; ",
        b"97C0A53F4D6: client=",
    ];
    started(b"smtpd", &STARTS, data);
}

/// Checks of headers and bodies, and what else cleanup, qmgr, pickup and bounce say.
pub(crate) fn content(data: &[u8]) {
    const STARTS: [&[u8]; 8] = [
        b"97C0A53F4D6: info: header ",
        b"97C0A53F4D6: reject: mime-error ",
        b"97C0A53F4D6: milter-header-hold: header ",
        b"97C0A53F4D6: message-id=",
        b"97C0A53F4D6: from=<",
        b"97C0A53F4D6: uid=",
        b"97C0A53F4D6: ",
        b"97C0A53F4D6: warning: body ",
    ];
    started(b"cleanup", &STARTS, data);
}

/// Other programs: the first byte chooses which.
pub(crate) fn filters(data: &[u8]) {
    const TAGS: [&[u8]; 20] = [
        b"amavis[1]",
        b"rspamd[1]",
        b"spamd[1]",
        b"clamav-milter[1]",
        b"clamd[1]",
        b"opendkim[1]",
        b"opendmarc[1]",
        b"postgrey[1]",
        b"policyd-spf[1]",
        b"postfix/policy-spf[1]",
        b"policyd-weight[1]",
        b"cbpolicyd[1]",
        b"dovecot",
        b"lmtp(1, user)",
        b"lda(user)",
        b"rsyslogd",
        b"systemd-journald[1]",
        b"kernel",
        b"pmg-smtp-filter[1]",
        b"spampd[1]",
    ];
    let Some((choice, text)) = data.split_first() else { return };
    let tag = TAGS.get(usize::from(*choice) % TAGS.len()).copied().unwrap_or_default();
    line(&[b"Nov 21 01:28:22 vm ", tag, b": ", text].concat());
    // rspamd's own file has no prefix of a logging system.
    line(text);
}

/// Records of Haraka: the first byte chooses whose, and the layout.
pub(crate) fn haraka(data: &[u8]) {
    const C: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";
    const STARTS: [&str; 8] = [
        "[NOTICE] [{}.1] [core] ",
        "[INFO] [{}.1.1] [outbound] ",
        "[INFO] [{}.1] [rspamd] ",
        "[INFO] [{}.1] [spamassassin] ",
        "level=NOTICE uuid={}.1 origin=core message=",
        "level=INFO uuid={}.1.1 origin=outbound message=",
        "{\"level\":\"NOTICE\",\"uuid\":\"{}.1\",\"origin\":\"core\",\"message\":",
        "{\"level\":\"INFO\",\"uuid\":\"{}.1.1\",\"origin\":\"outbound\",\"message\":",
    ];
    let Some((choice, text)) = data.split_first() else { return };
    let start = STARTS.get(usize::from(*choice % 8)).copied().unwrap_or_default();
    let record = [start.replacen("{}", C, 1).as_bytes(), text].concat();
    line(&record);
    line(&[b"2026-11-21T01:40:03.838Z ", &record[..]].concat());
    line(&[b"<21>Nov 21 01:40:04 haraka[1]: ", &record[..]].concat());
}

/// Objects: as they are, as a member, and as a text that is escaped.
pub(crate) fn json(data: &[u8]) {
    line(data);
    for (start, end) in [
        (&b"{"[..], &b"}"[..]),
        (b"{\"__REALTIME_TIMESTAMP\":\"1795225632894090\",\"SYSLOG_IDENTIFIER\":\"postfix/qmgr\",\"MESSAGE\":", b"}"),
        (b"{\"stream\":\"stdout\",\"time\":\"2026-11-21T01:28:22Z\",\"log\":\"", b"\"}"),
    ] {
        line(&[start, data, end].concat());
    }
}

/// Stamps: the first eight bytes are the anchor, each line behind them begins with one.
pub(crate) fn time(data: &[u8]) {
    let Some((anchor, stamps)) = data.split_first_chunk::<8>() else { return };
    // Between 1970 and 2239, which any log of mail is.
    let second = i64::from_le_bytes(*anchor).rem_euclid(8_500_000_000);
    let Ok(anchor) = Timestamp::from_second(second) else { return };
    for zone in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<-11>11"] {
        let Ok(zone) = TimeZone::posix(zone) else { panic!("{zone} is a zone of POSIX") };
        let (mut resolver, mut again) = (Resolver::new(zone.clone()), Resolver::new(zone));
        let lines = stamps.split(|byte| *byte == b'\n');
        let mut after = None;
        for stamp in lines.map(|line| [line, b" vm a: b"].concat()) {
            let stamp = Parser::new().parse(&stamp).stamp;
            let (at, quality) = resolver.resolve(stamp, anchor, after);
            assert_eq!((at, quality), again.resolve(stamp, anchor, after));
            after = Some(at);
            let latest = anchor + SignedDuration::from_hours(26);
            let has_year = !matches!(stamp, Stamp::Yearless { .. });
            assert!(has_year || quality == Quality::ReadTime || at <= latest, "{stamp:?}: {at}");
        }
    }
}

/// An export stream: the first byte is the size of the pieces it comes in. Pieces change nothing,
/// and each entry is one line that is read as what it was.
pub(crate) fn journal(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let lines = exported([stream]);
    assert_eq!(lines, exported(stream.chunks(usize::from(*size).max(1))), "pieces change nothing");
    for one in lines {
        assert!(!one.iter().any(u8::is_ascii_control), "an entry is one line");
        assert!(one.len() <= 64 * 1024, "a line is bounded");
        let mut parser = Parser::new();
        let body = parser.parse(&one).body;
        assert_ne!(body, Body::Unrecognised(Reason::Header), "the parser knows the line");
        line(&one);
    }
}

fn exported<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let (mut reader, mut lines) = (journal::Reader::new(), Vec::new());
    let mut each = |entry: &journal::Entry<'_>| {
        let mut line = Vec::new();
        entry.render(&mut line);
        lines.push(line);
    };
    for piece in pieces {
        reader.feed(piece, &mut each);
    }
    reader.finish().iter().for_each(&mut each);
    lines
}

fn started(service: &[u8], starts: &[&[u8]], data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let start = starts.get(usize::from(*choice) % starts.len()).copied().unwrap_or_default();
    line(&said(service, start, rest));
}

fn said(service: &[u8], start: &[u8], rest: &[u8]) -> Vec<u8> {
    [b"Nov 21 01:28:22 vm postfix/", service, b"[1]: ", start, rest].concat()
}

/// Takes everything apart that a record gives, to see that nothing panics.
fn use_up(record: &LogRecord<'_>) {
    if let Body::Postfix(Entry::Delivery(delivery)) = &record.body {
        response(delivery.text);
        std::hint::black_box((address::domain(delivery.recipient), delivery.queue_id.arrival()));
    }
    if let Body::Haraka(record) = &record.body {
        let unescaped = |text: haraka::Text<'_>| {
            assert!(text.bytes().len() <= text.raw().len(), "escapes only shrink");
        };
        texts(&record.entry, &mut { unescaped });
    }
    if let Body::Filter(verdict) = &record.body {
        let lists = (verdict.recipients.iter().count(), verdict.rules.iter().count());
        std::hint::black_box((lists, verdict.queued_as.iter().count()));
    }
}

/// What a mail server sends: the first byte says what is wanted, the second the size of the pieces
/// it comes in. Pieces change nothing, and no answer says anything but that the mail may pass.
pub(crate) fn milter(data: &[u8]) {
    let Some(([wishes, size], stream)) = data.split_first_chunk::<2>() else { return };
    let wanted = Wanted { answers_data: wishes & 1 != 0, may_want_body: wishes & 2 != 0 };
    let whole = talk(wanted, [stream]);
    assert_eq!(
        whole,
        talk(wanted, stream.chunks(usize::from(*size).max(1))),
        "pieces change nothing"
    );
    let mut replies = &whole.1[..];
    while let Some((length, rest)) = replies.split_first_chunk::<4>() {
        let (reply, rest) =
            rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap_or(0));
        assert!(matches!(reply, [b'O', ..] | [b'c' | b'a' | b's']), "{reply:?}");
        replies = rest;
    }
}

/// Any mail: what it reports is bounded and always the same, and other line ends change nothing of what
/// a server says.
pub(crate) fn report(mail: &[u8]) {
    let read = report::parse(mail);
    assert_eq!(read, report::parse(mail), "one mail, one report");
    let Some(report) = read else { return };
    match &report.content {
        Content::Delivery(delivery) => {
            assert!(delivery.recipients.len() <= 1001);
            let texts = delivery.recipients.iter().filter_map(|one| one.diagnostic.as_ref());
            texts.for_each(|text| assert!(text.len() <= 4096, "{}", text.len()));
        }
        Content::Feedback(feedback) => {
            assert!(feedback.recipients.len() <= 100 && feedback.uris.len() <= 100);
        }
        Content::Disposition => {}
    }
    for hop in report.returned.iter().flat_map(|returned| &returned.received) {
        assert!(!hop.by.contains(char::is_whitespace) && !hop.id.contains(char::is_whitespace));
    }
}

/// Commands of each kind, answers, and how it ended.
fn talk<'a>(
    wanted: Wanted,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Vec<u8>, Result<bool, Broken>) {
    let (mut session, mut replies, mut seen) = (Session::new(wanted), Vec::new(), Seen::default());
    for piece in pieces {
        match session.read(piece, &mut seen, &mut replies) {
            Ok(false) => {}
            ended => return (seen.commands, replies, ended),
        }
    }
    (seen.commands, replies, Ok(false))
}

#[derive(Default)]
struct Seen {
    commands: Vec<String>,
}

impl Observer for Seen {
    fn see(&mut self, command: &Command<'_>) {
        if let Command::Macros(macros) = command {
            std::hint::black_box(macros.iter().count());
        }
        self.commands.push(format!("{command:?}"));
    }

    fn wants_body(&mut self) -> bool {
        self.commands.len().is_multiple_of(2)
    }
}

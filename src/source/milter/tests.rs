//! Connections of real mail servers, played again: to the collector, and over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::ref_option, reason = "tests")]

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use mailherald_parsers::milter::{Session, Wanted};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    collect::{Collector, Counts},
    *,
};
use crate::{
    clock,
    config::{HeaderNames, Listen},
    event::Facts,
    source::Health,
};

macro_rules! stream {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/milter/", $name, ".bin")).as_slice()
    };
}

/// Nothing here takes so long.
const LIMIT: Duration = Duration::from_secs(30);

fn wishes() -> Arc<Wishes> {
    let metadata = vec!["x-spam-flag".into()];
    let names = HeaderNames { metadata, ..HeaderNames::default() };
    Arc::new(Wishes { names, routing: vec!["x-mailherald-tag".into()] })
}

fn milter(socket: MilterSource) -> Milter {
    Milter { name: "m".into(), socket, wishes: wishes(), captures: captures().0 }
}

/// What a connection with these bytes tells.
fn told(stream: &[u8]) -> Vec<Facts> {
    let (out, mut facts) = handover();
    let milter = milter(MilterSource::default());
    let mut collector = Collector::new(&milter, out, clock::system(), Arc::<Counts>::default());
    let mut session = Session::new(Wanted::default());
    session.read(stream, &mut collector, &mut Vec::new()).unwrap();
    std::iter::from_fn(|| facts.take()).collect()
}

fn text(value: &Option<smol_str::SmolStr>) -> &str {
    value.as_deref().unwrap_or("-")
}

#[test]
fn two_messages_of_one_connection_are_told_apart() {
    let all = told(stream!("postfix-3.7.11/two_messages"));
    let ids: Vec<_> = all.iter().map(|facts| facts.queue_id.as_str()).collect();
    assert_eq!(ids, ["4jX2cy3pfwz1Tp49", "4jX2cy3y8Lz1Tp4B"]);
    let [one, two] = &all[..] else { panic!("{all:?}") };
    assert_eq!(one.recipients, ["games@here.test", "ok-1@out.test"]);
    assert_eq!(two.recipients, ["games@here.test"]);
    assert_eq!((text(&one.subject), text(&two.subject)), ("Grüße aus Köln", "two"));
    assert_eq!(text(&one.message_id), "<m1@sender.test>");
    assert_eq!((text(&one.helo), text(&one.client_address)), ("client.test", "127.0.0.1"));
    assert_eq!((&one.client_name, &one.user), (&None, &None));
    assert_eq!(text(&one.given.tag), "news");
    assert_eq!(one.given.metadata, [("x-spam-flag".into(), "YES".into())]);
    assert_eq!(one.headers, [("x-mailherald-tag".into(), "news".into())]);
}

#[test]
fn version_2_tells_the_same() {
    let all = told(stream!("postfix-3.7.11/version_2"));
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].recipients, ["games@here.test", "ok-1@out.test"]);
    assert_eq!((text(&all[0].subject), text(&all[0].given.tag)), ("Grüße aus Köln", "news"));
    let local = told(stream!("postfix-3.7.11/version_2_sendmail"));
    assert_eq!(text(&local[0].subject), "local");
}

#[test]
fn what_was_reset_and_what_was_refused_is_no_part_of_the_message() {
    let all = told(stream!("postfix-3.7.11/xclient_reset_refused"));
    let [facts] = &all[..] else { panic!("{all:?}") };
    assert_eq!(facts.queue_id, "4jX2cy4FCpz1Tp4S");
    let recipients = ["nobody@here.test", "games@here.test", "postmaster", "Games@HERE.test"];
    assert_eq!(facts.recipients, recipients);
    assert_eq!(text(&facts.client_name), "mail.stranger.test");
    assert_eq!(text(&facts.client_address), "192.0.2.7");
}

#[test]
fn who_authenticated_is_the_user() {
    let all = told(stream!("postfix-3.7.11/authenticated"));
    assert_eq!(text(&all[0].user), "alice");
    let script = told(stream!("miltertest-2.11/one_message"));
    assert_eq!((script[0].queue_id.as_str(), text(&script[0].user)), ("ABCDEF012345", "alice"));
}

#[test]
fn a_message_that_was_never_complete_tells_nothing() {
    assert!(told(stream!("postfix-3.7.11/gone_in_data")).is_empty());
    assert!(told(stream!("postfix-3.7.11/superseded_by_xclient")).is_empty());
}

#[test]
fn bytes_that_are_no_text_are_repaired_and_marked() {
    let all = told(stream!("postfix-3.7.11/raw_bytes"));
    assert_eq!((text(&all[0].subject), all[0].lossy), ("caf\u{fffd} \u{fffd}", true));
}

#[test]
fn of_many_recipients_the_first_are_kept() {
    let mut stream = stream!("postfix-3.7.11/two_messages")[..17].to_vec();
    let mut frame = |code: u8, data: &str| {
        stream.extend(u32::try_from(1 + data.len()).unwrap().to_be_bytes());
        stream.push(code);
        stream.extend(data.as_bytes());
    };
    for number in 0..1001 {
        frame(b'R', &format!("<{number}@a.test>\0"));
    }
    frame(b'D', "Ei\0ABC\0");
    frame(b'E', "");
    let all = told(&stream);
    assert_eq!((all[0].recipients.len(), all[0].more_recipients), (1000, true));
}

/// A milter that listens, and what it tells.
struct Running {
    facts: FactsReceiver,
    stop: CancellationToken,
    thread: JoinHandle<io::Result<Tally>>,
}

impl Running {
    async fn start(socket: MilterSource) -> Self {
        let (out, facts) = handover();
        Self::start_with(socket, out, facts).await
    }

    async fn start_with(socket: MilterSource, out: FactsSender, facts: FactsReceiver) -> Self {
        let milter = milter(socket);
        let (health, mut seen) = watch::channel(Health::default());
        let stop = CancellationToken::new();
        let thread =
            spawn(milter, out, clock::system(), health, stop.clone(), &Handle::current()).unwrap();
        timeout(LIMIT, seen.wait_for(|health| health.has_begun)).await.unwrap().unwrap();
        Self { facts, stop, thread }
    }

    fn end(self) -> Tally {
        self.stop.cancel();
        self.thread.join().unwrap().unwrap()
    }
}

fn unix(path: &Path) -> MilterSource {
    MilterSource { listen: Listen::Unix(path.into()), mode: 0o600, ..MilterSource::default() }
}

/// Sends a whole connection in one piece, and gives the codes of the answers.
async fn converse(mut wire: impl AsyncReadExt + AsyncWriteExt + Unpin, stream: &[u8]) -> String {
    wire.write_all(stream).await.unwrap();
    let (mut answers, mut codes) = (Vec::new(), String::new());
    timeout(LIMIT, wire.read_to_end(&mut answers)).await.unwrap().unwrap();
    let mut rest = &answers[..];
    while let Some((length, frame)) = rest.split_first_chunk::<4>() {
        codes.push(char::from(frame[0]));
        rest = &frame[usize::try_from(u32::from_be_bytes(*length)).unwrap()..];
    }
    codes
}

#[tokio::test]
async fn a_mail_server_is_answered_over_both_kinds_of_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("milter.sock");
    let stream = stream!("postfix-3.7.11/two_messages");
    let mut milter = Running::start(unix(&path)).await;
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap(), stream).await, "Occ");
    assert_eq!(milter.facts.take().unwrap().queue_id, "4jX2cy3pfwz1Tp49");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(milter.end().given, 2);
    assert!(!path.exists(), "nothing is left where nobody listens");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = MilterSource { listen: Listen::Inet(free), ..MilterSource::default() };
    let milter = Running::start(socket).await;
    // DATA is answered, too, or each message would wait for a delayed acknowledgement.
    assert_eq!(converse(TcpStream::connect(free).await.unwrap(), stream).await, "Occcc");
    assert_eq!(milter.end().given, 2);
}

#[tokio::test]
async fn a_writer_that_takes_nothing_holds_no_mail_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("milter.sock");
    let (out, facts) = handover();
    while out.give(Facts::default()) {}
    let milter = Running::start_with(unix(&path), out, facts).await;
    let stream = stream!("postfix-3.7.11/two_messages");
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap(), stream).await, "Occ");
    let tally = milter.end();
    assert_eq!((tally.given, tally.dropped), (0, 2));
}

#[tokio::test]
async fn what_an_earlier_run_left_is_replaced_and_another_program_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("milter.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "nobody listens there any more");
    let milter = Running::start(unix(&path)).await;
    let stream = stream!("postfix-3.7.11/authenticated");
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap(), stream).await, "Oc");

    let second = Running::start(unix(&path)).await;
    assert_eq!(second.end(), Tally::default());
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap(), stream).await, "Oc");
    assert_eq!(milter.end().given, 2);
}

#[tokio::test]
async fn a_connection_that_is_none_of_a_mail_server_ends_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("milter.sock");
    let milter = Running::start(unix(&path)).await;
    assert_eq!(
        converse(UnixStream::connect(&path).await.unwrap(), b"GET / HTTP/1.1\r\n\r\n").await,
        ""
    );
    let stream = stream!("postfix-3.7.11/authenticated");
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap(), stream).await, "Oc");
    let tally = milter.end();
    assert_eq!((tally.given, tally.broken), (1, 1));
}

/// A frame of the protocol.
fn frame(stream: &mut Vec<u8>, code: u8, data: &[u8]) {
    stream.extend(u32::try_from(1 + data.len()).unwrap().to_be_bytes());
    stream.push(code);
    stream.extend(data);
}

/// A connection with a message of these headers and this body, behind Postfix's own negotiation.
fn connection(macros: &[u8], headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut stream = stream!("postfix-3.7.11/two_messages")[..17].to_vec();
    frame(&mut stream, b'D', macros);
    frame(&mut stream, b'M', b"<>\0ENVID=batch+2B17\0");
    frame(&mut stream, b'D', b"Ri\0ABC\0{rcpt_mailer}\0local\0");
    frame(&mut stream, b'R', b"<fbl@here.test>\0");
    for (name, value) in headers {
        frame(&mut stream, b'L', format!("{name}\0{value}\0").as_bytes());
    }
    frame(&mut stream, b'N', b"");
    for piece in body.chunks(65_535) {
        frame(&mut stream, b'B', piece);
    }
    frame(&mut stream, b'E', b"");
    frame(&mut stream, b'Q', b"");
    stream
}

/// What a milter that takes reports answers to a connection, what it tells, and the reports.
fn told_by_capturing(stream: &[u8]) -> (String, Vec<Facts>, Vec<Vec<u8>>) {
    let ((out, mut facts), (sender, mut inbox)) = (handover(), captures());
    let socket = MilterSource {
        reports: true,
        verdicts: vec!["X-Spam-Flag".into()],
        ..MilterSource::default()
    };
    let milter = Milter { captures: sender, ..milter(socket) };
    let mut collector = Collector::new(&milter, out, clock::system(), Arc::<Counts>::default());
    let mut session = Session::new(Wanted { answers_data: false, may_want_body: true });
    let mut replies = Vec::new();
    session.read(stream, &mut collector, &mut replies).unwrap();
    let mut codes = String::new();
    let mut rest = &replies[..];
    while let Some((length, frame)) = rest.split_first_chunk::<4>() {
        codes.push(char::from(frame[0]));
        rest = &frame[usize::try_from(u32::from_be_bytes(*length)).unwrap()..];
    }
    let reports = std::iter::from_fn(|| inbox.try_recv().ok()).map(|captured| captured.mail);
    (codes, std::iter::from_fn(|| facts.take()).collect(), reports.collect())
}

const REPORT: (&str, &str) = ("Content-Type", " multipart/report;\n\tboundary=x");

#[test]
fn a_report_is_taken_out_of_the_mail_and_its_message_is_told_as_any_other() {
    let body = [b"--x\r\n", &vec![b'a'; 300 * 1024][..]].concat();
    let stream = connection(b"M", &[REPORT, ("Message-ID", " <1@x>")], &body);
    let (codes, facts, reports) = told_by_capturing(&stream);
    // The negotiation, the end of headers, pieces of the body, of which enough is had, and its end.
    assert_eq!(codes, "Occcccsc");
    assert_eq!((facts.len(), facts[0].queue_id.as_str()), (1, "ABC"));
    assert_eq!(facts[0].envelope_id.as_deref(), Some("batch+2B17"));
    assert_eq!(facts[0].stays_here, Some(true));
    let head = b"Content-Type: multipart/report;\n\tboundary=x\r\nMessage-ID: <1@x>\r\n\r\n--x\r\n";
    assert!(reports[0].starts_with(head), "{}", String::from_utf8_lossy(&reports[0][..80]));
    assert_eq!(reports.len(), 1);
}

#[test]
fn other_mail_is_let_go_at_the_end_of_its_headers() {
    let headers = [("Content-Type", " text/plain"), ("X-Spam-Flag", " YES")];
    // Postfix sends nothing behind the answer; these commands never come.
    let (codes, facts, reports) = told_by_capturing(&connection(b"M", &headers, b""));
    assert!(codes.starts_with("Oa"), "{codes}");
    assert_eq!((facts.len(), reports.len()), (1, 0));
    assert!(facts[0].verdict.is_some());
    // What a user of ours sends is none of our reports.
    let (codes, _, reports) =
        told_by_capturing(&connection(b"M{auth_authen}\0alice\0", &[REPORT], b""));
    assert!(codes.starts_with("Oa") && reports.is_empty(), "{codes}");
}

#[test]
fn of_a_header_that_was_forged_beside_the_filters_own_nothing_is_told() {
    let headers = [("X-Spam-Flag", " YES"), ("x-spam-flag", " NO")];
    let (_, facts, _) = told_by_capturing(&connection(b"M", &headers, b""));
    assert_eq!(facts[0].verdict, None);
    let (_, facts, _) = told_by_capturing(&connection(b"M", &[("X-Spam-Status", " Yes")], b""));
    assert_eq!(facts[0].verdict, None, "nobody asked for that one");
}

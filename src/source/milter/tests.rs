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

//! Streams of real mail servers: what they say, and what they are answered, whatever pieces they
//! come in.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;

use mailherald_parsers::milter::{Broken, Command, Frames, KEPT_BYTES, Observer, Session, Wanted};
use proptest::prelude::*;

/// What one side can do and the other wants.
const LIGHT: Wanted = Wanted { answers_data: false, may_want_body: false };
const WITH_BODY: Wanted = Wanted { answers_data: false, may_want_body: true };

macro_rules! stream {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../fixtures/milter/", $name, ".bin")).as_slice())
    };
}

const STREAMS: [(&str, &[u8]); 11] = [
    stream!("postfix-3.7.11/two_messages"),
    stream!("postfix-3.7.11/superseded_by_xclient"),
    stream!("postfix-3.7.11/xclient_reset_refused"),
    stream!("postfix-3.7.11/authenticated"),
    stream!("postfix-3.7.11/gone_in_data"),
    stream!("postfix-3.7.11/raw_bytes"),
    stream!("postfix-3.7.11/sendmail"),
    stream!("postfix-3.7.11/version_2"),
    stream!("postfix-3.7.11/version_2_sendmail"),
    stream!("postfix-3.7.11/with_body"),
    stream!("miltertest-2.11/one_message"),
];

/// Writes down what it sees. Wants the body of reports.
#[derive(Default)]
struct Scribe {
    text: String,
    is_report: bool,
}

impl Observer for Scribe {
    fn see(&mut self, command: &Command<'_>) {
        match command {
            Command::Macros(macros) => {
                let pairs =
                    macros.iter().map(|(name, value)| format!("{}={}", shown(name), shown(value)));
                let pairs = pairs.collect::<Vec<_>>().join(", ");
                writeln!(self.text, "macros for {}: {pairs}", char::from(macros.command)).unwrap();
            }
            Command::Connect(client) => {
                let (name, address) = (shown(client.name), shown(client.address));
                let (family, port) = (client.family, client.port);
                writeln!(self.text, "connect {name} {family:?} {address} {port}").unwrap();
            }
            Command::Helo(name) => writeln!(self.text, "helo {}", shown(name)).unwrap(),
            Command::Mail(path) | Command::Recipient(path) => {
                let arguments: Vec<_> = path.arguments.iter().map(shown).collect();
                let kind = if matches!(command, Command::Mail(_)) { "mail" } else { "recipient" };
                writeln!(self.text, "{kind} {} {arguments:?}", shown(path.address)).unwrap();
            }
            Command::Header { name, value } => {
                self.is_report |= value.starts_with(b" multipart/report");
                writeln!(self.text, "header {}:{}", shown(name), shown(value)).unwrap();
            }
            Command::Body(piece) => writeln!(self.text, "body of {} bytes", piece.len()).unwrap(),
            other => writeln!(self.text, "{other:?}").unwrap(),
        }
    }

    fn wants_body(&mut self) -> bool {
        self.is_report
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// What a session that gets these pieces sees, answers and ends with.
fn talk<'a>(
    wanted: Wanted,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Vec<u8>, Result<bool, Broken>) {
    let (mut session, mut scribe, mut replies) =
        (Session::new(wanted), Scribe::default(), Vec::new());
    let mut is_done = false;
    for piece in pieces {
        match session.read(piece, &mut scribe, &mut replies) {
            Ok(done) => is_done |= done,
            Err(broken) => return (scribe.text, replies, Err(broken)),
        }
        if is_done {
            break;
        }
    }
    (scribe.text, replies, Ok(is_done))
}

/// The codes of the frames in `replies`.
fn codes(replies: &[u8]) -> String {
    let (mut frames, mut rest, mut codes) = (Frames::default(), replies, String::new());
    while let Some(frame) = frames.next(&mut rest).unwrap() {
        codes.push(char::from(frame.code));
    }
    codes
}

#[test]
fn what_real_servers_say_is_understood() {
    for (name, stream) in STREAMS {
        let wanted = if name.ends_with("with_body") { WITH_BODY } else { LIGHT };
        let (text, replies, end) = talk(wanted, [stream]);
        let told = format!("{text}answers: {}\nend: {end:?}\n", codes(&replies));
        insta::assert_snapshot!(name.replace('/', "__"), told);
    }
}

#[test]
fn with_as_few_answers_as_can_be_postfix_waits_twice_a_session_and_once_more_for_each_message() {
    let (_, replies, end) = talk(LIGHT, [STREAMS[0].1]);
    assert_eq!((codes(&replies).as_str(), end), ("Occ", Ok(true)));
}

#[test]
fn a_server_of_version_2_has_every_command_answered() {
    let (text, replies, _) = talk(LIGHT, [STREAMS[7].1]);
    let is_answered = |line: &&str| !line.starts_with("macros") && *line != "Abort";
    let answered = text.lines().filter(is_answered).count();
    assert_eq!(codes(&replies).len(), 1 + answered, "and the negotiation, which is not seen");
}

#[test]
fn the_body_of_what_is_no_report_is_not_sent_and_of_a_report_it_is() {
    let message = |content_type: &[u8]| {
        let frame = |code: u8, data: &[u8]| {
            let length = u32::try_from(1 + data.len()).unwrap().to_be_bytes();
            [&length[..], &[code], data].concat()
        };
        let offer = [6_u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
        let header = [b"Content-Type\0 ", content_type, b"\0"].concat();
        [frame(b'O', &offer), frame(b'L', &header), frame(b'N', b"")].concat()
    };
    assert_eq!(codes(&talk(WITH_BODY, [&message(b"text/plain")[..]]).1), "Oa");
    assert_eq!(codes(&talk(WITH_BODY, [&message(b"multipart/report")[..]]).1), "Oc");
}

#[test]
fn of_a_long_body_no_more_is_wanted_where_that_can_be_said() {
    for (offered, expected) in [(0x1f_ffff_u32, "Occcccsc"), (0x1f_fbff, "Occccccc")] {
        let mut stream = b"\0\0\0\x0dO".to_vec();
        stream.extend([6, 0x1ff, offered].map(u32::to_be_bytes).concat());
        stream.extend(b"\0\0\0\x15LX\0 multipart/report\0");
        stream.extend(b"\0\0\0\x01N");
        for _ in 0..5 {
            stream.extend(0x1_0000_u32.to_be_bytes());
            stream.push(b'B');
            stream.extend([b'x'; 0xffff]);
        }
        stream.extend(b"\0\0\0\x01E");
        assert_eq!(codes(&talk(WITH_BODY, [&stream[..]]).1), expected);
    }
}

#[test]
fn what_does_not_begin_with_a_negotiation_or_has_two_is_ended() {
    assert_eq!(talk(LIGHT, [&b"\0\0\0\x01T"[..]]).2, Err(Broken::Order));
    let offer = &STREAMS[0].1[..17];
    assert_eq!(talk(LIGHT, [offer, offer]).2, Err(Broken::Order));
    assert_eq!(talk(LIGHT, [&b"\0\0\0\x01Q"[..]]).2, Ok(true));
}

proptest! {
    #[test]
    fn pieces_change_nothing(which in 0..STREAMS.len(), cuts in proptest::collection::vec(1..300_usize, 1..40)) {
        let stream = STREAMS[which].1;
        let (mut pieces, mut rest, mut cuts) = (Vec::new(), stream, cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(talk(WITH_BODY, pieces), talk(WITH_BODY, [stream]));
    }

    /// A session of a server that is broken, or none: it ends, or goes on, and that is all.
    #[test]
    fn damaged_streams_are_answered_or_ended(
        which in 0..STREAMS.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut stream = STREAMS[which].1.to_vec();
        for (place, byte) in changes {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        let (text, replies, _) = talk(LIGHT, [&stream[..]]);
        prop_assert!(text.len() <= 8 * (stream.len() + KEPT_BYTES));
        prop_assert!(codes(&replies).chars().all(|code| "Oc".contains(code)), "never a verdict");
    }
}

//! Takes reports out of the mail: the headers that say what a mail is, and the body of those that are
//! reports.
//!
//! Bodies are bounded each ([`limits::REPORT_BYTES`]) and all together, and what waits to be read as
//! well: beyond that a report is left alone and counted. A report says what it has to say at its
//! beginning, so one that is cut off is as good.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{event::SenderToken, limits};

/// Headers that are needed to read a report, lower case.
const HEADERS: [&str; 8] = [
    "authentication-results",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "x-original-to",
];

/// Bytes of those headers of one mail.
const HEAD_BYTES: usize = 8 * 1024;

/// Bytes of them up to which there is room for a further recipient.
const SIGNED_BYTES: usize = 2 * 1024;

/// Content types of reports (RFC 6522, RFC 5965).
const TYPES: [&[u8]; 2] = [b"multipart/report", b"message/feedback-report"];

/// A mail that is a report, or its beginning.
#[derive(Debug)]
pub struct Captured {
    /// Headers and body.
    pub mail: Vec<u8>,
    _room: Room,
}

/// Where captured mail goes in.
#[derive(Debug, Clone)]
pub struct CaptureSender {
    out: Sender<Captured>,
    /// Bytes of all bodies that are held.
    held: Arc<AtomicUsize>,
}

/// A way for captured mail.
#[must_use]
pub fn captures() -> (CaptureSender, Receiver<Captured>) {
    let (out, inbox) = mpsc::channel(limits::REPORTS_WAITING);
    (CaptureSender { out, held: Arc::default() }, inbox)
}

/// Bytes that are held; they are given back when it is dropped.
#[derive(Debug)]
struct Room {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    fn of(sender: &CaptureSender) -> Self {
        Self { all: Arc::clone(&sender.held), bytes: 0 }
    }

    /// Takes more. False when there is none.
    fn take(&mut self, bytes: usize) -> bool {
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > limits::REPORTS_BYTES {
            self.all.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    /// It is no report.
    Nothing,
    /// It was handed on.
    Given,
    /// There was no room for it.
    Dropped,
}

/// The message under way, as far as it may be a report.
#[derive(Debug)]
pub(super) struct Capturing {
    sender: CaptureSender,
    head: Vec<u8>,
    is_report: bool,
    body: Vec<u8>,
    room: Room,
    is_dropped: bool,
}

impl Capturing {
    pub(super) fn new(sender: CaptureSender) -> Self {
        let room = Room::of(&sender);
        let (head, body) = (Vec::new(), Vec::new());
        Self { sender, head, is_report: false, body, room, is_dropped: false }
    }

    /// A recipient. One that its sender may have signed says which message a report is about.
    pub(super) fn recipient(&mut self, address: &[u8]) {
        let signed = str::from_utf8(address).ok().filter(|address| {
            SenderToken::in_address(address).is_some() && !address.contains(char::is_control)
        });
        if let Some(address) = signed.filter(|_| self.head.len() < SIGNED_BYTES) {
            self.header(b"X-Original-To", address.as_bytes());
        }
    }

    /// A header of the mail, with its folds.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) {
        let is_needed = HEADERS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
        if !is_needed || self.head.len() + name.len() + value.len() + 4 > HEAD_BYTES {
            return;
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            let value = value.trim_ascii();
            let begins_so = |kind: &&[u8]| {
                value.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind))
            };
            self.is_report |= TYPES.iter().any(begins_so);
        }
        for piece in [name, b": ", value.trim_ascii(), b"\r\n"] {
            self.head.extend_from_slice(piece);
        }
    }

    /// The headers are over: is the body wanted? Not that of what a user of ours sends.
    pub(super) fn wants_body(&mut self, is_of_user: bool) -> bool {
        self.is_report &= !is_of_user;
        if !self.is_report {
            self.head = Vec::new();
        }
        self.is_report
    }

    /// A piece of the body.
    pub(super) fn body(&mut self, piece: &[u8]) {
        let free = limits::REPORT_BYTES.saturating_sub(self.body.len());
        let piece = piece.get(..free).unwrap_or(piece);
        if !self.is_report || self.is_dropped || piece.is_empty() {
            return;
        }
        if self.room.take(piece.len()) {
            self.body.extend_from_slice(piece);
        } else {
            self.is_dropped = true;
            self.body = Vec::new();
        }
    }

    /// The mail is complete.
    pub(super) fn end(&mut self) -> Capture {
        let Self { head, is_report, body, room, is_dropped, .. } = self.begin();
        if !is_report {
            return Capture::Nothing;
        }
        let mail = [&head[..], b"\r\n", &body].concat();
        let captured = Captured { mail, _room: room };
        if !is_dropped && self.sender.out.try_send(captured).is_ok() {
            Capture::Given
        } else {
            Capture::Dropped
        }
    }

    /// Begins a message, and gives the one before.
    pub(super) fn begin(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.sender.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn report(capturing: &mut Capturing, body: &[u8]) -> Capture {
        capturing.header(b"X-Other", b" nothing");
        capturing.header(b"Content-type", b" Multipart/Report; boundary=x");
        assert!(capturing.wants_body(false));
        for piece in body.chunks(65_535) {
            capturing.body(piece);
        }
        capturing.end()
    }

    #[test]
    fn a_report_is_taken_with_the_headers_that_it_needs() {
        let (sender, mut inbox) = captures();
        let mut capturing = Capturing::new(sender);
        assert_eq!(report(&mut capturing, b"--x\r\n"), Capture::Given);
        let mail = inbox.try_recv().unwrap().mail;
        assert_eq!(mail, b"Content-type: Multipart/Report; boundary=x\r\n\r\n--x\r\n");
    }

    #[test]
    fn recipients_whom_a_sender_may_have_signed_stand_before_the_headers() {
        let (sender, mut inbox) = captures();
        let mut capturing = Capturing::new(sender);
        let signed = format!("news+04{}@here.test", "0".repeat(30));
        for recipient in ["inbox@here.test", &signed, &format!("{signed}\r\n")] {
            capturing.recipient(recipient.as_bytes());
        }
        assert_eq!(report(&mut capturing, b""), Capture::Given);
        let mail = inbox.try_recv().unwrap().mail;
        let expected = format!(
            "X-Original-To: {signed}\r\nContent-type: Multipart/Report; boundary=x\r\n\r\n"
        );
        assert_eq!(mail, expected.as_bytes());
        for _ in 0..1_000 {
            capturing.recipient(signed.as_bytes());
        }
        assert!(capturing.head.len() < HEAD_BYTES / 2, "there is room for the headers");
    }

    #[test]
    fn no_other_mail_is_asked_for_its_body() {
        let (sender, mut inbox) = captures();
        let mut capturing = Capturing::new(sender);
        capturing.header(b"Content-Type", b" text/plain");
        assert!(!capturing.wants_body(false));
        assert_eq!(capturing.end(), Capture::Nothing);
        capturing.header(b"Content-Type", b" multipart/report");
        assert!(!capturing.wants_body(true), "what a user sends is no report to us");
        capturing.body(b"body");
        assert_eq!(capturing.end(), Capture::Nothing);
        assert!(inbox.try_recv().is_err());
    }

    #[test]
    fn a_long_body_is_cut_and_all_of_them_together_are_bounded() {
        let (sender, mut inbox) = captures();
        let held = Arc::clone(&sender.held);
        let mut capturing = Capturing::new(sender);
        let body = vec![b'a'; limits::REPORT_BYTES + 1];
        let (mut given, mut dropped) = (0, 0);
        for _ in 0..=limits::REPORTS_BYTES / limits::REPORT_BYTES {
            match report(&mut capturing, &body) {
                Capture::Given => given += 1,
                Capture::Dropped => dropped += 1,
                Capture::Nothing => panic!(),
            }
        }
        assert!(dropped >= 1 && given * limits::REPORT_BYTES <= limits::REPORTS_BYTES, "{given}");
        let first = inbox.try_recv().unwrap();
        assert!(first.mail.len() <= limits::REPORT_BYTES + HEAD_BYTES);
        drop((first, inbox));
        drop(capturing);
        assert_eq!(held.load(Ordering::Relaxed), 0, "what is read makes room");
    }
}

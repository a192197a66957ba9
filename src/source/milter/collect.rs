//! Puts together what the commands of one connection say of each message.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use mail_parser::MessageParser;
use mailherald_parsers::milter::{Command, Connection, Macros, Observer, Path};
use smol_str::SmolStr;

use super::{
    FactsSender, Milter, Tally,
    capture::{Capture, Capturing},
    verdict::Verdicts,
};
use crate::{
    clock::SharedClock,
    config::{HeaderNames, Mail},
    event::{
        Facts,
        text::{self, Text},
    },
    limits,
};

/// Recipients kept of one message.
const RECIPIENTS: usize = 1000;

/// Bytes of them.
const RECIPIENT_BYTES: usize = 64 * 1024;

/// Bytes of one value that a sender set for its own use.
const GIVEN_BYTES: usize = 256;

/// Headers looked at of one message.
const HEADERS: usize = 256;

/// Which headers are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Those that senders use.
    pub names: HeaderNames,
    /// Those that routes ask for, lower case.
    pub routing: Vec<String>,
}

impl Wishes {
    /// What that section asks for, and its routes.
    #[must_use]
    pub fn of(mail: &Mail) -> Self {
        let headers = mail.routes.iter().filter_map(|route| route.header.as_ref());
        let mut routing: Vec<_> = headers.map(|header| header.name.clone()).collect();
        routing.sort_unstable();
        routing.dedup();
        Self { names: mail.headers.clone(), routing }
    }
}

/// What became of the messages of all connections.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Complete, and handed on.
    pub(super) given: AtomicU64,
    /// Complete, and dropped: the writer was slow.
    pub(super) dropped: AtomicU64,
    /// Connections that were refused.
    pub(super) refused: AtomicU64,
    /// Connections that broke off.
    pub(super) broken: AtomicU64,
    /// Reports that were handed on.
    pub(super) reports: AtomicU64,
    /// Reports that were left alone.
    pub(super) reports_dropped: AtomicU64,
}

impl Counts {
    pub(super) fn tally(&self) -> Tally {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            given: count(&self.given),
            dropped: count(&self.dropped),
            refused: count(&self.refused),
            broken: count(&self.broken),
            reports: count(&self.reports),
            reports_dropped: count(&self.reports_dropped),
        }
    }
}

/// Facts under construction.
#[derive(Debug)]
pub(super) struct Collector {
    wishes: Arc<Wishes>,
    out: FactsSender,
    clock: SharedClock,
    counts: Arc<Counts>,
    /// Headers of filters that count.
    verdict_headers: Vec<String>,
    verdicts: Verdicts,
    /// Where reports are wanted.
    capturing: Option<Capturing>,
    /// Of the client: what the messages of the connection have in common.
    client: Facts,
    /// Of the message under way.
    message: Facts,
    recipient_bytes: usize,
    headers: usize,
}

impl Collector {
    pub(super) fn new(
        milter: &Milter,
        out: FactsSender,
        clock: SharedClock,
        counts: Arc<Counts>,
    ) -> Self {
        let reports = milter.socket.reports.then(|| milter.captures.clone());
        Self {
            wishes: Arc::clone(&milter.wishes),
            out,
            clock,
            counts,
            verdict_headers: milter.socket.verdicts.clone(),
            verdicts: Verdicts::default(),
            capturing: reports.map(Capturing::new),
            client: Facts::default(),
            message: Facts::default(),
            recipient_bytes: 0,
            headers: 0,
        }
    }

    fn connect(&mut self, client: &Connection<'_>) {
        self.client = Facts::default();
        let address = client.address.strip_prefix(b"IPv6:").unwrap_or(client.address);
        let is_address = client.port != 0 || !address.contains(&b'/');
        // `[192.0.2.1]` stands for no name.
        let is_name = !matches!(client.name, b"" | b"unknown") && !client.name.starts_with(b"[");
        if is_name {
            self.client.client_name = Some(kept(client.name, &mut self.client.lossy));
        }
        if is_address && !address.is_empty() {
            self.client.client_address = Some(kept(address, &mut self.client.lossy));
        }
    }

    /// The queue ID comes with some command or other, and then with each.
    fn macros(&mut self, macros: &Macros<'_>) {
        if let Some(queue_id) = macros.get(b"i").filter(|id| !id.is_empty()) {
            self.message.queue_id = kept(queue_id, &mut self.message.lossy);
        }
        if let Some(user) = macros.get(b"auth_authen").filter(|user| !user.is_empty()) {
            self.message.user = Some(kept(user, &mut self.message.lossy));
        }
        if let Some(mailer) = macros.get(b"rcpt_mailer") {
            self.mailer(mailer);
        }
    }

    /// Who will have the next recipient (Postfix `smtpd/smtpd_milter.c`): one that goes out makes the
    /// message one that does.
    fn mailer(&mut self, mailer: &[u8]) {
        let stays = match mailer {
            b"local" | b"virtual" | b"lmtp" | b"pipe" => true,
            b"smtp" | b"relay" => false,
            _ => return,
        };
        self.message.stays_here = Some(stays && self.message.stays_here != Some(false));
    }

    /// MAIL, and what the client said with it (RFC 3461 §4.4).
    fn sender(&mut self, path: &Path<'_>) {
        let pairs = path.arguments.iter().filter_map(|argument| argument.split_at_checked(6));
        let mut ids = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(b"ENVID="));
        self.message.envelope_id = ids.next().map(|(_, id)| kept(id, &mut self.message.lossy));
    }

    fn recipient(&mut self, address: &[u8]) {
        if let Some(capturing) = &mut self.capturing {
            capturing.recipient(address);
        }
        let message = &mut self.message;
        let fits = message.recipients.len() < RECIPIENTS
            && self.recipient_bytes + address.len() <= RECIPIENT_BYTES;
        if fits {
            self.recipient_bytes += address.len();
            message.recipients.push(kept(address, &mut message.lossy));
        } else {
            message.more_recipients = true;
        }
    }

    /// Of headers that come twice, the first counts, as it does in what a person sees.
    fn header(&mut self, name: &[u8], value: &[u8]) {
        if let Some(capturing) = &mut self.capturing {
            capturing.header(name, value);
        }
        self.headers += 1;
        let Ok(name) = std::str::from_utf8(name) else { return };
        if self.headers > HEADERS {
            return;
        }
        let place = self.verdict_headers.iter().position(|one| one.eq_ignore_ascii_case(name));
        if let Some(place) = place {
            self.verdicts.note(place, name, value);
        }
        let message = &mut self.message;
        if name.eq_ignore_ascii_case("subject") && message.subject.is_none() {
            message.subject = Some(decoded(value, &mut message.lossy));
        } else if name.eq_ignore_ascii_case("message-id") && message.message_id.is_none() {
            message.message_id = Some(kept(value.trim_ascii(), &mut message.lossy));
        } else if name.eq_ignore_ascii_case(&self.wishes.names.tag) && message.given.tag.is_none() {
            message.given.tag = Some(given(value)).filter(|tag| !tag.is_empty());
        }
        let mut known = self.wishes.names.metadata.iter();
        if let Some(known) = known.find(|known| known.eq_ignore_ascii_case(name)) {
            message.given.set(known, given(value));
        }
        let mut routing = self.wishes.routing.iter();
        if let Some(known) = routing.find(|known| known.eq_ignore_ascii_case(name)) {
            message.headers.push((known.as_str().into(), given(value)));
        }
    }

    /// The body of a report is complete.
    fn end_report(&mut self) {
        let count = match self.capturing.as_mut().map(Capturing::end) {
            Some(Capture::Given) => &self.counts.reports,
            Some(Capture::Dropped) => &self.counts.reports_dropped,
            Some(Capture::Nothing) | None => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The message is complete. One that never got a queue ID is another's: of a before-queue filter.
    fn end(&mut self) {
        let verdict = self.verdicts.found();
        let message = self.begin();
        if message.queue_id.is_empty() {
            return;
        }
        let facts = Facts {
            at_us: self.clock.now().as_microsecond(),
            client_name: self.client.client_name.clone(),
            client_address: self.client.client_address.clone(),
            helo: self.client.helo.clone(),
            verdict,
            lossy: message.lossy || self.client.lossy,
            ..message
        };
        let is_given = self.out.give(facts);
        let count = if is_given { &self.counts.given } else { &self.counts.dropped };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a message, and gives the one before.
    fn begin(&mut self) -> Facts {
        (self.recipient_bytes, self.headers) = (0, 0);
        self.verdicts = Verdicts::default();
        if let Some(capturing) = &mut self.capturing {
            capturing.begin();
        }
        std::mem::take(&mut self.message)
    }
}

impl Observer for Collector {
    fn see(&mut self, command: &Command<'_>) {
        match command {
            Command::Macros(macros) => self.macros(macros),
            Command::Connect(client) => self.connect(client),
            Command::Helo(name) => {
                self.client.helo = Some(kept(name, &mut self.client.lossy));
            }
            Command::Mail(path) => self.sender(path),
            Command::Recipient(path) => self.recipient(path.bare()),
            Command::Header { name, value } => self.header(name, value),
            Command::Body(piece) => {
                if let Some(capturing) = &mut self.capturing {
                    capturing.body(piece);
                }
            }
            Command::EndOfBody => {
                self.end_report();
                self.end();
            }
            Command::Abort => drop(self.begin()),
            Command::NextClient => {
                self.client = Facts::default();
                self.begin();
            }
            Command::Negotiate(_)
            | Command::Data
            | Command::EndOfHeaders
            | Command::Unknown(_)
            | Command::Quit => {}
        }
    }

    /// Of mail that is no report nothing follows, so it is handed on now.
    fn wants_body(&mut self) -> bool {
        let is_of_user = self.message.user.is_some();
        let wants = |capturing: &mut Capturing| capturing.wants_body(is_of_user);
        let is_report = self.capturing.as_mut().is_some_and(wants);
        if !is_report {
            self.end();
        }
        is_report
    }
}

fn kept(bytes: &[u8], lossy: &mut bool) -> SmolStr {
    let Text { value, lossy: is_lossy } = text::bounded(bytes, limits::TEXT_BYTES);
    *lossy |= is_lossy;
    value
}

/// A value on one line (RFC 5322 §2.2.3), at most so much of it.
fn given(value: &[u8]) -> SmolStr {
    text::bounded(unfolded(value).trim_ascii(), GIVEN_BYTES).value
}

/// Without tabs, which a fold may begin with; line ends are no text and go later.
fn unfolded(value: &[u8]) -> Vec<u8> {
    value.iter().map(|byte| if *byte == b'\t' { b' ' } else { *byte }).collect()
}

/// A value whose encoded words (RFC 2047) are read.
fn decoded(value: &[u8], lossy: &mut bool) -> SmolStr {
    if !value.windows(2).any(|pair| pair == b"=?") {
        return kept(unfolded(value).trim_ascii(), lossy);
    }
    let header =
        [&b"Subject:"[..], value.get(..DECODED_BYTES).unwrap_or(value), b"\r\n\r\n"].concat();
    let message = MessageParser::default().parse_headers(&header);
    let subject = message.as_ref().and_then(|message| message.subject());
    kept(subject.map_or(value.trim_ascii(), str::as_bytes), lossy)
}

/// Bytes of encoded words that are read.
const DECODED_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_a_person_reads_it() {
        let read = |value: &str| decoded(value.as_bytes(), &mut false);
        assert_eq!(read(" Hello"), "Hello");
        assert_eq!(read(" one\n two"), "one two");
        assert_eq!(read(" one\n\ttwo"), "one two");
        let folded = " =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?=\n =?utf-8?Q?_K=C3=B6ln?=";
        assert_eq!(read(folded), "Grüße aus Köln");
        assert_eq!(read(" =?iso-8859-15?B?pCAxMA==?="), "€ 10");
        assert_eq!(read(" =?none?X?"), "=?none?X?");
    }

    #[test]
    fn a_subject_that_is_no_text_is_repaired_and_says_so() {
        let mut lossy = false;
        assert_eq!(decoded(b" caf\xe9", &mut lossy), "caf\u{fffd}");
        assert!(lossy);
    }
}

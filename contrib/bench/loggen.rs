//! Makes a Postfix log of any size: realistic, the same for the same seed, with its truth known.
//!
//! A simulated mail host with many sessions at once. What is to be logged lies in a queue ordered
//! by time, so the lines of hundreds of messages interleave, and what was deferred comes back
//! hours later. One domain never answers: its mail stays in the queue until it expires after five
//! days, so the longer the log, the more is open. One message in ten passes a content filter, and
//! one in five has several recipients. Of the events (status lines and rejects) about two thirds
//! are `sent`, 13 % are `deferred`, 5 % `bounced` and 15 % are rejects; about a third of all lines
//! is connections and TLS, about which there is nothing to tell.

#[path = "filter.rs"]
mod filter;
#[path = "haraka.rs"]
pub(crate) mod haraka;
#[path = "queue_id.rs"]
mod queue_id;
#[path = "random.rs"]
mod random;
#[path = "stamp.rs"]
mod stamp;
#[path = "words.rs"]
mod words;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, Write},
};

use random::Random;
pub(crate) use stamp::Format;
use stamp::Stamper;
use words::{BOUNCES, DEFERRALS, DOMAINS, NAMES};

/// 2026-11-21T00:00:00Z, in microseconds since 1970.
const START: u64 = 1_795_219_200_000_000;
/// Whose log it is.
const HOST: &str = "mx3.outgoing.example.net";
const SECOND: u64 = 1_000_000;
/// Between the beginnings of two sessions, on average 50 ms.
const SESSION_GAP: u64 = 100_000;
/// Waits before the attempts after the first, doubling like Postfix's backoff.
const FIRST_RETRY: u64 = 300 * SECOND;
/// The longest wait (`maximal_backoff_time`).
const LONGEST_RETRY: u64 = 4_000 * SECOND;
/// What Postfix gives up after (`maximal_queue_lifetime`).
const LIFETIME: u64 = 5 * 86_400 * SECOND;
/// The domain whose server never answers.
const DEAD: &str = "dead.example";

/// What the log holds, by its own making.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Lines in all.
    pub lines: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Connections, TLS: lines that tell no event.
    pub noise: u64,
    /// Messages that became active for the first time.
    pub messages: u64,
    /// Recipients whose status was `sent` by a server out there.
    pub sent: u64,
    /// Recipients that were handed to the content filter.
    pub handed_over: u64,
    /// Attempts whose status was `deferred`.
    pub deferred: u64,
    /// Recipients whose status was `bounced`.
    pub bounced: u64,
    /// Refusals before a message existed.
    pub rejected: u64,
}

impl Truth {
    /// One JSON object.
    #[must_use]
    pub(crate) fn to_json(&self) -> String {
        format!(
            "{{\"lines\":{},\"bytes\":{},\"noise\":{},\"messages\":{},\"sent\":{},\
             \"handed_over\":{},\"deferred\":{},\"bounced\":{},\"rejected\":{}}}",
            self.lines,
            self.bytes,
            self.noise,
            self.messages,
            self.sent,
            self.handed_over,
            self.deferred,
            self.bounced,
            self.rejected
        )
    }
}

/// Writes a log of at least `size_bytes`, ending behind a whole line.
///
/// # Errors
/// Those of `out`.
pub(crate) fn generate(
    size_bytes: u64,
    seed: u64,
    format: Format,
    out: impl Write,
) -> io::Result<Truth> {
    let mut host = Host {
        random: Random::new(seed),
        due: BinaryHeap::new(),
        made: 0,
        stamper: Stamper::new(format),
        truth: Truth::default(),
        out,
    };
    let mut session_at = START;
    while host.truth.bytes < size_bytes {
        host.write_until(session_at, size_bytes)?;
        host.session(session_at);
        session_at += host.random.between(0, SESSION_GAP);
    }
    host.out.flush()?;
    Ok(host.truth)
}

/// What kind of line it is, for the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Noise,
    Story,
    Active,
    Sent,
    HandedOver,
    Deferred,
    Bounced,
    Rejected,
}

/// A line that waits for its time: (time, order of making, kind, tag and text).
type Due = Reverse<(u64, u64, Kind, String)>;

/// The simulated host.
struct Host<W> {
    random: Random,
    due: BinaryHeap<Due>,
    made: u64,
    stamper: Stamper,
    truth: Truth,
    out: W,
}

impl<W: Write> Host<W> {
    fn write_until(&mut self, now: u64, size_bytes: u64) -> io::Result<()> {
        while self.truth.bytes < size_bytes
            && self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now)
        {
            if let Some(Reverse((at, _, kind, text))) = self.due.pop() {
                self.write(at, kind, &text)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, kind: Kind, text: &str) -> io::Result<()> {
        let stamp = self.stamper.at(at);
        let line = format!("{stamp} {HOST} {text}\n");
        self.out.write_all(line.as_bytes())?;
        let truth = &mut self.truth;
        truth.lines += 1;
        truth.bytes += line.len() as u64;
        match kind {
            Kind::Noise => truth.noise += 1,
            Kind::Story => {}
            Kind::Active => truth.messages += 1,
            Kind::Sent => truth.sent += 1,
            Kind::HandedOver => truth.handed_over += 1,
            Kind::Deferred => truth.deferred += 1,
            Kind::Bounced => truth.bounced += 1,
            Kind::Rejected => truth.rejected += 1,
        }
        Ok(())
    }

    fn later(&mut self, at: u64, kind: Kind, text: String) {
        self.made += 1;
        self.due.push(Reverse((at, self.made, kind, text)));
    }

    /// One SMTP connection from its `connect` to its `disconnect`.
    fn session(&mut self, start: u64) {
        let pid = self.random.between(1000, 32_000);
        let client = self.client();
        self.later(start, Kind::Noise, format!("postfix/smtpd[{pid}]: connect from {client}"));
        let mut at = start + self.random.between(1_000, 40_000);
        if self.random.in_thousand(500) {
            let text = format!(
                "postfix/smtpd[{pid}]: Anonymous TLS connection established from {client}: TLSv1.3 with \
                 cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519"
            );
            self.later(at, Kind::Noise, text);
        }
        if self.random.in_thousand(310) {
            at = self.reject(at, pid, &client);
        } else {
            at = self.message(at, pid, &client);
            while self.random.in_thousand(250) {
                at = self.message(at, pid, &client);
            }
        }
        let text = format!(
            "postfix/smtpd[{pid}]: disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
        );
        self.later(at + 2_000, Kind::Noise, text);
    }

    fn reject(&mut self, at: u64, pid: u64, client: &str) -> u64 {
        let (from, to) = (self.address(), self.address());
        let why = match self.random.between(0, 3) {
            0 => format!("554 5.7.1 <{to}>: Relay access denied"),
            1 => format!(
                "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table"
            ),
            _ => "554 5.7.1 Service unavailable; Client host blocked using bl.example".to_owned(),
        };
        let text = format!(
            "postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from {client}: {why}; from=<{from}> to=<{to}> \
             proto=ESMTP helo=<mail.{}>",
            self.domain()
        );
        self.later(at + 3_000, Kind::Rejected, text);
        at + 5_000
    }

    /// One message from its `client=` to its first attempts; gives the time when it is accepted.
    fn message(&mut self, at: u64, pid: u64, client: &str) -> u64 {
        let id = queue_id::long(at, self.random.between(200_000, 9_000_000));
        let from = self.address();
        let user = if self.random.in_thousand(300) {
            format!(", sasl_method=PLAIN, sasl_username={from}")
        } else {
            String::new()
        };
        self.later(at, Kind::Story, format!("postfix/smtpd[{pid}]: {id}: client={client}{user}"));
        let header_id = format!("<{:016x}@{}>", self.random.next(), DOMAINS[0]);
        let text = format!("postfix/cleanup[{}]: {id}: message-id={header_id}", pid + 1);
        self.later(at + 12_000, Kind::Story, text);
        let recipients = match self.random.between(0, 100) {
            0..80 => 1,
            80..97 => self.random.between(2, 4),
            _ => self.random.between(5, 20),
        };
        let recipients: Vec<String> = (0..recipients).map(|_| self.recipient()).collect();
        let queued = at + self.random.between(15_000, 60_000);
        let size = self.random.between(900, 90_000);
        let message = Message { id, from, header_id, size };
        self.active(queued, &message, recipients.len() as u64, Kind::Active);
        if self.random.in_thousand(100) {
            let (active_again, passed) = self.through_filter(queued, &message, &recipients);
            self.attempts(active_again, &passed, &recipients);
        } else {
            self.attempts(queued, &message, &recipients);
        }
        queued + 3_000
    }

    fn active(&mut self, at: u64, message: &Message, recipients: u64, kind: Kind) {
        let Message { id, from, size, .. } = message;
        let text = format!(
            "postfix/qmgr[811]: {id}: from=<{from}>, size={size}, nrcpt={recipients} (queue active)"
        );
        self.later(at, kind, text);
    }

    /// Every attempt until no recipient is left.
    fn attempts(&mut self, queued: u64, message: &Message, recipients: &[String]) {
        let mut waiting: Vec<&String> = recipients.iter().collect();
        let (mut at, mut pause) = (queued, FIRST_RETRY);
        loop {
            waiting.retain(|to| !self.attempt(at, queued, &message.id, to));
            let done = at + 900_000;
            if waiting.is_empty() || at > queued + LIFETIME {
                self.end(done, message, !waiting.is_empty());
                return;
            }
            at += pause + self.random.between(0, pause);
            pause = (pause * 2).min(LONGEST_RETRY);
            self.active(at, message, waiting.len() as u64, Kind::Story);
        }
    }

    fn end(&mut self, at: u64, message: &Message, expired: bool) {
        let Message { id, from, .. } = message;
        if expired {
            let text = format!(
                "postfix/qmgr[811]: {id}: from=<{from}>, status=expired, returned to sender"
            );
            self.later(at - 1_000, Kind::Story, text);
        }
        self.later(at, Kind::Story, format!("postfix/qmgr[811]: {id}: removed"));
    }

    /// One status line; true when the recipient is done.
    fn attempt(&mut self, at: u64, queued: u64, id: &str, to: &str) -> bool {
        let pid = self.random.between(1000, 32_000);
        let at = at + self.random.between(60_000, 800_000);
        let host = to.rsplit('@').next().unwrap_or_default();
        if host == DEAD {
            self.later(at, Kind::Deferred, unanswered(pid, id, to, (at - queued) / SECOND));
            return false;
        }
        let relay = format!("mx1.{host}[192.0.2.{}]", self.random.between(1, 255));
        if self.random.in_thousand(280) {
            let text = format!(
                "postfix/smtp[{pid}]: Trusted TLS connection established to {relay}:25: TLSv1.3 with \
                 cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
            );
            self.later(at - 40_000, Kind::Noise, text);
        }
        let (kind, dsn, status, answer) = match self.random.between(0, 1000) {
            0..155 => {
                let answer = self.random.pick(&DEFERRALS);
                let text = format!("host {relay} said: {answer} (in reply to RCPT TO command)");
                (Kind::Deferred, "4.3.0", "deferred", text)
            }
            155..215 => {
                let (dsn, answer) = self.random.pick(&BOUNCES);
                let text = format!("host {relay} said: {answer} (in reply to RCPT TO command)");
                (Kind::Bounced, dsn, "bounced", text)
            }
            _ => {
                let text = format!("250 2.0.0 Ok: queued as {:011X}", self.random.next() >> 20);
                (Kind::Sent, "2.0.0", "sent", text)
            }
        };
        let delay = (at - queued) / 10_000;
        let (whole, hundredths) = (delay / 100, delay % 100);
        let text = format!(
            "postfix/smtp[{pid}]: {id}: to=<{to}>, relay={relay}:25, delay={whole}.{hundredths:02}, \
             delays=0.02/0.01/0.04/0.{hundredths:02}, dsn={dsn}, status={status} ({answer})"
        );
        self.later(at, kind, text);
        kind != Kind::Deferred
    }

    fn recipient(&mut self) -> String {
        if self.random.in_thousand(2) { format!("info@{DEAD}") } else { self.address() }
    }

    fn client(&mut self) -> String {
        let last = self.random.between(1, 255);
        if self.random.in_thousand(150) {
            format!("unknown[198.51.100.{last}]")
        } else {
            format!("mail{last}.{}[198.51.100.{last}]", self.domain())
        }
    }

    fn domain(&mut self) -> &'static str {
        self.random.pick(&DOMAINS)
    }

    fn address(&mut self) -> String {
        let name = self.random.pick(&NAMES);
        format!("{name}{}@{}", self.random.between(0, 5000), self.domain())
    }
}

/// The status line about a server that cannot be reached.
fn unanswered(pid: u64, id: &str, to: &str, delay: u64) -> String {
    format!(
        "postfix/smtp[{pid}]: {id}: to=<{to}>, relay=none, delay={delay}, delays={delay}/0.01/30/0, \
         dsn=4.4.1, status=deferred (connect to mx1.{DEAD}[192.0.2.66]:25: Connection timed out)"
    )
}

/// What every line about a message repeats.
struct Message {
    id: String,
    from: String,
    /// The Message-ID, in its brackets.
    header_id: String,
    size: u64,
}

#[cfg(test)]
mod tests {
    use super::{Format, Truth, generate};

    fn made(seed: u64, format: Format) -> (Truth, String) {
        let mut bytes = Vec::new();
        let truth = generate(2_000_000, seed, format, &mut bytes).unwrap();
        (truth, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_same_seed_gives_the_same_log() {
        assert_eq!(made(1, Format::Rfc3339), made(1, Format::Rfc3339));
        assert_ne!(made(1, Format::Rfc3339).1, made(2, Format::Rfc3339).1);
    }

    #[test]
    fn the_truth_is_what_the_log_holds() {
        for format in [Format::Rfc3339, Format::Traditional] {
            let (truth, text) = made(7, format);
            let having =
                |part: &str| text.lines().filter(|line| line.contains(part)).count() as u64;
            assert_eq!(truth.bytes, text.len() as u64);
            assert_eq!(truth.lines, text.lines().count() as u64);
            assert_eq!(truth.deferred, having(", status=deferred ("));
            assert_eq!(truth.handed_over, having(", status=sent (250 2.0.0 from MTA"));
            assert_eq!(truth.bounced, having(", status=bounced (host "));
            assert_eq!(truth.sent, having(", status=sent (250 2.0.0 Ok"));
            assert_eq!(truth.rejected, having(": NOQUEUE: reject: "));
            let noise = having(": connect from ") + having(": disconnect from ");
            assert_eq!(truth.noise, noise + having(" TLS connection established "));
        }
    }

    #[test]
    fn the_mixture_is_that_of_a_real_host() {
        let (truth, _) = made(3, Format::Rfc3339);
        let events = truth.sent + truth.deferred + truth.bounced + truth.rejected;
        let percent = |part: u64, whole: u64| part * 100 / whole;
        assert!((62..72).contains(&percent(truth.sent, events)), "{truth:?}");
        assert!((10..16).contains(&percent(truth.deferred, events)), "{truth:?}");
        assert!((3..7).contains(&percent(truth.bounced, events)), "{truth:?}");
        assert!((12..18).contains(&percent(truth.rejected, events)), "{truth:?}");
        assert!((30..40).contains(&percent(truth.noise, truth.lines)), "{truth:?}");
        assert!((18..26).contains(&percent(events, truth.lines)), "{truth:?}");
        assert!((160..200).contains(&(truth.bytes / truth.lines)), "{truth:?}");
    }

    #[test]
    fn a_log_has_filter_chains_concurrency_and_mail_that_stays() {
        let (truth, text) = made(3, Format::Rfc3339);
        assert!(truth.handed_over > truth.messages / 20, "{truth:?}");
        let having = |part: &str| text.lines().filter(|line| line.contains(part)).count() as u64;
        assert_eq!(having(", relay=127.0.0.1[127.0.0.1]:10024, "), truth.handed_over);
        assert_eq!(having(" Passed CLEAN "), having(": client=localhost[127.0.0.1]"));
        assert!(having("nrcpt=1 (queue active)") < having(" (queue active)"));
        assert!(having(super::DEAD) > 0);
        // Between two lines of a message mostly lies one of another.
        let id = |line: &str| line.split(' ').nth(3).map(str::to_owned);
        let ids: Vec<_> = text.lines().map(id).collect();
        let same = ids.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same * 5 < ids.len(), "{same} of {}", ids.len());
    }

    #[test]
    fn lines_are_in_the_order_of_their_time() {
        let (_, text) = made(5, Format::Rfc3339);
        let stamps: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(stamps.is_sorted());
    }
}

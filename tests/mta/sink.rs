//! The rest of the world: an SMTP server that answers by the recipient's local part, and remembers
//! what it answered. That memory is the ground truth of the tests.
//!
//! | local part begins with | answer |
//! |---|---|
//! | `tempfail` | 451 4.3.0 to RCPT, always |
//! | `flaky` | 451 4.3.0 to the first RCPT, then 250 |
//! | `nouser` | 550 5.1.1 to RCPT |
//! | `policy` | 550 5.7.1 to RCPT |
//! | `drop` | closes the connection instead of answering RCPT |
//! | `vanish` | closes the connection instead of answering the end of DATA |
//! | anything else | 250 |

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// What one recipient got in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 250 to the end of DATA.
    Accepted,
    /// 451 4.3.0.
    Later,
    /// 550 5.1.1.
    NoUser,
    /// 550 5.7.1.
    Policy,
    /// None: the connection was closed.
    Hangup,
}

/// One recipient of one transaction.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Envelope sender; empty for the null sender.
    pub(crate) from: String,
    /// Envelope recipient.
    pub(crate) to: String,
    /// What we said.
    pub(crate) answer: Answer,
}

/// The server. It ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    address: SocketAddr,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    mails: Arc<Mutex<HashMap<String, String>>>,
}

impl Sink {
    /// Listens on a free port of an address that no client of the tests uses.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound listener has an address");
        let sink = Self { address, attempts: Arc::default(), mails: Arc::default() };
        let server = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A connection that breaks off concerns nobody else.
                thread::spawn(move || server.converse(&stream).ok());
            }
        });
        sink
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything so far, oldest first.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answers that one recipient got, oldest first.
    pub(crate) fn answers_to(&self, recipient: &str) -> Vec<Answer> {
        let all = self.attempts();
        all.iter().filter(|attempt| attempt.to == recipient).map(|a| a.answer).collect()
    }

    /// The last message that was accepted for a recipient, headers and all.
    pub(crate) fn mail_to(&self, recipient: &str) -> Option<String> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).get(recipient).cloned()
    }

    fn keep(&self, to: &str, mail: &str) {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.insert(to.to_owned(), mail.to_owned());
    }

    fn note(&self, from: &str, to: &str, answer: Answer) {
        let attempt = Attempt { from: from.to_owned(), to: to.to_owned(), answer };
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
    }

    fn converse(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut session = Session { sink: self, stream, from: String::new(), to: Vec::new() };
        session.say("220 sink.test ESMTP")?;
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next() {
            let line = line?;
            let keep = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "DATA" => session.data(&mut lines)?,
                "QUIT" => {
                    session.say("221 2.0.0 Bye")?;
                    false
                }
                _ => session.command(&line)?,
            };
            if !keep {
                break;
            }
        }
        Ok(())
    }
}

/// One connection. Commands give false when the connection is to be closed.
struct Session<'a> {
    sink: &'a Sink,
    stream: &'a TcpStream,
    from: String,
    to: Vec<String>,
}

impl Session<'_> {
    fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes())
    }

    fn command(&mut self, line: &str) -> std::io::Result<bool> {
        if let Some(recipient) = argument(line, "RCPT TO:") {
            return self.recipient(recipient);
        }
        if let Some(sender) = argument(line, "MAIL FROM:") {
            sender.clone_into(&mut self.from);
            self.to.clear();
        }
        self.say("250 2.0.0 Ok")?;
        Ok(true)
    }

    fn recipient(&mut self, to: &str) -> std::io::Result<bool> {
        let known = !self.sink.answers_to(to).is_empty();
        let (answer, reply) = match local_kind(to) {
            "tempfail" => (Answer::Later, "451 4.3.0 Try again later"),
            "flaky" if !known => (Answer::Later, "451 4.3.0 Try again later"),
            "nouser" => (Answer::NoUser, "550 5.1.1 User unknown"),
            "policy" => (Answer::Policy, "550 5.7.1 Refused by policy"),
            "drop" => {
                self.sink.note(&self.from, to, Answer::Hangup);
                return Ok(false);
            }
            _ => {
                self.to.push(to.to_owned());
                self.say("250 2.1.5 Ok")?;
                return Ok(true);
            }
        };
        self.sink.note(&self.from, to, answer);
        self.say(reply)?;
        Ok(true)
    }

    fn data(
        &mut self,
        lines: &mut impl Iterator<Item = std::io::Result<String>>,
    ) -> std::io::Result<bool> {
        if self.to.is_empty() {
            self.say("554 5.5.1 No valid recipients")?;
            return Ok(true);
        }
        self.say("354 End with a dot")?;
        let mut mail = String::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
            // RFC 5321 §4.5.2.
            mail += line.strip_prefix('.').unwrap_or(&line);
            mail += "\r\n";
        }
        let vanish = self.to.iter().any(|to| local_kind(to) == "vanish");
        let answer = if vanish { Answer::Hangup } else { Answer::Accepted };
        // Noted before it is said: what the other side has read is always in the memory.
        for to in std::mem::take(&mut self.to) {
            self.sink.keep(&to, &mail);
            self.sink.note(&self.from, &to, answer);
        }
        if !vanish {
            self.say("250 2.0.0 Ok: delivered")?;
        }
        Ok(!vanish)
    }
}

/// The address in `RCPT TO:<a@b> …`.
fn argument<'a>(line: &'a str, command: &str) -> Option<&'a str> {
    let head = line.get(..command.len())?;
    let rest = line.get(command.len()..)?.trim_start();
    let inner = rest.strip_prefix('<')?.split_once('>')?.0;
    head.eq_ignore_ascii_case(command).then_some(inner)
}

/// The local part up to its first `-` or to the `@`.
fn local_kind(address: &str) -> &str {
    address.split(['-', '@']).next().unwrap_or_default()
}

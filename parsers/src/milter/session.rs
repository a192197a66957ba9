//! A connection of a mail server, from its negotiation to its end. It lets every message through.

use super::{Answer, BadLength, Command, Frames, Malformed, Protocol, Reply, Unusable};

/// Bytes of a body after which no more of it is wanted.
const BODY_BYTES: usize = 256 * 1024;

/// What is asked of the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// DATA is answered. Over TCP it must be: with no answer between DATA, which smtpd writes, and
    /// the headers, which cleanup writes, Nagle's algorithm makes each message wait for a delayed
    /// acknowledgement, some 40 ms.
    pub answers_data: bool,
    /// The body of some messages is wanted. Then the end of each one's headers is answered.
    pub may_want_body: bool,
}

/// Who looks on.
pub trait Observer {
    /// Each command, in order, before it is answered. Whatever is to be kept of a message must be
    /// kept when this returns from [`Command::EndOfBody`].
    fn see(&mut self, command: &Command<'_>);

    /// The headers are over. False when no body is wanted: then this message has no further
    /// commands, so what is to be kept of it must be kept now. Asked only if
    /// [`Wanted::may_want_body`].
    fn wants_body(&mut self) -> bool {
        false
    }
}

/// Why a connection cannot go on. With `milter_default_action = accept`, the mail of it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// No mail server sends frames like that.
    Length(BadLength),
    /// A command that nobody knows, or that lacks something.
    Command(Malformed),
    /// No common version.
    Version(Unusable),
    /// The negotiation was not the first command, or came twice.
    Order,
}

/// One connection. The same bytes give the same replies, whatever pieces they come in.
#[derive(Debug)]
pub struct Session {
    wanted: Wanted,
    frames: Frames,
    agreed: Option<Answer>,
    /// Of the message under way.
    body_bytes: usize,
}

impl Session {
    /// One that has not begun.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, frames: Frames::default(), agreed: None, body_bytes: 0 }
    }

    /// Takes bytes in, shows what they say to `observer` and appends the answers to `replies`. All
    /// commands in them are answered before this returns. True when the mail server said that it
    /// is done.
    ///
    /// # Errors
    /// [`Broken`]: the connection is to be closed. The answers to what came before are good.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        observer: &mut impl Observer,
        replies: &mut Vec<u8>,
    ) -> Result<bool, Broken> {
        while let Some(frame) = self.frames.next(&mut bytes).map_err(Broken::Length)? {
            let command = Command::of(&frame).map_err(Broken::Command)?;
            let reply = match (command, self.agreed) {
                (Command::Quit, _) => return Ok(true),
                (Command::Negotiate(offer), None) => {
                    let answer = offer.answer(self.wanted).map_err(Broken::Version)?;
                    self.agreed = Some(answer);
                    Some(Reply::Negotiated(answer))
                }
                (Command::Negotiate(_), Some(_)) | (_, None) => return Err(Broken::Order),
                (_, Some(agreed)) => {
                    observer.see(&command);
                    let may_pass = self.wanted.may_want_body;
                    answer(&command, agreed.protocol, &mut self.body_bytes, || {
                        may_pass && !observer.wants_body()
                    })
                }
            };
            if let Some(reply) = reply {
                reply.write(replies);
            }
        }
        Ok(false)
    }
}

/// The answer to a command, if it is to have one.
fn answer(
    command: &Command<'_>,
    agreed: Protocol,
    body_bytes: &mut usize,
    is_over: impl FnOnce() -> bool,
) -> Option<Reply> {
    let unless = |silent| (!agreed.has(silent)).then_some(Reply::Continue);
    match command {
        Command::Negotiate(_)
        | Command::Macros(_)
        | Command::Abort
        | Command::Quit
        | Command::NextClient => None,
        Command::Connect(_) => unless(Protocol::SILENT_CONNECT),
        Command::Helo(_) => unless(Protocol::SILENT_HELO),
        Command::Mail(_) => unless(Protocol::SILENT_MAIL),
        Command::Recipient(_) => unless(Protocol::SILENT_RECIPIENT),
        Command::Data => unless(Protocol::SILENT_DATA),
        Command::Header { .. } => unless(Protocol::SILENT_HEADER),
        Command::Unknown(_) => unless(Protocol::SILENT_UNKNOWN),
        Command::EndOfHeaders => {
            *body_bytes = 0;
            end_of_headers(agreed, is_over)
        }
        Command::Body(piece) => {
            *body_bytes += piece.len();
            let is_enough = *body_bytes >= BODY_BYTES && agreed.has(Protocol::SKIP);
            Some(if is_enough { Reply::Skip } else { Reply::Continue })
        }
        Command::EndOfBody => Some(Reply::Continue),
    }
}

/// A server that cannot leave this answer out gets it, and then the rest of the message is told, too.
fn end_of_headers(agreed: Protocol, is_over: impl FnOnce() -> bool) -> Option<Reply> {
    let is_silent = agreed.has(Protocol::SILENT_END_OF_HEADERS);
    (!is_silent).then(|| if is_over() { Reply::Accept } else { Reply::Continue })
}

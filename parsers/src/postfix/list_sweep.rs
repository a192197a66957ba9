//! Which semicolons the list of [`super::list`] can begin at, in one pass from the right.
//!
//! A stranger can put hundreds of semicolons into a line, and after each of them an address that
//! only the end of the line ends. Reading the tail of each would take time that grows with the
//! square of the line, so the pass carries along what is already known of every tail: at each byte,
//! how a list would read on if that byte stood inside an address. No byte is looked at more than a
//! few times: runs of letters and words are only read behind their own name, and none of them
//! reaches into the next.

use super::list::ends_helo;

/// What is known of the bytes behind the current one.
#[derive(Debug, Default)]
struct Sweep<'a> {
    said: &'a [u8],
    /// No user name reaches over this place.
    no_user: Option<usize>,
    inside: Inside,
    /// The last ` from=<` passed: where its address begins, and how that ends.
    from: Named,
    /// As for ` to=<`.
    to: Named,
    /// Behind the next bracket that can end a HELO name, everything reads.
    behind_helo: bool,
}

/// Where an address begins behind a name, and what follows its end.
#[derive(Debug, Default, Clone, Copy)]
struct Named {
    at: usize,
    behind: Behind,
}

/// What follows the end of an address reads to the end of the line.
#[derive(Debug, Default, Clone, Copy)]
struct Behind {
    /// As what follows a sender.
    sender: bool,
    /// As what follows a recipient.
    recipient: bool,
}

/// How an address ends that the current byte is inside of (`address.rs`, `end()`), by the part of
/// it that the byte belongs to.
#[derive(Debug, Default, Clone, Copy)]
struct Inside {
    local: Behind,
    domain: Behind,
    literal: Behind,
    quoted: Behind,
    /// `quoted`, for the byte behind.
    quoted_next: Behind,
    /// The byte is the address's first one.
    start: Behind,
}

/// The last two semicolons behind which everything reads to the end. No user name reaches over
/// `no_user`.
pub(super) fn right_most_two(said: &[u8], no_user: Option<usize>) -> [Option<usize>; 2] {
    let mut sweep = Sweep { said, no_user, ..Sweep::default() };
    let mut last = None;
    for (at, &byte) in said.iter().enumerate().rev() {
        if byte == b';' && sweep.list(at + 1) {
            if last.is_some() {
                return [last, Some(at)];
            }
            last = Some(at);
        }
        sweep.pass(at, byte);
    }
    [last, None]
}

impl Sweep<'_> {
    fn pass(&mut self, at: usize, byte: u8) {
        let behind = if byte == b'>' {
            let rest = at + 1;
            Behind { sender: self.after_sender(rest), recipient: self.after_recipient(rest) }
        } else {
            Behind::default()
        };
        // Before the first byte of the rest is looked at: it may end a name itself.
        if byte == b'>' && self.said.get(at + 1..).is_some_and(ends_helo) {
            self.behind_helo = self.sasl(at + 1);
        }
        self.inside = self.inside.before(byte, behind);
        let before = self.said.get(..at).unwrap_or_default();
        let named = Named { at, behind: self.inside.start };
        if before.ends_with(b" from=<") {
            self.from = named;
        } else if before.ends_with(b" to=<") {
            self.to = named;
        }
    }

    /// A list reads from `at`, behind its semicolon.
    fn list(&self, at: usize) -> bool {
        match self.named(at, b" from=<") {
            Some(value) => self.from.at == value && self.from.behind.sender,
            None => self.after_sender(at),
        }
    }

    fn after_sender(&self, at: usize) -> bool {
        match self.named(at, b" to=<") {
            Some(value) => self.to.at == value && self.to.behind.recipient,
            None => self.after_recipient(at),
        }
    }

    fn after_recipient(&self, at: usize) -> bool {
        let at = match self.named(at, b" proto=").map(|value| (value, self.run(value, is_letter))) {
            Some((value, end)) if end > value => end,
            Some(_) => return false,
            None => at,
        };
        match self.named(at, b" helo=<") {
            Some(_) => self.behind_helo,
            None => self.sasl(at),
        }
    }

    /// What an authenticated client adds.
    fn sasl(&self, at: usize) -> bool {
        let Some(at) = self.word(at, b" sasl_method=") else { return false };
        if let Some(user) = self.named(at, b" sasl_username=") {
            return user < self.said.len() && self.no_user.is_none_or(|place| place < user);
        }
        self.word(at, b" sasl_sender=").is_some_and(|end| end == self.said.len())
    }

    /// Behind a name and its word, or `at` when the name is not there. None for a name alone.
    fn word(&self, at: usize, name: &[u8]) -> Option<usize> {
        let Some(value) = self.named(at, name) else { return Some(at) };
        let end = self.run(value, |byte| byte != b' ' && byte != b',');
        (end > value).then_some(end)
    }

    /// Behind `name`; none when it is not at `at`.
    fn named(&self, at: usize, name: &[u8]) -> Option<usize> {
        self.said.get(at..)?.starts_with(name).then_some(at + name.len())
    }

    /// Behind the bytes from `at` on that are as `is_in` says.
    fn run(&self, at: usize, is_in: impl Fn(u8) -> bool) -> usize {
        let rest = self.said.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| is_in(**byte)).count()
    }
}

impl Inside {
    /// For the byte before, which is `byte`; `behind` it when it ends an address.
    fn before(self, byte: u8, behind: Behind) -> Self {
        let mut inside = Self { quoted_next: self.quoted, ..self };
        match byte {
            b'>' => (inside.local, inside.domain) = (behind, behind),
            b'@' => inside.local = self.domain,
            b'[' => inside.domain = self.literal,
            b']' => inside.literal = self.domain,
            b'"' => inside.quoted = self.local,
            b'\\' => inside.quoted = self.quoted_next,
            _ => {}
        }
        inside.start = if byte == b'"' { self.quoted } else { inside.local };
        inside
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

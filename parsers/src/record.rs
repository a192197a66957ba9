//! The value that every line becomes, and the parser that makes it.
//!
//! A [`Parser`] remembers the previous line's stamp, because consecutive lines mostly share it, and
//! owns the memory that escaped texts are written to. The answer for a line does not depend on what
//! was parsed before, but for one case: of a line that a container runtime split, the last part is
//! read as all of it, and the others as nothing ([`Reason::Partial`]).

pub use crate::header::Process;
use crate::{
    filters, gap, haraka, haraka_plugin,
    header::{self, Header, Program},
    postfix,
    time::Stamp,
};

/// One line of a log, split into its fields. Borrows from the line and the parser.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord<'a> {
    /// What the line is known by: the line as given, with two exceptions. Of an entry of the journal as
    /// JSON the order of members changes from export to export, so that is its canonical line
    /// ([`crate::journal`]). What a container's runtime split is known by the line that it would have
    /// been. Either reads as the same record again, but for an exact stamp.
    pub line: &'a [u8],
    /// When it was logged, as far as the line says.
    pub stamp: Stamp,
    /// Host name as logged; empty when the line has none.
    pub host: &'a [u8],
    /// Who logged it.
    pub process: Process<'a>,
    /// How many identical occurrences the logging system folded into this line
    /// (`message repeated N times: [ … ]`); 1 for an ordinary line. An ignored line may stand for
    /// earlier ones that it does not name (`last message repeated N times`).
    pub repeated: u32,
    /// What it says.
    pub body: Body<'a>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// A line of a Postfix daemon that tells something about a message or a client.
    Postfix(postfix::Entry<'a>),
    /// A record of Haraka that tells something about a message or a client.
    Haraka(haraka::Record<'a>),
    /// A line of our plugin for Haraka.
    HarakaPlugin(haraka_plugin::Record<'a>),
    /// The logging system lost lines here, of whichever program.
    Gap(crate::Gap),
    /// What a filter or a policy server says about a message.
    Filter(filters::Verdict<'a>),
    /// Known, and on purpose without meaning for any message: `connect from`, `statistics:`, TLS
    /// lines, lines of other programs.
    Ignored,
    /// Not understood.
    Unrecognised(Reason),
}

/// Why a line was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No known logging prefix.
    Header,
    /// A part of a line that a container runtime split, in front of its last one; or that one, where
    /// the line is longer than 64 KiB.
    Partial,
    /// A Postfix tag, but a text that fits none of its shapes.
    Text,
    /// It begins like a delivery status line, and breaks off or breaks the grammar.
    DeliveryStatus,
    /// It begins like a refusal, and breaks the grammar.
    Reject,
    /// It begins like a filter's verdict, and breaks the grammar.
    Filter,
}

/// Parses lines. Cheap to make; keep one for each stream to profit from its memory.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    header: header::Splitter,
}

impl Parser {
    /// A parser with an empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on behind lines that left this [unfinished](Self::unfinished).
    #[must_use]
    pub fn resume(unfinished: [&[u8]; 2]) -> Self {
        Self { header: header::Splitter::resume(unfinished) }
    }

    /// What there is of lines that a container runtime split and that have not ended yet: of standard
    /// output and of standard error, at most 64 KiB and a byte each, mostly nothing.
    #[must_use]
    pub fn unfinished(&self) -> [&[u8]; 2] {
        self.header.unfinished()
    }

    /// Parses one line, given without its line end. Never fails, never panics.
    ///
    /// What the record borrows lies in the line, or in the parser where the line had it escaped.
    pub fn parse<'a>(&'a mut self, line: &'a [u8]) -> LogRecord<'a> {
        if let Some(header) = self.header.of_postfix(line) {
            // Read below as well. Here no part has to wait in memory for what the others are.
            let Header { stamp, host, process, text, .. } = header;
            let (repeated, text) = header::unfold(text);
            let body = postfix::read(process.service, text);
            return LogRecord { line, stamp, host, process, repeated, body };
        }
        match haraka_plugin::read(line) {
            Some(record) => record,
            None => read(line, self.header.split(line)),
        }
    }

    /// Tells that the next line does not follow the previous one: it is of another file, or lines
    /// were left out.
    pub fn turn(&mut self) {
        self.header.turn();
    }
}

impl<'a> LogRecord<'a> {
    fn without_header(line: &'a [u8], reason: Reason) -> Self {
        Self {
            line,
            stamp: Stamp::Missing,
            host: b"",
            process: Process::default(),
            repeated: 1,
            body: Body::Unrecognised(reason),
        }
    }
}

/// The record of a line that was split.
fn read<'a>(line: &'a [u8], split: Result<header::Split<'a>, Reason>) -> LogRecord<'a> {
    let header::Split { line, header } = match split {
        Ok(split) => split,
        Err(Reason::Partial) => return LogRecord::without_header(line, Reason::Partial),
        Err(reason) => {
            return filters::own_file(line)
                .unwrap_or_else(|| LogRecord::without_header(line, reason));
        }
    };
    let (repeated, text) = header::unfold(header.text);
    let body = match header.program {
        Program::Postfix => postfix::read(header.process.service, text),
        Program::Haraka if haraka::is_raw(text) => Body::Ignored,
        Program::Haraka => haraka::read(text),
        Program::Other => other_program(&header.process, text),
    };
    let Header { stamp, host, process, .. } = header;
    LogRecord { line, stamp, host, process, repeated, body }
}

/// A line that is not of Postfix: of a filter, or about lines that were lost.
fn other_program<'a>(process: &Process<'a>, text: &'a [u8]) -> Body<'a> {
    match gap::read(process.tag, text) {
        Some(gap) => Body::Gap(gap),
        None => filters::read(process, text),
    }
}

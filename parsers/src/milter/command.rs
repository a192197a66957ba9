//! What a frame says (`mfdef.h`, `SMFIC_*`).
//!
//! Texts are bytes as they came: names and values may hold anything but NUL.

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_while},
    combinator::opt,
    number::complete::{be_u16, be_u32, u8},
    sequence::terminated,
};

use super::{Actions, Frame, Macros, Offer, Protocol, macros::Texts};

/// One command of the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// What it can do: the first command of a connection.
    Negotiate(Offer),
    /// Macros for the command that follows.
    Macros(Macros<'a>),
    /// A client connected.
    Connect(Connection<'a>),
    /// HELO or EHLO, with the client's name for itself.
    Helo(&'a [u8]),
    /// MAIL FROM.
    Mail(Path<'a>),
    /// RCPT TO.
    Recipient(Path<'a>),
    /// DATA. Since version 4.
    Data,
    /// One header.
    Header {
        /// Before the colon.
        name: &'a [u8],
        /// Behind it, with its folds (`\n` or `\r\n`). A blank at its beginning is there if
        /// [`Protocol::HEADER_LEADING_SPACE`] was agreed on.
        value: &'a [u8],
    },
    /// The empty line behind the headers.
    EndOfHeaders,
    /// A piece of the body.
    Body(&'a [u8]),
    /// The message is complete; the mail server waits for the verdict.
    EndOfBody,
    /// This message is over, with or without a verdict. The connection goes on.
    Abort,
    /// A verb that the mail server does not know. Since version 3.
    Unknown(&'a [u8]),
    /// The connection ends.
    Quit,
    /// This client is over, another may follow on the same connection. Since version 6.
    NextClient,
}

/// The client of an SMTP session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection<'a> {
    /// Its verified name; `[192.0.2.1]` where it has none.
    pub name: &'a [u8],
    /// What kind of address it has.
    pub family: Family,
    /// Zero where there is none.
    pub port: u16,
    /// Its address; a path for [`Family::Unix`], empty for [`Family::Unknown`]. Sendmail puts
    /// `IPv6:` before an address of that kind.
    pub address: &'a [u8],
}

/// Kinds of addresses (`mfdef.h`, `SMFIA_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Family {
    Unknown,
    Unix,
    Inet,
    Inet6,
}

/// An address of the envelope, and what ESMTP says with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    /// As the client gave it, with its brackets where there were any.
    pub address: &'a [u8],
    /// `SIZE=300`, `NOTIFY=NEVER`, and so on.
    pub arguments: Arguments<'a>,
}

impl<'a> Path<'a> {
    /// The address without its brackets.
    #[must_use]
    pub fn bare(&self) -> &'a [u8] {
        let inner = self.address.strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">"));
        inner.unwrap_or(self.address)
    }
}

/// The arguments of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a>(&'a [u8]);

impl<'a> Arguments<'a> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Texts(self.0)
    }
}

/// A command that is none of the protocol's, or lacks what it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The command byte.
    pub code: u8,
}

impl<'a> Command<'a> {
    /// Reads a frame. What follows the last thing that a command is known to have is passed over.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn of(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let Frame { code, data, .. } = *frame;
        let command = match code {
            b'A' => Self::Abort,
            b'B' => Self::Body(data),
            b'E' => Self::EndOfBody,
            b'H' => Self::Helo(first_text(data)),
            b'K' => Self::NextClient,
            b'M' => Self::Mail(path(data)),
            b'N' => Self::EndOfHeaders,
            b'Q' => Self::Quit,
            b'R' => Self::Recipient(path(data)),
            b'T' => Self::Data,
            b'U' => Self::Unknown(first_text(data)),
            b'C' => known(code, connection(data)).map(Self::Connect)?,
            b'D' => known(code, macros(data)).map(Self::Macros)?,
            b'L' => known(code, header(data))?,
            b'O' => known(code, offer(data)).map(Self::Negotiate)?,
            _ => return Err(Malformed { code }),
        };
        Ok(command)
    }
}

fn known<T>(code: u8, read: IResult<&[u8], T>) -> Result<T, Malformed> {
    read.map(|(_, value)| value).map_err(|_| Malformed { code })
}

fn first_text(data: &[u8]) -> &[u8] {
    Texts(data).next().unwrap_or_default()
}

fn path(data: &[u8]) -> Path<'_> {
    let mut texts = Texts(data);
    let address = texts.next().unwrap_or_default();
    Path { address, arguments: Arguments(texts.0) }
}

/// A text and its NUL. One that was cut off lacks that.
fn text(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(take_while(|byte| byte != 0), opt(tag(&b"\0"[..]))).parse(input)
}

fn header(input: &[u8]) -> IResult<&[u8], Command<'_>> {
    (text, text).map(|(name, value)| Command::Header { name, value }).parse(input)
}

fn macros(input: &[u8]) -> IResult<&[u8], Macros<'_>> {
    let (pairs, command) = u8(input)?;
    Ok((b"", Macros::new(command, pairs)))
}

fn offer(input: &[u8]) -> IResult<&[u8], Offer> {
    let make = |(version, actions, protocol)| Offer {
        version,
        actions: Actions(actions),
        protocol: Protocol(protocol),
    };
    (be_u32, be_u32, be_u32).map(make).parse(input)
}

/// Name, family, and, unless that is unknown, port and address. A unix socket has the two bytes of
/// a port, too (Postfix `milter8.c`, `milter8_conn_event()`).
fn connection(input: &[u8]) -> IResult<&[u8], Connection<'_>> {
    let (rest, (name, family)) = (text, u8).parse(input)?;
    let family = match family {
        b'L' => Family::Unix,
        b'4' => Family::Inet,
        b'6' => Family::Inet6,
        _ => {
            return Ok((rest, Connection { name, family: Family::Unknown, port: 0, address: b"" }));
        }
    };
    (be_u16, text).map(|(port, address)| Connection { name, family, port, address }).parse(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: u8, data: &[u8]) -> Result<Command<'_>, Malformed> {
        Command::of(&Frame { code, data, is_cut: false })
    }

    #[test]
    fn each_kind_of_client_address_is_read() {
        let cases: [(&[u8], Family, u16, &[u8]); 5] = [
            (b"mx.test\x004\x04\xd2192.0.2.1\0", Family::Inet, 1234, b"192.0.2.1"),
            (b"mx.test\x006\x04\xd22001:db8::1\0", Family::Inet6, 1234, b"2001:db8::1"),
            (b"mx.test\0L\0\0/run/x\0", Family::Unix, 0, b"/run/x"),
            (b"mx.test\0U", Family::Unknown, 0, b""),
            (b"mx.test\x004\x04\xd2192.0.2.1", Family::Inet, 1234, b"192.0.2.1"),
        ];
        for (data, family, port, address) in cases {
            let expected = Connection { name: b"mx.test", family, port, address };
            assert_eq!(read(b'C', data), Ok(Command::Connect(expected)));
        }
    }

    #[test]
    fn a_path_has_its_brackets_and_its_arguments() {
        let Ok(Command::Mail(path)) = read(b'M', b"<a@b.test>\0SIZE=3\0BODY=8BITMIME\0") else {
            panic!("it is one")
        };
        assert_eq!((path.address, path.bare()), (&b"<a@b.test>"[..], &b"a@b.test"[..]));
        let arguments: Vec<_> = path.arguments.iter().collect();
        assert_eq!(arguments, [&b"SIZE=3"[..], b"BODY=8BITMIME"]);
        let Ok(Command::Recipient(path)) = read(b'R', b"root") else { panic!("it is one") };
        assert_eq!((path.bare(), path.arguments.iter().count()), (&b"root"[..], 0));
    }

    #[test]
    fn what_lacks_its_parts_is_malformed_and_so_is_what_nobody_knows() {
        for (code, data) in [
            (b'O', &b"\0\0\0\x06\0\0\0\x01\0\0\0"[..]),
            (b'C', b"mx.test\0"),
            (b'C', b"mx.test\x004\x04"),
            (b'D', b""),
            (b'x', b"anything"),
            (0, b""),
        ] {
            assert_eq!(read(code, data), Err(Malformed { code }), "{data:?}");
        }
    }

    #[test]
    fn macros_may_be_none() {
        let Ok(Command::Macros(macros)) = read(b'D', b"H") else { panic!("they are") };
        assert_eq!((macros.command, macros.iter().count()), (b'H', 0));
    }
}

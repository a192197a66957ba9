//! A small SMTP client that says exactly what it is told to say.

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use data_encoding::BASE64;
use tokio::net::TcpSocket;

use crate::sasl;

/// Loopback answers at once, unless something hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// 250, 550, …
    pub(crate) code: u16,
    /// Text of the last line, with the code.
    pub(crate) text: String,
}

/// One message to send.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// Envelope sender.
    pub(crate) from: String,
    /// Envelope recipients.
    pub(crate) to: Vec<String>,
}

impl Mail {
    /// From the usual sender.
    pub(crate) fn to(recipients: &[&str]) -> Self {
        let to = recipients.iter().map(|&recipient| recipient.to_owned()).collect();
        Self { from: "bob@sender.test".to_owned(), to }
    }
}

/// A connection to a server, greeted and introduced.
#[derive(Debug)]
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects from an address of one's own choice.
    pub(crate) fn connect(from: IpAddr, server: SocketAddr) -> Self {
        let stream = bound_stream(from, server).expect("the server listens");
        stream.set_read_timeout(Some(LIMIT)).expect("the limit is not zero");
        let mut client = Self { reader: BufReader::new(stream) };
        client.expect(220);
        client.say("EHLO client.test");
        client.expect(250);
        client
    }

    /// Authenticates as [`sasl::USER`].
    pub(crate) fn authenticate(&mut self) {
        let initial = BASE64.encode(format!("\0{}\0{}", sasl::USER, sasl::PASSWORD).as_bytes());
        self.say(&format!("AUTH PLAIN {initial}"));
        self.expect(235);
    }

    /// Sends one message and gives the answer to each RCPT, in order. Recipients that are refused
    /// do not hinder the others.
    pub(crate) fn send(&mut self, mail: &Mail) -> Vec<Reply> {
        self.say(&format!("MAIL FROM:<{}>", mail.from));
        self.expect(250);
        let replies: Vec<Reply> = mail.to.iter().map(|to| self.recipient(to)).collect();
        if replies.iter().any(|reply| reply.code == 250) {
            self.say("DATA");
            self.expect(354);
            self.say(&format!("From: <{}>\r\nSubject: hello\r\n\r\nHello.\r\n.", mail.from));
            self.expect(250);
        } else {
            self.say("RSET");
            self.expect(250);
        }
        replies
    }

    /// Says one thing, and expects that answer.
    pub(crate) fn step(&mut self, line: &str, code: u16) {
        self.say(line);
        self.expect(code);
    }

    fn recipient(&mut self, to: &str) -> Reply {
        self.say(&format!("RCPT TO:<{to}>"));
        self.reply()
    }

    fn say(&mut self, line: &str) {
        let bytes = format!("{line}\r\n");
        self.reader.get_mut().write_all(bytes.as_bytes()).expect("the server reads");
    }

    fn reply(&mut self) -> Reply {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("the server answers");
            let text = line.trim_end().to_owned();
            let code = text.get(..3).and_then(|code| code.parse().ok());
            if text.as_bytes().get(3) != Some(&b'-') {
                return Reply { code: code.expect("a reply begins with its code"), text };
            }
        }
    }

    fn expect(&mut self, code: u16) {
        let reply = self.reply();
        assert_eq!(reply.code, code, "the server said {:?}", reply.text);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The server may have gone first; there is nothing left to say then.
        self.reader.get_mut().write_all(b"QUIT\r\n").ok();
    }
}

/// The standard library cannot choose the local address of a stream; tokio's socket can.
fn bound_stream(from: IpAddr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(server).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

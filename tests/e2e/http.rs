//! The API over TCP, asked by hand.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use crate::{
    PATIENCE, free_address,
    program::{Host, Program, output},
    receiver::Receiver,
    until,
};

/// A daemon whose API listens on loopback, and keys for it.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) config: String,
    pub(crate) program: Program,
    /// May see everything.
    pub(crate) reader: String,
    /// May change everything.
    pub(crate) admin: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Api {
    /// Starts a daemon that reads the log of `host` and tells `receiver`; `webhook` are further keys.
    pub(crate) fn start(host: &Host, receiver: &Receiver, webhook: &str) -> Self {
        let address = free_address();
        let api = format!("{webhook}\n[api]\nlisten = \"{address}\"");
        let config = host.configure(&host.log_source(), receiver, &api);
        let program = host.run(&config);
        until("the API listens", || TcpStream::connect(address).is_ok());
        let key = |name: &str, more: &[&str]| {
            let asked = ["keys", "create", name, "--json", "--config", &config];
            let made = output(&[&asked[..], more].concat());
            let made: Value = serde_json::from_slice(&made.stdout).unwrap();
            made["key"].as_str().unwrap().to_owned()
        };
        let (reader, admin) = (key("Reader", &[]), key("Admin", &["--admin"]));
        Self { address, config, program, reader, admin }
    }

    /// Asks with the key of the reader.
    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, Some(&self.reader), "")
    }

    /// Asks with the key of the admin.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        request(self.address, "POST", path, Some(&self.admin), body)
    }
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, &written(method, path, key, body, "close")).remove(0)
}

/// The same on the socket of a daemon.
pub(crate) fn request_on(
    socket: &Path,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> Answer {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, &written(method, path, key, body, "close")).remove(0)
}

/// So many requests of nobody at once, on one connection.
pub(crate) fn requests_of_nobody(
    address: SocketAddr,
    method: &str,
    path: &str,
    count: usize,
) -> Vec<Answer> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let all = written(method, path, None, "", "keep-alive").repeat(count - 1);
    exchange(stream, &(all + &written(method, path, None, "", "close")))
}

fn written(method: &str, path: &str, key: Option<&str>, body: &str, connection: &str) -> String {
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a.test\r\n{key}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        body.len()
    )
}

/// Everything that is answered, until the other end closes.
fn exchange(mut stream: impl Read + Write, requests: &str) -> Vec<Answer> {
    stream.write_all(requests.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (mut rest, mut answers) = (text.as_str(), Vec::new());
    while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let length = head.split("\r\ncontent-length: ").nth(1);
        let length = length.map(|it| it.lines().next().unwrap().parse().unwrap());
        let (body, behind) = behind.split_at(length.unwrap_or(behind.len()));
        answers.push(Answer { status, head, body: body.to_owned() });
        rest = behind;
    }
    answers
}

/// Server-sent events as they come.
pub(crate) struct Stream {
    head: String,
    lines: BufReader<TcpStream>,
}

impl Stream {
    /// Listens; what happens from when this returns is told. `head` are further header lines.
    pub(crate) fn open(api: &Api, path: &str, head: &str) -> Self {
        let mut stream = TcpStream::connect(api.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let key = &api.reader;
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: a.test\r\nAuthorization: Bearer {key}\r\n{head}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        let mut head = String::new();
        while line != "\r\n" {
            head += &line;
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        Self { head: head.to_ascii_lowercase(), lines }
    }

    /// The answer as far as it has come when the stream begins.
    pub(crate) fn answer(&self) -> Answer {
        Answer { status: 200, head: self.head.clone(), body: String::new() }
    }

    /// The next event: its lines, by name. None at the end.
    pub(crate) fn next(&mut self) -> Option<Vec<(String, String)>> {
        let (mut fields, mut line) = (Vec::new(), String::new());
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end() {
                "" if fields.is_empty() => {}
                "" => return Some(fields),
                text if text.starts_with(':') => {}
                text => {
                    let (name, value) = text.split_once(": ").unwrap();
                    fields.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }

    /// The next event of that name: its id and its data.
    pub(crate) fn next_of(&mut self, name: &str) -> (Option<u64>, Value) {
        loop {
            let fields = self.next().unwrap();
            let field = |name: &str| {
                fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            };
            if field("event") == Some(name) {
                let id = field("id").map(|id| id.parse().unwrap());
                return (id, serde_json::from_str(field("data").unwrap()).unwrap());
            }
        }
    }
}

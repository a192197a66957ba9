//! A receiver for tests that can misbehave on the level of TCP.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// What the receiver does with a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    /// Reads the request, writes these bytes and closes.
    Answer(&'static str),
    /// Reads the request, writes these bytes and says no more.
    Stall(&'static str),
    /// Reads the request, writes the first and then the second for ever.
    Endless(&'static str, &'static str),
    /// Reads the request, writes the first at once and the second byte by byte with pauses.
    Drip(&'static str, &'static str),
    /// Reads the request, writes these bytes and resets the connection.
    Cut(&'static str),
    /// Resets the connection before anything is read.
    CutAtOnce,
    /// Reads the request, answers with 20,000 bytes that are not UTF-8.
    Garbage,
    /// Answers each request on a connection with these bytes, and keeps it open.
    Keep(&'static str),
    /// Answers 200 to requests that this function takes, else 401.
    Verify(fn(&Request) -> bool),
    /// Reads the request and says nothing.
    Silent,
    /// Reads the request and closes its direction only.
    HalfClose,
    /// Writes these bytes before reading anything, and closes when the peer has had its say.
    Greet(&'static str),
    /// Reads a little and closes.
    HangUp,
}

/// Between two bytes of a receiver that is slow on purpose.
const DRIP: Duration = Duration::from_millis(40);

/// One request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(": "))
    }
}

/// A receiver on loopback; ends when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    hang_ups: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Peer {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), behaviour)
    }

    /// The same on a listener that there is already.
    pub(super) fn on(listener: TcpListener, behaviour: Behaviour) -> Self {
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (hung_up, hang_ups) = mpsc::channel(64);
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, hung_up) = (Arc::clone(&seen), hung_up.clone());
                tokio::spawn(async move {
                    if serve(stream, behaviour, &seen).await.is_err() {
                        hung_up.send(()).await.ok();
                    }
                });
            }
        });
        Self { port, requests, hang_ups, task }
    }

    /// Where nobody listens: a port that was free a moment ago.
    pub(super) async fn nobody() -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url(listener.local_addr().unwrap().port())
    }

    pub(super) fn url(&self) -> Url {
        url(self.port)
    }

    /// The same by a name, for a resolver of tests.
    pub(super) fn url_by(&self, name: &str) -> Url {
        format!("http://{name}:{}/hook", self.port).parse().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until a client closed a connection on which the receiver still wrote.
    pub(super) async fn hung_up(&mut self) {
        timeout(Duration::from_secs(20), self.hang_ups.recv()).await.unwrap().unwrap();
    }
}

fn url(port: u16) -> Url {
    format!("http://127.0.0.1:{port}/hook?token=secret").parse().unwrap()
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: Behaviour,
    seen: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    match behaviour {
        Behaviour::Greet(raw) => {
            stream.write_all(raw.as_bytes()).await?;
            drain(&mut stream).await;
            return Ok(());
        }
        Behaviour::CutAtOnce => return stream.set_zero_linger(),
        Behaviour::HangUp => {
            // Everything waiting is read, so that closing sends an end and not a reset.
            return stream.read(&mut [0; 4096]).await.map(drop);
        }
        _ => {}
    }
    if let Behaviour::Keep(raw) = behaviour {
        loop {
            let request = read_request(&mut stream).await?;
            seen.lock().unwrap().push(request);
            stream.write_all(raw.as_bytes()).await?;
        }
    }
    let request = read_request(&mut stream).await?;
    seen.lock().unwrap().push(request.clone());
    match behaviour {
        Behaviour::Verify(takes) => {
            let status = if takes(&request) { "200 OK" } else { "401 Unauthorized" };
            let raw =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(raw.as_bytes()).await?;
        }
        Behaviour::Answer(raw) => stream.write_all(raw.as_bytes()).await?,
        Behaviour::Stall(raw) => {
            stream.write_all(raw.as_bytes()).await?;
            drain(&mut stream).await;
        }
        Behaviour::Endless(head, part) => {
            stream.write_all(head.as_bytes()).await?;
            let parts = part.repeat(1 + 4096 / part.len());
            loop {
                stream.write_all(parts.as_bytes()).await?;
            }
        }
        Behaviour::Drip(head, raw) => {
            stream.write_all(head.as_bytes()).await?;
            for byte in raw.as_bytes() {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(DRIP).await;
            }
        }
        Behaviour::Cut(raw) => {
            stream.write_all(raw.as_bytes()).await?;
            stream.set_zero_linger()?;
        }
        Behaviour::Garbage => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n").await?;
            stream.write_all(&vec![0xff; 20_000]).await?;
        }
        Behaviour::HalfClose => {
            stream.shutdown().await?;
            drain(&mut stream).await;
        }
        Behaviour::Keep(_)
        | Behaviour::Silent
        | Behaviour::Greet(_)
        | Behaviour::CutAtOnce
        | Behaviour::HangUp => drain(&mut stream).await,
    }
    Ok(())
}

/// Reads until the peer closes or fails.
pub(super) async fn drain<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

pub(super) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = bytes.split_off(head_end + 4);
    let mut request = Request { head: String::from_utf8(bytes).unwrap(), body: Vec::new() };
    let length = request.header("content-length").unwrap_or("0").parse().unwrap();
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    request.body = body;
    Ok(request)
}

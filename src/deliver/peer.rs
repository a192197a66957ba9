//! A receiver for tests that can misbehave on the level of TCP.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
    /// Reads the request, writes this head and chunks for ever.
    Endless(&'static str),
    /// Reads the request, answers with 20,000 bytes that are not UTF-8.
    Garbage,
    /// Reads the request and says nothing.
    Silent,
    /// Reads the request and resets the connection.
    Reset,
    /// Reads the request and closes its direction only.
    HalfClose,
    /// Writes these bytes before reading anything, and closes when the peer has had its say.
    Greet(&'static str),
    /// Reads a little and closes.
    HangUp,
}

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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
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
        Behaviour::HangUp => {
            // Everything waiting is read, so that closing sends an end and not a reset.
            return stream.read(&mut [0; 4096]).await.map(drop);
        }
        _ => {}
    }
    let request = read_request(&mut stream).await?;
    seen.lock().unwrap().push(request);
    match behaviour {
        Behaviour::Answer(raw) => stream.write_all(raw.as_bytes()).await?,
        Behaviour::Stall(raw) => {
            stream.write_all(raw.as_bytes()).await?;
            drain(&mut stream).await;
        }
        Behaviour::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"10\r\nsixteen bytes...\r\n").await?;
            }
        }
        Behaviour::Garbage => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n").await?;
            stream.write_all(&vec![0xff; 20_000]).await?;
        }
        Behaviour::Reset => stream.set_zero_linger()?,
        Behaviour::HalfClose => {
            stream.shutdown().await?;
            drain(&mut stream).await;
        }
        Behaviour::Silent | Behaviour::Greet(_) | Behaviour::HangUp => drain(&mut stream).await,
    }
    Ok(())
}

/// Reads until the peer closes or fails.
async fn drain(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
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

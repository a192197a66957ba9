//! A webhook receiver as small as one can be: HTTP/1.1 by hand, one thread a connection. It says
//! yes to everything, and notes when the request for each numbered user came.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Instant,
};

use anyhow::{Context, Result};

/// Requests that may wait to be looked at.
const WAITING: usize = 4096;

/// A request: of which user it tells, and when it was whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) number: usize,
    pub(crate) at: Instant,
}

/// Listens on a free port of loopback, for as long as this process lives. The URL, and what comes.
pub(crate) fn start() -> Result<(String, Receiver<Received>)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    let url = format!("http://{}/", listener.local_addr().context("the own address")?);
    let (seen, received) = sync_channel(WAITING);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = seen.clone();
            thread::spawn(move || serve(stream, &seen));
        }
    });
    Ok((url, received))
}

/// Until the sender goes away.
fn serve(stream: TcpStream, seen: &SyncSender<Received>) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let body = body_of_request(&mut input)?;
        let at = now();
        output.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
        seen.send(Received { number: user(&body)?, at }).ok()?;
    }
}

fn body_of_request(input: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            let mut body = vec![0; length];
            return input.read_exact(&mut body).ok().map(|()| body);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}

/// `…user17@…`
fn user(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    text.split_once("user")?.1.split_once('@')?.0.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this tool is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

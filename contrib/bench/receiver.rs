//! A webhook receiver that costs next to nothing, for `cargo xtask bench deliver`: HTTP/1.1 by hand,
//! on one thread. It reads requests and says yes to each; `receiver mute` reads and says nothing.
//!
//! The first line of standard output is its URL. For each line on standard input it prints how
//! many requests have come; it ends when its input does.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

use std::{cell::Cell, io, rc::Rc, thread};

use anyhow::{Context, Result};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
    task::LocalSet,
};

/// Of one read.
const READ_BYTES: usize = 16 * 1024;
/// Yes.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn main() -> Result<()> {
    let is_mute = std::env::args().nth(1).is_some_and(|word| word == "mute");
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, listen(is_mute))
}

async fn listen(is_mute: bool) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on loopback")?;
    println!("http://{}/", listener.local_addr().context("the own address")?);
    let (requests, mut asked) = (Rc::new(Cell::new(0)), questions());
    loop {
        tokio::select! {
            question = asked.recv() => match question {
                Some(()) => println!("{}", requests.get()),
                None => return Ok(()),
            },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let requests = Rc::clone(&requests);
                tokio::task::spawn_local(async move { serve(stream, &requests, is_mute).await });
            },
        }
    }
}

/// A word for each line of standard input, until its end.
fn questions() -> mpsc::Receiver<()> {
    let (ask, asked) = mpsc::channel(1);
    thread::spawn(move || {
        for _ in io::stdin().lines().map_while(Result::ok) {
            if ask.blocking_send(()).is_err() {
                return;
            }
        }
    });
    asked
}

/// Until the sender goes away, or what it says is no request.
async fn serve(mut stream: TcpStream, requests: &Cell<u64>, is_mute: bool) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut input, mut answers) = (Vec::with_capacity(READ_BYTES), Vec::new());
    loop {
        input.reserve(READ_BYTES);
        stream.read_buf(&mut input).await.ok().filter(|&read| read > 0)?;
        while let Some(length) = request_bytes(&input) {
            input.drain(..length);
            requests.set(requests.get() + 1);
            answers.extend_from_slice(ANSWER);
        }
        if !is_mute {
            stream.write_all(&answers).await.ok()?;
        }
        answers.clear();
    }
}

/// Bytes of the first request, if it is whole.
fn request_bytes(input: &[u8]) -> Option<usize> {
    let head_bytes = memmem::find(input, b"\r\n\r\n")? + 4;
    let mut lines = input.get(..head_bytes)?.split(|byte| *byte == b'\n');
    let length = lines.find_map(content_length).unwrap_or(0);
    Some(head_bytes + length).filter(|whole| input.len() >= *whole)
}

fn content_length(line: &[u8]) -> Option<usize> {
    let (name, value) = line.split_at_checked("content-length:".len())?;
    let is_it = name.eq_ignore_ascii_case(b"content-length:");
    std::str::from_utf8(value).ok().filter(|_| is_it)?.trim().parse().ok()
}

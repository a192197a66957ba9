//! A receiver with an opinion: most events are accepted, some only at the second attempt, some
//! never. Which ones follows from the event id alone, so that it is the same after each crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Counts what came in.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    given: Arc<Mutex<Given>>,
}

/// What was answered.
#[derive(Debug, Default)]
struct Given {
    /// By event id, oldest first.
    answers: BTreeMap<String, Vec<u16>>,
    /// Events that got a final answer: asked for all the time, and there may be a million.
    answered: usize,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let receiver = Self { port: listener.local_addr().unwrap().port(), given: Arc::default() };
        let for_connections = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let receiver = for_connections.clone();
                std::thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    /// Events that got a final answer.
    pub(crate) fn answered(&self) -> usize {
        self.given.lock().unwrap().answered
    }

    /// The event got a final answer.
    pub(crate) fn has_answered(&self, id: &str) -> bool {
        let given = self.given.lock().unwrap();
        given.answers.get(id).is_some_and(|codes| has_final(codes))
    }

    /// Events that were refused for good.
    pub(crate) fn refused_for_good(&self) -> BTreeSet<String> {
        let given = self.given.lock().unwrap();
        let refused = given.answers.iter().filter(|(_, codes)| codes.contains(&404));
        refused.map(|(id, _)| id.clone()).collect()
    }

    /// Deliveries of what had a final answer before: their result was lost by a kill.
    pub(crate) fn repeats(&self) -> usize {
        let given = self.given.lock().unwrap();
        let finals =
            given.answers.values().map(|codes| codes.iter().filter(|code| **code != 500).count());
        finals.map(|count| count.saturating_sub(1)).sum()
    }

    fn answer(&self, id: &str) -> u16 {
        let mut given = self.given.lock().unwrap();
        let codes = given.answers.entry(id.to_owned()).or_default();
        let code = match id.as_bytes().last() {
            Some(b'0') => 404,
            Some(b'1'..=b'3') if codes.is_empty() => 500,
            _ => 204,
        };
        let was_final = has_final(codes);
        codes.push(code);
        let is_new = !was_final && has_final(codes);
        given.answered += usize::from(is_new);
        code
    }

    fn serve(&self, stream: TcpStream) {
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let mut output = stream;
        while let Some(id) = read_request(&mut input) {
            let code = self.answer(&id);
            let length = if code == 204 { "" } else { "Content-Length: 0\r\n" };
            // In one write: each of several would wait until the one before is acknowledged.
            let answer = format!("HTTP/1.1 {code} X\r\n{length}\r\n");
            // The sender may have been killed; then there is nobody to answer.
            if output.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn has_final(codes: &[u16]) -> bool {
    codes.iter().any(|code| *code != 500)
}

/// The event id of one whole request.
fn read_request(input: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => id = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    id
}

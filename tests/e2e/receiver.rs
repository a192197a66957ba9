//! A webhook receiver as small as one can be: HTTP/1.1 by hand, one thread a connection.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::program::SECRET;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Empty where the profile has no header for it.
    pub(crate) fn id(&self) -> &str {
        self.headers.get("webhook-id").map_or("", String::as_str)
    }

    /// When it was sent, as it says, in seconds since the epoch.
    pub(crate) fn sent_s(&self) -> u64 {
        self.headers["webhook-timestamp"].parse().unwrap()
    }

    /// The signature of the Standard Webhooks scheme is right for this secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        self.headers["webhook-signature"] == expected
    }

    /// The signature over the body alone is right for this secret.
    fn body_is_signed_with(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&self.body);
        let expected = format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()));
        self.headers["x-webhook-signature"] == expected
    }
}

/// Answers 204 to everything, or, once it is told to be careful, 401 to what it does not believe.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    answer_after_ms: Arc<AtomicU64>,
    is_careful: Arc<AtomicBool>,
    refuses: Arc<AtomicBool>,
    /// Knows one secret only, and looks at the signature over the body.
    trusted: Arc<Mutex<Option<String>>>,
    /// Ids of events that were answered with 204.
    accepted: Arc<Mutex<BTreeSet<String>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::on(0)
    }

    /// On a port of the caller's choice.
    pub(crate) fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self {
            port,
            requests: Arc::default(),
            answer_after_ms: Arc::default(),
            is_careful: Arc::default(),
            refuses: Arc::default(),
            trusted: Arc::default(),
            accepted: Arc::default(),
        };
        let for_connections = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let receiver = for_connections.clone();
                std::thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.port)
    }

    /// From now on each answer takes that long.
    pub(crate) fn answer_after(&self, wait: Duration) {
        self.answer_after_ms.store(u64::try_from(wait.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// From now on it refuses wrong signatures and requests that are older than five minutes.
    pub(crate) fn be_careful(&self) {
        self.is_careful.store(true, Ordering::SeqCst);
    }

    /// From now on it answers 500.
    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }

    /// It does not any more.
    pub(crate) fn accept(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    /// From now on it takes only what is signed with this secret, as a receiver of `jetemail` does.
    pub(crate) fn trust_only(&self, secret: &str) {
        *self.trusted.lock().unwrap() = Some(secret.to_owned());
    }

    /// Events that it took.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    fn believes(&self, request: &Request) -> bool {
        if let Some(secret) = &*self.trusted.lock().unwrap() {
            return request.body_is_signed_with(secret);
        }
        if !self.is_careful.load(Ordering::SeqCst) {
            return true;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        request.is_signed_with(SECRET) && now.abs_diff(request.sent_s()) <= 300
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Different event ids.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.requests().iter().map(|request| request.id().to_owned()).collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let mut output = stream;
        while let Some(request) = read_request(&mut input) {
            let answer: &[u8] = if self.refuses.load(Ordering::SeqCst) {
                b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
            } else if self.believes(&request) {
                self.accepted.lock().unwrap().insert(request.id().to_owned());
                b"HTTP/1.1 204 No Content\r\n\r\n"
            } else {
                b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 8\r\n\r\nwho else"
            };
            self.requests.lock().unwrap().push(request);
            std::thread::sleep(Duration::from_millis(self.answer_after_ms.load(Ordering::SeqCst)));
            // The sender may have gone; then there is nobody to answer.
            if output.write_all(answer).is_err() {
                return;
            }
        }
    }
}

fn read_request(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut headers = HashMap::new();
    for number in 0.. {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':').filter(|_| number > 0) {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = vec![0; headers["content-length"].parse().ok()?];
    input.read_exact(&mut body).ok()?;
    Some(Request { headers, body })
}

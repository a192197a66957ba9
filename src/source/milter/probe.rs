//! Asks ourselves, as a mail server would, and takes the socket away when there is no answer.
//!
//! A milter that is not there costs no mail any time; one that is there and does not answer costs each
//! message Postfix's time-out. The probe runs on another thread than what it asks.

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::net::{Shutdown, shutdown};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use crate::config::Listen;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(10);

/// An answer takes no longer, on whatever machine: messages wait for so long, too.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The negotiation of a mail server that can do nothing.
const QUESTION: &[u8] = b"\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\0\0\0";

/// The door that is open now, if there is one. Who holds it may shut it.
#[derive(Debug, Clone, Default)]
pub(super) struct Doors(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    socket: Option<OwnedFd>,
    listen: Option<Listen>,
    is_shut: CancellationToken,
}

impl Doors {
    /// A door was opened there. Gives what is cancelled when it is shut: accepting from a unix socket
    /// that was shut fails with `EAGAIN` for ever, which looks as if nobody came.
    pub(super) fn opened(&self, listen: &Listen, door: &Door) -> io::Result<CancellationToken> {
        let (socket, is_shut) = (Some(door.hold()?), CancellationToken::new());
        *self.lock() = Open { socket, listen: Some(listen.clone()), is_shut: is_shut.clone() };
        Ok(is_shut)
    }

    /// There is none any more.
    pub(super) fn close(&self) {
        *self.lock() = Open::default();
    }

    fn listen(&self) -> Option<Listen> {
        self.lock().listen.clone()
    }

    /// Takes the name away, and ends the listening whoever should do it.
    fn shut(&self) {
        let mut open = self.lock();
        if let Some(path) = open.listen.as_ref().and_then(path_of) {
            std::fs::remove_file(path).ok();
        }
        if let Some(socket) = open.socket.take() {
            shutdown(socket, Shutdown::Both).ok();
        }
        open.listen = None;
        open.is_shut.cancel();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(listen: &Listen) -> Option<PathBuf> {
    match listen {
        Listen::Unix(path) => Some(path.clone()),
        Listen::Inet(_) => None,
    }
}

/// Asks now and then, until `stop` is cancelled.
pub(super) async fn watch(source: String, doors: Doors, stop: CancellationToken) {
    let work = async {
        loop {
            sleep(PAUSE).await;
            if let Some(listen) = doors.listen()
                && !answers(&listen).await
            {
                tracing::error!(source, "the milter does not answer; its socket is taken away");
                doors.shut();
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Is somebody there who answers, or closes the connection because there are too many?
async fn answers(listen: &Listen) -> bool {
    let asked = async {
        match listen {
            Listen::Unix(path) => ask(UnixStream::connect(path).await?).await,
            Listen::Inet(address) => ask(TcpStream::connect(address).await?).await,
        }
        io::Result::Ok(())
    };
    matches!(timeout(ANSWER_WAIT, asked).await, Ok(Ok(())))
}

/// Whatever comes of it, somebody took the connection.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.write_all(QUESTION).await.ok();
    stream.read_u8().await.ok();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::net::UnixListener;

    use super::*;
    use crate::config::MilterSource;

    fn place() -> (tempfile::TempDir, MilterSource) {
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen::Unix(dir.path().join("milter.sock"));
        (dir, MilterSource { listen, mode: 0o660, ..MilterSource::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_that_nobody_stands_behind_is_shut() {
        let (_dir, socket) = place();
        let door = Door::open(&socket).await.unwrap();
        let doors = Doors::default();
        let is_shut = doors.opened(&socket.listen, &door).unwrap();
        let watching = tokio::spawn(watch("a".into(), doors, CancellationToken::new()));
        // Nobody takes the connection that it makes.
        is_shut.cancelled().await;
        watching.abort();
        let Listen::Unix(path) = &socket.listen else { panic!() };
        assert!(!path.exists());
        assert!(UnixStream::connect(path).await.is_err());
    }

    #[tokio::test]
    async fn who_closes_a_connection_is_there() {
        let (_dir, socket) = place();
        let Listen::Unix(path) = &socket.listen else { panic!() };
        let listener = UnixListener::bind(path).unwrap();
        let closing = tokio::spawn(async move { listener.accept().await.map(drop) });
        assert!(answers(&socket.listen).await);
        closing.await.unwrap().unwrap();
        assert!(!answers(&socket.listen).await, "nobody listens any more");
    }
}

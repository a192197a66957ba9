//! The TCP address of the API, with TLS or without. So many connections at once and no more: what strangers open must not
//! use up the file descriptors that logs are read with. And no connection lasts for ever over which
//! nothing goes.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

use super::tls::{Stream, Tls};
use crate::limits::{API_CONNECTIONS, API_IDLE, API_STALL};

/// A listener that takes no more connections than [`API_CONNECTIONS`] at once; others wait.
#[derive(Debug)]
pub struct Network {
    listener: TcpListener,
    /// None without TLS.
    tls: Option<Tls>,
    room: Arc<Semaphore>,
}

/// A connection, and its place among them.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// Runs while nothing goes either way.
    idle: Pin<Box<Sleep>>,
    /// Runs while the other end does not read.
    stalled: Pin<Box<Sleep>>,
    is_stalled: bool,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: Stream, place: OwnedSemaphorePermit) -> Self {
        let (idle, stalled) = (Box::pin(sleep(API_IDLE)), Box::pin(sleep(API_STALL)));
        Self { stream, idle, stalled, is_stalled: false, _place: place }
    }

    fn is_alive(&mut self) {
        self.idle.as_mut().reset(Instant::now() + API_IDLE);
        self.is_stalled = false;
    }

    /// What was read, or that it took too long.
    fn after_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.is_alive();
        } else if self.idle.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }

    /// What was written, or that it took too long.
    fn after_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.is_alive();
            return polled;
        }
        if !self.is_stalled {
            self.is_stalled = true;
            self.stalled.as_mut().reset(Instant::now() + API_STALL);
        }
        if self.stalled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl Network {
    /// Listens there, and speaks TLS if it is to.
    ///
    /// # Errors
    /// When the system refuses it.
    pub async fn listen(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, tls, room: Arc::new(Semaphore::new(API_CONNECTIONS)) })
    }
}

impl Listener for Network {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // It is never closed; without a place there is nothing to wait for.
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { continue };
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            let stream = Stream::new(stream, self.tls.as_ref());
            return (Connection::new(stream, place), peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.after_read(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.after_write(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_waits_for_another_to_end() {
        let mut network = Network::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        network.room = Arc::new(Semaphore::new(1));
        let address = network.local_addr().unwrap();
        let _clients = (
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        );
        let (first, _) = network.accept().await;
        let waits = futures_poll(&mut network);
        assert!(waits, "there is room for one only");
        drop(first);
        network.accept().await;
    }

    /// A connection and its client.
    async fn connected() -> (Connection, TcpStream) {
        let mut network = Network::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let client = TcpStream::connect(network.local_addr().unwrap()).await.unwrap();
        (network.accept().await.0, client)
    }

    #[tokio::test]
    async fn a_connection_over_which_nothing_goes_ends_and_not_before_its_time() {
        let (mut connection, mut client) = connected().await;
        client.write_all(b"GET").await.unwrap();
        let mut read = [0; 3];
        connection.read_exact(&mut read).await.unwrap();
        tokio::time::pause();
        let asked = Instant::now();
        let ended = connection.read(&mut read).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(asked.elapsed() + Duration::from_secs(1) >= API_IDLE, "{:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_waited_for_and_then_no_more() {
        let (mut connection, _client) = connected().await;
        let much = vec![7; 1 << 20];
        // Until the buffers on the way are full.
        while timeout(Duration::from_millis(50), connection.write_all(&much)).await.is_ok() {}
        tokio::time::pause();
        let ended = connection.write_all(&much).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }

    /// Is there no second connection yet?
    fn futures_poll(network: &mut Network) -> bool {
        let accept = std::pin::pin!(network.accept());
        accept.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }
}

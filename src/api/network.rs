//! The TCP address of the API. So many connections at once and no more: what strangers open must not
//! use up the file descriptors that logs are read with.

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
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::limits::API_CONNECTIONS;

/// A listener that takes no more connections than [`API_CONNECTIONS`] at once; others wait.
#[derive(Debug)]
pub struct Network {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

/// A connection, and its place among them.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Network {
    /// Listens there.
    ///
    /// # Errors
    /// When the system refuses it.
    pub async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, room: Arc::new(Semaphore::new(API_CONNECTIONS)) })
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
            return (Connection { stream, _place: place }, peer);
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_waits_for_another_to_end() {
        let mut network = Network::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
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

    /// Is there no second connection yet?
    fn futures_poll(network: &mut Network) -> bool {
        let accept = std::pin::pin!(network.accept());
        accept.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }
}

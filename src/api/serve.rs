//! Connections to the API: each is answered until it ends, or until it is time to end. One over which
//! no whole head of a request comes in time is closed: it would keep a place for nothing.

use std::{fmt::Debug, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::caller::Peer;
use crate::limits::API_HEAD;

/// How long answers under way may take once it is time to end.
const GRACE: Duration = Duration::from_secs(2);

/// Answers until `stop` is done, and then as long as answers under way take, but not for ever.
pub(super) async fn serve<L>(
    router: Router,
    mut listener: L,
    peer: fn(&L::Io, &L::Addr) -> Peer,
    stop: CancellationToken,
) where
    L: Listener<Addr: Debug>,
{
    let mut connections = JoinSet::new();
    loop {
        let (io, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let peer = peer(&io, &address);
        connections.spawn(answer(router.clone(), io, peer, stop.clone()));
    }
    drop(listener);
    // What is not over by then ends with the set.
    timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await.ok();
}

async fn answer<I>(router: Router, io: I, peer: Peer, stop: CancellationToken)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(API_HEAD);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // The other end's matter.
        tracing::debug!(%error, ?peer, "a connection to the control API broke off");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{future::pending, io, net::SocketAddr};

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{Instant, sleep},
    };

    use super::*;

    /// Has one connection, and no other.
    struct One(Option<DuplexStream>);

    impl Listener for One {
        type Io = DuplexStream;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
            match self.0.take() {
                Some(io) => (io, SocketAddr::from(([127, 0, 0, 1], 9))),
                None => pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(SocketAddr::from(([127, 0, 0, 1], 9)))
        }
    }

    /// The other end of a connection to something that answers after a while.
    fn connected(stop: &CancellationToken) -> DuplexStream {
        let (io, client) = duplex(64 * 1024);
        let router = Router::new().route(
            "/",
            get(async || {
                sleep(3 * API_HEAD).await;
                "done"
            }),
        );
        let peer = |_: &DuplexStream, address: &SocketAddr| Peer::Network(*address);
        tokio::spawn(serve(router, One(Some(io)), peer, stop.clone()));
        client
    }

    /// A byte now and then kept a connection for ever, and 256 of them all.
    #[tokio::test(start_paused = true)]
    async fn who_sends_a_head_byte_by_byte_is_waited_for_so_long_and_no_longer() {
        let client = connected(&CancellationToken::new());
        let begun = Instant::now();
        let (mut reading, mut writing) = tokio::io::split(client);
        let drip = async {
            writing.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
            while writing.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let end = async {
            let mut answer = Vec::new();
            reading.read_to_end(&mut answer).await.unwrap();
            begun.elapsed()
        };
        let ((), elapsed) = tokio::join!(drip, end);
        assert!((API_HEAD..2 * API_HEAD).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_longer_than_a_head_comes_and_one_more_on_the_same_connection() {
        let mut client = connected(&CancellationToken::new());
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"done") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_over_soon_after_it_is_time_to_end_is_cut_off() {
        let stop = CancellationToken::new();
        let mut client = connected(&stop);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        stop.cancel();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!((GRACE..2 * GRACE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}

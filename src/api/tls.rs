//! TLS on the address of the API: whose certificate is shown, and a connection that may be encrypted.
//! The certificate can be changed while connections last.

use std::{
    io,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    Accept, TlsAcceptor,
    rustls::{
        Error, ServerConfig,
        crypto::aws_lc_rs,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use crate::config::ServerIdentity;

/// What connections over TLS begin with: TLS 1.2 or 1.3, HTTP/1.1. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
}

/// The TLS library cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up TLS: {0}")]
pub struct TlsError(#[from] Error);

/// Who we are to those who connect from now on.
#[derive(Debug)]
struct Shown(RwLock<ServerIdentity>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).certified_key())
    }
}

impl Tls {
    /// Shows this certificate.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(identity: ServerIdentity) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(identity)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::<Shown>::clone(&shown));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), shown })
    }

    /// Shows this certificate to those who connect from now on. False when it is the one before.
    pub fn show(&self, identity: &ServerIdentity) -> bool {
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = *shown != *identity;
        shown.clone_from(identity);
        is_other
    }
}

/// A TCP connection, with TLS or without.
pub(super) enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Both sides are agreeing on keys.
    Beginning(Box<Accept<TcpStream>>),
    /// Encrypted.
    Encrypted(Box<TlsStream<TcpStream>>),
    /// They did not agree.
    Failed,
}

impl Stream {
    /// Nothing is waited for yet: whoever reads first begins TLS.
    pub(super) fn new(stream: TcpStream, tls: Option<&Tls>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(tls) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
                Self::Beginning(Box::new(acceptor.accept(stream)))
            }
        }
    }

    /// Waits until there is something that can be read from and written to.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Beginning(accept) = self else { return Poll::Ready(Ok(())) };
        let begun = ready!(Pin::new(accept).poll(cx));
        let (begun, result) = match begun {
            Ok(stream) => (Self::Encrypted(Box::new(stream)), Ok(())),
            Err(error) => {
                tracing::debug!(%error, "a connection to the API did not begin");
                (Self::Failed, Err(error))
            }
        };
        *self = begun;
        Poll::Ready(result)
    }
}

/// Reading or writing after the beginning failed.
fn failed<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_begun(cx))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Beginning(_) | Self::Failed => failed(),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(cx))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Beginning(_) | Self::Failed => failed(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
            // Nothing was written.
            Self::Beginning(_) | Self::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
            // Dropping it closes it.
            Self::Beginning(_) | Self::Failed => Poll::Ready(Ok(())),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Beginning(_) => "Beginning",
            Self::Encrypted(_) => "Encrypted",
            Self::Failed => "Failed",
        })
    }
}

//! A receiver over TLS, with certificates that are as right or wrong as a test wants.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

use super::{super::peer::read_request, *};

/// An authority that only tests know.
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub(super) pem: String,
}

/// A certificate and its key.
pub(super) struct Identity {
    pub(super) pem: String,
    cert: tokio_rustls::rustls::pki_types::CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::called("authority of tests")
    }

    pub(super) fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// A certificate for this name, until this year.
    pub(super) fn signs(&self, name: &str, until: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        Identity::of(&params.signed_by(&key, &issuer).unwrap(), &key)
    }
}

impl Identity {
    pub(super) fn self_signed(name: &str) -> Self {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        Self::of(&params.self_signed(&key).unwrap(), &key)
    }

    fn of(cert: &rcgen::Certificate, key: &KeyPair) -> Self {
        let pem = format!("{}{}", cert.pem(), key.serialize_pem());
        Self { pem, cert: cert.der().clone(), key: key.serialize_der() }
    }

    /// How a receiver shows it; `clients`: the authority of those who may connect.
    fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let cert = authority.params.self_signed(&authority.key).unwrap();
                roots.add(cert.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        builder.with_single_cert(vec![self.cert.clone()], key).unwrap()
    }
}

/// A receiver on loopback; ends when dropped.
pub(super) struct TlsPeer {
    port: u16,
    task: JoinHandle<()>,
}

impl TlsPeer {
    /// Answers each connection with these bytes of HTTP/1.1.
    pub(super) async fn start(identity: &Identity, clients: Option<&Authority>) -> Self {
        Self::serve(identity.server(clients), OK.as_bytes(), false).await
    }

    /// Speaks HTTP/2, but answers with these bytes whatever it is asked.
    pub(super) async fn speaking_h2(identity: &Identity, raw: &'static [u8]) -> Self {
        let mut config = identity.server(None);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::serve(config, raw, true).await
    }

    async fn serve(config: ServerConfig, raw: &'static [u8], is_h2: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    if !is_h2 {
                        read_request(&mut stream).await?;
                    }
                    stream.write_all(raw).await?;
                    super::super::peer::drain(&mut stream).await;
                    std::io::Result::Ok(())
                });
            }
        });
        Self { port, task }
    }

    pub(super) fn url(&self) -> Url {
        format!("https://receiver.test:{}/hook", self.port).parse().unwrap()
    }
}

impl Drop for TlsPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

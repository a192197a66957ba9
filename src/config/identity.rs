//! Who a server of ours is: its certificate, those that lead from it to an authority, and its key.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use tokio_rustls::rustls::{
    CertificateError, Error, InconsistentKeys, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor, crypto::aws_lc_rs,
    server::ParsedCertificate, sign::CertifiedKey,
};

/// A certificate that ends so soon is worth a word: whatever renews it should have done so.
const SOON: Duration = Duration::from_hours(7 * 24);

/// A certificate and the key that belongs to it. Two are equal when their certificates are.
#[derive(Clone)]
pub struct ServerIdentity(Arc<CertifiedKey>);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// The key is another certificate's.
    #[error("is not the key of the first certificate")]
    OtherKey,
    /// What stands first is no certificate of a server, or the key is of an unknown kind.
    #[error("cannot be used: {0}")]
    Unusable(Error),
}

/// What is odd about a certificate at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It holds from then on.
    From(Timestamp),
    /// It held until then.
    Until(Timestamp),
    /// It holds, and only a little longer.
    OnlyUntil(Timestamp),
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(at) => write!(f, "the certificate is not valid before {at}"),
            Self::Until(at) => write!(f, "the certificate has expired: it was valid until {at}"),
            Self::OnlyUntil(at) => write!(f, "the certificate expires soon: {at}"),
        }
    }
}

impl ServerIdentity {
    /// Of certificates, ours first, and a key, all in PEM.
    pub(super) fn of_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let wrong = |error: rustls_pki_types::pem::Error| {
            IdentityError::Unusable(Error::General(error.to_string()))
        };
        let chain = CertificateDer::pem_slice_iter(certificates);
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(wrong)?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        key.map(|key| Self(Arc::new(key))).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::OtherKey,
            error => IdentityError::Unusable(error),
        })
    }

    /// What a handshake shows, and signs with.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }

    /// What is odd about the time for which the certificate is valid, if anything is.
    #[must_use]
    pub fn validity(&self, now: Timestamp) -> Option<Validity> {
        let later = now.checked_add(SOON).unwrap_or(now);
        self.validity_at(now).or_else(|| match self.validity_at(later) {
            Some(Validity::Until(end)) => Some(Validity::OnlyUntil(end)),
            _ => None,
        })
    }

    /// The check of a client that knows no authority: it looks at the time first.
    fn validity_at(&self, at: Timestamp) -> Option<Validity> {
        let certificate = ParsedCertificate::try_from(self.0.cert.first()?).ok()?;
        let (roots, schemes) = (RootCertStore::empty(), aws_lc_rs::default_provider());
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let schemes = schemes.signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], time, schemes) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) => Some(Validity::Until(moment(not_after))),
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            })) => Some(Validity::From(moment(not_before))),
            _ => None,
        }
    }
}

fn moment(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|it| Timestamp::from_second(it).ok())
        .unwrap_or(Timestamp::MAX)
}

impl PartialEq for ServerIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for ServerIdentity {}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerIdentity({} certificates)", self.0.cert.len())
    }
}

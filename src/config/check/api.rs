//! `[api]`.

use std::net::{Ipv4Addr, SocketAddr};

use super::pem_file;
use crate::config::{
    checked::Api,
    identity::{IdentityError, ServerIdentity},
    load::Purpose,
    problem::Problems,
    raw::RawApi,
    value::At,
};

/// Where it listens unless said otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8025);

const CERT: &str = "api.tls_cert";
const KEY: &str = "api.tls_key";

/// Checks the section. None when it does not listen on the network. Files are read for those who
/// listen, so that nobody else needs the right to.
pub(super) fn check(
    raw: Option<RawApi>,
    purpose: Purpose,
    problems: &mut Problems<'_>,
) -> Option<Api> {
    let RawApi { listen, insecure_bind, tls_cert, tls_key } = raw.unwrap_or_else(RawApi::empty);
    if listen.as_ref().is_some_and(|at| at.value == "none") {
        if let Some(unused) = tls_cert.or(tls_key) {
            problems.warn(&unused.span, CERT, "is not used: nothing listens on the network");
        }
        return None;
    }
    let is_plain = tls_cert.is_none() && tls_key.is_none();
    let may_be_plain = insecure_bind.is_some_and(|at| at.value);
    let address = match listen {
        Some(listen) => address(&listen, is_plain && !may_be_plain, problems)?,
        None => LISTEN,
    };
    let tls = match purpose {
        Purpose::Check | Purpose::Daemon => identity(tls_cert, tls_key, problems),
        Purpose::Replay | Purpose::DryRun => None,
    };
    Some(Api { address, tls })
}

fn address(
    At { span, value }: &At<String>,
    must_be_loopback: bool,
    problems: &mut Problems<'_>,
) -> Option<SocketAddr> {
    let Ok(address) = value.parse::<SocketAddr>() else {
        problems
            .error(span, "api.listen", format!("\"{value}\" is no address and port"))
            .hint("as in \"127.0.0.1:8025\" or \"[::1]:8025\"; \"none\" for the unix socket only");
        return None;
    };
    if must_be_loopback && !address.ip().is_loopback() {
        problems
            .error(span, "api.listen", "keys and answers would cross the network unencrypted")
            .hint(
                "name a certificate and its key in tls_cert and tls_key, listen on loopback behind a \
                 proxy that speaks TLS, or set insecure_bind = true",
            );
    }
    Some(address)
}

/// The certificate and its key, which may stand in the same file.
fn identity(
    cert: Option<At<String>>,
    key: Option<At<String>>,
    problems: &mut Problems<'_>,
) -> Option<ServerIdentity> {
    let Some(cert) = cert else {
        if let Some(key) = key {
            problems.error(&key.span, KEY, "`tls_cert` is missing");
        }
        return None;
    };
    // Both files are looked at, so that all that is wrong is said at once.
    let certificates = pem_file::certificates(&cert, CERT, problems);
    if certificates.is_none() && key.is_none() {
        return None;
    }
    let (named, file) = key.as_ref().map_or((CERT, &cert), |key| (KEY, key));
    let key = pem_file::private_key(file, named, problems);
    match ServerIdentity::of_pem(&certificates?, &key?) {
        Ok(identity) => Some(identity),
        Err(error @ IdentityError::OtherKey) => {
            problems
                .error(&file.span, named, format!("{error} in {}", cert.value))
                .hint("our own certificate comes first, then those that lead to an authority");
            None
        }
        Err(error @ IdentityError::Unusable(_)) => {
            problems.error(&cert.span, CERT, error.to_string());
            None
        }
    }
}

//! `[api]`.

use std::net::{Ipv4Addr, SocketAddr};

use crate::config::{problem::Problems, raw::RawApi, value::At};

/// Where it listens unless said otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8025);

/// Checks the section. None when it does not listen on the network.
pub(super) fn check(raw: Option<RawApi>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    let RawApi { listen, insecure_bind } = raw.unwrap_or_else(RawApi::empty);
    let Some(At { span, value }) = listen else { return Some(LISTEN) };
    if value == "none" {
        return None;
    }
    let Ok(address) = value.parse::<SocketAddr>() else {
        problems
            .error(&span, "api.listen", format!("\"{value}\" is no address and port"))
            .hint("as in \"127.0.0.1:8025\" or \"[::1]:8025\"; \"none\" for the unix socket only");
        return None;
    };
    if !address.ip().is_loopback() && !insecure_bind.is_some_and(|at| at.value) {
        problems
            .error(&span, "api.listen", "keys and answers would cross the network unencrypted")
            .hint("listen on loopback behind a proxy that speaks TLS, or set insecure_bind = true");
    }
    Some(address)
}

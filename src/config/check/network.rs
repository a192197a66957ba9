//! Networks in CIDR notation.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{problem::Problems, value::At};

/// Reads a network; a bare address is a network of one, and bits behind the prefix are dropped
/// with a warning, because the author meant one of two things.
pub(super) fn network(raw: &At<String>, key: &str, problems: &mut Problems<'_>) -> Option<IpNet> {
    let text = raw.value.trim();
    let read = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(net) = read else {
        problems
            .error(&raw.span, key, format!("{text:?} is not a network"))
            .hint("write it like \"192.0.2.0/24\" or \"2001:db8::/32\"");
        return None;
    };
    if net.trunc() != net {
        let message = format!("{net} has bits behind its prefix; {} is used", net.trunc());
        problems.warn(&raw.span, key, message);
    }
    Some(net.trunc())
}

//! `[egress]`.

use std::net::SocketAddr;

use super::network::network;
use crate::{
    config::{problem::Problems, raw::RawEgress},
    egress::Policy,
};

/// Checks the section. `own` is where the daemon itself listens.
pub(super) fn check(
    raw: Option<RawEgress>,
    own: Option<SocketAddr>,
    problems: &mut Problems<'_>,
) -> Policy {
    const KEY: &str = "egress.allow_cidrs";
    let raw = raw.unwrap_or_else(RawEgress::empty);
    let nets = raw.allow_cidrs.map(|list| list.value).unwrap_or_default();
    Policy {
        allow: nets.iter().filter_map(|net| network(net, KEY, problems)).collect(),
        require_https: raw.require_https.is_some_and(|at| at.value),
        own: own.into_iter().collect(),
    }
}

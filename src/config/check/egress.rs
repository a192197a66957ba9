//! `[egress]`.

use super::network::network;
use crate::{
    config::{problem::Problems, raw::RawEgress},
    egress::Policy,
};

/// Checks the section. Where the daemon itself listens is not known here.
pub(super) fn check(raw: Option<RawEgress>, problems: &mut Problems<'_>) -> Policy {
    const KEY: &str = "egress.allow_cidrs";
    let Some(raw) = raw else { return Policy::default() };
    let nets = raw.allow_cidrs.map(|list| list.value).unwrap_or_default();
    Policy {
        allow: nets.iter().filter_map(|net| network(net, KEY, problems)).collect(),
        require_https: raw.require_https.is_some_and(|at| at.value),
        own: Vec::new(),
    }
}

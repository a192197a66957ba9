//! Which replay this is, and where it goes on if it was stopped before.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{AppError, replay::Replay};
use crate::{
    config::{Config, Mail, Webhook},
    source::{
        Position,
        replay::{self as files, Input, Planned},
    },
    store::Store,
    writer::{ReplaySet, replay_positions},
};

/// Names the positions of a replay in the store.
pub(super) const SOURCE: &str = "replay";

/// A replay as it starts.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    /// What it is kept under; None for one that cannot be gone on with.
    pub(super) set: Option<ReplaySet>,
    /// How far it came before.
    pub(super) positions: Vec<Position>,
}

/// Looks whether this replay was stopped before. What comes from a stream is gone when it is read,
/// so that a replay of one cannot be.
pub(super) fn find(
    config: &Config,
    webhooks: &[Arc<Webhook>],
    replay: &Replay,
    planned: &[Planned],
    store: &Store,
) -> Result<Resumed, AppError> {
    if planned.iter().any(|one| one.input == Input::Stdin) {
        return Ok(Resumed::default());
    }
    let id = id(config, webhooks, replay, planned);
    let stored = replay_positions(store, id, SOURCE)?;
    let positions = stored.map(|stored| files::resume(planned, &stored)).transpose()?.flatten();
    let set = Some(ReplaySet { id, is_resumed: positions.is_some() });
    Ok(Resumed { set, positions: positions.unwrap_or_default() })
}

/// The same for the same logs, of which plain ones may have grown, and for all that decides what
/// is told of them and to whom. As text, because all of that can be shown: a version that shows it
/// otherwise begins anew, which costs no more than time.
fn id(
    config: &Config,
    webhooks: &[Arc<Webhook>],
    replay: &Replay,
    planned: &[Planned],
) -> [u8; 16] {
    let logs: Vec<_> = planned
        .iter()
        .map(|one| (one.fingerprint, (!one.may_grow).then_some(one.size_bytes)))
        .collect();
    let Replay { anchor, since, until, webhook, rate: _, resend, mta } = replay;
    let options = (anchor, since, until, webhook, resend, mta);
    // No replay sees headers.
    let Mail {
        local_domains,
        mynetworks,
        submission_services,
        instances,
        headers: _,
        routes,
        unsaid: _,
    } = &config.mail;
    let mail = (local_domains, mynetworks, submission_services, instances, routes);
    let told: Vec<_> = webhooks.iter().map(|webhook| filters(webhook)).collect();
    let text = format!("{logs:?} {options:?} {mail:?} {told:?}");
    let hash = Sha256::digest(text.as_bytes());
    hash.first_chunk().copied().unwrap_or_default()
}

/// What decides which events a webhook is told.
fn filters(webhook: &Webhook) -> impl std::fmt::Debug + '_ {
    (webhook.id, webhook.events, &webhook.filter_users, &webhook.filter_domains, &webhook.selection)
}

//! Everybody who is told: the webhooks of the configuration, and those that were made at run time.

use std::sync::Arc;

use super::AppError;
use crate::{
    config::{Config, Grounds, Privacy, Source, SourceKind, Webhook, kept_hash_key},
    store::Store,
    writer::made_webhooks,
};

/// All webhooks, ready to be served: those of the file first.
pub(super) fn all(config: &Config, store: &Store) -> Result<Vec<Arc<Webhook>>, AppError> {
    let mut webhooks = of_file(config)?;
    let grounds = grounds(config);
    for (id, made) in made_webhooks(store, &config.sealing)? {
        let (webhook, problems) = made.restore(id, &grounds);
        for problem in problems {
            let (key, problem) = (&problem.key, &problem.message);
            tracing::warn!(%id, key, problem, "a webhook that was made through the API is odd now");
        }
        if webhook.is_none() {
            tracing::error!(%id, "a webhook that was made through the API cannot be used");
        }
        webhooks.extend(webhook);
    }
    say_same_names(&webhooks);
    Ok(webhooks.into_iter().map(Arc::new).collect())
}

/// Those of the file.
pub(super) fn of_file(config: &Config) -> Result<Vec<Webhook>, AppError> {
    let mut webhooks = config.webhooks.clone();
    let asks = |webhook: &Webhook| matches!(webhook.selection.privacy, Privacy::Hash(_));
    if webhooks.iter().any(asks) {
        let failed = AppError::system("keep the key that addresses are hashed with");
        let key = kept_hash_key(&config.state_dir).map_err(failed)?;
        for webhook in webhooks.iter_mut().filter(|webhook| asks(webhook)) {
            webhook.selection.privacy = Privacy::Hash(key.clone());
        }
    }
    Ok(webhooks)
}

/// What webhooks that are made at run time are checked against.
pub(super) fn grounds(config: &Config) -> Grounds {
    Grounds {
        egress: config.egress.clone(),
        routes: config.mail.routes.clone(),
        state_dir: config.state_dir.clone(),
        takes_reports: config.reports.socket.is_some() || config.sources.iter().any(takes_reports),
    }
}

fn takes_reports(source: &Source) -> bool {
    matches!(&source.kind, SourceKind::Milter(milter) if milter.reports)
}

/// Those among `all` that were made at run time and have the name of one of the file.
pub(super) fn same_names<'a>(
    config: &'a Config,
    all: &'a [Arc<Webhook>],
) -> impl Iterator<Item = &'a Webhook> {
    let is_of_file = |name: &str| config.webhooks.iter().any(|webhook| webhook.name == name);
    let made = all.iter().filter(|webhook| webhook.made.is_some()).map(AsRef::as_ref);
    made.filter(move |webhook| is_of_file(&webhook.name))
}

/// The file may name a webhook as one is named that was made before.
fn say_same_names(webhooks: &[Webhook]) {
    for (place, webhook) in webhooks.iter().enumerate() {
        if webhooks.iter().take(place).any(|other| other.name == webhook.name) {
            let (webhook, id) = (&webhook.name, webhook.id);
            tracing::warn!(webhook, %id, "another webhook has this name; ask for this one by its id");
        }
    }
}

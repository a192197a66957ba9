//! The webhook that a measure is made with.

use anyhow::{Context, Result, bail};
use mailherald::{
    config::{Selection, Transport, Webhook, WebhookId},
    profile::Profile,
    queue::{filter::TypeSet, policy::Policy},
    secret::Secret,
};

/// One that wants every event.
pub(crate) fn webhook(url: &str) -> Result<Webhook> {
    let profile = Profile::Standard;
    let events = TypeSet::parse(["outbound.*", "inbound.*"], profile);
    let Ok(events) = events else { bail!("the wildcards are unknown") };
    Ok(Webhook {
        id: WebhookId::of_name("bench"),
        name: "bench".into(),
        url: url.parse().context("the URL")?,
        profile,
        events,
        secret: Secret::generate().context("a secret")?,
        made: None,
        filter_users: None,
        filter_domains: None,
        timeout: profile.timeout(),
        schedule: profile.schedule().to_vec(),
        concurrency: 16,
        transport: Transport::default(),
        policy: Policy::default(),
        selection: Selection::default(),
    })
}

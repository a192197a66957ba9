//! What one who listens wants to be told.

use std::sync::Arc;

use super::Listen;
use crate::{
    api::{Desk, problem::Problem},
    config::Webhook,
    event::Event,
    profile::Profile,
    queue::filter::TypeSet,
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Filter {
    types: Option<TypeSet>,
    webhook: Option<Arc<Webhook>>,
    user: Option<String>,
    domain: Option<String>,
    pub(super) events: bool,
    pub(super) attempts: bool,
    /// How events are told; None for the canonical form.
    pub(super) profile: Option<Profile>,
}

impl Filter {
    /// Checks what is asked for.
    pub(super) fn of(asked: &Listen, desk: &Desk) -> Result<Self, Problem> {
        let types = asked.types.as_deref().map(types).transpose()?;
        let webhook = asked.webhook.as_deref().map(|named| desk.webhook(named)).transpose()?;
        let (events, attempts) = match asked.only.as_deref() {
            None => (true, true),
            Some("events") => (true, false),
            Some("attempts") => (false, true),
            Some(other) => {
                let detail = format!("only: `{other}` is none of events, attempts");
                return Err(Problem::invalid(detail));
            }
        };
        Ok(Self {
            types,
            webhook,
            user: asked.user.clone(),
            domain: asked.domain.clone(),
            events,
            attempts,
            profile: asked.profile.as_deref().map(profile).transpose()?,
        })
    }

    /// Is an event asked for?
    pub(super) fn takes_event(&self, event: &Event) -> bool {
        let is_told = |webhook: &Arc<Webhook>| webhook.subscription().wants(event);
        self.events && self.is_about(event) && self.webhook.as_ref().is_none_or(is_told)
    }

    /// Is an attempt to tell `webhook` of an event asked for?
    pub(super) fn takes_attempt(&self, webhook: &Webhook, event: &Event) -> bool {
        let is_of = |asked: &Arc<Webhook>| asked.id == webhook.id;
        self.attempts && self.is_about(event) && self.webhook.as_ref().is_none_or(is_of)
    }

    fn is_about(&self, event: &Event) -> bool {
        let is = |asked: &Option<String>, known: Option<&str>| {
            asked
                .as_deref()
                .is_none_or(|asked| known.is_some_and(|known| known.eq_ignore_ascii_case(asked)))
        };
        self.types.is_none_or(|types| types.contains_event(event))
            && is(&self.user, event.data.user.as_deref())
            && is(&self.domain, event.data.domain.as_deref())
    }
}

fn types(list: &str) -> Result<TypeSet, Problem> {
    TypeSet::parse(list.split(',').map(str::trim), Profile::Standard)
        .map_err(|error| Problem::invalid(format!("type: {error}")))
}

fn profile(name: &str) -> Result<Profile, Problem> {
    let names = || Profile::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
    Profile::from_name(name)
        .ok_or_else(|| Problem::invalid(format!("profile: `{name}` is none of {}", names())))
}

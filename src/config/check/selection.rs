//! What a `[[webhook]]` is told of beyond types, users and domains, and what of it it is shown.

use super::{choice, route};
use crate::{
    config::{
        problem::Problems,
        raw::RawWebhook,
        selection::{HashKey, Privacy, Selection},
    },
    event::Route,
    queue::subscription::Deferrals,
};

/// Words of `privacy`. The key of hashes is the host's, see `app::privacy`.
#[derive(Clone, Copy)]
enum Veil {
    None,
    Mask,
    Hash,
}

/// Takes its own keys out of `raw`.
pub(super) fn check(
    raw: &mut RawWebhook,
    routes: &[Route],
    problems: &mut Problems<'_>,
) -> Selection {
    let include = raw.include_machine_events.take();
    let evidence = raw.evidence.take();
    Selection {
        deferrals: deferrals(raw, problems),
        include_machine_events: include.is_some_and(|include| include.value),
        routes: route::names(raw.routes.take(), routes, problems),
        privacy: privacy(raw, problems),
        drop_subject: drop_subject(raw, problems),
        evidence: evidence.is_some_and(|evidence| evidence.value),
    }
}

fn deferrals(raw: &RawWebhook, problems: &mut Problems<'_>) -> Deferrals {
    let words = [
        ("every", Deferrals::Every),
        ("first", Deferrals::First),
        ("on_change", Deferrals::OnChange),
    ];
    choice(raw.deferrals.as_ref(), "webhook.deferrals", &words, problems).unwrap_or_default()
}

fn privacy(raw: &RawWebhook, problems: &mut Problems<'_>) -> Privacy {
    let words = [("none", Veil::None), ("mask", Veil::Mask), ("hash", Veil::Hash)];
    match choice(raw.privacy.as_ref(), "webhook.privacy", &words, problems) {
        None | Some(Veil::None) => Privacy::None,
        Some(Veil::Mask) => Privacy::Mask,
        Some(Veil::Hash) => Privacy::Hash(HashKey::generate()),
    }
}

fn drop_subject(raw: &RawWebhook, problems: &mut Problems<'_>) -> bool {
    let words = [("keep", false), ("drop", true)];
    choice(raw.subject.as_ref(), "webhook.subject", &words, problems).unwrap_or_default()
}

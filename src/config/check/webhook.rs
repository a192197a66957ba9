//! `[[webhook]]`.

use std::{ops::RangeInclusive, time::Duration};

use url::Url;

use super::{Names, choice, is_name, mail::domains, policy, secret_file, selection, transport};
use crate::{
    config::{
        PROFILE_NAMES,
        checked::{Webhook, WebhookId},
        problem::{Code, Problems, Span},
        raw::RawWebhook,
        value::At,
    },
    egress::{Origin, Policy, UrlRules},
    event::Route,
    profile::Profile,
    queue::filter::TypeSet,
    secret::Secret,
};

/// Attempts to one webhook under way at once, unless said otherwise.
pub(in crate::config) const CONCURRENCY: usize = 16;
const CONCURRENCIES: RangeInclusive<usize> = 1..=256;
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);
const WAITS: usize = 50;
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

/// Checks all webhooks.
pub(super) fn check(
    raw: Option<At<Vec<At<RawWebhook>>>>,
    egress: &Policy,
    routes: &[Route],
    problems: &mut Problems<'_>,
) -> Vec<Webhook> {
    let raw = raw.map(|list| list.value).unwrap_or_default();
    if raw.is_empty() && !problems.any_about("webhook") {
        problems
            .warn(&(0..0), "webhook", "nobody is told about the events")
            .hint("add a [[webhook]] with name, url and secret_file");
    }
    let setting = Setting { egress, routes, origin: Origin::File, judges_url: true };
    let mut names = Names::default();
    for name in raw.iter().filter_map(|at| at.value.name.as_ref()) {
        names.take_unshaped(&name.value, &name.span, "webhook.name", problems);
    }
    raw.into_iter().filter_map(|at| webhook(at, &setting, problems)).collect()
}

/// What decides about a webhook besides its own keys.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Setting<'a> {
    /// Where it may be sent.
    pub(in crate::config) egress: &'a Policy,
    /// The streams that there are.
    pub(in crate::config) routes: &'a [Route],
    /// Who makes it.
    pub(in crate::config) origin: Origin,
    /// Its URL is held against the policy; if not, each attempt is.
    pub(in crate::config) judges_url: bool,
}

/// Checks one, but for whether another one has its name.
pub(in crate::config) fn webhook(
    at: At<RawWebhook>,
    setting: &Setting<'_>,
    problems: &mut Problems<'_>,
) -> Option<Webhook> {
    let At { span: table, value: mut raw } = at;
    let transport = transport::check(&mut raw, setting.origin, problems);
    let selection = selection::check(&mut raw, setting.routes, problems);
    let policy = policy::check(&raw, problems);
    let profile = profile(raw.profile.as_ref(), problems);
    let name = required(raw.name, "webhook.name", &table, problems);
    if let Some(name) = &name {
        is_name(name, "webhook.name", problems);
    }
    let url = required(raw.url, "webhook.url", &table, problems);
    let url = url.and_then(|url| self::url(&url, profile, setting, problems));
    let secret = secret(raw.secret, raw.secret_file, &table, profile, problems);
    let events = events(raw.events, profile, problems);
    let schedule = schedule(raw.schedule, profile, problems);
    let timeout = timeout(raw.timeout, profile, problems);
    let concurrency = concurrency(raw.concurrency, problems);
    let filter_users = raw.filter_users.map(|list| texts(list.value)).and_then(unless_empty);
    let filter_domains = raw
        .filter_domains
        .map(|list| domains(list.value, "webhook.filter_domains", problems))
        .and_then(unless_empty);
    let name = name?.value;
    Some(Webhook {
        id: WebhookId::of_name(&name),
        name,
        url: url?,
        profile,
        events,
        secret: secret?,
        filter_users,
        filter_domains,
        timeout,
        schedule,
        concurrency,
        policy,
        transport,
        selection,
        made: None,
    })
}

fn required(
    raw: Option<At<String>>,
    key: &str,
    table: &Span,
    problems: &mut Problems<'_>,
) -> Option<At<String>> {
    if raw.is_none() {
        problems.error(table, key, "is missing").code = Code::Missing;
    }
    raw
}

fn profile(raw: Option<&At<String>>, problems: &mut Problems<'_>) -> Profile {
    let choices = PROFILE_NAMES.map(|name| (name, Profile::from_name(name)));
    choice(raw, "webhook.profile", &choices, problems).flatten().unwrap_or_default()
}

fn url(
    raw: &At<String>,
    profile: Profile,
    setting: &Setting<'_>,
    problems: &mut Problems<'_>,
) -> Option<Url> {
    let At { span, value } = raw;
    let parsed = match Url::parse(value) {
        Ok(parsed) => parsed,
        Err(error) => {
            problems
                .error(span, "webhook.url", format!("is not a URL: {error}"))
                .hint("write it like \"https://example.com/webhook\"");
            return None;
        }
    };
    let rules = UrlRules { profile, origin: setting.origin };
    if let Some(denied) =
        setting.egress.check_url(&parsed, rules).err().filter(|_| setting.judges_url)
    {
        let problem = problems.error(span, "webhook.url", format!("is refused: {denied}"));
        problem.code = if denied.is_of_policy() { Code::EgressDenied } else { Code::Invalid };
        return None;
    }
    Some(parsed)
}

/// Reads the names first one by one, so that each wrong one is reported where it stands.
fn events(
    raw: Option<At<Vec<At<String>>>>,
    profile: Profile,
    problems: &mut Problems<'_>,
) -> TypeSet {
    const KEY: &str = "webhook.events";
    let Some(At { span, value: names }) = raw else {
        return TypeSet::parse(["*"], profile).unwrap_or_default();
    };
    if names.is_empty() {
        problems.error(&span, KEY, "names no event type").hint("leave it out for all of them");
    }
    for At { span, value } in &names {
        if let Err(error) = TypeSet::parse([value.as_str()], profile) {
            problems.error(span, KEY, error.to_string());
        }
    }
    TypeSet::parse(names.iter().map(|name| name.value.as_str()), profile).unwrap_or_default()
}

/// The secret, from exactly one of its two keys.
fn secret(
    literal: Option<At<String>>,
    file: Option<At<String>>,
    table: &Span,
    profile: Profile,
    problems: &mut Problems<'_>,
) -> Option<Secret> {
    let (key, span, text) = match (literal, file) {
        (Some(At { span, value }), None) => ("webhook.secret", span, value),
        (None, Some(file)) => {
            let key = "webhook.secret_file";
            let text = secret_file::text(&file, key, problems)?;
            (key, file.span, text)
        }
        (Some(_), Some(file)) => {
            problems
                .error(&file.span, "webhook.secret_file", "`secret` is given, too")
                .hint("keep one of them");
            return None;
        }
        (None, None) => {
            problems
                .error(table, "webhook.secret_file", "is missing, and so is `secret`")
                .hint("make one: (printf whsec_; head -c 32 /dev/urandom | base64) > FILE");
            return None;
        }
    };
    Secret::parse(&text, profile)
        .inspect_err(|error| {
            problems.error(&span, key, format!("is refused: {error}"));
        })
        .ok()
}

fn schedule(
    raw: Option<At<Vec<At<Duration>>>>,
    profile: Profile,
    problems: &mut Problems<'_>,
) -> Vec<Duration> {
    const KEY: &str = "webhook.schedule";
    let Some(At { span, value: waits }) = raw else { return profile.schedule().to_vec() };
    if waits.len() > WAITS {
        problems.error(&span, KEY, format!("has more than {WAITS} waits"));
    }
    for wait in waits.iter().filter(|wait| wait.value > LONGEST_WAIT) {
        problems.error(&wait.span, KEY, "is longer than 7d");
    }
    waits.into_iter().map(|wait| wait.value).collect()
}

fn timeout(raw: Option<At<Duration>>, profile: Profile, problems: &mut Problems<'_>) -> Duration {
    let Some(At { span, value }) = raw else { return profile.timeout() };
    if !TIMEOUTS.contains(&value) {
        problems.error(&span, "webhook.timeout", "must be from 1s to 60s");
    }
    value
}

fn concurrency(raw: Option<At<usize>>, problems: &mut Problems<'_>) -> usize {
    let Some(At { span, value }) = raw else { return CONCURRENCY };
    if !CONCURRENCIES.contains(&value) {
        problems.error(&span, "webhook.concurrency", "must be from 1 to 256");
    }
    value
}

fn texts(list: Vec<At<String>>) -> Vec<String> {
    list.into_iter().map(|at| at.value).collect()
}

/// An empty filter means everything, as does none.
fn unless_empty(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

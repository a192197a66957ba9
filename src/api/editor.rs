//! Webhooks made, changed and deleted at run time, for whoever asks and in whatever shape: a draft in,
//! a webhook or a refusal that names fields out. How that is asked for and answered over HTTP is left
//! to the mounts.
//!
//! One change is made at a time: who holds [`Desk::grounds`] makes it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Desk, caller::is_seen, problem::FieldError, rotation::Shown};
use crate::{
    config::{self, Code, Draft, Grounds, Made, Severity, Webhook, WebhookId},
    event::Service,
    queue::filter::TypeSet,
    secret::{GRACE, Owned, Secret, SecretError},
    writer::{Change, KeysError, Stopped, Webhooks},
};

/// Webhooks that are made at run time at most: more are a mistake.
const MOST: usize = 1000;
/// Characters of a host that become a name; some more tell two apart.
const HOST_CHARS: usize = 56;

/// A webhook that was made or changed.
#[derive(Debug)]
pub(super) struct Edited {
    /// As it is now.
    pub(super) webhook: Arc<Webhook>,
    /// Its secret, if that was made here: to be shown this once.
    pub(super) secret: Option<Shown>,
    /// What is odd about it.
    pub(super) warnings: Vec<FieldError>,
}

/// Why nothing was made, changed or deleted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What was given cannot be used.
    Invalid(Vec<FieldError>),
    /// It is about what the caller does not own.
    NotOwned(FieldError),
    /// Another webhook has the name.
    NameTaken(FieldError),
    /// There are too many.
    TooMany,
    /// It is one of the configuration, and is changed there.
    OfFile {
        /// Its name.
        name: String,
    },
    /// There is none.
    Unknown,
    /// The machine refuses what is needed.
    Internal(String),
    /// The daemon is ending.
    Stopping,
}

impl From<Stopped> for Refusal {
    fn from(_: Stopped) -> Self {
        Self::Stopping
    }
}

impl From<SecretError> for Refusal {
    fn from(error: SecretError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl Desk {
    /// Makes a webhook. It has a secret and a name of ours where it is given none. Durable, and at
    /// work, when this answers.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn create_webhook(
        &self,
        mut draft: Draft,
        is_enabled: bool,
        owned: &Owned,
    ) -> Result<Edited, Refusal> {
        let grounds = self.grounds.lock().await;
        let webhooks = self.webhooks();
        if webhooks.iter().filter(|webhook| webhook.made.is_some()).count() >= MOST {
            return Err(Refusal::TooMany);
        }
        let secret = match draft.get("secret") {
            None => Some(Secret::generate()?),
            Some(_) => None,
        };
        if let Some(secret) = &secret {
            draft.set("secret", secret.reveal_once());
        }
        if draft.get("name").is_none() {
            draft.set("name", free_name(&draft, &webhooks));
        }
        let now_ms = self.now_ms();
        let made = Made { draft, created_ms: now_ms, modified_ms: now_ms };
        let (webhook, warnings) =
            checked(WebhookId::generate()?, made, &grounds, owned, &webhooks)?;
        self.put(&webhook, Some(is_enabled).filter(|enabled| !enabled)).await?;
        let secret = secret.map(|secret| Shown(secret.reveal_once().to_owned()));
        Ok(Edited { webhook, secret, warnings })
    }

    /// Changes the webhook of that name or id: what is given replaces what was, null takes it away.
    /// Durable, and in force for attempts that begin, when this answers.
    ///
    /// # Errors
    /// Why it is as it was.
    pub(super) async fn update_webhook(
        &self,
        named: &str,
        mut changes: Map<String, Value>,
        is_enabled: Option<bool>,
        owned: &Owned,
    ) -> Result<Edited, Refusal> {
        let grounds = self.grounds.lock().await;
        let before = self.seen_webhook(named, owned)?;
        let made = made_of(&before)?;
        if changes.get("secret").is_some_and(Value::is_null) {
            changes.remove("secret");
        }
        let has_secret = changes.contains_key("secret");
        let mut draft = made.draft.clone();
        // It may have been rotated.
        draft.set("secret", before.ring().current().reveal_once());
        draft.merge(changes);
        let made = Made { draft, modified_ms: self.now_ms(), created_ms: made.created_ms };
        let (webhook, mut warnings) = checked(before.id, made, &grounds, owned, &self.webhooks())?;
        warnings.extend(signature_changes(&before, &webhook));
        self.put(&webhook, is_enabled).await?;
        if has_secret && webhook.ring().current() != &webhook.secret {
            // To one that was rotated away.
            drop(self.writer.rotate(webhook.id, webhook.secret.clone(), GRACE).await?);
        }
        Ok(Edited { webhook, secret: None, warnings })
    }

    /// Deletes the webhook of that name or id, and cancels what waits for it. Durable when this
    /// answers; attempts that have begun come to their end.
    ///
    /// # Errors
    /// Why it is still there.
    pub(super) async fn delete_webhook(&self, named: &str, owned: &Owned) -> Result<(), Refusal> {
        let _grounds = self.grounds.lock().await;
        let webhook = self.seen_webhook(named, owned)?;
        made_of(&webhook)?;
        self.change(Change::Delete(webhook.id)).await
    }

    /// The webhook of that name or id, if who owns that may see it.
    ///
    /// # Errors
    /// There is none for them.
    pub(super) fn seen_webhook(&self, named: &str, owned: &Owned) -> Result<Arc<Webhook>, Refusal> {
        let found = self.webhook(named).ok().filter(|webhook| is_seen(owned, webhook));
        found.ok_or(Refusal::Unknown)
    }

    async fn put(&self, webhook: &Arc<Webhook>, is_enabled: Option<bool>) -> Result<(), Refusal> {
        if let Err(error) = self.client.prepare(webhook) {
            return Err(Refusal::Internal(error.to_string()));
        }
        self.change(Change::Put { webhook: Arc::clone(webhook), is_enabled }).await
    }

    async fn change(&self, change: Change) -> Result<(), Refusal> {
        match self.writer.change(vec![change]).await? {
            Ok(()) => Ok(()),
            Err(KeysError::Unfit { source, .. }) => {
                let message = format!("the secret is none for this profile: {source}");
                Err(Refusal::Invalid(vec![error("profile", Code::Invalid, message)]))
            }
            Err(error) => Err(Refusal::Internal(error.to_string())),
        }
    }
}

fn made_of(webhook: &Webhook) -> Result<&Made, Refusal> {
    webhook.made.as_ref().ok_or_else(|| Refusal::OfFile { name: webhook.name.clone() })
}

/// The webhook that is asked for, by whoever owns that, and what is odd about it.
fn checked(
    id: WebhookId,
    mut made: Made,
    grounds: &Grounds,
    owned: &Owned,
    others: &Webhooks,
) -> Result<(Arc<Webhook>, Vec<FieldError>), Refusal> {
    narrow(&mut made.draft, owned)?;
    let (webhook, odd) = made.draft.check(id, grounds).map_err(|wrong| {
        let is_error = |problem: &&config::Problem| problem.severity == Severity::Error;
        Refusal::Invalid(wrong.iter().filter(is_error).map(of_key).collect())
    })?;
    if !owned.is_everything() && webhook.events.of_service(Service::Operational) != TypeSet::empty()
    {
        let words = "events about the service itself tell of webhooks that you do not own";
        return Err(Refusal::NotOwned(error("events", Code::NotAllowed, words)));
    }
    if others.iter().any(|other| other.id != id && other.name == webhook.name) {
        let words = format!("there is a webhook named `{}`", webhook.name);
        return Err(Refusal::NameTaken(error("name", Code::NameTaken, words)));
    }
    let webhook = Arc::new(Webhook { made: Some(made), ..webhook });
    Ok((webhook, odd.iter().map(of_key).collect()))
}

/// Whoever owns a part of the mail asks for that, or for less (webhooks.md C19, M11).
fn narrow(draft: &mut Draft, owned: &Owned) -> Result<(), Refusal> {
    for (key, own, what) in
        [("filter_users", &owned.users, "users"), ("filter_domains", &owned.domains, "domains")]
    {
        let Some(own) = own else { continue };
        if draft.get(key).is_none() {
            draft.set(key, own.clone());
        }
        let asked = draft.words(key).unwrap_or_default();
        let is_foreign = |name: &&String| !own.iter().any(|it| it.eq_ignore_ascii_case(name));
        if let Some(foreign) = asked.iter().find(is_foreign) {
            let words =
                format!("Invalid {key}: {foreign}. You can only filter by {what} that you own.");
            return Err(Refusal::NotOwned(error(key, Code::NotOwned, words)));
        }
    }
    Ok(())
}

/// A name that nobody has, made of the host of the URL.
fn free_name(draft: &Draft, webhooks: &Webhooks) -> String {
    let url = draft.get("url").and_then(Value::as_str).and_then(|url| url::Url::parse(url).ok());
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("webhook");
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let host: String = host.chars().map(plain).take(HOST_CHARS).collect();
    let host = host.trim_matches('-');
    let is_free = |name: &String| webhooks.iter().all(|webhook| webhook.name != *name);
    let numbered = (2..).map(|number| format!("{host}-{number}"));
    std::iter::once(host.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

/// Receivers have to verify in another way from now on (webhooks.md C5).
fn signature_changes(before: &Webhook, now: &Webhook) -> Option<FieldError> {
    let (from, to) = (before.profile.name(), now.profile.name());
    (from != to).then(|| {
        let words = format!("requests are signed as `{to}` has it from now on, not as `{from}`");
        error("profile", Code::SignatureChanges, words)
    })
}

fn error(field: &str, code: Code, message: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), code: code.name().to_owned(), message: message.into() }
}

/// The field is the key of the request.
fn of_key(problem: &config::Problem) -> FieldError {
    let field = problem.key.strip_prefix("webhook.").unwrap_or(&problem.key).to_owned();
    FieldError { field, ..FieldError::from(problem) }
}

//! A webhook that is made at run time: the keys of a `[[webhook]]`, as JSON, checked as those of the
//! file are.
//!
//! A [`Draft`] says what was asked for and nothing else, so it can be kept, and be checked again by a
//! later version. Who may ask for what is the caller's.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    check::webhook::{Setting, webhook},
    checked::{Webhook, WebhookId},
    hash_key,
    problem::{Code, Problem, Problems},
    raw::RawWebhook,
    selection::Privacy,
    value::At,
};
use crate::{
    egress::{Origin, Policy},
    event::{EventType, Route},
    profile::Profile,
    queue::filter::TypeSet,
};

/// Keys that only the file has: they name files of this host, or lead past the egress policy.
const ONLY_OF_FILE: [&str; 6] =
    ["secret_file", "ca_file", "client_cert", "client_key", "proxy", "insecure_skip_verify"];
/// Types that no source tells of in this version: there is no tracking.
const NEVER_TOLD: [EventType; 2] = [EventType::OutboundOpened, EventType::OutboundClicked];

/// A key that a draft may have.
#[derive(Debug, Clone)]
pub struct DraftKey {
    /// As it is given.
    pub name: &'static str,
    /// Type, for people: `string`, `array of strings`, `duration`, …
    pub type_name: &'static str,
    /// What it does.
    pub doc: String,
}

/// All keys that a draft may have, in the order of the reference.
pub fn draft_keys() -> impl Iterator<Item = DraftKey> {
    let keys = RawWebhook::SECTION.keys.iter().filter(|key| !ONLY_OF_FILE.contains(&key.name));
    keys.map(|key| {
        let doc: String = key.doc.concat();
        DraftKey { name: key.name, type_name: key.type_name, doc: doc.trim().to_owned() }
    })
}

/// What a webhook is to be.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Draft(Map<String, Value>);

/// What was made at run time, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// What was asked for, its secret included.
    pub draft: Draft,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: u64,
    /// When it was last changed.
    pub modified_ms: u64,
}

/// What of the configuration decides about webhooks that are made at run time.
#[derive(Debug, Clone, Default)]
pub struct Grounds {
    /// Where they may be sent.
    pub egress: Policy,
    /// The streams that there are.
    pub routes: Vec<Route>,
    /// Where the key lies that addresses are hashed with.
    pub state_dir: PathBuf,
    /// A milter takes reports out of the mail, or pipes may bring them.
    pub takes_reports: bool,
}

impl Draft {
    /// With these keys; those that are null are not there.
    #[must_use]
    pub fn new(keys: Map<String, Value>) -> Self {
        let mut draft = Self::default();
        draft.merge(keys);
        draft
    }

    /// Takes over what is given; null takes a key away, so that its default holds again. An empty
    /// filter means all, as none does (webhooks.md C18).
    pub fn merge(&mut self, keys: Map<String, Value>) {
        for (key, value) in keys {
            self.set(&key, value);
        }
    }

    /// The same of one key.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let mut value = value.into();
        let is_filter = matches!(key, "filter_users" | "filter_domains" | "routes");
        if key == "name"
            && let Value::String(name) = &mut value
        {
            *name = name.trim().to_owned();
        }
        if value.is_null() || (is_filter && value.as_array().is_some_and(Vec::is_empty)) {
            self.0.remove(key);
        } else {
            self.0.insert(key.to_owned(), value);
        }
    }

    /// What was asked for under that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The same of a list of words; None where it is not given, or is something else.
    #[must_use]
    pub fn words(&self, key: &str) -> Option<Vec<String>> {
        let list = self.get(key)?.as_array()?;
        list.iter().map(|word| word.as_str().map(str::to_owned)).collect()
    }

    /// The webhook, and what is odd about it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(
        &self,
        id: WebhookId,
        grounds: &Grounds,
    ) -> Result<(Webhook, Vec<Problem>), Vec<Problem>> {
        let mut problems = Problems::new("");
        let webhook = self.read(id, grounds, true, &mut problems);
        if let Some(webhook) = &webhook {
            warn(webhook, self, grounds, &mut problems);
        }
        let is_wrong = problems.any_error();
        let found = without_echoes(problems.into_sorted());
        match webhook {
            Some(webhook) if !is_wrong => Ok((webhook, found)),
            _ => Err(found),
        }
    }

    fn read(
        &self,
        id: WebhookId,
        grounds: &Grounds,
        judges_url: bool,
        problems: &mut Problems<'_>,
    ) -> Option<Webhook> {
        let raw = self.as_raw(problems);
        if raw.events.is_none() && !problems.any_about("webhook.events") {
            let problem = problems.error(&(0..0), "webhook.events", "is missing");
            problem.code = Code::Missing;
        }
        let setting = Setting {
            egress: &grounds.egress,
            routes: &grounds.routes,
            origin: Origin::Api,
            judges_url,
        };
        let mut made = webhook(At::typed(raw), &setting, problems)?;
        made.id = id;
        if made.profile == Profile::Jetemail && !problems.any_about("webhook.name") {
            check_name(&made.name, problems);
        }
        if matches!(made.selection.privacy, Privacy::Hash(_)) {
            match hash_key::kept(&grounds.state_dir) {
                Ok(key) => made.selection.privacy = Privacy::Hash(key),
                Err(error) => {
                    let words = format!("the key for hashes cannot be kept: {error}");
                    problems.error(&(0..0), "webhook.privacy", words);
                }
            }
        }
        Some(made)
    }

    /// As the file would have it: its types are checked by the same reader.
    fn as_raw(&self, problems: &mut Problems<'_>) -> RawWebhook {
        let mut table = toml::Table::new();
        for (key, value) in &self.0 {
            let path = format!("webhook.{key}");
            if ONLY_OF_FILE.contains(&key.as_str()) {
                let words = "can only be set for a webhook of the configuration file";
                problems.error(&(0..0), path, words).code = Code::NotAllowed;
                continue;
            }
            match toml::Value::try_from(value) {
                Ok(value) => drop(table.insert(key.clone(), value)),
                Err(_) => drop(problems.error(&(0..0), path, "holds a null or too large a number")),
            }
        }
        RawWebhook::from_text(&table.to_string(), problems)
    }
}

impl fmt::Debug for Draft {
    /// Without values: one of them is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Made {
    /// To be kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Text, numbers and JSON always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The webhook that was kept, and what is wrong with it now. It stays as it is where the
    /// configuration around it has changed: each attempt is held against the egress policy. None when
    /// this version cannot make anything of it.
    #[must_use]
    pub fn restore(self, id: WebhookId, grounds: &Grounds) -> (Option<Webhook>, Vec<Problem>) {
        let mut problems = Problems::new("");
        let webhook = self.draft.read(id, grounds, false, &mut problems);
        (webhook.map(|webhook| Webhook { made: Some(self), ..webhook }), problems.into_sorted())
    }
}

/// What is of a wrong type is not missing as well.
fn without_echoes(mut problems: Vec<Problem>) -> Vec<Problem> {
    let all = problems.clone();
    let is_other = |one: &Problem, other: &Problem| one.key == other.key && one.code != other.code;
    problems.retain(|one| one.code != Code::Missing || !all.iter().any(|it| is_other(one, it)));
    problems
}

/// `^[a-zA-Z0-9-_\s]+$` as the provider has it (webhooks.md M2); white space is in ASCII, and what is
/// not a space is a control character (C23).
fn check_name(name: &str, problems: &mut Problems<'_>) {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
    if !name.chars().all(is_good) {
        let words = "must have letters, digits, hyphens, underscores and spaces only, as `jetemail` \
                     has it";
        problems.error(&(0..0), "webhook.name", words);
    }
}

fn warn(webhook: &Webhook, draft: &Draft, grounds: &Grounds, problems: &mut Problems<'_>) {
    if webhook.url.scheme() == "http" {
        let words = "http: whoever is on the way can read the events; https is safer";
        problems.warn(&(0..0), "webhook.url", words).code = Code::PlainHttp;
    }
    for name in draft.words("events").unwrap_or_default() {
        let named = TypeSet::parse([name.as_str()], webhook.profile).unwrap_or_default();
        let mut types = named.types().peekable();
        if types.peek().is_some() && types.all(|kind| NEVER_TOLD.contains(&kind)) {
            let words = format!("no source tells of `{name}`: it will not come");
            problems.warn(&(0..0), "webhook.events", words).code = Code::NeverTold;
        }
        let is_complaint = named.types().eq([EventType::OutboundComplaint]);
        if is_complaint && !grounds.takes_reports {
            let words = format!(
                "`{name}` comes where a milter has `reports = true`, or a pipe brings reports to \
                 `mailherald ingest`"
            );
            problems.warn(&(0..0), "webhook.events", words).code = Code::NeverTold;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// What a version wrote is read by all that come.
    #[test]
    fn a_webhook_that_was_kept_is_read_and_stays_whatever_the_policy_says_now() {
        let text = r#"{"draft":{"url":"http://10.0.0.1/","events":["delivered"],"name":"Kept",
            "secret":"your-webhook-secret","profile":"generic","routes":["gone"],
            "schedule":["5s"],"headers":{"x-a":"b"}},"created_ms":1,"modified_ms":2}"#;
        let made = Made::from_text(text).unwrap();
        assert_eq!(Made::from_text(&made.to_text()).unwrap(), made);
        let id = WebhookId([7; 16]);
        let (webhook, odd) = made.restore(id, &Grounds::default());
        let webhook = webhook.unwrap();
        assert_eq!((webhook.id, webhook.name.as_str()), (id, "Kept"));
        assert_eq!(webhook.selection.routes, ["gone"], "nothing comes by that route");
        assert_eq!(odd.len(), 1, "{odd:?}");
    }

    #[test]
    fn a_draft_shows_no_values() {
        let keys = json!({ "secret": "your-webhook-secret", "url": "https://example.com/" });
        let draft = Draft::new(keys.as_object().unwrap().clone());
        assert_eq!(format!("{draft:?}"), r#"{"secret", "url"}"#);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        let WebhookId(bytes) = WebhookId::generate().unwrap();
        assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 2));
        assert_ne!(WebhookId::generate().unwrap(), WebhookId(bytes));
    }
}

//! What happens, sent to a receiver under development as a webhook would be: rendered and signed as a
//! profile does it, once, whatever becomes of it.

use bytes::Bytes;
use serde::Serialize;
use url::Url;

use super::{
    show::{Screen, time},
    sse::Message,
};
use crate::{
    api::{attempts::Attempt, stream::Letter},
    app::AppError,
    cli::{Failure, args::ListenArgs, show::note},
    clock::{self, SharedClock},
    config::{Selection, Transport, Webhook, WebhookId, read_secret_file},
    deliver::{self, Client, envelope::Rendered},
    egress::Policy as Egress,
    event::{BounceType, EventType},
    profile::Profile,
    queue::{filter::TypeSet, policy::Policy},
    secret::Secret,
};

/// Where it is sent.
#[derive(Debug)]
pub(super) struct Forward {
    client: Client,
    webhook: Webhook,
    clock: SharedClock,
    screen: Screen,
    json: bool,
}

/// What was sent, and what came of it.
#[derive(Debug, Serialize)]
struct Sent {
    event_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    attempt: Attempt,
}

impl Forward {
    /// Says what the receiver has to know.
    pub(super) fn new(url: &Url, args: &ListenArgs, json: bool) -> Result<Self, Failure> {
        let profile = Profile::from_name(&args.profile).unwrap_or_default();
        let secret = secret(args, profile)?;
        note(&format!("{url} is told as the profile {} does it", profile.name()));
        let client = Client::new(Egress::default()).map_err(AppError::from)?;
        let webhook = webhook(url, profile, secret);
        Ok(Self { client, webhook, clock: clock::system(), screen: Screen::new(json), json })
    }

    /// Sends one event, and prints what came of it.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Failure> {
        let letter: Letter = match serde_json::from_str(&message.data) {
            Ok(letter) if message.name == "letter" => letter,
            _ => return self.screen.tell(message),
        };
        let Some(kind) = type_name(&letter.kind, self.webhook.profile) else { return Ok(()) };
        let rendered =
            Rendered { id: letter.id.clone(), type_name: kind, body: Bytes::from(letter.body) };
        let report = deliver::forward(&self.client, &self.webhook, rendered, &*self.clock).await;
        let attempt = Attempt::from(&report.record);
        if self.json {
            let sent = Sent { event_id: letter.id, kind, attempt };
            return self.screen.print(&serde_json::to_string(&sent).unwrap_or_default());
        }
        self.screen.print(&self.line(kind, &attempt))
    }

    fn line(&self, kind: &str, attempt: &Attempt) -> String {
        let time = self.screen.painted("2", &time(&attempt.created_at));
        let colour = if attempt.is_good() { "32" } else { "31" };
        let answer = attempt.answer.as_ref();
        let words = answer.map_or("nothing was sent", |answer| &answer.words);
        let words = self.screen.painted(colour, words);
        let body = answer.map(|answer| answer.response_body.as_str()).unwrap_or_default();
        let body = body.lines().next().unwrap_or_default().replace(char::is_control, " ");
        let line = format!("{time}  {kind:<20}  {words} in {:.0} ms  {body}", attempt.duration_ms);
        line.trim_end().to_owned()
    }
}

/// The one that was given, or one that is made and shown.
fn secret(args: &ListenArgs, profile: Profile) -> Result<Secret, Failure> {
    if let Some(path) = &args.secret_file {
        let given = read_secret_file(path).map_err(Failure::SecretFile)?;
        return Secret::parse(&given.text, profile).map_err(Failure::Secret);
    }
    let made = Secret::generate().map_err(Failure::Secret)?;
    note(&format!("the secret, for this time: {}", made.reveal_once()));
    Ok(made)
}

fn webhook(url: &Url, profile: Profile, secret: Secret) -> Webhook {
    let name = "listen".to_owned();
    Webhook {
        id: WebhookId::of_name(&name),
        name,
        url: url.clone(),
        profile,
        events: TypeSet::empty(),
        secret,
        filter_users: None,
        filter_domains: None,
        timeout: profile.timeout(),
        schedule: Vec::new(),
        concurrency: 1,
        policy: Policy::default(),
        transport: Transport::default(),
        selection: Selection::default(),
        made: None,
    }
}

/// The name of a type as the profile has it.
fn type_name(name: &str, profile: Profile) -> Option<&'static str> {
    let bounces = [None, Some(BounceType::Hard), Some(BounceType::Soft)];
    let all = EventType::ALL.iter().flat_map(|kind| bounces.map(|bounce| (*kind, bounce)));
    all.filter_map(|(kind, bounce)| profile.wire_name(kind, bounce)).find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_every_profile_is_known() {
        for profile in Profile::ALL {
            for kind in EventType::ALL {
                for bounce in [None, Some(BounceType::Hard)] {
                    let name = profile.wire_name(*kind, bounce);
                    assert_eq!(name.and_then(|name| type_name(name, *profile)), name);
                }
            }
        }
        assert_eq!(type_name("nothing", Profile::Standard), None);
    }
}

//! Test deliveries. The provider's API sends one in the background and says where to look what came
//! of it; here a test event is in no store (webhooks.md D13), so the latest are kept in memory.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Extension, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failures, Missing, Unusable};
use crate::{
    api::{
        Desk, attempts::Attempt, caller::Caller, extract::At, problem::Problem, webhooks::Named,
    },
    config::WebhookId,
    deliver::{self, envelope::Rendered, test_event::TestEvent},
};

/// Trials that are kept.
const KEPT: usize = 64;
/// Trials under way at once.
const AT_ONCE: usize = 8;

/// One test.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) webhook: WebhookId,
    /// When it was asked for, milliseconds since the epoch.
    pub(super) at_ms: u64,
    /// What is sent.
    pub(super) rendered: Rendered,
    /// What came of it, once that is known.
    pub(super) attempt: Option<Attempt>,
}

/// The latest tests, the newest first.
#[derive(Debug, Default)]
pub(in crate::api) struct Trials(Mutex<VecDeque<Trial>>);

impl Trials {
    fn all(&self) -> MutexGuard<'_, VecDeque<Trial>> {
        // Nothing is half done while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a webhook.
    pub(super) fn of(&self, webhook: WebhookId) -> Vec<Trial> {
        self.all().iter().filter(|trial| trial.webhook == webhook).cloned().collect()
    }

    /// False when too many are under way.
    fn begin(&self, trial: Trial) -> bool {
        let mut all = self.all();
        if all.iter().filter(|trial| trial.attempt.is_none()).count() >= AT_ONCE {
            return false;
        }
        all.push_front(trial);
        if all.len() > KEPT {
            // One that is under way is counted as long as it is.
            let oldest = all.iter().rposition(|trial| trial.attempt.is_some());
            oldest.and_then(|oldest| all.remove(oldest));
        }
        true
    }

    fn end(&self, id: &str, attempt: Attempt) {
        if let Some(trial) = self.all().iter_mut().find(|trial| trial.rendered.id == id) {
            trial.attempt = Some(attempt);
        }
    }
}

/// Where to look what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintTest)]
pub(super) struct Test {
    message: String,
    /// Among the deliveries of the webhook.
    delivery_id: String,
}

/// Sends a test event, whatever the webhook subscribed to.
#[utoipa::path(post, path = "/lettermint/v1/webhooks/{id}/test", operation_id = "lettermint_test_webhook", tag = "lettermint",
    params(Named),
    responses((status = OK, body = Test), Unusable, Missing, Failures))]
pub(super) async fn test(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<Test>, Problem> {
    let webhook = desk.seen_one(&caller, &id).await?.webhook;
    let event = TestEvent::new(webhook.id, desk.clock.now());
    let rendered = event.render(webhook.profile);
    let delivery_id = rendered.id.clone();
    let (at_ms, attempt) = (desk.now_ms(), None);
    let trial = Trial { webhook: webhook.id, at_ms, rendered: rendered.clone(), attempt };
    if !desk.guard.trials.begin(trial) {
        let wait = Duration::from_secs(1);
        return Err(Problem::too_many("too many tests are under way", wait));
    }
    tokio::spawn(async move {
        let id = rendered.id.clone();
        let report = deliver::forward(&desk.client, &webhook, rendered, &*desk.clock).await;
        desk.guard.trials.end(&id, (&report.record).into());
    });
    let message =
        "Test webhook dispatched successfully. Check the deliveries endpoint for results.";
    Ok(Json(Test { message: message.to_owned(), delivery_id }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::profile::Profile;

    fn trial() -> Trial {
        let webhook = WebhookId::generate().unwrap();
        let rendered = TestEvent::new(webhook, Timestamp::UNIX_EPOCH).render(Profile::Lettermint);
        Trial { webhook, at_ms: 0, rendered, attempt: None }
    }

    /// One that took long was forgotten when many others had come to their end, and no more counted.
    #[test]
    fn those_under_way_are_counted_until_their_end_however_many_others_come_and_go() {
        let trials = Trials::default();
        for _ in 1..AT_ONCE {
            assert!(trials.begin(trial()));
        }
        let nothing = json!({ "attempt": 1, "created_at": "", "duration_ms": 1.0, "url": "" });
        let over: Attempt = serde_json::from_value(nothing).unwrap();
        for _ in 0..3 * KEPT {
            let one = trial();
            let id = one.rendered.id.clone();
            assert!(trials.begin(one));
            trials.end(&id, over.clone());
        }
        assert_eq!(trials.all().len(), KEPT);
        assert!(trials.begin(trial()));
        assert!(!trials.begin(trial()), "there are as many as may be");
    }
}

//! Reading the configuration again. What that means is decided where the whole daemon is known; here
//! it is asked for and answered.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use super::{
    Desk,
    code::Code,
    problem::{FieldError, Problem},
    refusals::{Conflicts, Refusals, Stopping, Unusable},
};
use crate::config;

/// To whoever reloads.
pub type Reloads = mpsc::Sender<oneshot::Sender<Result<Reloaded, NotReloaded>>>;

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// Names of webhooks that are new.
    pub added: Vec<String>,
    /// Names of webhooks that are not as they were.
    pub changed: Vec<String>,
    /// Names of webhooks that are not in the file any more. What is known of them is kept.
    pub removed: Vec<String>,
    /// What else is in force now, by its section: `egress`, `mail`.
    pub applied: Vec<String>,
    /// What is as it was until the daemon is started again, by section or key.
    pub needs_restart: Vec<String>,
    /// What is odd about the configuration.
    pub warnings: Vec<FieldError>,
}

/// Why everything is as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReloaded {
    /// The configuration is wrong.
    Wrong(Vec<FieldError>),
    /// It cannot be read, or not be put to work; says why.
    Failed(String),
}

impl From<&config::Problem> for FieldError {
    /// The field is the key with its section; the message begins with the place in the file.
    fn from(problem: &config::Problem) -> Self {
        let place = problem.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Self {
            field: problem.key.clone(),
            code: problem.code.name().to_owned(),
            message: format!("{place}{}{hint}", problem.message),
        }
    }
}

/// Reads the configuration again, and applies what can be while the daemon runs: as SIGHUP does.
///
/// A configuration with an error in it changes nothing.
#[utoipa::path(post, path = "/v1/reload", operation_id = "reload", tag = "daemon",
    responses((status = OK, body = Reloaded), Unusable, Conflicts, Refusals, Stopping))]
pub(super) async fn reload(State(desk): State<Desk>) -> Result<Json<Reloaded>, Problem> {
    let (answer, answered) = oneshot::channel();
    let Some(reloads) = &desk.reloads else {
        let detail = "the daemon was started without a configuration file";
        return Err(Problem::new(Code::NoFile, detail));
    };
    reloads.send(answer).await.map_err(|_| Problem::stopping())?;
    match answered.await.map_err(|_| Problem::stopping())? {
        Ok(reloaded) => Ok(Json(reloaded)),
        Err(NotReloaded::Wrong(errors)) => Err(Problem::unusable(errors)),
        Err(NotReloaded::Failed(words)) => Err(Problem::new(Code::NotReloaded, words)),
    }
}

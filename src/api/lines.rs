//! What lines of a log are understood as: to try one, without a file.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    extract::Body,
    problem::Problem,
    refusals::{Refusals, TooLarge, Unusable},
};
use crate::{
    limits::{LINE_BYTES, PARSED_LINES},
    parse::{Counts, json},
};

/// Where it is. It changes nothing, so a key that may only see may ask for it.
pub(super) const PATH: &str = "/v1/parse";

/// Lines of one log, in order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// Without their ends, 1000 at most.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<String>,
}

/// What they are understood as.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Records {
    /// One object for each line: what it says, or `unrecognised`, why, with the `line`.
    #[schema(value_type = Vec<Object>)]
    pub data: Vec<Value>,
    /// Lines that tell something about a message, a client, or the log itself.
    pub recognised: u64,
    /// Known lines without meaning for any message.
    pub ignored: u64,
    /// Lines that nothing here understands.
    pub unrecognised: u64,
}

/// What lines are understood as. No event comes of it.
#[utoipa::path(post, path = "/v1/parse", operation_id = "parse_lines", tag = "sources",
    request_body = Lines,
    responses((status = OK, body = Records), Unusable, TooLarge, Refusals))]
pub(super) async fn parse(Body(asked): Body<Lines>) -> Result<Json<Records>, Problem> {
    if !(1..=PARSED_LINES).contains(&asked.lines.len()) {
        return Err(Problem::invalid(format!("lines: 1 to {PARSED_LINES} of them")));
    }
    let (mut lines, mut counts) = (json::Lines::default(), Counts::default());
    let object = |line: &String| {
        let whole = line.trim_end_matches(['\r', '\n']).as_bytes();
        // As a source does it.
        let kept = whole.get(..LINE_BYTES).unwrap_or(whole);
        lines.object(kept, kept.len() < whole.len(), &mut counts)
    };
    let data = asked.lines.iter().map(object).collect();
    let Counts { recognised, ignored, unrecognised, .. } = counts;
    Ok(Json(Records { data, recognised, ignored, unrecognised }))
}

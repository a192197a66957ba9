//! What a line is understood as, as JSON: to be read by people and scripts, not a promise to
//! programs.

mod haraka;
mod record;
mod remark;

use mailherald_parsers::{Body, Parser};
use serde_json::{Value, json};

use super::Counts;
use record::{reason_name, record_json};

/// Lines of one stream, one after the other.
#[derive(Debug, Default)]
pub struct Lines(Parser);

impl Lines {
    /// What the next line is understood as; counted in `counts`. It is `cut` when it is not whole.
    pub fn object(&mut self, line: &[u8], cut: bool, counts: &mut Counts) -> Value {
        let record = self.0.parse(line);
        counts.add(&record.body);
        let mut object = match record.body {
            Body::Unrecognised(reason) => {
                let text = String::from_utf8_lossy(line);
                json!({ "unrecognised": reason_name(reason), "line": text })
            }
            _ => record_json(&record),
        };
        if let (true, Value::Object(fields)) = (cut, &mut object) {
            fields.insert("cut".to_owned(), true.into());
        }
        object
    }
}

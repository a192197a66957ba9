//! The description of the API as a book in which is noted what was really answered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::http::Answer;

const DOCUMENT: &str = include_str!("../../../contrib/docs/openapi.json");

/// An operation, as it is described.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// With `{…}` for what is chosen.
    pub(crate) path: String,
    pub(crate) has_body: bool,
    /// By their statuses.
    answers: BTreeMap<u16, Value>,
}

/// What is described, and what was seen of it.
pub(crate) struct Book {
    document: Value,
    operations: BTreeMap<String, Operation>,
    seen: BTreeSet<(String, u16)>,
    /// Words for refusals, and for what is wrong with a part.
    codes: BTreeSet<String>,
    field_codes: BTreeSet<String>,
}

impl Operation {
    fn of(path: &str, method: &str, described: &Value) -> Self {
        let answers = described["responses"].as_object().unwrap().iter();
        let answers = answers.map(|(status, answer)| (status.parse().unwrap(), answer.clone()));
        Self {
            id: described["operationId"].as_str().unwrap().to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            has_body: described.get("requestBody").is_some(),
            answers: answers.collect(),
        }
    }

    /// Its path with these words where something is chosen.
    pub(crate) fn at(&self, chosen: &[&str]) -> String {
        let mut chosen = chosen.iter();
        let part = |part| if str::starts_with(part, '{') { *chosen.next().unwrap() } else { part };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// How many are chosen.
    pub(crate) fn choices(&self) -> usize {
        self.path.matches('{').count()
    }

    pub(crate) fn may_answer(&self, status: u16) -> bool {
        self.answers.contains_key(&status)
    }
}

impl Book {
    pub(crate) fn open() -> Self {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut operations = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let operation = Operation::of(path, method, described);
                assert!(operations.insert(operation.id.clone(), operation).is_none());
            }
        }
        let (seen, codes, field_codes) = Default::default();
        Self { document, operations, seen, codes, field_codes }
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations.values().cloned().collect()
    }

    pub(crate) fn operation(&self, id: &str) -> Operation {
        self.operations.get(id).unwrap_or_else(|| panic!("no operation `{id}`")).clone()
    }

    pub(crate) fn has_seen(&self, id: &str, status: u16) -> bool {
        self.seen.contains(&(id.to_owned(), status))
    }

    /// Notes an answer, which has to be one of those that are described: status, type and body.
    pub(crate) fn note(&mut self, operation: &Operation, answer: &Answer) {
        let (id, status) = (&operation.id, answer.status);
        let described = operation.answers.get(&status);
        let described =
            described.unwrap_or_else(|| panic!("{id} may not answer {status}: {answer:?}"));
        self.check(id, described, answer);
        self.seen.insert((id.clone(), status));
        if status >= 400 && described["content"].get("application/problem+json").is_some() {
            self.codes.insert(answer.json()["code"].as_str().unwrap().to_owned());
        }
        if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
            let parts = ["errors", "warnings"].map(|key| body[key].as_array().cloned());
            let parts = parts.into_iter().flatten().flatten();
            let words = parts.filter_map(|part| part["code"].as_str().map(str::to_owned));
            self.field_codes.extend(words);
        }
    }

    /// An answer to nothing that is described: a path or a method that there is not.
    pub(crate) fn note_code(&mut self, answer: &Answer) {
        self.codes.insert(answer.json()["code"].as_str().unwrap().to_owned());
    }

    fn check(&self, id: &str, described: &Value, answer: &Answer) {
        let Some(content) = described["content"].as_object() else {
            assert!(answer.body.is_empty(), "{id}: {answer:?}");
            return;
        };
        let kind = answer.head.split("\r\ncontent-type: ").nth(1).unwrap();
        let kind = kind.split([';', '\r']).next().unwrap();
        let schema =
            content.get(kind).unwrap_or_else(|| panic!("{id}: {answer:?}"))["schema"].clone();
        if !kind.ends_with("json") {
            return;
        }
        let validator = jsonschema::validator_for(&self.whole(schema)).unwrap();
        let wrong: Vec<_> =
            validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{id}: {wrong:?} in {answer:?}");
    }

    /// A schema that finds what it refers to.
    fn whole(&self, mut schema: Value) -> Value {
        schema["components"] = self.document["components"].clone();
        schema
    }

    /// What is described and was not seen, unless there is an excuse.
    pub(crate) fn unseen(&self, is_excused: impl Fn(&Operation, u16) -> bool) -> Vec<String> {
        let of = |operation: &Operation| {
            let statuses = operation.answers.keys().copied();
            let unseen = statuses.filter(|status| !self.has_seen(&operation.id, *status));
            let unseen = unseen.filter(|status| !is_excused(operation, *status));
            unseen.map(|status| format!("{} {status}", operation.id)).collect::<Vec<_>>()
        };
        self.operations.values().flat_map(of).collect()
    }

    /// Words for refusals, and for what is wrong with a part, that are described and were not seen.
    pub(crate) fn unseen_codes(&self, excused: &[&str]) -> Vec<String> {
        let words = |schema: &str| {
            let words = self.document["components"]["schemas"][schema]["enum"].as_array().unwrap();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut unseen = words("Code");
        unseen.retain(|word| !self.codes.contains(word) && !excused.contains(&word.as_str()));
        let fields = words("FieldCode").into_iter().filter(|it| !self.field_codes.contains(it));
        unseen.extend(fields.map(|word| format!("field: {word}")));
        assert_ne!(json!(words("Code")), json!([]));
        unseen
    }
}

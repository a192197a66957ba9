//! What is wrong with a configuration, and where.
//!
//! Reading and checking never stop at the first problem: an operator mends a file in one go.

use std::{fmt, ops::Range};

use serde::Serialize;

/// Bytes from the start to behind the end of something in the file.
pub(super) type Span = Range<usize>;

/// Whether the daemon would start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It refuses to.
    Error,
    /// It starts, but probably does not do what was meant.
    Warning,
    /// It starts, and this is what somebody may want to know.
    Note,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Line in the file, from 1; None when it is not about a place in a file.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The key with its section, `webhook.url`, or the flag, `--webhook`; empty for broken TOML.
    pub key: String,
    /// What is wrong, one line.
    pub message: String,
    /// How to mend it, when that can be said.
    pub hint: Option<String>,
    /// What kind it is, for programs that asked for it.
    #[serde(skip)]
    pub code: Code,
}

/// What kind a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Code {
    /// Not what it has to be.
    #[default]
    Invalid,
    /// Not there.
    Missing,
    /// Nobody knows that key.
    Unknown,
    /// Not for whoever asks.
    NotAllowed,
    /// The egress policy is against it.
    EgressDenied,
    /// Nothing protects what is sent.
    PlainHttp,
    /// It will never come.
    NeverTold,
    /// Receivers have to verify signatures in another way.
    SignatureChanges,
    /// Somebody else has that name.
    NameTaken,
    /// It names what whoever asks does not own.
    NotOwned,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Invalid,
        Self::Missing,
        Self::Unknown,
        Self::NotAllowed,
        Self::EgressDenied,
        Self::PlainHttp,
        Self::NeverTold,
        Self::SignatureChanges,
        Self::NameTaken,
        Self::NotOwned,
    ];

    /// One word, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::Unknown => "unknown_field",
            Self::NotAllowed => "not_allowed",
            Self::EgressDenied => "egress_denied",
            Self::PlainHttp => "plain_http",
            Self::NeverTold => "never_told",
            Self::SignatureChanges => "signature_changes",
            Self::NameTaken => "name_taken",
            Self::NotOwned => "not_owned",
        }
    }
}

impl fmt::Display for Problem {
    /// `line:column: error: key: message`, then the hint on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        })?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n    hint: {hint}"))
    }
}

/// Collects problems while a text is read and checked.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    /// None yet, in `text`.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Adds an error. An empty `text` has no places, so flags report without them.
    pub(super) fn error(
        &mut self,
        span: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.add(Severity::Error, span, key.into(), message.into())
    }

    /// Adds a warning.
    pub(super) fn warn(
        &mut self,
        span: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.add(Severity::Warning, span, key.into(), message.into())
    }

    /// Was any of them an error?
    pub(super) fn any_error(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Was anything found about that very key?
    pub(super) fn any_about(&self, key: &str) -> bool {
        self.found.iter().any(|problem| problem.key == key)
    }

    /// The line that something begins in, from 1.
    pub(super) fn line(&self, span: &Span) -> Option<usize> {
        place(self.text, span.start).map(|(line, _)| line)
    }

    /// Everything found, in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }

    fn add(
        &mut self,
        severity: Severity,
        span: &Span,
        key: String,
        message: String,
    ) -> &mut Problem {
        let (line, column) = place(self.text, span.start).unzip();
        let code = Code::default();
        let problem = Problem { severity, line, column, key, message, hint: None, code };
        self.found.push_mut(problem)
    }
}

impl Problem {
    /// Says how to mend it.
    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// Suggests `nearest`, when there is one.
    pub(super) fn did_you_mean(&mut self, nearest: Option<&str>) {
        if let Some(nearest) = nearest {
            self.hint(format!("did you mean `{nearest}`?"));
        }
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, byte: usize) -> Option<(usize, usize)> {
    if text.is_empty() {
        return None;
    }
    let before = text.get(..byte.min(text.len())).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Some((before.matches('\n').count() + 1, column))
}

/// The known name that is most like `name`, if one is like it at all.
#[must_use]
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        assert_eq!(place("a\nbé = 1", 0), Some((1, 1)));
        assert_eq!(place("a\nbé = 1", 2), Some((2, 1)));
        assert_eq!(place("a\nbé = 1", 5), Some((2, 3)), "é is one character of two bytes");
        assert_eq!(place("a\n", 99), Some((2, 1)), "behind the end is the end");
    }

    #[test]
    fn only_a_name_that_looks_alike_is_suggested() {
        assert_eq!(nearest("webhok", ["source", "webhook"]), Some("webhook"));
        assert_eq!(nearest("colour", ["source", "webhook"]), None);
    }
}

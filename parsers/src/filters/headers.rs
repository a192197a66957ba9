//! Headers in which spam and virus filters say what they found.
//!
//! Anybody can write such a header. Whoever reads one must know that a filter of ours wrote it.

/// What one header says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeaderSaid {
    /// What was found; None where the header only gives a score.
    pub found: Option<HeaderFinding>,
    /// Points.
    pub score: Option<f64>,
    /// Rules that matched, comma-separated, or the name of the virus.
    pub rules: Option<String>,
    /// A scanner for viruses wrote it.
    pub is_of_virus_scanner: bool,
}

/// What a filter found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFinding {
    /// Nothing.
    Clean,
    /// Spam.
    Spam,
    /// A virus.
    Virus,
}

/// Bytes looked at of one value.
const LOOKED_AT: usize = 4096;

/// Reads the value of a header, folds and all. None when nobody knows its name, or its words:
///
/// | header | of | as |
/// |---|---|---|
/// | `X-Spam-Status` | SpamAssassin, amavis, rspamd | `Yes, score=7.1 required=5.0 tests=A,B autolearn=no` |
/// | `X-Spam-Flag` | the same | `YES` |
/// | `X-Spam-Score` | the same | `7.1` |
/// | `X-Spam` | rspamd | `Yes` |
/// | `X-Virus-Status` | clamav-milter | `Infected (Win.Test.EICAR_HDB-1)` |
/// | `X-Rspamd-Action` | rspamd | `add header` |
/// | `X-Rspamd-Score` | rspamd | `7.1 / 15.00` |
#[must_use]
pub fn header(name: &str, value: &[u8]) -> Option<HeaderSaid> {
    let value = String::from_utf8_lossy(value.get(..LOOKED_AT).unwrap_or(value));
    let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    match name.to_ascii_lowercase().as_str() {
        "x-spam-status" => status(&value),
        "x-spam-flag" | "x-spam" => flag(&value).map(of),
        "x-spam-score" | "x-rspamd-score" => {
            Some(HeaderSaid { score: Some(score(&value)?), ..HeaderSaid::default() })
        }
        "x-virus-status" => virus(&value),
        "x-rspamd-action" => action(&value),
        _ => None,
    }
}

fn of(found: HeaderFinding) -> HeaderSaid {
    HeaderSaid { found: Some(found), ..HeaderSaid::default() }
}

/// The first word.
fn flag(value: &str) -> Option<HeaderFinding> {
    let word = value.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(HeaderFinding::Spam),
        "no" | "false" => Some(HeaderFinding::Clean),
        _ => None,
    }
}

fn score(value: &str) -> Option<f64> {
    let word = value.split([' ', ',', '/']).next()?;
    word.parse().ok().filter(|score: &f64| score.is_finite())
}

fn status(value: &str) -> Option<HeaderSaid> {
    let found = flag(value)?;
    let behind = |name: &str| value.split_once(name).map(|(_, rest)| rest);
    let score = behind("score=").or_else(|| behind("hits=")).and_then(score);
    let rules = behind("tests=").and_then(rules);
    Some(HeaderSaid { found: Some(found), score, rules, is_of_virus_scanner: false })
}

/// `A,B, C autolearn=no` and `[A=1.2, B=3]`. `SpamAssassin` writes `none` where there is none.
fn rules(value: &str) -> Option<String> {
    let (list, is_bracketed) = match value.strip_prefix('[') {
        Some(list) => (list.split(']').next().unwrap_or(list), true),
        None => (value, false),
    };
    let mut names = Vec::new();
    for word in list.split([',', ' ']).filter(|word| !word.is_empty()) {
        let name = match word.split_once('=') {
            Some((name, _)) if is_bracketed => name,
            // Another field begins.
            Some(_) => break,
            None => word,
        };
        names.push(name);
    }
    let rules = names.join(",");
    (!rules.is_empty() && rules != "none").then_some(rules)
}

fn virus(value: &str) -> Option<HeaderSaid> {
    let lower = value.to_ascii_lowercase();
    if lower.starts_with("clean") || lower.starts_with("no") {
        let is_of_virus_scanner = true;
        let found = Some(HeaderFinding::Clean);
        return Some(HeaderSaid { found, is_of_virus_scanner, ..HeaderSaid::default() });
    }
    let rest = value.get("infected".len()..).filter(|_| lower.starts_with("infected"))?;
    let name = rest.trim_start_matches([' ', ':']);
    let name = name.strip_prefix("with ").unwrap_or(name).trim_matches(['(', ')', ' ']);
    let rules = (!name.is_empty()).then(|| name.to_owned());
    let found = Some(HeaderFinding::Virus);
    Some(HeaderSaid { found, score: None, rules, is_of_virus_scanner: true })
}

fn action(value: &str) -> Option<HeaderSaid> {
    Some(of(match value.to_ascii_lowercase().as_str() {
        "add header" | "rewrite subject" | "reject" | "quarantine" => HeaderFinding::Spam,
        "no action" | "greylist" | "soft reject" => HeaderFinding::Clean,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(
        name: &str,
        value: &str,
    ) -> Option<(Option<HeaderFinding>, Option<f64>, Option<String>)> {
        header(name, value.as_bytes()).map(|said| (said.found, said.score, said.rules))
    }

    #[test]
    fn what_filters_write_is_understood() {
        use HeaderFinding::{Clean, Spam, Virus};
        let rules = |rules: &str| Some(rules.to_owned());
        for (name, value, expected) in [
            (
                "X-Spam-Status",
                "Yes, score=7.1 required=5.0 tests=BAYES_99,HTML_MESSAGE,\n\tMISSING_DATE \
                 autolearn=no version=4.0.1",
                (Some(Spam), Some(7.1), rules("BAYES_99,HTML_MESSAGE,MISSING_DATE")),
            ),
            (
                "X-Spam-Status",
                "No, score=-1.9 tagged_above=-999 required=6.2\n\ttests=[BAYES_00=-1.9, \
                 A=0.1] autolearn=ham",
                (Some(Clean), Some(-1.9), rules("BAYES_00,A")),
            ),
            ("x-spam-status", "Yes, score=15.10", (Some(Spam), Some(15.1), None)),
            ("X-Spam-Status", "No, hits=0 tests=none", (Some(Clean), Some(0.0), None)),
            ("X-Spam-Flag", "YES", (Some(Spam), None, None)),
            ("X-Spam", "Yes", (Some(Spam), None, None)),
            ("X-Spam-Score", "7.1 (+++++++)", (None, Some(7.1), None)),
            ("X-Rspamd-Score", "7.1 / 15.00", (None, Some(7.1), None)),
            ("X-Virus-Status", "Clean", (Some(Clean), None, None)),
            ("X-Virus-Status", "Infected (Eicar-1)", (Some(Virus), None, rules("Eicar-1"))),
            ("X-Virus-Status", "Infected with Eicar-1", (Some(Virus), None, rules("Eicar-1"))),
            ("X-Rspamd-Action", "add header", (Some(Spam), None, None)),
            ("X-Rspamd-Action", "no action", (Some(Clean), None, None)),
        ] {
            assert_eq!(said(name, value), Some(expected), "{name}: {value}");
        }
    }

    #[test]
    fn what_nobody_wrote_is_not() {
        for (name, value) in [
            ("X-Spam-Status", "maybe"),
            ("X-Spam-Score", "NaN"),
            ("X-Spam-Score", "high"),
            ("X-Spam-Score", "inf"),
            ("X-Virus-Status", "?"),
            ("X-Rspamd-Action", "dance"),
            ("Subject", "Yes"),
        ] {
            assert_eq!(said(name, value), None, "{name}: {value}");
        }
    }
}

//! What a filter before us wrote into the headers of a message.
//!
//! Only headers that the configuration names count: their filter removes them from what comes in. One
//! that is there twice was not removed, and two that contradict each other were not both written by it:
//! neither says anything then.

use mailherald_parsers::filters::{HeaderFinding, HeaderSaid, header};

use crate::{
    event::{HeaderVerdict, text},
    limits,
};

/// What the headers of one message say, as they come.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// By the place of its name in the configuration; None once it came a second time.
    said: Vec<(usize, Option<HeaderSaid>)>,
}

impl Verdicts {
    /// A header whose name is at that place among the configured ones.
    pub(super) fn note(&mut self, place: usize, name: &str, value: &[u8]) {
        match self.said.iter_mut().find(|(known, _)| *known == place) {
            Some((_, said)) => *said = None,
            None => self.said.push((place, header(name, value))),
        }
    }

    /// What they say together, if something was found.
    pub(super) fn found(&self) -> Option<HeaderVerdict> {
        let said = || self.said.iter().filter_map(|(_, said)| said.as_ref());
        let spam = said().filter(|said| is_about_spam(said)).filter_map(|said| said.found);
        let is_virus = said().any(|said| said.found == Some(HeaderFinding::Virus));
        let (mut is_spam, mut is_clean) = (false, false);
        spam.for_each(|found| match found {
            HeaderFinding::Clean => is_clean = true,
            _ => is_spam = true,
        });
        if !is_virus && (!is_spam || is_clean) {
            return None;
        }
        let of_it = || said().filter(|said| is_about_spam(said) != is_virus);
        let rules = of_it().find_map(|said| said.rules.as_ref());
        Some(HeaderVerdict {
            is_virus,
            score: of_it().find_map(|said| said.score),
            rules: rules.map(|rules| text::bounded(rules.as_bytes(), limits::TEXT_BYTES).value),
        })
    }
}

/// A clean bill of a virus scanner contradicts no spam filter.
fn is_about_spam(said: &HeaderSaid) -> bool {
    !said.is_of_virus_scanner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VERDICT_HEADERS;

    fn found(headers: &[(&str, &str)]) -> Option<(bool, Option<f64>, Option<String>)> {
        let mut verdicts = Verdicts::default();
        for (name, value) in headers {
            let place = VERDICT_HEADERS.iter().position(|known| known == name);
            verdicts.note(place.unwrap_or(99), name, value.as_bytes());
        }
        let found = verdicts.found()?;
        Some((found.is_virus, found.score, found.rules.map(Into::into)))
    }

    #[test]
    fn headers_of_one_filter_say_one_thing_together() {
        let all = [("X-Spam-Flag", "YES"), ("X-Spam-Status", "Yes, score=7.1 tests=A,B")];
        assert_eq!(found(&all), Some((false, Some(7.1), Some("A,B".into()))));
        let all = [("X-Spam-Score", "9"), ("X-Spam", "Yes"), ("X-Virus-Status", "Clean")];
        assert_eq!(found(&all), Some((false, Some(9.0), None)));
        let all = [("X-Spam-Status", "Yes, score=7"), ("X-Virus-Status", "Infected (E)")];
        assert_eq!(found(&all), Some((true, None, Some("E".into()))), "a virus is worse");
        assert_eq!(found(&[("X-Spam-Score", "9")]), None, "points alone are no verdict");
        assert_eq!(found(&[("X-Spam-Flag", "NO")]), None);
    }

    #[test]
    fn what_a_stranger_put_beside_the_filters_own_never_counts() {
        for forged in [
            &[("X-Spam-Flag", "YES"), ("X-Spam-Flag", "NO")][..],
            &[("X-Spam-Flag", "YES"), ("X-Spam-Flag", "YES")],
            &[("X-Spam-Flag", "YES"), ("X-Spam-Status", "No, score=0.1")],
            &[("X-Spam-Flag", "YES"), ("X-Spam-Flag", "YES"), ("X-Spam-Flag", "YES")],
        ] {
            assert_eq!(found(forged), None, "{forged:?}");
        }
    }

    #[test]
    fn each_header_that_can_be_configured_is_understood() {
        let values = ["Yes, score=1", "YES", "1", "Yes", "Infected (E)", "add header", "1 / 2"];
        for (name, value) in VERDICT_HEADERS.into_iter().zip(values) {
            assert!(header(name, value.as_bytes()).is_some(), "{name}");
        }
    }
}

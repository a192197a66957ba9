//! Deliveries by their state. Those that wait and those that ended badly have rows of their own in
//! the store: they are found there, however many events there are. Others are found by looking at
//! events.

use std::{collections::BTreeSet, sync::Arc};

use super::{Desk, problem::Problem};
use crate::{
    config::{Webhook, WebhookId},
    queue::delivery::EndState,
    search::{self, Page, SearchError, Wanted},
    store::View,
    writer::{Course, rows},
};

/// Dead letters of one webhook that are looked at for one page.
const LETTERS: usize = 10_000;

/// States that a delivery may be in.
pub(super) const NAMES: [&str; 10] = [
    "pending",
    "held",
    "in_flight",
    "delivered",
    "dead",
    "discarded",
    "blocked",
    "cancelled",
    "expired",
    "settled",
];

/// Some states, by their names; none stands for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct States(Vec<&'static str>);

/// Where deliveries in some states are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shelf {
    /// Among the dead letters.
    Letters,
    /// Among retries, and the events that were not handed out.
    Waiting,
    /// Among all events.
    Events,
}

impl States {
    /// Those names, of these that are known.
    ///
    /// # Errors
    /// One is not known; `field` is what gave it.
    pub(super) fn parse<'a>(
        field: &str,
        names: impl IntoIterator<Item = &'a str>,
        known: &[&'static str],
    ) -> Result<Self, Problem> {
        let one = |name: &str| {
            known.iter().find(|it| **it == name).copied().ok_or_else(|| {
                Problem::invalid(format!("{field}: `{name}` is none of {}", known.join(", ")))
            })
        };
        names.into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Is that one of them?
    pub(super) fn take(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.contains(&name)
    }

    /// The attempts on record decide whether a delivery is in one of them.
    pub(super) fn depend_on_attempts(&self) -> bool {
        self.shelf() == Shelf::Events
    }

    fn shelf(&self) -> Shelf {
        let are_all =
            |shelf: &[&str]| !self.0.is_empty() && self.0.iter().all(|it| shelf.contains(it));
        if are_all(&EndState::ALL.map(EndState::name)) {
            Shelf::Letters
        } else if are_all(&["pending", "held", "in_flight"]) {
            Shelf::Waiting
        } else {
            Shelf::Events
        }
    }

    fn ends(&self) -> Vec<EndState> {
        EndState::ALL.into_iter().filter(|state| self.take(state.name())).collect()
    }

    /// Only an enabled webhook has some of them, and only a disabled one has others.
    fn may_be_of(&self, course: &Course) -> bool {
        match self.0[..] {
            ["held"] => course.is_disabled(),
            ["pending"] => !course.is_disabled(),
            _ => true,
        }
    }
}

impl Desk {
    /// Some of the events that may have a delivery in these states to one of these webhooks, the latest
    /// stored first. All of them come, page by page.
    pub(super) async fn events_with(
        &self,
        wanted: &Wanted,
        webhooks: &[Arc<Webhook>],
        states: &States,
    ) -> Result<Page, Problem> {
        let place = if wanted.is_indexed() { Shelf::Events } else { states.shelf() };
        let (wanted, ids) = (wanted.clone(), webhooks.iter().map(|it| it.id).collect::<Vec<_>>());
        Ok(match place {
            Shelf::Events => self.search.find(wanted).await?,
            Shelf::Letters => {
                let ends = states.ends();
                self.search.read(move |view| with_letters(view, &wanted, &ids, &ends)).await?
            }
            Shelf::Waiting => {
                let mut courses = self.writer.courses().await?;
                courses.retain(|it| ids.contains(&it.webhook) && states.may_be_of(it));
                self.search.read(move |view| waiting(view, &wanted, &courses)).await?
            }
        })
    }
}

/// Events that have a dead letter.
fn with_letters(
    view: &View,
    wanted: &Wanted,
    webhooks: &[WebhookId],
    ends: &[EndState],
) -> Result<Page, SearchError> {
    let (mut seqs, mut floor) = (BTreeSet::new(), 0);
    let before = wanted.before.unwrap_or(u64::MAX);
    for &webhook in webhooks {
        let found =
            rows::dead_below(view, webhook, before, ends, LETTERS).map_err(SearchError::of)?;
        seqs.extend(found.seqs);
        floor = floor.max(found.next.unwrap_or(0));
    }
    // Below it not all of them are known yet.
    let known = seqs.range(floor..).rev().copied();
    let mut page = search::among(view, wanted, known)?;
    page.next = page.next.or(Some(floor).filter(|floor| *floor > 0));
    Ok(page)
}

/// Events that wait: first those behind which nothing was handed out, then those that were tried.
fn waiting(view: &View, wanted: &Wanted, courses: &[Course]) -> Result<Page, SearchError> {
    let Some(low) = courses.iter().map(Course::low).min() else { return Ok(Page::default()) };
    let before = wanted.before.unwrap_or(u64::MAX);
    if before > low {
        let mut page = search::find(view, &Wanted { from_seq: low, ..wanted.clone() })?;
        page.next = page.next.or(Some(low).filter(|low| *low > 0));
        return Ok(page);
    }
    let mut seqs = BTreeSet::new();
    for course in courses {
        let retries = rows::retries(view, course.webhook).map_err(SearchError::of)?;
        seqs.extend(retries.into_keys().filter(|seq| *seq < before));
    }
    search::among(view, wanted, seqs.into_iter().rev())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn states(names: &[&str]) -> States {
        States::parse("state", names.iter().copied(), &NAMES).unwrap()
    }

    #[test]
    fn states_are_looked_for_where_they_are() {
        for (names, shelf) in [
            (&[][..], Shelf::Events),
            (&["dead"], Shelf::Letters),
            (&["dead", "cancelled", "blocked", "discarded"], Shelf::Letters),
            (&["pending", "held"], Shelf::Waiting),
            (&["in_flight"], Shelf::Waiting),
            (&["dead", "pending"], Shelf::Events),
            (&["delivered"], Shelf::Events),
        ] {
            assert_eq!(states(names).shelf(), shelf, "{names:?}");
        }
        assert_eq!(states(&["dead", "blocked"]).ends(), [EndState::Dead, EndState::Blocked]);
    }

    #[test]
    fn an_unknown_state_is_refused_with_the_known_ones() {
        let problem = States::parse("state", ["deaf"], &["dead", "held"]).unwrap_err();
        assert_eq!(
            (problem.status, problem.detail.as_str()),
            (400, "state: `deaf` is none of dead, held")
        );
    }
}

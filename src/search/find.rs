//! Finds events: by the index where it covers them and something is given that it knows, else by
//! looking at each.

use super::{SearchError, chunks::Chunks, wanted::Wanted};
use crate::{
    event::Event,
    limits::{SEARCHED_CHUNKS, SEARCHED_SEGMENTS},
    store::{
        Prefix, View,
        index::{self, BLOCK_EVENTS, Segment, Term},
        key,
    },
};

/// Some of the events that are looked for, the latest stored first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Each with its sequence number.
    pub events: Vec<(u64, Event)>,
    /// Give it as [`Wanted::before`] to go on; None at the end. There may be no further event.
    pub next: Option<u64>,
}

/// Finds at most `wanted.limit` events, and looks at no more than a bounded number of others.
///
/// # Errors
/// When the store cannot be read.
pub fn find(view: &View, wanted: &Wanted) -> Result<Page, SearchError> {
    let mut walk = Walk {
        view,
        wanted,
        terms: wanted.terms(),
        chunks: Chunks::new(view, SEARCHED_CHUNKS),
        page: Page::default(),
        is_over: false,
    };
    walk.all(wanted.before.unwrap_or(u64::MAX))?;
    Ok(walk.page)
}

/// The same of the events with these sequence numbers, which come in falling order.
///
/// # Errors
/// When the store cannot be read.
pub fn among(
    view: &View,
    wanted: &Wanted,
    seqs: impl IntoIterator<Item = u64>,
) -> Result<Page, SearchError> {
    let mut chunks = Chunks::new(view, SEARCHED_CHUNKS);
    let mut page = Page::default();
    for seq in seqs {
        if chunks.is_spent() || page.events.len() >= wanted.limit {
            page.next = Some(seq.saturating_add(1));
            break;
        }
        let events = chunks.holder(seq)?.map(|(_, events)| events.as_slice()).unwrap_or_default();
        let found = events.iter().find(|(other, _)| *other == seq);
        page.events.extend(found.filter(|(_, event)| wanted.takes(event)).cloned());
    }
    Ok(page)
}

struct Walk<'a> {
    view: &'a View,
    wanted: &'a Wanted,
    terms: Vec<Term>,
    chunks: Chunks<'a>,
    page: Page,
    /// The page is full, or enough was looked at.
    is_over: bool,
}

impl Walk<'_> {
    /// Goes down through everything below `upper`.
    fn all(&mut self, mut upper: u64) -> Result<(), SearchError> {
        let segments = self.view.scan(&Prefix::segments())?.rev();
        let mut asked = 0;
        for entry in segments {
            let (key, value) = entry?;
            let Some(first_seq) = key::parse_segment(&key).filter(|first| *first < upper) else {
                continue;
            };
            // What cannot be read has no index.
            let Ok(segment) = index::segment(&value) else { continue };
            self.range(segment.end_seq, upper)?;
            upper = upper.min(segment.end_seq);
            if asked == SEARCHED_SEGMENTS {
                self.stop(upper);
            }
            if self.is_over || upper <= self.wanted.from_seq {
                return Ok(());
            }
            asked += 1;
            self.segment(&segment, upper)?;
            upper = first_seq;
        }
        self.range(0, upper)
    }

    /// Looks into one segment.
    fn segment(&mut self, segment: &Segment, upper: u64) -> Result<(), SearchError> {
        if self.is_over || !self.wanted.may_be_between(segment.from_us, segment.until_us) {
            return Ok(());
        }
        let Some(blocks) = self.blocks(segment.first_seq)? else {
            return self.range(segment.first_seq, upper);
        };
        for block in blocks.iter().rev() {
            let from = segment.first_seq + block * BLOCK_EVENTS;
            self.range(from, upper.min(from + BLOCK_EVENTS))?;
        }
        Ok(())
    }

    /// The blocks in which everything is that is looked for, in order; None where the index does not
    /// know.
    fn blocks(&self, segment: u64) -> Result<Option<Vec<u64>>, SearchError> {
        let mut all: Option<Vec<u64>> = None;
        for &term in &self.terms {
            let Some(blocks) = self.blocks_of(segment, term)? else { continue };
            all = Some(match all {
                Some(mut others) => {
                    others.retain(|block| blocks.binary_search(block).is_ok());
                    others
                }
                None => blocks,
            });
        }
        Ok(all)
    }

    fn blocks_of(&self, segment: u64, term: Term) -> Result<Option<Vec<u64>>, SearchError> {
        let (from, to) = index::keys(segment, term);
        let mut pages = Vec::new();
        for entry in self.view.scan_range(&from, &to)?.rev() {
            let (key, page) = entry?;
            let Some((_, first)) = key::parse_terms(&key) else { continue };
            match index::blocks(first, &page, term) {
                Ok(blocks) => pages.push(blocks),
                Err(error) => {
                    tracing::warn!(%error, segment, "the index of some events cannot be read");
                    return Ok(None);
                }
            }
            if !index::may_begin_before(first, term) {
                break;
            }
        }
        Ok(Some(pages.into_iter().rev().flatten().collect()))
    }

    /// Looks at each event from `lower` up to and without `upper`, the latest first.
    fn range(&mut self, lower: u64, mut upper: u64) -> Result<(), SearchError> {
        let lower = lower.max(self.wanted.from_seq);
        while lower < upper && !self.is_over {
            if self.chunks.is_spent() {
                self.stop(upper);
                return Ok(());
            }
            let Some((first, events)) = self.chunks.holder(upper - 1)? else { return Ok(()) };
            let inside = events.iter().rev().filter(|(seq, _)| (lower..upper).contains(seq));
            for (seq, event) in inside.filter(|(_, event)| self.wanted.takes(event)) {
                if self.page.events.len() >= self.wanted.limit {
                    self.is_over = true;
                    self.page.next = Some(seq + 1);
                    return Ok(());
                }
                self.page.events.push((*seq, event.clone()));
            }
            upper = upper.min(*first);
        }
        Ok(())
    }

    fn stop(&mut self, upper: u64) {
        self.is_over = true;
        self.page.next = Some(upper);
    }
}

//! Which older events a replay has offered to a webhook that is younger than they are, so that a
//! second replay does not offer them again. One bit for each event, in pages of 4 KiB.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{error::WriterError, stage::Stage};
use crate::{
    config::WebhookId,
    store::{Key, Store, codec},
};

/// Version of the stored form.
const VERSION: u8 = 1;
/// Events of one page.
const PAGE_EVENTS: u64 = 32_768;
/// Pages kept in memory; a replay goes through them in order.
const PAGES_LOADED: usize = 8;

/// The bitmap of one webhook.
#[derive(Debug, Default)]
pub(super) struct Offered {
    pages: BTreeMap<u64, Page>,
}

#[derive(Debug)]
struct Page {
    bits: Vec<u8>,
    changed: bool,
}

impl Offered {
    /// Marks an event as offered; false when it was before.
    pub(super) fn mark(
        &mut self,
        webhook: WebhookId,
        seq: u64,
        store: &Store,
    ) -> Result<bool, WriterError> {
        let number = seq / PAGE_EVENTS;
        let page = match self.pages.entry(number) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => place.insert(Page::load(webhook, number, store)?),
        };
        let place = usize::try_from(seq % PAGE_EVENTS / 8).unwrap_or(0);
        if page.bits.len() <= place {
            page.bits.resize(place + 1, 0);
        }
        let Some(byte) = page.bits.get_mut(place) else { return Ok(true) };
        let bit = 1 << (seq % 8);
        let is_new = *byte & bit == 0;
        *byte |= bit;
        page.changed |= is_new;
        Ok(is_new)
    }

    /// Puts the pages that changed into the next commit.
    pub(super) fn stage(&mut self, webhook: WebhookId, stage: &mut Stage) {
        for (&number, page) in &mut self.pages {
            if std::mem::take(&mut page.changed) {
                stage.put(Key::offered(webhook, number), codec::encode(VERSION, &page.bits));
            }
        }
        while self.pages.len() > PAGES_LOADED {
            self.pages.pop_first();
        }
    }
}

/// Behind the last event of a page.
pub(super) fn end_of_page(number: u64) -> u64 {
    number.saturating_add(1).saturating_mul(PAGE_EVENTS)
}

impl Page {
    fn load(webhook: WebhookId, number: u64, store: &Store) -> Result<Self, WriterError> {
        let stored = store.get(&Key::offered(webhook, number))?;
        let bits = stored.map(|bytes| codec::decode("page", VERSION, &bytes)).transpose()?;
        Ok(Self { bits: bits.unwrap_or_default(), changed: false })
    }
}

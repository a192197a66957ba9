//! An attempt with what it was for and what came of it, as the history keeps it.

use serde::{Deserialize, Serialize};

use super::{
    attempt::Attempt,
    delivery::{EndState, Fate, Finished},
};
use crate::event::{EventId, EventType};

/// Bytes of a record at most: a stored value must not be large (storage-and-speed.md §3.2).
const RECORD_BYTES: usize = 6 * 1024;
/// Bytes kept of an answer's body, tried one after the other until the record is small enough.
const BODY_BYTES: [usize; 3] = [4096, 1024, 0];
/// Bytes kept of the URL when all else is cut.
const URL_BYTES: usize = 512;

/// One attempt on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Place of the event in the store.
    pub seq: u64,
    /// The event, which may be deleted before its attempts are.
    pub event: EventId,
    /// What it told.
    pub kind: EventType,
    /// It was sent to see how the receiver is.
    pub is_probe: bool,
    /// What became of the delivery.
    pub end: RecordEnd,
    /// The attempt itself.
    pub attempt: Attempt,
}

/// What became of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordEnd {
    /// The receiver has it.
    Delivered,
    /// Another attempt is due then, milliseconds since the epoch; a probe that failed says when
    /// it ended.
    Retry {
        /// When.
        due_ms: u64,
    },
    /// It ended badly.
    Ended(EndState),
}

impl Record {
    /// From what a sender reports; None if it reports no attempt.
    #[must_use]
    pub fn of(finished: &mut Finished) -> Option<Self> {
        let attempt = *finished.record.take()?;
        let claim = &finished.claim;
        let end = match &finished.fate {
            Fate::Delivered => RecordEnd::Delivered,
            Fate::Retry { due_ms, .. } => RecordEnd::Retry { due_ms: *due_ms },
            Fate::Ended(letter) => RecordEnd::Ended(letter.state),
        };
        let mut record = Self {
            seq: claim.seq,
            event: claim.event.id,
            kind: claim.event.kind,
            is_probe: claim.is_probe,
            end,
            attempt,
        };
        record.fit();
        Some(record)
    }

    /// When the attempt began, milliseconds since the epoch.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        u64::try_from(self.attempt.started_us / 1000).unwrap_or(0)
    }

    /// Cuts what strangers filled until the record is small enough.
    fn fit(&mut self) {
        for bytes in BODY_BYTES {
            for exchange in &mut self.attempt.exchanges {
                cut(&mut exchange.body, bytes);
            }
            if self.text_bytes() <= RECORD_BYTES {
                return;
            }
        }
        cut(&mut self.attempt.url, URL_BYTES);
        self.attempt.exchanges.iter_mut().for_each(|exchange| exchange.headers.clear());
    }

    /// All that has no bound of its own that is small.
    fn text_bytes(&self) -> usize {
        let of_headers = |headers: &[(String, String)]| -> usize {
            headers.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        let exchanges = self.attempt.exchanges.iter();
        let exchanges: usize =
            exchanges.map(|exchange| exchange.body.len() + of_headers(&exchange.headers)).sum();
        self.attempt.url.len() + exchanges
    }
}

fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::attempt::{Exchange, ExchangeResult, Times};

    #[test]
    fn whatever_a_receiver_says_a_record_stays_small() {
        let exchange = |body: &str, value: &str| Exchange {
            key: None,
            remote: None,
            by_proxy: false,
            times: Times::default(),
            result: ExchangeResult::Answered(500),
            headers: vec![("server".into(), value.into()); 8],
            body: body.into(),
        };
        let (long, value) = ("ü".repeat(4096), "x".repeat(256));
        for (exchanges, url) in [
            (vec![exchange(&long, ""), exchange(&long, "")], "https://x.test/".to_owned()),
            (vec![exchange(&long, &value), exchange(&long, &value)], "u".repeat(2048)),
        ] {
            let attempt = Attempt {
                number: 1,
                started_us: 5_999,
                elapsed_us: 1,
                url,
                request: None,
                exchanges,
            };
            let mut record = Record {
                seq: 1,
                event: EventId::default(),
                kind: EventType::OutboundDelivered,
                is_probe: false,
                end: RecordEnd::Delivered,
                attempt,
            };
            record.fit();
            let stored = postcard::to_allocvec(&record).map_or(usize::MAX, |bytes| bytes.len());
            assert!(stored <= RECORD_BYTES + 512, "{stored}");
            assert_eq!(record.at_ms(), 5);
        }
    }
}

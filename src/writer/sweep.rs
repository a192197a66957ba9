//! A slow walk over the tables whose keys nothing else removes: retries of deleted events, dead
//! letters, pages of what replays offered, positions in logs that are gone, a replay that
//! nobody goes on with. Some keys at a time, so that nobody waits for it.

use super::{
    audit, deliveries, deliveries::Deliveries, error::WriterError, events::EventLog, history,
    replay_set, stage::Stage,
};
use crate::{
    clock::millis_of,
    config::Retention,
    limits::REMOVES_PER_COMMIT,
    queue::delivery::DeadLetter,
    store::{Key, Prefix, Store, codec, key, log},
};

/// Keys looked at in one step.
const LOOKED_AT: usize = 1000;
/// Between two walks. The first one begins this long after the start: until then the sources have
/// renewed the positions of all logs that are there.
const EVERY_MS: u64 = 3_600_000;

/// What the walk measures by.
#[derive(Debug)]
pub(super) struct Measure<'a> {
    pub(super) now_ms: u64,
    /// The same where a retry may be due.
    pub(super) steady_ms: u64,
    pub(super) retention: &'a Retention,
    /// Events below it are deleted.
    pub(super) first_seq: u64,
    /// Events below it are not sent any more to webhooks that are not configured.
    pub(super) expired_seq: u64,
    /// Names of the configured sources.
    pub(super) sources: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Retries,
    Places,
    Dead,
    Attempts,
    Offered,
    Positions,
    SourceStates,
    Audit,
    Replay,
}

/// Where the walk is.
#[derive(Debug)]
pub(super) struct Sweep {
    /// None between two walks.
    table: Option<Table>,
    last_key: Vec<u8>,
    /// When the last walk ended, or the program started.
    rested_ms: u64,
}

impl Sweep {
    /// Rests first.
    pub(super) fn new(now_ms: u64) -> Self {
        Self { table: None, last_key: Vec::new(), rested_ms: now_ms }
    }

    /// A step, if it is time. True when the walk goes on.
    pub(super) fn step(
        &mut self,
        measure: &Measure<'_>,
        deliveries: &mut Deliveries,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        if self.table.is_none() && measure.now_ms.abs_diff(self.rested_ms) >= EVERY_MS {
            self.table = Some(Table::Retries);
        }
        let Some(table) = self.table else { return Ok(false) };
        let (mut looked_at, mut removed) = (0, 0);
        for entry in store.scan_behind(&table.prefix(), &self.last_key)? {
            if looked_at == LOOKED_AT || removed == REMOVES_PER_COMMIT {
                return Ok(true);
            }
            let (key, value) = entry?;
            looked_at += 1;
            if let (Table::Places, Some(place)) = (table, key::parse_place(&key)) {
                deliveries.mend_order(place, measure.steady_ms, store, stage)?;
            }
            if table.is_over(&key, &value, measure, deliveries, events, store)? {
                removed += 1;
                if table == Table::Dead {
                    deliveries.recount_dead();
                }
                stage.remove(Key::from_stored(&key));
            }
            self.last_key = key;
        }
        self.last_key.clear();
        self.table = table.next();
        self.rested_ms = measure.now_ms;
        Ok(self.table.is_some())
    }
}

impl Table {
    fn prefix(self) -> Prefix {
        match self {
            Self::Retries => Prefix::all_retries(),
            Self::Places => Prefix::all_places(),
            Self::Dead => Prefix::all_dead(),
            Self::Attempts => Prefix::all_attempts(),
            Self::Offered => Prefix::all_offered(),
            Self::Positions => Prefix::all_positions(),
            Self::SourceStates => Prefix::source_states(),
            Self::Audit => Prefix::audit(),
            Self::Replay => Prefix::replay(),
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Retries => Some(Self::Places),
            Self::Places => Some(Self::Dead),
            Self::Dead => Some(Self::Attempts),
            Self::Attempts => Some(Self::Offered),
            Self::Offered => Some(Self::Positions),
            Self::Positions => Some(Self::SourceStates),
            Self::SourceStates => Some(Self::Audit),
            Self::Audit => Some(Self::Replay),
            Self::Replay => None,
        }
    }

    /// Nobody will ask for this entry any more.
    fn is_over(
        self,
        key: &[u8],
        value: &[u8],
        measure: &Measure<'_>,
        deliveries: &mut Deliveries,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<bool, WriterError> {
        Ok(match self {
            Self::Retries => match key::parse_retry(key) {
                Some(retry @ (webhook, _, seq)) => {
                    let expired_seq = deliveries.expired_seq(webhook);
                    let expired_seq = expired_seq.unwrap_or(measure.expired_seq);
                    seq < expired_seq.max(measure.first_seq)
                        && deliveries.give_up(retry, events, store)?
                }
                None => false,
            },
            Self::Places => key::parse_place(key).is_some_and(|(webhook, _, seq)| {
                deliveries.expired_seq(webhook).is_none() && seq < measure.expired_seq
            }),
            Self::Dead => {
                let letter: DeadLetter = codec::decode("dead letter", deliveries::VERSION, value)?;
                is_older(letter.ended_ms, measure.retention.dead, measure.now_ms)
            }
            Self::Attempts => {
                is_older(history::newest_ms(value)?, measure.retention.attempts, measure.now_ms)
            }
            Self::Offered => key::parse_offered(key)
                .is_some_and(|(_, page)| super::backfill::end_of_page(page) <= measure.first_seq),
            Self::Positions => {
                let position = log::decode_position(value)?;
                let seen_ms = u64::try_from(position.seen_at).unwrap_or(0).saturating_mul(1000);
                is_older(seen_ms, measure.retention.positions, measure.now_ms)
            }
            Self::SourceStates => match key::parse_source_state(key) {
                Some(name) if !measure.sources.contains(&name) => {
                    store.scan(&Prefix::positions(name))?.next().is_none()
                }
                _ => false,
            },
            Self::Audit => is_older(audit::row(value)?.at_ms, audit::KEPT, measure.now_ms),
            Self::Replay => match replay_set::marked_at_ms(store)? {
                Some(at_ms) => {
                    replay_set::is_mark(key)
                        && is_older(at_ms, measure.retention.positions, measure.now_ms)
                }
                // Its mark went with an earlier step.
                None => true,
            },
        })
    }
}

fn is_older(at_ms: u64, age: std::time::Duration, now_ms: u64) -> bool {
    at_ms.saturating_add(millis_of(age)) < now_ms
}

//! Who changed what: a row for each change that was asked for, in the store, the newest ten thousand
//! of the last 400 days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Writer,
    error::WriterError,
    handle::{Command, Stopped, WriterHandle},
    look::Look,
    stage::Stage,
};
use crate::{
    limits::AUDIT_ROWS,
    store::{Key, Prefix, Store, codec, key::parse_audit},
};

/// Version of the stored form.
const VERSION: u8 = 1;
/// Older rows go.
pub(super) const KEPT: Duration = Duration::from_hours(400 * 24);
/// Rows of one answer at most.
const PAGE: usize = 1000;

/// One change that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
    /// Who: the name of the key, or the user on the machine.
    pub who: String,
    /// Id of the key, where there was one.
    pub key: Option<String>,
    /// Where from: an address, or the unix socket.
    pub from: String,
    /// What was asked for: `POST /v1/webhooks/{id}/enable`.
    pub action: String,
    /// What it was to be done to; empty when that is not a single thing.
    pub target: String,
    /// Status code of the answer.
    pub status: u16,
}

/// Some rows, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Each with its number.
    pub rows: Vec<(u64, AuditRow)>,
    /// Below which to go on; None at the end.
    pub next: Option<u64>,
}

/// Where the next row goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuditLog {
    next: u64,
}

impl AuditLog {
    /// Goes on behind what is stored.
    pub(super) fn load(store: &Store) -> Result<Self, WriterError> {
        let last = store.last(&Prefix::audit())?;
        let last = last.and_then(|(key, _)| parse_audit(&key));
        Ok(Self { next: last.map_or(0, |last| last.saturating_add(1)) })
    }

    /// Stages a row.
    pub(super) fn append(&mut self, row: &AuditRow, stage: &mut Stage) {
        stage.put(Key::audit(self.next), codec::encode(VERSION, row));
        self.next += 1;
        if let Some(surplus) = self.next.checked_sub(AUDIT_ROWS + 1) {
            stage.remove(Key::audit(surplus));
        }
    }
}

/// Rows below `before`, the newest first.
fn read(before: Option<u64>, limit: usize, store: &Store) -> Result<AuditPage, WriterError> {
    let end = Key::audit(before.unwrap_or(u64::MAX));
    let mut page = AuditPage::default();
    for entry in store.scan_range(&Key::audit(0), &end)?.rev() {
        let (key, value) = entry?;
        let Some(number) = parse_audit(&key) else { continue };
        if page.rows.len() >= limit {
            page.next = page.rows.last().map(|(last, _)| *last);
            break;
        }
        page.rows.push((number, row(&value)?));
    }
    Ok(page)
}

/// A stored row.
pub(super) fn row(value: &[u8]) -> Result<AuditRow, WriterError> {
    Ok(codec::decode("row of the audit log", VERSION, value)?)
}

impl Writer {
    /// Keeps a row, durably.
    pub(super) fn audit(&mut self, row: &AuditRow) -> Result<(), WriterError> {
        self.audit_log.append(row, &mut self.stage);
        self.commit()
    }

    pub(super) fn audited(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<AuditPage, WriterError> {
        read(before, limit, &self.store)
    }
}

impl WriterHandle {
    /// Keeps a row of the audit log. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn audit(&self, row: AuditRow) -> Result<(), Stopped> {
        self.ask(|answer| Command::Audit { row, answer }).await
    }

    /// Rows of the audit log, the newest first, below the one with that number; at most 1000.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn audited(&self, before: Option<u64>, limit: usize) -> Result<AuditPage, Stopped> {
        let limit = limit.min(PAGE);
        self.look(|answer| Look::Audited { before, limit, answer }).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;

    fn about(number: u64) -> AuditRow {
        AuditRow {
            at_ms: number,
            who: "user 0".into(),
            key: None,
            from: "unix socket".into(),
            action: "POST /v1/webhooks/{id}/enable".into(),
            target: "Shop".into(),
            status: 200,
        }
    }

    fn append(log: &mut AuditLog, numbers: std::ops::Range<u64>, store: &Store) {
        for number in numbers {
            let mut stage = Stage::default();
            log.append(&about(number), &mut stage);
            store.apply(stage.take().unwrap()).unwrap();
        }
    }

    #[test]
    fn rows_are_read_backwards_page_by_page_and_go_on_after_a_restart() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        append(&mut AuditLog::load(&store).unwrap(), 0..3, &store);
        append(&mut AuditLog::load(&store).unwrap(), 3..5, &store);
        let first = read(None, 2, &store).unwrap();
        assert_eq!(first.rows, [(4, about(4)), (3, about(3))]);
        let second = read(first.next, 9, &store).unwrap();
        assert_eq!(second.rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(second.next, None);
    }

    #[test]
    fn of_the_rows_the_newest_are_kept() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut log = AuditLog { next: AUDIT_ROWS - 1 };
        append(&mut log, 0..4, &store);
        let mut log = AuditLog { next: 2 * AUDIT_ROWS - 1 };
        append(&mut log, 4..6, &store);
        let rows = read(None, 99, &store).unwrap().rows;
        let numbers: Vec<_> = rows.iter().map(|(number, _)| number - AUDIT_ROWS).collect();
        assert_eq!(numbers, [AUDIT_ROWS, AUDIT_ROWS - 1, 2, 1], "and what is younger");
    }
}

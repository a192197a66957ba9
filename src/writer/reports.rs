//! Events that come from no line: those of reports.

use tokio::sync::oneshot;

use super::{Writer, error::WriterError};
use crate::event::{Event, Head};

impl Writer {
    /// Has them stored and says so; nothing where there is no room for them.
    pub(super) fn report(
        &mut self,
        events: Vec<Event>,
        answer: oneshot::Sender<Vec<(Event, bool)>>,
    ) -> Result<(), WriterError> {
        if let Some(told) = self.stage_reports(events)? {
            self.commit()?;
            answer.send(told).ok();
        }
        Ok(())
    }

    /// Stages those that the store does not hold yet; what happened and what was stored before does not
    /// follow from the time here, as it does with lines. None when there is no room for any.
    pub(super) fn stage_reports(
        &mut self,
        events: Vec<Event>,
    ) -> Result<Option<Vec<(Event, bool)>>, WriterError> {
        if self.room.is_short() {
            return Ok(None);
        }
        let mut told = Vec::with_capacity(events.len());
        for event in events {
            let is_new = self.events.find(&Head::of(&event), &self.store)?.is_none();
            if is_new {
                self.summary.events += 1;
                self.event_counts.count(None, event.kind);
                let now_ms = self.now_ms();
                self.events.append(&event, now_ms, &mut self.stage);
            } else {
                self.summary.known_events += 1;
            }
            told.push((event, is_new));
        }
        Ok(Some(told))
    }
}

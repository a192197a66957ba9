//! What is only looked at: nothing of it changes the state.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Writer,
    audit::AuditPage,
    error::WriterError,
    figures::{Figures, Vitals},
    handle::{Command, Stopped, WriterHandle},
    news::{self, Since},
};

/// A question.
#[derive(Debug)]
pub(super) enum Look {
    /// How the writer is.
    Vitals { answer: oneshot::Sender<Vitals> },
    /// All figures.
    Figures { answer: oneshot::Sender<Arc<Figures>> },
    /// Stored events from one on.
    Since { from: u64, answer: oneshot::Sender<Since> },
    /// The audit log.
    Audited { before: Option<u64>, limit: usize, answer: oneshot::Sender<AuditPage> },
}

impl Writer {
    /// Answers. Who asked may have gone.
    pub(super) fn look(&mut self, look: Look) -> Result<(), WriterError> {
        match look {
            Look::Vitals { answer } => drop(answer.send(self.vitals())),
            Look::Figures { answer } => drop(answer.send(Arc::new(self.figures()?))),
            Look::Since { from, answer } => {
                let durable_seq = *self.durable.borrow();
                let found = news::since(from, durable_seq, &mut self.events, &self.store)?;
                drop(answer.send(found));
            }
            Look::Audited { before, limit, answer } => {
                drop(answer.send(self.audited(before, limit)?));
            }
        }
        Ok(())
    }
}

impl WriterHandle {
    pub(super) async fn look<T>(
        &self,
        look: impl FnOnce(oneshot::Sender<T>) -> Look,
    ) -> Result<T, Stopped> {
        self.ask(|answer| Command::Look(look(answer))).await
    }
}

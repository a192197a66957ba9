//! What is only looked at: nothing of it changes the state, but it may be durable sooner.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Writer,
    audit::AuditPage,
    course::Course,
    error::WriterError,
    figures::{Figures, Vitals},
    handle::{Command, Stopped, WriterHandle},
    history::{self, Page, Wanted},
    manual::Standing,
    news::{self, Since},
};
use crate::{
    config::WebhookId,
    correlate::{Open, Sought},
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
    /// Messages that are open.
    Open { sought: Sought, answer: oneshot::Sender<Vec<Open>> },
    /// How the webhooks are.
    Standings { answer: oneshot::Sender<BTreeMap<WebhookId, Standing>> },
    /// How far they are.
    Courses { answer: oneshot::Sender<Vec<Course>> },
    /// Attempts.
    Attempts { webhook: WebhookId, wanted: Wanted, answer: oneshot::Sender<Page> },
    /// The audit log.
    Audited { before: Option<u64>, limit: usize, answer: oneshot::Sender<AuditPage> },
}

impl Writer {
    /// Answers. Who asked may have gone.
    pub(super) fn look(&mut self, look: Look) -> Result<(), WriterError> {
        match look {
            Look::Vitals { answer } => {
                // It does not work while the thread that takes lines in hangs.
                self.intake()?;
                answer.send(self.vitals()).ok();
            }
            Look::Figures { answer } => drop(answer.send(Arc::new(self.figures()?))),
            Look::Since { from, answer } => {
                let durable_seq = *self.durable.borrow();
                let found = news::since(from, durable_seq, &mut self.events, &self.store)?;
                drop(answer.send(found));
            }
            Look::Open { sought, answer } => drop(answer.send(self.intake()?.open(&sought))),
            Look::Standings { answer } => drop(answer.send(self.deliveries.standings())),
            Look::Courses { answer } => {
                // What they say is over is on record for whoever looks there next.
                self.commit()?;
                drop(answer.send(self.deliveries.courses()));
            }
            Look::Attempts { webhook, wanted, answer } => {
                drop(answer.send(history::read(webhook, wanted, &self.store)?));
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

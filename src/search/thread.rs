//! The thread that reads the store for others.

use std::{error::Error, io, thread};

use tokio::sync::{mpsc, oneshot};

use crate::store::{CodecError, StoreError, StoreErrorKind, StoreReader, View};

use super::{Page, Wanted, find};

/// Questions that may wait for the thread; who asks one more waits to ask.
const WAITING: usize = 64;

/// Asks the thread that reads the store.
#[derive(Debug, Clone)]
pub struct Search {
    questions: mpsc::Sender<Question>,
}

/// What the thread does for one who asks.
type Question = Box<dyn FnOnce(&StoreReader) + Send>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The daemon is ending.
    #[error("the store is closed")]
    Stopped,
    /// The store cannot be read, or holds what this version does not understand.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

impl SearchError {
    /// For what reads the store in its own words.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<CodecError> for SearchError {
    fn from(error: CodecError) -> Self {
        Self::of(error)
    }
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Closed => Self::Stopped,
            _ => Self::of(error),
        }
    }
}

impl Search {
    /// Starts the thread. It ends when nobody can ask any more.
    ///
    /// # Errors
    /// When the system gives us no thread.
    pub fn start(store: StoreReader) -> io::Result<Self> {
        let (questions, mut asked) = mpsc::channel::<Question>(WAITING);
        thread::Builder::new().name("search".to_owned()).spawn(move || {
            while let Some(question) = asked.blocking_recv() {
                question(&store);
            }
        })?;
        Ok(Self { questions })
    }

    /// Finds events.
    ///
    /// # Errors
    /// As [`Search::read`].
    pub async fn find(&self, wanted: Wanted) -> Result<Page, SearchError> {
        self.read(move |view| find(view, &wanted)).await
    }

    /// Reads the store on its thread; `read` bounds its work itself, or others wait. Nothing is read
    /// when whoever asked has gone away by then.
    ///
    /// # Errors
    /// [`SearchError::Stopped`] when the store is closed, and what `read` gives.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, SearchError> {
        let (answer, answered) = oneshot::channel();
        let question = move |store: &StoreReader| {
            if !answer.is_closed() {
                answer.send(store.read(read)).ok();
            }
        };
        self.questions.send(Box::new(question)).await.map_err(|_| SearchError::Stopped)?;
        answered.await.map_err(|_| SearchError::Stopped)?
    }
}

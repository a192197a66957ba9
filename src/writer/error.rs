//! Why the writer cannot go on.

use crate::store::{ChunkError, CodecError, StoreError};

/// The writer cannot go on. Nothing that was not committed counts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store gave back what this version cannot read.
    #[error("read what the store holds")]
    Value(#[from] CodecError),
    /// The same, for a chunk of events.
    #[error("read stored events")]
    Chunk(#[from] ChunkError),
    /// The system gives no thread for the lines.
    #[error("start the thread that takes lines in")]
    Thread(#[source] std::io::Error),
    /// The thread that takes lines in is gone: it panicked.
    #[error("the thread that takes lines in has ended")]
    IntakeEnded,
}

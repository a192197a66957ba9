//! What the writer still has in memory.

use super::{Clue, Stories};
use crate::{
    event::Event,
    writer::{Stopped, WriterHandle},
};

/// Looks at the newest events only.
#[derive(Debug, Clone)]
pub struct Recent(pub WriterHandle);

impl Stories for Recent {
    async fn events(&self, clue: Clue, limit: usize) -> Result<Vec<Event>, Stopped> {
        let recent = self.0.recent().await?;
        let found = recent.iter().rev().filter(|event| clue.fits(event)).take(limit);
        Ok(found.map(|event| (**event).clone()).collect())
    }
}

//! One failed commit closes the store for good.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::StoreErrorKind;

/// Set once, never cleared.
#[derive(Debug, Default, Clone)]
pub(super) struct Poison(Arc<AtomicBool>);

/// Poisons when dropped, by an early return or a panic, unless it was disarmed.
#[derive(Debug)]
pub(super) struct Armed<'a>(Option<&'a Poison>);

impl Poison {
    /// Fails when an earlier commit failed.
    pub(super) fn check(&self) -> Result<(), StoreErrorKind> {
        if self.0.load(Ordering::Acquire) { Err(StoreErrorKind::Poisoned) } else { Ok(()) }
    }

    /// The store is closed for good.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// From here on, anything but [`Armed::disarm`] poisons.
    pub(super) fn arm(&self) -> Result<Armed<'_>, StoreErrorKind> {
        self.check()?;
        Ok(Armed(Some(self)))
    }
}

impl Armed<'_> {
    /// All went well.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if let Some(poison) = self.0 {
            poison.set();
        }
    }
}

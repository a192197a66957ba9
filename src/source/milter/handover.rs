//! Hands facts to the writer without ever waiting for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{event::Facts, limits};

/// Where facts go in.
#[derive(Debug, Clone)]
pub struct FactsSender {
    out: Sender<Facts>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Where they come out, in order.
#[derive(Debug)]
pub struct FactsReceiver {
    inbox: Receiver<Facts>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// A way for facts, bounded in their number and their bytes.
#[must_use]
pub fn handover() -> (FactsSender, FactsReceiver) {
    let (out, inbox) = mpsc::channel(limits::FACTS_WAITING);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let sender = FactsSender { out, waiting_bytes: Arc::clone(&waiting_bytes) };
    (sender, FactsReceiver { inbox, waiting_bytes })
}

impl FactsSender {
    /// Hands facts on. False when there is no room, or nobody takes them any more.
    #[must_use]
    pub fn give(&self, facts: Facts) -> bool {
        let weight = facts.weight();
        let before = self.waiting_bytes.fetch_add(weight, Ordering::Relaxed);
        let is_given =
            before + weight <= limits::FACTS_WAITING_BYTES && self.out.try_send(facts).is_ok();
        if !is_given {
            self.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
        }
        is_given
    }
}

impl FactsReceiver {
    /// The next ones that wait.
    pub fn take(&mut self) -> Option<Facts> {
        let facts = self.inbox.try_recv().ok()?;
        self.waiting_bytes.fetch_sub(facts.weight(), Ordering::Relaxed);
        Some(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_not_waited_for() {
        let (sender, mut receiver) = handover();
        let mut given = 0;
        while sender.give(Facts::default()) {
            given += 1;
        }
        assert_eq!(given, limits::FACTS_WAITING);
        assert!(receiver.take().is_some() && sender.give(Facts::default()));
    }

    #[test]
    fn bytes_are_bounded_as_well_as_messages() {
        let (sender, mut receiver) = handover();
        let heavy = Facts { recipients: vec!["a".repeat(1 << 20).into()], ..Facts::default() };
        let given = (0..limits::FACTS_WAITING).filter(|_| sender.give(heavy.clone())).count();
        assert!((1..=limits::FACTS_WAITING_BYTES >> 20).contains(&given), "{given}");
        while receiver.take().is_some() {}
        assert!(sender.give(heavy), "what was taken makes room");
    }
}

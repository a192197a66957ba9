//! A milter: Postfix tells it of each message while it takes the message in. It adds to the log what
//! no log says, and lets every message through.
//!
//! Mail must never wait for us, and least of all for our disk:
//!
//! * A message's facts are handed on in memory, through a channel that is never waited for: when it is
//!   full, they are dropped and counted, and the events of that message know what the log knows.
//! * Between the bytes of a command and those of its answer nothing is waited for, so an answer takes
//!   as long as reading the command does. Sockets have a thread and a runtime of their own, which
//!   neither the store nor a sender can hold up.
//! * What is not there costs nothing: Postfix goes on at once when nobody listens. What listens and
//!   does not answer costs its time-out for each message. So `probe` asks ourselves now and then, and
//!   takes the socket away when there is no answer.
//!
//! * `capture` takes reports out of the mail, where that is wanted,
//! * `collect` puts together what the commands say of a message, `handover` hands it on,
//! * `door` is the socket, `serve` the connections through it, `probe` looks at both from outside.
//!
//! The protocol is [`mailherald_parsers::milter`]'s.

mod capture;
mod collect;
mod door;
mod handover;
mod probe;
mod serve;
#[cfg(test)]
mod tests;
mod verdict;

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::HealthSender;
use crate::{clock::SharedClock, config::MilterSource};

pub use capture::{CaptureSender, Captured, captures};
pub use collect::Wishes;
pub use handover::{FactsReceiver, FactsSender, handover};
pub use serve::Tally;

/// A source that Postfix connects to.
#[derive(Debug, Clone)]
pub struct Milter {
    /// Its name, for messages.
    pub name: String,
    /// Where it listens.
    pub socket: MilterSource,
    /// What it looks for.
    pub wishes: Arc<Wishes>,
    /// Where reports go, if it takes them.
    pub captures: CaptureSender,
}

/// Listens in a thread of its own until `stop` is cancelled, and returns what it did. A place where
/// nobody can listen now is tried again and again: a milter that is not there harms no mail. The
/// probe runs on `runtime`, which must be another one.
///
/// # Errors
///
/// When the system gives us no thread.
pub fn spawn(
    milter: Milter,
    out: FactsSender,
    clock: SharedClock,
    health: HealthSender,
    stop: CancellationToken,
    runtime: &Handle,
) -> io::Result<JoinHandle<io::Result<Tally>>> {
    let doors = probe::Doors::default();
    runtime.spawn(probe::watch(milter.name.clone(), doors.clone(), stop.clone()));
    std::thread::Builder::new().name("milter".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(serve::serve(milter, out, clock, health, doors, stop)))
    })
}

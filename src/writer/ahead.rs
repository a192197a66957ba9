//! The intake on a thread of its own: lines that wait are taken in while the writer makes durable what
//! it took in before, and serves the senders.
//!
//! The intake is in one place at a time. What it takes in while it is away changes nothing but what
//! the next commit will hold, and the writer waits for it before it asks the intake anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::{Notify, futures::Notified};

use super::{error::WriterError, intake::Intake, scope::Scope, stage::Stage, told::Told};

/// Where the intake is.
#[derive(Debug)]
pub(super) struct Ahead {
    /// None while it is away.
    here: Option<Box<Intake>>,
    /// Where it is sent to.
    jobs: mpsc::SyncSender<Job>,
    /// Where it comes from, with what it took in.
    done: mpsc::Receiver<(Box<Intake>, Stage)>,
    /// Rings when the intake that was sent last is back, or never will be.
    bell: Arc<Notify>,
    /// The writer has nothing else to do but to wait for it.
    is_awaited: Arc<AtomicBool>,
    /// Memory for what it takes in.
    spare: Told,
}

/// The intake on its way.
#[derive(Debug)]
struct Job {
    intake: Box<Intake>,
    stage: Stage,
    is_awaited: Arc<AtomicBool>,
    bell: Bell,
}

/// Rings when it is dropped: a panic does not keep the writer waiting.
#[derive(Debug)]
struct Bell(Arc<Notify>);

impl Ahead {
    /// The intake is here, and its thread waits for it.
    pub(super) fn new(intake: Intake) -> Result<Self, WriterError> {
        let (jobs, inbox) = mpsc::sync_channel(1);
        let (results, done) = mpsc::sync_channel(1);
        let work = move || work(inbox, &results);
        thread::Builder::new().name("intake".into()).spawn(work).map_err(WriterError::Thread)?;
        let here = Some(Box::new(intake));
        let (bell, is_awaited) = (Arc::default(), Arc::default());
        Ok(Self { here, jobs, done, bell, is_awaited, spare: Told::default() })
    }

    /// What comes next has the memory of those.
    pub(super) fn reuse(&mut self, told: Told) {
        if told.room() > self.spare.room() {
            self.spare = told.emptied();
        }
    }

    /// It is with the writer.
    pub(super) fn is_here(&self) -> bool {
        self.here.is_some()
    }

    /// The intake, unless it is away.
    pub(super) fn here(&mut self) -> Option<&mut Intake> {
        self.here.as_deref_mut()
    }

    /// Sends it away, to take in what waits, for one commit or, as long as nobody waits for it, some
    /// more. It puts what comes of that into a stage for that scope.
    pub(super) fn send(&mut self, scope: Scope) -> Result<(), WriterError> {
        let Some(intake) = self.here.take() else { return Ok(()) };
        let mut stage = Stage::new(scope);
        stage.told = std::mem::take(&mut self.spare);
        self.bell = Arc::default();
        self.is_awaited = Arc::default();
        let (is_awaited, bell) = (Arc::clone(&self.is_awaited), Bell(Arc::clone(&self.bell)));
        let job = Job { intake, stage, is_awaited, bell };
        self.jobs.send(job).map_err(|_| WriterError::IntakeEnded)
    }

    /// Ends when it is back, which is as soon as it can be.
    pub(super) fn back(&self) -> Notified<'_> {
        self.is_awaited.store(true, Ordering::Relaxed);
        self.bell.notified()
    }

    /// The intake, which is waited for where it is away, and then what it took in.
    pub(super) fn fetch(&mut self) -> Result<(&mut Intake, Option<Stage>), WriterError> {
        if let Some(intake) = self.here.take() {
            return Ok((self.here.insert(intake), None));
        }
        self.is_awaited.store(true, Ordering::Relaxed);
        let (intake, stage) = self.done.recv().map_err(|_| WriterError::IntakeEnded)?;
        Ok((self.here.insert(intake), Some(stage)))
    }
}

#[cfg(test)]
impl Ahead {
    /// It is away from now on, and never comes back.
    pub(super) fn hang(&mut self) {
        self.here = None;
    }
}

/// Until the writer has ended.
fn work(inbox: mpsc::Receiver<Job>, results: &mpsc::SyncSender<(Box<Intake>, Stage)>) {
    for Job { mut intake, mut stage, is_awaited, bell } in inbox {
        intake.take_in_what_waits(&mut stage, || is_awaited.load(Ordering::Relaxed));
        if results.send((intake, stage)).is_err() {
            break;
        }
        drop(bell);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What is left when the thread has panicked.
    fn gone(bell: Arc<Notify>) -> Ahead {
        let (jobs, _) = mpsc::sync_channel(1);
        let (_, done) = mpsc::sync_channel(1);
        let (is_awaited, spare) = (Arc::default(), Told::default());
        Ahead { here: None, jobs, done, bell, is_awaited, spare }
    }

    #[tokio::test]
    async fn who_waits_for_the_intake_has_it_come_back() {
        let mut ahead = gone(Arc::default());
        let waited = tokio::time::timeout(Duration::from_millis(1), ahead.back()).await;
        assert!(waited.is_err() && ahead.is_awaited.swap(false, Ordering::Relaxed), "asked to");
        assert!(ahead.fetch().is_err() && ahead.is_awaited.load(Ordering::Relaxed), "waited for");
    }

    /// Nobody waits for it for ever.
    #[tokio::test]
    async fn a_thread_that_is_gone_is_an_error_and_no_wait() {
        let bell = Arc::new(Notify::new());
        drop(Bell(Arc::clone(&bell)));
        let mut ahead = gone(bell);
        ahead.back().await;
        assert!(matches!(ahead.fetch(), Err(WriterError::IntakeEnded)));
    }
}

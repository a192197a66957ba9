//! Connections of mail servers, each for itself.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mailherald_parsers::milter::{Session, Wanted};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    FactsSender, Milter,
    collect::{Collector, Counts},
    door::{Door, Wire},
    probe::Doors,
};
use crate::{clock::SharedClock, limits, source::HealthSender};

/// Before a place is tried again where nobody could listen.
const RETRY: Duration = Duration::from_secs(5);

/// After a connection could not be taken: of descriptors there may be none left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between two looks at what was done.
const TELL_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of one read: all commands of a usual message.
const READ_BYTES: usize = 8 * 1024;

/// A mail server may keep a connection open for so long without a word: as long as its client does.
const IDLE: Duration = Duration::from_hours(2);

/// A mail server that waits for an answer takes it at once, or is gone.
const WRITE_WAIT: Duration = Duration::from_secs(5);

/// What a milter did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages whose facts were handed on.
    pub given: u64,
    /// Messages whose facts were dropped, because the writer was slow.
    pub dropped: u64,
    /// Connections that were refused, because there were too many.
    pub refused: u64,
    /// Connections that were no mail server's, or broke off.
    pub broken: u64,
    /// Reports that were handed on.
    pub reports: u64,
    /// Reports that were left alone, because there were too many.
    pub reports_dropped: u64,
}

/// What all connections share.
struct Shared {
    milter: Milter,
    out: FactsSender,
    clock: SharedClock,
    counts: Arc<Counts>,
    room: Arc<Semaphore>,
}

/// Listens until `stop` is cancelled.
pub(super) async fn serve(
    milter: Milter,
    out: FactsSender,
    clock: SharedClock,
    health: HealthSender,
    doors: Doors,
    stop: CancellationToken,
) -> Tally {
    let room = Arc::new(Semaphore::new(limits::MILTER_CONNECTIONS));
    let counts = Arc::<Counts>::default();
    let shared = Shared { milter, out, clock, counts: Arc::clone(&counts), room };
    let work = async {
        tokio::join!(shared.listen_again_and_again(&health, &doors), tell(&counts, &health));
    };
    // What is under way ends with the runtime: the mail of it passes.
    stop.run_until_cancelled(work).await;
    doors.close();
    counts.tally()
}

impl Shared {
    async fn listen_again_and_again(&self, health: &HealthSender, doors: &Doors) {
        let mut last_trouble = None;
        loop {
            let trouble = match Door::open(&self.milter.socket).await {
                Ok(door) => {
                    last_trouble = None;
                    self.say_open();
                    health.send_modify(|health| (health.has_begun, health.refused) = (true, 0));
                    self.take_all(door, doors).await
                }
                Err(error) => error,
            };
            health.send_modify(|health| (health.has_begun, health.refused) = (true, 1));
            let text = trouble.to_string();
            if last_trouble.as_ref() != Some(&text) {
                self.say_shut(&text);
                last_trouble = Some(text);
            }
            sleep(RETRY).await;
        }
    }

    /// Takes connections until the door is shut from elsewhere.
    async fn take_all(&self, door: Door, doors: &Doors) -> io::Error {
        let is_shut = match doors.opened(&self.milter.socket.listen, &door) {
            Ok(is_shut) => is_shut,
            Err(error) => return error,
        };
        loop {
            let next = tokio::select! {
                biased;
                () = is_shut.cancelled() => return io::Error::other("it did not answer"),
                next = door.next() => next,
            };
            match next {
                Ok(wire) => self.take(wire, door.is_inet()),
                Err(error) => {
                    tracing::debug!(source = self.milter.name, %error, "a connection was not taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Beyond the limit a connection is closed at once, and its mail passes.
    fn take(&self, mut wire: Wire, is_inet: bool) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let wanted = Wanted { answers_data: is_inet, may_want_body: self.milter.socket.reports };
        let (out, clock) = (self.out.clone(), Arc::clone(&self.clock));
        let counts = Arc::clone(&self.counts);
        let mut collector = Collector::new(&self.milter, out, clock, Arc::clone(&counts));
        let source = self.milter.name.clone();
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = converse(&mut wire, Session::new(wanted), &mut collector).await {
                counts.broken.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(source, %error, "a connection of a mail server broke off");
            }
        });
    }

    fn say_open(&self) {
        let (source, listen) = (&self.milter.name, self.milter.socket.listen.to_string());
        tracing::info!(source, listen, "the milter listens");
    }

    fn say_shut(&self, error: &str) {
        let (source, listen) = (&self.milter.name, self.milter.socket.listen.to_string());
        tracing::warn!(
            source,
            listen,
            error,
            "the milter does not listen now; mail passes, and events know what the log knows"
        );
    }
}

/// Tells what was done, for ever.
async fn tell(counts: &Counts, health: &HealthSender) {
    loop {
        sleep(TELL_PAUSE).await;
        let tally = counts.tally();
        health.send_if_modified(|health| {
            let before = std::mem::replace(&mut health.milter, tally);
            before != tally
        });
    }
}

/// Answers until the mail server is done. Between a command and its answer nothing is waited for.
async fn converse(
    wire: &mut Wire,
    mut session: Session,
    collector: &mut Collector,
) -> io::Result<()> {
    let (mut buffer, mut replies) = (vec![0; READ_BYTES], Vec::new());
    loop {
        let count = timeout(IDLE, wire.read(&mut buffer)).await??;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let ended = session.read(bytes, collector, &mut replies);
        if !replies.is_empty() {
            timeout(WRITE_WAIT, wire.write(&replies)).await??;
            replies.clear();
        }
        match ended {
            Ok(false) => {}
            Ok(true) => return Ok(()),
            Err(broken) => return Err(io::Error::other(format!("{broken:?}"))),
        }
    }
}

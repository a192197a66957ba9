//! The procedure that loses nothing: catch up, follow, and begin again when anything ends.

use std::{convert::Infallible, io, process::ExitStatus, time::Duration};

use jiff::Timestamp;
use tokio::{
    process::Command,
    sync::mpsc::{Sender, error::SendTimeoutError},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Health, HealthSender, JournalPosition, Journald, Tally,
    complaints::Complaints,
    entries::{self, Beginning, Entries},
    journalctl::Journalctl,
    newest::{Newest, newest},
    run::{Heard, Run},
};
use crate::{clock::SharedClock, config::Start, limits::JOURNALCTL_HELD};

/// Bytes of one read: what a pipe holds.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Between two looks at a journal that has nothing new and cannot be followed yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is read before a time from which events are wanted: what was under way then is known by
/// lines before it. The writer passes over the events of these lines.
const LOOK_BACK: Duration = Duration::from_hours(1);

/// Before `journalctl` is started anew: at first, and at the most.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The system refused the process or its pipes.
    #[error("journalctl cannot be run: {0}")]
    System(#[from] io::Error),
    /// The journal, or a part of it, may not be read.
    #[error("the journal may not be read: {0}")]
    Permission(String),
    /// It ended before its time.
    #[error("journalctl ended ({0}): {1}")]
    Ended(ExitStatus, String),
    /// The writer was slow for so long that it was ended.
    #[error("journalctl was ended, because it waited for the store")]
    Held,
    /// Nobody wants entries any more.
    #[error("the receiver is gone")]
    Unheard,
}

/// Follows one journal.
#[derive(Debug)]
pub(super) struct Follower {
    source: Journald,
    journalctl: Journalctl,
    /// The boot that the system is in, as cursors name it.
    boot: String,
    out: Sender<Batch>,
    clock: SharedClock,
    complaints: Complaints,
    tally: Tally,
    health: HealthSender,
}

impl Follower {
    pub(super) fn new(
        source: Journald,
        journalctl: Journalctl,
        boot: String,
        out: Sender<Batch>,
        clock: SharedClock,
        health: HealthSender,
    ) -> Self {
        let complaints = Complaints::new(&source.name);
        Self { source, journalctl, boot, out, clock, complaints, tally: Tally::default(), health }
    }

    /// Until `stop`, or until the receiver is gone.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Tally {
        // What is under way is dropped: it was not committed, and is read again.
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.sessions() => {}
        }
        tracing::debug!(source = self.source.name, tally = ?self.tally, "a source has ended");
        self.tally
    }

    async fn sessions(&mut self) {
        let mut wait = WAITS.0;
        loop {
            let begun = Instant::now();
            let Err(trouble) = self.session().await;
            // Whatever it is, it is said below, and no reason to hold up the others.
            self.health.send_modify(|health| health.has_begun = true);
            self.tally.restarts += 1;
            match trouble {
                Trouble::Unheard => return,
                Trouble::Held => tracing::info!(source = self.source.name, "{trouble}"),
                trouble => {
                    let is_refused = matches!(trouble, Trouble::Permission(_));
                    self.health.send_modify(|health| health.refused = usize::from(is_refused));
                    self.complaints.complain(&trouble);
                    if begun.elapsed() > WAITS.1 {
                        wait = WAITS.0;
                    }
                    sleep(wait).await;
                    wait = (wait * 2).min(WAITS.1);
                }
            }
        }
    }

    /// Catches up and follows, until something ends it.
    async fn session(&mut self) -> Result<Infallible, Trouble> {
        let now = self.clock.now();
        self.health.send_modify(|health| health.fall_behind(now));
        let position = self.start().await?;
        self.health.send_modify(|health| health.has_begun = true);
        let cursor = self.catch_up(position).await?;
        self.health.send_modify(Health::catch_up);
        let follow = self.journalctl.follow(&cursor);
        let (status, said) = self.read(follow, JournalPosition::Behind(cursor), true).await?.end;
        Err(Trouble::Ended(status, said))
    }

    /// Where to read from. The first time ever, that is decided and stored.
    async fn start(&mut self) -> Result<JournalPosition, Trouble> {
        let newest = self.newest().await?;
        if let Some(position) = &self.source.position {
            return Ok(position.clone());
        }
        let now = self.clock.now();
        let position = match self.source.start {
            Start::End => newest.map_or(JournalPosition::Beginning, JournalPosition::Behind),
            Start::Beginning => JournalPosition::Beginning,
            Start::Since(span) => match now.checked_sub(span.saturating_add(LOOK_BACK)) {
                Ok(at) if at > Timestamp::UNIX_EPOCH => JournalPosition::Since(at.as_second()),
                _ => JournalPosition::Beginning,
            },
        };
        let mark = entries::mark(self.source.index, position.clone(), now);
        self.send(mark, None).await?;
        Ok(position)
    }

    /// The cursor of the newest entry. Tells whether the journal may be read, too.
    async fn newest(&mut self) -> Result<Option<String>, Trouble> {
        let Newest { cursor, said } = newest(&self.journalctl).await?;
        self.complaints.all_is_well();
        self.complaints.hear(&said);
        Ok(cursor)
    }

    /// Reads all that is there, again and again, until there is nothing new, and what was read
    /// last is there and of this boot: now it can be followed.
    async fn catch_up(&mut self, mut position: JournalPosition) -> Result<String, Trouble> {
        loop {
            let pass = self.read(self.journalctl.from(&position), position.clone(), false).await?;
            let (status, said) = pass.end;
            if !status.success() {
                return Err(Trouble::Ended(status, said));
            }
            position = self.source.position.clone().unwrap_or(position);
            if pass.entries > 0 {
                continue;
            }
            match &position {
                JournalPosition::Behind(cursor)
                    if pass.beginning == Beginning::Expected && boot(cursor) == self.boot =>
                {
                    return Ok(cursor.clone());
                }
                _ => sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Hands on what one run writes. A `live` one is waited for, so that each entry is handed on
    /// at once.
    async fn read(
        &mut self,
        command: Command,
        from: JournalPosition,
        live: bool,
    ) -> Result<Pass, Trouble> {
        let mut run = Run::start(command)?;
        let mut entries = Entries::new(self.source.index, from, self.clock.now());
        let mut buffer = vec![0; READ_BYTES];
        let mut held = false;
        loop {
            let heard = run.next(&mut buffer).await?;
            match &heard {
                Heard::Written(count) => {
                    let before = entries.beginning();
                    let written = buffer.get(..*count).unwrap_or_default();
                    entries.feed(written, self.clock.now());
                    self.note_gap(before, entries.beginning());
                    if live {
                        entries.cut(*count < buffer.len());
                    }
                }
                Heard::Said(said) => self.complaints.hear(said),
                Heard::Ended(..) => entries.cut(true),
            }
            for batch in entries.ready() {
                held |= self.send(batch, Some(&mut run)).await?;
            }
            if let Heard::Ended(status, said) = heard {
                self.complaints.unnamed(entries.unnamed());
                let (beginning, entries) = (entries.beginning(), entries.count());
                let pass = Pass { beginning, entries, end: (status, said) };
                return if held { Err(Trouble::Held) } else { Ok(pass) };
            }
        }
    }

    fn note_gap(&mut self, before: Beginning, after: Beginning) {
        if before == Beginning::Unknown && after == Beginning::Gap {
            self.tally.gaps += 1;
            let gaps = self.tally.gaps;
            self.health.send_modify(|health| health.gaps = gaps);
            tracing::warn!(
                source = self.source.name,
                gaps,
                hint = "let the journal keep more: SystemMaxUse= and MaxRetentionSec= in journald.conf(5)",
                "the journal has lost the entry that was read last, and maybe entries behind it"
            );
        }
    }

    /// Hands a batch on, and counts it as read. When that takes too long, `run` is ended, which is
    /// what is returned.
    async fn send(&mut self, batch: Batch, run: Option<&mut Run>) -> Result<bool, Trouble> {
        let (position, count) = (batch.journal.clone(), batch.lines.len() as u64);
        let held = match self.out.send_timeout(batch, JOURNALCTL_HELD).await {
            Ok(()) => false,
            Err(SendTimeoutError::Closed(_)) => return Err(Trouble::Unheard),
            Err(SendTimeoutError::Timeout(batch)) => {
                run.map(Run::kill);
                self.out.send(batch).await.map_err(|_| Trouble::Unheard)?;
                true
            }
        };
        self.source.position = position;
        self.tally.entries += count;
        Ok(held)
    }
}

/// What a run gave.
struct Pass {
    beginning: Beginning,
    /// New ones.
    entries: u64,
    end: (ExitStatus, String),
}

/// Why there is nothing, or not everything, to be seen. `journalctl.c`, `journal-util.c`.
pub(super) fn of_end(status: ExitStatus, said: &str) -> Result<(), Trouble> {
    const REFUSALS: [&str; 3] =
        ["insufficient permissions", "Permission denied", "not seeing messages"];
    if REFUSALS.iter().any(|refusal| said.contains(refusal)) {
        return Err(Trouble::Permission(said.to_owned()));
    }
    if status.success() { Ok(()) } else { Err(Trouble::Ended(status, said.to_owned())) }
}

/// The boot that an entry is of: `s=…;i=…;b=270690bc2a104fdba2b4cf98c9c99d99;m=…`.
fn boot(cursor: &str) -> &str {
    cursor.split(';').find_map(|part| part.strip_prefix("b=")).unwrap_or_default()
}

/// The boot that the system is in, as cursors name it. Empty when the kernel does not say; then
/// the journal is looked at again and again instead of being followed.
pub(super) fn current_boot() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    named.trim().replace('-', "")
}

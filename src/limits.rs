//! Every bound in the system that is not a configuration key, with its reason.

use std::time::Duration;

/// Messages followed at once in one mail system; beyond it the most silent ones are forgotten.
/// About 1 KB each.
pub const LIVE_MESSAGES: usize = 1_000_000;

/// Bytes kept of one log line; the rest up to the line end is skipped and the line marked.
/// Postfix cuts its records at 2,000 bytes, so only foreign lines come near.
pub const LINE_BYTES: usize = 64 * 1024;

/// Bytes of lines in one batch from a source: enough to amortise a hop from thread to thread, small
/// enough that senders get their turn between two, and that the waiting ones take little memory.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Batches that may wait for the writer, for each source.
pub const BATCHES_WAITING: usize = 2;

/// Bytes kept of a server's answer in an event (events.md §1).
pub const RESPONSE_BYTES: usize = 2048;

/// Bytes kept of any other text from a stranger in an event: Message-ID, subject, name
/// (RFC 5322 §2.1.1 line length).
pub const TEXT_BYTES: usize = 998;

/// Bytes of names and values that a message's sender set for its own use (events.md §1): its events
/// carry them, and an event must fit in a value of the store.
pub const METADATA_BYTES: usize = 1024;

/// Bytes of facts about messages that wait for their log lines: those of some 50,000 messages. They
/// wait for moments, unless the log is read late.
pub const FACTS_BYTES: usize = 64 * 1024 * 1024;

/// Messages whose facts may wait for the writer, and their bytes. Beyond that they are dropped: mail
/// does not wait.
pub const FACTS_WAITING: usize = 8192;

/// See [`FACTS_WAITING`].
pub const FACTS_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a report that are read, headers and all: what it says stands before the message that it
/// returns.
pub const REPORT_BYTES: usize = 256 * 1024;

/// Bytes of reports that a milter holds, and how many of them may wait to be read. Beyond that they are
/// left alone: mail does not wait.
pub const REPORTS_BYTES: usize = 64 * 1024 * 1024;

/// See [`REPORTS_BYTES`].
pub const REPORTS_WAITING: usize = 1024;

/// Reports that wait at once until the logs are read that may tell of their messages. A further one
/// does not wait.
pub const REPORTS_PATIENT: usize = 256;

/// Reports of milters that are taken in at once: some beside all that wait.
pub const REPORTS_AT_ONCE: usize = REPORTS_PATIENT + 16;

/// Reports that are read at once: each may name a thousand recipients.
pub const REPORTS_READ: usize = 4;

/// How long a report waits for the logs that nobody can bring again.
pub const REPORT_PATIENCE: Duration = Duration::from_mins(1);

/// The same of one that a mail server keeps until it is taken: that has few places for those who wait.
pub const REPORT_PATIENCE_OF_PIPES: Duration = Duration::from_secs(10);

/// A log that has been behind for so long holds no report up.
pub const REPORT_LOGS_LATE: Duration = Duration::from_hours(24);

/// Connections of mail servers at once, of one milter; each takes about 20 KiB. smtpd has one for
/// each of its processes (`default_process_limit`, 100).
pub const MILTER_CONNECTIONS: usize = 2000;

/// Bytes kept of what one run of `journalctl(1)` says on its standard error.
pub const JOURNALCTL_SAID_BYTES: usize = 4 * 1024;

/// How long a `journalctl(1)` may wait for us to read on. Beyond it, it is ended: it keeps files
/// of the journal open that journald has deleted, and so their space.
pub const JOURNALCTL_HELD: Duration = Duration::from_mins(1);

/// How long a `journalctl(1)` is waited for that is asked for the newest entry of mail: where there is
/// none, it looks through the whole journal.
pub const JOURNALCTL_LOOK: Duration = Duration::from_secs(30);

/// Bytes read of the answer of `postconf(1)`; it prints one line for each parameter.
pub const POSTCONF_BYTES: u64 = 64 * 1024;

/// How long a start waits for that answer. It takes milliseconds, but up to two seconds when
/// `main.cf` was just edited: Postfix reads a file again until its modification time is in the
/// past (`src/util/dict.c`, `dict_load_file_xt()`).
pub const POSTCONF_WAIT: Duration = Duration::from_secs(5);

/// Bytes of events packed into one stored chunk, before they are compressed.
pub const CHUNK_BYTES: usize = 16 * 1024;

/// Bytes of a chunk as it is stored. A sled leaf holds up to 17 values and moves to an unsynced file
/// of its own beyond 128 KiB.
pub const CHUNK_VALUE_BYTES: usize = 7 * 1024;

/// Bytes of one stored chunk of attempts.
pub const ATTEMPT_CHUNK_BYTES: usize = 4096;

/// Removals in one atomic commit. sled 0.34 never frees leaves that a larger batch emptied.
pub const REMOVES_PER_COMMIT: usize = 250;

/// Bytes of a webhook request body.
pub const BODY_BYTES: usize = 256 * 1024;

/// Connections to the TCP address of the control API at once.
pub const API_CONNECTIONS: usize = 256;
/// Body of a request to the control API.
pub const API_BODY_BYTES: usize = 256 * 1024;

/// Requests a second that one key, or one user of the machine, may make of the control API in the
/// long run.
pub const API_RATE: u32 = 100;
/// And at once.
pub const API_BURST: u32 = 200;
/// Requests a second from one address that shows no key that is known: `/healthz`, `/readyz` and
/// guesses.
pub const API_STRANGER_RATE: u32 = 10;
/// And at once.
pub const API_STRANGER_BURST: u32 = 20;
/// Callers whose rate is remembered; beyond it those are forgotten that have asked for nothing for
/// the longest time.
pub const API_CALLERS: usize = 1024;
/// Reports are brought over so many connections at once, and no more.
pub const REPORT_CONNECTIONS: usize = 64;
/// The head of a request to the control API comes within this time, from when it may begin; so long a
/// connection may also wait for the next request. Longer than proxies keep theirs (60 s in nginx): who
/// closes first must not be asked meanwhile.
pub const API_HEAD: Duration = Duration::from_secs(75);
/// A connection to the control API over which nothing goes for so long is closed.
pub const API_IDLE: Duration = Duration::from_mins(5);
/// So is one whose other end does not read for so long what it asked for.
pub const API_STALL: Duration = Duration::from_secs(30);

/// Clients of `/v1/stream` at once.
pub const STREAM_CLIENTS: usize = 32;
/// Events and attempts that one of them may be behind; beyond it, it is dropped.
pub const STREAM_BEHIND: usize = 1024;
/// Stored events that a client which comes again is told at most.
pub const STREAM_RESUMED: u64 = 10_000;

/// Series of one metric.
pub const METRIC_SERIES: usize = 10_000;

/// Rows of the audit log that are kept.
pub const AUDIT_ROWS: u64 = 10_000;

/// Lines that `/v1/parse` takes at once.
pub const PARSED_LINES: usize = 1000;

/// Bytes read of a receiver's answer before the connection is closed.
pub const ANSWER_READ_BYTES: usize = 64 * 1024;

/// Bytes stored of a receiver's answer.
pub const ANSWER_KEPT_BYTES: usize = 8 * 1024;

/// Chunks of attempts kept for one webhook, of [`ATTEMPT_CHUNK_BYTES`] each: 64 MiB.
pub const ATTEMPT_CHUNKS: u64 = 16_384;

/// Hosts of one log whose years are told by their queue IDs. In the log of more, the years of the
/// others' lines are told by the file's time.
pub const DATED_HOSTS: usize = 64;

/// Bytes of such a host's name (RFC 1035 §2.3.4).
pub const DATED_HOST_BYTES: usize = 255;

/// Recent lines whose occurrence count is stored with each commit of a source.
pub const OCCURRENCES_STORED: usize = 256;

/// Delivery attempts under way at once, over all webhooks.
pub const ATTEMPTS_AT_ONCE: usize = 256;

/// Stored chunks that are read for one page of events that are looked for: those of some 50,000
/// events, for which it takes a tenth of a second.
pub const SEARCHED_CHUNKS: usize = 2048;

/// Segments of the index that are asked for one page: those of 67 million events.
pub const SEARCHED_SEGMENTS: usize = 4096;

/// Bytes of logs that are read again for the story of one message, and lines of it that are shown.
pub const RECALLED_BYTES: usize = 16 * 1024 * 1024;

/// See [`RECALLED_BYTES`].
pub const RECALLED_LINES: usize = 1000;

/// How far into a compressed log lines are read again, decompressed: that takes two seconds.
pub const UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;

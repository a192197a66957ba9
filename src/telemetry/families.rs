//! Every metric: name, type, labels and meaning.
//!
//! This is the one definition. The page that Prometheus reads ([`super::page`]), the page for people
//! (`contrib/docs/metrics.md`, [`super::reference()`]) and the checks of alert rules and dashboard
//! come of the same lines.
//!
//! No label has a value that a stranger chooses: they are words of closed lists, and names from the
//! configuration. Nothing is counted by message, recipient, user or domain.

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up from 0 at the start of the daemon.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How long something took, in buckets.
    Histogram,
}

impl Kind {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label, and what bounds its values.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that it has.
    pub values: &'static str,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// As Prometheus knows it; the unit is in it.
    pub name: &'static str,
    /// What kind of figure it is.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static Label],
    /// What it tells; begins with a space.
    text: &'static str,
}

impl Family {
    /// What it tells.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.text.trim_start()
    }
}

/// The type of an event.
pub const TYPE: Label =
    Label { name: "type", values: "an event type of `events.md`, at most 40 in all" };
/// A source.
pub const SOURCE: Label = Label {
    name: "source",
    values: "the name of a `[[source]]`; empty for what no single source tells",
};
/// A webhook.
pub const WEBHOOK: Label = Label {
    name: "webhook",
    values: "the name of a webhook; of one that was made through the API and has the name of one of the \
             file, name and id: `Shop (wh_…)`",
};
/// What became of a line.
pub const OUTCOME: Label = Label {
    name: "outcome",
    values: "`recognised`, `ignored` (known, and without meaning for any message) or `unrecognised`",
};
/// The end of a delivery.
pub const END: Label = Label {
    name: "state",
    values: "`delivered`, `dead`, `discarded`, `blocked`, `cancelled` or `expired`",
};
/// What came of an attempt.
pub const CLASS: Label = Label {
    name: "class",
    values: "`2xx`, `3xx`, `4xx`, `5xx` or `other` for an answer; `dns`, `connect`, `tls`, `timeout`, \
             `reset` or `exchange` for none; `refused` or `unsent` where nothing was sent",
};
/// How a source is.
pub const SOURCE_IS: Label =
    Label { name: "state", values: "`current`, `behind`, `waiting` or `refused`" };
/// This program.
pub const VERSION: Label = Label { name: "version", values: "the version of the program" };

macro_rules! families {
    ($($(#[doc = $text:literal])+ $name:ident: $kind:ident $printed:literal $labels:tt;)*) => {
        $($(#[doc = $text])+
        pub const $name: &Family = &Family {
            name: $printed,
            kind: Kind::$kind,
            labels: &$labels,
            text: concat!($($text),+),
        };)*

        /// All of them, in the order of the documentation.
        pub const FAMILIES: &[&Family] = &[$($name),*];
    };
}

families! {
    /// Events that were stored, since the start of the daemon.
    EVENTS: Counter "mailherald_events_total" [&TYPE, &SOURCE];
    /// Lines that were read, by what became of them.
    LINES: Counter "mailherald_lines_total" [&SOURCE, &OUTCOME];
    /// Logins at the mail server that failed: somebody who guesses passwords shows here.
    AUTH_FAILURES: Counter "mailherald_auth_failures_total" [&SOURCE];
    /// Bytes that are there and not read.
    SOURCE_LAG_BYTES: Gauge "mailherald_source_lag_bytes" [&SOURCE];
    /// For how long there has always been something to read; 0 when all is read.
    SOURCE_LAG_SECONDS: Gauge "mailherald_source_lag_seconds" [&SOURCE];
    /// How a source is: 1 for the state that it is in, 0 for the others. A source that waits has no
    /// log yet; one that is refused has one that may not be read.
    SOURCE_STATE: Gauge "mailherald_source_state" [&SOURCE, &SOURCE_IS];
    /// Disk space of deleted logs that are kept open because they are not read to their end.
    SOURCE_PINNED_BYTES: Gauge "mailherald_source_pinned_bytes" [&SOURCE];
    /// Lines that were not whole: too long, or half a line at the end of a log.
    SOURCE_LINES_CUT: Counter "mailherald_source_lines_cut_total" [&SOURCE];
    /// Times that a log was truncated and no copy of it was in sight: unread lines are lost.
    SOURCE_TRUNCATIONS: Counter "mailherald_source_truncations_total" [&SOURCE];
    /// Times that a journal had deleted the entry that was read last, and maybe unread ones behind it.
    SOURCE_GAPS: Counter "mailherald_source_gaps_total" [&SOURCE];
    /// Lines that were dropped before they came into the log, as the log itself says.
    SOURCE_LINES_DROPPED: Counter "mailherald_source_lines_dropped_total" [&SOURCE];

    /// Deliveries that came to an end, by how.
    DELIVERIES: Counter "mailherald_deliveries_total" [&WEBHOOK, &END];
    /// Attempts to deliver, by what came of them.
    ATTEMPTS: Counter "mailherald_attempts_total" [&WEBHOOK, &CLASS];
    /// How long attempts took, from signing to the last byte of the answer.
    ATTEMPT_SECONDS: Histogram "mailherald_attempt_seconds" [&WEBHOOK];
    /// Deliveries that are handed out to be sent now.
    UNDER_WAY: Gauge "mailherald_attempts_under_way" [&WEBHOOK];
    /// Events that a webhook has not been asked about yet, of which it may not want all.
    BACKLOG: Gauge "mailherald_backlog" [&WEBHOOK];
    /// Deliveries that failed, or are to be made again, and wait for their time. Counted up to 10,000.
    RETRIES: Gauge "mailherald_retries_waiting" [&WEBHOOK];
    /// For how long the oldest event waits that a webhook is to be told of; 0 when none does.
    OLDEST_PENDING: Gauge "mailherald_oldest_pending_seconds" [&WEBHOOK];
    /// Dead letters on record: deliveries that ended badly and were not sent again or removed.
    /// Counted up to 10,000.
    DEAD: Gauge "mailherald_dead" [&WEBHOOK];
    /// 1 while the circuit is open: the receiver is down, much waits, and only probes are sent.
    CIRCUIT: Gauge "mailherald_circuit_state" [&WEBHOOK];
    /// 1 while the webhook is enabled.
    ENABLED: Gauge "mailherald_webhook_enabled" [&WEBHOOK];
    /// Attempts that failed since the last one that did not.
    FAILURES: Gauge "mailherald_webhook_failures" [&WEBHOOK];

    /// Size of the store's files.
    STORE_BYTES: Gauge "mailherald_store_bytes" [];
    /// How long commits took, until all was on the disk.
    COMMIT_SECONDS: Histogram "mailherald_commit_seconds" [];
    /// Bytes that are free where the store is.
    DISK_FREE: Gauge "mailherald_disk_free_bytes" [];
    /// Bytes that must be free there: below it, reading pauses.
    DISK_MIN_FREE: Gauge "mailherald_disk_min_free_bytes" [];
    /// 1 while nothing is read because the disk is nearly full.
    PAUSED: Gauge "mailherald_reading_paused" [];

    /// How far the clock of this machine is ahead of the receivers'; left out until three of them
    /// have told the time.
    CLOCK_SKEW: Gauge "mailherald_clock_skew_seconds" [];
    /// 1 if `/readyz` says that all is well.
    READY: Gauge "mailherald_ready" [];
    /// Clients that listen to `/v1/stream`.
    STREAM_CLIENTS: Gauge "mailherald_stream_clients" [];
    /// Always 1; its label tells which program this is.
    BUILD: Gauge "mailherald_build_info" [&VERSION];
    /// When the daemon was started, seconds since the epoch.
    START_TIME: Gauge "process_start_time_seconds" [];
    /// Memory of the process that is in RAM.
    RESIDENT: Gauge "process_resident_memory_bytes" [];
    /// Files, sockets and the like that the process has open.
    OPEN_FILES: Gauge "process_open_fds" [];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_their_unit_as_prometheus_asks() {
        let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for family in FAMILIES {
            let is_total = family.name.ends_with("_total");
            assert_eq!(is_total, family.kind == Kind::Counter, "{}", family.name);
            assert!(!family.help().is_empty(), "{}", family.name);
            assert!(
                family.name.starts_with("mailherald_") || family.name.starts_with("process_"),
                "{}",
                family.name
            );
        }
    }
}

//! Total, zero-copy parsers for what mail servers write into their logs.
//!
//! Bytes in, values out: no IO, no clock, no threads, no panic, and for lines no allocation but for
//! the one buffer of 128 KiB that a [`Parser`] gets at the first line of JSON, and one of at most
//! 64 KiB for each stream of a container whose lines come in parts. Any line gives a [`LogRecord`];
//! a line that nothing here understands gives [`Body::Unrecognised`] with the reason, which is a
//! value and not an error.
//!
//! * [`header`] splits off what the logging system put in front or around (stamp, host, tag, PID),
//! * [`time`] reads time stamps and resolves those that carry no year,
//! * [`postfix`] reads the text of each Postfix daemon,
//! * [`haraka`] reads the records of Haraka, in each of its layouts,
//! * [`haraka_plugin`] reads the lines of our plugin for Haraka,
//! * [`filters`] reads the verdicts of spam and virus filters and policy servers,
//! * [`journal`] reads the export format of systemd's journal,
//! * [`milter`] speaks the protocol between mail servers and their filters,
//! * [`report`] reads feedback reports and delivery status notifications, which come as mail,
//! * [`address`] scans envelope addresses, quote- and bracket-aware,
//! * [`gap`] knows the marks that logging systems leave where they lost lines,
//! * [`status`] reads reply codes and enhanced status codes.
//!
//! What a record means for a message is not decided here: that is `mailherald::correlate`.
//!
//! ```
//! use mailherald_parsers::{Body, Parser, postfix::Entry};
//!
//! let line = b"Nov 21 01:28:22 mx postfix/qmgr[334]: 97C0A53F4D6: removed";
//! let mut parser = Parser::new();
//! let record = parser.parse(line);
//! assert_eq!(record.process.service, b"qmgr");
//! assert!(matches!(record.body, Body::Postfix(Entry::Removed(_))));
//! ```

pub mod address;
mod fields;
pub mod filters;
pub mod gap;
pub mod haraka;
pub mod haraka_plugin;
pub mod header;
pub mod journal;
mod json;
pub mod milter;
pub mod postfix;
pub mod record;
pub mod report;
pub mod status;
pub mod time;

pub use gap::Gap;
pub use record::{Body, LogRecord, Parser, Process, Reason};

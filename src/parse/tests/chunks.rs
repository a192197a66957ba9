//! However the input comes, the same records come of it: from the bytes of a stream to what the
//! correlator is given.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use proptest::prelude::*;

use super::super::*;
use crate::{clock::Clock, source::stdin};

const TRADITIONAL: &[u8] =
    include_bytes!("../../../fixtures/postfix/3.7.11/maillog_file/33_year_rollover_faketime.log");
const EXPORT: &[u8] = include_bytes!("../../../fixtures/journald/systemd-252/odd_entries.export");
const JSON: &[u8] = include_bytes!("../../../fixtures/journald/systemd-252/odd_entries.json");

/// Lines that depend on the line before, that repeat, that are long, foreign or not text.
fn odd_lines() -> Vec<u8> {
    let removed = "Nov 21 01:28:22 vm postfix/qmgr[1]: 97C0A53F4D6: removed";
    let queued = "Nov 21 01:28:22 vm postfix/qmgr[1]: 97C0A53F4D6: from=<a@b>, size=1, nrcpt=1 (queue active)\n";
    let parts = format!(
        "2026-11-21T01:28:22Z stdout P {removed}\n2026-11-21T01:28:22Z stdout F {removed}\n"
    );
    let long = [b"Nov 21 01:28:22 vm a: ".as_slice(), &vec![b'x'; 70_000], b"\r\n\n\0\0"].concat();
    [
        queued.as_bytes(),
        queued.as_bytes(),
        parts.as_bytes(),
        &long,
        b"\xff\xfe\n",
        removed.as_bytes(),
    ]
    .concat()
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

/// Gives at most so many bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::iter::Copied<std::slice::Iter<'a, usize>>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().unwrap().min(room.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(size);
        room[..size].copy_from_slice(piece);
        self.rest = rest;
        Ok(size)
    }
}

/// Every line, as the correlator is given it, and the counts of all.
fn records(input: &[u8], sizes: &[usize]) -> (Vec<String>, Counts) {
    let input = Pieces { rest: input, sizes: sizes.iter().copied().cycle() };
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    let mut records = Vec::new();
    stdin::read(0, input, &Noon, &mut |batch| {
        reader.read(&batch, |line| records.push(format!("{line:?}")));
        ControlFlow::Continue(())
    })
    .unwrap();
    (records, reader.counts())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_of_the_input_give_the_same_records(
        which in 0_usize..4, sizes in prop::collection::vec(1_usize..700, 1..12),
    ) {
        let odd = odd_lines();
        let input = [TRADITIONAL, EXPORT, JSON, &odd][which];
        let at_once = records(input, &[usize::MAX]);
        prop_assert!(at_once.1.lines > 5);
        prop_assert_eq!(records(input, &sizes), at_once);
    }
}

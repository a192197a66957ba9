//! In which order logs were written, where the times of the files do not tell: a copy that keeps no
//! times makes the oldest generation the newest file.

use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use jiff::{Timestamp, ToSpan};

use super::scan::Found;

/// Endings of compressed logs.
const PACKED: [&str; 4] = [".gz", ".zst", ".xz", ".bz2"];

/// Digits of a number; more are a date.
const NUMBER_DIGITS: usize = 5;

/// The place of a log among the rotated ones of one name, the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    /// `mail.log`.
    Live,
    /// `mail.log-20261121`: of two dates the later one comes first.
    Dated(std::cmp::Reverse<&'a str>),
    /// `mail.log.1`.
    Numbered(u32),
}

impl Place<'_> {
    /// Numbers and dates beside each other are of different times, and say nothing of each other.
    fn schemes(&self) -> &'static [char] {
        match self {
            Self::Live => &['d', 'n'],
            Self::Dated(_) => &['d'],
            Self::Numbered(_) => &['n'],
        }
    }
}

/// Orders `files`, the oldest first: by their times, and by their names where a log is older than what
/// was rotated out of it.
pub(super) fn sort(files: &mut [Found]) {
    for (index, order) in orders(files) {
        if let Some(found) = files.get_mut(index) {
            found.order = order;
        }
    }
    files.sort_by(|one, two| one.order.cmp(&two.order).then_with(|| two.path.cmp(&one.path)));
}

/// Files whose times are wrong, and what they are to be ordered by: none comes after the one that took
/// its name.
fn orders(files: &[Found]) -> Vec<(usize, Timestamp)> {
    let mut orders = Vec::new();
    for mut family in families(files) {
        family.sort();
        let times = family.iter().filter_map(|(_, index)| Some(files.get(*index)?.modified));
        let (live, newest) = (times.clone().next(), times.max());
        if live == newest || !matches!(family.first(), Some((Place::Live, _))) {
            continue;
        }
        let mut latest = Timestamp::MAX;
        for (_, index) in family {
            let Some(found) = files.get(index) else { continue };
            latest = latest.min(found.modified);
            orders.push((index, latest));
            latest = latest.saturating_sub(1.nanosecond()).unwrap_or(latest);
        }
    }
    orders
}

/// The logs of one name, each with its place and index.
fn families(files: &[Found]) -> impl Iterator<Item = Vec<(Place<'_>, usize)>> {
    let mut families: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, found) in files.iter().enumerate() {
        let (stem, place) = place(&found.path);
        for scheme in place.schemes() {
            let family = (found.path.parent(), stem, scheme);
            families.entry(family).or_default().push((place, index));
        }
    }
    families.into_values()
}

/// The name without what a rotation appended, and what that says.
fn place(path: &Path) -> (&str, Place<'_>) {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let name = PACKED.iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(name);
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit() || ".-_".contains(it));
    let appended = name.strip_prefix(stem).unwrap_or_default();
    let Some(what) = appended.strip_prefix(['.', '-', '_']) else { return (name, Place::Live) };
    match what.parse() {
        Ok(number) if what.len() <= NUMBER_DIGITS => (stem, Place::Numbered(number)),
        _ => (stem, Place::Dated(std::cmp::Reverse(what))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The names in order, of files that were written in the order given.
    fn sorted(names: &[&'static str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let found = |(second, name): (i64, &&str)| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            let modified = Timestamp::from_second(second).unwrap();
            let found = Found::new(path.clone(), &path.metadata().unwrap());
            Found { modified, order: modified, ..found }
        };
        let mut files: Vec<_> = (0..).zip(names).map(found).collect();
        sort(&mut files);
        let name = |found: &Found| found.path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(name).collect()
    }

    #[test]
    fn where_a_log_is_older_than_what_was_rotated_out_of_it_names_order_them() {
        let copied = ["mail.log", "mail.log.1", "mail.log.10.gz", "mail.log.2.gz"];
        assert_eq!(sorted(&copied), ["mail.log.10.gz", "mail.log.2.gz", "mail.log.1", "mail.log"]);
        let copied = ["maillog", "maillog.20261121-000001", "maillog.20261120-000002.gz"];
        assert_eq!(
            sorted(&copied),
            ["maillog.20261120-000002.gz", "maillog.20261121-000001", "maillog"]
        );
    }

    #[test]
    fn otherwise_their_times_order_them() {
        for names in [
            ["mail.log.2", "mail.log.1", "mail.log"],
            ["mx2.log", "mx1.log", "other.log.1"],
            ["b.log.1", "a.log.1", "b.log"],
            ["mail.log.1", "mail.log-20261121", "mail.log"],
            ["mail.log-20261121", "mail.log.1", "mail.log"],
            // Some number upwards.
            ["mail.log.1", "mail.log.2", "mail.log"],
        ] {
            assert_eq!(sorted(&names), names);
        }
    }
}

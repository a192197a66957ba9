//! Numbered lines of the present, and the book of which of them came out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    program::{Host, output, text},
    receiver::{Receiver, Request},
    until,
};

/// How long no request comes before none is taken to be under way.
const SETTLE: Duration = Duration::from_millis(60);

/// A line for message and recipient `number`, logged now: only of lines of the past does the store
/// ask whether it knows them, so a line of now that is read twice is told twice.
pub(crate) fn line(number: usize) -> String {
    let stamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00");
    format!(
        "{stamp} mx postfix/smtp[913]: 3F0B2C8{number:05X}: to=<user{number}@good.test>, \
         relay=mx1.good.test[192.0.2.1]:25, delay=0.08, delays=0.02/0.02/0/0.04, dsn=2.0.0, \
         status=sent (250 2.0.0 Ok: queued as 1F{number:05X})\n"
    )
}

/// The numbers of the users in a text.
pub(crate) fn numbers(text: &str) -> BTreeSet<usize> {
    let number = |rest: &str| rest.split_once("@good.test")?.0.parse().ok();
    text.split("user").skip(1).filter_map(number).collect()
}

/// The text of a log, packed or not.
pub(crate) fn unpacked(path: &Path) -> String {
    let mut bytes = Vec::new();
    let file = File::open(path).unwrap();
    match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes),
        Some("zst") => zstd::stream::read::Decoder::new(file).unwrap().read_to_end(&mut bytes),
        _ => (&file).read_to_end(&mut bytes),
    }
    .unwrap();
    text(&bytes)
}

/// Every `mail.log…` of a host.
pub(crate) fn logs(host: &Host) -> Vec<PathBuf> {
    let entries = fs::read_dir(host.path("")).unwrap().map(|entry| entry.unwrap().path());
    let is_log =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("mail.log");
    entries.filter(is_log).collect()
}

/// Numbers whose whole lines are in some log of this host.
pub(crate) fn on_disk(host: &Host) -> BTreeSet<usize> {
    let whole = |path: &PathBuf| {
        let text = unpacked(path);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let is_whole = |line: &&str| line.trim_start_matches('\0').starts_with("20");
        whole.lines().filter(is_whole).flat_map(numbers).collect::<Vec<_>>()
    };
    logs(host).iter().flat_map(whole).collect()
}

/// The ids under which each number came out.
pub(crate) fn received(receiver: &Receiver) -> BTreeMap<usize, BTreeSet<String>> {
    let mut ids: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for request in receiver.requests() {
        for number in numbers(&text(&request.body)) {
            ids.entry(number).or_default().insert(request.id().to_owned());
        }
    }
    ids
}

/// Each of these numbers came out.
pub(crate) fn is_all_received(receiver: &Receiver, numbers: &BTreeSet<usize>) -> bool {
    let told = received(receiver);
    numbers.iter().all(|number| told.contains_key(number))
}

/// Kills, each by the number of requests that had come before it.
#[derive(Debug, Default)]
pub(crate) struct Kills(Vec<usize>);

impl Kills {
    /// After a kill: waits until what it left in the sockets has been read.
    pub(crate) fn note(&mut self, receiver: &Receiver) {
        let mut count = usize::MAX;
        until("quiet sockets", || {
            let is_quiet = count == receiver.count();
            count = receiver.count();
            std::thread::sleep(SETTLE);
            is_quiet
        });
        self.0.push(count);
    }
}

/// Every number of `must` came out, none that is not in `may`, and each under one id, which was
/// told once between two kills: a kill may have left its result unwritten.
pub(crate) fn check(
    receiver: &Receiver,
    must: &BTreeSet<usize>,
    may: &BTreeSet<usize>,
    kills: &Kills,
    what: &str,
) {
    let told = received(receiver);
    let numbers: BTreeSet<usize> = told.keys().copied().collect();
    let lost: Vec<_> = must.difference(&numbers).collect();
    assert!(lost.is_empty(), "{what}: {} lost: {lost:?}", lost.len());
    let invented: Vec<_> = numbers.difference(may).collect();
    assert!(invented.is_empty(), "{what}: invented: {invented:?}");
    let doubled: Vec<_> = told.iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert!(doubled.is_empty(), "{what}: under two ids: {doubled:?}");
    let requests = receiver.requests();
    let mut begin = 0;
    for end in kills.0.iter().copied().chain([requests.len()]) {
        let between = &requests[begin..end];
        let ids: BTreeSet<&str> = between.iter().map(Request::id).collect();
        assert_eq!(ids.len(), between.len(), "{what}: twice between two kills, {kills:?}");
        begin = end;
    }
}

/// An independent reading of what is on disk gives the ids that came out, for these numbers. Of
/// others half a line may be there, which a replay tells as far as it goes.
pub(crate) fn check_ids(host: &Host, receiver: &Receiver, must: &BTreeSet<usize>, what: &str) {
    let replayed = output(&["--quiet", "replay", "--dry-run", &host.text("mail.log*")]);
    assert_eq!(replayed.status.code(), Some(0), "{what}: {}", text(&replayed.stderr));
    let told = receiver.ids();
    for line in text(&replayed.stdout).lines() {
        if numbers(line).is_disjoint(must) {
            continue;
        }
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(told.contains(event["id"].as_str().unwrap()), "{what}: another id: {line}");
    }
}

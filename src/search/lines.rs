//! The lines behind events, read again from the logs in which they are, and the way of a message from
//! one queue ID to the next as they tell it.

use std::{io, path::PathBuf};

use super::{Search, SearchError};
use crate::{
    event::{LinePlace, text},
    limits::{RECALLED_LINES, RESPONSE_BYTES},
    parse::{Hop, about},
    source::{Generation, Position, recall},
    store::{Key, Prefix, View, index::bare, key, log},
};

/// Queue IDs of one story at most, and how often new ones are looked for.
const QUEUE_IDS: usize = 16;
const ROUNDS: usize = 4;
/// A Message-ID that is shorter may be any word.
const MESSAGE_ID_BYTES: usize = 6;

/// What is said where no log is known.
const NO_PLACE: &str = "where its lines are is not known: they came from the journal or from standard \
                        input, or an earlier version read them";

/// Whose lines are looked for, and where.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Sources of log files: their names and patterns.
    pub sources: Vec<(String, Vec<String>)>,
    /// Where lines of events are, in their order.
    pub places: Vec<LinePlace>,
    /// What the logs call the message.
    pub queue_ids: Vec<String>,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// The message is open: look at the end of the live logs as well.
    pub is_open: bool,
}

/// A line of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file in which it is now.
    pub path: PathBuf,
    /// Number of its generation, as events name it; None where none of them does.
    pub log: Option<u32>,
    /// Offset in there, decompressed.
    pub offset: u64,
    /// The line, without what could move a cursor.
    pub text: String,
}

/// Lines of a story.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Log by log, in the order in which the story goes through them.
    pub lines: Vec<Line>,
    /// From which queue ID to which, and how.
    pub hops: Vec<(String, String, Hop)>,
    /// What could not be read, in words.
    pub missing: Vec<String>,
    /// There may be more lines.
    pub is_cut: bool,
}

/// A log, and where to look.
struct Spot {
    number: Option<u32>,
    generation: Generation,
    position: Option<Position>,
    offsets: Vec<u64>,
}

impl Search {
    /// Reads lines again. What is not there any more is said, and is no error.
    ///
    /// # Errors
    /// As [`Search::read`].
    pub async fn lines(&self, asked: Asked) -> Result<Lines, SearchError> {
        let (spots, asked) = self.read(move |view| Ok((spots(view, &asked)?, asked))).await?;
        let reading = tokio::task::spawn_blocking(move || read(&spots, &asked));
        reading.await.map_err(|_| SearchError::Stopped)
    }
}

/// Where to look.
fn spots(view: &View, asked: &Asked) -> Result<Vec<Spot>, SearchError> {
    let mut spots: Vec<Spot> = Vec::new();
    for place in &asked.places {
        if let Some(known) = spots.iter_mut().find(|spot| spot.number == Some(place.log)) {
            known.offsets.push(place.offset);
            continue;
        }
        let Some(value) = view.get(&Key::log(place.log))? else { continue };
        let generation = log::decode(&value)?;
        let position = view.get(&Key::position(&generation.source, generation.fingerprint))?;
        let position = position.map(|value| log::decode_position(&value)).transpose()?;
        let (number, offsets) = (Some(place.log), vec![place.offset]);
        spots.push(Spot { number, generation, position, offsets });
    }
    if asked.is_open {
        let names = asked.sources.iter().map(|(name, _)| name);
        for source in names {
            add_live(view, source, &mut spots)?;
        }
    }
    Ok(spots)
}

/// The ends of the logs of a source that are still written to.
fn add_live(view: &View, source: &str, spots: &mut Vec<Spot>) -> Result<(), SearchError> {
    for entry in view.scan(&Prefix::positions(source))? {
        let (key, value) = entry?;
        let Some((_, fingerprint)) = key::parse_position(&key) else { continue };
        let position = log::decode_position(&value)?;
        if position.finished || position.offset == 0 {
            continue;
        }
        let generation = Generation { source: source.to_owned(), fingerprint };
        let offsets = vec![position.offset];
        match spots.iter_mut().find(|spot| spot.generation == generation) {
            Some(known) => known.offsets.extend(offsets),
            None => {
                spots.push(Spot { number: None, generation, position: Some(position), offsets });
            }
        }
    }
    Ok(())
}

/// Reads the lines, and those of the queue IDs that they lead to.
fn read(spots: &[Spot], asked: &Asked) -> Lines {
    let mut told = Lines::default();
    let mut logs = Vec::new();
    if spots.is_empty() {
        told.missing.push(NO_PLACE.to_owned());
    }
    for spot in spots {
        match recall::find(
            &patterns(spot, asked),
            spot.generation.fingerprint,
            spot.position.as_ref(),
        ) {
            Some(log) => logs.push((spot, log)),
            None => told.missing.push(format!(
                "the log {} of source `{}` is not there any more",
                spot.generation.fingerprint, spot.generation.source
            )),
        }
    }
    let mut words = asked.queue_ids.clone();
    words.extend(asked.queue_ids.iter().filter_map(|queue_id| connection(queue_id)));
    let message_id = asked.message_id.as_deref().map(bare);
    let message_id = message_id.filter(|text| text.len() >= MESSAGE_ID_BYTES && text.contains('@'));
    words.extend(message_id.map(str::to_owned));
    for _ in 0..ROUNDS {
        let known = words.len();
        let missing = std::mem::take(&mut told.missing);
        told = Lines { missing, ..Lines::default() };
        read_once(&logs, &words, &mut told);
        let is_new = |words: &[String], text: &String| !words.contains(text);
        for queue_id in leads_to(&told, message_id) {
            if is_new(&words, &queue_id) && words.len() < QUEUE_IDS {
                words.push(queue_id);
            }
        }
        if words.len() == known {
            break;
        }
    }
    told
}

/// A log of a source that is not configured may be among those of another one.
fn patterns(spot: &Spot, asked: &Asked) -> Vec<String> {
    let own = asked.sources.iter().filter(|(name, _)| *name == spot.generation.source);
    let own: Vec<_> = own.flat_map(|(_, patterns)| patterns.clone()).collect();
    if own.is_empty() {
        return asked.sources.iter().flat_map(|(_, patterns)| patterns.clone()).collect();
    }
    own
}

/// The connection of a transaction of Haraka, as lines name it.
fn connection(queue_id: &str) -> Option<String> {
    let (connection, _) = queue_id.split_once('.')?;
    is_of_haraka(queue_id).then(|| format!("[{connection}]"))
}

fn is_of_haraka(queue_id: &str) -> bool {
    queue_id.bytes().filter(|byte| *byte == b'-').count() == 4
}

fn read_once(logs: &[(&Spot, recall::Log)], words: &[String], told: &mut Lines) {
    let has_haraka = words.iter().any(|word| is_of_haraka(word));
    for (spot, log) in logs {
        let lot = match log.lines(&spot.offsets, words) {
            Ok(lot) => lot,
            Err(error) => {
                told.missing.push(cannot_read(log, &error));
                continue;
            }
        };
        told.is_cut |= lot.is_cut;
        for line in lot.lines {
            let about = about(&line.bytes);
            // Haraka logs what clients say, passwords among it; those lines are read by nobody.
            if has_haraka && !about.is_recognised {
                continue;
            }
            if told.lines.len() >= RECALLED_LINES {
                told.is_cut = true;
                return;
            }
            told.hops.extend(about.hop.filter(|hop| !told.hops.contains(hop)));
            told.lines.push(Line {
                path: log.path.clone(),
                log: spot.number,
                offset: line.offset,
                text: text::bounded(&line.bytes, RESPONSE_BYTES).value.to_string(),
            });
        }
    }
}

fn cannot_read(log: &recall::Log, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", log.path.display())
}

/// Queue IDs that the lines lead to, and those of lines with the same Message-ID.
fn leads_to(told: &Lines, message_id: Option<&str>) -> Vec<String> {
    let hops = told.hops.iter().filter(|(.., how)| *how != Hop::Notification);
    let mut found: Vec<String> =
        hops.flat_map(|(from, to, _)| [from.clone(), to.clone()]).collect();
    let same = told.lines.iter().filter(|line| message_id.is_some_and(|it| line.text.contains(it)));
    found.extend(same.filter_map(|line| about(line.text.as_bytes()).queue_id));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_log_is_known_is_said() {
        assert_eq!(read(&[], &Asked::default()).missing, [NO_PLACE]);
    }

    #[test]
    fn lines_of_haraka_are_found_by_their_connection_as_well() {
        let id = "62E6D9D9-6A9C-4F4B-8B4E-0A5B6C7D8E9F.1";
        assert_eq!(connection(id), Some("[62E6D9D9-6A9C-4F4B-8B4E-0A5B6C7D8E9F]".to_owned()));
        assert_eq!(connection("4jWZ7Z08W0zmwBB"), None);
    }
}

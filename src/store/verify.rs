//! Reads everything once. sled checks each piece only when it is read, so this is what tells
//! damage from age.

use super::{CodecError, Store, StoreErrorKind, chunk, key, ledger::PageReader};

impl Store {
    /// Reads every entry, unpacks every chunk and page of the ledger, and sees that none is missing
    /// between two others.
    pub(super) fn verify(&self) -> Result<(), StoreErrorKind> {
        let corrupt = |why: &dyn std::fmt::Display| StoreErrorKind::Corrupt(why.to_string());
        let mut expected = None;
        let mut ledgers = [PageReader::default(), PageReader::default()];
        for entry in self.db.iter() {
            let (key, value) = entry?;
            let stripped = key::parse_replay(&key);
            if let Some(number) = key::parse_ledger(stripped.unwrap_or(&key))
                && let Some(ledger) = ledgers.get_mut(usize::from(stripped.is_some()))
                && !value.is_empty()
            {
                match ledger.read(number, &value, |_| Ok::<_, CodecError>(())) {
                    Ok(_) | Err(CodecError::UnknownVersion { .. }) => {}
                    Err(error) => return Err(corrupt(&error)),
                }
            }
            let Some(first_seq) = key::parse_chunk(&key).filter(|_| !value.is_empty()) else {
                continue;
            };
            if expected.is_some_and(|expected| expected != first_seq) {
                return Err(corrupt(&format_args!("events are missing before {first_seq}")));
            }
            expected = match chunk::decode(first_seq, &value) {
                Ok(events) => Some(first_seq.saturating_add(events.len() as u64)),
                // That is for whoever reads it to say.
                Err(error) if error.is_of_other_version() => None,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    return Err(corrupt(&format_args!("{error}: {}", cause.unwrap_or_default())));
                }
            };
        }
        ledgers.iter().try_for_each(PageReader::end).map_err(|error| corrupt(&error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::super::{
        Commit, Key, Store,
        ledger::{append_bytes, pages},
    };

    #[test]
    fn a_page_of_the_ledger_that_is_missing_is_damage_unless_it_is_the_oldest() {
        for is_replay in [false, true] {
            let dir = TempDir::new().unwrap();
            let store = Store::open(dir.path()).unwrap();
            let key = |number| {
                let key = Key::ledger(number);
                if is_replay { key.of_replay() } else { key }
            };
            let mut records = Vec::new();
            append_bytes(b"a", &vec![1; 20_000], &mut records);
            let mut commit = Commit::new();
            for (number, page) in (7..).zip(pages(&records)) {
                commit.put(key(number), page);
            }
            store.apply(commit).unwrap();
            store.verify().unwrap();
            for (removed, is_damage) in [(8, true), (7, false)] {
                let mut commit = Commit::new();
                commit.remove(key(removed));
                store.apply(commit).unwrap();
                assert_eq!(store.verify().is_err(), is_damage, "{removed}");
            }
        }
    }
}

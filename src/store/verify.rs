//! Reads everything once. sled checks each piece only when it is read, so this is what tells
//! damage from age.

use super::{Store, StoreErrorKind, chunk, key};

impl Store {
    /// Reads every entry, unpacks every chunk and sees that none is missing between two others.
    pub(super) fn verify(&self) -> Result<(), StoreErrorKind> {
        let corrupt = |why: &dyn std::fmt::Display| StoreErrorKind::Corrupt(why.to_string());
        let mut expected = None;
        for entry in self.db.iter() {
            let (key, value) = entry?;
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
        Ok(())
    }
}

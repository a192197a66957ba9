//! The keys of the API over restarts. A key is good once it is durable, and no more before it is
//! durably gone.

use std::collections::BTreeMap;

use super::{error::WriterError, stage::Stage};
use crate::{
    secret::{ApiKey, ApiKeys, TokenDigest},
    store::{CodecError, Key, Prefix, Store, codec, key::parse_api_key},
};

/// Version of the stored form.
const VERSION: u8 = 2;
/// The first form, which is still read, ended before `owned`.
const FIRST_VERSION: u8 = 1;
/// Keys at most: more are a mistake.
const MOST: usize = 1000;

/// What is done with keys.
#[derive(Debug)]
pub(super) enum KeyAction {
    Create(TokenDigest, ApiKey),
    Revoke(TokenDigest),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOutcome {
    /// It is done, and durable.
    Done,
    /// There is a key of that name.
    NameTaken,
    /// There are too many keys.
    TooMany,
    /// There is no such key.
    Unknown,
}

/// Reads what is stored.
pub(super) fn load(store: &Store) -> Result<ApiKeys, WriterError> {
    let mut known = BTreeMap::new();
    for entry in store.scan(&Prefix::api_keys())? {
        let (key, value) = entry?;
        if let Some(digest) = parse_api_key(&key) {
            known.insert(TokenDigest(digest), api_key(&value)?);
        }
    }
    Ok(ApiKeys::new(known))
}

fn api_key(value: &[u8]) -> Result<ApiKey, CodecError> {
    const WHAT: &str = "API key";
    if value.first() == Some(&FIRST_VERSION) {
        // It owns everything: neither of the two lists is there.
        return codec::decode(WHAT, FIRST_VERSION, &[value, &[0, 0]].concat());
    }
    codec::decode(WHAT, VERSION, value)
}

/// Stages `action` and gives what the keys are once that is durable; or why nothing is done.
pub(super) fn stage(
    action: KeyAction,
    keys: &ApiKeys,
    stage: &mut Stage,
) -> Result<BTreeMap<TokenDigest, ApiKey>, KeyOutcome> {
    let mut known = (*keys.known()).clone();
    match action {
        KeyAction::Create(..) if known.len() >= MOST => return Err(KeyOutcome::TooMany),
        KeyAction::Create(_, new) if known.values().any(|key| key.name == new.name) => {
            return Err(KeyOutcome::NameTaken);
        }
        KeyAction::Create(digest, new) => {
            stage.put(Key::api_key(digest.0), codec::encode(VERSION, &new));
            known.insert(digest, new);
        }
        KeyAction::Revoke(digest) => {
            known.remove(&digest).ok_or(KeyOutcome::Unknown)?;
            stage.remove(Key::api_key(digest.0));
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::secret::{Owned, Role};

    #[test]
    fn a_key_of_the_first_form_owns_everything() {
        let owned = Owned::default();
        let key = ApiKey { name: "graphs".into(), role: Role::Read, created_ms: 7, owned };
        let first = codec::encode(FIRST_VERSION, &("graphs", Role::Read, 7_u64));
        assert_eq!(api_key(&first).unwrap(), key);
        assert_eq!(api_key(&codec::encode(VERSION, &key)).unwrap(), key);
    }
}

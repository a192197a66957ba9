//! The webhooks that were made through the API, over restarts. A definition is kept as secrets are:
//! it holds one, and its headers may.

use super::KeysError;
use crate::{
    config::{Made, WebhookId},
    secret::{Kept, SealError, Sealing},
    store::{Key, Prefix, Store, codec, key::parse_made},
};

/// Version of the stored form: what is kept is JSON, which may get further keys.
const VERSION: u8 = 1;

/// Reads all of them, oldest first.
///
/// # Errors
/// The store cannot be read, or a definition cannot be opened.
pub fn made_webhooks(
    store: &Store,
    sealing: &Sealing,
) -> Result<Vec<(WebhookId, Made)>, KeysError> {
    let mut all = Vec::new();
    for entry in store.scan(&Prefix::made())? {
        let (key, value) = entry?;
        let Some(id) = parse_made(&key) else { continue };
        let opened = sealing.open(&kept(&value)?, &id.0);
        let text = opened.map_err(|source| KeysError::Definition { id, source })?;
        let made =
            Made::from_text(&text).ok_or(crate::store::CodecError::Malformed { what: WHAT })?;
        all.push((id, made));
    }
    all.sort_by_key(|(id, made)| (made.created_ms, *id));
    Ok(all)
}

/// As messages name it.
const WHAT: &str = "webhook";

fn kept(value: &[u8]) -> Result<Kept, KeysError> {
    Ok(codec::decode(WHAT, VERSION, value)?)
}

/// What is stored of one.
pub(super) fn value(id: WebhookId, made: &Made, sealing: &Sealing) -> Result<Vec<u8>, SealError> {
    Ok(codec::encode(VERSION, &sealing.keep_text(&made.to_text(), &id.0)?))
}

/// The same under the present key, if it lies in the store under another one, or under none.
pub(super) fn sealed_anew(
    id: WebhookId,
    made: &Made,
    store: &Store,
    sealing: &Sealing,
) -> Result<Option<(Key, Vec<u8>)>, KeysError> {
    let Some(stored) = store.get(&Key::made(id))? else { return Ok(None) };
    if sealing.is_current(&kept(&stored)?) {
        return Ok(None);
    }
    let value = value(id, made, sealing).map_err(KeysError::Seal)?;
    Ok(Some((Key::made(id), value)))
}

//! The stored form of the generation of a log that lines of events are in.

use super::{CodecError, codec};
use crate::source::Generation;

/// Version of the stored form.
const VERSION: u8 = 1;

/// What is stored under its [`super::Key::log`].
#[must_use]
pub fn encode(generation: &Generation) -> Vec<u8> {
    codec::encode(VERSION, generation)
}

/// Reads it again.
///
/// # Errors
/// [`CodecError`] for another version, or damage.
pub fn decode(value: &[u8]) -> Result<Generation, CodecError> {
    codec::decode("log", VERSION, value)
}

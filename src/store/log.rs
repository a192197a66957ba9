//! The stored forms of what is known of logs: generations that lines of events are in, and how far
//! each has been read.

use super::{CodecError, codec};
use crate::source::{Generation, Position};

/// Version of both stored forms.
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

/// What is stored under its [`super::Key::position`].
#[must_use]
pub fn encode_position(position: &Position) -> Vec<u8> {
    codec::encode(VERSION, position)
}

/// Reads it again.
///
/// # Errors
/// [`CodecError`] for another version, or damage.
pub fn decode_position(value: &[u8]) -> Result<Position, CodecError> {
    codec::decode("position", VERSION, value)
}

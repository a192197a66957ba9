//! JSON as far as log lines need it: the members of one object, and their texts without escapes.
//!
//! No tree is built, and nothing is allocated: [`object`] walks over the members where they lie,
//! and [`Room`] is the memory, lent by the caller, that texts with escapes are written to. What
//! nobody asks for is skipped, however deep it is nested, without recursion. Which member means
//! what is for the caller to say.

mod escape;
mod room;
mod scan;

pub(crate) use escape::character;
pub(crate) use room::Room;
pub(crate) use scan::{Value, elements, first_element, object};

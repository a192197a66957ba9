//! The milter protocol: what a mail server tells a filter while it takes a message in, and what the
//! filter may answer.
//!
//! Versions 2 to 6, as Sendmail's libmilter defines them (`include/libmilter/mfdef.h`) and Postfix
//! speaks them (`src/milter/milter8.c`). No IO and no clock: bytes in, commands and replies out.
//!
//! * [`Frames`] cuts a stream into frames, whatever pieces it comes in,
//! * [`Command`] is what a frame says,
//! * [`Offer`] and [`Answer`] are the negotiation, [`Macros`] the values that come beside commands,
//! * [`Reply`] is what is written back,
//! * [`Session`] puts them together: it lets every message through, and shows each command to an
//!   [`Observer`].
//!
//! What is kept of a message is not decided here, nor where the bytes come from: that is
//! `mailherald::source`.

mod command;
mod frame;
mod macros;
mod negotiate;
mod reply;
mod session;

pub use command::{Arguments, Command, Connection, Family, Malformed, Path};
pub use frame::{BadLength, FRAME_BYTES, Frame, Frames, KEPT_BYTES};
pub use macros::{Macros, STAGES, Stage};
pub use negotiate::{Actions, Answer, Offer, Protocol, Unusable};
pub use reply::Reply;
pub use session::{Broken, Observer, Session, Wanted};

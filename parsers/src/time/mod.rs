//! Time stamps of log lines, and the year that traditional ones leave out.
//!
//! [`Stamp`] is what the line says, [`Resolver`] what it means. Neither asks the clock.

mod resolver;
mod stamp;

pub use resolver::{Quality, Resolver};
pub(crate) use stamp::{Memo, internet};
pub use stamp::{Stamp, ZoneName};

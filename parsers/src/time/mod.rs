//! Time stamps of log lines, and the year that traditional ones leave out.
//!
//! [`Stamp`] is what the line says, [`Resolver`] what it means. Neither asks the clock.

mod resolver;
mod stamp;

pub use resolver::{Quality, Resolver};
pub use stamp::Stamp;
pub(crate) use stamp::{Memo, internet};

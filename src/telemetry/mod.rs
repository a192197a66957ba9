//! What the daemon says about itself: logs, and figures.
//!
//! * `logs` — structured logs on standard error;
//! * [`families`] — every metric: the one definition, from which the page for people
//!   (`contrib/docs/metrics.md`) and the page for Prometheus come;
//! * [`page`] — the figures of a moment as Prometheus reads them;
//! * [`histogram`] — how long something takes, counted without a lock by whoever does it.
//!
//! Nothing is counted here: each room counts with plain numbers what it does, and is asked for them
//! when somebody looks.

pub mod families;
pub mod histogram;
mod logs;
pub mod page;
mod reference;

pub use families::Family;
pub use histogram::Histogram;
pub use logs::init;
pub use page::Page;
pub use reference::reference;

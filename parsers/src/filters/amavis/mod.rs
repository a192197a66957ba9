//! amavisd-new and amavis (`Amavis.pm`, `$log_short_templ`, `$log_verbose_templ`,
//! `$log_recip_templ`), leniently, because the templates are the operator's to change.
//!
//! Three texts are a stranger's: names of files and viruses behind the verdict, the Message-ID,
//! and with the verbose template the subject and what follows. So the line is read in two parts:
//! `head` from the left up to the queue ID, `tail` from the right down to the score.

mod head;
mod line;
mod tail;

pub use line::join_pieces;
pub(super) use line::read;

#[cfg(test)]
mod tests;

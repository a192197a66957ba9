//! Says what is wrong with the journal, once for each change.

use super::follow::Trouble;

/// What lets a user read the journal.
pub const PERMISSION_HINT: &str = "members of the group systemd-journal may: \
     usermod --append --groups systemd-journal USER, then start mailherald again";

/// What was said last.
#[derive(Debug)]
pub(super) struct Complaints {
    source: String,
    /// Why the last session ended.
    trouble: Option<String>,
    /// What `journalctl` said last.
    said: String,
}

impl Complaints {
    /// None yet.
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), trouble: None, said: String::new() }
    }

    /// Says why a session ended, unless the one before ended alike.
    pub(super) fn complain(&mut self, trouble: &Trouble) {
        let text = trouble.to_string();
        if self.trouble.as_ref() == Some(&text) {
            return;
        }
        let hint = hint(trouble);
        tracing::warn!(source = self.source, error = text, hint, "the journal cannot be read now");
        self.trouble = Some(text);
    }

    /// The journal can be read.
    pub(super) fn all_is_well(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!(source = self.source, "the journal can be read again");
        }
    }

    /// Repeats what `journalctl` says, unless it said just that before.
    pub(super) fn hear(&mut self, said: &str) {
        if !said.is_empty() && self.said != said {
            tracing::warn!(source = self.source, said, "journalctl has something to say");
            said.clone_into(&mut self.said);
        }
    }

    /// Says that entries were passed over.
    pub(super) fn unnamed(&self, entries: u64) {
        if entries > 0 {
            tracing::warn!(
                source = self.source,
                entries,
                "entries without a cursor are passed over"
            );
        }
    }
}

fn hint(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Permission(_) => PERMISSION_HINT,
        Trouble::System(_) => "is journalctl still installed?",
        _ => "it is started again until it stays",
    }
}

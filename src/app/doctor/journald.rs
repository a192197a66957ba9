//! A journal that is a source: can it be read by this user, and is there anything of mail in it?

use super::Finding;
use crate::{
    app::run::runtime,
    config::JournaldSource,
    source::journald::{self, Doubt, PERMISSION_HINT, Sight},
};

/// Looks at the journal of one source.
pub(super) fn look(name: &str, journal: &JournaldSource) -> Vec<Finding> {
    let subject = format!("source {name:?}");
    let doubts = journald::doubts(journal.directory.as_deref());
    let mut findings: Vec<_> = doubts.iter().filter_map(|doubt| doubted(&subject, doubt)).collect();
    if findings.is_empty() {
        findings.push(judge(&subject, sight(journal)));
    }
    findings
}

/// What keeps it from being read. That a journal is in memory is told for the host.
fn doubted(subject: &str, doubt: &Doubt) -> Option<Finding> {
    let finding = match doubt {
        Doubt::NoJournalctl => Finding::bad(subject, doubt.to_string()),
        Doubt::NoDirectory(_) => Finding::warning(subject, doubt.to_string()),
        Doubt::Volatile => return None,
    };
    Some(finding.mended_by(doubt.hint()))
}

fn sight(journal: &JournaldSource) -> Sight {
    match runtime() {
        Ok(runtime) => runtime.block_on(journald::sight(journal.directory.clone())),
        Err(error) => Sight::Failed(error.to_string()),
    }
}

fn judge(subject: &str, sight: Sight) -> Finding {
    match sight {
        Sight::Entries => Finding::good(subject, "the journal can be read"),
        Sight::Nothing => {
            Finding::warning(subject, "the journal has no entry of mail; one that comes is read")
                .mended_by(
                    "`postconf maillog_file` says whether Postfix writes a file of its own; then \
                     kind = \"file\"",
                )
        }
        Sight::Refused(said) => {
            Finding::bad(subject, format!("the journal may not be read by this user: {said}"))
                .mended_by(PERMISSION_HINT)
        }
        Sight::Failed(why) => Finding::bad(subject, format!("the journal cannot be read: {why}"))
            .mended_by("journalctl --facility=mail --lines=1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::State;

    #[test]
    fn a_journal_is_as_good_as_what_is_seen_of_it() {
        for (sight, state, mend) in [
            (Sight::Entries, State::Good, None),
            (Sight::Nothing, State::Warning, Some("maillog_file")),
            (Sight::Refused("no".into()), State::Bad, Some("systemd-journal")),
            (Sight::Failed("no".into()), State::Bad, Some("journalctl")),
        ] {
            let found = judge("source \"a\"", sight.clone());
            assert_eq!(found.state, state, "{sight:?}");
            let says = |mend| found.mend.as_deref().is_some_and(|text| text.contains(mend));
            assert!(mend.map_or(found.mend.is_none(), says), "{found:?}");
        }
    }

    #[test]
    fn what_the_host_lacks_comes_before_a_look_at_it() {
        let journal = JournaldSource { directory: Some("/nowhere".into()) };
        let found = look("a", &journal);
        assert!(found.iter().any(|one| one.message.contains("/nowhere")), "{found:?}");
        assert!(
            found.iter().all(|one| one.state != State::Good && one.mend.is_some()),
            "{found:?}"
        );
    }
}

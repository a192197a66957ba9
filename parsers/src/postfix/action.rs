//! The words for what an access table, a content check or a milter decided.

/// What was done. One vocabulary for smtpd (`smtpd_check.c`, `log_whatsup()`), cleanup
/// (`cleanup_message.c`, `cleanup_act_log()`) and milters (`cleanup_milter.c`,
/// `cleanup_milter_apply()`).
///
/// A client notices the first three alone. Discarded and held mail is answered with `250 Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Refused.
    Reject,
    /// Refused by a milter. In the words of cleanup the reply has no three-digit code, and the
    /// recipient is only the last one.
    MilterReject,
    /// Refused, and the connection closed.
    Hangup,
    /// Would have been refused (`warn_if_reject`): it was not.
    RejectWarning,
    /// Accepted and thrown away.
    Discard,
    /// Accepted and thrown away, as a milter wants it. Before the first recipient smtpd logs it
    /// with `NOQUEUE`, and cleanup logs it again with the queue ID.
    MilterDiscard,
    /// Accepted and put into the hold queue.
    Hold,
    /// Accepted and put into the hold queue, as a milter wants it (quarantine).
    MilterHold,
    /// Goes to another address instead.
    Redirect,
    /// Goes through a content filter.
    Filter,
    /// Goes to one more address.
    Bcc,
    /// Is to be delayed.
    Delay,
    /// A header was put in front.
    Prepend,
    /// The line was replaced.
    Replace,
    /// The line was taken out (since 3.2).
    Strip,
    /// The line and all behind it were excepted from checks (since 3.2).
    Pass,
    /// Permitted, and logged (`smtpd_log_access_permit_actions`).
    Permit,
    /// Only logged: `warn` of smtpd, `warning` of cleanup.
    Warn,
    /// Only logged.
    Info,
}

impl Action {
    /// The action for Postfix's word, which stands before a colon.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"reject" => Self::Reject,
            b"milter-reject" => Self::MilterReject,
            b"hangup" => Self::Hangup,
            b"reject_warning" => Self::RejectWarning,
            b"discard" => Self::Discard,
            b"milter-discard" => Self::MilterDiscard,
            b"hold" => Self::Hold,
            b"milter-hold" => Self::MilterHold,
            b"redirect" => Self::Redirect,
            b"filter" => Self::Filter,
            b"bcc" => Self::Bcc,
            b"delay" => Self::Delay,
            b"prepend" => Self::Prepend,
            b"replace" => Self::Replace,
            b"strip" => Self::Strip,
            b"pass" => Self::Pass,
            b"permit" => Self::Permit,
            b"warn" | b"warning" => Self::Warn,
            b"info" => Self::Info,
            _ => return None,
        })
    }

    /// Postfix's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::MilterReject => "milter-reject",
            Self::Hangup => "hangup",
            Self::RejectWarning => "reject_warning",
            Self::Discard => "discard",
            Self::MilterDiscard => "milter-discard",
            Self::Hold => "hold",
            Self::MilterHold => "milter-hold",
            Self::Redirect => "redirect",
            Self::Filter => "filter",
            Self::Bcc => "bcc",
            Self::Delay => "delay",
            Self::Prepend => "prepend",
            Self::Replace => "replace",
            Self::Strip => "strip",
            Self::Pass => "pass",
            Self::Permit => "permit",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_action() {
        for word in [
            "reject",
            "milter-reject",
            "hangup",
            "reject_warning",
            "discard",
            "milter-discard",
            "hold",
            "milter-hold",
            "redirect",
            "filter",
            "bcc",
            "delay",
            "prepend",
            "replace",
            "strip",
            "pass",
            "permit",
            "warn",
            "info",
        ] {
            assert_eq!(Action::parse(word.as_bytes()).map(Action::as_str), Some(word));
        }
        assert_eq!(Action::parse(b"warning"), Some(Action::Warn));
        assert_eq!(Action::parse(b"rejected"), None);
    }
}

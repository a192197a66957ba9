//! What a report says of each recipient.

use mailherald_parsers::report::{
    Action, Content, Feedback, FeedbackType, RecipientStatus, Report,
};

use super::Passed;

/// Recipients of one report that are told.
const MOST: usize = 1000;

/// Something that is said of one recipient, or of a message whose recipient is not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim<'a> {
    /// Somebody complains; the recipient may be hidden.
    Complaint(&'a Feedback, Option<&'a str>),
    /// It could not be delivered, or not yet.
    Status(&'a RecipientStatus),
}

impl<'a> Claim<'a> {
    pub(super) fn is_complaint(&self) -> bool {
        matches!(self, Self::Complaint(..))
    }

    /// It says nothing that is an event.
    pub(super) fn is_uneventful(&self) -> bool {
        match self {
            Self::Complaint(..) => false,
            Self::Status(status) => !matches!(status.action, Action::Failed | Action::Delayed),
        }
    }

    /// What the recipient may be called in our own events, the likeliest name first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let (first, second) = match self {
            Self::Complaint(_, recipient) => (*recipient, None),
            Self::Status(status) => (status.original.as_deref(), status.last.as_deref()),
        };
        first.into_iter().chain(second.filter(|name| Some(*name) != first))
    }

    /// The name of the recipient in the report.
    pub(super) fn recipient(&self) -> Option<&'a str> {
        self.names().next()
    }
}

/// All claims of a report.
///
/// # Errors
/// Why it makes none.
pub(super) fn of(report: &Report) -> Result<Vec<Claim<'_>>, Passed> {
    match &report.content {
        Content::Disposition => Err(Passed::Disposition),
        Content::Feedback(Feedback { kind: FeedbackType::NotSpam, .. }) => Err(Passed::NotSpam),
        Content::Feedback(Feedback { kind: FeedbackType::AuthFailure, .. }) => {
            Err(Passed::AuthFailure)
        }
        Content::Feedback(feedback) if feedback.recipients.is_empty() => {
            Ok(vec![Claim::Complaint(feedback, None)])
        }
        Content::Feedback(feedback) => {
            let recipients = feedback.recipients.iter().take(MOST);
            Ok(recipients.map(|to| Claim::Complaint(feedback, Some(to))).collect())
        }
        Content::Delivery(delivery) if delivery.recipients.is_empty() => Err(Passed::NotFailed),
        Content::Delivery(delivery) => {
            Ok(delivery.recipients.iter().take(MOST).map(Claim::Status).collect())
        }
    }
}

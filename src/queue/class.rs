//! What came of an attempt, as it is counted: few classes, whatever receivers say.

use super::{
    attempt::{Attempt, ExchangeResult},
    outcome::Failure,
};

/// A class of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An answer 200 to 299.
    Success,
    /// An answer 300 to 399.
    Redirect,
    /// An answer 400 to 499.
    ClientError,
    /// An answer 500 to 599.
    ServerError,
    /// Any other answer.
    OtherStatus,
    /// No answer: the name does not resolve.
    Dns,
    /// No answer: no connection.
    Connect,
    /// No answer: the TLS handshake failed.
    Tls,
    /// No answer in time.
    Timeout,
    /// No answer: the receiver cut the connection.
    Reset,
    /// No answer for another reason.
    Exchange,
    /// Nothing was sent, because it may not be sent there.
    Refused,
    /// Nothing was sent, because there was nothing to say.
    Unsent,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
        Self::OtherStatus,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Exchange,
        Self::Refused,
        Self::Unsent,
    ];

    /// Of the exchange that decides.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Self {
        match attempt.last().map(|exchange| &exchange.result) {
            Some(ExchangeResult::Answered(200..=299)) => Self::Success,
            Some(ExchangeResult::Answered(300..=399)) => Self::Redirect,
            Some(ExchangeResult::Answered(400..=499)) => Self::ClientError,
            Some(ExchangeResult::Answered(500..=599)) => Self::ServerError,
            Some(ExchangeResult::Answered(_)) => Self::OtherStatus,
            Some(ExchangeResult::Failed { class, .. }) => (*class).into(),
            Some(ExchangeResult::Refused(_)) => Self::Refused,
            Some(ExchangeResult::Unsent(_)) | None => Self::Unsent,
        }
    }

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::OtherStatus => "other",
            Self::Dns => Failure::Dns.name(),
            Self::Connect => Failure::Connect.name(),
            Self::Tls => Failure::Tls.name(),
            Self::Timeout => Failure::Timeout.name(),
            Self::Reset => Failure::Reset.name(),
            Self::Exchange => Failure::Exchange.name(),
            Self::Refused => "refused",
            Self::Unsent => "unsent",
        }
    }
}

impl From<Failure> for Class {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Dns => Self::Dns,
            Failure::Connect => Self::Connect,
            Failure::Tls => Self::Tls,
            Failure::Timeout => Self::Timeout,
            Failure::Reset => Self::Reset,
            Failure::Exchange => Self::Exchange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_stands_at_its_place_and_has_a_name_of_its_own() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{}", class.name());
            let same = Class::ALL.iter().filter(|other| other.name() == class.name());
            assert_eq!(same.count(), 1, "{}", class.name());
        }
    }
}

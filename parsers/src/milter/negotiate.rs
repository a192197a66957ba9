//! What both sides agree on at the beginning of a connection.

use super::{STAGES, Stage, Wanted};

/// The oldest version of the protocol that is still spoken (libmilter `SMFI_PROT_VERSION_MIN`).
const OLDEST: u32 = 2;

/// The version that this is written after.
const NEWEST: u32 = 6;

/// What a filter may do to a message (`mfapi.h`, `SMFIF_*`). We ask for nothing but
/// [`Actions::SET_MACROS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(pub u32);

impl Actions {
    /// It may say which macros it wants.
    pub const SET_MACROS: Self = Self(0x100);

    /// Are all of those among these?
    #[must_use]
    pub fn has(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }
}

/// Which commands are sent, and which are answered (`mfdef.h`, `SMFIP_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "`NO_X`: X is not sent; `SILENT_X`: X is not answered")]
pub struct Protocol(pub u32);

#[allow(missing_docs, reason = "`NO_X`: X is not sent; `SILENT_X`: X is not answered")]
impl Protocol {
    pub const NO_BODY: Self = Self(0x10);
    pub const SILENT_HEADER: Self = Self(0x80);
    pub const NO_UNKNOWN: Self = Self(0x100);
    pub const SKIP: Self = Self(0x400);
    pub const SILENT_CONNECT: Self = Self(0x1000);
    pub const SILENT_HELO: Self = Self(0x2000);
    pub const SILENT_MAIL: Self = Self(0x4000);
    pub const SILENT_RECIPIENT: Self = Self(0x8000);
    pub const SILENT_DATA: Self = Self(0x1_0000);
    pub const SILENT_UNKNOWN: Self = Self(0x2_0000);
    pub const SILENT_END_OF_HEADERS: Self = Self(0x4_0000);
    pub const HEADER_LEADING_SPACE: Self = Self(0x10_0000);

    /// Are all of those among these?
    #[must_use]
    pub fn has(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, those: Self) -> Self {
        Self(self.0 & those.0)
    }

    fn of(all: &[Self]) -> Self {
        Self(all.iter().fold(0, |bits, one| bits | one.0))
    }
}

/// What the mail server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Its version of the protocol.
    pub version: u32,
    /// What it lets a filter do.
    pub actions: Actions,
    /// What it can leave out.
    pub protocol: Protocol,
}

/// What we make of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// The version that is spoken: never more than was offered.
    pub version: u32,
    /// Of what was offered.
    pub actions: Actions,
    /// Of what was offered. A command that may not stay unanswered must be answered, and one that
    /// may must not be.
    pub protocol: Protocol,
}

/// A version that nobody speaks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable {
    /// The version.
    pub version: u32,
}

impl Offer {
    /// What we want of it.
    ///
    /// # Errors
    /// [`Unusable`] when there is no version that both speak.
    pub fn answer(self, wanted: Wanted) -> Result<Answer, Unusable> {
        if self.version < OLDEST {
            return Err(Unusable { version: self.version });
        }
        let version = self.version.min(NEWEST);
        let sets_macros = version == NEWEST && self.actions.has(Actions::SET_MACROS);
        let actions = if sets_macros { Actions::SET_MACROS } else { Actions::default() };
        let protocol = self.protocol.and(protocol(wanted));
        Ok(Answer { version, actions, protocol })
    }
}

fn protocol(wanted: Wanted) -> Protocol {
    use Protocol as P;
    let always = P::of(&[
        P::NO_UNKNOWN,
        P::HEADER_LEADING_SPACE,
        P::SILENT_CONNECT,
        P::SILENT_HELO,
        P::SILENT_MAIL,
        P::SILENT_RECIPIENT,
        P::SILENT_HEADER,
        P::SILENT_UNKNOWN,
    ]);
    let data = if wanted.answers_data { P::default() } else { P::SILENT_DATA };
    let body =
        if wanted.may_want_body { P::SKIP } else { P::of(&[P::NO_BODY, P::SILENT_END_OF_HEADERS]) };
    P::of(&[always, data, body])
}

impl Answer {
    /// The lists of macros that go with it.
    #[must_use]
    pub fn macros(&self) -> &'static [(Stage, &'static str)] {
        if self.actions.has(Actions::SET_MACROS) { &STAGES } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Wanted = Wanted { answers_data: false, may_want_body: false };

    fn offer(version: u32, actions: u32, protocol: u32) -> Offer {
        Offer { version, actions: Actions(actions), protocol: Protocol(protocol) }
    }

    /// What Postfix 3.7 offers.
    const POSTFIX: (u32, u32, u32) = (6, 0x1ff, 0x1f_ffff);

    #[test]
    fn postfix_waits_for_as_few_answers_as_can_be() {
        let (version, actions, everything) = POSTFIX;
        let answer = offer(version, actions, everything).answer(LIGHT).unwrap();
        assert_eq!(answer.actions, Actions::SET_MACROS);
        assert_eq!(answer.protocol, Protocol(0x17_f190));
        assert_eq!(answer.macros().len(), 7);
    }

    #[test]
    fn a_body_that_may_be_wanted_is_sent_and_the_end_of_headers_answered() {
        let (version, actions, everything) = POSTFIX;
        let wanted = Wanted { may_want_body: true, ..LIGHT };
        let answer = offer(version, actions, everything).answer(wanted).unwrap();
        assert!(answer.protocol.has(Protocol::SKIP));
        assert!(!answer.protocol.has(Protocol::NO_BODY));
        assert!(!answer.protocol.has(Protocol::SILENT_END_OF_HEADERS));
    }

    #[test]
    fn over_tcp_data_is_answered() {
        let (version, actions, everything) = POSTFIX;
        let wanted = Wanted { answers_data: true, ..LIGHT };
        let answer = offer(version, actions, everything).answer(wanted).unwrap();
        assert!(!answer.protocol.has(Protocol::SILENT_DATA));
    }

    #[test]
    fn an_old_server_gets_its_own_version_and_nothing_that_it_did_not_offer() {
        let answer = offer(2, 0x3f, 0x7f).answer(LIGHT).unwrap();
        assert_eq!((answer.version, answer.actions), (2, Actions(0)));
        assert_eq!(answer.protocol, Protocol::NO_BODY);
        assert!(answer.macros().is_empty());
        // Macros are asked for in version 6 alone.
        assert_eq!(offer(4, 0x1ff, 0x3ff).answer(LIGHT).unwrap().actions, Actions(0));
    }

    #[test]
    fn a_newer_server_gets_the_version_that_is_known_here() {
        assert_eq!(offer(9, 0, 0).answer(LIGHT).unwrap().version, 6);
        assert_eq!(offer(1, 0, 0).answer(LIGHT), Err(Unusable { version: 1 }));
    }
}

//! Start and reload of Postfix (`master.c`).

use nom::{Parser as _, branch::alt, combinator::value, sequence::terminated};

use crate::fields::{tag, word};

/// `daemon started -- version 3.7.11, configuration /etc/postfix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started<'a> {
    /// Release of Postfix.
    pub version: &'a [u8],
    /// `reload`: the queue manager begins anew all the same.
    pub reload: bool,
}

/// Reads `daemon started -- version 3.7.11, configuration /etc/postfix`, and the same behind
/// `reload`.
pub(super) fn started(text: &[u8]) -> Option<Started<'_>> {
    let start = alt((value(false, tag("daemon started")), value(true, tag("reload"))));
    let (_, (reload, version)) = (terminated(start, tag(" -- version ")), word).parse(text).ok()?;
    Some(Started { version, reload })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// master(8), Postfix 3.7.11.
    #[test]
    fn a_start_and_a_reload_tell_the_version() {
        for (text, reload) in [
            ("daemon started -- version 3.7.11, configuration /etc/postfix", false),
            ("reload -- version 3.7.11, configuration /etc/postfix", true),
        ] {
            assert_eq!(started(text.as_bytes()), Some(Started { version: b"3.7.11", reload }));
        }
        assert_eq!(started(b"daemon started -- version "), None);
    }
}

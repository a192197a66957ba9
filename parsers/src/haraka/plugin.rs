//! Records of plugins: what filters found, and who authenticated.
//!
//! Plugins print results as `key: value, key: value, pass:a, fail:b` (`haraka-results`), unquoted and
//! the same in every layout, so only what stands in a known place is read.

use super::{AuthUser, Entry, Scan, Text, layout::Logged};

/// What a record of the plugin `origin` says; none when it says nothing that matters.
pub(super) fn read<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    match logged.origin {
        b"rspamd" => rspamd(logged),
        b"spamassassin" => spamassassin(logged),
        b"clamd" => virus(logged),
        origin if origin.starts_with(b"auth/") => auth(logged),
        _ => None,
    }
}

/// `action: reject, is_skipped: false, required_score: 15, score: 21, urls: , …`: behind the score
/// comes what strangers wrote.
fn rspamd<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let (action, rest) = logged.after("action: ")?.split_once(", ")?;
    let (head, _) = rest.split_once(", urls: ").unwrap_or((rest, rest));
    let score = head.raw().split(|byte| *byte == b',').find_map(|part| {
        number(part.strip_prefix(b" score: ").or_else(|| part.strip_prefix(b"score: "))?)
    });
    Some(Entry::Scan(Scan::Rspamd { action, score }))
}

/// `status=Yes, score=15.3, required=5.0, reject=10, tests="GTUBE,HTML_MESSAGE"`.
fn spamassassin<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let (status, rest) = logged.after("status=")?.split_once(", score=")?;
    let (score, rest) = rest.split_once(", ")?;
    let quoted = rest.split_once("tests=").map(|(_, rules)| rules.unquoted());
    Some(Entry::Scan(Scan::SpamAssassin {
        is_spam: status.raw() == b"Yes",
        score: number(score.raw()),
        rules: quoted.unwrap_or_default(),
    }))
}

/// `fail:Eicar-Test-Signature`.
fn virus<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let rest = logged.after("fail:")?;
    let (name, _) = rest.split_once(", ").unwrap_or((rest, rest));
    // A connection that failed and the like are errors, which have another key.
    (!name.is_empty()).then_some(Entry::Scan(Scan::Virus { name }))
}

/// `delaying for 1 seconds` (`auth_base.js`), and `AUTH user="u" … success=true` of those that ask
/// another server.
fn auth<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    if logged.after("delaying for ").is_some() {
        return Some(Entry::AuthFailed);
    }
    let (user, rest) = logged.after("AUTH user=")?.split_once(" ")?;
    let is_right = rest.raw().ends_with(b"success=true");
    Some(Entry::AuthUser(AuthUser { user: user.unquoted(), is_right }))
}

fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'a> Text<'a> {
    /// Without the quotes around it, whichever way the layout writes them.
    fn unquoted(self) -> Self {
        let inside = |quote: &str| self.strip_prefix(quote)?.strip_suffix(quote);
        inside("\\\"").or_else(|| inside("\"")).unwrap_or(self)
    }
}

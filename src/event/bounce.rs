//! Why a delivery failed, and whether the address is to blame (events.md §5).
//!
//! The enhanced status code speaks first; where it is too general, the words of the response are
//! held against the rules in `bounce_rules.toml`. The reply code inside the text never decides:
//! Postfix's own status word and `dsn=` did that.

use std::sync::LazyLock;

use mailherald_parsers::status::Dsn;
use regex::RegexSet;
use serde::Deserialize;

use super::{BounceCategory as Category, BounceType};

/// Bytes of a response that the rules look at; reasons stand at the head.
const LOOKED_AT_BYTES: usize = 1024;

#[derive(Deserialize)]
struct RuleFile {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    category: Category,
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the rules"))]
    example: String,
}

struct Rules {
    set: RegexSet,
    rules: Vec<Rule>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test loads it")]
    let file: RuleFile = toml::from_str(include_str!("bounce_rules.toml")).expect("rules are TOML");
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test loads it")]
    let set = RegexSet::new(file.rule.iter().map(|rule| &rule.pattern)).expect("rules compile");
    Rules { set, rules: file.rule }
});

/// The reason for a failure with this code and this response.
#[must_use]
pub fn category(dsn: Dsn, response: &str) -> Category {
    by_code(dsn).or_else(|| by_words(response)).unwrap_or_else(|| general(dsn))
}

/// Hard or soft for a final failure. Receivers stop sending to hard-bounced addresses, so reasons
/// that say nothing against the address are soft even when the code is permanent.
#[must_use]
pub fn bounce_type(dsn: Dsn, category: Category) -> BounceType {
    let soft = matches!(
        category,
        Category::MailboxFull
            | Category::MessageTooLarge
            | Category::RateLimited
            | Category::MailSystem
            | Category::Loop
            | Category::Expired
    );
    if dsn.class != 5 || soft { BounceType::Soft } else { BounceType::Hard }
}

/// Does a final refusal for this reason count as policy (`outbound.rejected`)?
#[must_use]
pub fn is_policy(dsn: Dsn, category: Category) -> bool {
    dsn.subject == 7
        || matches!(
            category,
            Category::Policy
                | Category::SpamBlock
                | Category::Reputation
                | Category::Authentication
        )
}

/// Codes of RFC 3463 and its registry (RFC 5248) that leave no doubt. Exchange Online gives 5.1.10
/// (a null MX, by RFC 7505) and 5.4.1 (no answer) to unknown recipients, so those are not among them.
fn by_code(dsn: Dsn) -> Option<Category> {
    Some(match (dsn.subject, dsn.detail) {
        (1, 1 | 3 | 6) => Category::InvalidRecipient,
        (1, 2) | (4, 4) => Category::InvalidDomain,
        (2, 1) => Category::InactiveMailbox,
        (2, 2) => Category::MailboxFull,
        (2 | 3, 3 | 4) => Category::MessageTooLarge,
        (3, 1 | 2 | 5) => Category::MailSystem,
        (4, 1) if dsn.class == 4 => Category::Connection,
        (4, 2) => Category::Timeout,
        (4, 3) => Category::Dns,
        (4, 6) => Category::Loop,
        (4, 7) => Category::Expired,
        (5, 1..) => Category::Protocol,
        (6, _) => Category::Content,
        (7, 4 | 5 | 10 | 11) => Category::Tls,
        (7, 20..=27) => Category::Authentication,
        (7, 28) => Category::RateLimited,
        _ => return None,
    })
}

fn by_words(response: &str) -> Option<Category> {
    let head = response.get(..response.floor_char_boundary(LOOKED_AT_BYTES)).unwrap_or(response);
    let first = RULES.set.matches(head).into_iter().next()?;
    RULES.rules.get(first).map(|rule| rule.category)
}

/// What the subject alone says, when nothing more is known.
fn general(dsn: Dsn) -> Category {
    match dsn.subject {
        1 if dsn.detail == 10 => Category::NoMx,
        1 => Category::InvalidRecipient,
        3 => Category::MailSystem,
        4 => Category::Connection,
        5 => Category::Protocol,
        7 => Category::Policy,
        _ => Category::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn(class: u8, subject: u16, detail: u16) -> Dsn {
        Dsn { class, subject, detail }
    }

    #[test]
    fn each_rule_is_the_first_to_match_its_own_example() {
        for (number, rule) in RULES.rules.iter().enumerate() {
            let first = RULES.set.matches(&rule.example).into_iter().next();
            assert_eq!(first, Some(number), "{}", rule.example);
        }
    }

    #[test]
    fn the_enhanced_code_speaks_before_the_words() {
        assert_eq!(category(dsn(5, 1, 1), "550 spam spam spam"), Category::InvalidRecipient);
        assert_eq!(category(dsn(5, 0, 0), "550 No such user here"), Category::InvalidRecipient);
        assert_eq!(category(dsn(5, 0, 0), "550 no"), Category::Other);
        assert_eq!(category(dsn(5, 7, 1), "550 5.7.1 no"), Category::Policy);
        assert_eq!(
            category(dsn(4, 4, 1), "connect to a.test: Connection refused"),
            Category::Connection
        );
        let unknown = "550 5.4.1 Recipient address rejected: Access denied";
        assert_eq!(category(dsn(5, 4, 1), unknown), Category::InvalidRecipient);
        let not_found = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@b.test not found";
        assert_eq!(category(dsn(5, 1, 10), not_found), Category::InvalidRecipient);
        let null_mx = "Domain b.test does not accept mail (nullMX)";
        assert_eq!(category(dsn(5, 1, 10), null_mx), Category::NoMx);
    }

    #[test]
    fn a_permanent_code_is_soft_where_it_says_nothing_against_the_address() {
        let full = category(dsn(5, 2, 2), "552 5.2.2 over quota");
        assert_eq!(bounce_type(dsn(5, 2, 2), full), BounceType::Soft);
        assert_eq!(bounce_type(dsn(5, 1, 1), Category::InvalidRecipient), BounceType::Hard);
        assert_eq!(bounce_type(dsn(4, 1, 1), Category::InvalidRecipient), BounceType::Soft);
    }
}

//! Why a delivery failed, and whether the address is to blame (events.md §5).
//!
//! The enhanced status code speaks first; where it is too general, the words of the response are
//! held against the rules in `bounce_rules.toml`. What a server refuses before it knows a recipient is
//! no fault of the recipient's. The reply code inside the text never decides:
//! Postfix's own status word and `dsn=` did that.

use std::{cell::RefCell, collections::HashMap, sync::LazyLock};

use foldhash::fast::RandomState;
use mailherald_parsers::status::Dsn;
use regex::{
    Regex,
    bytes::{RegexSet, RegexSetBuilder},
};
use serde::Deserialize;
use smol_str::SmolStr;

use super::{BounceCategory as Category, BounceType};

/// Bytes of a response that the rules look at; reasons stand at the head.
const LOOKED_AT_BYTES: usize = 1024;

/// Responses whose meaning a thread remembers.
const RESPONSES_KNOWN: usize = 256;

/// Bytes that a thread may use to match the rules; a cache of what was seen before, which is
/// thrown away when it is full.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct RuleFile {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    category: Category,
    /// The only enhanced code with which it holds.
    code: Option<[u16; 3]>,
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the rules"))]
    examples: Vec<String>,
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the rules"))]
    but_not: Vec<String>,
}

struct Rules {
    set: RegexSet,
    rules: Vec<Rule>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test loads it")]
    let file: RuleFile = toml::from_str(include_str!("bounce_rules.toml")).expect("rules are TOML");
    let patterns = file.rule.iter().map(|rule| in_lower_case(&rule.pattern));
    // Servers speak ASCII, and without Unicode the automaton is a tenth as large. It takes less than
    // half the time to make where each letter has one form.
    let mut builder = RegexSetBuilder::new(patterns);
    builder.unicode(false).dfa_size_limit(CACHE_BYTES);
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test loads it")]
    let set = builder.build().expect("rules compile");
    Rules { set, rules: file.rule }
});

/// What is not the server's own words: addresses, which strangers chose, and the codes that a
/// server repeats on each line of a reply, which Postfix joins with spaces.
static NOT_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    let address = r#"[^\s<>()\[\]"',;:]+@[^\s<>()\[\]"',;:]+"#;
    let codes = r"\b[245]\d\d(?:-(?:[245]\.\d{1,3}\.\d{1,3}\b ?)?| [245]\.\d{1,3}\.\d{1,3}\b ?)";
    #[expect(clippy::expect_used, reason = "it is a constant, and each test needs it")]
    Regex::new(&format!("{address}|{codes}")).expect("the expression compiles")
});

/// The reason for a failure with this code and this response, at that stage of SMTP if it is known.
#[must_use]
pub fn category(dsn: Dsn, response: &str, stage: Option<&str>) -> Category {
    let category = by_response(dsn, response);
    if is_of_sender(dsn, stage) { against_sender(dsn, category) } else { category }
}

/// Nobody has named a recipient at `MAIL FROM`, and two codes are for senders' addresses (RFC 3463,
/// section 3.2).
fn is_of_sender(dsn: Dsn, stage: Option<&str>) -> bool {
    stage == Some("MAIL FROM") || matches!((dsn.subject, dsn.detail), (1, 7 | 8))
}

/// What else is said of recipients is said of the sender here.
fn against_sender(dsn: Dsn, category: Category) -> Category {
    use Category as C;
    match category {
        C::InvalidRecipient | C::InvalidDomain | C::NoMx | C::InactiveMailbox => C::Policy,
        C::Other if dsn.class == 5 => C::Policy,
        category => category,
    }
}

fn by_response(dsn: Dsn, response: &str) -> Category {
    let by_code = by_code(dsn);
    // Of the codes only these are overruled by words, and looking for them takes its time.
    let may_be_overruled = |code: &Category| {
        use Category as C;
        matches!(code, C::InvalidRecipient | C::InvalidDomain | C::MailboxFull)
    };
    if let Some(category) = by_code.filter(|code| !may_be_overruled(code)) {
        return category;
    }
    let said = said_before(dsn, response);
    let said = said.filter(|rule| by_code.is_none_or(|code| overrules(rule, code)));
    said.map(|rule| rule.category).or(by_code).unwrap_or_else(|| general(dsn))
}

/// Are words right where the code says something else? Receivers must not strike an address for what
/// is no fault of it.
fn overrules(rule: &Rule, code: Category) -> bool {
    use Category as C;
    match code {
        // Orange, Comcast and GoDaddy say "no such user" (5.1.1) of one whose mailbox is full, or when
        // there are too many; others of a sender who is on a list.
        C::InvalidRecipient => {
            rule.code.is_some()
                || matches!(rule.category, C::MailboxFull | C::RateLimited | C::Reputation)
        }
        C::InvalidDomain => rule.category == C::RelayDenied,
        // 4.2.2 is also the code of a greylist.
        C::MailboxFull => rule.category == C::Greylisted,
        _ => false,
    }
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

/// Codes of RFC 3463 and its registry (RFC 5248) that leave no doubt. Those that servers give for
/// other reasons, too, are not among them; their words speak first, and [`general`] last:
/// 5.1.10 and 5.4.1 (Exchange Online: unknown recipient), 4.1.x (Comcast: too many messages),
/// x.2.1 (Google: too many messages), x.3.x (Exchange: too many connections), 4.4.4 (Exchange
/// Online: busy), 5.4.5 (Google: too many messages), x.5.x (Google: too many messages, and a login;
/// Hornetsecurity: reputation), x.7.5 (Postfix: TLS; others: DMARC), x.7.23, x.7.25 and x.7.27
/// (Google: PTR and SPF) and x.7.29 (Google: TLS).
fn by_code(dsn: Dsn) -> Option<Category> {
    Some(match (dsn.class, dsn.subject, dsn.detail) {
        (5, 1, 1 | 3 | 6) => Category::InvalidRecipient,
        (5, 1, 2) | (5, 4, 4) => Category::InvalidDomain,
        (_, 2, 2) => Category::MailboxFull,
        (_, 2, 3) | (_, 3, 4) => Category::MessageTooLarge,
        (_, 4, 3) => Category::Dns,
        (_, 4, 6) => Category::Loop,
        (_, 4, 7) => Category::Expired,
        (_, 6, 7..=10) => Category::Protocol,
        (_, 6, 1..) => Category::Content,
        (_, 7, 10 | 11) => Category::Tls,
        (_, 7, 20..=22 | 24 | 26) => Category::Authentication,
        (_, 7, 28) => Category::RateLimited,
        _ => return None,
    })
}

/// What the words say; of a server that says the same to many, or at each attempt, known from the
/// first time.
fn said_before(dsn: Dsn, response: &str) -> Option<&'static Rule> {
    type Said = HashMap<(Dsn, SmolStr), Option<&'static Rule>, RandomState>;
    thread_local! {
        static SAID: RefCell<Said> = RefCell::default();
    }
    SAID.with_borrow_mut(|said| {
        if said.len() >= RESPONSES_KNOWN {
            said.clear();
        }
        *said.entry((dsn, response.into())).or_insert_with(|| first_rule(dsn, response))
    })
}

fn first_rule(dsn: Dsn, response: &str) -> Option<&'static Rule> {
    let code = [dsn.class.into(), dsn.subject, dsn.detail];
    let matches = RULES.set.matches(words(response).as_bytes()).into_iter();
    let mut rules = matches.filter_map(|number| RULES.rules.get(number));
    rules.find(|rule| rule.code.is_none_or(|only| only == code))
}

/// The head of a response, in lower case, without what is not the server's own words.
fn words(response: &str) -> String {
    let head = response.get(..response.floor_char_boundary(LOOKED_AT_BYTES)).unwrap_or(response);
    let mut words = NOT_WORDS.replace_all(head, "").into_owned();
    words.make_ascii_lowercase();
    words
}

/// A pattern whose words are in lower case. What is escaped has a meaning in either.
fn in_lower_case(pattern: &str) -> String {
    let mut is_escaped = false;
    let lower = |letter: char| {
        let is_word = !is_escaped;
        is_escaped = is_word && letter == '\\';
        if is_word { letter.to_ascii_lowercase() } else { letter }
    };
    pattern.chars().map(lower).collect()
}

/// What the code alone says, when the words say nothing.
fn general(dsn: Dsn) -> Category {
    match (dsn.subject, dsn.detail) {
        (1, 7 | 8) | (7, 25 | 27) => Category::Policy,
        (1, 10) => Category::NoMx,
        (1, 2) | (4, 4) => Category::Dns,
        (1, _) => Category::InvalidRecipient,
        (2, 1) if dsn.class == 5 => Category::InactiveMailbox,
        (3, _) | (4, 5) => Category::MailSystem,
        (4, _) => Category::Connection,
        (5, _) => Category::Protocol,
        (6, _) => Category::Content,
        (7, 4 | 5) => Category::Tls,
        (7, 8) => Category::RelayDenied,
        (7, 23 | 29) => Category::Authentication,
        (7, _) => Category::Policy,
        _ => Category::Other,
    }
}

#[cfg(test)]
mod tests;

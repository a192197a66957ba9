#![allow(clippy::unwrap_used, reason = "tests")]

use mailherald_parsers::status::reply_codes;

use super::*;

fn dsn(class: u8, subject: u16, detail: u16) -> Dsn {
    Dsn { class, subject, detail }
}

/// What Postfix logs as `dsn=` for a reply: its enhanced code when there is one of the same class
/// (`src/smtp/smtp_chat.c`), else only the class. Of an example without a reply, its own `dsn=`.
fn parts(example: &str) -> (Dsn, &str) {
    if let Some(rest) = example.strip_prefix("dsn=") {
        let (code, text) = rest.split_once(' ').unwrap();
        return (Dsn::parse(code.as_bytes()).unwrap(), text);
    }
    let codes = reply_codes(example.as_bytes());
    let class = u8::try_from(codes.code.unwrap() / 100).unwrap();
    let enhanced = codes.dsn.filter(|dsn| dsn.class == class);
    (enhanced.unwrap_or(dsn(class, 0, 0)), example)
}

fn category_of(example: &str) -> Category {
    let (code, text) = parts(example);
    category(code, text, None)
}

#[track_caller]
fn assert_categories(expected: Category, examples: &[&str]) {
    for example in examples {
        assert_eq!(category_of(example), expected, "{example}");
    }
}

/// Every wrong one is named, so that a change of the order can be judged at once.
#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_rule_is_the_first_to_match_its_own_examples_and_gives_their_category() {
    let mut wrong = Vec::new();
    for rule in &RULES.rules {
        assert!(!rule.examples.is_empty(), "nobody said {}", rule.pattern);
        for example in &rule.examples {
            let (code, text) = parts(example);
            let first = first_rule(code, text).map(|first| first.pattern.as_str());
            let found = category_of(example);
            if first != Some(rule.pattern.as_str()) || found != rule.category {
                let wanted = rule.category.name();
                wrong.push(format!("{} not {wanted}, by {first:?}: {example}", found.name()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn no_rule_takes_what_it_must_not() {
    let mut wrong = Vec::new();
    for rule in &RULES.rules {
        for example in &rule.but_not {
            if category_of(example) == rule.category {
                wrong.push(format!("{}: {example}", rule.category.name()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_enhanced_code_speaks_before_the_words() {
    assert_eq!(category(dsn(5, 1, 1), "550 spam spam spam", None), Category::InvalidRecipient);
    assert_eq!(category(dsn(5, 0, 0), "550 No such user here", None), Category::InvalidRecipient);
    assert_eq!(category(dsn(5, 0, 0), "550 no", None), Category::Other);
    assert_eq!(category(dsn(5, 7, 1), "550 5.7.1 no", None), Category::Policy);
    let unknown = "550 5.4.1 Recipient address rejected: Access denied";
    assert_eq!(category(dsn(5, 4, 1), unknown, None), Category::InvalidRecipient);
    assert_eq!(category(dsn(4, 2, 2), "452 4.2.2 Connection refused", None), Category::MailboxFull);
}

/// Google says 5.2.1 of a rate, which the registry calls a disabled mailbox; it was once believed.
#[test]
fn a_code_that_servers_misuse_leaves_it_to_the_words() {
    let null_mx = "Domain b.test does not accept mail (nullMX)";
    assert_eq!(category(dsn(5, 1, 10), null_mx, None), Category::NoMx);
    assert_eq!(category(dsn(5, 1, 10), "556 5.1.10 no", None), Category::NoMx);
    assert_eq!(category(dsn(5, 2, 1), "550 5.2.1 no", None), Category::InactiveMailbox);
    assert_eq!(
        category(dsn(5, 7, 5), "550 5.7.5 Error evaluating DMARC", None),
        Category::Authentication
    );
    assert_eq!(category(dsn(4, 7, 5), "no", None), Category::Tls);
    let login = "535 5.7.8 Error: authentication failed";
    assert_eq!(category(dsn(4, 7, 8), login, None), Category::RelayDenied);
    assert_eq!(category(dsn(5, 7, 25), "550 5.7.25 no", None), Category::Policy);
    assert_eq!(category(dsn(4, 4, 2), "no", None), Category::Connection);
    assert_eq!(category(dsn(4, 3, 2), "no", None), Category::MailSystem);
}

/// A mailing list that cannot be expanded, and a feature that is missing, are not about size.
#[test]
fn the_neighbours_of_the_codes_for_size_are_not_size() {
    assert_ne!(category(dsn(5, 2, 4), "550 5.2.4 no", None), Category::MessageTooLarge);
    assert_ne!(category(dsn(5, 3, 3), "550 5.3.3 no", None), Category::MessageTooLarge);
}

#[test]
fn a_full_mailbox_is_soft_even_where_the_server_says_that_there_is_none() {
    for example in [
        "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]",
        "550 5.1.1 <a@b.test> - 192.0.2.1 has sent to too many recipients this hour. IB607",
    ] {
        let (code, text) = parts(example);
        assert_eq!(bounce_type(code, category(code, text, None)), BounceType::Soft, "{example}");
    }
}

/// Servers whose code says it all; the other categories have rules with examples.
#[test]
fn codes_without_doubt() {
    assert_categories(
        Category::InvalidRecipient,
        &[
            "550-5.1.1 The email account that you tried to reach does not exist. Please try 550 5.1.1 double-checking",
            "550 5.1.1 <a@b.test>: Recipient address rejected: User unknown in virtual mailbox table",
            "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
            "501 5.1.3 Invalid address [b.test]",
            "551 5.1.6 User has moved; try elsewhere@good.test",
            "dsn=5.1.1 unknown user: \"a\"",
        ],
    );
    assert_categories(
        Category::InvalidDomain,
        &[
            "dsn=5.4.4 Host or domain name not found. Name service error for name=b.test type=AAAA: Host not found",
            "550 5.4.4 Invalid domain",
        ],
    );
    assert_categories(
        Category::Dns,
        &[
            "dsn=4.4.3 Host or domain name not found. Name service error for name=b.test type=MX: Host not found, try again",
            "dsn=4.4.3 Name service error for name=b.test type=MX: Malformed or unexpected name server reply",
        ],
    );
    assert_categories(
        Category::MailboxFull,
        &[
            "452 4.2.2 <a@b.test>: Mailbox full",
            "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please 552 5.2.2 direct",
            "550 5.2.2 STOREDRV.Deliver: mailbox full.",
            "552 5.2.2 <a@b.test> Quota exceeded (mailbox for user is full)",
        ],
    );
    assert_categories(
        Category::MessageTooLarge,
        &[
            "552-5.2.3 Your message exceeded Google's message size limits.",
            "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
            "dsn=5.3.4 message size 30000000 exceeds size limit 10240000 of server mx1.b.test[192.0.2.1]",
        ],
    );
    assert_categories(
        Category::Loop,
        &["dsn=5.4.6 mail for b.test loops back to myself", "554 5.4.6 Too many hops"],
    );
    assert_categories(Category::Expired, &["554 5.4.7 message expired"]);
    assert_categories(
        Category::Authentication,
        &["550-5.7.26 This mail has been blocked because the sender is unauthenticated."],
    );
    assert_categories(Category::RateLimited, &["421 4.7.28 rate limited"]);
    assert_categories(Category::Tls, &["550 5.7.29 This mail was not sent over a TLS connection."]);
    assert_categories(Category::Protocol, &["554 5.5.4 HELO refused too"]);
    assert_categories(Category::Content, &["500 5.6.1 Message content rejected"]);
    assert_categories(Category::Other, &["554 Transaction failed", "550 Rejected"]);
}

/// Servers that check the sender first used to cost recipients their good name.
#[test]
fn what_is_refused_before_a_recipient_is_known_is_the_senders_fault() {
    let at = |example: &str, stage| {
        let (code, text) = parts(example);
        category(code, text, stage)
    };
    for example in [
        "553 5.1.0 x sender.test does not exist E2110",
        "553-5.1.2 The sender address <x@y+z@sender.test> is not a valid 553 5.1.2 RFC-5321 address.",
        "517-Domain does not exist: sender.test. 517 Invalid domain, see <URL:https://b.test/rfc1035>",
        "556 5.1.10 Domain has a null MX",
        "553 mx.sender.test does not exist",
        "501 <x@mx-System> Invalid mail address, must be fully qualified domain",
    ] {
        assert_eq!(at(example, Some("MAIL FROM")), Category::Policy, "{example}");
    }
    for example in ["550 5.1.7 No such domain sender.test.", "550 5.1.7 Invalid address"] {
        assert_eq!(at(example, Some("RCPT TO")), Category::Policy, "{example}");
    }
    let full = "452 4.3.1 Insufficient system storage";
    assert_eq!(at(full, Some("MAIL FROM")), Category::MailSystem);
    assert_eq!(at("451 try again", Some("MAIL FROM")), Category::Other);
    assert_eq!(at("550 5.1.1 No such user", Some("RCPT TO")), Category::InvalidRecipient);
}

/// Every category is reached by a real response; a new one is held to that, too.
#[test]
fn every_category_has_a_rule_or_a_code() {
    let by_rule = RULES.rules.iter().map(|rule| rule.category);
    let code = |n: u16| dsn(5, n / 30, n % 30);
    let codes = (0..300).map(code).chain((0..300).map(|n| Dsn { class: 4, ..code(n) }));
    let reached: Vec<_> =
        by_rule.chain(codes.map(|code| category(code, "", None))).map(Category::name).collect();
    for name in EVERY {
        assert!(reached.contains(&name), "{name}");
    }
}

/// The names of events.md §5.
const EVERY: [&str; 23] = [
    "invalid_recipient",
    "inactive_mailbox",
    "mailbox_full",
    "invalid_domain",
    "no_mx",
    "connection",
    "timeout",
    "dns",
    "tls",
    "policy",
    "spam_block",
    "reputation",
    "authentication",
    "rate_limited",
    "greylisted",
    "message_too_large",
    "content",
    "protocol",
    "relay_denied",
    "loop",
    "mail_system",
    "expired",
    "other",
];

#[test]
fn a_permanent_code_is_soft_where_it_says_nothing_against_the_address() {
    let soft =
        ["mailbox_full", "message_too_large", "rate_limited", "mail_system", "loop", "expired"];
    for rule in &RULES.rules {
        let expected =
            if soft.contains(&rule.category.name()) { BounceType::Soft } else { BounceType::Hard };
        assert_eq!(bounce_type(dsn(5, 0, 0), rule.category), expected, "{}", rule.category.name());
        assert_eq!(bounce_type(dsn(4, 0, 0), rule.category), BounceType::Soft);
    }
    assert_eq!(bounce_type(dsn(5, 1, 1), Category::InvalidRecipient), BounceType::Hard);
    assert_eq!(bounce_type(dsn(4, 1, 1), Category::InvalidRecipient), BounceType::Soft);
}

/// What a stranger called himself once decided why he was refused.
#[test]
fn addresses_are_no_words() {
    assert_categories(
        Category::InvalidRecipient,
        &[
            "550 <greylist.spam@virus.test>: User unknown",
            "550 No such user (quota-exceeded@b.test)",
            "550 unknown user spamhaus@b.test",
        ],
    );
}

#[test]
fn a_reply_of_many_lines_is_read_as_one_sentence() {
    let joined =
        words("550-5.7.1 this message is 550-5.7.1 likely unsolicited 550 5.7.1 mail. 550-x");
    assert_eq!(joined, "this message is likely unsolicited mail. x");
    assert_eq!(words("554 30 Sorry, 550 of them"), "554 30 sorry, 550 of them");
}

#[test]
fn only_the_head_is_looked_at_and_never_half_a_character() {
    let late = format!("550 {} spam", "é".repeat(LOOKED_AT_BYTES));
    assert_eq!(category(dsn(5, 0, 0), &late, None), Category::Other);
    assert!(words(&late).len() <= LOOKED_AT_BYTES);
}

#[test]
fn a_pattern_goes_into_lower_case_but_for_what_is_escaped() {
    assert_eq!(in_lower_case(r"\bIP \S+\\B[A\]]\.X"), r"\bip \S+\\b[a\]]\.x");
    assert_eq!(category(dsn(5, 0, 0), "550 NO SUCH USER", None), Category::InvalidRecipient);
}

/// Classes and escapes could mean something else.
#[test]
fn a_pattern_in_lower_case_takes_what_it_takes_in_any_case_as_it_is_written() {
    let compiled = |pattern: &str, either_case| {
        let mut builder = regex::bytes::RegexBuilder::new(pattern);
        builder.unicode(false).case_insensitive(either_case).build().unwrap()
    };
    let mut wrong = Vec::new();
    for rule in &RULES.rules {
        let (written, lower) =
            (compiled(&rule.pattern, true), compiled(&in_lower_case(&rule.pattern), false));
        for text in RULES.rules.iter().flat_map(|rule| rule.examples.iter().chain(&rule.but_not)) {
            let said = NOT_WORDS.replace_all(text, "");
            let in_lower = said.to_ascii_lowercase();
            if written.is_match(said.as_bytes()) != lower.is_match(in_lower.as_bytes()) {
                wrong.push(format!("{}: {text}", rule.pattern));
            }
        }
    }
    assert_none(&wrong);
}

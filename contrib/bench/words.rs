//! Words of the people and servers in a generated log.

/// Where addresses live.
pub(crate) const DOMAINS: [&str; 8] = [
    "good.test",
    "customers.example",
    "mail.example.net",
    "example.org",
    "lists.example",
    "big-provider.test",
    "university.example",
    "x.test",
];

/// Beginnings of local parts.
pub(crate) const NAMES: [&str; 8] =
    ["anna", "info", "j.smith", "newsletter+tag", "o.brien", "postbox", "sales", "x.y_z"];

/// What servers say when they want us to come again.
pub(crate) const DEFERRALS: [&str; 8] = [
    "451 4.3.0 Try again later",
    "450 4.2.0 Greylisted, see https://postgrey.example/help",
    "421 4.7.0 Too many connections from your host",
    "452 4.2.2 Mailbox full",
    "451 4.7.1 Please try again later (TS01)",
    "450 4.1.8 Sender address rejected: Domain not found",
    "451 4.4.1 Temporary lookup failure",
    "421 4.3.2 System not accepting network messages",
];

/// What servers say when they refuse for good, with the code that Postfix logs as `dsn=`.
pub(crate) const BOUNCES: [(&str, &str); 8] = [
    ("5.1.1", "550 5.1.1 User unknown"),
    ("5.1.1", "550 5.1.1 The email account that you tried to reach does not exist"),
    ("5.2.1", "550 5.2.1 Mailbox disabled"),
    ("5.1.1", "550-5.1.1 No such user. 550 5.1.1 See https://help.example/?p=NoSuchUser"),
    ("5.7.1", "554 5.7.1 Message refused as spam (in list \"x\")"),
    ("5.7.26", "550 5.7.26 Unauthenticated mail is not accepted, check SPF and DKIM"),
    ("5.2.2", "552 5.2.2 Mailbox full"),
    ("5.0.0", "550 Rejected, status=sent (250 ok) is not what you get"),
];

//! One mail of every kind, and what has to be told about each.
//!
//! What a recipient's end must be is not written down for mail that leaves: it is read from what
//! the sink answered (see [`Fate::facts`]). Only what never reaches the sink is stated here.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    client::{Client, Mail},
    facts::Fact,
    postfix::{LOCAL_USER, Postfix},
    sink::{Answer, Sink},
};

/// An address outside of `mynetworks`: a stranger.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// The address inside of `mynetworks`: a host of ours.
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What must become of one recipient as the sender wrote it.
#[derive(Debug)]
pub(crate) struct Fate {
    /// `outbound` or `inbound`.
    service: &'static str,
    /// As in the envelope.
    original: String,
    /// How it ends.
    end: End,
}

/// How a recipient ends.
#[derive(Debug)]
enum End {
    /// Delivered elsewhere: the sink knows how, for each of these addresses.
    Sink(Vec<String>),
    /// In the mailbox of that address.
    Mailbox(String),
    /// Accepted and thrown away.
    Discarded,
    /// Never accepted.
    Refused,
}

impl Fate {
    /// The events that this recipient must have, by what the sink remembers.
    pub(crate) fn facts(&self, sink: &Sink) -> Vec<Fact> {
        let begin = if self.service == "outbound" { "queued" } else { "received" };
        let mut facts = Vec::new();
        if !matches!(self.end, End::Refused) {
            facts.push(self.fact(begin, &self.original));
        }
        match &self.end {
            End::Sink(addresses) => {
                facts.extend(addresses.iter().flat_map(|to| self.story(to, &sink.answers_to(to))));
            }
            End::Mailbox(to) => facts.push(self.fact("delivered", to)),
            End::Discarded => facts.push(self.fact("dropped", &self.original)),
            End::Refused => {
                let name = if self.service == "outbound" { "dropped" } else { "blocked" };
                facts.push(self.fact(name, &self.original));
            }
        }
        facts
    }

    /// One event for each answer, and one more when Postfix gave up.
    fn story(&self, to: &str, answers: &[Answer]) -> Vec<Fact> {
        let mut facts: Vec<Fact> = answers
            .iter()
            .map(|answer| match answer {
                Answer::Accepted => self.fact("delivered", to),
                Answer::Later | Answer::Hangup => self.fact("deferred", to),
                Answer::NoUser => self.fact("bounced", to).with("hard"),
                Answer::Policy => self.fact("rejected", to),
            })
            .collect();
        if matches!(answers.last(), Some(Answer::Later | Answer::Hangup)) {
            facts.push(self.fact("bounced", to).with("soft"));
        }
        assert!(!answers.is_empty(), "the sink never saw {to}: the harness did not do its part");
        facts
    }

    fn fact(&self, name: &str, to: &str) -> Fact {
        let renamed = !matches!(name, "queued" | "received") && to != self.original;
        let orig_to = renamed.then(|| self.original.clone());
        Fact { kind: format!("{}.{name}", self.service), to: to.to_owned(), orig_to, detail: None }
    }
}

/// Sends everything. Besides the fates there are an address probe and the notices that Postfix
/// itself sends, about which nothing must be told.
pub(crate) fn send_every_kind(postfix: &Postfix) -> Vec<Fate> {
    let mut fates = from_our_host(postfix);
    fates.extend(from_a_user(postfix));
    fates.extend(from_a_stranger(postfix));
    fates.extend(from_the_machine_itself(postfix));
    fates
}

fn from_our_host(postfix: &Postfix) -> Vec<Fate> {
    let mut client = Client::connect(OURS, postfix.smtp());
    let many = [
        "ok-many-1@out.test",
        "nouser-many-2@out.test",
        "flaky-many-3@out.test",
        "policy-many-4@out.test",
        "ok-many-5@out.test",
    ];
    let single = ["ok-1@out.test", "flaky-1@out.test", "nouser-1@out.test", "policy-1@out.test"];
    let hopeless = ["tempfail-1@out.test", "drop-1@out.test", "vanish-1@out.test"];
    client.send(&Mail::to(&many));
    for to in single.iter().chain(&hopeless) {
        client.send(&Mail::to(&[to]));
    }
    client.send(&Mail::to(&["pair@virt.test"]));
    client.send(&Mail::to(&["ignored@discard.test"]));
    // A refusal of one recipient leaves the other alone.
    let replies = client.send(&Mail::to(&["ok-beside@out.test", "nobody-here@here.test"]));
    assert_eq!(replies.iter().map(|reply| reply.code).collect::<Vec<_>>(), [250, 550]);

    let mut fates: Vec<Fate> =
        many.iter().chain(&single).chain(&hopeless).map(|to| outbound(to)).collect();
    fates.push(outbound("ok-beside@out.test"));
    fates.push(aliased(
        "outbound",
        "pair@virt.test",
        &["ok-pair-1@out.test", "nouser-pair-2@out.test"],
    ));
    fates.push(fate("outbound", "ignored@discard.test", End::Discarded));
    fates.push(fate("outbound", "nobody-here@here.test", End::Refused));
    fates
}

fn from_a_user(postfix: &Postfix) -> Vec<Fate> {
    let mut client = Client::connect(STRANGER, postfix.submission());
    client.authenticate();
    client.send(&Mail::to(&["ok-user@out.test"]));
    vec![outbound("ok-user@out.test")]
}

fn from_a_stranger(postfix: &Postfix) -> Vec<Fate> {
    let mut client = Client::connect(STRANGER, postfix.smtp());
    let mailbox = format!("{LOCAL_USER}@here.test");
    client.send(&Mail::to(&[&mailbox]));
    client.send(&Mail::to(&["inbox@here.test"]));
    client.send(&Mail::to(&["team@here.test"]));
    client.send(&Mail::to(&["both@virt.test"]));
    let replies = client.send(&Mail::to(&["ok-relay@out.test", "no-such-person@here.test"]));
    assert_eq!(replies.iter().map(|reply| reply.code).collect::<Vec<_>>(), [554, 550]);
    vec![
        fate("inbound", &mailbox, End::Mailbox(mailbox.clone())),
        fate("inbound", "inbox@here.test", End::Mailbox(mailbox.clone())),
        aliased("inbound", "team@here.test", &["ok-team-1@out.test", "ok-team-2@out.test"]),
        aliased("inbound", "both@virt.test", &["ok-both-1@out.test", "ok-both-2@out.test"]),
        fate("inbound", "ok-relay@out.test", End::Refused),
        fate("inbound", "no-such-person@here.test", End::Refused),
    ]
}

fn from_the_machine_itself(postfix: &Postfix) -> Vec<Fate> {
    let message = "Subject: hello\n\nHello.\n";
    postfix.sendmail(&["-f", "bob@sender.test", "ok-local@out.test"], message);
    // A probe delivers nothing; its report goes to the sender as a notice.
    postfix.sendmail(&["-bv", "-f", "bob@sender.test", "ok-probe@out.test"], "");
    vec![outbound("ok-local@out.test")]
}

fn outbound(to: &str) -> Fate {
    aliased("outbound", to, &[to])
}

fn aliased(service: &'static str, original: &str, targets: &[&str]) -> Fate {
    let targets = targets.iter().map(|&to| to.to_owned()).collect();
    fate(service, original, End::Sink(targets))
}

fn fate(service: &'static str, original: &str, end: End) -> Fate {
    Fate { service, original: original.to_owned(), end }
}

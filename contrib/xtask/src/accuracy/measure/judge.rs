//! The verdict on each recipient of the truth, and on events that the truth knows nothing of.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assign::{self, Owners},
    event::{self, Event, Message, plain, same_address},
    expect::{Expectation, Expected, Meets, expected},
    particulars,
    report::{Finding, Tally, Verdict},
    truth::{Recipient, Session, Truth},
};

/// Holds the events of one log against the truth.
pub(super) fn judge(truth: &Truth, events: &[Event], log: &str) -> (Tally, Vec<Finding>) {
    let messages = event::messages(events);
    let mut judging = Judging {
        truth,
        events,
        log,
        ended: BTreeMap::new(),
        owners: assign::owners(truth, events, &messages),
        messages: &messages,
        claimed: vec![false; events.len()],
        tally: Tally::default(),
        findings: Vec::new(),
    };
    for row in &truth.recipients {
        judging.recipient(row);
    }
    judging.too_few_ends();
    judging.told_twice();
    judging.sessions();
    judging.unknown();
    (judging.tally, judging.findings)
}

struct Judging<'a> {
    truth: &'a Truth,
    events: &'a [Event],
    log: &'a str,
    messages: &'a [Message],
    owners: Owners,
    /// By message: recipients that ended as they should, and the events that say so.
    ended: BTreeMap<usize, (Vec<&'a Recipient>, BTreeSet<usize>)>,
    /// The event is about something that the truth knows.
    claimed: Vec<bool>,
    tally: Tally,
    findings: Vec<Finding>,
}

impl<'a> Judging<'a> {
    fn recipient(&mut self, row: &'a Recipient) {
        let Expected { expectation, reason } = expected(row, self.truth);
        let found = self.about(row, &expectation);
        for (index, event) in &found {
            let is_anothers = expectation == Expectation::Absorbed && !event.is_about(&row.address);
            if let Some(claimed) = self.claimed.get_mut(*index) {
                *claimed |= !is_anothers;
            }
        }
        self.ended(row, &expectation, &found);
        let found: Vec<_> = found.into_iter().map(|(_, event)| event).collect();
        let (verdict, reason) = match expectation.met_by(&found) {
            _ if expectation == Expectation::Undecided => (Verdict::Undecided, reason),
            Meets::Wrong | Meets::Missing
                if let Some(doubt) = particulars::doubt(row, &found, self.log) =>
            {
                (Verdict::Undecided, Some(doubt.to_owned()))
            }
            Meets::Right => match particulars::problem(row, &found, self.log) {
                None => return self.tally.right += 1,
                Some((verdict, problem)) => (verdict, Some(problem)),
            },
            Meets::Wrong => (Verdict::Wrong, reason),
            Meets::Missing if found.is_empty() && self.is_merged(row) => {
                (Verdict::Undecided, Some(MERGED.to_owned()))
            }
            Meets::Missing => (Verdict::Missing, reason),
        };
        self.report(Finding {
            verdict,
            queue_id: row.queue_id.clone(),
            recipient: Some(row.address.clone()),
            expected: expectation.shown(),
            found: found.iter().map(|event| event.shown()).collect(),
            reason,
        });
    }

    fn ended(&mut self, row: &'a Recipient, expected: &Expectation, found: &[(usize, &Event)]) {
        let has_end = matches!(expected, Expectation::Final(_) | Expectation::GivenUp);
        let ends = found.iter().filter(|(_, event)| event.is_final());
        let ends: Vec<_> = ends.filter(|(_, event)| event.is_about(&row.address)).collect();
        if has_end && !ends.is_empty() {
            let (rows, events) = self.ended.entry(row.message).or_default();
            rows.push(row);
            events.extend(ends.into_iter().map(|(index, _)| *index));
        }
    }

    /// Each recipient has an end of its own, also where two have one address, unless qmgr counted
    /// fewer: cleanup takes addresses that differ in case for one.
    fn too_few_ends(&mut self) {
        for (number, (rows, events)) in std::mem::take(&mut self.ended) {
            let queued = self.counted(number).unwrap_or(usize::MAX);
            for row in rows.into_iter().take(queued).skip(events.len()) {
                self.tally.right = self.tally.right.saturating_sub(1);
                self.report(Finding {
                    verdict: Verdict::Missing,
                    queue_id: row.queue_id.clone(),
                    recipient: Some(row.address.clone()),
                    expected: "an end for each recipient".to_owned(),
                    found: Vec::new(),
                    reason: None,
                });
            }
        }
    }

    /// The events about a recipient, with their indices. When none names it: those that stand for
    /// a message as a whole, then an end of the whole message, which names one recipient.
    fn about(&self, row: &Recipient, expectation: &Expectation) -> Vec<(usize, &'a Event)> {
        let own = || self.of_message(row.message).filter(|(_, event)| !event.is_sending());
        let named: Vec<_> = match expectation {
            Expectation::Expanded(addresses) => own()
                .filter(|(_, event)| {
                    event.is_about(&row.address)
                        || addresses.iter().any(|address| event.is_about(address))
                })
                .collect(),
            _ => own().filter(|(_, event)| event.is_about(&row.address)).collect(),
        };
        if !named.is_empty() || *expectation == Expectation::Nothing {
            return named;
        }
        if *expectation == Expectation::Absorbed {
            return own().collect();
        }
        let nameless: Vec<_> = own().filter(|(_, event)| event.data.to.is_none()).collect();
        if !nameless.is_empty() {
            return self.nameless_for(row, nameless);
        }
        if self.is_named_in_log(row) {
            return Vec::new();
        }
        own()
            .filter(|(_, event)| self.ends_all(row, event) && self.names_another(row, event))
            .collect()
    }

    /// Those events that name nobody, unless they are used up by recipients before this one.
    fn nameless_for(
        &self,
        row: &Recipient,
        nameless: Vec<(usize, &'a Event)>,
    ) -> Vec<(usize, &'a Event)> {
        let own: Vec<_> = self.of_message(row.message).map(|(_, event)| event).collect();
        let before = assign::nameless_before(&self.truth.recipients, row, &own);
        let times: usize = nameless.iter().map(|(_, event)| event.times()).sum();
        if before < times { nameless } else { Vec::new() }
    }

    /// Does a line name both the recipient and its message? Then it needs an event of its own.
    fn is_named_in_log(&self, row: &Recipient) -> bool {
        let own =
            self.of_message(row.message).filter_map(|(_, event)| event.data.queue_id.as_ref());
        let message_id = row.message_id.as_ref().map(|id| id.trim_matches(['<', '>']));
        let names = own.chain(&row.queue_id).map(String::as_str).chain(message_id);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        let is_it = |line: &str| {
            line.contains(&row.address) && names.iter().any(|name| line.contains(name))
        };
        self.log.lines().any(is_it)
    }

    /// Did the whole message end with it?
    fn ends_all(&self, row: &Recipient, event: &Event) -> bool {
        match row.word() {
            "rejected" => event.is_of_whole_message(),
            // Nobody but a filter names recipients of what was never in the active queue.
            "deleted-by-admin" => {
                let is_arrival = |event: &Event| event.milestone() == Some("arrival");
                let was_active = self.of_message(row.message).any(|(_, event)| is_arrival(event));
                event.name() == "dropped" && !was_active
            }
            _ => row.is_discarded() && event.is_of_whole_message() && event.is_discard(),
        }
    }

    /// Does it name another recipient of the same message?
    fn names_another(&self, row: &Recipient, event: &Event) -> bool {
        let rows = self.truth.recipients.iter();
        rows.filter(|other| other.message == row.message)
            .any(|other| event.is_about(&other.address))
    }

    fn of_message(&self, number: usize) -> impl Iterator<Item = (usize, &'a Event)> {
        let own = self.messages.iter().zip(&self.owners);
        let own = own.filter(move |(_, owner)| **owner == Some(number));
        let events = self.events;
        own.flat_map(|(message, _)| &message.events)
            .filter_map(move |index| Some((*index, events.get(*index)?)))
    }

    /// Did cleanup count fewer recipients than the client named?
    fn is_merged(&self, row: &Recipient) -> bool {
        let counted = self.counted(row.message);
        counted.is_some_and(|counted| counted < self.accepted(row.message))
    }

    /// Recipients of a message that qmgr counted.
    fn counted(&self, number: usize) -> Option<usize> {
        self.of_message(number).filter_map(|(_, event)| event.data.nrcpt).max()
    }

    /// Recipients of a message that were not refused.
    fn accepted(&self, number: usize) -> usize {
        let rows = self.truth.recipients.iter();
        let is_gone = |row: &Recipient| {
            matches!(row.word(), "rejected" | "aborted" | "nothing" | "merged" | "redirected")
        };
        rows.filter(|row| row.message == number && !is_gone(row)).count()
    }

    /// How many lines may say the same of recipients that they do not name: one for each refusal at
    /// RCPT.
    fn nameless(&self, number: usize) -> usize {
        let is_at_rcpt = |row: &&Recipient| {
            row.message == number && row.stage.as_deref() == Some("RCPT") && row.is_refused()
        };
        self.truth.recipients.iter().filter(is_at_rcpt).count().max(1)
    }

    /// Each recipient ends once, is queued once and, for one try of the client, refused once.
    fn told_twice(&mut self) {
        let mut told: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
        for (message, owner) in self.messages.iter().zip(&self.owners) {
            let Some(owner) = owner else { continue };
            for event in message.events.iter().filter_map(|index| self.events.get(*index)) {
                if let Some(milestone) = event.milestone() {
                    let [to, original] = [&event.data.to, &event.data.orig_to]
                        .map(|name| name.as_deref().map(plain));
                    let key = (*owner, milestone, to, original);
                    told.entry(key).or_default().push(event);
                }
            }
        }
        for ((owner, milestone, to, _), events) in told {
            let allowed = if to.is_some() { 1 } else { self.nameless(owner) };
            let expected = format!("one {milestone} for each recipient");
            self.invented(&events, &expected, events.len().saturating_sub(allowed));
        }
    }

    /// What was refused in a session without a message: each reply, and each recipient that the
    /// client named, explains one event.
    fn sessions(&mut self) {
        for session in &self.truth.sessions {
            let mut explained = BTreeSet::new();
            for (index, event) in self.events.iter().enumerate() {
                let Some(claimed) = self.claimed.get_mut(index).filter(|claimed| !**claimed) else {
                    continue;
                };
                *claimed = event.is_refusal()
                    && explanation(session, event).is_some_and(|place| explained.insert(place));
            }
        }
    }

    /// Recipients and messages that the truth does not know.
    fn unknown(&mut self) {
        let messages = self.messages.iter().zip(&self.owners);
        let unknown: Vec<_> =
            messages.map(|(message, owner)| (*owner, self.unclaimed(message))).collect();
        for (owner, events) in unknown {
            let (sendings, others): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|event| event.is_sending());
            let mut by_recipient: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
            for event in others {
                by_recipient.entry(&event.data.to).or_default().push(event);
            }
            if by_recipient.is_empty() && owner.is_none() && !sendings.is_empty() {
                self.invented(&sendings, "no such message", 1);
            }
            let added = owner.map_or(0, |owner| self.added(owner));
            for (index, events) in by_recipient.values().enumerate() {
                if index < added {
                    self.report(finding(Verdict::Undecided, events, "no event", Some(ADDED)));
                } else {
                    self.invented(events, "no such recipient", 1);
                }
            }
        }
    }

    /// How many recipients the mail system itself added to a message.
    fn added(&self, number: usize) -> usize {
        self.counted(number).unwrap_or_default().saturating_sub(self.accepted(number))
    }

    fn unclaimed(&self, message: &Message) -> Vec<&'a Event> {
        let is_unclaimed = |index: &&usize| self.claimed.get(**index) == Some(&false);
        let unclaimed = message.events.iter().filter(is_unclaimed);
        unclaimed.filter_map(|index| self.events.get(*index)).collect()
    }

    fn invented(&mut self, events: &[&Event], expected: &str, times: usize) {
        for _ in 0..times {
            self.report(finding(Verdict::Invented, events, expected, None));
        }
    }

    fn report(&mut self, finding: Finding) {
        self.tally.count(finding.verdict);
        self.findings.push(finding);
    }
}

const ADDED: &str = "more recipients were queued than the client named: a copy (bcc), or added by \
                     a milter";

const MERGED: &str = "fewer recipients were queued than the client named: cleanup takes those that \
                      are rewritten to the same address for one";

fn finding(verdict: Verdict, events: &[&Event], expected: &str, reason: Option<&str>) -> Finding {
    Finding {
        verdict,
        queue_id: events.iter().find_map(|event| event.data.queue_id.clone()),
        recipient: events.iter().find_map(|event| event.data.to.clone()),
        expected: expected.to_owned(),
        found: events.iter().map(|event| event.shown()).collect(),
        reason: reason.map(str::to_owned),
    }
}

/// Which reply (or recipient, counted from behind the replies) of a session an event is about. A
/// rate limit's line has words of its own, and names the client alone. An address that VRFY asked
/// for is no recipient.
fn explanation(session: &Session, event: &Event) -> Option<usize> {
    if event.data.stage.as_deref() == Some("VRFY") {
        return None;
    }
    let response = event.data.response.as_deref().unwrap_or_default();
    let is_of_client = event.data.from.is_none()
        && event.data.to.is_none()
        && (event.data.ip.is_none() || event.data.ip == session.client);
    let said = session.refusals.iter().position(|(code, text)| {
        Some(*code) == event.data.smtp_code && (is_of_client || response.ends_with(text.as_str()))
    });
    said.or_else(|| {
        let (from, to) = (event.data.from.as_deref()?, event.data.to.as_deref()?);
        names(session, "MAIL FROM:", from).next()?;
        let place = names(session, "RCPT TO:", to).next()?;
        Some(session.refusals.len() + place)
    })
}

/// Places of the commands that name an address.
fn names<'a>(
    session: &'a Session,
    verb: &'a str,
    address: &'a str,
) -> impl Iterator<Item = usize> + 'a {
    let commands = session.sent.iter().flat_map(|sent| sent.lines()).enumerate();
    commands
        .filter(move |(_, command)| {
            let path = command.strip_prefix(verb).map(|path| path.trim().trim_matches(['<', '>']));
            path.is_some_and(|path| same_address(path, address))
        })
        .map(|(place, _)| place)
}

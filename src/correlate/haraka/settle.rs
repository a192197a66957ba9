//! Which recipients were accepted after all, and what is told of a message in the queue.
//!
//! A recipient that nobody vouched for is logged with `code=OK` whether the client may relay or not.
//! The counts of later lines tell how many were accepted, the plugins' verdicts, the last refusal
//! and the configured domains which. Where nothing decides, a recipient is left out, not guessed.

use mailherald_parsers::haraka::{Disconnect, Text};
use smol_str::{SmolStr, format_smolstr};

use super::super::{
    delivery::by_class,
    message::{Class, KeptLine},
};
use super::{
    Name, Step,
    scene::{Fact, Scene, field, known, message_data, words},
    story::{Connection, Handover, Recipient, Refusal, Stage, Transaction},
};
use crate::event::EventType as T;

/// What the end of a connection tells of its client.
pub(super) struct Names {
    pub(super) ip: Option<SmolStr>,
    pub(super) client_name: Option<SmolStr>,
    pub(super) helo: Option<SmolStr>,
    /// The last reply that was a refusal.
    pub(super) last_refusal: SmolStr,
}

impl Names {
    pub(super) fn of(end: &Disconnect<'_>, client: &mut Connection) -> Self {
        let mut is_lossy = false;
        let ip = known(end.ip, &mut is_lossy).or_else(|| client.ip.take());
        Self {
            ip,
            client_name: verified(end.rdns),
            helo: known(end.helo, &mut is_lossy),
            last_refusal: words(end.last_refusal, &mut is_lossy),
        }
    }

    /// The only recipient that the last refusal names, if it says that nobody here takes it.
    fn denied(&self) -> Option<&str> {
        let rest = self.last_refusal.strip_prefix("550 I cannot deliver mail for <")?;
        rest.strip_suffix('>')
    }
}

/// A client's name, if it has one.
pub(super) fn verified(rdns: Text<'_>) -> Option<SmolStr> {
    let mut is_lossy = false;
    match rdns.raw() {
        b"" | b"NXDOMAIN" | b"DNSERROR" | b"Unknown" | b"unknown" => None,
        _ => Some(field(rdns, &mut is_lossy)),
    }
}

impl Step<'_> {
    /// Settles the recipients of a transaction whose content was judged.
    pub(super) fn settle(&mut self, name: Name, denied: Option<&str>) {
        let (scene, transactions) = self.scene();
        let Some(story) = transactions.get_mut(name).filter(|story| !story.is_settled) else {
            return;
        };
        if let Some([accepted, ..]) = story.counts {
            story.settle(accepted, &|address| scene.is_local(address), denied);
        }
        self.wait_for_denied(name);
    }

    /// At the end of a connection, those whose content was never judged: what the sums of the
    /// connection leave for them.
    pub(super) fn settle_open(
        &mut self,
        connection: Name,
        client: &Connection,
        end: &Disconnect<'_>,
        names: &Names,
    ) {
        let all: Vec<_> =
            client.open.iter().map(|number| connection.with_transaction(*number)).collect();
        for name in &all {
            self.settle(*name, names.denied());
        }
        let (scene, transactions) = self.scene();
        let is_open = |name: &Name| {
            transactions.get(*name).is_some_and(|story| !story.is_settled && story.counts.is_none())
        };
        let open: Vec<_> = all.into_iter().filter(is_open).collect();
        let answered: u32 =
            open.iter().filter_map(|name| transactions.get(*name)).map(|it| it.answered_ok).sum();
        let left = end.recipients.accepted.saturating_sub(client.accepted);
        for name in &open {
            let Some(story) = transactions.get_mut(*name) else { continue };
            let accepted = match left {
                0 => 0,
                left if left >= answered => story.answered_ok,
                left if open.len() == 1 => left,
                _ if client.has_hooks && !end.is_relaying => story.vouched(),
                _ => continue,
            };
            story.settle(accepted, &|address| scene.is_local(address), names.denied());
        }
    }

    /// A transaction at the end of its connection.
    pub(super) fn end_transaction(
        &mut self,
        name: Name,
        client: &Connection,
        end: &Disconnect<'_>,
        names: &Names,
    ) {
        let line = self.stories.teller.keep(self.line);
        let (mut scene, transactions) = self.scene();
        let Some(story) = transactions.get_mut(name) else { return };
        story.ip = names.ip.clone().or_else(|| story.ip.take());
        story.client_name.clone_from(&names.client_name);
        story.helo.clone_from(&names.helo);
        story.is_relayed = story.is_relayed.or(Some(end.is_relaying));
        story.is_over = true;
        if !story.is_settled {
            story.leave_out_the_unsure();
        }
        story.refuse_data(client, end, names, line);
        scene.tell_refusals(name, story, Some(names));
        if story.answers().next().is_none() {
            self.stories.stop_waiting(name);
        }
        self.announce(name);
        self.stories.close_finished(name, self.clock_us());
    }

    /// What is told of a message in the queue, as soon as it is known who its recipients are.
    pub(super) fn announce(&mut self, name: Name) {
        let (mut scene, transactions) = self.scene();
        if let Some(story) = transactions.get_mut(name).filter(|story| story.is_settled) {
            scene.announce(name, story);
        }
        self.stories.close_finished(name, self.clock_us());
    }

    fn wait_for_denied(&mut self, name: Name) {
        let waits = self.stories.transactions.get(name).is_some_and(|it| !it.refusals.is_empty());
        if waits {
            self.wait_for_dialogue(name);
        }
    }
}

impl Scene<'_> {
    fn announce(&mut self, name: Name, story: &mut Transaction) {
        let Some(queued) = story.queued.take() else { return };
        let class = self.class(story, false);
        let nrcpt = story.nrcpt();
        for index in 0..story.recipients.len() {
            let Some(to) = story.recipients.get_mut(index).filter(|it| it.is_to_be_announced())
            else {
                continue;
            };
            to.is_announced = true;
            let to = to.address.clone();
            let mut data = message_data(name, story, class);
            data.nrcpt = nrcpt;
            let line = &queued.line;
            let what = format_smolstr!("{name} queued");
            let kind = by_class(class, T::OutboundQueued, T::InboundReceived);
            self.tell(&Fact { what: &what, occurrence: 0, line }, kind, &to, data);
            self.tell_tagged(name, story, class, line, &to);
            self.tell_handover(name, story, class, (line, &queued.reply), index);
        }
        story.queued = Some(queued);
    }

    /// A filter has something against a message that was let through all the same.
    fn tell_tagged(
        &mut self,
        name: Name,
        story: &Transaction,
        class: Class,
        line: &KeptLine,
        to: &SmolStr,
    ) {
        let findings = &story.findings;
        let Some(finding) = findings.virus.as_ref().or(findings.spam.as_ref()) else { return };
        let mut data = message_data(name, story, class);
        let kind = finding.set(class, "tagged", &mut data);
        let what = format_smolstr!("{name} tagged");
        self.tell(&Fact { what: &what, occurrence: 0, line }, kind, to, data);
    }

    /// A message that did not go into Haraka's own queue has reached its end.
    fn tell_handover(
        &mut self,
        name: Name,
        story: &mut Transaction,
        class: Class,
        (line, reply): (&KeptLine, &SmolStr),
        index: usize,
    ) {
        let kind = match story.handover {
            Some(Handover::Forwarded) => by_class(class, T::OutboundDelivered, T::InboundDelivered),
            Some(Handover::Dropped) => by_class(class, T::OutboundDropped, T::InboundDropped),
            Some(Handover::Queued) | None => return,
        };
        let mut data = message_data(name, story, class);
        data.response = Some(reply.clone());
        let Some(recipient) = story.recipients.get_mut(index) else { return };
        recipient.is_done = true;
        let what = format_smolstr!("{name} end");
        self.tell(&Fact { what: &what, occurrence: 0, line }, kind, &recipient.address, data);
    }
}

impl Recipient {
    fn is_to_be_announced(&self) -> bool {
        !self.is_denied && !self.is_announced
    }
}

impl Transaction {
    /// Recipients that a plugin vouched for.
    fn vouched(&self) -> u32 {
        let vouched = self.recipients.iter().filter(|recipient| recipient.is_vouched).count();
        u32::try_from(vouched).unwrap_or(u32::MAX)
    }

    /// `accepted` of the recipients that were answered `OK` were accepted: says which, if it can be
    /// said. The others were refused after all.
    pub(super) fn settle(
        &mut self,
        accepted: u32,
        is_local: &dyn Fn(&str) -> bool,
        denied: Option<&str>,
    ) {
        // Who was named twice is one recipient.
        let all = self.recipients.len();
        let wanted = usize::try_from(accepted).unwrap_or(usize::MAX);
        let wanted = if accepted >= self.answered_ok { all } else { wanted };
        let by_name = |it: &Recipient| denied.is_none_or(|denied| *it.address != *denied);
        let rules: [&dyn Fn(&Recipient) -> bool; 5] =
            [&|_| true, &|_| false, &|it| it.is_vouched, &by_name, &|it| is_local(&it.address)];
        let fits = |rule: &&&dyn Fn(&Recipient) -> bool| {
            self.recipients.iter().filter(|recipient| rule(recipient)).count() == wanted
        };
        let Some(rule) = rules.iter().find(fits) else { return };
        let denied: Vec<bool> = self.recipients.iter().map(|recipient| !rule(recipient)).collect();
        for (recipient, is_denied) in self.recipients.iter_mut().zip(denied) {
            recipient.is_denied = is_denied;
        }
        self.is_settled = true;
        self.refuse_denied();
    }

    fn refuse_denied(&mut self) {
        let said = self.recipients.iter_mut().filter_map(|recipient| {
            let line = recipient.line.take()?;
            recipient.is_denied.then(|| Refusal::of_denied(recipient.address.clone(), *line))
        });
        for refusal in said.collect::<Vec<_>>() {
            self.push_refusal(refusal);
        }
    }

    /// Nothing tells which of them were accepted.
    fn leave_out_the_unsure(&mut self) {
        self.is_settled = true;
        for recipient in self.recipients.iter_mut().filter(|it| it.line.is_some()) {
            recipient.is_denied = true;
        }
    }
}

impl Refusal {
    /// Nobody vouched for the recipient, and the client may not relay.
    fn of_denied(address: SmolStr, line: KeptLine) -> Self {
        Self {
            stage: Stage::Rcpt,
            code: 550,
            text: format_smolstr!("I cannot deliver mail for <{address}>"),
            recipient: Some(address),
            plugin: None,
            finding: None,
            occurrence: 0,
            line,
        }
    }
}

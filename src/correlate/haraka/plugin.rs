//! What the plugin tells (`contrib/haraka`): the same stories as the log's, and the same events, but
//! each line is whole and certain, so nothing has to be put together or waited for.
//!
//! What the log may add, and how the two do without each other, is the business of `beside`.

use mailherald_parsers::{
    haraka::{Deferred, Scan, Text},
    haraka_plugin::{self, Kind, List, Members, Via},
};
use smol_str::SmolStr;

use super::{
    Name, Step,
    content::{finding, without_names},
    ending::Ending,
    scene::{field, known, words},
    settle::verified,
    story::{Answer, Findings, Handover, Queued, Recipient, Refusal, Stage, Transaction},
};
use crate::{correlate::message::KeptLine, event::Given};

impl Step<'_> {
    /// A line of the plugin.
    pub(super) fn told(&mut self, kind: Kind, members: &Members<'_>) {
        let Some(uuid) = members.uuid else { return };
        match (kind, Name::of_transaction(uuid), uuid.item) {
            (Kind::Queued, Some(name), None) => self.told_queued(name, members),
            (Kind::Refused, Some(name), None) => self.told_refused(name, members),
            (Kind::Refused, None, None) => {
                self.told_turned_away(Name::of_connection(uuid), members);
            }
            (Kind::Delivered | Kind::Deferred | Kind::Bounced, Some(name), Some(item)) => {
                self.told_outcome(name, item, kind, members);
            }
            // Of an item without a transaction: Haraka's own mail.
            _ => {}
        }
    }

    fn told_queued(&mut self, name: Name, members: &Members<'_>) {
        let line = self.stories.teller.keep(self.line);
        let story = self.told_accepted(name, members);
        story.handover = Some(match members.via {
            Some(Via::Outbound) | None => Handover::Queued,
            Some(Via::Forward | Via::Plugin) => Handover::Forwarded,
            Some(Via::Discard) => Handover::Dropped,
        });
        let reply = words(members.response.unwrap_or_default(), &mut story.is_lossy);
        story.queued = Some(Queued { line, reply: without_names(&reply, name) });
        self.stories.stop_waiting(name);
        self.announce(name);
    }

    fn told_refused(&mut self, name: Name, members: &Members<'_>) {
        let line = self.stories.teller.keep(self.line);
        let mut is_lossy = false;
        let Some(mut refusal) = refusal(name, members, line, &mut is_lossy) else { return };
        match refusal.stage {
            Stage::Data | Stage::Content => {
                let story = self.told_accepted(name, members);
                let plugin = refusal.plugin.as_deref();
                refusal.finding = story.finding_behind(plugin, &refusal.text);
            }
            _ => self.told_of(name, members).deny(refusal.recipient.as_deref()),
        }
        let (mut scene, transactions) = self.scene();
        if let Some(story) = transactions.get_mut(name) {
            (story.is_over, story.is_lossy) = (true, story.is_lossy | is_lossy);
            story.refusals.push(refusal);
            scene.tell_refusals(name, story, None);
        }
        self.stories.close_finished(name, self.clock_us());
    }

    /// A client that did not get as far as a transaction.
    fn told_turned_away(&mut self, name: Name, members: &Members<'_>) {
        let line = self.stories.teller.keep(self.line);
        let uid = self.stories.teller.uid(name);
        let mut story = Transaction { uid, is_begun: true, ..Transaction::default() };
        story.note(members);
        let Some(refusal) = refusal(name, members, line, &mut story.is_lossy) else { return };
        story.refusals.push(refusal);
        self.scene().0.tell_refusals(name, &mut story, None);
    }

    fn told_outcome(&mut self, name: Name, item: u32, kind: Kind, members: &Members<'_>) {
        let line = self.stories.teller.keep(self.line);
        self.meet(name);
        let at_us = self.line.at_us;
        let (mut scene, transactions) = self.scene();
        let Some(story) = transactions.get_mut(name) else { return };
        story.note(members);
        story.is_begun |= members.is_noted;
        let Some(ending) = story.ending(item, kind, members) else { return };
        let about = story.about(item, kind, members, &line);
        scene.end_attempt(name, story, item, &ending, &about, &line);
        for place in about {
            if let Some(recipient) = story.recipients.get_mut(place) {
                recipient.note_told(at_us);
            }
        }
        self.stories.close_finished(name, self.clock_us());
    }

    /// As [`Step::told_of`], where recipients were accepted. The end of the connection sums them up,
    /// for transactions that the plugin does not tell.
    fn told_accepted(&mut self, name: Name, members: &Members<'_>) -> &mut Transaction {
        let is_first = members.part.is_none_or(|part| part <= 1);
        let known = self.stories.transactions.get(name);
        let is_counted = is_first && known.is_some_and(|story| story.is_judged);
        if self.stories.reads.log && !is_counted {
            let seen_us = self.clock_us();
            let client =
                self.stories.connections.get_or(name.of_its_connection(), Default::default);
            let count = u32::try_from(members.to.len()).unwrap_or(u32::MAX);
            client.accepted = client.accepted.saturating_add(count);
            client.seen_us = client.seen_us.max(seen_us);
        }
        let story = self.told_of(name, members);
        story.accept(members);
        story.is_settled = true;
        story
    }

    /// The transaction, of which the plugin has told how its dialogue ended.
    fn told_of(&mut self, name: Name, members: &Members<'_>) -> &mut Transaction {
        let uid = self.stories.teller.uid(name);
        let seen_us = self.clock_us();
        let new = || Transaction { uid, ..Transaction::default() };
        let story = self.stories.transactions.get_or(name, new);
        story.seen_us = story.seen_us.max(seen_us);
        story.note(members);
        (story.is_begun, story.is_told, story.is_judged) = (true, true, true);
        story
    }
}

impl Transaction {
    /// Notes what every line of the plugin says of a message.
    fn note(&mut self, members: &Members<'_>) {
        let is_lossy = &mut self.is_lossy;
        let mut set = |place: &mut Option<SmolStr>, text: Option<Text<'_>>| {
            if let Some(text) = text.and_then(|text| known(text, is_lossy)) {
                *place = Some(text);
            }
        };
        set(&mut self.subject, members.subject);
        set(&mut self.message_id, members.message_id);
        set(&mut self.user, members.user);
        set(&mut self.ip, members.ip);
        set(&mut self.helo, members.helo);
        if let Some(from) = members.from {
            self.sender = Some(field(from, &mut self.is_lossy));
        }
        self.client_name = members.rdns.and_then(verified).or_else(|| self.client_name.take());
        self.is_relayed = members.is_outbound.or(self.is_relayed);
        self.size = members.size.or(self.size);
        self.note_scan(&members.scan);
        self.note_given(members);
    }

    /// What the sender set for its own use: which headers, the plugin's settings say.
    fn note_given(&mut self, members: &Members<'_>) {
        let mut given = Given::default();
        let is_lossy = &mut self.is_lossy;
        members
            .metadata
            .each(|name, value| given.set(&field(name, is_lossy), field(value, is_lossy)));
        given.tag = members.tag.and_then(|tag| known(tag, is_lossy));
        if !given.is_empty() {
            self.given = Some(Box::new(given));
        }
    }

    fn note_scan(&mut self, scan: &haraka_plugin::Scan<'_>) {
        let is_lossy = &mut self.is_lossy;
        let spamassassin = scan.spamassassin.map(|it| {
            let is_spam = it.score.zip(it.required).is_some_and(|(score, needed)| score >= needed);
            (Scan::SpamAssassin { is_spam, score: it.score, rules: Text::default() }, it.rules)
        });
        let rspamd = scan.rspamd.map(|it| {
            let action = it.action.unwrap_or_default();
            (Scan::Rspamd { action, score: it.score }, it.rules)
        });
        let spam = rspamd.into_iter().chain(spamassassin).find_map(|(scan, rules)| {
            let mut found = finding(&scan, is_lossy)?;
            found.rules = joined(rules, is_lossy);
            Some(found)
        });
        let virus = joined(scan.viruses, is_lossy).and_then(|names| {
            let name = Text::plain(names.as_bytes());
            finding(&Scan::Virus { name }, is_lossy)
        });
        let known = &self.findings;
        let (spam, virus) = (spam.or(known.spam.clone()), virus.or(known.virus.clone()));
        self.findings = Findings { spam, virus };
    }

    /// These recipients were accepted, and of those that the log named before no others.
    fn accept(&mut self, members: &Members<'_>) {
        if members.part.is_none_or(|part| part <= 1) {
            self.refusals.clear();
            self.recipients.iter_mut().for_each(|recipient| recipient.is_denied = true);
        }
        for address in addresses(members.to, &mut self.is_lossy) {
            match self.recipients.iter_mut().find(|it| it.address == address) {
                Some(known) => (known.is_denied, known.line) = (false, None),
                None => self.recipients.push(Recipient {
                    address,
                    is_vouched: true,
                    ..Recipient::default()
                }),
            }
        }
    }

    /// A recipient was refused, whatever the log said before.
    fn deny(&mut self, recipient: Option<&str>) {
        let is_it = |it: &&mut Recipient| recipient == Some(it.address.as_str());
        if let Some(known) = self.recipients.iter_mut().find(is_it).filter(|it| !it.is_announced) {
            known.is_denied = true;
        }
    }

    fn ending(&mut self, item: u32, kind: Kind, members: &Members<'_>) -> Option<Ending> {
        Some(match kind {
            Kind::Deferred => {
                let (file, reason) = (members.file?, members.reason?);
                Ending::deferred(self, item, &Deferred { file, reason })
            }
            Kind::Bounced => Ending::bounced(self, item, members.reason?),
            _ => self.delivery(item, members),
        })
    }

    fn delivery(&mut self, item: u32, members: &Members<'_>) -> Ending {
        let accepted = addresses(members.to, &mut self.is_lossy).len();
        let is_doubtful = members.is_lmtp && self.members(item).len() > accepted;
        let is_lossy = &mut self.is_lossy;
        Ending::Delivered {
            host: members.mx.and_then(|mx| known(mx, is_lossy)),
            ip: members.mx_ip.and_then(|ip| known(ip, is_lossy)),
            port: members.mx_port,
            response: words(members.response.unwrap_or_default(), is_lossy),
            delay_us: members.delay.and_then(|delay| u64::try_from(delay.as_micros()).ok()),
            accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
            is_lmtp: members.is_lmtp,
            is_doubtful,
        }
    }

    /// The recipients that an outcome is about, with what the other server answered for them.
    fn about(
        &mut self,
        item: u32,
        kind: Kind,
        members: &Members<'_>,
        line: &KeptLine,
    ) -> Vec<usize> {
        let reply = members.response.filter(|_| kind != Kind::Delivered);
        let reply = reply.map(|reply| words(reply, &mut self.is_lossy));
        let is_doubtful = members.is_lmtp && self.members(item).len() > 1;
        let is_final = kind == Kind::Bounced;
        let addresses = addresses(members.to, &mut self.is_lossy);
        let places = addresses.into_iter().map(|address| {
            let place = self.place_of(address);
            if let Some(recipient) = self.recipients.get_mut(place) {
                recipient.answer = reply.clone().map(|reply| {
                    Box::new(Answer { item, reply, is_final, is_doubtful, line: line.clone() })
                });
            }
            place
        });
        places.collect()
    }

    /// The place of a recipient, who is a new one if the beginning is missing: the log may tell it.
    fn place_of(&mut self, address: SmolStr) -> usize {
        self.find(&address).unwrap_or_else(|| {
            self.recipients.push(Recipient { address, ..Recipient::default() });
            self.recipients.len() - 1
        })
    }
}

fn refusal(
    name: Name,
    members: &Members<'_>,
    line: KeptLine,
    is_lossy: &mut bool,
) -> Option<Refusal> {
    use haraka_plugin::Stage as S;
    let stage = match members.stage? {
        S::Connect => Stage::Connect,
        S::Helo => Stage::Helo,
        S::Mail => Stage::Mail,
        S::Rcpt => Stage::Rcpt,
        S::Data => Stage::Data,
        S::DataPost | S::Queue => Stage::Content,
    };
    let first = addresses(members.to, is_lossy).into_iter().next();
    let text = words(members.reply.unwrap_or_default(), is_lossy);
    Some(Refusal {
        stage,
        recipient: first.filter(|_| stage == Stage::Rcpt),
        code: members.code.unwrap_or_else(|| stage.code(members.is_temporary)),
        text: without_names(&text, name),
        plugin: members.plugin.and_then(|plugin| known(plugin, is_lossy)),
        finding: None,
        occurrence: members.nth,
        line,
    })
}

fn addresses(list: List<'_>, is_lossy: &mut bool) -> Vec<SmolStr> {
    let mut all = Vec::new();
    list.each(|address| all.push(field(address, is_lossy)));
    all
}

/// All of a list in one text; none when it is empty.
fn joined(list: List<'_>, is_lossy: &mut bool) -> Option<SmolStr> {
    Some(addresses(list, is_lossy).join(",")).filter(|text| !text.is_empty()).map(SmolStr::from)
}

//! Which message a verdict is about.
//!
//! Best by a queue ID; else by the filter's own ID of the scan, which its answer to Postfix repeats;
//! else by Message-ID, which the sender chose: then it is the newest message of that host, of the
//! last minute, and nothing but its finding is taken from the verdict. A verdict whose message is
//! not known yet waits for it.

use mailherald_parsers::{
    Body, LogRecord,
    filters::{Action, Engine, Kind, Part, Verdict, join_pieces},
    postfix::{Delivery, QueueId, Response},
};
use smol_str::{SmolStr, StrExt};

use super::{Finding, is_asked_here, is_socket, rules};
use crate::{
    correlate::{
        Correlator, Step,
        aside::{Aside, Name, Topic},
        directory::message_key,
        message::{KeptLine, Message, Origin},
        system::System,
    },
    event::Event,
    parse::Line,
};

/// A scan, with the queries that it makes in the DNS.
const SCAN_US: i64 = 60 * 1_000_000;

/// A filter may write its verdict down after its answer.
pub(super) const LATE_US: i64 = 2 * 1_000_000;

/// The lines of one verdict follow each other.
const VERDICT_US: i64 = 10 * 1_000_000;

impl Correlator {
    /// A line of a filter. What clamd, opendkim and opendmarc say is no finding about a message.
    pub(in crate::correlate) fn filter(
        &mut self,
        verdict: &Verdict<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) {
        match self.host_of(line.record.host) {
            Some(host) => {
                let record = LogRecord { host: &host, ..line.record.clone() };
                self.filter_of_host(verdict, &Line { record: &record, ..*line }, events);
            }
            None => self.filter_of_host(verdict, line, events),
        }
    }

    /// The host of the mail server, where a filter's own log names none (rspamd), or by its full name
    /// (amavis): it is sure where there is one such host.
    fn host_of(&self, logged: &[u8]) -> Option<Vec<u8>> {
        let is_it = |host: &&Vec<u8>| logged.is_empty() || short_name(host) == short_name(logged);
        let mut hosts = self.systems.iter().map(|system| &system.host).filter(is_it);
        let first = hosts.next().filter(|first| **first != logged)?;
        hosts.all(|host| host == first).then(|| first.clone())
    }

    fn filter_of_host(&mut self, verdict: &Verdict<'_>, line: &Line<'_>, events: &mut Vec<Event>) {
        match verdict.engine {
            _ if verdict.part == Part::Repeat => return,
            _ if verdict.part == Part::Piece => return self.join_piece(verdict, line, events),
            Engine::Amavis
            | Engine::Rspamd
            | Engine::SpamAssassin
            | Engine::Spampd
            | Engine::Pmg
            | Engine::ClamavMilter => self.judge(verdict, line, events),
            Engine::Postgrey | Engine::PolicydSpf | Engine::PolicydWeight | Engine::Cluebringer => {
                self.keep_policy(verdict, line);
            }
            Engine::DovecotLmtp => self.filed(verdict, line, events),
            _ => return,
        }
        self.tell_overdue(self.horizon_us, events);
    }

    /// Puts a line together that amavis split, and reads it when it is whole.
    fn join_piece(&mut self, verdict: &Verdict<'_>, line: &Line<'_>, events: &mut Vec<Event>) {
        let Some(scan_id) = verdict.scan_id else { return };
        let key = [scan_id, b" piece"].concat().into();
        let topic = Topic::Beginning(line.record.host.into(), key);
        let is_first = join_pieces(b"...", line.bytes, scan_id).is_none();
        let before = self.asides.take(&topic).pop().filter(|_| !is_first);
        let joined = before.and_then(|before| {
            let bytes = join_pieces(&before.line.bytes, line.bytes, scan_id)?;
            Some(KeptLine { bytes, ..before.line })
        });
        let kept = joined.or_else(|| is_first.then(|| KeptLine::from(line)));
        let Some(kept) = kept else { return };
        let is_whole = |verdict: &Verdict<'_>| verdict.part != Part::Piece;
        kept.read(|joined| match &joined.record.body {
            Body::Filter(verdict) if is_whole(verdict) => self.filter(verdict, joined, events),
            Body::Filter(_) => {
                let until_us = self.wait_from(joined, VERDICT_US);
                self.asides.put(Aside::new(topic, joined, until_us));
            }
            _ => {}
        });
    }

    fn judge(&mut self, verdict: &Verdict<'_>, line: &Line<'_>, events: &mut Vec<Event>) {
        if is_end(verdict) {
            return self.keep_end(verdict, line);
        }
        let beginning = beginning(verdict, line);
        let is_finding = matches!(verdict.kind, Kind::Spam | Kind::Virus);
        if let Some(topic) = beginning.as_ref().filter(|_| is_finding && is_beginning(verdict)) {
            let until_us = self.wait_from(line, VERDICT_US);
            self.asides.put(Aside::new(topic.clone(), line, until_us));
            return;
        }
        let until_us = self.wait_from(line, SCAN_US);
        let mut lines = match &beginning {
            Some(topic) if verdict.engine == Engine::Pmg => {
                self.asides.of(topic).cloned().collect()
            }
            Some(topic) if !self.asides.is_empty() => self.asides.take(topic),
            _ => Vec::new(),
        };
        if !is_finding {
            return self.acquit(verdict, line);
        }
        for name in names(verdict) {
            let topic = Topic::Verdict(line.record.host.into(), name);
            lines.push(Aside::new(topic.clone(), line, until_us));
            for aside in &mut lines {
                aside.topic.clone_from(&topic);
                aside.until_us = until_us;
            }
            self.attach(&lines, line, events);
            lines.pop();
        }
    }

    /// spamd is asked anew for each recipient that a delivery command is run for: what it found for one
    /// is told, and nothing for the next.
    fn acquit(&mut self, verdict: &Verdict<'_>, line: &Line<'_>) {
        let id = verdict.message_id.filter(|_| verdict.engine == Engine::SpamAssassin);
        let message =
            id.and_then(|id| self.newest(line.record.host, &message_key(id), self.clock_us(line)));
        let Some((index, queue_id)) = message else { return };
        let Some(system) = self.systems.get_mut(index) else { return };
        let Some(message) = system.messages.get_mut(&queue_id) else { return };
        if message.finding.take_if(|finding| finding.is_told_by(verdict.engine)).is_some() {
            system.mark_changed(&queue_id);
        }
    }

    /// Keeps the last line of a verdict beside those before it.
    fn keep_end(&mut self, verdict: &Verdict<'_>, line: &Line<'_>) {
        for name in names(verdict) {
            let topic = Topic::Verdict(line.record.host.into(), name);
            if self.asides.contains(&topic) {
                let until_us = self.wait_from(line, SCAN_US);
                self.asides.put(Aside::new(topic, line, until_us));
            }
        }
    }

    /// Gives the verdict in `lines` to the message of their topic, or lets it wait for that.
    fn attach(&mut self, lines: &[Aside], line: &Line<'_>, events: &mut Vec<Event>) {
        let Some(Topic::Verdict(host, name)) = lines.first().map(|aside| &aside.topic) else {
            return;
        };
        if let Name::Scan(scan) = name {
            let refusal = self.asides.take(&Topic::Refusal(host.clone(), scan.clone()));
            if !refusal.is_empty() {
                return self.tell_refusal(&refusal, finding_in(lines), events);
            }
        }
        let Some((index, queue_id)) = self.named(host, name, self.clock_us(line)) else {
            for aside in lines {
                self.asides.put(aside.clone());
            }
            return;
        };
        if self.hold_line(index, &queue_id, lines) {
            return;
        }
        let (Some(queue_id), Some(finding)) =
            (QueueId::parse(queue_id.as_bytes()), finding_in(lines))
        else {
            return;
        };
        self.with_step(index, line, events, |step| step.found(queue_id, finding, lines));
    }

    /// The message of that name, in whichever queue of the host.
    fn named(&self, host: &[u8], name: &Name, at_us: i64) -> Option<(usize, SmolStr)> {
        match name {
            Name::QueueId(queue_id) => {
                let is_it = |system: &System| {
                    let message = system.messages.get(queue_id).filter(|_| system.host == host);
                    message.is_some_and(|message| is_recent(message, at_us))
                };
                Some((self.systems.iter().position(is_it)?, queue_id.clone()))
            }
            Name::MessageId(key) => self.newest(host, key, at_us),
            Name::Scan(_) | Name::Envelope(_) | Name::Recipient(..) => None,
        }
    }

    /// The newest message of that Message-ID, if it was heard of within the time of a scan.
    pub(super) fn newest(&self, host: &[u8], key: &str, at_us: i64) -> Option<(usize, SmolStr)> {
        let (instance, queue_id) = self.directory.newest(host, key)?;
        let is_it = |system: &System| system.host == host && *system.instance == *instance;
        let index = self.systems.iter().position(is_it)?;
        let message = self.systems.get(index)?.messages.get(queue_id)?;
        let is_near = message.seen_us.saturating_add(SCAN_US) >= at_us;
        (is_near && is_recent(message, at_us)).then(|| (index, queue_id.into()))
    }

    /// A message whose lines wait gets this one with them.
    fn hold_line(&mut self, index: usize, queue_id: &str, lines: &[Aside]) -> bool {
        let Some(system) = self.systems.get_mut(index) else { return false };
        let message = system.messages.get_mut(queue_id);
        let Some(held) = message.and_then(|message| message.held.as_mut()) else { return false };
        let fits = lines.iter().all(|aside| held.push(aside.line.clone()));
        system.mark_changed(queue_id);
        fits
    }
}

impl Step<'_> {
    /// A filter has something against a message.
    fn found(&mut self, queue_id: QueueId<'_>, finding: Finding, lines: &[Aside]) {
        let mut message = self.take_or_new(queue_id);
        let is_beside = message.finding.as_deref().is_some_and(|known| known.is_beside(&finding));
        if is_beside {
            self.found_beside(queue_id, &mut message, finding, lines);
        } else if message.origin != Origin::Internal {
            finding.join(&mut message);
            self.warn_known(queue_id.as_str(), &mut message);
        }
        self.put(queue_id, message);
        let refusal = Topic::Refusal(self.system.host.as_slice().into(), key_of(queue_id));
        let refusal = self.asides.take(&refusal);
        self.told_refusal(&refusal, None);
    }

    /// A verdict for other recipients than the one before: it waits for their status lines.
    fn found_beside(
        &mut self,
        queue_id: QueueId<'_>,
        message: &mut Message,
        finding: Finding,
        lines: &[Aside],
    ) {
        let general = message.finding.replace(Box::new(finding));
        self.warn_known(queue_id.as_str(), message);
        let Some(finding) = std::mem::replace(&mut message.finding, general) else { return };
        let waiting = finding.recipients.iter().filter(|to| !finding.is_told(to));
        for (to, aside) in waiting.flat_map(|to| lines.iter().map(move |aside| (to, aside))) {
            let topic = self.of_recipient(queue_id.as_str(), to);
            self.asides.put(Aside { topic, ..aside.clone() });
        }
    }

    fn of_recipient(&self, id: &str, to: &str) -> Topic {
        let name = Name::Recipient(id.into(), to.to_ascii_lowercase_smolstr());
        Topic::Verdict(self.system.host.as_slice().into(), name)
    }

    /// Gives a message the verdict on that recipient alone, if there is one, and returns that on the
    /// others.
    pub(crate) fn take_own_finding(
        &mut self,
        delivery: &Delivery<'_>,
        message: &mut Message,
    ) -> Option<Box<Finding>> {
        if self.asides.is_empty() || message.finding.is_none() {
            return None;
        }
        let own = self.own_finding(delivery.queue_id.as_str().as_bytes(), delivery);
        message.finding.replace(Box::new(own?))
    }

    /// The verdict on the recipient of `delivery` alone that waits under that queue ID or scan.
    fn own_finding(&mut self, id: &[u8], delivery: &Delivery<'_>) -> Option<Finding> {
        let id = std::str::from_utf8(id).ok()?;
        let recipients = [Some(delivery.recipient), delivery.orig_recipient].into_iter().flatten();
        recipients.filter_map(|to| std::str::from_utf8(to).ok()).find_map(|to| {
            let lines = self.asides.take(&self.of_recipient(id, to));
            finding_in(&lines)
        })
    }

    /// Takes what filters said of a message before a line told its name.
    pub(crate) fn heard_before(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if self.asides.is_empty() || message.origin == Origin::Internal {
            return;
        }
        let by_queue_id = Name::QueueId(queue_id.as_str().into());
        let message_id = message.message_id.as_deref();
        let by_message_id = message_id.map(|id| Name::MessageId(message_key(id.as_bytes()).into()));
        for name in [Some(by_queue_id), by_message_id].into_iter().flatten() {
            if let Some(finding) = self.waiting_finding(name, |_| true) {
                finding.join(message);
            }
        }
    }

    /// A content filter's answer names its scan, of which a verdict without queue ID may be known;
    /// and a message that went on may have one that knows the envelope alone.
    pub(crate) fn hear_of_scan(
        &mut self,
        delivery: &Delivery<'_>,
        message: &mut Message,
        answer: &Response<'_>,
    ) {
        if self.asides.is_empty() {
            return;
        }
        let is_here = is_asked_here(delivery) || is_socket(delivery);
        let filter = answer.filter.filter(|_| is_here);
        // Of this recipient, who was named, it counts more than what was said of all.
        if let Some(own) = filter.and_then(|filter| self.own_finding(filter.id, delivery)) {
            message.finding = Some(Box::new(own));
        }
        if message.finding.is_some() {
            return;
        }
        if let Some(filter) = filter
            && let Some(finding) = self.waiting_finding(Name::Scan(filter.id.into()), |_| true)
        {
            finding.join(message);
        }
        if let (Some(sender), Some(at_us)) =
            (message.sender.clone(), message.queue_line.as_ref().map(|line| line.at_us))
        {
            let recipients = [Some(delivery.recipient), delivery.orig_recipient];
            for recipient in recipients.into_iter().flatten() {
                self.heard_of_envelope(message, sender.as_bytes(), recipient, at_us);
            }
        }
    }

    /// clamav-milter at `LogInfected Basic` names nothing but the envelope, and before the answer.
    pub(crate) fn heard_of_envelope(
        &mut self,
        message: &mut Message,
        sender: &[u8],
        recipient: &[u8],
        at_us: i64,
    ) {
        if message.finding.is_some() || self.asides.is_empty() {
            return;
        }
        let name = Name::Envelope(envelope(sender, recipient));
        let is_near = |aside: &Aside| (aside.line.at_us - at_us).abs() <= LATE_US;
        if let Some(finding) = self.waiting_finding(name, is_near) {
            finding.join(message);
        }
    }

    /// The verdict that waits under that name.
    pub(super) fn waiting_finding(
        &mut self,
        name: Name,
        is_it: impl Fn(&Aside) -> bool,
    ) -> Option<Finding> {
        let topic = Topic::Verdict(self.system.host.as_slice().into(), name);
        let (taken, others): (Vec<_>, Vec<_>) =
            self.asides.take(&topic).into_iter().partition(is_it);
        for other in others {
            self.asides.put(other);
        }
        finding_in(&taken)
    }
}

/// It has not ended, or only just now: its queue ID may come again.
fn is_recent(message: &Message, at_us: i64) -> bool {
    !message.closed || message.seen_us.saturating_add(LATE_US) >= at_us
}

/// Key of a queue ID among those that refusals wait under.
pub(super) fn key_of(queue_id: QueueId<'_>) -> Box<[u8]> {
    queue_id.as_str().as_bytes().into()
}

/// What the lines of a verdict say together: the last of several verdicts counts.
fn finding_in(lines: &[Aside]) -> Option<Finding> {
    let (mut score, mut names, mut finding) = (None, None, None::<Finding>);
    for aside in lines {
        aside.line.read(|line| {
            let Body::Filter(verdict) = &line.record.body else { return };
            if is_beginning(verdict) {
                (score, names) = (verdict.score, rules(verdict, &mut false));
            } else if is_end(verdict) {
                if let Some(known) = &mut finding {
                    known.rules = rules(verdict, &mut false);
                }
            } else if let Some(mut said) = Finding::of(verdict, line, &mut false) {
                said.score = said.score.or(score.take());
                said.rules = said.rules.or(names.take());
                finding = Some(said);
            }
        });
    }
    finding
}

/// Another line of the same verdict follows: spamd's rules, the sum of amavis.
fn is_beginning(verdict: &Verdict<'_>) -> bool {
    match verdict.engine {
        Engine::SpamAssassin => verdict.part == Part::Verdict,
        Engine::Amavis | Engine::Pmg => verdict.part == Part::Details,
        _ => false,
    }
}

/// A line of the same verdict came before: spampd's score.
fn is_end(verdict: &Verdict<'_>) -> bool {
    verdict.engine == Engine::Spampd && verdict.part == Part::Details
}

/// What the lines of one verdict have in common.
fn beginning(verdict: &Verdict<'_>, line: &Line<'_>) -> Option<Topic> {
    let key = match verdict.engine {
        Engine::SpamAssassin => line.record.process.pid?.to_string().into_bytes(),
        Engine::Amavis | Engine::Pmg => verdict.scan_id?.to_vec(),
        _ => return None,
    };
    Some(Topic::Beginning(line.record.host.into(), key.into()))
}

/// What the message is called by the best of the names that the verdict has for it.
fn names(verdict: &Verdict<'_>) -> Vec<Name> {
    let name = |queue_id: QueueId<'_>| Name::QueueId(queue_id.as_str().into());
    if let Some(queue_id) = verdict.queue_id {
        return vec![name(queue_id)];
    }
    if verdict.engine == Engine::Pmg {
        return scanned_for(verdict).into_iter().collect();
    }
    let behind: Vec<_> = verdict.queued_as.iter().map(name).collect();
    if !behind.is_empty() {
        return behind;
    }
    let is_over = !matches!(verdict.action, Action::Passed | Action::Tagged);
    let scan = verdict.scan_id.filter(|_| verdict.engine == Engine::Amavis && is_over);
    let first = match (scan, verdict.message_id, verdict.sender) {
        (Some(scan), ..) => Some(Name::Scan(scan.into())),
        (_, Some(message_id), _) => Some(Name::MessageId(message_key(message_id).into())),
        (_, _, Some(sender)) if verdict.engine == Engine::ClamavMilter => {
            let recipient = verdict.recipients.iter().next();
            recipient.map(|recipient| Name::Envelope(envelope(sender, recipient)))
        }
        _ => None,
    };
    first.into_iter().collect()
}

/// The scan, and the one recipient that the verdict is about.
fn scanned_for(verdict: &Verdict<'_>) -> Option<Name> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (scan, to) = (text(verdict.scan_id?)?, text(verdict.recipients.iter().next()?)?);
    Some(Name::Recipient(scan.into(), to.to_ascii_lowercase_smolstr()))
}

fn envelope(sender: &[u8], recipient: &[u8]) -> Box<[u8]> {
    [sender, recipient].join(&0).to_ascii_lowercase().into()
}

/// `mail` of `mail.example.com`.
fn short_name(host: &[u8]) -> &[u8] {
    host.split(|byte| *byte == b'.').next().unwrap_or_default()
}

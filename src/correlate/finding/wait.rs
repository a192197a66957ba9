//! Refusals whose verdict may come after them.
//!
//! spamd and rspamd write their verdict down when they have answered, so that a milter's refusal
//! can be in the log before it. It waits a moment for the score, and is told without it
//! when none comes. A before-queue filter's answer waits in the same way for the verdict on the scan
//! that it names.

use mailherald_parsers::{
    Body,
    postfix::{Action, Entry, ProxyAnswer, Verdict, response},
};

use super::{
    Finding,
    join::{LATE_US, key_of},
};
use crate::{
    correlate::{
        Correlator, Step,
        aside::{Aside, Name, Topic},
        message::{Message, Origin},
        refusal::is_temporary,
    },
    event::Event,
    parse::Line,
};

impl Correlator {
    /// Tells what has waited for too long at `now_us`, or is too much.
    pub(in crate::correlate) fn tell_overdue(&mut self, now_us: i64, events: &mut Vec<Event>) {
        while let Some(aside) = self.asides.take_overdue(now_us) {
            self.tell(aside, events);
        }
    }

    /// Takes in a line that was put aside for another which did not come.
    pub(in crate::correlate) fn tell(&mut self, aside: Aside, events: &mut Vec<Event>) {
        match &aside.topic {
            Topic::Access(..) => aside.line.read(|line| {
                let index = self.system_index(line.record.host, &aside.instance);
                self.with_step(index, line, events, |step| step.told(&aside, None));
            }),
            Topic::Refusal(..) => {
                let rest = self.asides.take(&aside.topic);
                let lines: Vec<_> = std::iter::once(aside).chain(rest).collect();
                self.tell_refusal(&lines, None, events);
            }
            Topic::Relayed(..) => self.tell_refusal(&[aside], None, events),
            Topic::Haraka(_) => self.tell_haraka(&aside, events),
            _ => {}
        }
    }

    /// The refusal in these lines, with what was found.
    pub(super) fn tell_refusal(
        &mut self,
        lines: &[Aside],
        finding: Option<Finding>,
        events: &mut Vec<Event>,
    ) {
        let Some(last) = lines.last() else { return };
        last.line.read(|line| {
            let index = self.system_index(line.record.host, &last.instance);
            self.with_step(index, line, events, |step| step.told_refusal(lines, finding));
        });
    }

    /// A line begins a message: what waits under the same queue ID is about one before it.
    pub(in crate::correlate) fn settle_before(
        &mut self,
        entry: &Entry<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) {
        let queue_id = match entry {
            Entry::Client(client) => client.queue_id,
            Entry::Pickup(pickup) => Some(pickup.queue_id),
            Entry::MessageId(header) => Some(header.queue_id),
            _ => None,
        };
        let Some(queue_id) = queue_id.filter(|_| self.asides.are_telling()) else { return };
        let refusal = Topic::Refusal(line.record.host.into(), key_of(queue_id));
        let refusal = self.asides.take(&refusal);
        self.tell_refusal(&refusal, None, events);
    }
}

impl Step<'_> {
    /// A milter refused a message, or threw it away, and no filter has said anything against it.
    /// True when that waits for one.
    pub(crate) fn awaits_verdict(&mut self, verdict: &Verdict<'_>) -> bool {
        let Some(queue_id) = verdict.queue_id else { return false };
        let is_end = match verdict.action {
            Action::MilterReject => !is_temporary(verdict.codes),
            Action::MilterDiscard => true,
            _ => false,
        };
        let is_open = self.known(queue_id).is_some_and(|message| {
            !message.closed && message.finding.is_none() && message.origin == Origin::Network
        });
        let by_cleanup = self.line.record.process.service == b"cleanup";
        if !(is_end && is_open && by_cleanup) {
            return false;
        }
        let topic = Topic::Refusal(self.system.host.as_slice().into(), key_of(queue_id));
        self.put_aside(topic, LATE_US)
    }

    /// A before-queue filter refused a message of `client`, whose line is `said`.
    pub(crate) fn refuse_proxied(
        &mut self,
        mut client: Message,
        answer: &ProxyAnswer<'_>,
        said: Option<Aside>,
    ) {
        let scan = response(answer.text).filter.map(|filter| filter.id);
        if let Some(scan) = scan.filter(|_| !is_temporary(answer.codes)) {
            match self.waiting_finding(Name::Scan(scan.into()), |_| true) {
                Some(finding) => client.finding = Some(Box::new(finding)),
                None if self.put_answer(scan, said) => return,
                None => {}
            }
        }
        self.refuse_answered(&client, answer);
    }

    fn put_answer(&mut self, scan: &[u8], said: Option<Aside>) -> bool {
        let topic = Topic::Refusal(self.system.host.as_slice().into(), scan.into());
        let until_us = self.wait(LATE_US);
        if let Some(said) = said {
            self.asides.put(Aside { topic: topic.clone(), until_us, ..said });
        }
        let is_put = self.put_aside(topic.clone(), LATE_US);
        if !is_put {
            self.asides.take(&topic);
        }
        is_put
    }

    /// Takes in a refusal that waited.
    pub(super) fn told_refusal(&mut self, lines: &[Aside], finding: Option<Finding>) {
        let Some((last, before)) = lines.split_last() else { return };
        last.line.read(|line: &Line<'_>| {
            let mut step = self.at(line);
            match &line.record.body {
                Body::Postfix(Entry::Verdict(verdict)) => step.judged(verdict),
                Body::Postfix(Entry::ProxyAnswer(answer)) => {
                    let mut client = step.client_behind(answer, before.last());
                    client.finding = finding.map(Box::new);
                    step.refuse_answered(&client, answer);
                }
                _ => {}
            }
        });
    }
}

//! What an smtpd process says of a message before it has a queue ID: access actions, and the client
//! of a before-queue filter.
//!
//! smtpd serves one client at a time, so what it says belongs to the next message that the same
//! process opens. A before-queue filter hands the message back over loopback: only the process that
//! talks to the client knows who sent it, and its `proxy-accept` line, which comes last, names the
//! queue ID.

use mailherald_parsers::{
    Body, LogRecord,
    postfix::{
        Action, Client, Entry, FilterOutcome, Peer, ProxyAnswer, QueueId, Verdict, response,
    },
};

use super::{
    Link, Step,
    aside::{Aside, Topic},
    emit::bounded,
    hold::Held,
    lineage::{Kin, Lineage},
    message::{Message, Origin},
    refusal::Refusal,
};
use crate::parse::Line;

/// The queue file of an accepted recipient is opened at once; log lines may swap places.
const ACCESS_US: i64 = 10 * 1_000_000;

/// A large message on a slow line takes its time (`smtpd_timeout` is for each packet of it).
const PROXIED_US: i64 = 3_600 * 1_000_000;

impl Step<'_> {
    /// An access table said something about the message that comes next. True when it waits for
    /// that message: of all actions only `DISCARD` ends it, and `HOLD` may be all that names whose a
    /// message is that an operator deletes.
    pub(crate) fn foretells(&mut self, verdict: &Verdict<'_>) -> bool {
        let Some(pid) = self.line.record.process.pid else { return false };
        let topic = Topic::Access(self.system.host.as_slice().into(), pid);
        let is_of_message = matches!(verdict.action, Action::Discard | Action::Hold);
        let waits = is_of_message && verdict.queue_id.is_none();
        waits && self.put_aside(topic, ACCESS_US)
    }

    /// The process that logs this line opened a message of `peer`: what it said before of that client
    /// is about it.
    pub(crate) fn foretold(&mut self, peer: Peer<'_>, queue_id: Option<QueueId<'_>>) {
        let Some(pid) = self.line.record.process.pid.filter(|_| !self.asides.is_empty()) else {
            return;
        };
        let topic = Topic::Access(self.system.host.as_slice().into(), pid);
        for aside in self.asides.take(&topic) {
            let queue_id = queue_id.filter(|_| is_about(&aside, peer));
            self.told(&aside, queue_id);
        }
    }

    /// Takes in what was put aside: about `queue_id`, or about a message that never got one.
    pub(crate) fn told(&mut self, aside: &Aside, queue_id: Option<QueueId<'_>>) {
        aside.line.read(|line| {
            if let Body::Postfix(Entry::Verdict(verdict)) = &line.record.body {
                let mut step = self.at(line);
                step.judged(&Verdict { queue_id, ..*verdict });
            }
        });
    }

    /// A client whose message goes to a before-queue filter.
    pub(crate) fn proxied(&mut self) {
        let Some(topic) = self.proxied_topic() else { return };
        self.asides.take(&topic);
        self.put_aside(topic, PROXIED_US);
    }

    /// The before-queue filter took the message, or refused it.
    pub(crate) fn proxy_answer(&mut self, answer: &ProxyAnswer<'_>) {
        let asides = self.proxied_topic().map(|topic| self.asides.take(&topic));
        let said = asides.into_iter().flatten().next_back();
        let client = self.client_behind(answer, said.as_ref());
        match answer.queued_as.filter(|_| answer.accepted) {
            Some(queue_id) => self.links.push(Link {
                queue_id: queue_id.as_str().into(),
                kin: Kin::Client(Lineage::of(&client)),
            }),
            None if answer.accepted && !is_swallowed(answer) => {}
            None => {
                self.refused_behind(answer);
                self.refuse_proxied(client, answer, said);
            }
        }
    }

    /// The client that a before-queue filter's answer goes to, of which `said` is the line.
    pub(crate) fn client_behind(&self, answer: &ProxyAnswer<'_>, said: Option<&Aside>) -> Message {
        let uid = self.system.uid_of_refusal(self.line);
        let mut client = Message { uid, origin: Origin::Network, ..Message::default() };
        if let Some(aside) = said {
            aside.line.read(|line| self.read_client(line.record, &mut client));
        }
        if client.user.is_none() {
            client.user = answer.sasl_username.map(|user| bounded(user, &mut client.lossy));
        }
        client
    }

    /// A before-queue filter refused what `client` sent.
    pub(crate) fn refuse_answered(&mut self, client: &Message, answer: &ProxyAnswer<'_>) {
        self.refuse_as(client, &refusal(answer));
    }

    /// What came over loopback while a before-queue filter is at work may come from it: its lines
    /// wait for the process that knows the client.
    pub(crate) fn hold_for_proxy(&mut self, message: &Message, wait_us: i64) -> Option<Held> {
        let may_be = self.asides.has_proxied(&self.system.host);
        may_be.then(|| self.may_belong_to(Lineage::of(message), wait_us))
    }

    fn proxied_topic(&self) -> Option<Topic> {
        let pid = self.line.record.process.pid?;
        Some(Topic::Proxied(self.system.host.as_slice().into(), pid))
    }

    fn read_client(&self, record: &LogRecord<'_>, message: &mut Message) {
        if let Body::Postfix(Entry::Client(client)) = &record.body {
            self.note_client(client, record.process.tag, message);
        }
    }

    /// Who the client is, by its `client=` line.
    pub(crate) fn note_client(&self, client: &Client<'_>, tag: &[u8], message: &mut Message) {
        let mut lossy = false;
        message.user = client.sasl_username.map(|user| bounded(user, &mut lossy));
        message.submitted = self.direction.is_submission(tag)
            || (client.sasl_method.is_some() && message.user.is_none());
        message.service = self.service_in(tag);
        message.lossy |= lossy;
        message.note_peer(client.peer);
    }

    pub(crate) fn put_aside(&mut self, topic: Topic, wait_us: i64) -> bool {
        // The configuration may know the instance by another name than the tag.
        let instance = (*self.system.instance).into();
        let until_us = self.wait(wait_us);
        self.asides.put(Aside { instance, ..Aside::new(topic, self.line, until_us) })
    }

    /// This step, for another line.
    pub(crate) fn at<'a>(&'a mut self, line: &'a Line<'a>) -> Step<'a> {
        Step {
            line,
            horizon_us: self.horizon_us,
            system: self.system,
            direction: self.direction,
            sending: self.sending,
            directory: self.directory,
            asides: self.asides,
            known: self.known,
            links: self.links,
            events: self.events,
        }
    }
}

/// Was that said of this client? The process may have gone on to another.
fn is_about(aside: &Aside, peer: Peer<'_>) -> bool {
    let mut is_it = false;
    aside.line.read(|line| {
        if let Body::Postfix(Entry::Verdict(verdict)) = &line.record.body {
            is_it = verdict.peer.address == peer.address;
        }
    });
    is_it
}

/// Did the filter say `250`, and throw the message away or return it to the sender by itself?
fn is_swallowed(answer: &ProxyAnswer<'_>) -> bool {
    matches!(outcome(answer), Some(FilterOutcome::Discarded | FilterOutcome::Bounced))
}

fn outcome(answer: &ProxyAnswer<'_>) -> Option<FilterOutcome> {
    response(answer.text).filter.map(|filter| filter.outcome)
}

fn refusal<'a>(answer: &ProxyAnswer<'a>) -> Refusal<'a> {
    // The answer may imitate the list behind it.
    let is_sure = |_: &&[u8]| !answer.ambiguous;
    Refusal {
        sender: answer.sender.filter(is_sure),
        recipient: answer.recipient.filter(is_sure),
        helo: answer.helo.filter(is_sure),
        stage: answer.stage,
        text: answer.text,
        codes: answer.codes,
        discarded: answer.accepted && outcome(answer) != Some(FilterOutcome::Bounced),
        words: Some(answer.text),
        ..Refusal::default()
    }
}

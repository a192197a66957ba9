//! What becomes of an item of the queue, line by line.
//!
//! Of a failed delivery Haraka logs each recipient's answer first and the outcome after it, and only
//! the outcome counts: with a server that lets go of us everything begins anew with the next one.
//! Below the level `INFO` there is no outcome; then the answer is all there is, and stands after a
//! while.

use mailherald_parsers::haraka::{Cause, Deferred, Delivered, Entry, Reason, Refused, Text};
use smol_str::SmolStr;

use super::{
    Name, Step,
    ending::Ending,
    scene::{Scene, field, known, words},
    story::{Answer, Recipient, Transaction},
};

/// The outcome follows the answers at once, but for a disk that is slow.
const OUTCOME_US: i64 = 30 * 1_000_000;

impl Step<'_> {
    /// A line about an item.
    pub(super) fn outbound(&mut self, name: Name, item: u32, entry: &Entry<'_>) {
        self.meet(name);
        match entry {
            Entry::Route(domain) => self.route_item(name, item, *domain),
            Entry::Unreached(why) => self.unreached(name, item, *why),
            Entry::Refused(refused) => self.refused(name, item, refused),
            Entry::Delivered(delivered) => self.delivered(name, item, delivered),
            Entry::Deferred(deferred) => self.deferred(name, item, deferred),
            Entry::Bounced(reason) => self.bounced(name, item, *reason),
            Entry::Deleted => self.end_attempt(name, item, |_, _, _| Ending::Deleted, None),
            _ => {}
        }
    }

    /// The transaction of an item; its beginning is missing if it is not known.
    pub(super) fn meet(&mut self, name: Name) {
        let (uid, seen_us) = (self.stories.teller.uid(name), self.clock_us());
        let is_split = self.stories.is_splitting;
        let new = || Transaction { uid, is_settled: true, is_split, ..Transaction::default() };
        let story = self.stories.transactions.get_or(name, new);
        story.seen_us = story.seen_us.max(seen_us);
    }

    fn route_item(&mut self, name: Name, item: u32, domain: Text<'_>) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let domain = field(domain, &mut story.is_lossy).to_lowercase().into();
        story.set_domain(item, domain);
        self.look_for_split(name, item);
    }

    /// There is an item for each recipient when there are more items than domains.
    fn look_for_split(&mut self, name: Name, item: u32) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let place = usize::try_from(item).unwrap_or(usize::MAX);
        let is_beyond = story.is_begun && place > 1 && place > story.domains().len();
        if !story.is_split && is_beyond && story.accepted().count() >= place {
            story.is_split = true;
            self.stories.is_splitting = true;
        }
    }

    /// The next server is tried, with all recipients.
    fn unreached(&mut self, name: Name, item: u32, why: Text<'_>) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let cause = known(why, &mut story.is_lossy);
        if let Some(item) = story.item_mut(item) {
            item.cause = cause;
        }
        for recipient in story.answers_of(item) {
            recipient.answer = None;
        }
    }

    fn refused(&mut self, name: Name, item: u32, refused: &Refused<'_>) {
        let line = self.stories.teller.keep(self.line);
        let (mut scene, transactions) = self.scene();
        let Some(story) = transactions.get_mut(name) else { return };
        let index = story.recipient(refused.address, item);
        scene.end_unconcluded(name, story, index);
        let reply = words(refused.reply, &mut story.is_lossy);
        let is_news = |it: &&mut Recipient| it.is_open_to(line.at_us, !refused.is_final);
        if let Some(recipient) = story.recipients.get_mut(index).filter(is_news) {
            let (is_final, is_doubtful) = (refused.is_final, false);
            recipient.answer = Some(Box::new(Answer { item, reply, is_final, is_doubtful, line }));
        }
        self.wait(name, OUTCOME_US);
    }

    fn delivered(&mut self, name: Name, item: u32, delivered: &Delivered<'_>) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let domain = field(delivered.domain, &mut story.is_lossy).to_lowercase().into();
        story.set_domain(item, domain);
        self.look_for_split(name, item);
        self.look_for_lone(name, item, delivered);
        let (mut scene, transactions) = self.scene();
        if let Some(story) = transactions.get_mut(name) {
            scene.end_earlier(name, story, item, delivered);
            story.doubt_answers(item, delivered);
        }
        let ending = |story: &mut Transaction, item, _: &Scene<'_>| {
            Ending::delivered(story, item, delivered)
        };
        self.end_attempt(name, item, ending, None);
    }

    /// An item of one recipient where there should be several: each has its own.
    fn look_for_lone(&mut self, name: Name, item: u32, delivered: &Delivered<'_>) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let counts = delivered.recipients;
        let tried = counts.accepted + counts.deferred + counts.refused;
        let place = usize::try_from(item).unwrap_or(usize::MAX);
        let is_lone = tried == 1 && delivered.failures == 0 && !story.is_split;
        let has_place = story.accepted().nth(place.saturating_sub(1)).is_some();
        if story.is_begun && is_lone && has_place && story.pending(item).len() > 1 {
            story.is_split = true;
            self.stories.is_splitting = true;
        }
    }

    fn deferred(&mut self, name: Name, item: u32, deferred: &Deferred<'_>) {
        let named: Vec<_> = deferred.reason.recipients().collect();
        let ending =
            |story: &mut Transaction, item, _: &Scene<'_>| Ending::deferred(story, item, deferred);
        self.end_attempt(name, item, ending, names_recipients(deferred.reason).then_some(named));
    }

    fn bounced(&mut self, name: Name, item: u32, reason: Reason<'_>) {
        let named: Vec<_> = reason.recipients().collect();
        let ending =
            |story: &mut Transaction, item, _: &Scene<'_>| Ending::bounced(story, item, reason);
        self.end_attempt(name, item, ending, names_recipients(reason).then_some(named));
    }

    /// An attempt has ended: for the recipients that the line names, or all that are left.
    fn end_attempt(
        &mut self,
        name: Name,
        item: u32,
        ending: impl FnOnce(&mut Transaction, u32, &Scene<'_>) -> Ending,
        named: Option<Vec<Text<'_>>>,
    ) {
        let line = self.stories.teller.keep(self.line);
        let (mut scene, transactions) = self.scene();
        let Some(story) = transactions.get_mut(name) else { return };
        let ending = ending(story, item, &scene);
        let about: Vec<usize> = match named {
            Some(named) => {
                named.into_iter().map(|address| story.recipient(address, item)).collect()
            }
            None => story.untouched(item, &ending),
        };
        scene.end_attempt(name, story, item, &ending, &about, &line);
        if story.answers().next().is_none() && story.refusals.is_empty() {
            self.stories.stop_waiting(name);
        }
        self.stories.close_finished(name, self.clock_us());
    }
}

impl Scene<'_> {
    /// Ends the attempts of before whose outcomes were not logged: of all answers for the item the
    /// last ones are of the attempt that this line ends, as many as it counts.
    fn end_earlier(
        &mut self,
        name: Name,
        story: &mut Transaction,
        item: u32,
        delivered: &Delivered<'_>,
    ) {
        let counts = delivered.recipients;
        let own = usize::try_from(counts.deferred + counts.refused).unwrap_or(usize::MAX);
        let is_it = |answer: &Answer| answer.item == item;
        let mut answers: Vec<(i64, usize)> = (0_usize..)
            .zip(&story.recipients)
            .filter_map(|(index, it)| Some((index, it.answer.as_deref().filter(|it| is_it(it))?)))
            .map(|(index, answer)| (answer.line.at_us, index))
            .collect();
        answers.sort_unstable();
        let earlier = answers.len().saturating_sub(own);
        for (_, index) in answers.into_iter().take(earlier) {
            self.end_unconcluded(name, story, index);
        }
    }

    /// The line that would tell more has not come.
    pub(super) fn stop_waiting(&mut self, name: Name, story: &mut Transaction) {
        story.waits_until_us = None;
        self.tell_refusals(name, story, None);
        let answered: Vec<_> = (0..story.recipients.len())
            .filter(|index| story.recipients.get(*index).is_some_and(|it| it.answer.is_some()))
            .collect();
        for index in answered {
            self.end_unconcluded(name, story, index);
        }
    }
}

impl Transaction {
    fn set_domain(&mut self, item: u32, domain: SmolStr) {
        if let Some(item) = self.item_mut(item) {
            item.domain = Some(domain).filter(|domain| !domain.is_empty());
        }
    }

    /// The place of a recipient, who is a new one if the beginning is missing.
    fn recipient(&mut self, address: Text<'_>, item: u32) -> usize {
        let address = field(address, &mut self.is_lossy);
        self.find(&address).unwrap_or_else(|| {
            let (is_announced, item) = (true, Some(item));
            self.recipients.push(Recipient { address, is_announced, item, ..Recipient::default() });
            self.recipients.len() - 1
        })
    }

    /// Recipients whose answers wait for an outcome.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(|recipient| recipient.answer.is_some())
    }

    fn answers_of(&mut self, item: u32) -> impl Iterator<Item = &mut Recipient> {
        self.recipients
            .iter_mut()
            .filter(move |it| it.answer.as_ref().is_some_and(|answer| answer.item == item))
    }

    /// Haraka charges the answers of an LMTP server to the wrong recipients where they differ
    /// (`outbound/hmail.js`, `dot_lmtp`).
    fn doubt_answers(&mut self, item: u32, delivered: &Delivered<'_>) {
        let is_doubtful = is_doubtful(delivered);
        for answer in self.answers_of(item).filter_map(|it| it.answer.as_mut()) {
            answer.is_doubtful |= is_doubtful;
        }
    }

    /// The recipients that an outcome without names is about.
    fn untouched(&self, item: u32, ending: &Ending) -> Vec<usize> {
        let is_told = |it: &Recipient| !it.told_us.is_empty();
        // The plugin may have told a later end.
        if ending.is_deferral() && self.recipients.iter().any(is_told) {
            return self.members(item);
        }
        let mut left = self.pending(item);
        if ending.is_delivery() {
            left.retain(|index| self.recipients.get(*index).is_some_and(|it| it.answer.is_none()));
        }
        left
    }
}

/// May the answers be about other recipients of the item?
pub(super) fn is_doubtful(delivered: &Delivered<'_>) -> bool {
    delivered.is_lmtp && (delivered.recipients.deferred > 0 || delivered.recipients.refused > 0)
}

fn names_recipients(reason: Reason<'_>) -> bool {
    reason.cause == Cause::Recipients
}

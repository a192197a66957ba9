//! What was said about a message as a whole: filters, the judgement, and where it went.

use mailherald_parsers::haraka::{Code, Content, Hook, HookName, Message, Scan, Text, Verdict};
use smol_str::SmolStr;

use super::{
    Name, Step,
    scene::{field, known, words},
    story::{Finding, Handover, Objection, Queued, Refusal, Stage},
};

/// How the core says that a message is in its own queue.
const QUEUED: &str = "Message Queued";

impl Step<'_> {
    /// What a filter found. Whether it refuses is said by the judgement.
    pub(super) fn scan(&mut self, name: Name, scan: &Scan<'_>) {
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        let finding = finding(scan, &mut story.is_lossy);
        match finding {
            Some(found) if found.is_virus => story.findings.virus = Some(found),
            // The first one counts, as it is the one that acts.
            Some(found) => drop(story.findings.spam.get_or_insert(found)),
            None => {}
        }
    }

    /// The content was judged; only here the Message-ID is told.
    pub(super) fn message(&mut self, connection: Name, name: Name, message: &Message<'_>) {
        let line = self.stories.teller.keep(self.line);
        if let Some(client) = self.stories.connections.get_mut(connection) {
            client.accepted = client.accepted.saturating_add(message.recipients.accepted);
        }
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        story.message_id = known(message.message_id, &mut story.is_lossy);
        story.size = message.size;
        story.is_judged = true;
        story.set_counts(message.recipients);
        let refusal = story.refusal_of_content(&message.verdict, line);
        self.settle(name, None);
        if let Some(refusal) = refusal {
            self.refuse(name, refusal);
        }
    }

    /// The core refused the content by itself.
    pub(super) fn content(&mut self, name: Name, content: Content) {
        let line = self.stories.teller.keep(self.line);
        let (code, text) = match content {
            Content::TooBig => (550, "Message too big!"),
            Content::BareLineFeed => (451, "Bare line-feed; see https://haraka.github.io/barelf/"),
            Content::TooManyParts => (554, "Transaction failed due to too many MIME parts"),
            Content::Loop => (550, "Too many received headers - possible mail loop"),
        };
        let Some(story) = self.stories.transactions.get_mut(name).filter(|it| !it.is_judged) else {
            return;
        };
        story.is_judged = true;
        let (stage, recipient, plugin, finding) = (Stage::Content, None, None, None);
        let text = SmolStr::new_static(text);
        let refusal =
            Refusal { stage, recipient, code, text, plugin, finding, occurrence: 0, line };
        self.refuse(name, refusal);
    }

    /// A plugin took the message, or refused it. Which of the two hooks it was tells whether the
    /// client could send anywhere.
    pub(super) fn queue_plugin(
        &mut self,
        connection: Name,
        name: Name,
        hook: &Hook<'_>,
        objection: Option<Objection>,
    ) {
        let mut is_lossy = false;
        let plugin = field(hook.plugin, &mut is_lossy);
        let story = self.transaction(connection, name);
        story.is_relayed = Some(hook.name == HookName::QueueOutbound);
        if hook.verdict.code == Code::Ok {
            story.handover = Some(handover(&plugin, hook.verdict.text));
        }
        if objection.is_some() {
            story.objection = objection;
        }
    }

    /// The message was queued, or refused at the last moment. `CONT` is either the forerunner of
    /// relayed mail, or nobody took it.
    pub(super) fn queue(&mut self, name: Name, queued: &Verdict<'_>) {
        let line = self.stories.teller.keep(self.line);
        let Some(story) = self.stories.transactions.get_mut(name) else { return };
        if queued.code == Code::Cont && queued.text.raw().starts_with(QUEUED.as_bytes()) {
            story.is_relayed = Some(true);
            story.handover = Some(Handover::Queued);
            return;
        }
        if queued.code != Code::Ok {
            let verdict = Verdict {
                code: if queued.code == Code::Cont { Code::DenySoft } else { queued.code },
                ..*queued
            };
            if let Some(mut refusal) = story.refusal_of_content(&verdict, line) {
                refusal.code = if queued.code == Code::Cont { 451 } else { refusal.code };
                self.refuse(name, refusal);
            }
            return;
        }
        let reply = without_names(&words(queued.text, &mut story.is_lossy), name);
        story.handover = story.handover.or_else(|| handover_of_reply(&reply));
        // What is relayed has had its forerunner.
        story.is_relayed = story.is_relayed.or(Some(false));
        story.queued.get_or_insert(Queued { line, reply });
        self.settle(name, None);
        self.announce(name);
    }
}

/// A plugin's words for a message that goes on, and what it does with it.
fn handover(plugin: &str, text: Text<'_>) -> Handover {
    match plugin.rsplit('/').next() {
        _ if text.raw().starts_with(QUEUED.as_bytes()) => Handover::Queued,
        Some("discard" | "quarantine") => Handover::Dropped,
        _ => Handover::Forwarded,
    }
}

/// Where no plugin is named: the next server's reply, without its code, begins with an enhanced one.
fn handover_of_reply(reply: &str) -> Option<Handover> {
    if reply.starts_with(QUEUED) {
        return Some(Handover::Queued);
    }
    let is_reply = mailherald_parsers::status::reply_codes(reply.as_bytes()).dsn.is_some();
    is_reply.then_some(Handover::Forwarded)
}

/// A reply without the names of the transaction that the core puts behind it, once or twice.
pub(super) fn without_names(reply: &str, name: Name) -> SmolStr {
    let end = format!(" ({name})");
    let mut reply = reply;
    while let Some(rest) = reply.strip_suffix(&end) {
        reply = rest;
    }
    reply.into()
}

fn finding(scan: &Scan<'_>, is_lossy: &mut bool) -> Option<Finding> {
    let spam = |engine, score, rules| {
        Some(Finding { is_virus: false, engine: SmolStr::new_static(engine), score, rules })
    };
    match *scan {
        Scan::Rspamd { action, score } => {
            let is_spam = matches!(
                action.raw(),
                b"add header" | b"rewrite subject" | b"soft reject" | b"reject"
            );
            is_spam.then(|| spam("rspamd", score, None)).flatten()
        }
        Scan::SpamAssassin { is_spam, score, rules } if is_spam => {
            spam("spamassassin", score, known(rules, is_lossy))
        }
        Scan::SpamAssassin { .. } => None,
        Scan::Virus { name } => Some(Finding {
            is_virus: true,
            engine: SmolStr::new_static("clamd"),
            score: None,
            rules: known(name, is_lossy),
        }),
    }
}

//! What was refused in the dialogue with a client: one event for each recipient it was about.
//!
//! A plugin's verdict alone is no proof, because another plugin may override it; the line that says
//! what was answered is, and of a refused greeting or `DATA`, which have none, the end of the
//! connection.

use mailherald_parsers::haraka::{Answered, Disconnect, Verdict};
use mailherald_parsers::status::reply_codes;
use smol_str::{SmolStr, format_smolstr};

use super::super::{
    delivery::by_class,
    emit::dsn_text,
    message::{Class, KeptLine},
};
use super::{
    Name,
    scene::{Fact, Scene, message_data, words},
    settle::Names,
    story::{Connection, Finding, Objection, Refusal, Stage, Transaction},
};
use crate::event::{EventData, EventType as T};

/// Refusals that wait in one dialogue; a client that goes on is a machine, and the others are not
/// told.
const MOST: usize = 1000;

impl Scene<'_> {
    /// Tells what was refused in a transaction. The last refusal of the connection knows its code.
    pub(super) fn tell_refusals(
        &mut self,
        name: Name,
        story: &mut Transaction,
        names: Option<&Names>,
    ) {
        for refusal in std::mem::take(&mut story.refusals) {
            let class = self.class(story, false);
            let refusal = with_code(refusal, name, names);
            for to in recipients_of(&refusal, story) {
                let mut data = message_data(name, story, class);
                data.helo.clone_from(&story.helo);
                let kind = refusal.fill(class, &mut data);
                let what = format_smolstr!("{name} refused {}", refusal.stage.name());
                let fact =
                    Fact { what: &what, occurrence: refusal.occurrence, line: &refusal.line };
                self.tell(&fact, kind, &to, data);
            }
        }
    }

    /// Tells what was refused outside of any transaction.
    pub(super) fn tell_refusals_of_client(
        &mut self,
        name: Name,
        client: &mut Connection,
        names: Option<&Names>,
    ) {
        let refusals = std::mem::take(&mut client.refusals);
        let mut story = client.as_transaction(self.teller.uid(name), names);
        story.refusals = refusals;
        self.tell_refusals(name, &mut story, names);
    }

    /// What the end of a connection says about its client.
    pub(super) fn tell_end_of_client(
        &mut self,
        name: Name,
        client: &mut Connection,
        end: &Disconnect<'_>,
        names: &Names,
        line: &KeptLine,
    ) {
        if let Some(objection) = client.objection.take() {
            client.push_refusal(Refusal::of_objection(objection));
        } else if let Some(refusal) = refused_greeting(client, end, names, line) {
            client.push_refusal(refusal);
        }
        let mut story = client.as_transaction(self.teller.uid(name), Some(names));
        story.is_relayed = Some(end.is_relaying);
        story.refusals = std::mem::take(&mut client.refusals);
        self.tell_refusals(name, &mut story, Some(names));
    }
}

/// A refusal that no line of its own tells, as of a client that never began a transaction where no
/// plugin's verdict is logged: what the last refusal says, which can be nothing else.
fn refused_greeting(
    client: &Connection,
    end: &Disconnect<'_>,
    names: &Names,
    line: &KeptLine,
) -> Option<Refusal> {
    let is_first = end.transactions == 0 && client.refusals.is_empty();
    let reply = names.last_refusal.as_str();
    let code = reply_codes(reply.as_bytes()).code.filter(|_| !client.is_past)?;
    let stage = match (code, reply) {
        // Before 3.3.1 there is no line of its own for some of these.
        (501, "501 Invalid RCPT TO address") => Stage::Rcpt,
        (501, "501 Invalid MAIL FROM address") => Stage::Mail,
        _ if !is_first => return None,
        (421, "421 timeout" | "421 PROXY timeout" | "421 Internal Server Error") => return None,
        (550, "550 Authentication required" | "550 Message too big!") => Stage::Mail,
        (554 | 421, _) => Stage::Connect,
        (550 | 450, _) if names.helo.is_none() => Stage::Helo,
        _ => return None,
    };
    let text = reply.get(4..).unwrap_or_default().into();
    let line = line.clone();
    let (recipient, plugin, finding, occurrence) = (None, None, None, 0);
    Some(Refusal { stage, recipient, code, text, plugin, finding, occurrence, line })
}

/// Whom it is about: the one that is named, or all that were accepted, or nobody.
fn recipients_of(refusal: &Refusal, story: &Transaction) -> Vec<SmolStr> {
    if let Some(to) = &refusal.recipient {
        return vec![to.clone()];
    }
    let mut all: Vec<_> = story.accepted().map(|(_, it)| it.address.clone()).collect();
    if all.is_empty() || refusal.stage == Stage::Mail {
        all = vec![SmolStr::default()];
    }
    all
}

/// With the code of the reply, where the last refusal of the connection is this one.
fn with_code(mut refusal: Refusal, name: Name, names: Option<&Names>) -> Refusal {
    let Some(names) = names else { return refusal };
    let reply = names.last_refusal.as_str();
    let said = format!("{} ({name})", refusal.text);
    let is_it = reply.get(4..).is_some_and(|words| words == refusal.text || words == said);
    if let Some(code) = reply_codes(reply.as_bytes()).code.filter(|_| is_it) {
        refusal.code = code;
    }
    refusal
}

impl Refusal {
    fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    fn of_objection(objection: Objection) -> Self {
        let Objection { stage, plugin, text, is_temporary, line } = objection;
        let code = stage.code(is_temporary);
        let text = if text.is_empty() { default_words(stage, is_temporary) } else { text };
        let (recipient, plugin, finding, occurrence) = (None, Some(plugin), None, 0);
        Self { stage, recipient, code, text, plugin, finding, occurrence, line }
    }

    /// Fills in what it says, and gives the type of the event.
    fn fill(&self, class: Class, data: &mut EventData) -> T {
        let response = format_smolstr!("{} {}", self.code, self.text);
        let codes = reply_codes(response.as_bytes());
        data.stage = Some(SmolStr::new_static(self.stage.name()));
        data.smtp_code = Some(self.code);
        data.dsn = codes.dsn.map(dsn_text);
        data.response = Some(response);
        data.temporary = self.is_temporary();
        data.engine.clone_from(&self.plugin);
        match &self.finding {
            Some(finding) => finding.set(class, "rejected", data),
            None => by_class(class, T::OutboundDropped, T::InboundBlocked),
        }
    }
}

impl Finding {
    /// Fills in what was found and done, and gives the type of the event.
    pub(super) fn set(&self, class: Class, action: &'static str, data: &mut EventData) -> T {
        data.score = self.score;
        data.rules.clone_from(&self.rules);
        data.engine = Some(self.engine.clone());
        data.action = Some(SmolStr::new_static(action));
        match self.is_virus {
            true => by_class(class, T::OutboundVirus, T::InboundVirus),
            false => by_class(class, T::OutboundSpam, T::InboundSpam),
        }
    }
}

impl Connection {
    /// Notes a refusal that waits for the end.
    pub(super) fn push_refusal(&mut self, refusal: Refusal) {
        push(&mut self.refusals, refusal);
    }

    /// What a message of this client would be like.
    fn as_transaction(&self, uid: crate::event::MessageUid, names: Option<&Names>) -> Transaction {
        Transaction {
            uid,
            is_begun: true,
            user: self.user.clone(),
            ip: names.map_or_else(|| self.ip.clone(), |names| names.ip.clone()),
            client_name: names.and_then(|names| names.client_name.clone()),
            helo: names.and_then(|names| names.helo.clone()),
            ..Transaction::default()
        }
    }
}

impl Transaction {
    /// Notes a refusal that waits for the end of the connection.
    pub(super) fn push_refusal(&mut self, refusal: Refusal) {
        push(&mut self.refusals, refusal);
    }

    /// A command that was refused.
    pub(super) fn refusal(
        &mut self,
        stage: Stage,
        answered: &Answered<'_>,
        line: KeptLine,
    ) -> Refusal {
        let is_temporary = answered.verdict.code.is_temporary();
        let mut text = words(answered.verdict.text, &mut self.is_lossy);
        if text.is_empty() {
            let address = words(answered.address, &mut self.is_lossy);
            let command = if stage == Stage::Mail { "sender" } else { "recipient" };
            text = format_smolstr!("{command} <{address}> denied");
        }
        Refusal {
            stage,
            recipient: None,
            code: stage.code(is_temporary),
            text,
            plugin: self.take_objector(stage),
            finding: None,
            occurrence: 0,
            line,
        }
    }

    /// The content was refused, if the verdict says so.
    pub(super) fn refusal_of_content(
        &mut self,
        verdict: &Verdict<'_>,
        line: KeptLine,
    ) -> Option<Refusal> {
        let (stage, is_temporary) = (Stage::Content, verdict.code.is_temporary());
        if !verdict.code.is_denial() {
            return None;
        }
        let text = words(verdict.text, &mut self.is_lossy);
        let text = without_names(text);
        let text = if text.is_empty() { default_words(stage, is_temporary) } else { text };
        let plugin = self.take_objector(stage);
        let finding = self.finding_behind(plugin.as_deref(), &text);
        let (recipient, code, occurrence) = (None, stage.code(is_temporary), 0);
        Some(Refusal { stage, recipient, code, text, plugin, finding, occurrence, line })
    }

    /// `DATA` was refused: only a plugin's verdict says so, or the last refusal of a connection
    /// whose plugins' verdicts are not logged.
    pub(super) fn refuse_data(
        &mut self,
        client: &Connection,
        end: &Disconnect<'_>,
        names: &Names,
        line: KeptLine,
    ) {
        let has_recipients = self.accepted().next().is_some();
        if self.is_judged || self.queued.is_some() || !has_recipients {
            return;
        }
        if let Some(objection) = self.objection.take_if(|it| it.stage == Stage::Data) {
            return self.push_refusal(Refusal::of_objection(objection));
        }
        let code = reply_codes(names.last_refusal.as_bytes()).code;
        let is_only = end.transactions == 1 && self.refusals.is_empty() && !client.has_hooks;
        if let Some(code @ (554 | 451)) = code.filter(|_| is_only) {
            let text = names.last_refusal.get(4..).unwrap_or_default().into();
            let stage = Stage::Data;
            let (recipient, plugin, finding, occurrence) = (None, None, None, 0);
            let refusal =
                Refusal { stage, recipient, code, text, plugin, finding, occurrence, line };
            self.push_refusal(refusal);
        }
    }

    /// The plugin whose verdict came before.
    fn take_objector(&mut self, stage: Stage) -> Option<SmolStr> {
        self.objection.take_if(|objection| objection.stage == stage).map(|it| it.plugin)
    }

    /// What a filter found that refuses with these words; the plugin is named only where the level
    /// is `INFO`.
    fn finding_behind(&self, plugin: Option<&str>, text: &str) -> Option<Finding> {
        let infected = text.strip_prefix("Message is infected with ");
        let findings = &self.findings;
        let spam = |engine: &'static str| {
            let known = findings.spam.clone().filter(|found| found.engine == engine);
            known.unwrap_or_else(|| Finding::unseen(false, engine, None))
        };
        match plugin {
            Some("rspamd") => findings.spam.clone().filter(|found| found.engine == "rspamd"),
            Some("spamassassin") => Some(spam("spamassassin")),
            None if text.starts_with("spam score exceeded ") => Some(spam("spamassassin")),
            Some(_) | None if infected.is_some() => {
                let known = findings.virus.clone();
                Some(known.unwrap_or_else(|| Finding::unseen(true, "clamd", infected)))
            }
            _ => None,
        }
    }
}

impl Finding {
    fn unseen(is_virus: bool, engine: &'static str, rules: Option<&str>) -> Self {
        let (engine, rules) = (SmolStr::new_static(engine), rules.map(SmolStr::new));
        Self { is_virus, engine, score: None, rules }
    }
}

fn push(refusals: &mut Vec<Refusal>, mut refusal: Refusal) {
    let is_alike = |it: &&Refusal| it.stage == refusal.stage && it.recipient == refusal.recipient;
    let alike = refusals.iter().filter(is_alike).count();
    refusal.occurrence = u32::try_from(alike).unwrap_or(u32::MAX);
    if refusals.len() < MOST {
        refusals.push(refusal);
    }
}

/// Without the name of the transaction that the core puts behind it.
fn without_names(text: SmolStr) -> SmolStr {
    let is_name = |name: &str| Name::parse(name).is_some();
    match text.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((words, name)) if is_name(name) => words.into(),
        _ => text,
    }
}

/// What the core says when a plugin says nothing (`connection.js`).
fn default_words(stage: Stage, is_temporary: bool) -> SmolStr {
    SmolStr::new_static(match (stage, is_temporary) {
        (Stage::Connect, false) => "Your mail is not welcome here",
        (Stage::Connect, true) => "Come back later",
        (Stage::Helo, _) => "EHLO denied",
        (Stage::Content, true) => "Message denied temporarily",
        _ => "Message denied",
    })
}

//! The dialogue with a client: who it is, and what was answered to each command.

use mailherald_parsers::haraka::{
    Answered, BadAddress, Connect, Disconnect, Entry, Hook, HookName, Text,
};

use super::super::message::KeptLine;
use super::{
    Name, Step,
    scene::{field, known, words},
    settle::Names,
    story::{Connection, Objection, Recipient, Refusal, Stage, Transaction},
};

/// A client that was refused mostly leaves; some stay and try again. So long its refusals wait for
/// the line that tells whether it could send anywhere.
const DIALOGUE_US: i64 = 600 * 1_000_000;

impl Step<'_> {
    /// A line about a connection or transaction.
    pub(super) fn inbound(
        &mut self,
        connection: Name,
        transaction: Option<Name>,
        entry: &Entry<'_>,
    ) {
        if let Entry::Disconnect(end) = entry {
            return self.disconnect(connection, end);
        }
        self.seen(connection, transaction);
        match (entry, transaction) {
            (Entry::Connect(client) | Entry::Proxied(client), _) => self.client(connection, client),
            (Entry::AuthUser(user), _) if user.is_right => self.user(connection, user.user),
            (Entry::Hook(hook), _) => self.hook(connection, transaction, hook),
            (Entry::Overridden, _) => self.overridden(connection, transaction),
            (Entry::BadAddress(bad), _) => self.bad_address(connection, transaction, bad),
            (Entry::Sender(answered), Some(name)) => self.sender(connection, name, answered),
            (Entry::Recipient(answered), Some(name)) => self.recipient(connection, name, answered),
            (Entry::Message(message), Some(name)) => self.message(connection, name, message),
            (Entry::Queue(queued), Some(name)) => self.queue(name, queued),
            (Entry::Content(content), Some(name)) => self.content(name, *content),
            (Entry::Scan(scan), Some(name)) => self.scan(name, scan),
            _ => {}
        }
    }

    fn seen(&mut self, connection: Name, transaction: Option<Name>) {
        let seen_us = self.clock_us();
        let known = self.stories.connections.get_or(connection, Connection::default);
        known.seen_us = known.seen_us.max(seen_us);
        if let Some(transaction) = transaction
            && let Some(known) = self.stories.transactions.get_mut(transaction)
        {
            known.seen_us = known.seen_us.max(seen_us);
        }
    }

    fn client(&mut self, name: Name, client: &Connect<'_>) {
        let mut is_lossy = false;
        if let Some(story) = self.stories.connections.get_mut(name) {
            story.ip = known(client.ip, &mut is_lossy);
        }
    }

    fn user(&mut self, name: Name, user: Text<'_>) {
        let mut is_lossy = false;
        if let Some(story) = self.stories.connections.get_mut(name) {
            story.user = known(user, &mut is_lossy);
        }
    }

    /// `MAIL FROM` begins a transaction, also one that is refused.
    fn sender(&mut self, connection: Name, name: Name, answered: &Answered<'_>) {
        let line = self.stories.teller.keep(self.line);
        let story = self.transaction(connection, name);
        story.is_begun = true;
        story.sender = Some(field(answered.address, &mut story.is_lossy));
        if answered.verdict.code.is_denial() {
            let refusal = story.refusal(Stage::Mail, answered, line);
            self.refuse(name, refusal);
        }
    }

    fn recipient(&mut self, connection: Name, name: Name, answered: &Answered<'_>) {
        let line = self.stories.teller.keep(self.line);
        let story = self.transaction(connection, name);
        let is_vouched = std::mem::take(&mut story.is_vouched);
        let address = field(answered.address, &mut story.is_lossy);
        if answered.verdict.code.is_denial() {
            let refusal = story.refusal(Stage::Rcpt, answered, line);
            let refusal = Refusal { recipient: Some(address), ..refusal };
            return self.refuse(name, refusal);
        }
        story.answered_ok += 1;
        if story.find(&address).is_none() {
            let line = Some(Box::new(line));
            story.recipients.push(Recipient { address, is_vouched, line, ..Recipient::default() });
        }
    }

    /// The transaction, which begins in the middle if its first line is missing.
    pub(super) fn transaction(&mut self, connection: Name, name: Name) -> &mut Transaction {
        let (uid, seen_us) = (self.stories.teller.uid(name), self.clock_us());
        let client = self.stories.connections.get_or(connection, Connection::default);
        if !client.open.contains(&name.transaction()) {
            client.open.push(name.transaction());
        }
        let (ip, user) = (client.ip.clone(), client.user.clone());
        self.stories.transactions.get_or(name, || Transaction {
            uid,
            seen_us,
            user,
            ip,
            ..Transaction::default()
        })
    }

    /// A refusal waits for the end of the connection.
    pub(super) fn refuse(&mut self, name: Name, refusal: Refusal) {
        if let Some(story) = self.stories.transactions.get_mut(name) {
            story.push_refusal(refusal);
        }
        self.wait(name, DIALOGUE_US);
    }

    /// An address that breaks the syntax begins no transaction; the line of one in `MAIL FROM` still
    /// names the transaction before.
    fn bad_address(&mut self, connection: Name, transaction: Option<Name>, bad: &BadAddress<'_>) {
        let line = self.stories.teller.keep(self.line);
        let transactions = &self.stories.transactions;
        let in_dialogue = |name: &Name| {
            let is_it = |story: &Transaction| story.is_begun && !story.is_judged;
            transactions.get(*name).is_some_and(is_it)
        };
        let open = transaction.filter(in_dialogue).filter(|_| bad.command != Some("MAIL"));
        let mut is_lossy = false;
        let refusal = Refusal {
            stage: if open.is_some() { Stage::Rcpt } else { Stage::Mail },
            recipient: open.and(bad.address).map(|address| field(address, &mut is_lossy)),
            code: 501,
            text: words(bad.text, &mut is_lossy),
            plugin: None,
            finding: None,
            occurrence: 0,
            line,
        };
        match open {
            Some(name) => self.refuse(name, refusal),
            None => self.refuse_client(connection, refusal),
        }
    }

    /// What is known to be refused waits for the end of the connection, too.
    pub(super) fn wait_for_dialogue(&mut self, name: Name) {
        self.wait(name, DIALOGUE_US);
    }

    fn refuse_client(&mut self, name: Name, refusal: Refusal) {
        if let Some(story) = self.stories.connections.get_mut(name) {
            story.push_refusal(refusal);
        }
        self.wait(name, DIALOGUE_US);
    }

    /// The verdict of a plugin: it names who refuses, before the line that says what. Alone it
    /// proves nothing, because another plugin may override it.
    fn hook(&mut self, connection: Name, transaction: Option<Name>, hook: &Hook<'_>) {
        let line = self.stories.teller.keep(self.line);
        let objection = objection(hook, line);
        if let Some(client) = self.stories.connections.get_mut(connection) {
            client.has_hooks = true;
            let is_early = |it: &Objection| matches!(it.stage, Stage::Connect | Stage::Helo);
            if let Some(objection) = objection.clone().filter(is_early) {
                client.objection = Some(objection);
            }
        }
        let Some(name) = transaction else { return };
        if matches!(hook.name, HookName::Queue | HookName::QueueOutbound) {
            return self.queue_plugin(connection, name, hook, objection);
        }
        let story = self.transaction(connection, name);
        story.is_vouched = hook.name == HookName::Rcpt && objection.is_none();
        if objection.is_some() {
            story.objection = objection;
        }
    }

    fn overridden(&mut self, connection: Name, transaction: Option<Name>) {
        if let Some(story) = transaction.and_then(|name| self.stories.transactions.get_mut(name)) {
            story.objection = None;
        } else if let Some(story) = self.stories.connections.get_mut(connection) {
            story.objection = None;
        }
    }

    /// The end of a connection tells where it could send to, and with it which way its messages go.
    fn disconnect(&mut self, connection: Name, end: &Disconnect<'_>) {
        let line = self.stories.teller.keep(self.line);
        let mut client = match self.stories.connections.get_mut(connection) {
            Some(story) => std::mem::take(story),
            None => Connection { is_past: true, ..Connection::default() },
        };
        let names = Names::of(end, &mut client);
        self.settle_open(connection, &client, end, &names);
        for number in std::mem::take(&mut client.open) {
            self.end_transaction(connection.with_transaction(number), &client, end, &names);
        }
        let (mut scene, _) = self.scene();
        scene.tell_end_of_client(connection, &mut client, end, &names, &line);
        self.stories.stop_waiting(connection);
        self.stories.connections.close(connection, self.clock_us());
    }
}

fn objection(hook: &Hook<'_>, line: KeptLine) -> Option<Objection> {
    let stage = match hook.name {
        HookName::LookupRdns | HookName::Connect => Stage::Connect,
        HookName::Helo => Stage::Helo,
        HookName::Mail => Stage::Mail,
        HookName::Rcpt | HookName::RcptOk => Stage::Rcpt,
        HookName::Data => Stage::Data,
        HookName::DataPost | HookName::Queue | HookName::QueueOutbound => Stage::Content,
        // Nobody asks whether a plugin objects in any other.
        HookName::ConnectInit | HookName::Deny | HookName::Other => return None,
    };
    let mut is_lossy = false;
    hook.verdict.code.is_denial().then(|| Objection {
        stage,
        plugin: field(hook.plugin, &mut is_lossy),
        text: words(hook.verdict.text, &mut is_lossy),
        is_temporary: hook.verdict.code.is_temporary(),
        line,
    })
}

//! A record of Haraka as JSON.

use mailherald_parsers::{
    haraka::{
        Code, Content, Counts, Delivered, Disconnect, Entry, Hook, Message, Reason, Record, Scan,
        Text, Uuid, Verdict,
    },
    haraka_plugin,
};

use super::record::Fields;

/// The record, with `kind` telling what the line is.
pub(super) fn haraka_fields(record: &Record<'_>, fields: &mut Fields) {
    fields.set("uuid", record.uuid.as_str());
    fields.set("kind", kind(&record.entry));
    match &record.entry {
        Entry::Connect(client) | Entry::Proxied(client) => fields.set_text("ip", client.ip),
        Entry::Sender(answered) | Entry::Recipient(answered) => {
            fields.set_text("address", answered.address);
            verdict(&answered.verdict, fields);
        }
        Entry::BadAddress(bad) => {
            fields.set_some("command", bad.command);
            fields.set_text("address", bad.address.unwrap_or_default());
            fields.set_text("text", bad.text);
        }
        Entry::Message(message) => self::message(message, fields),
        Entry::Queue(queued) => verdict(queued, fields),
        Entry::Content(content) => fields.set("content", content_name(*content)),
        Entry::Disconnect(end) => disconnect(end, fields),
        Entry::Hook(hook) => self::hook(hook, fields),
        Entry::AuthUser(user) => {
            fields.set_text("user", user.user);
            fields.set("success", user.is_right);
        }
        Entry::Scan(found) => scan(found, fields),
        Entry::Route(domain) => fields.set_text("domain", *domain),
        Entry::Unreached(text) => fields.set_text("text", *text),
        Entry::Refused(refused) => {
            fields.set_text("address", refused.address);
            fields.set("final", refused.is_final);
            fields.set_text("reply", refused.reply);
        }
        Entry::Delivered(delivered) => self::delivered(delivered, fields),
        Entry::Deferred(deferred) => reason(&deferred.reason, fields),
        Entry::Bounced(why) => reason(why, fields),
        _ => {}
    }
}

/// A line of the plugin, which is JSON already: what it is and what it is about.
pub(super) fn haraka_plugin_fields(record: haraka_plugin::Record<'_>, fields: &mut Fields) {
    let members = record.members();
    fields.set_some("uuid", members.uuid.map(Uuid::as_str));
    fields.set("kind", format!("haraka_plugin_{}", record.kind.name()));
    let mut recipients = Vec::new();
    members.to.each(|to| recipients.push(String::from_utf8_lossy(&to.bytes()).into_owned()));
    if !recipients.is_empty() {
        fields.set("recipients", recipients);
    }
}

fn kind(entry: &Entry<'_>) -> &'static str {
    match entry {
        Entry::Connect(_) => "haraka_connect",
        Entry::Proxied(_) => "haraka_proxied",
        Entry::Sender(_) => "haraka_sender",
        Entry::Recipient(_) => "haraka_recipient",
        Entry::BadAddress(_) => "haraka_bad_address",
        Entry::Message(_) => "haraka_message",
        Entry::Queue(_) => "haraka_queue",
        Entry::Content(_) => "haraka_content",
        Entry::Disconnect(_) => "haraka_disconnect",
        Entry::Hook(_) => "haraka_hook",
        Entry::Overridden => "haraka_overridden",
        Entry::AuthFailed => "haraka_auth_failed",
        Entry::AuthUser(_) => "haraka_auth_user",
        Entry::Scan(_) => "haraka_scan",
        Entry::Route(_) => "haraka_route",
        Entry::Unreached(_) => "haraka_unreached",
        Entry::Refused(_) => "haraka_refused",
        Entry::Delivered(_) => "haraka_delivered",
        Entry::Deferred(_) => "haraka_deferred",
        Entry::Bounced(_) => "haraka_bounced",
        Entry::Deleted => "haraka_deleted",
        _ => "haraka",
    }
}

impl Fields {
    fn set_text(&mut self, name: &str, text: Text<'_>) {
        if !text.is_empty() {
            self.set_bytes(name, &text.bytes());
        }
    }

    fn set_counts(&mut self, name: &str, counts: Counts) {
        let Counts { accepted, deferred, refused } = counts;
        self.set(name, vec![accepted, deferred, refused]);
    }
}

fn verdict(verdict: &Verdict<'_>, fields: &mut Fields) {
    fields.set("code", code_name(verdict.code));
    fields.set_text("text", verdict.text);
}

fn message(message: &Message<'_>, fields: &mut Fields) {
    fields.set_text("message_id", message.message_id);
    fields.set_some("size", message.size);
    fields.set_counts("recipients", message.recipients);
    verdict(&message.verdict, fields);
}

fn disconnect(end: &Disconnect<'_>, fields: &mut Fields) {
    fields.set_text("ip", end.ip);
    fields.set_text("name", end.rdns);
    fields.set_text("helo", end.helo);
    fields.set("relaying", end.is_relaying);
    fields.set_true("early", end.is_early);
    fields.set("transactions", end.transactions);
    fields.set_counts("recipients", end.recipients);
    fields.set_counts("messages", end.messages);
    fields.set_text("last_refusal", end.last_refusal);
}

fn hook(hook: &Hook<'_>, fields: &mut Fields) {
    fields.set("hook", format!("{:?}", hook.name));
    fields.set_text("plugin", hook.plugin);
    verdict(&hook.verdict, fields);
}

fn scan(found: &Scan<'_>, fields: &mut Fields) {
    match found {
        Scan::Rspamd { action, score } => {
            fields.set("engine", "rspamd");
            fields.set_text("action", *action);
            fields.set_some("score", *score);
        }
        Scan::SpamAssassin { is_spam, score, rules } => {
            fields.set("engine", "spamassassin");
            fields.set("spam", *is_spam);
            fields.set_some("score", *score);
            fields.set_text("rules", *rules);
        }
        Scan::Virus { name } => {
            fields.set("engine", "clamav");
            fields.set_text("virus", *name);
        }
    }
}

fn delivered(delivered: &Delivered<'_>, fields: &mut Fields) {
    fields.set_text("domain", delivered.domain);
    fields.set_text("host", delivered.host);
    fields.set_text("ip", delivered.ip);
    fields.set_some("port", delivered.port);
    fields.set_true("lmtp", delivered.is_lmtp);
    fields.set_text("response", delivered.response);
    fields.set_some("delay", delivered.delay.map(|delay| delay.as_secs_f64()));
    fields.set("failures", delivered.failures);
    fields.set_counts("recipients", delivered.recipients);
}

fn reason(reason: &Reason<'_>, fields: &mut Fields) {
    fields.set_text("reason", reason.text);
    fields.set_true("exhausted", reason.is_exhausted);
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Cont => "cont",
        Code::Ok => "ok",
        Code::Deny => "deny",
        Code::DenySoft => "denysoft",
        Code::DenyDisconnect => "denydisconnect",
        Code::DenySoftDisconnect => "denysoftdisconnect",
        Code::Disconnect => "disconnect",
        Code::Other => "other",
    }
}

fn content_name(content: Content) -> &'static str {
    match content {
        Content::TooBig => "too_big",
        Content::BareLineFeed => "bare_line_feed",
        Content::TooManyParts => "too_many_parts",
        Content::Loop => "loop",
    }
}

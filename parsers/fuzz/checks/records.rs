//! Every text of a record of Haraka, taken apart whole as in [`super::borrowed`].

use mailherald_parsers::haraka::{
    Answered, AuthUser, BadAddress, Connect, Deferred, Delivered, Disconnect, Entry, Hook, Message,
    QueueFile, Reason, Refused, Scan, Text, Verdict,
};

/// Gives each text to `each`.
pub(super) fn texts<'a>(entry: &Entry<'a>, each: &mut dyn FnMut(Text<'a>)) {
    let mut all = |texts: &[Text<'a>]| texts.iter().for_each(|text| each(*text));
    match entry {
        Entry::Connect(Connect { ip }) | Entry::Proxied(Connect { ip }) => all(&[*ip]),
        Entry::Sender(Answered { address, verdict })
        | Entry::Recipient(Answered { address, verdict }) => all(&[*address, verdict.text]),
        Entry::BadAddress(BadAddress { command: _, address, text }) => {
            all(&[address.unwrap_or_default(), *text]);
        }
        Entry::Message(Message { message_id, size: _, recipients: _, verdict }) => {
            all(&[*message_id, verdict.text]);
        }
        Entry::Disconnect(end) => {
            let Disconnect { ip, rdns, helo, last_refusal, .. } = *end;
            all(&[ip, rdns, helo, last_refusal]);
        }
        Entry::Hook(Hook { name: _, plugin, verdict }) => all(&[*plugin, verdict.text]),
        Entry::AuthUser(AuthUser { user, is_right: _ }) => all(&[*user]),
        Entry::Scan(Scan::Rspamd { action, score: _ }) => all(&[*action]),
        Entry::Scan(Scan::SpamAssassin { is_spam: _, score: _, rules }) => all(&[*rules]),
        Entry::Scan(Scan::Virus { name }) => all(&[*name]),
        Entry::Queue(Verdict { code: _, text }) | Entry::Route(text) | Entry::Unreached(text) => {
            all(&[*text]);
        }
        Entry::Refused(Refused { address, is_final: _, reply }) => all(&[*address, *reply]),
        Entry::Delivered(delivered) => {
            let Delivered { domain, host, ip, response, .. } = *delivered;
            all(&[domain, host, ip, response]);
        }
        Entry::Deferred(Deferred { file, reason }) => {
            let QueueFile { arrival, attempts: _, uniq } = *file;
            all(&[Text::plain(arrival), Text::plain(uniq)]);
            of_reason(*reason, each);
        }
        Entry::Bounced(reason) => of_reason(*reason, each),
        Entry::Content(_) | Entry::Overridden | Entry::AuthFailed | Entry::Deleted => {}
        other => panic!("look into {other:?}, too"),
    }
}

fn of_reason<'a>(reason: Reason<'a>, each: &mut dyn FnMut(Text<'a>)) {
    each(reason.text);
    reason.recipients().chain(reason.reply()).for_each(each);
}

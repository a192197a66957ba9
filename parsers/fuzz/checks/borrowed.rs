//! Every slice that a record borrows.
//!
//! Records are taken apart whole, without `..`, so that a new field has to be looked at here.

use mailherald_parsers::{
    Body, LogRecord, Process, filters,
    haraka::Record,
    haraka_plugin::Members,
    postfix::{
        AuthFailure, Client, ContentCheck, Corrupt, Delivery, DnsListed, Entry, Expired,
        FilterReply, MessageId, Notification, Operation, Peer, Pickup, ProxyAnswer, QueueActive,
        QueueId, RateLimit, Refused, Relay, Removed, Response, Started, Verdict,
    },
};

use super::records::texts;

/// Is told each slice.
type Each<'e> = &'e mut dyn FnMut(&[u8]);

/// `slice` is a part of `whole`, or empty.
pub(super) fn assert_in(slice: &[u8], whole: &[u8]) {
    let (slice, whole) = (slice.as_ptr_range(), whole.as_ptr_range());
    let inside = whole.start <= slice.start && slice.end <= whole.end;
    assert!(inside || slice.is_empty(), "{slice:?} is not in {whole:?}");
}

/// Slices of a record.
pub(super) fn of_record(record: &LogRecord<'_>, each: Each<'_>) {
    let LogRecord { line: _, stamp: _, host, process, repeated: _, body } = record;
    let Process { tag, instance, service, pid: _ } = process;
    // rspamd's own file does not name rspamd, so there the name is ours.
    if *tag != b"rspamd" {
        optional(&[Some(*tag), Some(*instance), Some(*service)], each);
    }
    each(host);
    match body {
        Body::Postfix(entry) => of_entry(entry, each),
        Body::Filter(verdict) => of_filter(verdict, each),
        Body::Haraka(Record { uuid, entry }) => {
            each(uuid.as_str().as_bytes());
            texts(entry, &mut |text| each(text.raw()));
        }
        Body::HarakaPlugin(record) => of_plugin(&record.members(), each),
        Body::Gap(_) | Body::Ignored | Body::Unrecognised(_) => {}
    }
}

/// Slices of what a line of the plugin says of a message and of those who sent and took it.
fn of_plugin(members: &Members<'_>, each: Each<'_>) {
    let Members { from, subject, message_id, tag, user, ip, rdns, helo, plugin, reply, .. } =
        members;
    let (said, taken) = ([from, subject, message_id, tag, user, ip, rdns, helo], [plugin, reply]);
    let servers = [&members.response, &members.mx, &members.mx_ip];
    for text in said.into_iter().chain(taken).chain(servers).flatten() {
        each(text.raw());
    }
    members.to.each(|address| each(address.raw()));
    members.metadata.each(|name, value| {
        each(name.raw());
        each(value.raw());
    });
}

/// What a recipient can fail at.
const STAGES: [&[u8]; 4] = [b"MAIL FROM", b"RCPT TO", b"DATA", b"end of DATA"];

/// Slices of what a delivery's text is taken apart into.
pub(super) fn of_response(response: &Response<'_>, each: Each<'_>) {
    let Response { reply, codes: _, stage, peer, forwarded_as, queued_as, filter, output } =
        response;
    each(reply);
    // One that was cut off is completed.
    let is_whole = |stage: &&[u8]| !STAGES.contains(stage);
    optional(&[stage.filter(is_whole), *output], each);
    if let Some(peer) = peer {
        of_peer(peer, each);
    }
    ids(&[*forwarded_as, *queued_as], each);
    if let Some(FilterReply { id, outcome: _, reason }) = filter {
        optional(&[Some(*id), *reason], each);
    }
}

fn of_entry(entry: &Entry<'_>, each: Each<'_>) {
    match entry {
        Entry::Client(client) => of_client(client, each),
        Entry::Pickup(Pickup { queue_id, uid, sender, orig_id }) => {
            ids(&[Some(*queue_id), *orig_id], each);
            optional(&[Some(*uid), Some(*sender)], each);
        }
        Entry::MessageId(MessageId { queue_id, value, resent: _ }) => {
            one(*queue_id, &[Some(*value)], each);
        }
        Entry::QueueActive(QueueActive { queue_id, sender, size: _, nrcpt: _ })
        | Entry::Expired(Expired { queue_id, sender, forced: _ }) => {
            one(*queue_id, &[Some(*sender)], each);
        }
        Entry::Removed(Removed { queue_id, by_operator: _ })
        | Entry::Refused(Refused { queue_id, reason: _ })
        | Entry::Operation(Operation { queue_id, act: _ })
        | Entry::Corrupt(Corrupt { queue_id }) => one(*queue_id, &[], each),
        Entry::Delivery(delivery) => of_delivery(delivery, each),
        Entry::Notification(Notification { parent, child, kind: _ }) => {
            ids(&[Some(*parent), Some(*child)], each);
        }
        Entry::Verdict(verdict) => of_verdict(verdict, each),
        Entry::ContentCheck(check) => of_check(check, each),
        Entry::ProxyAnswer(answer) => of_answer(answer, each),
        Entry::RateLimit(RateLimit { limit: _, count: _, peer, service }) => {
            of_peer(peer, each);
            each(service);
        }
        Entry::AuthFailure(AuthFailure { peer, mechanism, reason, username }) => {
            of_peer(peer, each);
            optional(&[Some(*mechanism), Some(*reason), *username], each);
        }
        Entry::DnsListed(DnsListed { address, domain, answer }) => {
            optional(&[Some(*address), Some(*domain), Some(*answer)], each);
        }
        Entry::Started(Started { version, reload: _ }) => each(version),
        Entry::OperationTotal(_) => {}
        other => panic!("look into {other:?}, too"),
    }
}

fn of_client(client: &Client<'_>, each: Each<'_>) {
    let Client { queue_id, peer, sasl_method, sasl_username, orig_queue_id, orig_client } = client;
    ids(&[*queue_id, *orig_queue_id], each);
    optional(&[*sasl_method, *sasl_username], each);
    [Some(peer), orig_client.as_ref()].into_iter().flatten().for_each(|peer| of_peer(peer, each));
}

fn of_delivery(delivery: &Delivery<'_>, each: Each<'_>) {
    let Delivery { queue_id, recipient, orig_recipient, relay, text, .. } = delivery;
    one(*queue_id, &[Some(*recipient), *orig_recipient, Some(*text)], each);
    match relay {
        Relay::None => {}
        Relay::Host(peer) => of_peer(peer, each),
        Relay::Agent(name) => each(name),
    }
}

fn of_verdict(verdict: &Verdict<'_>, each: Each<'_>) {
    let Verdict {
        queue_id,
        action: _,
        stage,
        peer,
        text,
        codes: _,
        sender,
        recipient,
        proto,
        helo,
        sasl_username,
        ambiguous: _,
    } = verdict;
    ids(&[*queue_id], each);
    of_peer(peer, each);
    optional(&[Some(*stage), Some(*text), *sender, *recipient], each);
    optional(&[*proto, *helo, *sasl_username], each);
}

fn of_check(check: &ContentCheck<'_>, each: Each<'_>) {
    let ContentCheck {
        queue_id,
        action: _,
        by_milter: _,
        part: _,
        content,
        peer,
        sender,
        recipient,
        proto,
        helo,
        text,
        ambiguous: _,
    } = check;
    one(*queue_id, &[Some(*content), *sender, *recipient, *proto, *helo, *text], each);
    if let Some(peer) = peer {
        of_peer(peer, each);
    }
    if let Some((name, value)) = check.header() {
        optional(&[Some(name), Some(value)], each);
    }
}

fn of_answer(answer: &ProxyAnswer<'_>, each: Each<'_>) {
    let ProxyAnswer {
        accepted: _,
        stage,
        text,
        codes: _,
        queued_as,
        sender,
        recipient,
        proto,
        helo,
        sasl_username,
        ambiguous: _,
    } = answer;
    ids(&[*queued_as], each);
    optional(&[Some(*stage), Some(*text), *sender, *recipient], each);
    optional(&[*proto, *helo, *sasl_username], each);
}

fn of_filter(verdict: &filters::Verdict<'_>, each: Each<'_>) {
    let filters::Verdict {
        engine: _,
        kind: _,
        action: _,
        part: _,
        quarantined: _,
        direction: _,
        score: _,
        required: _,
        rules,
        detail,
        queue_id,
        queued_as,
        message_id,
        scan_id,
        client,
        user,
        sender,
        recipients,
        subject,
    } = verdict;
    ids(&[*queue_id], each);
    optional(&[*detail, *message_id, *scan_id, *client, *user, *sender, *subject], each);
    for rule in rules.iter() {
        optional(&[Some(rule.name), Some(rule.options)], each);
    }
    for recipient in recipients.iter() {
        each(recipient);
    }
    queued_as.iter().for_each(|id| ids(&[Some(id)], each));
}

fn of_peer(peer: &Peer<'_>, each: Each<'_>) {
    let Peer { name, address, port: _ } = peer;
    each(name);
    each(address);
}

fn one(queue_id: QueueId<'_>, slices: &[Option<&[u8]>], each: Each<'_>) {
    ids(&[Some(queue_id)], each);
    optional(slices, each);
}

fn ids(ids: &[Option<QueueId<'_>>], each: Each<'_>) {
    ids.iter().flatten().for_each(|id| each(id.as_str().as_bytes()));
}

fn optional(slices: &[Option<&[u8]>], each: Each<'_>) {
    slices.iter().flatten().for_each(|slice| each(slice));
}

//! Records of the core (`connection.js`): the dialogue with a client.

use super::{
    Answered, BadAddress, Connect, Content, Counts, Disconnect, Entry, Message, Text, Verdict,
    entry::Code, hook, layout::Logged,
};
use crate::fields::{large_number, small_number};

/// What a record of the core says; none when it says nothing that matters, or breaks the grammar.
pub(super) fn read<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let message = logged.message.raw();
    match message.first() {
        None | Some(b' ') => hook::read(logged),
        Some(b'c') => connect(logged),
        Some(b's') => answered(logged, "sender ").map(Entry::Sender),
        Some(b'r') => answered(logged, "recipient ").map(Entry::Recipient),
        Some(b'm') => self::message(logged).map(Entry::Message),
        Some(b'q') => queue(logged),
        Some(b'd') => disconnect(logged).or_else(|| overridden(logged)),
        Some(b'H') => proxied(logged),
        Some(b'E') => syntax_error(logged),
        Some(b'I') => bad_address(logged).or_else(|| content(logged)),
        Some(b'C' | b'P') => content(logged),
        _ => None,
    }
}

fn connect<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let [ip, _port] = logged.fields_of("connect")?.texts(["ip", "port"])?;
    Some(Entry::Connect(Connect { ip }))
}

/// `HAProxy proto=TCP4 src_ip=198.18.0.35:40000 dst_ip=127.0.0.1:12800`.
fn proxied<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let [source] = logged.fields_of("HAProxy")?.texts(["src_ip"])?;
    let (ip, _port) = source.rsplit_once(":")?;
    Some(Entry::Proxied(Connect { ip }))
}

/// `sender <address> code=CONT msg=""`.
fn answered<'a>(logged: &Logged<'a>, command: &str) -> Option<Answered<'a>> {
    let (address, rest) = logged.after(command)?.address()?;
    let [code, text] = logged.fields_behind(rest)?.texts(["code", "msg"])?;
    Some(Answered { address, verdict: verdict(code, text)? })
}

fn message<'a>(logged: &Logged<'a>) -> Option<Message<'a>> {
    let names = ["mid", "size", "rcpts", "code", "msg"];
    let [message_id, size, recipients, code, text] = logged.fields_of("message")?.texts(names)?;
    Some(Message {
        message_id,
        size: large_number(size.raw()),
        recipients: counts(recipients)?,
        verdict: verdict(code, text)?,
    })
}

fn queue<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let [code, text] = logged.fields_of("queue")?.texts(["code", "msg"])?;
    Some(Entry::Queue(verdict(code, text)?))
}

fn disconnect<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let names = ["ip", "rdns", "helo", "relay", "early", "txns", "rcpts", "msgs", "lr"];
    let [ip, rdns, helo, relay, early, txns, rcpts, msgs, last_refusal] =
        logged.fields_of("disconnect")?.texts(names)?;
    Some(Entry::Disconnect(Disconnect {
        ip,
        rdns,
        helo,
        is_relaying: yes(relay)?,
        is_early: yes(early)?,
        transactions: small_number(txns.raw())?,
        recipients: counts(rcpts)?,
        messages: counts(msgs)?,
        last_refusal,
    }))
}

fn overridden<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    logged.after("deny(soft?) overridden by deny hook").map(|_| Entry::Overridden)
}

/// `Invalid RCPT TO address <a..b@c>: why`, since 3.3.1.
fn bad_address<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let rest = logged.after("Invalid ")?;
    let (command, rest) = match rest.strip_prefix("MAIL FROM address ") {
        Some(rest) => ("MAIL", rest),
        None => ("RCPT", rest.strip_prefix("RCPT TO address ")?),
    };
    // What is no address has no end that a scanner could know; the reason behind it has no bracket.
    let (address, _why) = rest.rsplit_once(": Invalid ").unwrap_or((rest, rest));
    let bare = address.strip_prefix("<").and_then(|address| address.strip_suffix(">"));
    let address = Some(bare.unwrap_or(address));
    let (command, text) = (Some(command), logged.message);
    Some(Entry::BadAddress(BadAddress { command, address, text }))
}

/// `Error: Syntax error in parameters (…)`, `… in address: …`, before 3.3.1 (`rfc1869.js`).
fn syntax_error<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let text = logged.after("Error: ")?;
    let is_it =
        text.strip_prefix("Syntax error in ").is_some() || text.strip_prefix("Invalid ").is_some();
    is_it.then_some(Entry::BadAddress(BadAddress { command: None, address: None, text }))
}

fn content<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    const WORDS: [(&str, Content); 5] = [
        ("Incoming message exceeded max size of ", Content::TooBig),
        ("Incoming message exceeded databytes size of ", Content::TooBig),
        ("Incoming message had too many Received headers", Content::Loop),
        ("Client sent bare line-feed", Content::BareLineFeed),
        ("Possible DoS attempt - too many MIME parts", Content::TooManyParts),
    ];
    let known = WORDS.iter().find(|(words, _)| logged.after(words).is_some());
    known.map(|(_, content)| Entry::Content(*content))
}

pub(super) fn verdict<'a>(code: Text<'a>, text: Text<'a>) -> Option<Verdict<'a>> {
    Some(Verdict { code: Code::parse(code.raw())?, text })
}

/// `1/0/2`.
pub(super) fn counts(text: Text<'_>) -> Option<Counts> {
    let mut numbers = text.raw().split(|byte| *byte == b'/').map(small_number);
    let counts = Counts {
        accepted: numbers.next()??,
        deferred: numbers.next()??,
        refused: numbers.next()??,
    };
    numbers.next().is_none().then_some(counts)
}

pub(super) fn yes(text: Text<'_>) -> Option<bool> {
    match text.raw() {
        b"Y" => Some(true),
        b"N" => Some(false),
        _ => None,
    }
}

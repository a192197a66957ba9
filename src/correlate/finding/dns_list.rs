//! Which DNS lists are behind a refusal of postscreen.
//!
//! dnsblog asks them for postscreen and logs each that has the client. postscreen refuses the client with
//! every recipient, and names one list at most; an operator may have chosen what it names.

use mailherald_parsers::{
    Body,
    postfix::{DnsListed, Entry, Verdict},
};

use super::policy::Policy;
use crate::{
    correlate::{
        Step,
        aside::{Aside, Topic},
    },
    event::text,
    limits,
};

/// postscreen waits for six seconds (`postscreen_greet_wait`); the client's recipients follow at once.
const LISTED_US: i64 = 20 * 1_000_000;

/// What names dnsblog in events.
const ENGINE: &str = "dnsblog";

/// Characters from which on the first part of a list's name is an operator's key to it.
const KEY_CHARS: usize = 20;

impl Step<'_> {
    /// Keeps which list has a client.
    pub(crate) fn dns_listed(&mut self, listed: &DnsListed<'_>) {
        let topic = self.listed_topic(listed.address);
        let is_known = |it: String| it == without_key(&String::from_utf8_lossy(listed.domain));
        if !self.asides.of(&topic).filter_map(list).any(is_known) {
            self.put_aside(topic, LISTED_US);
        }
    }

    /// The lists behind a refusal of postscreen, if it was for them
    /// (`postscreen_dnsbl.c`, `psc_dnsbl_retrieve()`).
    pub(crate) fn lists_behind(&self, verdict: &Verdict<'_>) -> Option<Policy> {
        let is_for_them = memchr::memmem::find(verdict.text, b" blocked using ").is_some();
        if self.asides.is_empty() || !is_for_them || !self.is_of(b"postscreen") {
            return None;
        }
        let mut lists: Vec<String> =
            self.asides.of(&self.listed_topic(verdict.peer.address)).filter_map(list).collect();
        lists.sort_unstable();
        lists.dedup();
        let reason = text::bounded(lists.join(",").as_bytes(), limits::TEXT_BYTES).value;
        (!lists.is_empty()).then_some(Policy { engine: ENGINE, reason: Some(reason) })
    }

    fn listed_topic(&self, address: &[u8]) -> Topic {
        Topic::Listed(self.system.host.as_slice().into(), address.into())
    }
}

/// The name of the list, without the key that its operator may have to it.
fn list(aside: &Aside) -> Option<String> {
    let mut list = None;
    aside.line.read(|line| {
        if let Body::Postfix(Entry::DnsListed(listed)) = &line.record.body {
            list = Some(without_key(&String::from_utf8_lossy(listed.domain)).to_owned());
        }
    });
    list
}

fn without_key(domain: &str) -> &str {
    let is_key =
        |part: &str| part.len() >= KEY_CHARS && part.bytes().all(|b| b.is_ascii_alphanumeric());
    match domain.split_once('.') {
        Some((first, rest)) if is_key(first) => rest,
        _ => domain,
    }
}

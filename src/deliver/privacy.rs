//! Takes out of an event what a webhook is not to see: local parts of addresses, the subject, and the
//! line that gave it.
//!
//! Addresses stand not only in their own fields: servers repeat them in their answers, with their
//! domain or without. So every text is looked through for anything with an `@`, and for the local
//! parts of this event's own addresses as words. That may hide a word too many, never one too few
//! of those. Domains, host names, identifiers and the Message-ID stay.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    config::{HashKey, Privacy, Selection},
    event::{Event, EventData, id},
};

/// Stands behind the first letter of a masked local part, whatever its length.
const MASK: &str = "***";

/// What an address in a text ends at. Many more characters can be part of one (RFC 5322 §3.2.3).
const BORDERS: &[char] = &['<', '>', '(', ')', '[', ']', '"', '\'', ',', ';', ':'];

/// The event as a webhook with this selection is to see it.
#[must_use]
pub fn veiled<'a>(event: &'a Event, selection: &Selection) -> Cow<'a, Event> {
    let hides_evidence = !selection.evidence && event.data.evidence.is_some();
    if selection.privacy == Privacy::None && !selection.drop_subject && !hides_evidence {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    if hides_evidence {
        event.data.evidence = None;
    }
    if selection.drop_subject {
        drop_subject(&mut event.data);
    }
    if selection.privacy != Privacy::None {
        Veil::new(&selection.privacy, &event.data).draw(&mut event.data);
    }
    Cow::Owned(event)
}

/// A header check that refuses a message for its subject repeats it.
fn drop_subject(data: &mut EventData) {
    let Some(subject) = data.subject.take().filter(|subject| !subject.is_empty()) else { return };
    let without = |text: &str| {
        let repeats = text.to_ascii_lowercase().contains("subject:");
        if repeats { text.replace(subject.as_str(), "…") } else { text.to_owned() }
    };
    data.response = data.response.as_deref().map(|text| without(text).into());
    data.evidence = data.evidence.as_deref().map(|line| without(line).into());
}

/// How the addresses of one event are hidden.
struct Veil<'a> {
    privacy: &'a Privacy,
    /// Addresses and users of the event and their local parts, ASCII in lower case, and what stands
    /// for each.
    known: Vec<(String, String)>,
}

impl<'a> Veil<'a> {
    fn new(privacy: &'a Privacy, data: &EventData) -> Self {
        let mut veil = Self { privacy, known: Vec::new() };
        let own = [&data.from, &data.to, &data.orig_to, &data.user];
        for text in own.into_iter().flatten().filter(|text| !text.is_empty()) {
            let hidden = veil.address(text);
            let (local, _) = split(text);
            let (hidden_local, _) = split(&hidden);
            veil.known.push((local.to_ascii_lowercase(), hidden_local.to_owned()));
            veil.known.push((text.to_ascii_lowercase(), hidden));
        }
        veil.known.retain(|(text, _)| !text.is_empty());
        veil
    }

    fn draw(&self, data: &mut EventData) {
        for own in [&mut data.from, &mut data.to, &mut data.orig_to, &mut data.user] {
            if let Some(text) = own.as_mut().filter(|text| !text.is_empty()) {
                *text = self.address(text).into();
            }
        }
        if let Some(complaint) = data.reported.as_mut().and_then(|it| it.complaint.as_mut()) {
            for own in complaint.original_mail_from.iter_mut().filter(|text| !text.is_empty()) {
                *own = self.address(own).into();
            }
            for text in [&mut complaint.reported_uri, &mut complaint.provider].into_iter().flatten()
            {
                *text = self.text(text).into();
            }
        }
        let url = data.hit.as_mut().map(|hit| &mut hit.url);
        let texts = [&mut data.response, &mut data.subject, &mut data.rules, &mut data.stage];
        for text in texts.into_iter().chain(url).flatten() {
            *text = self.text(text).into();
        }
        data.evidence = data.evidence.as_deref().map(|line| self.text(line).into());
        if let Some(given) = &mut data.given {
            let values = given.metadata.iter_mut().map(|(_, value)| value);
            for value in values.chain(&mut given.tag) {
                *value = self.text(value).into();
            }
        }
    }

    /// `b***@example.com` of `bob@example.com`; what has no domain is a local part.
    fn address(&self, address: &str) -> String {
        let (local, domain) = split(address);
        let hidden = match self.privacy {
            Privacy::None => local.to_owned(),
            Privacy::Mask => local.chars().take(1).chain(MASK.chars()).collect(),
            Privacy::Hash(key) => hash(key, address),
        };
        hidden + domain
    }

    /// A text with every address in it hidden.
    fn text(&self, text: &str) -> String {
        let lower = text.to_ascii_lowercase();
        let (mut hidden, mut done) = (String::with_capacity(text.len()), 0);
        while let Some((start, end, instead)) = self.next_known(&lower, done) {
            hidden.push_str(&self.strangers(text.get(done..start).unwrap_or_default()));
            hidden.push_str(instead);
            done = end;
        }
        hidden + &self.strangers(text.get(done..).unwrap_or_default())
    }

    /// Where the next of the event's own addresses stands as a word, and what stands for it.
    fn next_known(&self, lower: &str, from: usize) -> Option<(usize, usize, &str)> {
        let found = self.known.iter().filter_map(|(known, hidden)| {
            let start = word(lower, from, known)?;
            Some((start, start + known.len(), hidden.as_str()))
        });
        found.min_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)))
    }

    /// Hides whatever looks like an address.
    fn strangers(&self, text: &str) -> String {
        let is_border = |c: char| c.is_whitespace() || BORDERS.contains(&c);
        let pieces = text.split_inclusive(is_border).map(|piece| {
            let word = piece.trim_end_matches(is_border);
            let border = piece.get(word.len()..).unwrap_or_default();
            match split(word) {
                ("", _) | (_, "" | "@") => piece.to_owned(),
                _ => self.address(word) + border,
            }
        });
        pieces.collect()
    }
}

/// Local part, and the rest from the last `@` on (in a URL it may be `%40`).
fn split(address: &str) -> (&str, &str) {
    let at = address.rfind('@').or_else(|| address.rfind("%40"));
    at.and_then(|at| address.split_at_checked(at)).unwrap_or((address, ""))
}

/// Where `wanted` stands in `text`, `from` there on, without a letter or digit beside it.
fn word(text: &str, from: usize, wanted: &str) -> Option<usize> {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let found = text.get(from..)?.match_indices(wanted);
    found.map(|(start, _)| from + start).find(|&start| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + wanted.len()..).and_then(|after| after.chars().next());
        !is_part(before) && !is_part(after)
    })
}

/// The same for all spellings of an address, and nothing that could be turned back without the key.
#[expect(clippy::expect_used, reason = "the error exists for MACs with keys of fixed length")]
fn hash(HashKey(key): &HashKey, address: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(address.to_lowercase().as_bytes());
    let full: [u8; 32] = mac.finalize().into_bytes().into();
    let mut first = [0; 16];
    first.copy_from_slice(full.get(..16).unwrap_or(&[0; 16]));
    id::base32(first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::{
        deliver::{canonical::tests::bounced, envelope::render},
        event::{Complaint, Hit, Reported},
        profile::Profile,
    };

    fn key() -> HashKey {
        HashKey([7; 32])
    }

    fn with(privacy: Privacy) -> Selection {
        Selection { privacy, evidence: true, ..Selection::default() }
    }

    fn response(text: &str, privacy: Privacy) -> String {
        let mut event = bounced();
        event.data.response = Some(text.into());
        veiled(&event, &with(privacy)).into_owned().data.response.unwrap().into()
    }

    #[test]
    fn without_privacy_the_event_is_sent_as_it_is() {
        let event = bounced();
        assert!(matches!(veiled(&event, &Selection::default()), Cow::Borrowed(_)));
    }

    #[test]
    fn a_masked_address_keeps_its_first_letter_and_its_domain() {
        let mut event = bounced();
        event.data.orig_to = Some("Ünal@good.test".into());
        event.data.from = Some("".into());
        let data = veiled(&event, &with(Privacy::Mask)).into_owned().data;
        assert_eq!(data.to.as_deref(), Some("n***@good.test"));
        assert_eq!(data.orig_to.as_deref(), Some("Ü***@good.test"));
        assert_eq!(data.from.as_deref(), Some(""), "the null sender is nobody's");
        assert_eq!(data.user.as_deref(), Some("a***"));
        assert_eq!(data.message_id, event.data.message_id);
        assert_eq!(data.domain.as_deref(), Some("good.test"));
    }

    #[test]
    fn a_hash_is_the_same_for_one_address_and_tells_nothing_without_the_key() {
        let hashed = |address: &str, key| {
            let mut event = bounced();
            event.data.to = Some(address.into());
            veiled(&event, &with(Privacy::Hash(key))).into_owned().data.to.unwrap()
        };
        let one = hashed("nouser@good.test", key());
        assert_eq!(one, hashed("NoUser@GOOD.test", key()).replace("GOOD", "good"));
        assert_ne!(one, hashed("nouser@good.test", HashKey([8; 32])));
        let (local, domain) = one.split_once('@').unwrap();
        assert_eq!((local.len(), domain), (26, "good.test"));
        assert!(!hashed("nouser@other.test", key()).starts_with(local), "one mailbox, one hash");
    }

    #[test]
    fn servers_that_repeat_addresses_do_not_give_them_away() {
        for (said, shown) in [
            ("550 5.1.1 <nouser@good.test>: no", "550 5.1.1 <n***@good.test>: no"),
            ("550 5.1.1 NoUser@Good.Test unknown", "550 5.1.1 n***@good.test unknown"),
            ("550 user nouser is gone", "550 user n*** is gone"),
            ("550 /var/mail/nouser: full", "550 /var/mail/n***: full"),
            ("550 nousers and xnouser", "550 nousers and xnouser"),
            ("forwarded to eve+x=y@other.test, too", "forwarded to e***@other.test, too"),
            ("mailto:eve@y.test?a=b", "mailto:e***@y.test?a=b"),
            ("see http://x.test/?to=eve%40y.test", "see http:/***%40y.test"),
            ("550 mail from bob refused", "550 mail from b*** refused"),
            ("@ alone, a@, and plain words", "@ alone, a@, and plain words"),
        ] {
            assert_eq!(response(said, Privacy::Mask), shown, "{said}");
        }
    }

    #[test]
    fn an_address_has_one_hash_wherever_it_stands() {
        let mut event = bounced();
        event.data.response = Some("<nouser@good.test> nouser".into());
        let data = veiled(&event, &with(Privacy::Hash(key()))).into_owned().data;
        let to = data.to.unwrap();
        let (local, _) = to.split_once('@').unwrap();
        assert_eq!(data.response.unwrap(), format!("<{to}> {local}"));
    }

    #[test]
    fn a_dropped_subject_is_in_no_body() {
        let hide = Selection { drop_subject: true, ..Selection::default() };
        for &profile in Profile::ALL {
            let body = render(&veiled(&bounced(), &hide), profile).unwrap().body;
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(!text.contains("subject") && !text.contains("Hello"), "{text}");
            assert!(text.contains("nouser@good.test"), "{text}");
        }
    }

    #[test]
    fn a_subject_that_a_header_check_repeats_is_dropped_there_too() {
        let mut event = bounced();
        event.data.response = Some("header Subject: Hello from c.test".into());
        event.data.evidence = Some("mx postfix/cleanup[1]: reject: header Subject: Hello".into());
        let hide = Selection { drop_subject: true, evidence: true, ..Selection::default() };
        let data = veiled(&event, &hide).into_owned().data;
        assert_eq!(data.response.as_deref(), Some("header Subject: … from c.test"));
        assert!(!data.evidence.unwrap().contains("Hello"));
    }

    #[test]
    fn the_line_behind_an_event_is_shown_to_those_who_ask_and_veiled_like_the_rest() {
        let mut event = bounced();
        event.data.evidence =
            Some("mx postfix/smtp[1]: to=<nouser@good.test>, orig_to=<x@y.z>".into());
        assert_eq!(veiled(&event, &Selection::default()).data.evidence, None);
        let asking = Selection { evidence: true, ..Selection::default() };
        assert!(matches!(veiled(&event, &asking), Cow::Borrowed(_)));
        let body = render(&event, Profile::Standard).unwrap().body;
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains(r#""evidence":["mx postfix/smtp[1]: to=<nouser@good.test>"#),
            "{text}"
        );
        let masked = Selection { privacy: Privacy::Mask, ..asking };
        let shown = "mx postfix/smtp[1]: to=<n***@good.test>, orig_to=<x***@y.z>";
        assert_eq!(veiled(&event, &masked).data.evidence.as_deref(), Some(shown));
    }

    #[test]
    fn no_body_of_any_profile_holds_a_hidden_local_part() {
        let mut event = bounced();
        event.data.user = Some("bob@sender.test".into());
        event.data.subject = Some("for nouser@good.test".into());
        event.data.response = Some("550 nouser: bob@sender.test is not welcome, BOB".into());
        let url = Some("https://shop.test/?u=nouser@good.test".into());
        event.data.hit = Some(Box::new(Hit { url, ..Hit::default() }));
        event.data.evidence = Some("from=<bob@sender.test>, to=nouser".into());
        let complaint = Complaint {
            original_mail_from: Some("bob@sender.test".into()),
            reported_uri: Some("mailto:bob@sender.test".into()),
            ..Complaint::default()
        };
        event.data.reported =
            Some(Box::new(Reported { complaint: Some(complaint), ..Reported::default() }));
        for privacy in [Privacy::Mask, Privacy::Hash(key())] {
            for &profile in Profile::ALL {
                let body = render(&veiled(&event, &with(privacy.clone())), profile).unwrap().body;
                let text = String::from_utf8(body.to_vec()).unwrap().to_lowercase();
                assert!(!text.contains("nouser") && !text.contains("bob"), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(said in ".{0,200}", to in ".{0,40}") {
            let mut event = bounced();
            event.data.to = Some(to.into());
            event.data.response = Some(said.into());
            for privacy in [Privacy::Mask, Privacy::Hash(key())] {
                let once = veiled(&event, &with(privacy.clone())).into_owned();
                prop_assert_eq!(&once, &*veiled(&event, &with(privacy)));
            }
        }
    }
}

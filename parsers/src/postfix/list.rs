//! The list of fields at the end of a line: `; from=<S> to=<R> proto=P helo=<H>`. That of postscreen:
//! [`super::postscreen`].
//!
//! What stands before it may quote a remote server, a policy service or a message, so the list is
//! found from the right: the last `;` behind which everything reads to the end of the line. A text
//! in which more than one does is marked as ambiguous.

use nom::{
    Parser as _,
    bytes::complete::take,
    character::complete::alphanumeric1,
    combinator::{all_consuming, opt, rest, verify},
    sequence::preceded,
};

use super::list_sweep;
use crate::{
    address,
    fields::{Parsed, tag, word},
};

/// The fields behind the semicolon.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    pub(super) sender: Option<&'a [u8]>,
    pub(super) recipient: Option<&'a [u8]>,
    pub(super) proto: Option<&'a [u8]>,
    pub(super) helo: Option<&'a [u8]>,
    pub(super) sasl_username: Option<&'a [u8]>,
}

/// Where text and list part.
pub(super) struct Found<'a> {
    pub(super) text: &'a [u8],
    pub(super) list: List<'a>,
    pub(super) ambiguous: bool,
}

/// A text without any list was cut before it.
pub(super) fn find_list(said: &[u8]) -> Found<'_> {
    let [place, other] = right_most_two(said);
    if let Some(found) = place.and_then(|at| split(said, at, user)) {
        let ambiguous = other.is_some() || holds_user(found.text);
        return Found { ambiguous, ..found };
    }
    let Some(begin) = memchr::memmem::find(said, b"; from=<") else {
        return Found { text: said, list: List::default(), ambiguous: false };
    };
    // The name of the user looks like a list that breaks off.
    let [place, _] = list_sweep::right_most_two(said, None);
    let found = place.and_then(|at| split(said, at, any_user));
    Found { ambiguous: true, ..found.unwrap_or_else(|| cut_at(said, begin)) }
}

/// Where the record was cut inside the list, as syslogd once did at 1024 bytes. Words of the
/// client that imitate a list may be what is left of it, so no field is taken.
fn cut_at(said: &[u8], begin: usize) -> Found<'_> {
    let text = said.get(..begin).unwrap_or(said);
    Found { text, list: List::default(), ambiguous: true }
}

fn split<'a>(
    said: &'a [u8],
    at: usize,
    user: impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]>,
) -> Option<Found<'a>> {
    let (text, tail) = said.split_at_checked(at)?;
    let (_, list) = all_consuming(list(user)).parse(tail).ok()?;
    Some(Found { text, list, ambiguous: false })
}

/// Semicolons that are tried one by one. A genuine line has one or two.
const FEW: usize = 8;

/// The last two semicolons behind which everything reads to the end.
///
/// Each trial may read all that follows, so many semicolons are weighed in one pass.
fn right_most_two(said: &[u8]) -> [Option<usize>; 2] {
    if memchr::memchr_iter(b';', said).count() > FEW {
        return list_sweep::right_most_two(said, memchr::memmem::rfind(said, NO_USER));
    }
    let reads = |at: &usize| {
        said.get(*at..).is_some_and(|tail| all_consuming(list(user)).parse(tail).is_ok())
    };
    let mut found = memchr::memrchr_iter(b';', said).filter(reads);
    [found.next(), found.next()]
}

/// A list that names a user ends here in front of another list: either a text imitates the
/// first, or the name the second.
fn holds_user(text: &[u8]) -> bool {
    let list = memchr::memmem::find(text, b"; from=<").and_then(|at| text.get(at..));
    list.is_some_and(|list| memchr::memmem::find(list, b" sasl_username=").is_some())
}

/// `; from=<S> to=<R> proto=ESMTP helo=<H> sasl_method=PLAIN sasl_username=U sasl_sender=S`, each
/// part optional. SASL since 3.10.
fn list<'a>(
    user: impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]>,
) -> impl Fn(&'a [u8]) -> Parsed<'a, List<'a>> {
    move |input| {
        let (input, list) = envelope(input)?;
        let (input, _) = opt(preceded(name("sasl_method"), word)).parse(input)?;
        let (input, sasl_username) = opt(preceded(name("sasl_username"), &user)).parse(input)?;
        let (input, _) = opt(preceded(name("sasl_sender"), word)).parse(input)?;
        Ok((input, List { sasl_username, ..list }))
    }
}

/// `; from=<S> to=<R> proto=ESMTP helo=<H>`, each part optional.
pub(super) fn envelope(input: &[u8]) -> Parsed<'_, List<'_>> {
    let (input, _) = tag(";").parse(input)?;
    let (input, sender) = opt(preceded(name("from"), address::angle)).parse(input)?;
    let (input, recipient) = opt(preceded(name("to"), address::angle)).parse(input)?;
    let (input, proto) = opt(preceded(name("proto"), alphanumeric1)).parse(input)?;
    let (input, helo) = opt(preceded(name("helo"), helo)).parse(input)?;
    Ok((input, List { sender, recipient, proto, helo, sasl_username: None }))
}

/// ` key=`.
fn name<'a>(name: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| {
        let (rest, _) = (tag(" "), tag(name), tag("=")).parse(input)?;
        Ok((rest, ()))
    }
}

/// Up to the bracket that a space, a table's text or the end follows: smtpd replaces brackets inside the
/// name by question marks (`smtpd.c`, `helo_cmd()`).
fn helo(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, _) = tag("<").parse(input)?;
    let is_end = |at: &usize| input.get(at + 1..).is_some_and(ends_helo);
    let end = memchr::memchr_iter(b'>', input).find(is_end);
    let (rest, name) = take(end.unwrap_or(input.len())).parse(input)?;
    let (rest, _) = tag(">").parse(rest)?;
    Ok((rest, name))
}

/// What may follow the bracket behind a HELO name.
pub(super) fn ends_helo(rest: &[u8]) -> bool {
    rest.is_empty() || rest.starts_with(b" ") || rest.starts_with(b": ")
}

/// What no user name holds.
const NO_USER: &[u8] = b" proto=";

/// Free text up to the end, or to the authenticated sender behind it; a milter's line has it in
/// brackets.
///
/// No other field follows a user name, so a text that holds one is none: otherwise a quoted
/// address could begin a list of its own and swallow the rest of the real one as its user.
fn user(input: &[u8]) -> Parsed<'_, &[u8]> {
    let genuine = |user: &[u8]| memchr::memmem::find(user, NO_USER).is_none();
    verify(rest, genuine).parse(input)?;
    any_user(input)
}

/// As [`user`], whatever it holds.
fn any_user(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, user) = verify(rest, |user: &[u8]| !user.is_empty()).parse(input)?;
    let user = match memchr::memmem::rfind(user, b" sasl_sender=") {
        Some(at) => user.get(..at).unwrap_or(user),
        None => user,
    };
    let bare = user.strip_prefix(b"<").and_then(|user| user.strip_suffix(b">"));
    Ok((rest, bare.unwrap_or(user)))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// What each trial by itself gives.
    fn tried(said: &[u8]) -> [Option<usize>; 2] {
        let reads = |at: &usize| {
            said.get(*at..).is_some_and(|tail| all_consuming(list(user)).parse(tail).is_ok())
        };
        let mut found = memchr::memrchr_iter(b';', said).filter(reads);
        [found.next(), found.next()]
    }

    fn swept(said: &[u8]) -> [Option<usize>; 2] {
        list_sweep::right_most_two(said, memchr::memmem::rfind(said, NO_USER))
    }

    const PIECES: [&str; 33] = [
        ";",
        "; from=<",
        ">",
        " to=<",
        ", to=<",
        " proto=",
        "ESMTP",
        " helo=<",
        "> ",
        ">:",
        ">: ",
        "\"",
        "\\",
        "@",
        "[",
        "]",
        " sasl_method=",
        "PLAIN",
        " sasl_username=",
        " sasl_sender=",
        "u",
        "; from=<a>",
        " to=<b>",
        " proto=SMTP",
        " helo=<h>",
        "; from=<\"",
        "@[",
        "]>",
        " ",
        ",",
        "; helo=<",
        ", proto=",
        ", helo=<",
    ];

    proptest! {
        #[test]
        fn one_pass_finds_what_single_trials_find(pieces in vec(select(&PIECES[..]), 0..40)) {
            let said = pieces.concat();
            prop_assert_eq!(swept(said.as_bytes()), tried(said.as_bytes()), "{}", said);
        }

        #[test]
        fn one_pass_finds_lists_of_any_user(pieces in vec(select(&PIECES[..]), 0..40)) {
            let said = pieces.concat();
            let reads = |at: &usize| {
                said.as_bytes().get(*at..).is_some_and(|tail| all_consuming(list(any_user)).parse(tail).is_ok())
            };
            let tried = memchr::memrchr_iter(b';', said.as_bytes()).find(reads);
            let [swept, _] = list_sweep::right_most_two(said.as_bytes(), None);
            prop_assert_eq!(swept, tried, "{}", said);
        }

        #[test]
        fn one_pass_finds_every_list(
            text in vec(select(&PIECES[..]), 0..12), quoted in vec(select(&PIECES[..]), 0..6),
        ) {
            let quoted = quoted.concat().replace(['\\', '"'], "");
            let said = format!("{}; from=<\"{quoted}\"@x> to=<b> proto=ESMTP helo=<h>", text.concat());
            let found = swept(said.as_bytes());
            prop_assert_eq!(found, tried(said.as_bytes()), "{}", said);
            prop_assert!(found[0].is_some());
        }
    }

    /// 300 semicolons each of which the rest of the line has to be read for.
    #[test]
    fn many_semicolons_hide_no_list() {
        for piece in ["; from=<a@[", "; from=<a", "; helo=<a>b", "; from=<\"", "; sasl_username=a"]
        {
            let said =
                format!("450 no{}>]\"; from=<a> to=<b> proto=SMTP helo=<h>", piece.repeat(300));
            assert!(find_list(said.as_bytes()).list.recipient == Some(b"b"), "{piece}");
        }
    }
}

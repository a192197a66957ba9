//! The list of fields at the end of a line: `; from=<S> to=<R> proto=P helo=<H>`.
//!
//! What stands before it may quote a remote server, a policy service or a message, so the list is
//! found from the right: the last `;` behind which everything reads to the end of the line. A text
//! in which more than one does is marked as ambiguous.

use nom::{
    Parser as _,
    bytes::complete::tag,
    character::complete::alphanumeric1,
    combinator::{all_consuming, opt, rest, verify},
    sequence::{delimited, preceded},
};

use crate::{
    address,
    fields::{Parsed, word},
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

/// None when the list was begun and does not read to the end. A text without any list is
/// postscreen's (`all server ports busy`), or was cut before it.
pub(super) fn find_list(said: &[u8]) -> Option<Found<'_>> {
    let mut found: Option<Found<'_>> = None;
    for at in memchr::memrchr_iter(b';', said) {
        let (text, tail) = said.split_at_checked(at)?;
        let Ok((_, list)) = all_consuming(list).parse(tail) else {
            continue;
        };
        if let Some(found) = &mut found {
            found.ambiguous = true;
            break;
        }
        found = Some(Found { text, list, ambiguous: false });
    }
    found.or_else(|| {
        let begun = memchr::memmem::find(said, b"; from=<").is_some();
        (!begun).then(|| Found { text: said, list: List::default(), ambiguous: false })
    })
}

/// `; from=<S> to=<R> proto=ESMTP helo=<H> sasl_method=PLAIN sasl_username=U sasl_sender=S`, each
/// part optional, with commas in between in postscreen's form. SASL since 3.10.
fn list(input: &[u8]) -> Parsed<'_, List<'_>> {
    let (input, list) = envelope(input)?;
    let (input, _) = opt(preceded(name("sasl_method"), word)).parse(input)?;
    let (input, sasl_username) = opt(preceded(name("sasl_username"), user)).parse(input)?;
    let (input, _) = opt(preceded(name("sasl_sender"), word)).parse(input)?;
    Ok((input, List { sasl_username, ..list }))
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

/// ` key=`, or `, key=`.
fn name<'a>(name: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| {
        let (rest, _) = (opt(tag(",")), tag(" "), tag(name), tag("=")).parse(input)?;
        Ok((rest, ()))
    }
}

/// smtpd replaces brackets inside the name by question marks (`smtpd.c`, `helo_cmd()`).
fn helo(input: &[u8]) -> Parsed<'_, &[u8]> {
    let inner = nom::bytes::complete::take_till(|byte| byte == b'>');
    delimited(tag("<"), inner, tag(">")).parse(input)
}

/// Free text up to the end, or to the authenticated sender behind it; a milter's line has it in
/// brackets.
///
/// No other field follows a user name, so a text that holds one is none: otherwise a quoted
/// address could begin a list of its own and swallow the rest of the real one as its user.
fn user(input: &[u8]) -> Parsed<'_, &[u8]> {
    let genuine =
        |user: &[u8]| !user.is_empty() && memchr::memmem::find(user, b" proto=").is_none();
    let (rest, user) = verify(rest, genuine).parse(input)?;
    let user = match memchr::memmem::rfind(user, b" sasl_sender=") {
        Some(at) => user.get(..at).unwrap_or(user),
        None => user,
    };
    let bare = user.strip_prefix(b"<").and_then(|user| user.strip_suffix(b">"));
    Ok((rest, bare.unwrap_or(user)))
}

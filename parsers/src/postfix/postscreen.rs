//! The list of fields at the end of a refusal of postscreen: `; from=<S>, to=<R>, proto=P, helo=<H>`.
//!
//! All of them are a stranger's words, while the text before them is Postfix's or the operator's
//! (`postscreen_smtpd.c`, `psc_rcpt_cmd()`). So the list begins at its first words, and only one
//! way to read it is right: a HELO name is one word. Where an address imitates a list all the
//! same, as it can when it is logged without quotes, none of the fields is taken.

use nom::{
    Parser as _, bytes::complete::take_while, character::complete::alphanumeric1,
    combinator::all_consuming, sequence::preceded,
};

use super::list::{Found, List};
use crate::{
    address,
    fields::{Parsed, failed, tag},
};

/// The text, and the list if there is one: a connection is refused without (`all server ports busy`).
pub(super) fn find_list(said: &[u8]) -> Found<'_> {
    let at = memchr::memmem::find(said, b"; from=<");
    let Some((text, tail)) = at.and_then(|at| said.split_at_checked(at)) else {
        return Found { text: said, list: List::default(), ambiguous: false };
    };
    let list = all_consuming(list).parse(tail).ok().map(|(_, list)| list);
    Found { text, ambiguous: list.is_none(), list: list.unwrap_or_default() }
}

fn list(input: &[u8]) -> Parsed<'_, List<'_>> {
    let (input, sender) = preceded(tag("; from="), address::angle).parse(input)?;
    let (input, recipient) = preceded(tag(", to="), address::angle).parse(input)?;
    let (input, proto) = preceded(tag(", proto="), alphanumeric1).parse(input)?;
    let (input, helo) = preceded(tag(", helo="), helo).parse(input)?;
    let [sender, recipient, proto, helo] = [sender, recipient, proto, helo].map(Some);
    Ok((input, List { sender, recipient, proto, helo, sasl_username: None }))
}

/// One word of any characters up to the end of the line (`psc_helo_cmd()`).
fn helo(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, word) = preceded(tag("<"), take_while(|byte| byte != b' ')).parse(input)?;
    let name = word.strip_suffix(b">").ok_or_else(|| failed(input))?;
    Ok((rest, name))
}

//! Macros: values that the mail server sends beside its commands, by Sendmail's names for them.

/// A list of names and values. They hold until the stage that they were sent for comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macros<'a> {
    /// The command that they come before.
    pub command: u8,
    /// Name, NUL, value, NUL, and so on. May be empty.
    pairs: &'a [u8],
}

impl<'a> Macros<'a> {
    pub(super) fn new(command: u8, pairs: &'a [u8]) -> Self {
        Self { command, pairs }
    }

    /// Names and values. A long name may come with its braces or without them: they are taken off.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut texts = Texts(self.pairs);
        std::iter::from_fn(move || Some((without_braces(texts.next()?), texts.next()?)))
    }

    /// The value of the macro of that name, written without braces.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

fn without_braces(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name)
}

/// Texts that each end with a NUL. The end of the data ends the last one, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Texts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(0, self.0).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(text)
    }
}

/// Points of a session that macros can be asked for (`mfapi.h`, `SMFIM_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names of the protocol's own commands")]
pub enum Stage {
    Connect = 0,
    Helo = 1,
    Mail = 2,
    Recipient = 3,
    Data = 4,
    EndOfBody = 5,
    EndOfHeaders = 6,
}

/// The macros that are asked for. All seven lists: when one is sent, Postfix sends nothing at the
/// stages that are left out (`src/milter/milter8.c`, `MILTER8_EVENT…`). That of the headers is short, since Postfix
/// repeats it before each of them.
pub const STAGES: [(Stage, &str); 7] = [
    (
        Stage::Connect,
        "j _ v {daemon_name} {daemon_addr} {daemon_port} {client_addr} {client_name} {client_ptr} \
         {client_port} {client_resolve}",
    ),
    (Stage::Helo, "{tls_version} {cipher} {cipher_bits}"),
    (
        Stage::Mail,
        "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    ),
    (Stage::Recipient, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}"),
    (Stage::Data, "i"),
    (Stage::EndOfBody, "i {auth_authen} {client_addr}"),
    (Stage::EndOfHeaders, "i"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_with_braces_or_without_and_a_value_may_be_empty() {
        let macros = Macros::new(b'C', b"j\0mx.test\0{daemon_name}\0\0client_addr\x00192.0.2.1\0");
        assert_eq!(macros.get(b"j"), Some(&b"mx.test"[..]));
        assert_eq!(macros.get(b"daemon_name"), Some(&b""[..]));
        assert_eq!(macros.get(b"client_addr"), Some(&b"192.0.2.1"[..]));
        assert_eq!(macros.get(b"i"), None);
    }

    #[test]
    fn a_list_that_is_empty_or_ends_early_is_none() {
        assert_eq!(Macros::new(b'H', b"").iter().count(), 0);
        assert_eq!(Macros::new(b'H', b"i\0").iter().count(), 0);
        let cut = Macros::new(b'H', b"i\x00abc");
        assert_eq!(cut.get(b"i"), Some(&b"abc"[..]));
    }
}

//! What Postfix says about itself, for the keys of `[mail]` that nobody set (events.md §4).
//!
//! Postfix is asked once, when a command starts that has to tell outbound from inbound. Each key
//! that the configuration has stays as it is. Only what is plainly written can be taken: a lookup
//! table, a file, a pattern or an exclusion is handed back as left out, so that the operator can be
//! told. No answer, whatever the reason, leaves the defaults and stops nobody.
//!
//! * `ask` runs `postconf(1)`, bounded in time and size,
//! * `read` takes its answer apart.

mod ask;
mod read;

use std::{error::Error, fmt::Display, path::PathBuf};

use ipnet::IpNet;

pub use ask::AskError;

use super::{
    checked::{Mail, Mta, Source},
    problem::{Code, Problem, Severity},
};
use crate::limits;

/// Parameters whose domains have their mailboxes, or their next hop, behind this host.
const DOMAINS: [&str; 4] =
    ["mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains"];

/// Values of one key that are shown; a host may have thousands of domains.
const SHOWN: usize = 20;

/// What was taken from Postfix, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromPostfix {
    /// The `postconf` that answered.
    pub program: PathBuf,
    /// What this Postfix calls itself.
    pub myhostname: String,
    /// The networks taken, when the configuration has none.
    pub mynetworks: Option<Vec<IpNet>>,
    /// The domains taken, when the configuration has none.
    pub local_domains: Option<Vec<String>>,
    /// What only Postfix can read.
    pub left_out: Vec<LeftOut>,
}

/// A value of Postfix that is not plainly written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The key of ours that it should have gone to.
    pub key: &'static str,
    /// The parameter of Postfix.
    pub parameter: &'static str,
    /// `hash:/etc/postfix/virtual`, `!192.0.2.1`; the first 80 characters.
    pub value: String,
}

/// Asks the Postfix of this host what `mail` leaves unsaid, and puts the answer there. None when
/// nothing is unsaid, no source can hold lines of Postfix, or there is no `postconf`.
///
/// # Errors
/// When `postconf` is there and gives no answer; `mail` is as before.
pub fn complete(mail: &mut Mail, sources: &[Source]) -> Result<Option<FromPostfix>, AskError> {
    let others_only = !sources.is_empty() && sources.iter().all(|from| from.mta == Mta::Haraka);
    if others_only || !mail.unsaid.any() {
        return Ok(None);
    }
    let Some(program) = ask::find() else { return Ok(None) };
    let parameters: Vec<_> = ["myhostname", "mynetworks"].into_iter().chain(DOMAINS).collect();
    let answer = ask::ask(&program, &parameters, limits::POSTCONF_WAIT)?;
    Ok(Some(take(mail, program, &answer)))
}

/// The values of some parameters of the Postfix of this host, in their order; those that it does
/// not know are empty. None when there is no `postconf`.
///
/// # Errors
/// When `postconf` is there and gives no answer.
pub fn values(parameters: &[&str]) -> Result<Option<Vec<String>>, AskError> {
    let Some(program) = ask::find() else { return Ok(None) };
    let answer = ask::ask(&program, parameters, limits::POSTCONF_WAIT)?;
    let value = |name: &&str| read::value(&answer, name).unwrap_or_default().to_owned();
    Ok(Some(parameters.iter().map(value).collect()))
}

fn take(mail: &mut Mail, program: PathBuf, answer: &str) -> FromPostfix {
    let myhostname = read::value(answer, "myhostname").unwrap_or_default().to_owned();
    let mut left_out = Vec::new();
    let networks = mail.unsaid.mynetworks.then(|| mynetworks(answer, &mut left_out)).flatten();
    if let Some(networks) = &networks {
        mail.mynetworks.clone_from(networks);
    }
    let domains = mail.unsaid.local_domains.then(|| local_domains(answer, &mut left_out)).flatten();
    if let Some(domains) = &domains {
        mail.local_domains.clone_from(domains);
    }
    FromPostfix { program, myhostname, mynetworks: networks, local_domains: domains, left_out }
}

/// None when the parameter is missing, or nothing in it can be read: then the default is nearer
/// to the truth than no network at all.
fn mynetworks(answer: &str, left_out: &mut Vec<LeftOut>) -> Option<Vec<IpNet>> {
    let before = left_out.len();
    let mut networks = Vec::new();
    for item in read::items(read::value(answer, "mynetworks")?) {
        match read::network(item) {
            Some(network) => networks.push(network),
            None => left_out.push(LeftOut::new("mail.mynetworks", "mynetworks", item)),
        }
    }
    (!networks.is_empty() || left_out.len() == before).then_some(networks)
}

/// None when not one domain is plainly written.
fn local_domains(answer: &str, left_out: &mut Vec<LeftOut>) -> Option<Vec<String>> {
    let mut domains: Vec<String> = Vec::new();
    for parameter in DOMAINS {
        for item in read::value(answer, parameter).into_iter().flat_map(read::items) {
            match read::domain(item) {
                Some(domain) => domains.push(domain),
                None => left_out.push(LeftOut::new("mail.local_domains", parameter, item)),
            }
        }
    }
    domains.sort_unstable();
    domains.dedup();
    (!domains.is_empty()).then_some(domains)
}

impl LeftOut {
    const CHARS: usize = 80;

    fn new(key: &'static str, parameter: &'static str, item: &str) -> Self {
        let shown = item.chars().filter(|c| !c.is_control()).take(Self::CHARS);
        Self { key, parameter, value: shown.collect() }
    }
}

impl FromPostfix {
    /// Each key that was taken, with the values as text: the first few, and how many more.
    pub fn taken(&self) -> impl Iterator<Item = (&'static str, String)> {
        let networks = self.mynetworks.as_deref().map(|list| ("mail.mynetworks", shown(list)));
        let domains = self.local_domains.as_deref().map(|list| ("mail.local_domains", shown(list)));
        networks.into_iter().chain(domains)
    }

    /// The same for somebody who looks at the configuration.
    #[must_use]
    pub fn notes(&self) -> Vec<Problem> {
        let program = self.program.display();
        let taken = self.taken().map(|(key, values)| {
            note(key, format!("{program} says {values}"), "set the key to say otherwise")
        });
        let left_out = self.left_out.iter().map(|left| {
            let message = format!("{} = {} is not read", left.parameter, left.value);
            note(left.key, message, "set the key when what is in there matters")
        });
        taken.chain(left_out).collect()
    }
}

impl AskError {
    /// The same for somebody who looks at the configuration.
    #[must_use]
    pub fn warning(&self) -> Problem {
        let cause = self.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let hint = "set mail.mynetworks and mail.local_domains, or postconf = \"off\"";
        let warning = note("mail.postconf", format!("{self}{cause}"), hint);
        Problem { severity: Severity::Warning, ..warning }
    }
}

fn note(key: &str, message: String, hint: &str) -> Problem {
    let (key, hint) = (key.to_owned(), Some(hint.to_owned()));
    let code = Code::default();
    Problem { severity: Severity::Note, line: None, column: None, key, message, hint, code }
}

fn shown<T: Display>(values: &[T]) -> String {
    let mut texts: Vec<_> = values.iter().take(SHOWN).map(ToString::to_string).collect();
    if values.len() > SHOWN {
        texts.push(format!("and {} more", values.len() - SHOWN));
    }
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{
        super::checked::{SourceKind, Start, Unsaid},
        *,
    };

    /// As Postfix 3.7 prints it with `-x`, for a host with a table.
    const ANSWER: &str = "\
myhostname = mx.here.test
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128, !192.0.2.7, 192.0.2.0/24 cidr:/etc/postfix/nets
mydestination = mx.here.test, Here.test, localhost.here.test, , localhost, here.test
virtual_mailbox_domains = mysql:/etc/postfix/domains.cf
virtual_alias_domains = hash:/etc/postfix/virtual, inline:{ {a.test = x}, b.test=y }
relay_domains =
";

    fn taken_from(answer: &str) -> (Mail, FromPostfix) {
        let mut mail = Mail::default();
        let taken = take(&mut mail, "/usr/sbin/postconf".into(), answer);
        (mail, taken)
    }

    #[test]
    fn what_is_plain_is_taken_and_the_rest_is_named() {
        let (mail, taken) = taken_from(ANSWER);
        assert_eq!(
            mail.local_domains,
            ["here.test", "localhost", "localhost.here.test", "mx.here.test"]
        );
        let networks: Vec<_> = mail.mynetworks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["127.0.0.0/8", "::ffff:127.0.0.0/104", "::1/128", "192.0.2.0/24"]);
        assert_eq!(taken.myhostname, "mx.here.test");
        let left: Vec<_> = taken
            .left_out
            .iter()
            .map(|left| format!("{} {}", left.parameter, left.value))
            .collect();
        assert_eq!(
            left,
            [
                "mynetworks !192.0.2.7",
                "mynetworks cidr:/etc/postfix/nets",
                "virtual_mailbox_domains mysql:/etc/postfix/domains.cf",
                "virtual_alias_domains hash:/etc/postfix/virtual",
                "virtual_alias_domains inline:{ {a.test = x}, b.test=y }",
            ]
        );
    }

    #[test]
    fn a_key_that_is_set_stays() {
        let mut mail = Mail { local_domains: vec!["set.test".into()], ..Mail::default() };
        mail.unsaid.local_domains = false;
        let taken = take(&mut mail, "postconf".into(), ANSWER);
        assert_eq!(mail.local_domains, ["set.test"]);
        assert!(taken.local_domains.is_none() && taken.mynetworks.is_some());
        assert!(taken.left_out.iter().all(|left| left.key == "mail.mynetworks"));
    }

    #[test]
    fn no_network_is_an_answer_and_an_unreadable_one_is_none() {
        assert!(taken_from("mynetworks =\n").0.mynetworks.is_empty());
        let defaults = Mail::default().mynetworks;
        for answer in ["", "mynetworks = cidr:/etc/postfix/nets\n", "postconf: fatal\n"] {
            assert_eq!(taken_from(answer).0.mynetworks, defaults, "{answer}");
        }
    }

    #[test]
    fn nobody_is_asked_when_everything_is_said_or_no_line_can_be_of_postfix() {
        let mut said = Mail { unsaid: Unsaid::NOTHING, ..Mail::default() };
        assert!(complete(&mut said, &[]).unwrap().is_none());
        let (kind, start) = (SourceKind::Stdin, Start::End);
        let haraka = Source { name: "haraka".into(), mta: Mta::Haraka, start, silence: None, kind };
        assert!(complete(&mut Mail::default(), &[haraka]).unwrap().is_none());
    }

    #[test]
    fn notes_show_a_few_of_many_and_what_is_left_out() {
        let domains: Vec<_> = (0..25).map(|number| format!("d{number:02}.test")).collect();
        let answer = format!("mydestination = {} hash:/x\n", domains.join(" "));
        let notes: Vec<_> = taken_from(&answer).1.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 2);
        let (taken, left_out) = (notes.first().unwrap(), notes.last().unwrap());
        assert!(taken.starts_with("note: mail.local_domains: /usr/sbin/postconf says d00.test, "));
        assert!(taken.contains("d19.test, and 5 more\n    hint: "), "{taken}");
        assert!(left_out.starts_with("note: mail.local_domains: mydestination = hash:/x is not"));
    }
}

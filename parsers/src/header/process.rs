//! The syslog tag: instance and daemon.
//!
//! `global/mail_task.c`, `mail_task()` joins `$syslog_name` and the program's name with a slash;
//! `$syslog_name` may hold slashes itself, and master.cf may override it for one service
//! (`postfix/submission/smtpd`), which leaves the queue the same.

use super::Program;

/// The syslog tag, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Process<'a> {
    /// The tag as logged, without the PID: `postfix/submission/smtpd`.
    pub tag: &'a [u8],
    /// The MTA instance, which names the queue: the first component that begins with `postfix`,
    /// together with what stands before it (`postfix`, `postfix-out`, `mail/eu/postfix-sub`).
    /// Without one: the first component when the last is a Postfix daemon (`mta/smtpd`), else the
    /// whole tag.
    pub instance: &'a [u8],
    /// The last component: the daemon (`smtpd`). Empty when the tag has no slash, as after
    /// rsyslog cut an RFC 5424 APP-NAME at the first slash.
    pub service: &'a [u8],
    /// Process ID, when logged.
    pub pid: Option<u32>,
}

/// Takes `tag` apart, and tells whether the program is one of Postfix.
///
/// A policy server that Postfix spawns logs as `postfix/policy-spf`: it shares the instance, but
/// its words are not Postfix's.
pub(super) fn tagged(tag: &[u8], pid: Option<u32>) -> (Process<'_>, Program) {
    let Some(last_slash) = memchr::memrchr(b'/', tag) else {
        let process = Process { tag, instance: tag, service: b"", pid };
        return (process, program(tag.starts_with(PREFIX)));
    };
    let (path, service) = tag.split_at(last_slash);
    let service = service.strip_prefix(b"/").unwrap_or(service);
    let is_postfix = is_daemon(service);
    let instance = match postfix_component(path) {
        Some(instance) => instance,
        None if is_postfix => first_component(path),
        None => tag,
    };
    (Process { tag, instance, service, pid }, program(is_postfix))
}

fn program(is_postfix: bool) -> Program {
    if is_postfix { Program::Postfix } else { Program::Other }
}

/// `postfix/smtpd[337]`, as nearly all tags are, up to the bracket: read above as well, but not as
/// fast. No daemon has a slash or a bracket in its name.
pub(super) fn leading(text: &[u8]) -> Option<(Process<'_>, &[u8])> {
    let (instance, rest) = text.split_at_checked(PREFIX.len())?;
    let rest = rest.strip_prefix(b"/")?;
    let (service, rest) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'[')?)?;
    let (tag, _) = text.split_at_checked(PREFIX.len() + 1 + service.len())?;
    let is_plain = instance == PREFIX && is_daemon(service);
    is_plain.then_some((Process { tag, instance, service, pid: None }, rest))
}

/// What `syslog_name` begins with unless an operator renamed the whole instance.
const PREFIX: &[u8] = b"postfix";

/// `path` up to the end of its first component that begins with `postfix`.
fn postfix_component(path: &[u8]) -> Option<&[u8]> {
    let start =
        if path.starts_with(PREFIX) { 0 } else { memchr::memmem::find(path, b"/postfix")? + 1 };
    let length = path.iter().skip(start).position(|byte| *byte == b'/');
    length.map_or(Some(path), |length| path.get(..start + length))
}

fn first_component(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The programs of Postfix (`src/*`, as named by `$process_name`), and master.cf names that log
/// under another program's name.
fn is_daemon(service: &[u8]) -> bool {
    // Most lines are of these four.
    matches!(service, b"smtpd" | b"smtp" | b"qmgr" | b"cleanup") || is_other_daemon(service)
}

fn is_other_daemon(service: &[u8]) -> bool {
    let sees_messages = matches!(
        service,
        b"bounce"
            | b"defer"
            | b"discard"
            | b"error"
            | b"lmtp"
            | b"local"
            | b"nqmgr"
            | b"oqmgr"
            | b"pickup"
            | b"pipe"
            | b"postdrop"
            | b"postscreen"
            | b"postsuper"
            | b"qmqpd"
            | b"relay"
            | b"retry"
            | b"sendmail"
            | b"trace"
            | b"verify"
            | b"virtual"
    );
    sees_messages || is_without_messages(service)
}

/// Programs of Postfix that keep tables, count, resolve, or are run by hand.
pub(crate) fn is_without_messages(service: &[u8]) -> bool {
    matches!(
        service,
        b"anvil"
            | b"dnsblog"
            | b"flush"
            | b"master"
            | b"post-install"
            | b"postalias"
            | b"postcat"
            | b"postconf"
            | b"postfix"
            | b"postfix-script"
            | b"postfix-wrapper"
            | b"postkick"
            | b"postlock"
            | b"postlog"
            | b"postlogd"
            | b"postmap"
            | b"postmulti"
            | b"postqueue"
            | b"proxymap"
            | b"scache"
            | b"showq"
            | b"spawn"
            | b"tlsmgr"
            | b"tlsproxy"
            | b"trivial-rewrite"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn taken_apart(tag: &str) -> (&str, &str, bool) {
        let (process, program) = tagged(tag.as_bytes(), None);
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (text(process.instance), text(process.service), program == Program::Postfix)
    }

    #[test]
    fn the_instance_names_the_queue_and_the_last_component_the_daemon() {
        for (tag, expected) in [
            ("postfix/smtp", ("postfix", "smtp", true)),
            ("postfix/submission/smtpd", ("postfix", "smtpd", true)),
            ("postfix-out/smtp", ("postfix-out", "smtp", true)),
            (
                "mail/eu-west/postfix-sub/submission/587/smtpd",
                ("mail/eu-west/postfix-sub", "smtpd", true),
            ),
            ("postfix/postfix-script", ("postfix", "postfix-script", true)),
            ("mta/postfix-script", ("mta", "postfix-script", true)),
            ("mta/submission/smtpd", ("mta", "smtpd", true)),
        ] {
            assert_eq!(taken_apart(tag), expected, "{tag}");
        }
    }

    #[test]
    fn a_cut_tag_is_postfix_without_a_daemon() {
        assert_eq!(taken_apart("postfix"), ("postfix", "", true));
    }

    #[test]
    fn other_programs_are_not_postfix() {
        assert_eq!(taken_apart("opendkim"), ("opendkim", "", false));
        assert_eq!(taken_apart("/usr/sbin/cron"), ("/usr/sbin/cron", "cron", false));
        assert_eq!(taken_apart("postfix/policy-spf"), ("postfix", "policy-spf", false));
        assert_eq!(taken_apart(""), ("", "", false));
    }
}

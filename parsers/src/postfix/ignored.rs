//! Texts that are known, and without meaning for any message.
//!
//! Known by their first words, which are Postfix's own. What is missing here shows up as
//! unrecognised, which costs a look and loses nothing.
//!
//! postscreen's findings (`PREGREET`, `DNSBL rank`, `DENYLISTED`, `BARE NEWLINE`, `COMMAND …`,
//! `HANGUP`, `DISCONNECT`) are among them: a finding refuses nobody. With the action `ignore` the
//! client goes on, with `drop` it had not asked for anything yet, and each recipient that is
//! refused afterwards gets a `NOQUEUE: reject:` of its own (`postscreen_smtpd.c`).

use nom::{Parser as _, sequence::terminated};

use super::peer::peer;
use crate::fields::tag;

/// A text that begins like none about a message: sessions, TLS, housekeeping, warnings.
///
/// Sorted by first letter, because this is asked of every line and most lines are of this kind.
pub(super) fn without_id(text: &[u8]) -> bool {
    let known: &[&str] = match text.first() {
        Some(b'c') => {
            &["connect from ", "connect to ", "cache ", "certificate ", "close database "]
        }
        Some(b'd') => &["disconnect from ", "daemon started ", "discarding EHLO keywords: "],
        Some(b'l') => &["lost connection ", "leaving STRESS mode", "last message repeated "],
        Some(b't') => &[
            "timeout after ",
            "too many errors after ",
            "table ",
            "terminating on signal ",
            "the Postfix mail system is ",
        ],
        // `backwards-compatible default setting NAME=VALUE`, by any daemon.
        Some(b'u') => &["using "],
        Some(b's') => &[
            "statistics: ",
            "starting the Postfix ",
            "stopping the Postfix ",
            "setting up TLS connection ",
            "subject_CN=",
            // `tls_verify.c`, `smtp_addr.c`.
            "server certificate verification failed for ",
            "skipping SRV lookup for ",
        ],
        // `smtp_proto.c`: `host NAME offers SMTPUTF8 support, but not 8BITMIME`.
        Some(b'h') => &["host "],
        // `dsn_util.c`, `master.c`.
        Some(b'm') => &["mapping DSN status ", "master exit time has arrived"],
        Some(b'a') => &["addr ", "aborting the Postfix "],
        Some(b'e') => &["error: ", "entering STRESS mode", "exiting to reopen external "],
        Some(b'f') => &["fatal: "],
        Some(b'i') => &[
            "improper command pipelining ",
            "initializing the ",
            "ignoring DNS RR: ",
            "ignoring status update from child ",
            "instead, send to ",
        ],
        Some(b'p') => &["panic: "],
        Some(b'r') => &["reload ", "refreshing the Postfix "],
        Some(b'w') => &["warning: ", "waiting for the Postfix "],
        Some(letter @ b'A'..=b'Z') => capital(*letter),
        // `master_ent.c`: `/etc/postfix/master.cf: line 12: using …`.
        Some(b'/') => &["/"],
        // `postscreen_smtpd.c`: `[192.0.2.1]:4567: discarding EHLO keywords: …`.
        Some(b'[') => &["["],
        // `-v` and debug_peer_list show the dialogue, which imitates anything.
        Some(b'>') => &["> "],
        Some(b'<') => &["< "],
        _ => &[],
    };
    begins_with_one(text, known)
}

/// Of texts that begin with a capital letter.
fn capital(first: u8) -> &'static [&'static str] {
    match first {
        b'A' => &["Anonymous TLS connection ", "ALLOWLISTED ", "ALLOWLIST VETO "],
        b'B' => &["BARE NEWLINE ", "BLACKLISTED ", "BDAT without valid RCPT "],
        b'C' => &[
            "CONNECT from ",
            // `tlsproxy.c`, in front of smtp.
            "CONNECT to ",
            "COMMAND PIPELINING ",
            "COMMAND TIME LIMIT ",
            "COMMAND COUNT LIMIT ",
            "COMMAND LENGTH LIMIT ",
            "CLIENT wrappermode ",
        ],
        b'D' => &["DISCONNECT ", "DNSBL rank ", "DENYLISTED ", "DATA without valid RCPT "],
        b'H' => &["HANGUP after ", "Host offered STARTTLS: "],
        b'N' => &["NON-SMTP COMMAND "],
        // `postfix.c`: a `compatibility_level` of long ago, in three lines.
        b'P' => &["PASS NEW ", "PASS OLD ", "PREGREET ", "Postfix is "],
        b'R' => &["Renamed to match inode number: "],
        b'S' => &[
            "SSL_accept ",
            "SSL_connect ",
            "SSL_accept:",
            "SSL_connect:",
            "SSL3 alert ",
            "SMTPS wrappermode ",
            "See http",
        ],
        b'T' => &[
            "Trusted TLS connection ",
            "TLS SNI ",
            "TLS handshake failed for ",
            // `tlsrpt_wrapper.c` since 3.10, one for each connection.
            "TLSRPT: ",
            "TLS policy lookup error for ",
            "To disable backwards compatibility ",
        ],
        b'U' => &["Untrusted TLS connection "],
        b'V' => &["Verified TLS connection "],
        b'W' => &["WHITELISTED ", "WHITELIST VETO "],
        _ => &[],
    }
}

/// What may follow a queue ID, or `NOQUEUE: ` since 3.10, without deciding anything.
///
/// Most of it says why an attempt failed where another host remains (`smtp_trouble.c`,
/// `smtp_bulk_fail()`), in the words that an RFC 5424 APP-NAME cut at its slash leaves to know it by.
pub(super) fn with_id(text: &[u8]) -> bool {
    let known: &[&str] = match text.first() {
        // `smtpd.c`, `tls_state_start()`: the client has no certificate that counts.
        Some(b'a') => &["abort: TLS from "],
        Some(b'c') => &["conversation with ", "connect to ", "canceled"],
        Some(b'e') => &["enabling PIX workarounds: "],
        Some(b'h') => &["host "],
        Some(b'i') => &["improper command pipelining "],
        Some(b'l') => &["lost connection ", "local data error while talking to "],
        // `global/deliver_pass.c`: the status line of the other transport follows.
        Some(b'p') => &["passing <"],
        // `global/bounce.c`, of a probe or another message that is sent once.
        Some(b'n') => &["not sending trace/success notification "],
        // `postsuper.c`; `smtpd_chat.c`.
        Some(b'r') => &["renamed ", "reply filter "],
        // `bounce.c`, `bounce_flush()`, `qmgr_active.c`: a notification was not written, whose message
        // stays in the queue for it; `qmgr_message.c` after a reload.
        Some(b's') => &[
            "status=deferred (bounce failed)",
            "status=deferred (verp-bounce failed)",
            "status=deferred (delay warning failed)",
            "status=deferred (trace failed)",
            "skipped, still being delivered",
        ],
        // `smtpd.c` since 3.10.
        Some(b't') => &["timeout after ", "too many errors after "],
        Some(b'C') => &["Cannot start TLS: "],
        Some(b'S') => &[
            "Server certificate not ",
            "SASL authentication failed",
            "SASL [CACHED] authentication failed",
            "SMTPUTF8 is required, but ",
            "Sender requested REQUIRETLS, ",
        ],
        Some(b'T') => &["TLS is required, but ", "TLSA lookup error for "],
        _ => &[],
    };
    begins_with_one(text, known)
}

/// What TLS says of a peer, in front of whose words its name and address stand (`tls_client.c`,
/// `tls_server.c`, `tls_verify.c`): `mx.test[192.0.2.1]:25: subject_CN=…`.
pub(super) fn of_peer(text: &[u8]) -> bool {
    let known = [
        "subject_CN=",
        "raw public key ",
        "re-using session with ",
        "Reusing old session",
        "matched peername: ",
        "subjectAltName: ",
        "SNI hostname: ",
        "TLS cipher list ",
        "depth=",
        "verify=",
        "Issuing session ticket",
        "Decrypting session ticket",
        "looking up session ",
        "reloaded session ",
        "remove session ",
        "save session ",
        // `smtp_chat.c`; `qmqpd_peer.c`, which names the queue ID in front.
        "replacing server reply ",
        "lost connection while ",
        "timeout while ",
    ];
    let said = terminated(peer, tag(": ")).parse(text);
    said.is_ok_and(|(said, _)| begins_with_one(said, &known))
}

/// The SMTP client names the reason of any failed attempt behind the queue ID when another host
/// remains to be tried (`smtp_trouble.c`).
pub(super) fn is_attempt_note(service: &[u8]) -> bool {
    matches!(service, b"smtp" | b"lmtp")
}

fn begins_with_one(text: &[u8], known: &[&str]) -> bool {
    known.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `postfix.c`, `postfix-script`, `master_ent.c`, `tlsproxy_state.c`, `postscreen.c` and
    /// `postscreen_smtpd.c`, Postfix 3.4 to 3.12.
    #[test]
    fn what_a_host_says_of_itself_is_known() {
        for text in [
            "Postfix is running with backwards-compatible default settings",
            "Postfix is using backwards-compatible default settings",
            "See http://www.postfix.org/COMPATIBILITY_README.html for details",
            "See https://www.postfix.org/COMPATIBILITY_README.html for details",
            "To disable backwards compatibility use \"postconf compatibility_level=3.6\" and \
             \"postfix reload\"",
            "using backwards-compatible default setting smtpd_relay_before_recipient_restrictions=no \
             to reject recipient \"b@lab.test\" from client \"a.test[192.0.2.1]\"",
            "/etc/postfix/master.cf: line 12: using backwards-compatible default setting chroot=y",
            "TLS handshake failed for service=smtpd peer=[192.0.2.1]:4567",
            "the Postfix mail system is running: PID: 1",
            "the Postfix mail system is not running",
            "[192.0.2.1]:4567: discarding EHLO keywords: CHUNKING",
            "ALLOWLISTED [192.0.2.1]:4567",
            "WHITELISTED [192.0.2.1]:4567",
            "WHITELIST VETO [192.0.2.1]:4567",
            "TLSRPT: status=success, domain=b.test, receiving_mx=mx.b.test[192.0.2.1]",
            "TLSRPT: status=failure, domain=b.test, receiving_mx=mx.b.test[192.0.2.1], failure_type=starttls_not_supported",
            "SMTPS wrappermode (TCP port 465) requires setting \"smtp_tls_wrappermode = yes\"",
            "server certificate verification failed for mx.b.test[192.0.2.1]:25: num=62:hostname mismatch",
            "host mx.b.test[192.0.2.1] offers SMTPUTF8 support, but not 8BITMIME",
            "ignoring DNS RR: mx.b.test. 300 IN AAAA 2001:db8::1",
            "skipping SRV lookup for _submission._tcp.b.test: Host not found",
            "mapping DSN status 4.1.1 into User status 5.1.1",
            "ignoring status update from child pid 77 generation 3",
            "master exit time has arrived",
            "exiting to reopen external entropy source dev:/dev/urandom",
            "TLS policy lookup error for mx.b.test/192.0.2.1: x",
            "CLIENT wrappermode (port smtps/465) is unimplemented",
            "instead, send to (port submission/587) with STARTTLS",
        ] {
            assert!(without_id(text.as_bytes()), "{text}");
        }
    }

    /// Postfix 2.11 to 3.12.
    #[test]
    fn what_tls_says_of_a_peer_is_known() {
        for text in [
            "mx.test[192.0.2.1]:25: re-using session with untrusted peer credential, look for details earlier in the log",
            "c.test[192.0.2.1]: subject_CN=c.test, issuer=CA, cert fingerprint=00:11",
            "mx.test[192.0.2.1]:25: depth=0 verify=1 subject=/CN=mx.test",
            "c.test[192.0.2.1]: Issuing session ticket, key expiration: 1795223867",
            "mx.test[192.0.2.1]:25: replacing server reply \"554 5.7.1 x\" with \"454 4.7.1 x\"",
            "c.test[192.0.2.1]: lost connection while receiving message content",
        ] {
            assert!(of_peer(text.as_bytes()), "{text}");
        }
        for text in ["c.test[192.0.2.1]: no words of TLS", "c.test: subject_CN=c.test"] {
            assert!(!of_peer(text.as_bytes()), "{text}");
        }
        assert!(with_id(b"abort: TLS from c.test[192.0.2.1]: Client certificate not trusted"));
        assert!(without_id(b"CONNECT to [192.0.2.1]:25"));
    }

    /// `smtp_trouble.c` with the reasons of `smtp_proto.c`, `smtp_connect.c` and
    /// `smtp_sasl_glue.c`; `deliver_pass.c`.
    #[test]
    fn remarks_about_a_message_are_known_without_their_daemon() {
        for text in [
            "Server certificate not trusted",
            "Server certificate not verified",
            "Cannot start TLS: handshake failure",
            "TLS is required, but was not offered by host mx.test[192.0.2.1]",
            "TLSA lookup error for mx.test:25",
            "SASL authentication failed; server mx.test[192.0.2.1] said: 535 5.7.8 no",
            "SASL [CACHED] authentication failed; server mx.test[192.0.2.1] said: 535 5.7.8 no",
            "SMTPUTF8 is required, but was not offered by host mx.test[192.0.2.1]",
            "local data error while talking to mx.test[192.0.2.1]",
            "passing <b@lab.test> to transport=lmtp",
            "enabling PIX workarounds: disable_esmtp delay_dotcrlf for mx.test[192.0.2.1]:25",
            "not sending trace/success notification for single-bounce message",
            "status=deferred (delay warning failed)",
            "reply filter in: 550 5.1.1 <a@b.test>: Recipient address rejected: User unknown",
        ] {
            assert!(with_id(text.as_bytes()), "{text}");
        }
    }
}

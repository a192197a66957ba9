//! Texts that are known, and without meaning for any message.
//!
//! Known by their first words, which are Postfix's own. What is missing here shows up as
//! unrecognised, which costs a look and loses nothing.
//!
//! postscreen's findings (`PREGREET`, `DNSBL rank`, `DENYLISTED`, `BARE NEWLINE`, `COMMAND …`,
//! `HANGUP`, `DISCONNECT`) are among them: a finding refuses nobody. With the action `ignore` the
//! client goes on, with `drop` it had not asked for anything yet, and each recipient that is
//! refused afterwards gets a `NOQUEUE: reject:` of its own (`postscreen_smtpd.c`).

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
        Some(b't') => {
            &["timeout after ", "too many errors after ", "table ", "terminating on signal "]
        }
        Some(b's') => &[
            "statistics: ",
            "starting the Postfix ",
            "stopping the Postfix ",
            "setting up TLS connection ",
            "subject_CN=",
        ],
        Some(b'a') => &["addr ", "aborting the Postfix "],
        Some(b'e') => &["error: ", "entering STRESS mode"],
        Some(b'f') => &["fatal: "],
        Some(b'i') => &["improper command pipelining ", "initializing the "],
        Some(b'p') => &["panic: "],
        Some(b'r') => &["reload ", "refreshing the Postfix "],
        Some(b'w') => &["warning: ", "waiting for the Postfix "],
        Some(b'A') => &["Anonymous TLS connection ", "ALLOWLISTED ", "ALLOWLIST VETO "],
        Some(b'B') => &["BARE NEWLINE ", "BLACKLISTED ", "BDAT without valid RCPT "],
        Some(b'C') => &[
            "CONNECT from ",
            "COMMAND PIPELINING ",
            "COMMAND TIME LIMIT ",
            "COMMAND COUNT LIMIT ",
            "COMMAND LENGTH LIMIT ",
        ],
        Some(b'D') => &["DISCONNECT ", "DNSBL rank ", "DENYLISTED ", "DATA without valid RCPT "],
        Some(b'H') => &["HANGUP after ", "Host offered STARTTLS: "],
        Some(b'N') => &["NON-SMTP COMMAND "],
        Some(b'P') => &["PASS NEW ", "PASS OLD ", "PREGREET "],
        Some(b'R') => &["Renamed to match inode number: "],
        Some(b'S') => {
            &["SSL_accept ", "SSL_connect ", "SSL_accept:", "SSL_connect:", "SSL3 alert "]
        }
        Some(b'T') => &["Trusted TLS connection ", "TLS SNI "],
        Some(b'U') => &["Untrusted TLS connection "],
        Some(b'V') => &["Verified TLS connection "],
        Some(b'W') => &["WHITELISTED ", "WHITELIST VETO "],
        // `-v` and debug_peer_list show the dialogue, which imitates anything.
        Some(b'>') => &["> "],
        Some(b'<') => &["< "],
        _ => &[],
    };
    begins_with_one(text, known)
}

/// What may follow a queue ID, or `NOQUEUE: ` since 3.10, without deciding anything.
pub(super) fn with_id(text: &[u8]) -> bool {
    begins_with_one(
        text,
        &[
            // An attempt failed and another host remains (`smtp_trouble.c`, `smtp_bulk_fail()`).
            "host ",
            "lost connection ",
            "conversation with ",
            "connect to ",
            // `global/deliver_pass.c`: the status line of the other transport follows.
            "passing <",
            // `bounce.c`, `bounce_flush()`.
            "status=deferred (bounce failed)",
            // `qmgr_message.c` after a reload.
            "skipped, still being delivered",
            // `postsuper.c`.
            "renamed ",
            // `smtp_proto.c`.
            "enabling PIX workarounds: ",
            // `smtpd.c` since 3.10.
            "timeout after ",
            "too many errors after ",
            "improper command pipelining ",
            "canceled",
        ],
    )
}

/// The SMTP client names the reason of any failed attempt behind the queue ID when another host
/// remains to be tried (`smtp_trouble.c`).
pub(super) fn is_attempt_note(service: &[u8]) -> bool {
    matches!(service, b"smtp" | b"lmtp")
}

fn begins_with_one(text: &[u8], known: &[&str]) -> bool {
    known.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
}

//! What a real `postconf(1)` says. No daemon is needed for that, nor a network of its own.

use std::{fs, process::Command};

use crate::needs;

const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = mx.here.test
mydestination = $myhostname, here.test, localhost.$mydomain
mynetworks = 127.0.0.0/8 [::1]/128,
    !192.0.2.7 192.0.2.0/24
virtual_alias_maps = texthash:/etc/postfix/virtual
relay_domains = relayed.test
";

/// Postfix waits with a `main.cf` that was written within the last two seconds; the answer was
/// once not waited for.
#[test]
fn what_a_real_postfix_says_is_understood_right_after_an_edit() {
    if let Some(missing) = needs::missing_program(&["postconf"]) {
        return needs::skip(&missing);
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mailherald.toml");
    fs::write(dir.path().join("main.cf"), MAIN_CF).unwrap();
    fs::write(&config, "[[source]]\ninclude = [\"/\"]\n").unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    check.arg("check").arg("--config").arg(&config).env("MAIL_CONFIG", dir.path());
    let said = String::from_utf8(check.output().unwrap().stdout).unwrap();
    for wanted in [
        "mail.mynetworks: ",
        " says 127.0.0.0/8, ::1/128, 192.0.2.0/24\n",
        "mynetworks = !192.0.2.7 is not read\n",
        " says here.test, localhost.here.test, mx.here.test, relayed.test\n",
        "virtual_alias_domains = texthash:/etc/postfix/virtual is not read\n",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
}

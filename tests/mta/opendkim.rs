//! A real opendkim: it signs what this host sends for `good.test`, and verifies what comes from
//! elsewhere, with keys from a file instead of the DNS.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::wait;

/// Making a key and starting.
const LIMIT: Duration = Duration::from_secs(30);

/// The programs that this needs.
pub(crate) const PROGRAMS: [&str; 2] = ["opendkim", "opendkim-genkey"];

const CONFIG: &str = "Syslog no
RequireSafeKeys no
UMask 000
Mode sv
Domain good.test
Selector s
KeyFile @DIR@/s.private
TestPublicKeys @DIR@/public
InternalHosts @DIR@/internal
AuthservID mx.here.test
Socket local:@DIR@/opendkim.sock
";

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct OpenDkim {
    child: Child,
}

/// Where it listens, of one that keeps its things in that directory.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    directory.join("opendkim.sock")
}

impl OpenDkim {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(directory: &Path) -> Self {
        make_keys(directory);
        let config =
            CONFIG.replace("@DIR@", directory.to_str().expect("temporary paths are UTF-8"));
        fs::write(directory.join("opendkim.conf"), config).expect("the directory is ours");
        fs::write(directory.join("internal"), "127.0.0.1\n").expect("the directory is ours");
        let child = Command::new("opendkim")
            .args(["-f", "-x"])
            .arg(directory.join("opendkim.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("it is on the search path");
        let listens = wait::until(LIMIT, || UnixStream::connect(socket(directory)).is_ok());
        assert!(listens, "opendkim does not listen");
        Self { child }
    }
}

impl Drop for OpenDkim {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A private key, and a file with the line that would stand in the DNS.
fn make_keys(directory: &Path) {
    let made = Command::new("opendkim-genkey")
        .args(["-b", "2048", "-s", "s", "-d", "good.test", "-D"])
        .arg(directory)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "a key can be made");
    let zone = fs::read_to_string(directory.join("s.txt")).expect("it was made");
    let quoted: String = zone.split('"').skip(1).step_by(2).collect();
    let line = format!("s._domainkey.good.test {quoted}\n");
    fs::write(directory.join("public"), line).expect("the directory is ours");
    let mine = Permissions::from_mode(0o600);
    fs::set_permissions(directory.join("s.private"), mine).expect("the file is ours");
}

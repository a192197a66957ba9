//! A real `SpamAssassin` before our milter: spamass-milter and spamd, with a rule of our own and without
//! the network.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::wait;

/// Starting, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// The programs that this needs.
pub(crate) const PROGRAMS: [&str; 3] = ["spamd", "spamc", "spamass-milter"];

const PLUGINS: &str = "loadplugin Mail::SpamAssassin::Plugin::Check\n";

const RULES: &str = "body PILLS /cheap pills/i
score PILLS 9.9
required_score 5
report_safe 0
use_bayes 0
clear_headers
add_header all Status \"_YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTS_ autolearn=_AUTOLEARN_\"
";

/// A running pair. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct SpamAssassin {
    children: Vec<Child>,
}

/// Where the milter listens, of one that keeps its things in that directory.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    directory.join("spamass.sock")
}

impl SpamAssassin {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(directory: &Path) -> Self {
        write_configuration(directory);
        let daemon = directory.join("spamd.sock");
        let place = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut spamd = Command::new("spamd");
        spamd.args(["--local", "--nouser-config", "--username=nobody", "--max-children=1"]);
        spamd.args([place("socketpath", &daemon), "--socketmode=0666".to_owned()]);
        spamd.arg(place("configpath", &directory.join("rules")));
        spamd.arg(place("siteconfigpath", &directory.join("site")));
        let mut milter = Command::new("spamass-milter");
        milter.arg("-p").arg(socket(directory)).args(["--", "-U"]).arg(&daemon);
        let mut running = Self { children: Vec::new() };
        running.run(&mut spamd, &daemon);
        running.run(&mut milter, &socket(directory));
        // Postfix's daemons run under another user.
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(socket(directory), everybody).expect("the file is ours");
        running
    }

    fn run(&mut self, program: &mut Command, socket: &Path) {
        let silent = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.children.push(silent.spawn().expect("it is on the search path"));
        let listens = wait::until(LIMIT, || UnixStream::connect(socket).is_ok());
        assert!(listens, "nobody listens at {}", socket.display());
    }
}

impl Drop for SpamAssassin {
    fn drop(&mut self) {
        for child in &mut self.children {
            // spamd ends its own children when it is told to end.
            let done = Command::new("kill").arg(child.id().to_string()).status();
            if !done.is_ok_and(|status| status.success()) {
                child.kill().ok();
            }
            child.wait().ok();
        }
    }
}

fn write_configuration(directory: &Path) {
    for (name, file, text) in [("rules", "10.cf", RULES), ("site", "init.pre", PLUGINS)] {
        fs::create_dir(directory.join(name)).expect("the directory is ours");
        fs::write(directory.join(name).join(file), text).expect("the directory is ours");
    }
}

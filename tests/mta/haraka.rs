//! A real Haraka with a world made for the tests (`haraka/lab.js`), and our plugin.
//!
//! | mail to | goes |
//! |---|---|
//! | `here.test` | by SMTP to the sink, while the client waits |
//! | `box.test` | by LMTP to the sink |
//! | `nowhere.test` | to a port where nobody listens |
//! | any other domain | to the sink, from a client that has authenticated; else it is refused |

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{free_address, sasl, wait};

/// What Haraka may take to start on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);

const PLUGINS: &str = "lab\nauth/flat_file\nrspamd\nqueue/lmtp\nqueue/smtp_forward\nmailherald\n";

/// A running Haraka. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Haraka {
    child: Child,
    home: PathBuf,
    smtp: SocketAddr,
}

impl Haraka {
    /// Starts it with everything it writes in `dir`. Its mail goes to `sink`.
    pub(crate) fn start(dir: &Path, sink: SocketAddr) -> Self {
        let home = dir.join("haraka");
        let smtp = free_address();
        configure(&home, smtp, sink);
        let log = File::create(home.join("haraka.log")).expect("dir is ours");
        let child = Command::new("node")
            .arg(modules().join("haraka/bin/haraka"))
            .arg("-c")
            .arg(&home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("an open file can be shared"))
            .stderr(log)
            .spawn()
            .expect("node is installed, see needs.rs");
        let haraka = Self { child, home, smtp };
        // Until its queue is loaded, it takes the file of a mail that comes for one that was left over.
        let is_ready = |log: &str| {
            ["Listening on", "files in my temp fail queue"].iter().all(|it| log.contains(it))
        };
        let is_up = wait::until(PATIENCE, || is_ready(&haraka.log_text()));
        assert!(is_up, "Haraka does not start:\n{}", haraka.log_text());
        haraka
    }

    /// Where it takes mail.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("haraka.log")
    }

    /// What it has logged.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// Where the plugin writes.
    pub(crate) fn events(&self) -> PathBuf {
        self.home.join("events")
    }
}

impl Drop for Haraka {
    fn drop(&mut self) {
        // It may have ended before us; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Where `cargo xtask test` puts the latest release.
pub(crate) fn modules() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("harakas").join("3.3/node_modules")
}

fn configure(home: &Path, smtp: SocketAddr, sink: SocketAddr) {
    let (ip, port) = (sink.ip(), sink.port());
    let server = format!("[main]\nhost={ip}\nport={port}\n");
    let rspamd = free_address();
    let check = "[check]\nauthenticated=true\nprivate_ip=true\nlocal_ip=true\nrelay=true\n";
    let rspamd = format!(
        "[main]\nhost=127.0.0.1\nport={}\n{check}[reject]\nauthenticated=true\n",
        rspamd.port()
    );
    let events = home.join("events");
    let ini = format!("dir={}\nmetadata_headers=X-Order\n", events.display());
    let users = format!("[core]\nmethods=PLAIN\n[users]\n{}={}\n", sasl::USER, sasl::PASSWORD);
    let own = |name: &str| {
        fs::read_to_string(modules().join("haraka/config").join(name)).expect("it is installed")
    };
    let files = [
        ("config/plugins", PLUGINS.to_owned()),
        ("config/smtp.ini", format!("listen={smtp}\nnodes=0\n")),
        ("config/log.ini", "[main]\nlevel=info\ntimestamps=true\nformat=json\n".to_owned()),
        ("config/me", "mta.lab.test\n".to_owned()),
        ("config/lmtp.ini", server.clone()),
        ("config/smtp_forward.ini", server),
        ("config/rspamd.ini", rspamd),
        ("config/mailherald.ini", ini),
        ("config/auth_flat_file.ini", users),
        ("config/outbound.ini", "temp_fail_intervals=5s\n".to_owned()),
        ("config/outbound.bounce_message", own("outbound.bounce_message")),
        ("config/connection.ini", own("connection.ini")),
        ("plugins/lab.js", include_str!("haraka/lab.js").to_owned()),
    ];
    for (name, text) in files {
        let path = home.join(name);
        fs::create_dir_all(path.parent().expect("it is in home")).expect("dir is ours");
        fs::write(path, text).expect("dir is ours");
    }
    link_plugins(home);
}

/// Plugins are looked for beside the configuration.
fn link_plugins(home: &Path) {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/haraka");
    let directory = home.join("node_modules");
    fs::create_dir_all(&directory).expect("dir is ours");
    for (name, target) in [
        ("haraka-plugin-mailherald", ours),
        ("haraka-plugin-rspamd", modules().join("haraka-plugin-rspamd")),
    ] {
        std::os::unix::fs::symlink(target, directory.join(name)).expect("dir is ours");
    }
}

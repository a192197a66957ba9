//! The servers of `contrib/receivers`, running.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::SECRET;

/// What a program may take to start on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Programs, and the profile that each of them checks.
pub(crate) const KINDS: [(&str, &str); 13] = [
    ("node/standardwebhooks.cjs", "standard"),
    ("node/standardwebhooks.cjs", "jetemail"),
    ("node/standardwebhooks.cjs", "generic"),
    ("node/svix.cjs", "standard"),
    ("node/lettermint.cjs", "lettermint"),
    ("node/jetemail.cjs", "jetemail"),
    ("node/generic.cjs", "generic"),
    ("python/standard.py", "standard"),
    ("python/lettermint_sdk.py", "lettermint"),
    ("python/jetemail.py", "jetemail"),
    ("python/generic.py", "generic"),
    ("php/jetemail.php", "jetemail"),
    ("php/generic.php", "generic"),
];

/// What is not here of what the receivers need.
pub(crate) fn missing() -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let has = |program: &&&str| env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if let Some(missing) = ["node", "php"].iter().find(|program| !has(program)) {
        return Some(format!("the program `{missing}`"));
    }
    let library = libraries();
    let parts = ["node_modules/lettermint", "node_modules/svix", "python/bin/python"];
    let missing = parts.iter().map(|part| library.join(part)).find(|path| !path.exists());
    missing.map(|path| path.display().to_string())
}

/// Where `cargo xtask test` puts what `contrib/receivers` depends on.
pub(crate) fn libraries() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("receivers")
}

/// A receiver. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: &'static str,
    pub(crate) profile: &'static str,
    child: Child,
    port: u16,
    said: PathBuf,
}

impl Server {
    /// Starts it; what it says goes to a file in `dir`.
    pub(crate) fn start(&(program, profile): &(&'static str, &'static str), dir: &Path) -> Self {
        let said = dir.join(format!("{profile}-{}", program.replace('/', "-")));
        let file = File::create(&said).unwrap();
        let child = command(program)
            .env("WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stderr(file.try_clone().unwrap())
            .stdout(file)
            .spawn()
            .unwrap();
        let mut server = Self { program, profile, child, port: 0, said };
        server.port = server.wait_for_port();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Ids of the events that it took.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        let said = self.said();
        said.lines().filter_map(|line| line.strip_prefix("200 ")).map(str::to_owned).collect()
    }

    /// How often it refused one.
    pub(crate) fn refused(&self) -> usize {
        self.said().lines().filter(|line| line.starts_with("401 ")).count()
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    fn wait_for_port(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            if let Some(port) = said.split_inclusive('\n').find_map(port) {
                return port;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{} ended: {said}", self.program);
            assert!(Instant::now() < deadline, "{} does not start: {said}", self.program);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A whole line that is a number, or what PHP says of itself: `… (http://127.0.0.1:32949) started`.
fn port(line: &str) -> Option<u16> {
    let line = line.strip_suffix('\n')?;
    let inner = line.split_once("(http://127.0.0.1:").and_then(|(_, rest)| rest.split_once(')'));
    inner.map_or(line, |(port, _)| port).parse().ok()
}

pub(crate) fn command(program: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/receivers").join(program);
    let mut command = match program.split('/').next() {
        Some("node") => Command::new("node"),
        Some("python") => Command::new(libraries().join("python/bin/python")),
        _ => Command::new("php"),
    };
    command.env("NODE_PATH", libraries().join("node_modules"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if program.starts_with("php") {
        command.args(["-S", "127.0.0.1:0"]);
    }
    command.arg(path);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before us; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

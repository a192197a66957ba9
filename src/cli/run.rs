//! `run`: from arguments to a configuration, and on to the daemon, which is `app`'s.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use super::{
    Failure,
    args::{Global, RunArgs},
};
use crate::{
    app::{self, Beginning, Loader},
    config::{self, Config, Flags, Mail, NewSecret, Problem, Purpose, Source, postconf},
};

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &RunArgs, global: &Global) -> Result<(), Failure> {
    let beginning = Beginning::new()?;
    let mut config = config(args, global)?;
    ask_postfix(&mut config.mail, &config.sources);
    let loader = args.webhook.is_none().then(|| loader(global));
    app::run(beginning, config, loader.as_ref())?;
    Ok(())
}

/// Reads the file again as it was read at the start, for a reload.
fn loader(global: &Global) -> Loader {
    let path = global.config_path().to_owned();
    Arc::new(move || {
        let mut loaded = config::load(&path, Purpose::Daemon)?;
        ask_postfix(&mut loaded.config.mail, &loaded.config.sources);
        Ok(loaded)
    })
}

/// The configuration that the flags spell out, or the one in the file. Says what is odd about it,
/// and shows a secret that was made for it.
fn config(args: &RunArgs, global: &Global) -> Result<Config, Failure> {
    let Some(webhook) = &args.webhook else {
        let loaded = config::load(global.config_path(), Purpose::Daemon)?;
        say_warnings(Some(global.config_path()), &loaded.warnings);
        return Ok(loaded.config);
    };
    let from_flags = Config::from_flags(&Flags {
        logs: args.log.clone(),
        webhook: webhook.clone(),
        secret_file: args.secret_file.clone(),
        profile: args.profile.clone(),
        state: args.state.clone(),
    })?;
    say_warnings(None, &from_flags.loaded.warnings);
    if let Some(new) = &from_flags.new_secret {
        say_secret(new);
    }
    Ok(from_flags.loaded.config)
}

/// Says what is odd about the configuration in the file `path`, or in the flags.
pub(super) fn say_warnings(path: Option<&Path>, warnings: &[Problem]) {
    let place = path.map(|path| format!("{}:", path.display())).unwrap_or_default();
    let mut to = io::stderr().lock();
    for warning in warnings {
        // Talk that nobody listens to any more does not stop the daemon.
        let _closed = writeln!(to, "{place}{warning}");
    }
}

/// Fills what the configuration leaves out with what Postfix says, and says what that is. A start
/// never fails for it.
pub(super) fn ask_postfix(mail: &mut Mail, sources: &[Source]) {
    let answer = match postconf::complete(mail, sources) {
        Ok(Some(answer)) => answer,
        Ok(None) => return,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "Postfix says nothing about itself; defaults are used");
            return;
        }
    };
    let (postconf, myhostname) = (answer.program.display(), &answer.myhostname);
    for (key, values) in answer.taken() {
        tracing::info!(key, values, %postconf, myhostname, "taken from Postfix");
    }
    for left in &answer.left_out {
        let (parameter, value, key) = (left.parameter, &left.value, left.key);
        tracing::info!(parameter, value, key, "not taken from Postfix; set the key if it matters");
    }
}

fn say_secret(new: &NewSecret) {
    let secret = new.secret.reveal_once();
    let path = new.path.display();
    let text = format!("newly generated secret, shown this once: {secret}\n    kept in {path}\n");
    // The secret is in the file as well, so a closed stream loses nothing.
    let _closed = io::stderr().lock().write_all(text.as_bytes());
}

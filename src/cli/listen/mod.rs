//! `listen`: what happens, while it does; in the terminal, or sent to a receiver under development.
//!
//! When the daemon goes away, it is waited for: the stream goes on where it was.

mod forward;
mod show;
mod sse;

use std::time::Duration;

use super::{
    DaemonError, Failure,
    args::{Global, ListenArgs},
    client::Daemon,
    show::note,
};
use crate::api::stream::Listen;
use forward::Forward;
use show::Screen;
use sse::{Message, Reader};

/// Between two attempts to find a daemon that has gone.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Listens until it is interrupted.
pub(super) fn run(args: &ListenArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    let what = match &args.forward_to {
        None => What::Show(Screen::new(global.json)),
        Some(url) => What::Forward(Box::new(Forward::new(url, args, global.json)?)),
    };
    daemon.block_on(async {
        tokio::select! {
            ended = listen(&daemon, args, what) => ended,
            // Nothing that it can say makes a difference.
            _interrupted = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// What is done with what happens.
enum What {
    Show(Screen),
    Forward(Box<Forward>),
}

impl What {
    async fn tell(&mut self, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Show(screen) => screen.tell(message),
            Self::Forward(forward) => forward.tell(message).await,
        }
    }
}

async fn listen(daemon: &Daemon, args: &ListenArgs, mut what: What) -> Result<(), Failure> {
    let asked = asked(args);
    let mut last = None;
    let mut stream = daemon.listen(&asked, None).await?;
    note("listening; Ctrl-C ends it");
    loop {
        let mut reader = Reader::default();
        while let Ok(Some(bytes)) = stream.chunk().await {
            if reader.push(&bytes).is_err() {
                return Err(DaemonError::Endless.into());
            }
            while let Some(message) = reader.next() {
                what.tell(&message).await?;
                last = message.id.or(last);
            }
        }
        stream = again(daemon, &asked, last.as_deref()).await?;
    }
}

/// Finds the daemon again. Who is let in no more need not try again.
async fn again(
    daemon: &Daemon,
    asked: &Listen,
    last: Option<&str>,
) -> Result<reqwest::Response, Failure> {
    let mut is_said = false;
    loop {
        match daemon.listen(asked, last).await {
            Ok(stream) => return Ok(stream),
            Err(error @ DaemonError::Refused(_)) if !error.may_pass() => return Err(error.into()),
            Err(_) if is_said => {}
            Err(error) => {
                is_said = true;
                note(&format!("{error}; waiting for it"));
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

fn asked(args: &ListenArgs) -> Listen {
    let types = (!args.types.is_empty()).then(|| args.types.join(","));
    let is_for_people = args.forward_to.is_none();
    let only = (!(args.attempts && is_for_people)).then(|| "events".to_owned());
    let profile = (!is_for_people).then(|| args.profile.clone());
    Listen {
        types,
        webhook: args.webhook.clone(),
        user: args.user.clone(),
        domain: args.domain.clone(),
        only,
        profile,
    }
}

//! The writer that a measure is made with.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use mailherald::{
    clock,
    config::{Mail, Retention},
    correlate::Direction,
    parse::Whose,
    store::Store,
    writer::{Feed, Keys, Mode, ReplaySet, Setup},
};

/// One that replays a log by Postfix into a store in `dir`, for no webhook.
pub(crate) fn setup(dir: &Path) -> Result<Setup> {
    let mail = Mail::default();
    Ok(Setup {
        store: Store::open(dir).context("open the store")?,
        sources: vec![Feed {
            name: "bench".into(),
            since_us: None,
            can_be_read_again: true,
            silence: None,
            whose: Whose::Postfix,
        }],
        webhooks: Vec::new(),
        keys: Keys::default(),
        direction: Direction { mynetworks: mail.mynetworks, ..Direction::default() },
        zone: TimeZone::UTC,
        clock: clock::system(),
        mode: Mode::Replay {
            since_us: i64::MIN,
            until_us: i64::MAX,
            only: None,
            resend: false,
            set: Some(ReplaySet { id: [0; 16], is_resumed: false }),
        },
        retention: Retention::default(),
        min_free: Some(0),
    })
}

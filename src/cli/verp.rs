//! `verp`: signs an envelope sender as an application would, and says whether one is signed.

use std::path::Path;

use jiff::Timestamp;
use rand::{TryRng, rngs::SysRng};
use serde::Serialize;

use super::{
    Failure,
    args::Global,
    report_args::{VerpArgs, VerpCommand},
    show::{self, Table},
};
use crate::{
    clock,
    config::{self, Purpose, read_secret_file, verp_key},
    event::{SenderToken, sender_token::ID_BYTES},
    report::verp,
    secret::{Hidden, SecretError},
};

/// Bytes of a local part (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// A signed envelope sender.
#[derive(Debug, Serialize)]
struct Signed {
    address: String,
}

/// What is known of a token.
#[derive(Debug, Serialize)]
struct Inspected {
    token: String,
    made_on: String,
    age_days: i64,
    id: String,
    /// From 1.
    signed_by_key: Option<usize>,
    is_good: bool,
}

/// Prints the address, or what is in it.
pub(super) fn run(args: &VerpArgs, global: &Global) -> Result<(), Failure> {
    let keys = keys(args.key_file.as_deref(), global)?;
    let now = clock::system().now();
    match &args.command {
        VerpCommand::Sign { address } => {
            let address = sign(address, &keys, now)?;
            show::text(&Signed { address: address.clone() }, global, &format!("{address}\n"))
        }
        VerpCommand::Verify { address } => {
            let token = SenderToken::in_address(address).ok_or(Failure::NoToken)?;
            let inspected = inspect(&token, &keys, now);
            show::one(&inspected, global, &table(&inspected))?;
            if inspected.is_good { Ok(()) } else { Err(Failure::ProblemsFound) }
        }
    }
}

/// Those of the configuration, or the one in that file.
fn keys(file: Option<&Path>, global: &Global) -> Result<Vec<Hidden>, Failure> {
    let keys = match file {
        Some(file) => {
            let text = read_secret_file(file).map_err(Failure::SecretFile)?.text;
            verp_key(&text).into_iter().collect()
        }
        None => config::load(global.config_path(), Purpose::Daemon)?.config.reports.verp_keys,
    };
    if keys.is_empty() { Err(Failure::NoVerpKey) } else { Ok(keys) }
}

fn sign(address: &str, keys: &[Hidden], now: Timestamp) -> Result<String, Failure> {
    let mut id = [0; ID_BYTES];
    SysRng.try_fill_bytes(&mut id).map_err(|_| Failure::Secret(SecretError::NoRandomness))?;
    let (local, domain) = address.rsplit_once('@').ok_or(Failure::Unsignable)?;
    let token = verp::sign(keys.first().ok_or(Failure::NoVerpKey)?, now, id);
    let signed = format!("{local}+{token}");
    if local.is_empty() || domain.is_empty() || signed.len() > LOCAL_BYTES {
        return Err(Failure::Unsignable);
    }
    Ok(format!("{signed}@{domain}"))
}

fn inspect(token: &SenderToken, keys: &[Hidden], now: Timestamp) -> Inspected {
    let age_days = verp::age_days(token, now);
    let signed_by_key = verp::signed_by(token, keys).map(|place| place + 1);
    let made_at = Timestamp::from_second(i64::from(token.day()) * 86_400).unwrap_or_default();
    Inspected {
        token: token.to_string(),
        made_on: made_at.strftime("%F").to_string(),
        age_days,
        id: data_encoding::HEXLOWER.encode(token.id()),
        signed_by_key,
        is_good: signed_by_key.is_some() && verp::may_be_believed(age_days),
    }
}

fn table(inspected: &Inspected) -> Table {
    let mut table = Table::plain();
    let signature = match inspected.signed_by_key {
        Some(place) => format!("good, by key {place}"),
        None => "by no key that is known here".to_owned(),
    };
    let believed = if inspected.is_good { "yes" } else { "no" };
    for (label, value) in [
        ("token", inspected.token.clone()),
        ("made on", format!("{} ({} days ago)", inspected.made_on, inspected.age_days)),
        ("id", inspected.id.clone()),
        ("signature", signature),
        ("believed", believed.to_owned()),
    ] {
        table.row([label.to_owned(), value]);
    }
    table
}

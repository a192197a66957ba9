//! `replay`: history into the webhooks, or, dry, onto standard output.

use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::Arc,
};

use indicatif::HumanBytes;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::{
    Failure,
    args::{Global, MtaChoice, ReplayArgs},
    progress::Shown,
    run::{ask_postfix, say_warnings},
};
use crate::{
    app::{self, DryRun, DrySummary, Ended, Replay, Replayed, TellProgress},
    config::{self, Config, Mail, Mta, Purpose, Unsaid},
};

/// Replays as asked.
pub(super) fn run(args: &ReplayArgs, global: &Global) -> Result<(), Failure> {
    if args.plan {
        return show_plan(args);
    }
    if args.dry_run {
        return dry_run(args, global);
    }
    let mut config = load(global)?;
    override_mail(&mut config.mail, args);
    ask_postfix(&mut config.mail, &config.sources);
    let planned = app::replay_plan(&names(&args.files), anchor(args))?;
    let (total, files) = (planned.iter().map(|file| file.size_bytes).sum(), planned.len());
    let shown = Arc::new(Shown::new(total));
    let replay = Replay {
        anchor: anchor(args),
        since: args.since,
        until: args.until,
        webhook: args.webhook.clone(),
        rate: args.rate,
        resend: args.resend,
        mta: mta(args.mta),
    };
    tracing::debug!(files, bytes = total, "replay");
    let telling = Arc::clone(&shown);
    let progress: TellProgress = Arc::new(move |progress| telling.show(progress));
    let replayed = app::replay(&config, &replay, planned, &progress);
    shown.clear();
    report(&replayed?)
}

fn mta(choice: MtaChoice) -> Mta {
    match choice {
        MtaChoice::Auto => Mta::Auto,
        MtaChoice::Postfix => Mta::Postfix,
        MtaChoice::Haraka => Mta::Haraka,
    }
}

fn load(global: &Global) -> Result<Config, Failure> {
    let loaded = config::load(global.config_path(), Purpose::Replay)?;
    say_warnings(Some(global.config_path()), &loaded.warnings);
    Ok(loaded.config)
}

/// Says what was done; deliveries that wait are not done yet.
fn report(replayed: &Replayed) -> Result<(), Failure> {
    let (summary, counts) = (replayed.summary, replayed.summary.counts);
    let resumed = replayed.resumed_percent.map(|percent| format!("resumed at {percent} %: "));
    say(&format!(
        "{}{} lines ({} recognised, {} ignored on purpose, {} unrecognised); {} new events, {} known before, {} \
         offered again",
        resumed.unwrap_or_default(),
        counts.lines,
        counts.recognised,
        counts.ignored,
        counts.unrecognised,
        summary.events,
        summary.known_events,
        summary.offered_again
    ));
    match replayed.ended {
        Ended::AllSent => Ok(()),
        Ended::DeliveriesWait => Err(Failure::DeliveriesWait),
        Ended::Stopped => Err(Failure::ReplayStopped),
    }
}

/// Every event to standard output, the summary to standard error.
fn dry_run(args: &ReplayArgs, global: &Global) -> Result<(), Failure> {
    let mut mail = mail(global)?;
    override_mail(&mut mail, args);
    ask_postfix(&mut mail, &[]);
    let options = DryRun {
        files: names(&args.files),
        anchor: anchor(args),
        since: args.since,
        until: args.until,
        mail,
        sending: true,
        mta: mta(args.mta),
    };
    let summary = app::dry_run(&options, &mut BufWriter::new(io::stdout().lock()))?;
    say(&summary_text(&summary, global.json));
    Ok(())
}

/// `[mail]` of the configuration; a dry run needs none, but takes the usual one if it is there.
fn mail(global: &Global) -> Result<Mail, Failure> {
    if global.config.is_none() && !global.config_path().exists() {
        return Ok(Mail::default());
    }
    Ok(config::load(global.config_path(), Purpose::DryRun)?.config.mail)
}

fn summary_text(summary: &DrySummary, json: bool) -> String {
    if json {
        return serde_json::to_string(summary).unwrap_or_default();
    }
    let counts = summary.counts;
    let mut text = format!(
        "{} lines: {} recognised, {} ignored on purpose, {} unrecognised",
        counts.lines, counts.recognised, counts.ignored, counts.unrecognised
    );
    for (kind, count) in &summary.events {
        // Writing to a String cannot fail.
        let _never_fails = write!(text, "\n{count:>10}  {kind}");
    }
    text
}

/// Files in reading order, with size and first stamp.
fn show_plan(args: &ReplayArgs) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    for file in app::replay_plan(&names(&args.files), anchor(args))? {
        let first = file.first_stamp.map_or_else(|| "no stamp".to_owned(), |at| at.to_string());
        let size = HumanBytes(file.size_bytes).to_string();
        let line = format!("{first:<30} {size:>12}  {}", file.input.path().display());
        writeln!(out, "{line}").map_err(Failure::Output)?;
    }
    out.flush().map_err(Failure::Output)
}

/// The end of the day that stamps without a year are not later than.
fn anchor(args: &ReplayArgs) -> Option<Timestamp> {
    let day_after = args.year_of?.checked_add(1.day()).ok()?;
    Some(day_after.to_zoned(TimeZone::system()).ok()?.timestamp())
}

/// Who names domains or networks here reads the logs of another host as likely as not, so the
/// Postfix of this one is not asked for the rest.
fn override_mail(mail: &mut Mail, args: &ReplayArgs) {
    if args.local_domains.is_some() || args.mynetworks.is_some() {
        mail.unsaid = Unsaid::NOTHING;
    }
    if let Some(domains) = &args.local_domains {
        mail.local_domains = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
    }
    if let Some(networks) = &args.mynetworks {
        mail.mynetworks.clone_from(networks);
    }
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.to_string_lossy().into_owned()).collect()
}

fn say(text: &str) {
    // Talk that nobody listens to any more is no failure.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

//! `deliveries`: one event for one webhook, asked of the running daemon.

use super::{
    Failure,
    args::Global,
    client::Daemon,
    events,
    lookup_args::{DeliveriesArgs, DeliveriesCommand, DeliveriesWhich},
    show::{self, Table},
};
use crate::api::{
    deliveries::{Deliveries, Delivery, SentAgain, Which},
    logs::Logged,
};

/// Asks, and prints the answer.
pub(super) fn run(args: &DeliveriesArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        DeliveriesCommand::List(which) => list(&daemon, which, global),
        DeliveriesCommand::Show { id } => {
            let delivery: Delivery = daemon.get(&["deliveries", id])?;
            show::one(&delivery, global, &details(&delivery))
        }
        DeliveriesCommand::Retry { id } => {
            let again: SentAgain = daemon.post(&["deliveries", id, "retry"], &())?;
            events::sent_again(&[again], global)
        }
        DeliveriesCommand::Cancel { id } => {
            let delivery: Delivery = daemon.post(&["deliveries", id, "cancel"], &())?;
            show::one(&delivery, global, &details(&delivery))
        }
    }
}

fn list(daemon: &Daemon, which: &DeliveriesWhich, global: &Global) -> Result<(), Failure> {
    let (deliveries, more) = events::pages(which.limit, |limit, cursor| {
        let page: Deliveries = daemon.get_of(&["deliveries"], &asked(which, limit, cursor))?;
        Ok((page.data, page.next_cursor))
    })?;
    let mut table =
        Table::new(["WHEN", "TYPE", "TO", "WEBHOOK", "STATE", "TRIES", "NEXT", "ID", "LAST"]);
    for delivery in &deliveries {
        let last = delivery.attempts.last();
        table.row([
            delivery.created_at.clone(),
            delivery.kind.clone(),
            delivery.to.clone().unwrap_or_default(),
            delivery.webhook.clone(),
            delivery.state.clone(),
            delivery.attempts.len().to_string(),
            delivery.next_attempt_at.clone().unwrap_or_default(),
            delivery.id.clone(),
            last.map(answer).or_else(|| delivery.reason.clone()).unwrap_or_default(),
        ]);
    }
    show::all(&deliveries, global, &table)?;
    if more && !global.json {
        show::note(&format!("there may be more than {}: --limit, --webhook, --since", which.limit));
    }
    Ok(())
}

fn asked(which: &DeliveriesWhich, limit: usize, cursor: Option<String>) -> Which {
    Which {
        webhook: which.webhook.clone(),
        state: which.in_state.clone(),
        kind: which.kind.clone(),
        event_id: which.event.clone(),
        uid: which.uid.clone(),
        to: which.to.clone(),
        since: which.since,
        until: which.until,
        limit: Some(limit),
        cursor,
    }
}

fn details(delivery: &Delivery) -> Table {
    let mut table = Table::plain();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("id", delivery.id.clone());
    row("event", format!("{} {}", delivery.kind, delivery.event_id));
    row("to", delivery.to.clone().unwrap_or_default());
    row("webhook", delivery.webhook.clone());
    row("state", delivery.state.clone());
    if let Some(reason) = &delivery.reason {
        row("reason", reason.clone());
    }
    if let Some(next) = &delivery.next_attempt_at {
        row("next attempt", next.clone());
    }
    for logged in &delivery.attempts {
        row("attempt", attempt(logged));
    }
    if delivery.attempts_cut {
        row("", "there may be more attempts".to_owned());
    }
    table
}

/// One attempt on one line.
pub(super) fn attempt(logged: &Logged) -> String {
    let again = if logged.is_replay { " (replay)" } else { "" };
    let number = logged.attempt.attempt;
    let (at, ms) = (&logged.attempt.created_at, logged.attempt.duration_ms);
    let status = &logged.status;
    format!("{number}{again} at {at}: {}, {status}, in {ms:.0} ms", answer(logged))
}

fn answer(logged: &Logged) -> String {
    let answer = logged.attempt.answer.as_ref();
    answer.map_or_else(|| "no answer".to_owned(), |answer| answer.words.clone())
}

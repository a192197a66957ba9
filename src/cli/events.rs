//! `events`: what happened, asked of the running daemon.

use super::{
    Failure,
    args::Global,
    client::{Daemon, DaemonError},
    lookup_args::{EventsArgs, EventsCommand, EventsWhich},
    show::{self, Table},
};
use crate::api::{
    deliveries::SentAgain,
    events::{Event, Events, Which},
    resend::{Resent, ToWhom},
};

/// Rows of one answer at most.
const PAGE: usize = 1000;

/// Asks, and prints the answer.
pub(super) fn run(args: &EventsArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        EventsCommand::List(which) => list(&daemon, which, global),
        EventsCommand::Show { id } => {
            let event: Event = daemon.get(&["events", id])?;
            show::one(&event, global, &details(&event))
        }
        EventsCommand::Replay { id, webhook } => {
            let webhooks = (!webhook.is_empty()).then(|| webhook.clone());
            let resent: Resent = daemon.post(&["events", id, "replay"], &ToWhom { webhooks })?;
            sent_again(&resent.data, global)
        }
    }
}

/// Says what became of events that are sent again.
pub(super) fn sent_again(rows: &[SentAgain], global: &Global) -> Result<(), Failure> {
    let mut table = Table::new(["WEBHOOK", "OUTCOME", "DELIVERY"]);
    for row in rows {
        table.row([row.webhook.clone(), row.outcome.clone(), row.delivery_id.clone()]);
    }
    show::all(rows, global, &table)?;
    if rows.is_empty() && !global.json {
        show::note("no webhook wants it: name one with --webhook");
    }
    Ok(())
}

fn list(daemon: &Daemon, which: &EventsWhich, global: &Global) -> Result<(), Failure> {
    let (events, more) = pages(which.limit, |limit, cursor| {
        let page: Events = daemon.get_of(&["events"], &asked(which, limit, cursor))?;
        Ok((page.data, page.next_cursor))
    })?;
    let mut table = Table::new(["WHEN", "TYPE", "QUEUE ID", "FROM", "TO", "EVENT", "RESPONSE"]);
    for event in &events {
        table.row([
            event.created_at.clone(),
            event.kind.clone(),
            event.text("queue_id").to_owned(),
            event.text("from").to_owned(),
            event.text("to").to_owned(),
            event.id.clone(),
            event.text("response").to_owned(),
        ]);
    }
    show::all(&events, global, &table)?;
    if more && !global.json {
        show::note(&format!("there may be more than {}: --limit, --since, --until", which.limit));
    }
    Ok(())
}

/// Asks for pages until there are `wanted` rows, or no more. True when there may be more.
pub(super) fn pages<T>(
    wanted: usize,
    ask: impl Fn(usize, Option<String>) -> Result<(Vec<T>, Option<String>), DaemonError>,
) -> Result<(Vec<T>, bool), DaemonError> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let limit = wanted.saturating_sub(rows.len()).clamp(1, PAGE);
        let (page, next) = ask(limit, cursor)?;
        rows.extend(page);
        cursor = next;
        if cursor.is_none() || rows.len() >= wanted {
            return Ok((rows, cursor.is_some()));
        }
    }
}

fn asked(which: &EventsWhich, limit: usize, cursor: Option<String>) -> Which {
    Which {
        kind: which.kind.clone(),
        uid: which.uid.clone(),
        queue_id: which.queue_id.clone(),
        message_id: which.message_id.clone(),
        from: which.from.clone(),
        to: which.to.clone(),
        user: which.user.clone(),
        domain: which.domain.clone(),
        since: which.since,
        until: which.until,
        limit: Some(limit),
        cursor,
    }
}

fn details(event: &Event) -> Table {
    let mut table = Table::plain();
    for (name, value) in
        [("id", &event.id), ("type", &event.kind), ("created_at", &event.created_at)]
    {
        table.row([name.to_owned(), value.clone()]);
    }
    for (name, value) in &event.data {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.row([name.clone(), text]);
    }
    table
}

//! A store that was damaged while nobody looked: it is put aside, said so, and what the logs hold
//! is sent again with the same ids.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    lines,
    program::{Host, Program},
    receiver::Receiver,
    until,
};

/// Also a webhook that wants to be told.
const ANEW: &str = "events = [\"*\", \"store.reset\"]\n[store]\non_store_loss = \"beginning\"";

/// A host whose program has sent 20 events, and was told to end or killed.
fn had_sent(receiver: &Receiver, ended: Signal) -> (Host, String) {
    let host = Host::new();
    let config = host.configure(&host.log_source(), receiver, ANEW);
    let program = host.run(&config);
    host.append("mail.log", &lines(0..20));
    until("20 requests", || receiver.ids().len() == 20);
    if ended == Signal::TERM {
        program.stop(ended);
    } else {
        let mut program = program;
        program.signal(ended);
        program.exit_code();
    }
    (host, config)
}

fn is_begun_anew(host: &Host, receiver: &Receiver, program: &Program) {
    program.until_it_says("damaged beyond repair");
    until("all events again, and one that says so", || receiver.count() >= 41);
    assert_eq!(receiver.ids().len(), 21, "with the same ids");
    assert_eq!(resets(receiver), 1);
    let state = fs::read_dir(host.path("state")).unwrap();
    let names: Vec<_> = state.map(|entry| entry.unwrap().file_name()).collect();
    let aside = names.iter().filter(|name| name.to_string_lossy().starts_with("store.corrupt-"));
    assert_eq!(aside.count(), 1, "{names:?}");
}

/// Webhooks that were told of a new store.
fn resets(receiver: &Receiver) -> usize {
    let requests = receiver.requests();
    let bodies = requests.iter().map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
    bodies.filter(|body| body["type"] == "store.reset").count()
}

#[test]
fn row_31_a_store_that_is_garbage_is_put_aside_and_begun_anew_by_the_rule_for_that() {
    for ended in [Signal::TERM, Signal::KILL] {
        let receiver = Receiver::start();
        let (host, config) = had_sent(&receiver, ended);
        let db = host.path("state/store/db");
        let garbage = vec![0xa5; usize::try_from(fs::metadata(&db).unwrap().len()).unwrap()];
        fs::write(&db, garbage).unwrap();
        let program = host.run(&config);
        is_begun_anew(&host, &receiver, &program);
        program.stop(Signal::TERM);

        let program = host.run(&config);
        assert!(!program.said().contains("begins anew"), "{}", program.said());
        host.append("mail.log", &lines(20..21));
        until("a new event", || receiver.ids().len() == 22);
        program.stop(Signal::TERM);
        assert_eq!(receiver.count(), 42, "each once since");
    }
}

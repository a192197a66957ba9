//! The same journal in each of its forms: the same events.

use std::{collections::BTreeMap, fs::File, process::Stdio};

use serde_json::Value;

use crate::program::{command, output, text};

const EXPORTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/journald/systemd-252");
const TEXTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/postfix/3.7.11/journald");

fn replayed(path: &str) -> String {
    let output = output(&["replay", "--dry-run", path]);
    assert!(output.status.success(), "{path}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The order of JSON's members differs from export to export.
#[test]
fn one_journal_gives_equal_events_as_export_as_json_and_as_an_older_json() {
    let events = replayed(&format!("{EXPORTS}/02_delivered_multi.export"));
    assert!(events.lines().count() > 100, "{events}");
    assert_eq!(events, replayed(&format!("{EXPORTS}/02_delivered_multi.json")));
    assert_eq!(events, replayed(&format!("{TEXTS}/02_delivered_multi.json.log")));
}

#[test]
fn an_export_through_a_pipe_gives_the_same_events() {
    let path = format!("{EXPORTS}/02_delivered_multi.export");
    let mut piped = command(&["replay", "--dry-run", "-"]);
    piped.stdin(Stdio::from(File::open(&path).unwrap()));
    assert_eq!(text(&piped.output().unwrap().stdout), replayed(&path));
}

#[test]
fn every_form_of_text_tells_the_same_of_every_recipient() {
    let told = |path: String| {
        let mut told = BTreeMap::<_, u32>::new();
        for line in replayed(&path).lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let data = &event["data"];
            let key = [&event["type"], &data["queue_id"], &data["from"], &data["to"]];
            *told.entry(key.map(Value::to_string)).or_default() += 1;
        }
        told
    };
    let expected = told(format!("{EXPORTS}/02_delivered_multi.export"));
    for form in ["short", "short-full", "short-iso", "short-iso-precise"] {
        let path = format!("{TEXTS}/02_delivered_multi.{form}.log");
        assert_eq!(told(path), expected, "{form}");
    }
}

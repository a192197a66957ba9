//! Alert rules and dashboard: they ask for metrics that there are, with labels that they have, and
//! Prometheus' own tool finds nothing wrong with them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mailherald::telemetry::families::{FAMILIES, Family, Kind};
use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/grafana").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(contrib(name)).unwrap()
}

/// What the panels and variables of the dashboard ask for, with its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("mailherald.dashboard.json")).unwrap();
    let of = |list: &Value, path: &str| -> Vec<Value> {
        list.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let panels = of(&dashboard, "/panels").into_iter();
    let targets = panels.flat_map(|panel| of(&panel, "/targets"));
    let asked = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let fill = |query: String| {
        let filled = query.replace("$__rate_interval", "5m");
        Regex::new(r"\$\w+").unwrap().replace_all(&filled, ".*").into_owned()
    };
    asked.map(fill).collect()
}

/// The family of a series; a histogram has series of its own.
fn family(series: &str) -> Option<&'static Family> {
    let named = |name: &str| FAMILIES.iter().copied().find(|family| family.name == name);
    let of_histogram = || {
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end))?;
        named(name).filter(|family| family.kind == Kind::Histogram)
    };
    named(series).or_else(of_histogram)
}

#[test]
fn every_query_names_metrics_that_there_are_with_labels_that_they_have() {
    let selector = Regex::new(r"\b((?:mailherald|process)_\w+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r"(\w+)\s*(?:=~|!~|!=|=)").unwrap();
    let rules = text("mailherald.rules.yml");
    let asked = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
    let all: Vec<_> = asked.map(str::to_owned).chain(queries()).collect();
    let mut used = BTreeSet::new();
    for query in &all {
        for found in selector.captures_iter(query) {
            let family = family(&found[1]).unwrap_or_else(|| panic!("no {} in {query}", &found[1]));
            used.insert(family.name);
            let labels = found.get(2).map_or("", |labels| labels.as_str());
            for label in label.captures_iter(labels) {
                let is_its_own = family.labels.iter().any(|own| own.name == &label[1]);
                // Prometheus itself adds these.
                let is_known = is_its_own || ["instance", "job"].contains(&&label[1]);
                assert!(is_known, "{} has no label {}: {query}", family.name, &label[1]);
            }
        }
    }
    assert!(used.len() > 20, "{used:?}");
}

#[test]
fn variables_of_the_dashboard_are_labels_that_there_are() {
    let asked = Regex::new(r"label_values\((\w+), (\w+)\)").unwrap();
    let dashboard = text("mailherald.dashboard.json");
    let mut count = 0;
    for found in asked.captures_iter(&dashboard) {
        let family = family(&found[1]).unwrap();
        let is_known = family.labels.iter().any(|label| label.name == &found[2]);
        assert!(is_known || &found[2] == "instance", "{}", &found[0]);
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

/// None where it is not installed, which is a failure on CI alone.
fn promtool(arguments: &[&str]) -> Option<Output> {
    let output = Command::new("promtool").args(arguments).output();
    if output.is_err() && std::env::var_os("CI").is_none() {
        eprintln!("SKIPPED: promtool is not installed");
        return None;
    }
    Some(output.unwrap())
}

fn succeeds(arguments: &[&str]) {
    let Some(output) = promtool(arguments) else { return };
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_finds_the_rules_right_and_their_tests_hold() {
    succeeds(&["check", "rules", contrib("mailherald.rules.yml").to_str().unwrap()]);
    succeeds(&["test", "rules", contrib("mailherald.rules.test.yml").to_str().unwrap()]);
}

#[test]
fn every_alert_has_a_test_that_raises_it_and_one_that_does_not() {
    let (rules, tests) = (text("mailherald.rules.yml"), text("mailherald.rules.test.yml"));
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        let silent = format!("alertname: {alert} }}");
        let raised = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&silent) && tests.contains(&raised), "{alert}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

/// As rules, because promtool checks no other queries.
#[test]
fn promtool_understands_every_query_of_the_dashboard() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("queries.yml");
    let rule = |(number, query): (usize, String)| {
        format!("      - record: query:{number}\n        expr: {}\n", Value::from(query))
    };
    let rules: String = queries().into_iter().enumerate().map(rule).collect();
    fs::write(&path, format!("groups:\n  - name: dashboard\n    rules:\n{rules}")).unwrap();
    succeeds(&["check", "rules", path.to_str().unwrap()]);
}

//! The documentation of every metric, made from their definition.

use std::{collections::BTreeSet, fmt::Write};

use super::families::{FAMILIES, Family};

const HEAD: &str = "\
# Metrics

<!-- Generated from the definition of the metrics; `cargo test` says when it is stale. -->

The daemon answers `/metrics` in the text format of Prometheus, on its unix socket and on its TCP
address. As everything there it needs a key, one that may only see:

```console
$ mailherald keys create Prometheus
```

```yaml
scrape_configs:
  - job_name: mailherald
    authorization:
      credentials_file: /etc/prometheus/mailherald.key   # holds the key
    static_configs:
      - targets: [\"127.0.0.1:8025\"]
```

Counters begin at 0 with each start of the daemon. Alert rules and a dashboard for Grafana are in
`contrib/grafana`; `/readyz`, which needs no key, says in words what is wrong.

| metric | type | labels | |
|---|---|---|---|
";

const LABELS: &str = "
## Labels

No label has a value that a stranger chooses, and nothing is counted by message, recipient, user or
domain. Of one metric there are never more than 10,000 series.

| label | of | values |
|---|---|---|
";

/// The text of `contrib/docs/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for family in FAMILIES {
        let labels: Vec<_> =
            family.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        let (name, kind, labels) = (family.name, family.kind.name(), labels.join(", "));
        // Writing to a String cannot fail.
        let _never_fails = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", family.help());
    }
    text.push_str(LABELS);
    let labels = FAMILIES.iter().flat_map(|family| family.labels.iter());
    let mut told = BTreeSet::new();
    for label in labels.filter(|label| told.insert((label.name, label.values))) {
        let of: Vec<_> = FAMILIES.iter().filter(|family| has(family, label)).collect();
        let of = match of[..] {
            [one] => format!("`{}`", one.name),
            _ => "all that have it".to_owned(),
        };
        let _never_fails = writeln!(text, "| `{}` | {of} | {} |", label.name, label.values);
    }
    text
}

fn has(family: &Family, label: &super::families::Label) -> bool {
    family.labels.contains(&label)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_reference_of_metrics_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/docs/metrics.md");
        let text = reference();
        if std::env::var_os("MAILHERALD_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "run MAILHERALD_BLESS=1 cargo test --lib -- reference");
    }
}

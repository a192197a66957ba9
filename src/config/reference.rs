//! The documentation of every key, made from their definition in `raw`.

use std::fmt::Write;

use super::raw::{Fallback, Key, SECTIONS, Section};

const HEAD: &str = "\
# Configuration

<!-- Generated from the definition of the keys; `cargo test` says when it is stale. -->

mailherald reads one TOML file: `--config FILE`, else `MAILHERALD_CONFIG`, else
`/etc/mailherald/mailherald.toml`. Unknown keys are errors. `mailherald check` says everything that
is wrong with a file, with line and hint.

A duration is a string with a unit: `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"7d\"`, `\"1h 30m\"`. A bare number
is refused. A size is a string with a binary unit: `\"256MiB\"`, `\"4GiB\"`.

```toml
state_dir = \"/var/lib/mailherald\"

[[source]]
kind = \"file\"
include = [\"/var/log/mail.log*\"]
start = \"end\"

[mail]
local_domains = [\"example.com\"]
mynetworks = [\"127.0.0.0/8\", \"::1/128\"]

[[webhook]]
name = \"Production\"
url = \"https://example.com/webhook\"
events = [\"outbound.bounced\", \"inbound.*\"]
secret_file = \"/etc/mailherald/production.secret\"
```
";

/// The text of `contrib/docs/config.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        push_section(&mut text, section);
    }
    text
}

fn push_section(text: &mut String, section: &Section) {
    match section.header {
        "" => text.push_str("\n## Top level\n\n"),
        header => push(text, format_args!("\n## `{header}`\n\n{}\n\n", joined(section.doc))),
    }
    text.push_str("| key | type | default | |\n|---|---|---|---|\n");
    for key in section.keys {
        push_key(text, key);
    }
    if !section.later.is_empty() {
        let later: Vec<_> = section.later.iter().map(|name| format!("`{name}`")).collect();
        push(
            text,
            format_args!("\nReserved, and refused in this version: {}.\n", later.join(", ")),
        );
    }
}

fn push_key(text: &mut String, key: &Key) {
    let default = match key.default {
        Fallback::Is(value) => format!("`{value}`"),
        Fallback::Means(words) => words.to_owned(),
        Fallback::Required(why) => format!("required: {why}"),
    };
    let doc = joined(key.doc);
    push(text, format_args!("| `{}` | {} | {default} | {doc} |\n", key.name, key.type_name));
}

/// Doc lines as the compiler hands them over, each with a leading space, as one line.
fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _never_fails = text.write_fmt(part);
}

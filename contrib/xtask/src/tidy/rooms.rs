//! Which room may know which: code depends only downward.
//!
//! The table is the architecture (`contrib/docs/architecture.md`). A room that is not in it does
//! not exist yet, so whoever adds one says here what it may use.

use std::path::{Component, Path};

use super::{
    Finding,
    code::{blanked, is_test_file, named_under, without_tests},
};

/// Room, and the rooms it may use. A room may always use itself.
const ROOMS: &[(&str, &[&str])] = &[
    // Foundations.
    ("allocator", &[]),
    ("limits", &[]),
    ("clock", &[]),
    ("profile", &["event"]),
    ("secret", &["profile"]),
    ("event", &["limits"]),
    ("egress", &["profile"]),
    ("config", &["egress", "event", "limits", "profile", "queue", "secret"]),
    ("telemetry", &["config", "limits"]),
    // The line, from left to right.
    ("source", &["clock", "config", "event", "limits"]),
    ("parse", &["event", "limits", "source"]),
    ("correlate", &["event", "limits", "parse"]),
    ("queue", &["clock", "event", "limits", "profile"]),
    ("deliver", &["clock", "config", "egress", "event", "limits", "profile", "queue", "secret"]),
    ("store", &["config", "event", "limits", "source"]),
    (
        "writer",
        &[
            "clock",
            "config",
            "correlate",
            "event",
            "limits",
            "parse",
            "profile",
            "queue",
            "secret",
            "source",
            "store",
            "telemetry",
        ],
    ),
    ("search", &["config", "event", "limits", "parse", "queue", "source", "store"]),
    ("report", &["clock", "config", "event", "limits", "search", "secret", "source", "writer"]),
    // Edges.
    (
        "api",
        &[
            "clock",
            "config",
            "correlate",
            "deliver",
            "event",
            "limits",
            "parse",
            "profile",
            "queue",
            "report",
            "search",
            "secret",
            "source",
            "store",
            "telemetry",
            "writer",
        ],
    ),
];

/// Rooms that know the whole line: they stand above every other.
const TOP: [&str; 4] = ["app", "cli", "lib", "main"];

/// Crates that only these rooms may name.
const OUTSIDERS: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("reqwest", &["deliver", "cli"]),
    ("axum", &["api", "app", "cli"]),
    ("mailherald_parsers", &["app", "cli", "correlate", "event", "parse", "report", "source"]),
];

/// Rooms that may build what changes the store: one thread writes.
const WRITERS: [&str; 2] = ["store", "writer"];

/// Macros that talk to a terminal; only the command line does.
const TALK: [&str; 4] = ["print!", "println!", "eprint!", "eprintln!"];

/// What the parsers must not even name: they are bytes in, values out.
const OUTSIDE_WORLD: [&str; 6] = ["env", "fs", "net", "process", "thread", "time"];

/// What a source file breaks. Test modules may know more than the room they test.
pub(super) fn findings(path: &Path, text: &str) -> Vec<Finding> {
    let mut parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    if is_test_file(path) || path.extension().is_none_or(|extension| extension != "rs") {
        return Vec::new();
    }
    let code = blanked(without_tests(text));
    match (parts.next(), parts.next()) {
        (Some("src"), Some(first)) => room_findings(path, first.trim_end_matches(".rs"), &code),
        (Some("parsers"), Some("src")) => parser_findings(path, &code),
        _ => Vec::new(),
    }
}

fn room_findings(path: &Path, room: &str, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report = |line, what| found.push(Finding::new(path, line, what));
    for (line, used) in named_under(code, "crate") {
        if !may_use(room, used) {
            report(line, format!("room `{room}` must not use room `{used}`"));
        }
    }
    for (outsider, rooms) in OUTSIDERS {
        if !rooms.contains(&room) {
            for (line, _) in named_under(code, outsider) {
                report(line, format!("only {} may name `{outsider}`", rooms.join(", ")));
            }
        }
    }
    let of_store = named_under(code, "crate::store").into_iter().chain(named_under(code, "store"));
    for (line, _) in of_store.filter(|(_, name)| *name == "Commit" && !WRITERS.contains(&room)) {
        report(line, "only `writer` builds commits".to_owned());
    }
    for (number, line) in code.lines().enumerate() {
        if room != "cli" && TALK.iter().any(|name| has_word(line, name)) {
            report(number + 1, "only `cli` talks to the terminal".to_owned());
        }
    }
    found
}

fn may_use(room: &str, used: &str) -> bool {
    let allowed = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, uses)| *uses);
    room == used || TOP.contains(&room) || allowed.is_some_and(|uses| uses.contains(&used))
}

fn parser_findings(path: &Path, code: &str) -> Vec<Finding> {
    let named = named_under(code, "std").into_iter();
    let outside = named.filter(|(_, used)| OUTSIDE_WORLD.contains(used));
    outside
        .filter(|(line, _)| !is_duration(code, *line))
        .map(|(line, used)| {
            Finding::new(path, line, format!("a parser has no `std::{used}`: bytes in, values out"))
        })
        .collect()
}

/// A length of time needs no clock.
fn is_duration(code: &str, line: usize) -> bool {
    code.lines().nth(line - 1).is_some_and(|line| line.contains("time::Duration"))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ROOMS, findings, may_use};

    fn found(path: &str, code: &str) -> Vec<String> {
        findings(Path::new(path), code).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_has_no_circle() {
        let mut done: Vec<&str> = Vec::new();
        while done.len() < ROOMS.len() {
            let next = ROOMS.iter().find(|(name, uses)| {
                !done.contains(name) && uses.iter().all(|used| done.contains(used))
            });
            let left = || ROOMS.iter().map(|(name, _)| name).filter(|name| !done.contains(name));
            let Some((name, _)) = next else {
                panic!("a circle among {:?}", left().collect::<Vec<_>>())
            };
            done.push(name);
        }
    }

    #[test]
    fn a_room_that_looks_upward_is_found() {
        let wrong = "use crate::{\n    event::Event,\n    writer::Command,\n};\n";
        assert_eq!(
            found("src/correlate/mod.rs", wrong),
            ["src/correlate/mod.rs:3: room `correlate` must not use room `writer`"]
        );
        assert!(may_use("cli", "store") && may_use("queue", "queue"));
        assert!(found("src/nowhere.rs", "use crate::limits;").len() == 1);
    }

    #[test]
    fn a_crate_out_of_its_room_is_found() {
        assert_eq!(
            found("src/queue/mod.rs", "//! Not sled::Db.\nfn f() -> sled::Db {}\n"),
            ["src/queue/mod.rs:2: only store may name `sled`"]
        );
        assert_eq!(found("src/store/mod.rs", "use sled::Db;\n"), [""; 0]);
        assert_eq!(found("src/app/mod.rs", "fn f() { eprintln!() }\n").len(), 1);
    }

    #[test]
    fn a_second_writer_is_found() {
        for code in ["use crate::store::{Commit, Store};", "use crate::{store::Commit};"] {
            assert_eq!(
                found("src/app/mod.rs", code),
                ["src/app/mod.rs:1: only `writer` builds commits"]
            );
            assert_eq!(found("src/writer/mod.rs", code), [""; 0]);
        }
    }

    #[test]
    fn tests_may_know_more() {
        let text = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::writer::X;\n}\n";
        assert_eq!(found("src/event/mod.rs", text), [""; 0]);
    }

    #[test]
    fn a_parser_that_looks_outside_is_found() {
        assert_eq!(found("parsers/src/lib.rs", "use std::{fmt, fs::File};\n").len(), 1);
        assert_eq!(found("parsers/src/lib.rs", "let x = std::time::SystemTime::now();\n").len(), 1);
        assert_eq!(found("parsers/src/lib.rs", "use std::time::Duration;\n"), [""; 0]);
    }
}

//! Answers on standard output: a table for people, or, with `--json`, one object a line.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, presets};
use serde::Serialize;

use super::{Failure, args::Global};

/// Rows of words in columns, without lines between them.
#[derive(Debug)]
pub(super) struct Table(comfy_table::Table);

impl Table {
    /// With these heads.
    pub(super) fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        let mut table = Self::plain();
        table.0.set_header(heads);
        table
    }

    /// Without heads.
    pub(super) fn plain() -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        Self(table)
    }

    /// Adds a row. What strangers wrote cannot move the cursor.
    pub(super) fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.0.add_row(cells.map(|cell| cell.replace(char::is_control, " ")));
    }

    fn text(&self) -> String {
        let lines = self.0.lines().map(|line| format!("{}\n", line.trim()));
        lines.collect()
    }
}

/// Prints one thing.
pub(super) fn one(value: &impl Serialize, global: &Global, table: &Table) -> Result<(), Failure> {
    all(std::slice::from_ref(&value), global, table)
}

/// Prints what was found.
pub(super) fn all(
    values: &[impl Serialize],
    global: &Global,
    table: &Table,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    print(&mut out, values, global.json, table).map_err(Failure::Output)
}

/// Prints one thing in words of its own.
pub(super) fn text(value: &impl Serialize, global: &Global, words: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = if global.json {
        serde_json::to_writer(&mut out, value).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        out.write_all(words.as_bytes())
    };
    printed.and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Says something beside the answer, on standard error.
pub(super) fn note(text: &str) {
    // There is nobody left to tell when standard error is closed.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

fn print(
    out: &mut impl Write,
    values: &[impl Serialize],
    json: bool,
    table: &Table,
) -> io::Result<()> {
    if json {
        for value in values {
            serde_json::to_writer(&mut *out, value)?;
            writeln!(out)?;
        }
    } else {
        out.write_all(table.text().as_bytes())?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads_and_nothing_moves_the_cursor() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.row(["a".to_owned(), "on\x1b[2J".to_owned()]);
        table.row(["longer name".to_owned(), "off".to_owned()]);
        assert_eq!(table.text(), "NAME         STATE\na            on [2J\nlonger name  off\n");
    }
}

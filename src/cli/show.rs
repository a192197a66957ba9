//! Answers on standard output: a table for people, or, with `--json`, one object a line.
//!
//! A table that is wider than the terminal is broken between columns, never within one: ids can still
//! be copied. A pipe gets each row on one line.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    ops::Range,
};

use comfy_table::{ContentArrangement, presets};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::{Failure, args::Global};

/// Between two columns.
const GAP: usize = 2;
/// What goes on in another line stands behind so many spaces.
const INDENT: usize = 4;

/// Rows of words in columns, without lines between them.
#[derive(Debug)]
pub(super) struct Table {
    has_heads: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these heads.
    pub(super) fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        Self { has_heads: true, rows: vec![heads.map(str::to_owned).into()] }
    }

    /// Without heads.
    pub(super) fn plain() -> Self {
        Self { has_heads: false, rows: Vec::new() }
    }

    /// Adds a row. What strangers wrote cannot move the cursor.
    pub(super) fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| cell.replace(char::is_control, " ")).into());
    }

    /// For a terminal of that width; None for no end of it.
    fn text(&self, width: Option<usize>) -> String {
        let all = 0..self.rows.first().map_or(0, Vec::len);
        let width = width.filter(|_| self.has_heads);
        let parts =
            width.map_or_else(|| vec![all.clone()], |width| self.broken(all.clone(), width));
        let parts: Vec<_> = parts.into_iter().map(|columns| self.lines(columns)).collect();
        let mut text = String::new();
        for row in 0..self.rows.len() {
            for (number, part) in parts.iter().enumerate() {
                let line = part.get(row).map_or("", String::as_str);
                if number == 0 {
                    text.push_str(line);
                    text.push('\n');
                } else if !line.is_empty() {
                    text.extend([&" ".repeat(INDENT), line, "\n"]);
                }
            }
        }
        text
    }

    /// Columns that stand on one line each; no column is broken.
    fn broken(&self, columns: Range<usize>, width: usize) -> Vec<Range<usize>> {
        let widths = self.laid_out(columns.clone()).column_max_content_widths();
        let (mut parts, mut start, mut used) = (Vec::new(), columns.start, 0);
        for (column, wide) in widths.into_iter().enumerate() {
            let wide = usize::from(wide);
            if column > start && used + wide > width {
                parts.push(start..column);
                (start, used) = (column, INDENT);
            }
            used += wide + GAP;
        }
        parts.push(start..columns.end);
        parts
    }

    /// One line for each row.
    fn lines(&self, columns: Range<usize>) -> Vec<String> {
        // A space stands before and behind each cell.
        let line = |line: String| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned();
        self.laid_out(columns).lines().map(line).collect()
    }

    fn laid_out(&self, columns: Range<usize>) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        for row in &self.rows {
            table.add_row(row.get(columns.clone()).unwrap_or_default());
        }
        table
    }
}

/// As a shell takes it for one word.
pub(super) fn quoted(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("'{}'", name.replace('\'', r"'\''")))
}

/// Columns of the terminal that the answer goes to; None when it goes elsewhere.
fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    let size = tcgetwinsize(&stdout).ok().filter(|_| stdout.is_terminal())?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
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
        out.write_all(table.text(terminal_width()).as_bytes())?;
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
        let expected = "NAME         STATE\na            on [2J\nlonger name  off\n";
        assert_eq!(table.text(None), expected);
        assert_eq!(table.text(Some(19)), expected);
    }

    #[test]
    fn a_table_that_is_too_wide_for_the_terminal_is_broken_between_columns() {
        let mut table = Table::new(["WHEN", "TYPE", "EVENT", "RESPONSE"]);
        let row = |cells: [&str; 4]| cells.map(str::to_owned);
        table.row(row(["10:00", "queued", "evt_1a1zvkjk", ""]));
        table.row(row(["10:01", "bounced", "evt_25fvhvvz", "550 no such user here at all"]));
        let expected = "\
WHEN   TYPE
    EVENT
    RESPONSE
10:00  queued
    evt_1a1zvkjk
10:01  bounced
    evt_25fvhvvz
    550 no such user here at all
";
        assert_eq!(table.text(Some(20)), expected);
        assert_eq!(table.text(None).lines().count(), 3);
    }

    #[test]
    fn a_name_is_one_word_for_a_shell() {
        for (name, expected) in [
            ("Shop-2", "Shop-2"),
            ("Bounces only", "'Bounces only'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(name), expected);
        }
    }
}

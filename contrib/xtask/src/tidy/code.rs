//! Rust source as far as tidy understands it: what is code, and which paths it names.

use std::path::Path;

/// The text with comments and literals blanked out; every line keeps its number.
pub(super) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped_length(rest, out.chars().next_back());
        let (taken, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        if length.is_some() {
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push(first);
        }
        rest = after;
    }
    out
}

/// How long the comment or literal is with which the text begins, if it does.
fn skipped_length(text: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(is_word);
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    if let Some(hashes) = raw_string(text).filter(|_| !in_word) {
        let start = hashes + 2;
        let end = format!("\"{}", "#".repeat(hashes));
        let found = text.get(start..)?.find(&end);
        return Some(found.map_or(text.len(), |at| start + at + end.len()));
    }
    if text.starts_with('"') {
        return Some(quoted_length(text, '"'));
    }
    // A lifetime has no closing quote behind its first character.
    let mut chars = text.strip_prefix('\'')?.chars();
    let is_literal = chars.next()? == '\\' || chars.next()? == '\'';
    is_literal.then(|| quoted_length(text, '\''))
}

/// The number of `#` of `r#"`.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A file that holds nothing but tests.
pub(super) fn is_test_file(path: &Path) -> bool {
    let in_tests = path.components().any(|part| part.as_os_str() == "tests");
    in_tests || path.file_stem().is_some_and(|stem| stem == "tests")
}

/// The text up to its test module, which by the order of this house is last.
pub(super) fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").and_then(|end| text.get(..end)).unwrap_or(text)
}

/// What stands right behind `root::` in blanked code, with line numbers; braces are looked into:
/// `root::{a, b::{c, d}}` names `a` and `b`.
pub(super) fn named_under<'a>(code: &'a str, root: &str) -> Vec<(usize, &'a str)> {
    let pattern = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&pattern) {
        let before = code.get(..at).unwrap_or_default();
        if before.chars().next_back().is_some_and(|c| is_word(c) || c == ':') {
            continue;
        }
        let rest = code.get(at + pattern.len()..).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_names(group, line)),
            None => found.push((line, first_word(rest))),
        }
    }
    found
}

/// The first names of a group's members, up to the brace that closes the group.
fn group_names(group: &str, first_line: usize) -> Vec<(usize, &str)> {
    let (mut depth, mut line, mut expects) = (0_usize, first_line, true);
    let mut names = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '\n' => line += 1,
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects = true,
            _ if expects && is_word(c) => {
                names.push((line, first_word(group.get(at..).unwrap_or_default())));
                expects = false;
            }
            _ => {}
        }
    }
    names
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{blanked, named_under};

    #[test]
    fn comments_and_literals_are_no_code() {
        let code =
            blanked("a // crate::b\n/* crate::c */ \"crate::d \\\" e\" r#\"\"f\"# '\"' 'x g");
        assert!(!code.contains("crate"), "{code}");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "'x", "g"]);
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn groups_are_looked_into_and_lines_are_counted() {
        let code =
            "use crate::{\n    event::{Event, kind},\n    limits,\n};\nuse crate::store::Store;";
        assert_eq!(named_under(code, "crate"), [(2, "event"), (3, "limits"), (5, "store")]);
        assert_eq!(named_under("my_crate::a; x::crate::b", "crate"), []);
    }
}

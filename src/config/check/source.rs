//! `[[source]]`.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use glob::Pattern;

use super::{
    Names, choice,
    journal::{self, Maillog},
    milter,
};
use crate::config::{
    checked::{FileSource, JournaldSource, Mta, Source, SourceKind, Start},
    problem::{Problems, Span},
    raw::RawSource,
    value::{At, DURATION_HINT, duration},
};

/// No mail host logs without any pause.
const SHORTEST_SILENCE: Duration = Duration::from_mins(1);

/// Files of one pattern that are looked at to find overlaps; a mail host has dozens.
const FILES_LOOKED_AT: usize = 10_000;

/// A word of the interface: understood now, or one day.
#[derive(Debug, Clone, Copy)]
enum Word<T> {
    Now(T),
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Journald,
    Stdin,
    Milter,
}

/// Without a log a daemon has nothing to read: a milter only adds to what a log tells.
pub(super) fn require(raw: Option<&At<Vec<At<RawSource>>>>, problems: &mut Problems<'_>) {
    let is_log = |source: &At<RawSource>| {
        source.value.kind.as_ref().is_none_or(|kind| kind.value != "milter")
    };
    let has_log = raw.is_some_and(|list| list.value.iter().any(is_log));
    if !has_log && !problems.any_about("source") {
        problems
            .error(&(0..0), "source", "there is nothing to read")
            .hint("add a [[source]] with include = [\"/var/log/mail.log*\"]");
    }
}

/// Checks all sources, each alone and then against each other. `maillog` is asked when that decides
/// something.
pub(super) fn check(
    raw: Option<At<Vec<At<RawSource>>>>,
    maillog: &dyn Fn() -> Maillog,
    problems: &mut Problems<'_>,
) -> Vec<Source> {
    let raw = raw.map(|list| list.value).unwrap_or_default();
    let mut names = Names::default();
    let mut claims = Vec::new();
    let mut sources = Vec::new();
    for raw in raw {
        sources.extend(source(&raw, &mut names, &mut claims, problems));
    }
    overlaps(&claims, maillog, problems);
    sources
}

fn source(
    at: &At<RawSource>,
    names: &mut Names,
    claims: &mut Vec<Claim>,
    problems: &mut Problems<'_>,
) -> Option<Source> {
    let At { span, value: raw } = at;
    let mta = mta(raw.mta.as_ref(), problems);
    let start = start(raw.start.as_ref(), problems);
    let silence = silence(raw.silence.as_ref(), problems);
    let kind = match kind(raw.kind.as_ref(), problems)? {
        Kind::Journald => journal::source(raw, problems),
        Kind::Stdin => stdin(raw, problems),
        Kind::Milter => milter::source(raw, span, problems),
        Kind::File => SourceKind::File(file(raw, span, problems)),
    };
    if !matches!(kind, SourceKind::Journald(_)) {
        journal::refuse_directory(raw, problems);
    }
    if !matches!(kind, SourceKind::Milter(_)) {
        milter::refuse_socket(raw, problems);
    }
    if !matches!(kind, SourceKind::File(_)) {
        refuse_partial_line_timeout(raw, problems);
    }
    let is_second_stream = matches!(kind, SourceKind::Stdin) && claims.iter().any(Claim::is_stdin);
    if !matches!(kind, SourceKind::Milter(_)) {
        claims.push(Claim::of(&kind, span));
    }
    let name = match (&raw.name, is_second_stream) {
        // It is refused as such and not for its name.
        (None, true) => String::new(),
        (given, _) => name(given.as_ref(), span, &kind, names, problems),
    };
    Some(Source { name, mta, start, silence, kind })
}

fn kind(raw: Option<&At<String>>, problems: &mut Problems<'_>) -> Option<Kind> {
    const KEY: &str = "source.kind";
    let Some(at) = raw else { return Some(Kind::File) };
    let choices = [
        ("file", Word::Now(Kind::File)),
        ("journald", Word::Now(Kind::Journald)),
        ("stdin", Word::Now(Kind::Stdin)),
        ("milter", Word::Now(Kind::Milter)),
        ("haraka-plugin", Word::Later),
    ];
    let hint = "use \"file\", \"journald\", \"stdin\" or \"milter\"";
    known_now(at, choice(raw, KEY, &choices, problems)?, KEY, hint, problems)
}

fn mta(raw: Option<&At<String>>, problems: &mut Problems<'_>) -> Mta {
    const KEY: &str = "source.mta";
    let choices = [("auto", Mta::Auto), ("postfix", Mta::Postfix), ("haraka", Mta::Haraka)];
    choice(raw, KEY, &choices, problems).unwrap_or_default()
}

fn known_now<T>(
    at: &At<String>,
    word: Word<T>,
    key: &str,
    hint: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    match word {
        Word::Now(meaning) => Some(meaning),
        Word::Later => {
            problems
                .error(&at.span, key, format!("{:?} is not in this version", at.value))
                .hint(hint);
            None
        }
    }
}

fn start(raw: Option<&At<String>>, problems: &mut Problems<'_>) -> Start {
    let Some(At { span, value }) = raw else { return Start::End };
    match (value.as_str(), duration(value)) {
        ("end", _) => Start::End,
        ("beginning", _) => Start::Beginning,
        (_, Some(back)) => Start::Since(back),
        _ => {
            problems
                .error(
                    span,
                    "source.start",
                    format!("{value:?} is not end, beginning or a duration"),
                )
                .hint(DURATION_HINT);
            Start::End
        }
    }
}

fn silence(raw: Option<&At<Duration>>, problems: &mut Problems<'_>) -> Option<Duration> {
    let at = raw?;
    if at.value < SHORTEST_SILENCE {
        problems.error(&at.span, "source.silence", "must be at least 1m");
    }
    Some(at.value)
}

fn stdin(raw: &RawSource, problems: &mut Problems<'_>) -> SourceKind {
    if let Some(include) = &raw.include {
        problems.error(&include.span, "source.include", "standard input has no files");
    }
    if let Some(start) = &raw.start {
        problems.error(&start.span, "source.start", "standard input is read from where it is");
    }
    SourceKind::Stdin
}

fn file(raw: &RawSource, table: &Span, problems: &mut Problems<'_>) -> FileSource {
    let default = FileSource::default();
    let timeout = raw.partial_line_timeout.as_ref().map(|at| at.value);
    FileSource {
        include: include(raw, table, problems),
        partial_line_timeout: match timeout {
            None => default.partial_line_timeout,
            Some(Duration::ZERO) => None,
            Some(given) => Some(given),
        },
    }
}

fn refuse_partial_line_timeout(raw: &RawSource, problems: &mut Problems<'_>) {
    if let Some(at) = &raw.partial_line_timeout {
        problems.error(&at.span, "source.partial_line_timeout", "is for kind = \"file\" only");
    }
}

fn include(raw: &RawSource, table: &Span, problems: &mut Problems<'_>) -> Vec<String> {
    const KEY: &str = "source.include";
    match &raw.include {
        None => {
            problems
                .error(table, KEY, "is missing")
                .hint("name the log and its rotated generations: [\"/var/log/mail.log*\"]");
        }
        Some(list) if list.value.is_empty() => {
            problems.error(&list.span, KEY, "names no file");
        }
        Some(_) => {}
    }
    let patterns = raw.include.iter().flat_map(|list| &list.value);
    patterns.filter_map(|text| pattern(text, problems)).collect()
}

/// Warns of sources whose patterns match no file now.
pub(super) fn warn_of_missing(raw: Option<&At<Vec<At<RawSource>>>>, problems: &mut Problems<'_>) {
    let sources = raw.into_iter().flat_map(|list| &list.value);
    for include in sources.filter_map(|source| source.value.include.as_ref()) {
        let patterns: Vec<_> = include.value.iter().map(|at| at.value.as_str()).collect();
        let is_absolute =
            |pattern: &&str| pattern.starts_with('/') && Pattern::new(pattern).is_ok();
        let usable = !patterns.is_empty() && patterns.iter().all(is_absolute);
        if usable && patterns.iter().all(|pattern| files(pattern).next().is_none()) {
            let patterns = patterns.join(", ");
            let message = format!("no file matches {patterns} now; it will be waited for");
            problems.warn(&include.span, "source.include", message);
        }
    }
}

fn pattern(raw: &At<String>, problems: &mut Problems<'_>) -> Option<String> {
    const KEY: &str = "source.include";
    let At { span, value } = raw;
    if let Err(error) = Pattern::new(value) {
        problems.error(span, KEY, format!("{value:?} is not a pattern: {}", error.msg));
        return None;
    }
    if !value.starts_with('/') {
        problems.error(span, KEY, format!("{value:?} must be an absolute path"));
        return None;
    }
    Some(value.clone())
}

/// The files that a pattern matches now.
fn files(pattern: &str) -> impl Iterator<Item = PathBuf> {
    let found = glob::glob(pattern).into_iter().flatten();
    found.filter_map(Result::ok).take(FILES_LOOKED_AT)
}

/// The name given, else one that the kind or the files have given.
fn name(
    raw: Option<&At<String>>,
    table: &Span,
    kind: &SourceKind,
    names: &mut Names,
    problems: &mut Problems<'_>,
) -> String {
    const KEY: &str = "source.name";
    let mut derived = |name: String| {
        names.take_unshaped(&name, table, KEY, problems);
        name
    };
    match (raw, kind) {
        (Some(name), _) => {
            names.take(name, KEY, problems);
            name.value.clone()
        }
        (None, SourceKind::Stdin) => derived("stdin".to_owned()),
        (None, SourceKind::Milter(milter)) => derived(milter.listen.to_string()),
        (None, SourceKind::Journald(journal)) => derived(journal::derived_name(journal)),
        (None, SourceKind::File(file)) => {
            // Empty when the patterns themselves are wrong.
            Some(file.include.join(","))
                .filter(|name| !name.is_empty())
                .map_or_else(String::new, derived)
        }
    }
}

/// What a source reads, to find two that read the same.
#[derive(Debug)]
struct Claim {
    span: Span,
    journal: Option<JournaldSource>,
    /// Empty for standard input and for a journal.
    patterns: Vec<Pattern>,
    files: HashSet<PathBuf>,
}

impl Claim {
    fn of(kind: &SourceKind, span: &Span) -> Self {
        let (include, journal): (&[String], _) = match kind {
            SourceKind::File(file) => (&file.include, None),
            SourceKind::Journald(journal) => (&[], Some(journal.clone())),
            SourceKind::Stdin | SourceKind::Milter(_) => (&[], None),
        };
        Self {
            span: span.clone(),
            journal,
            patterns: include.iter().filter_map(|text| Pattern::new(text).ok()).collect(),
            files: include
                .iter()
                .flat_map(|text| files(text))
                .filter_map(|path| path.canonicalize().ok())
                .collect(),
        }
    }

    fn is_stdin(&self) -> bool {
        self.patterns.is_empty() && self.journal.is_none()
    }

    /// Something that both read: a file that exists now, or a name that one pattern spells out
    /// and the other one matches.
    fn shared(&self, other: &Self) -> Option<String> {
        if let Some(file) = self.files.intersection(&other.files).min() {
            return Some(file.display().to_string());
        }
        let spelt = self.patterns.iter().flat_map(|a| other.patterns.iter().map(move |b| (a, b)));
        spelt
            .filter_map(|(a, b)| {
                if a.matches(b.as_str()) { Some(b) } else { b.matches(a.as_str()).then_some(a) }
            })
            .map(|pattern| pattern.as_str().to_owned())
            .next()
    }
}

fn overlaps(claims: &[Claim], maillog: &dyn Fn() -> Maillog, problems: &mut Problems<'_>) {
    for (index, later) in claims.iter().enumerate() {
        for earlier in claims.iter().take(index) {
            if earlier.journal.is_some() || later.journal.is_some() {
                beside_a_journal(earlier, later, maillog, problems);
            } else if earlier.is_stdin() && later.is_stdin() {
                problems.error(&later.span, "source.kind", "standard input is read already");
            } else if let Some(what) = earlier.shared(later) {
                let by = problems
                    .line(&earlier.span)
                    .map_or_else(String::new, |line| format!(" by the source in line {line}"));
                problems
                    .error(&later.span, "source.include", format!("{what} is read{by} already"))
                    .hint("two sources for the same lines would report every message twice");
            }
        }
    }
}

fn beside_a_journal(
    earlier: &Claim,
    later: &Claim,
    maillog: &dyn Fn() -> Maillog,
    problems: &mut Problems<'_>,
) {
    match (&earlier.journal, &later.journal) {
        (Some(one), Some(other)) if journal::is_same(one, other) => {
            problems.error(&later.span, "source.kind", "this journal is read already");
        }
        (Some(_), None) if !later.is_stdin() => {
            journal::beside_a_file(&later.patterns, &maillog(), &later.span, problems);
        }
        (None, Some(_)) if !earlier.is_stdin() => {
            journal::beside_a_file(&earlier.patterns, &maillog(), &later.span, problems);
        }
        _ => {}
    }
}

//! `[[source]]` with `kind = "haraka-plugin"`: the files that the plugin writes into a directory.

use std::path::Path;

use glob::Pattern;

use crate::config::{checked::FileSource, problem::Problems, raw::RawSource};

/// Where the plugin writes unless its settings say otherwise.
const DIRECTORY: &str = "/var/log/haraka";

/// One file for each process, and those that it has renamed. The log of Haraka itself may lie beside
/// them as `haraka.log`.
const FILES: &str = "haraka-*.jsonl*";

/// The keys of one such source. It reads as one of files does.
pub(super) fn source(raw: &RawSource, problems: &mut Problems<'_>) -> FileSource {
    if let Some(include) = &raw.include {
        problems
            .error(&include.span, "source.include", "the plugin names its files itself")
            .hint("use directory for where they lie");
    }
    if let Some(mta) = raw.mta.as_ref().filter(|at| !matches!(at.value.as_str(), "auto" | "haraka"))
    {
        problems.error(&mta.span, "source.mta", "the plugin is Haraka's");
    }
    if let Some(directory) = &raw.directory
        && !Path::new(&directory.value).is_absolute()
    {
        problems.error(&directory.span, "source.directory", "must be an absolute path");
    }
    let directory = raw.directory.as_ref().map_or(DIRECTORY, |at| &at.value);
    let include = vec![format!("{}/{FILES}", Pattern::escape(directory.trim_end_matches('/')))];
    FileSource { include, is_of_plugin: true, ..FileSource::default() }
}

//! Places: none of the machine that something was made on, and for each fixture where it is from.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Finding, SourceFile};

/// Where people keep things on their own machines. In pieces, or this file would be a finding.
const HOMES: [&str; 3] = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Where every directory of fixtures is named.
const PROVENANCE: &str = "fixtures/README.md";

/// Paths that exist only on somebody's machine.
pub(super) fn machine_paths(path: &Path, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for home in HOMES.iter().filter(|home| line.contains(*home)) {
            found.push(Finding::new(path, number + 1, format!("a path of one machine: {home}…")));
        }
    }
    found
}

/// Directories below `fixtures/` with files whose origin nobody wrote down.
pub(super) fn fixtures_without_provenance(files: &[SourceFile]) -> Vec<Finding> {
    let readme = files.iter().find(|file| file.path == Path::new(PROVENANCE));
    let provenance = readme.map(|file| file.text.as_str()).unwrap_or_default();
    let directories: BTreeSet<PathBuf> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("fixtures").ok()?.parent().map(Path::to_owned))
        .filter(|directory| !directory.as_os_str().is_empty())
        .collect();
    let missing = directories.iter().filter(|directory| !is_named(directory, provenance));
    missing
        .map(|directory| Finding {
            place: format!("fixtures/{}", directory.display()),
            what: format!("where is it from? Name it in {PROVENANCE}"),
        })
        .collect()
}

/// Named itself, or with a directory above it, in backquotes.
fn is_named(directory: &Path, provenance: &str) -> bool {
    let mut names = directory.ancestors().filter_map(Path::to_str).filter(|name| !name.is_empty());
    names.any(|name| {
        provenance.contains(&format!("`{name}`")) || provenance.contains(&format!("`{name}/`"))
    })
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, fixtures_without_provenance, machine_paths};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn a_fixture_without_provenance_is_found() {
        let files = [
            file("fixtures/README.md", "| `postfix/3.7` | Debian 12 |"),
            file("fixtures/postfix/3.7/maillog/a.log", ""),
            file("fixtures/haraka/3.1/a.log", ""),
        ];
        let found = fixtures_without_provenance(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "fixtures/haraka/3.1");
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let text = format!("fine\nsee {}x/notes\n", concat!("/", "root/"));
        let found = machine_paths("README.md".as_ref(), &text);
        assert_eq!(found[0].place, "README.md:2");
    }
}

//! Replays what the fuzzers start from: recorded lines, shapes of the specification, and inputs
//! that once found something.

use std::{fs, path::Path};

#[path = "../fuzz/checks/mod.rs"]
mod checks;

#[test]
fn every_check_holds_for_its_seeds() {
    for (name, check) in checks::ALL {
        let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds")).join(name);
        let mut count = 0;
        for seed in fs::read_dir(&seeds).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = seed.expect("a readable directory").path();
            check(&fs::read(&path).expect("a readable seed"));
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn every_directory_of_seeds_has_its_check() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds")).expect("seeds") {
        let name = entry.expect("a readable directory").file_name();
        assert!(checks::ALL.iter().any(|(known, _)| name == *known), "{}", name.display());
    }
}

//! The code in `contrib/docs/reports.md` that signs envelope senders, as an application would copy it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::servers;

const DOCS: &str = include_str!("../../contrib/docs/reports.md");

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The address that the documentation shows.
const SIGNED: &str = "news+058ik001081g81860s4epnfktm6e51qo@example.com";

/// A language, and how a program in it prints a sender: of that id and day, and of now.
const LANGUAGES: [(&str, &str, &str); 3] = [
    (
        "js",
        "console.log(signed('news', 'example.com', 'KEY', Buffer.from('000102030405060708', 'hex'), 20778))",
        "console.log(signed('news', 'example.com', 'KEY'))",
    ),
    (
        "python",
        "print(signed('news', 'example.com', 'KEY', bytes.fromhex('000102030405060708'), 20778))",
        "print(signed('news', 'example.com', 'KEY'))",
    ),
    (
        "php",
        "echo signed('news', 'example.com', 'KEY', hex2bin('000102030405060708'), 20778), \"\\n\";",
        "echo signed('news', 'example.com', 'KEY'), \"\\n\";",
    ),
];

/// The block of code in that language.
fn documented(language: &str) -> &'static str {
    let (_, rest) = DOCS.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0
}

fn run(program: &mut Command) -> Output {
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn mailherald(key_file: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    program.arg("verp").arg("--key-file").arg(key_file).args(arguments).output().unwrap()
}

/// Prints a sender as that code makes it.
fn printed(dir: &Path, language: &str, call: &str) -> String {
    let begin = if language == "php" { "<?php\n" } else { "" };
    let file: PathBuf = dir.join(format!("signed.{language}"));
    let call = call.replace("KEY", KEY);
    fs::write(&file, format!("{begin}{}\n\n{call}\n", documented(language))).unwrap();
    let mut program = match language {
        "js" => Command::new("node"),
        "python" => Command::new(servers::libraries().join("python/bin/python")),
        _ => Command::new("php"),
    };
    String::from_utf8(run(program.arg(&file)).stdout).unwrap().trim().to_owned()
}

#[test]
fn each_documented_example_signs_as_mailherald_expects_it() {
    if let Some(missing) = servers::missing() {
        assert!(env::var_os("CI").is_none(), "the examples need {missing}: `cargo xtask test`");
        return eprintln!("\n*** SKIPPED: the examples need {missing}: `cargo xtask test` ***\n");
    }
    assert!(DOCS.contains(&format!("\n    {SIGNED}\n")) && DOCS.contains(KEY));
    let dir = TempDir::new().unwrap();
    let key_file = dir.path().join("verp.key");
    fs::write(&key_file, format!("{KEY}\n")).unwrap();
    for (language, of_then, of_now) in LANGUAGES {
        assert_eq!(printed(dir.path(), language, of_then), SIGNED, "{language}");
        let now = printed(dir.path(), language, of_now);
        let verified = mailherald(&key_file, &["verify", &now]);
        assert!(verified.status.success(), "{language}: {now}: {verified:?}");
        assert_ne!(printed(dir.path(), language, of_now), now, "{language}");
    }
}

#[test]
fn a_sender_that_is_signed_here_is_good_under_its_key_and_no_other() {
    let dir = TempDir::new().unwrap();
    let [own, other] = ["own", "other"].map(|name| dir.path().join(name));
    fs::write(&own, format!("{KEY}\n")).unwrap();
    fs::write(&other, KEY.replace('A', "B")).unwrap();
    let signed = mailherald(&own, &["sign", "news@example.com"]);
    let signed = String::from_utf8(signed.stdout).unwrap();
    let verify = |file, address: &str| mailherald(file, &["verify", address]).status.code();
    assert_eq!(verify(&own, signed.trim()), Some(0), "{signed}");
    assert_eq!(verify(&other, signed.trim()), Some(1));
    assert_eq!(verify(&own, SIGNED.replace("058ik", "04000").as_str()), Some(1));
    assert_eq!(verify(&own, "news@example.com"), Some(65));
    let long = format!("{}@example.com", "n".repeat(32));
    for address in ["news", "@example.com", "news@", &long] {
        assert_eq!(mailherald(&own, &["sign", address]).status.code(), Some(65), "{address}");
    }
    fs::write(&own, "short\n").unwrap();
    assert_eq!(mailherald(&own, &["sign", "news@example.com"]).status.code(), Some(78));
}

//! `[reports]`.

use super::*;
use crate::secret::Hidden;

/// A configuration with these lines at its head.
fn with(lines: &str) -> String {
    format!("{lines}\n{SOURCE}{}", good_webhook())
}

const LONG: &str = "[store]\nretain = \"30d\"\n";

#[test]
fn the_keys_that_sign_senders_are_read_from_their_files_in_order() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let (_one, new) = secret_file(&format!("{key}\n"), 0o600);
    let (_other, former) = secret_file(&"k".repeat(32), 0o600);
    let line = format!("{LONG}[reports]\nverp_key_files = [\"{new}\", \"{former}\"]");
    let loaded = good(&with(&line));
    let keys = [Hidden::from(key), Hidden::from("k".repeat(32))];
    assert_eq!((&loaded.config.reports.verp_keys[..], loaded.warnings.len()), (&keys[..], 0));
    // Whoever brings a report need not be able to read them.
    let line = format!("{LONG}[reports]\nverp_key_files = [\"/nowhere\"]");
    let loaded = check_text(&with(&line), Purpose::DryRun, false).unwrap();
    assert!(loaded.config.reports.verp_keys.is_empty());
}

#[test]
fn what_is_no_key_that_signs_senders_is_said() {
    let (_short, short) = secret_file(&"k".repeat(31), 0o600);
    let (_good, good) = secret_file(&"k".repeat(32), 0o644);
    let (_twin, twin) = secret_file(&format!("{}\n", "k".repeat(32)), 0o600);
    let line = format!(
        "{LONG}[reports]\nverp_key_files = [\n\"{short}\",\n\"/nowhere\",\n\"{good}\",\n\"{twin}\"]"
    );
    let key = "reports.verp_key_files";
    assert_problems(
        &with(&line),
        &[
            &format!(
                "5:1: error: {key}: does not hold 32 to 256 printable characters\n    hint: {MAKE_KEY}"
            ),
            &format!(
                "6:1: error: {key}: cannot be read: /nowhere: No such file or directory (os error 2)"
            ),
            &format!(
                "7:1: warning: {key}: can be read by every user of this host\n    hint: chmod o-rwx {good}"
            ),
            &format!("8:1: error: {key}: holds the same key as another one"),
        ],
    );
    let many = format!("{LONG}[reports]\nverp_key_files = [{}]", "\"/nowhere\", ".repeat(9));
    let said = all(&with(&many)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(said[0].ends_with("names more than 8 files"), "{said:?}");
}

#[test]
fn reports_about_messages_that_are_forgotten_by_then_are_a_warning() {
    let warning = |place: &str| {
        format!(
            "{place}: warning: store.retain: a report finds its message for that long only, and \
             complaints may come weeks later\n    hint: [store] retain = \"30d\""
        )
    };
    assert_problems(&with("[reports]"), &[&warning("1:1")]);
    assert_problems(&with("[reports]\n[store]\nretain = \"29d\""), &[&warning("3:10")]);
    assert_problems(&with("[reports]\n[store]\nretain = \"30d\""), &[]);
    let milter = "[[source]]\nkind = \"milter\"\nlisten = \"unix:/a\"\nreports = ";
    assert_problems(&with(&format!("{milter}true")), &[&warning("4:11")]);
    assert_problems(&with(&format!("{milter}false")), &[]);
}

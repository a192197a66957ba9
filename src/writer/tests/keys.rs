//! Secrets over restarts, changes of the configuration and of the sealing key.

use std::{fs, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{super::stage::Stage, bench};
use crate::{
    app::AppError,
    cli::Failure,
    config::Webhook,
    profile::Profile,
    secret::{RotationError, Sealer, Sealing, Secret},
    store::Store,
    writer::{Keys, KeysError},
};

const DAY: Duration = Duration::from_hours(24);

fn secret(name: &str) -> Secret {
    Secret::parse(&format!("secret-of-a-test-{name}"), Profile::Generic).unwrap()
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3600).unwrap()
}

fn key(byte: u8) -> Sealer {
    Sealer::from_text(&data_encoding::BASE64.encode(&[byte; 32])).unwrap()
}

fn sealed(byte: u8) -> Sealing {
    Sealing { key: Some(key(byte)), former: None }
}

/// One start of the program, with a webhook that the configuration gives this secret.
struct Run {
    store: Store,
    keys: Keys,
    webhook: Arc<Webhook>,
}

fn configured(secret_name: &str) -> Webhook {
    Webhook { profile: Profile::Generic, secret: secret(secret_name), ..bench::webhook("test") }
}

fn try_start(dir: &Path, webhook: Webhook, sealing: Sealing, hour: i64) -> Result<Run, KeysError> {
    let (store, webhook) = (Store::open(dir).unwrap(), Arc::new(webhook));
    let keys = Keys::load(&store, &[Arc::clone(&webhook)], sealing, at(hour))?;
    let mut run = Run { store, keys, webhook };
    let mut stage = Stage::default();
    run.keys.begin(&mut stage);
    run.commit(stage);
    Ok(run)
}

fn start(dir: &Path, secret_name: &str, sealing: &Sealing, hour: i64) -> Run {
    try_start(dir, configured(secret_name), sealing.clone(), hour).unwrap()
}

impl Run {
    fn commit(&self, mut stage: Stage) {
        if let Some(commit) = stage.take() {
            self.store.apply(commit).unwrap();
        }
    }

    fn rotate(&self, name: &str, grace: Duration, hour: i64) -> Result<(), RotationError> {
        let mut stage = Stage::default();
        let (id, new) = (self.webhook.id, secret(name));
        let ring = self.keys.rotate(id, new, grace, at(hour), &mut stage).unwrap()?;
        self.commit(stage);
        self.keys.release(id, ring);
        Ok(())
    }

    /// The last letters of those that are good, the newest first.
    fn good(&self, hour: i64) -> String {
        let keys = self.webhook.keys(at(hour));
        keys.all().filter_map(|key| key.hint().chars().last()).collect()
    }
}

#[test]
fn a_rotation_survives_a_restart_and_its_overlap_ends_when_it_was_said() {
    let (dir, plain) = (TempDir::new().unwrap(), Sealing::default());
    let run = start(dir.path(), "A", &plain, 0);
    run.rotate("B", DAY, 1).unwrap();
    assert_eq!(run.good(2), "BA");
    drop(run);
    let run = start(dir.path(), "A", &plain, 24);
    assert_eq!((run.good(24).as_str(), run.good(25).as_str()), ("BA", "B"));
    drop(run);
    assert_eq!(start(dir.path(), "A", &plain, 26).good(0), "B", "what expired is forgotten");
}

#[test]
fn that_a_former_secret_is_soon_no_longer_good_is_told_once() {
    let dir = TempDir::new().unwrap();
    let mut run = start(dir.path(), "A", &Sealing::default(), 0);
    run.rotate("B", DAY, 0).unwrap();
    assert_eq!(run.keys.expiring(at(22)), []);
    let told = run.keys.expiring(at(23));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].webhook.as_str(), told[0].seconds), ("test", 3600));
    assert_eq!(told[0].key, secret("A").id());
    assert_eq!(run.keys.expiring(at(23)), []);
    run.rotate("C", DAY, 23).unwrap();
    assert_eq!(run.keys.expiring(at(24)), [], "`B` is good for a day");
}

#[test]
fn what_expires_leaves_the_store_while_the_program_runs() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &Sealing::default(), 0);
    run.rotate("B", DAY, 0).unwrap();
    for (hour, is_new) in [(23, false), (24, true), (25, false)] {
        let mut stage = Stage::default();
        run.keys.forget_expired(at(hour), &mut stage);
        assert_eq!(!stage.is_empty(), is_new, "{hour}");
        run.commit(stage);
    }
    assert_eq!(run.good(0), "B");
    drop(run);
    assert_eq!(start(dir.path(), "A", &Sealing::default(), 0).good(0), "B");
}

#[test]
fn without_grace_the_former_secret_is_gone_at_once_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &sealed(1), 0);
    run.rotate("B", DAY, 0).unwrap();
    run.rotate("C", Duration::ZERO, 0).unwrap();
    assert_eq!(run.good(0), "C");
    drop(run);
    assert_eq!(start(dir.path(), "A", &sealed(1), 0).good(0), "C");
}

#[test]
fn a_fourth_live_secret_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &sealed(1), 0);
    run.rotate("B", DAY, 0).unwrap();
    run.rotate("C", DAY, 1).unwrap();
    let refused = run.rotate("D", DAY, 2).unwrap_err();
    assert_eq!(refused, RotationError::TooMany { until: at(24) });
    assert_eq!(run.good(2), "CBA");
    drop(run);
    assert_eq!(start(dir.path(), "A", &sealed(1), 3).good(3), "CBA");
}

#[test]
fn a_secret_that_changes_in_the_file_between_starts_overlaps_for_a_day() {
    for sealing in [Sealing::default(), sealed(1)] {
        let dir = TempDir::new().unwrap();
        drop(start(dir.path(), "A", &sealing, 0));
        let run = start(dir.path(), "B", &sealing, 1);
        assert_eq!((run.good(24).as_str(), run.good(25).as_str()), ("BA", "B"));
        // A rotation stands until the file names that one, or another.
        run.rotate("C", DAY, 2).unwrap();
        drop(run);
        assert_eq!(start(dir.path(), "B", &sealing, 3).good(3), "CBA");
        assert_eq!(start(dir.path(), "C", &sealing, 4).good(4), "CBA");
        assert_eq!(start(dir.path(), "D", &sealing, 5).good(5), "DCB");
    }
}

#[test]
fn a_sealed_store_holds_no_secret_that_can_be_read() {
    let find = |sealing: &Sealing| {
        let dir = TempDir::new().unwrap();
        let run = start(dir.path(), "A", sealing, 0);
        run.rotate("B", DAY, 0).unwrap();
        drop(run);
        let held = bytes_below(dir.path());
        held.windows(16).any(|part| part == b"secret-of-a-test")
    };
    assert!(!find(&sealed(1)));
    assert!(find(&Sealing::default()), "or else nothing would be found anywhere");
}

fn bytes_below(dir: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.extend(if path.is_dir() { bytes_below(&path) } else { fs::read(&path).unwrap() });
    }
    found
}

fn words(error: KeysError) -> (u8, String) {
    let (mut text, failure) = (Vec::new(), Failure::App(AppError::Keys(error)));
    failure.print(&mut text);
    (failure.exit_code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_wrong_or_missing_sealing_key_is_an_error_that_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &sealed(1), 0);
    run.rotate("B", DAY, 0).unwrap();
    drop(run);
    let (own, other) = (key(1).id(), key(2).id());
    for (sealing, given) in [
        (sealed(2), format!("the key given is {other}")),
        (Sealing::default(), "no key is given".to_owned()),
    ] {
        let error = try_start(dir.path(), configured("A"), sealing, 1).err().unwrap();
        let (code, said) = words(error);
        assert_eq!(code, 78);
        let expected = format!(
            "error: open the stored secret of webhook `test`\n  caused by: sealed under the key \
             {own}, but {given}\nhint: name the file of that key in seal_key_file, or in \
             former_seal_key_file if there is a new one; if the key is lost, give the webhook \
             another secret in the configuration: then the stored ones are not needed\n"
        );
        assert_eq!(said, expected);
    }
    // Nothing was harmed.
    assert_eq!(start(dir.path(), "A", &sealed(1), 1).good(1), "BA");
    // The hint holds.
    assert_eq!(start(dir.path(), "C", &sealed(2), 2).good(2), "C");
    assert_eq!(start(dir.path(), "C", &sealed(2), 3).good(3), "C");
}

/// All that is sealed is what the file names, too.
#[test]
fn a_lost_sealing_key_is_no_trouble_while_nothing_was_rotated() {
    let dir = TempDir::new().unwrap();
    drop(start(dir.path(), "A", &sealed(1), 0));
    assert_eq!(start(dir.path(), "A", &sealed(2), 1).good(1), "A");
    assert_eq!(start(dir.path(), "B", &sealed(2), 2).good(2), "BA", "it is under the new key");
}

#[test]
fn a_start_with_the_former_sealing_key_seals_everything_under_the_new_one() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &Sealing::default(), 0);
    run.rotate("B", DAY, 0).unwrap();
    drop(run);
    // Sealing begins, then the key changes while the webhook is not configured.
    drop(start(dir.path(), "A", &sealed(1), 1));
    let other = Webhook { secret: secret("X"), ..bench::webhook("other") };
    let changed = Sealing { key: Some(key(2)), former: Some(key(1)) };
    drop(try_start(dir.path(), other, changed, 2).unwrap());
    assert_eq!(start(dir.path(), "A", &sealed(2), 3).good(3), "BA");
}

#[test]
fn a_rotated_secret_that_the_new_profile_cannot_use_is_said() {
    let dir = TempDir::new().unwrap();
    let run = start(dir.path(), "A", &sealed(1), 0);
    run.rotate("B", DAY, 0).unwrap();
    drop(run);
    let webhook = Webhook { profile: Profile::Standard, ..configured("A") };
    let (code, said) = words(try_start(dir.path(), webhook, sealed(1), 1).err().unwrap());
    assert_eq!(code, 78);
    assert!(said.contains("does not begin with `whsec_`"), "{said}");
    assert!(said.contains("hint: give the webhook another secret"), "{said}");
}

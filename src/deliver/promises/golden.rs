//! Every type in every profile, byte for byte, in `golden/<profile>.jsonl`.
//!
//! `MAILHERALD_BLESS=1 cargo test --lib golden` writes them anew. A difference is a change that
//! receivers see.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{super::canonical::tests::bounced, samples, test_event};
use crate::{
    deliver::{envelope::render, json},
    event::{BounceType, Event, EventData, EventType, TimeQuality},
    profile::Profile,
};

/// One event of each type at least.
fn events() -> Vec<Event> {
    let mut events: Vec<_> = samples::jetemail().iter().map(samples::event).collect();
    let rare = [
        EventType::OutboundSending,
        EventType::InboundDeferred,
        EventType::InboundBounced,
        EventType::InboundVirus,
        EventType::InboundDropped,
    ];
    events.extend(rare.map(|kind| Event { kind, ..bounced() }));
    events.extend([bounced(), gave_up(), strange()]);
    events
}

fn gave_up() -> Event {
    let mut event = bounced();
    event.data.bounce_type = Some(BounceType::Soft);
    event.data.route = Some("news".into());
    event.data.evidence = Some("mx postfix/qmgr[1]: 4jWZ7Z08W0zmwBB: status=expired".into());
    event
}

/// What JavaScript prints in its own way, or another program might escape.
fn strange() -> Event {
    let data = EventData {
        from: Some(String::new()),
        to: Some("\"a/b\\c\"@ü.test".into()),
        subject: Some("</script> & \u{2028} 😀 \"quoted\"\u{7f}".into()),
        score: Some(15.0),
        rules: Some("A=1e16,B=-0.0".into()),
        size: Some((1 << 53) + 1),
        delay_us: Some(1),
        delays_us: Some([0, 100_000_000_000_000, 1_500_000, 1]),
        lossy: true,
        ..bounced().data
    };
    let at_us = bounced().at_us;
    Event {
        kind: EventType::InboundSpam,
        at_us,
        time_quality: TimeQuality::NoZone,
        data,
        ..bounced()
    }
}

/// The bodies of a profile, one a line.
fn bodies(profile: Profile) -> String {
    let events = events().into_iter().filter_map(|event| render(&event, profile));
    let all = events.chain([test_event::asked().render(profile)]);
    all.map(|rendered| String::from_utf8(rendered.body.to_vec()).unwrap() + "\n").collect()
}

fn path(profile: Profile) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/deliver/promises/golden");
    directory.join(format!("{}.jsonl", profile.name()))
}

#[test]
fn every_type_has_its_golden_body_in_every_profile() {
    for &profile in Profile::ALL {
        let (path, bodies) = (path(profile), bodies(profile));
        if std::env::var_os("MAILHERALD_BLESS").is_some() {
            fs::write(&path, &bodies).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap();
        assert!(golden == bodies, "{}: MAILHERALD_BLESS=1 cargo test --lib golden", path.display());
    }
}

#[test]
fn the_golden_files_hold_every_type_that_a_profile_carries() {
    for &profile in Profile::ALL {
        let key = if profile == Profile::Lettermint { "event" } else { "type" };
        let bodies = bodies(profile);
        let held: Vec<Value> = bodies.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        for &kind in EventType::ALL {
            for bounce in [BounceType::Hard, BounceType::Soft] {
                let Some(name) = profile.wire_name(kind, Some(bounce)) else { continue };
                assert!(held.iter().any(|body| body[key] == name), "{name} of {profile:?}");
            }
        }
    }
}

/// Compact, in the order of its keys, numbers as JavaScript prints them.
#[test]
fn c21_every_body_is_canonical_json() {
    for &profile in Profile::ALL {
        for body in bodies(profile).lines() {
            let value: Value = serde_json::from_str(body).unwrap();
            assert_eq!(String::from_utf8(json::to_bytes(&value)).unwrap(), body);
            assert_no_number_as_key(&value);
        }
    }
}

/// JavaScript would put such keys first.
fn assert_no_number_as_key(value: &Value) {
    let Some(object) = value.as_object() else { return };
    for (key, value) in object {
        assert!(key.parse::<u32>().is_err(), "{key}");
        assert_no_number_as_key(value);
    }
}

const ROUND_TRIP: &str = "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');
    lines.pop();
    process.stdout.write(lines.map(line => JSON.stringify(JSON.parse(line)) + '\\n').join(''));";

/// Skipped where there is no `node`; `cargo xtask test` installs it.
#[test]
fn c21_every_body_survives_javascript() {
    let all: String = Profile::ALL.iter().map(|&profile| bodies(profile)).collect();
    let mut node = Command::new("node");
    node.args(["-e", ROUND_TRIP]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut node) = node.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "this test needs node");
        return;
    };
    let mut stdin = node.stdin.take().unwrap();
    let input = all.clone();
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let answered = String::from_utf8(node.wait_with_output().unwrap().stdout).unwrap();
    feeder.join().unwrap().unwrap();
    assert_eq!(answered, all);
}

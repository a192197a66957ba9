//! `kind = "journald"`: a scripted `journalctl` in `PATH`, and the real one with a real journal.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    PATIENCE,
    program::{Host, Program, command, output, text},
    receiver::Receiver,
    until,
};

const EXPORT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/journald/systemd-252/02_delivered_multi.export");
const JOURNAL_REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// The boot in which the export was recorded, and another one.
const RECORDED_BOOT: &str = "270690bc2a104fdba2b4cf98c9c99d99";
const EARLIER_BOOT: &str = "270690bc2a104fdba2b4cf98c9c99d98";

/// A journal in the file `journal` beside it, which grows.
pub(crate) const SCRIPT: &str = r#"#!/bin/sh
cd "${0%/*}"
echo "$*" >> asked
cursor= follow= newest=
for argument do case $argument in
    --cursor=*) cursor=${argument#--cursor=} ;;
    --follow) follow=1 ;;
    --lines=1) newest=1 ;;
esac; done
size=$(($(wc -c < journal)))
if test $newest; then
    head -c $size journal | awk -v RS= -v ORS='\n\n' '{ last = $0 } END { if (NR) print last }'
    exit
fi
head -c $size journal | awk -v from="$cursor" -v RS= -v ORS='\n\n' \
    'from == "" || index($0, "__CURSOR=" from "\n") == 1 { on = 1 } on'
if test $follow; then exec tail -c +$((size + 1)) -f journal; fi
"#;

/// The boot that this machine is in, as the journal writes it.
pub(crate) fn this_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().replace('-', "")
}

/// The recorded entries, as if logged in that boot.
pub(crate) fn entries_of(boot: &str) -> Vec<String> {
    let export = fs::read_to_string(EXPORT).unwrap().replace(RECORDED_BOOT, boot);
    export.trim_end().split("\n\n").map(|entry| format!("{entry}\n\n")).collect()
}

/// A host whose `journalctl` is scripted, with an empty journal.
pub(crate) fn scripted() -> Host {
    let host = Host::new();
    script(&host);
    host
}

/// Gives it a scripted `journalctl`, with an empty journal.
pub(crate) fn script(host: &Host) {
    fs::create_dir(host.path("bin")).unwrap();
    host.append("bin/journal", "");
    install(host, SCRIPT);
}

pub(crate) fn install(host: &Host, script: &str) {
    let (draft, program) = (host.path("bin/draft"), host.path("bin/journalctl"));
    fs::write(&draft, script).unwrap();
    fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
    // Another process writes it: what a test that forks meanwhile holds open for writing cannot
    // be executed.
    assert!(Command::new("cp").arg(draft).arg(program).status().unwrap().success());
}

pub(crate) fn run_scripted(host: &Host, config: &str) -> Program {
    let path = env::var("PATH").unwrap();
    let mut run = command(&["run", "--config", config]);
    run.env("PATH", format!("{}:{path}", host.text("bin")));
    let program = host.start_command(run, Stdio::null());
    program.until_it_says("mailherald is running");
    program
}

/// The ids of the events that a replay of this export gives.
fn replayed(config: &str, export: &str) -> BTreeSet<String> {
    let output = output(&["replay", "--dry-run", "--config", config, export]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let events = text(&output.stdout);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits for these events, and for no other.
fn until_all(receiver: &Receiver, expected: &BTreeSet<String>) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while receiver.ids() != *expected {
        let ids = receiver.ids();
        let missing: Vec<_> = expected.difference(&ids).collect();
        let invented: Vec<_> = ids.difference(expected).collect();
        assert!(std::time::Instant::now() < deadline, "{missing:?} {invented:?}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn asked(host: &Host) -> String {
    fs::read_to_string(host.path("bin/asked")).unwrap_or_default()
}

/// `*` leaves out what only few want.
const ALL: &str = "events = [\"*\", \"outbound.sending\"]";

pub(crate) const FROM_BEGINNING: &str = "kind = \"journald\"\nstart = \"beginning\"";

#[test]
fn kill_9_loses_and_doubles_nothing_and_the_ids_are_those_of_a_replay() {
    let (host, receiver) = (scripted(), Receiver::start());
    let config = host.configure(FROM_BEGINNING, &receiver, ALL);
    let expected = replayed(&config, EXPORT);
    let entries = entries_of(&this_boot());
    let mut rest = entries.chunks(entries.len() / 4);
    for part in rest.by_ref().take(3) {
        let program = run_scripted(&host, &config);
        let before = receiver.ids().len();
        for entry in part {
            host.append("bin/journal", entry);
        }
        until("some requests", || receiver.ids().len() > before + 3);
        program.signal(Signal::KILL);
    }
    // Logged while nothing runs.
    rest.flatten().for_each(|entry| host.append("bin/journal", entry));
    let program = run_scripted(&host, &config);
    until_all(&receiver, &expected);
    program.stop(Signal::TERM);
    assert!(asked(&host).contains("--follow --no-tail --cursor=s="), "{}", asked(&host));
    let replayed = output(&["replay", "--config", &config, EXPORT]);
    let said = text(&replayed.stderr);
    assert!(said.contains(&format!("0 new events, {} known before", expected.len())), "{said}");
}

#[test]
fn doctor_looks_at_the_journal_and_says_what_lets_this_user_read_it() {
    let (host, receiver) = (scripted(), Receiver::start());
    let config = host.configure(FROM_BEGINNING, &receiver, "");
    let doctor = || {
        let mut doctor = command(&["doctor", "--config", &config]);
        let path = env::var("PATH").unwrap();
        text(&doctor.env("PATH", format!("{}:{path}", host.text("bin"))).output().unwrap().stdout)
    };
    assert!(doctor().contains("warning  source \"journald\": the journal has no entry"));
    host.append("bin/journal", &entries_of(&this_boot())[0]);
    assert!(doctor().contains("ok       source \"journald\": the journal can be read"));
    install(
        &host,
        "#!/bin/sh\necho 'No journal files were opened due to insufficient permissions.' >&2\n",
    );
    let refused = doctor();
    assert!(
        refused.contains("bad      source \"journald\": the journal may not be read"),
        "{refused}"
    );
    assert!(refused.contains("mend: members of the group systemd-journal may"), "{refused}");
}

#[test]
fn what_was_there_is_passed_over_and_what_comes_while_stopped_is_not() {
    let (host, receiver) = (scripted(), Receiver::start());
    let config = host.configure("kind = \"journald\"", &receiver, "");
    let entries = entries_of(&this_boot());
    let (old, new) = entries.split_at(60);
    host.append("bin/journal", &old.concat());
    let program = run_scripted(&host, &config);
    until("a follow", || asked(&host).contains("--follow"));
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), 0);

    host.append("bin/journal", &new.concat());
    let program = run_scripted(&host, &config);
    until("requests", || receiver.count() > 10);
    program.stop(Signal::TERM);
}

#[test]
fn row_38_entries_that_were_deleted_unread_are_a_gap_that_is_told() {
    let (host, receiver) = (scripted(), Receiver::start());
    let told = "events = [\"*\", \"source.gap\"]";
    let config = host.configure(FROM_BEGINNING, &receiver, told);
    let entries = entries_of(&this_boot());
    host.append("bin/journal", &entries[..40].concat());
    let program = run_scripted(&host, &config);
    until("requests", || receiver.count() > 3);
    until("a follow", || asked(&host).contains("--follow"));
    program.stop(Signal::TERM);

    // What `journalctl` shows from a cursor that is gone: the entries behind it.
    fs::write(host.path("bin/journal"), entries[60..].concat()).unwrap();
    let behind = "grep -qF \"__CURSOR=$cursor\" journal || cursor=\nsize=";
    install(&host, &SCRIPT.replacen("size=", behind, 1));
    let before = receiver.count();
    let program = run_scripted(&host, &config);
    program.until_it_says("the journal has lost the entry that was read last");
    until("more requests, and one of the gap", || {
        receiver.count() > before + 1 && gaps(&receiver).len() == 1
    });
    let [gap] = &gaps(&receiver)[..] else { panic!() };
    assert_eq!(gap["data"], json!({"source": "journald", "reason": "vacuumed"}));
    let sources = text(&output(&["sources", "--config", &config]).stdout);
    assert!(sources.contains("gaps in the journal: 1"), "{sources}");
    program.stop(Signal::TERM);
}

/// The events that tell of lost lines.
fn gaps(receiver: &Receiver) -> Vec<Value> {
    let requests = receiver.requests();
    let bodies = requests.iter().map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
    bodies.filter(|body| body["type"] == "source.gap").collect()
}

/// What journald itself says of that.
const SUPPRESSED: &str = "__CURSOR=s=72866d434bc9415ab27c30fb46f7f858;i=ffff;b=HERE;m=1;t=1;x=1\n\
    __REALTIME_TIMESTAMP=1795225632894090\n_BOOT_ID=HERE\n\
    MESSAGE=Suppressed 500 messages from postfix.service\n\
    MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e\nSYSLOG_IDENTIFIER=systemd-journald\n\
    _HOSTNAME=vm\n_TRANSPORT=driver\n\n";

#[test]
fn row_38_what_the_journal_has_dropped_is_told_to_who_asks_and_is_no_event_about_mail() {
    let (host, receiver) = (scripted(), Receiver::start());
    let told = "events = [\"*\", \"outbound.sending\", \"source.gap\"]";
    let config = host.configure(FROM_BEGINNING, &receiver, told);
    let entries = entries_of(&this_boot());
    let suppressed = SUPPRESSED.replace("HERE", &this_boot());
    host.append("bin/journal", &(entries.concat() + &suppressed));
    let program = run_scripted(&host, &config);
    program.until_it_says("the log says that lines were dropped");
    assert!(program.said().contains("lines=500"), "{}", program.said());
    host.append("expected", &entries.concat());
    let expected = replayed(&config, &host.text("expected"));
    until("all events, and one of the gap", || receiver.ids().len() > expected.len());
    let mut ids = receiver.ids();
    let [gap] = &gaps(&receiver)[..] else { panic!() };
    assert_eq!(gap["data"], json!({"source": "journald", "count": 500}));
    assert!(ids.remove(gap["id"].as_str().unwrap_or_default()), "{gap}");
    assert_eq!(ids, expected, "it is no event about mail");
    program.stop(Signal::TERM);
}

#[test]
fn without_journalctl_a_start_says_what_to_do_and_check_says_so_before() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"journald\"", &receiver, "");
    let without = |subcommand: &str| {
        let mut command = command(&[subcommand, "--config", &config]);
        command.env("PATH", host.text("nowhere")).output().unwrap()
    };
    let run = without("run");
    assert_eq!(run.status.code(), Some(78), "{}", text(&run.stderr));
    let said = text(&run.stderr);
    assert!(said.contains("there is no journalctl in PATH"), "{said}");
    assert!(said.contains("hint: it is part of systemd"), "{said}");
    let check = without("check");
    assert_eq!(check.status.code(), Some(0), "it may be installed later");
    assert!(text(&check.stdout).contains("there is no journalctl in PATH"));
}

/// Why the real tools cannot be used here, if they cannot.
fn missing() -> Option<&'static str> {
    let path = env::var_os("PATH").unwrap_or_default();
    let has_journalctl = env::split_paths(&path).any(|dir| dir.join("journalctl").is_file());
    if !has_journalctl {
        return Some("journalctl");
    }
    (!Path::new(JOURNAL_REMOTE).is_file()).then_some("systemd-journal-remote")
}

/// Ends a test that cannot run: a failure in CI, a loud word elsewhere.
fn skip(missing: &str) {
    let advice = "run `cargo xtask test` as root, which installs what is missing";
    assert!(env::var_os("CI").is_none(), "the tests with a real journal need {missing}; {advice}");
    eprintln!("\n*** SKIPPED: the tests with a real journal need {missing}; {advice} ***\n");
}

/// Writes a journal file of these entries into the directory `journal`.
fn write_journal(host: &Host, name: &str, entries: &[String]) {
    fs::create_dir_all(host.path("journal")).unwrap();
    let export = host.text(&format!("{name}.export"));
    fs::write(&export, entries.concat()).unwrap();
    let output = format!("--output={}", host.text(&format!("journal/{name}.journal")));
    let mut remote = Command::new(JOURNAL_REMOTE);
    let written = remote.args(["--split-mode=none", &output, &export]).output().unwrap();
    assert!(written.status.success(), "{}", text(&written.stderr));
}

/// Two boots and what comes afterwards: the rest of the first boot, and the first entry of the
/// second one, are what `--follow` would pass over.
#[test]
fn a_real_journal_of_two_boots_is_read_and_followed_whole() {
    if let Some(missing) = missing() {
        return skip(missing);
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("{FROM_BEGINNING}\ndirectory = \"{}\"", host.text("journal"));
    let config = host.configure(&source, &receiver, ALL);
    let (earlier, now) = (entries_of(EARLIER_BOOT), entries_of(&this_boot()));
    let first: Vec<_> = [&earlier[..60], &now[60..80]].concat();
    write_journal(&host, "first", &earlier[..40]);
    let expected = replayed(&config, EXPORT);

    let program = host.run(&config);
    until("requests", || receiver.count() > 3);
    program.signal(Signal::KILL);
    drop(program);

    write_journal(&host, "second", &first[40..]);
    let program = host.run(&config);
    let seen = receiver.ids().len();
    until("more requests", || receiver.ids().len() > seen + 5);
    write_journal(&host, "third", &now[80..]);
    until_all(&receiver, &expected);
    assert!(!program.said().contains("has lost"), "{}", program.said());
    program.stop(Signal::TERM);
}

#[test]
fn a_real_journal_file_that_was_deleted_unread_is_a_gap_and_no_entry_behind_it_is_lost() {
    if let Some(missing) = missing() {
        return skip(missing);
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("{FROM_BEGINNING}\ndirectory = \"{}\"", host.text("journal"));
    let config = host.configure(&source, &receiver, ALL);
    let entries = entries_of(&this_boot());
    write_journal(&host, "first", &entries[..60]);
    let program = host.run(&config);
    until("requests", || receiver.count() > 3);
    program.stop(Signal::TERM);

    fs::remove_file(host.path("journal/first.journal")).unwrap();
    write_journal(&host, "second", &entries[60..]);
    let alone = replayed(&config, &host.text("second.export"));
    let program = host.run(&config);
    program.until_it_says("the journal has lost the entry that was read last");
    until("every event of the rest", || receiver.ids().is_superset(&alone));
    program.stop(Signal::TERM);
}

/// Nobody is left to end it then.
#[test]
fn a_real_journalctl_ends_when_the_program_is_killed() {
    if let Some(missing) = missing() {
        return skip(missing);
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    let directory = host.text("journal");
    let config =
        host.configure(&format!("{FROM_BEGINNING}\ndirectory = \"{directory}\""), &receiver, "");
    write_journal(&host, "first", &entries_of(&this_boot()));
    let program = host.run(&config);
    until("a follow", || follows(&directory));
    program.signal(Signal::KILL);
    until("its end", || !follows(&directory));
}

/// Does a process follow this journal?
fn follows(directory: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| text(&line)).any(|line| line.contains("--follow") && line.contains(directory))
}

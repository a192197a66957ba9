//! `replay`: history into the webhooks, each event once.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    process::Stdio,
};

use rustix::process::Signal;

use crate::{
    free_address, lines,
    program::{Host, output, text},
    receiver::{Receiver, Request},
    traffic::{self, Kills, check, is_all_received},
    until,
};

/// An older generation, packed, and the live file.
fn logs(host: &Host) -> [String; 2] {
    let packed = File::create(host.path("mail.log.2.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(lines(0..40).as_bytes()).unwrap();
    packed.finish().unwrap();
    host.append("mail.log", &lines(40..70));
    [host.text("mail.log"), host.text("mail.log.2.gz")]
}

#[test]
fn packed_and_plain_logs_are_sent_once_and_a_second_time_not_at_all() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    let [live, packed] = logs(&host);
    for (new, known) in [(70, 0), (0, 70)] {
        let output = output(&["replay", "--config", &config, &live, &packed]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("{new} new events, {known} known before")), "{said}");
        assert_eq!((receiver.count(), receiver.ids().len()), (70, 70));
    }
}

/// The live tail once sent again, from the beginning, what a replay had sent.
#[test]
fn what_was_replayed_is_not_sent_again_by_the_daemon() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let [live, _] = logs(&host);
    assert_eq!(output(&["replay", "--config", &config, &live]).status.code(), Some(0));
    host.append("mail.log", &lines(70..71));
    let daemon = host.run(&config);
    host.append("mail.log", &lines(71..72));
    crate::until("what was logged between the two, and after them", || receiver.ids().len() == 32);
    daemon.stop(Signal::TERM);
    assert_eq!(receiver.count(), 32);
}

/// The last result was not durable yet when the queue was asked whether anything waits.
#[test]
fn deliveries_that_wait_are_told_by_75_and_sent_by_the_next_run() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "schedule = [\"1s\", \"1s\"]");
    let port = free_address().port();
    let good = fs::read_to_string(&config).unwrap();
    let bad = good.replace(&receiver.url(), &format!("http://127.0.0.1:{port}/"));
    fs::write(&config, bad).unwrap();
    host.append("mail.log", &lines(0..1));
    let output = output(&["replay", "--config", &config, &host.text("mail.log")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("hint: they are in the store; send them with: mailherald run"), "{said}");
}

#[test]
fn a_replay_of_a_silent_stream_ends_on_a_signal() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    let mut program = host.start(&["replay", "--config", &config, "-"], Stdio::piped());
    let mut stdin = program.child.stdin.take().unwrap();
    stdin.write_all(lines(0..1).as_bytes()).unwrap();
    crate::until("the store", || host.path("state/store/db").exists());
    std::thread::sleep(std::time::Duration::from_millis(500));
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(), Some(75), "{}", program.said());
    drop(stdin);
}

#[test]
fn the_plan_names_the_files_oldest_first_and_touches_nothing() {
    let host = Host::new();
    let [live, packed] = logs(&host);
    let output = output(&["replay", "--plan", &live, &packed]);
    let plan = text(&output.stdout);
    let files: Vec<_> = plan.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(files, [packed.as_str(), live.as_str()]);
    assert!(plan.starts_with("2026-03-01T10:00:00Z "), "{plan}");
    assert!(!host.path("state").exists());
}

#[test]
fn row_28_a_replay_that_is_killed_again_and_again_goes_on_and_sends_nothing_twice() {
    const EVENTS: usize = 400;
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    let packed = File::create(host.path("mail.log.1.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(lines(0..EVENTS / 2).as_bytes()).unwrap();
    packed.finish().unwrap();
    host.append("mail.log", &lines(EVENTS / 2..EVENTS));
    let args = ["replay", "--config", &config, "--rate", "200", &host.text("mail.log*")];
    let mut kills = Kills::default();
    for seen in [1, 60, 150] {
        let program = host.start(&args, Stdio::null());
        until("some requests", || receiver.count() >= seen);
        program.kill();
        kills.note(&receiver);
    }
    let last = output(&args);
    let said = text(&last.stderr);
    assert_eq!(last.status.code(), Some(0), "{said}");
    assert!(said.contains("resumed at 100 %: 0 lines"), "it was read long ago: {said}");
    let all: BTreeSet<usize> = (0..EVENTS).collect();
    check(&receiver, &all, &all, &kills, "replay");
    let said = text(&output(&args).stderr);
    assert!(!said.contains("resumed"), "it was over: {said}");
    assert!(said.contains("0 new events, 400 known before"), "{said}");
}

/// Most of these are of no interest to the webhook, so that reading takes longer than sending.
fn deliveries(numbers: std::ops::Range<usize>) -> String {
    let failed = |number| number % BOUNCED_EVERY == 0;
    let line = |number| {
        let line = crate::line(number);
        if failed(number) {
            line.replace(
                "dsn=2.0.0, status=sent (250 2.0.0",
                "dsn=5.1.1, status=bounced (550 5.1.1",
            )
        } else {
            line
        }
    };
    numbers.map(line).collect()
}

const BOUNCED_EVERY: usize = 2000;

/// The lines that a replay says it has read.
fn lines_read(said: &str) -> usize {
    let count = said.split(" lines (").next().unwrap();
    count.rsplit([' ', '\n']).next().unwrap().parse().unwrap()
}

#[test]
fn row_28_a_replay_that_is_killed_while_it_reads_goes_on_near_there_and_tells_nothing_twice() {
    // Where it is goes into the store with some commits only.
    const LINES: usize = 160_000;
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "events = [\"outbound.bounced\"]");
    let packed = deliveries(0..LINES / 2);
    fs::write(host.path("mail.log.1.zst"), zstd::encode_all(packed.as_bytes(), 3).unwrap())
        .unwrap();
    host.append("mail.log", &deliveries(LINES / 2..LINES));
    // So that it is still there when it is to be killed, however fast it reads.
    let args = ["replay", "--config", &config, "--rate", "100", &host.text("mail.log*")];
    let mut kills = Kills::default();
    for part in [1, 4, 9] {
        let program = host.start(&args, Stdio::null());
        let seen = LINES / BOUNCED_EVERY * part / 10;
        until("some requests", || receiver.count() >= seen);
        program.kill();
        kills.note(&receiver);
    }
    host.append("mail.log", &deliveries(LINES..LINES + 1000));
    let last = output(&args);
    let said = text(&last.stderr);
    assert_eq!(last.status.code(), Some(0), "{said}");
    assert!(said.contains("resumed at ") && lines_read(&said) < LINES, "{said}");
    let all: BTreeSet<usize> = (0..LINES + 1000).step_by(BOUNCED_EVERY).collect();
    check(&receiver, &all, &all, &kills, "replay");
    let again = text(&output(&args).stderr);
    assert!(!again.contains("resumed") && lines_read(&again) == LINES + 1000, "{again}");
    assert!(again.contains("0 new events"), "{again}");
}

#[test]
fn a_replay_that_is_stopped_says_how_to_go_on_and_other_options_make_it_another_one() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    host.append("mail.log", &lines(0..40));
    let log = host.text("mail.log");
    let slow = ["replay", "--config", &config, "--rate", "5", &log];
    let mut program = host.start(&slow, Stdio::null());
    until("a request", || receiver.count() > 0);
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(), Some(75), "{}", program.said());
    let hint = "hint: start it again in the same way: it goes on where it was";
    assert!(program.said().contains(hint), "{}", program.said());
    let resend = text(&output(&["replay", "--config", &config, "--resend", &log]).stderr);
    assert!(resend.contains("0 new events, 40 known before"), "{resend}");
    assert!(!resend.contains("resumed"), "{resend}");
    let again = text(&output(&["replay", "--config", &config, &log]).stderr);
    assert!(!again.contains("resumed"), "the other one took its place: {again}");
}

/// There is no moment between the past and the present: the live file is the last generation.
#[test]
fn row_36_a_backlog_that_is_read_from_its_beginning_ends_in_the_present_without_a_seam() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("include = [\"{}\"]\nstart = \"beginning\"", host.text("mail.log*"));
    let config = host.configure(&source, &receiver, "");
    let older: String = (0..300).map(traffic::line).collect();
    fs::write(host.path("mail.log.2.zst"), zstd::encode_all(older.as_bytes(), 3).unwrap()).unwrap();
    let old: String = (300..600).map(traffic::line).collect();
    host.append("mail.log.1", &old);
    host.append("mail.log", &traffic::line(600));
    let program = host.run(&config);
    for number in 601..900 {
        host.append("mail.log", &traffic::line(number));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let all: BTreeSet<usize> = (0..900).collect();
    until("all requests", || {
        std::thread::sleep(std::time::Duration::from_millis(90));
        is_all_received(&receiver, &all)
    });
    program.stop(Signal::TERM);
    check(&receiver, &all, &all, &Kills::default(), "beginning");
}

/// Of these, the last ten are a second later than all others.
const IN_TWO_SECONDS: std::ops::Range<usize> = 99_980..100_010;

#[test]
fn only_events_of_the_wanted_time_are_printed_or_sent() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    host.append("mail.log", &lines(IN_TWO_SECONDS));
    let log = host.text("mail.log");
    let replay = |more: &[&str]| {
        let output = output(&[&["replay", "--config", &config, &log][..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output
    };
    let (early, late) = (["--until", "2026-03-01T10:00:01Z"], ["--since", "2026-03-01T10:00:01Z"]);
    for (times, count) in [(&early[..], 20), (&late, 10), (&[], 30)] {
        let printed = text(&replay(&[times, &["--dry-run"]].concat()).stdout);
        assert_eq!(printed.lines().count(), count, "{times:?}");
    }
    let none = ["--since", "2026-03-01T10:00:00.99999Z", "--until", "2026-03-01T10:00:00.99999Z"];
    assert_eq!(text(&replay(&[&none[..], &["--dry-run"]].concat()).stdout), "");
    assert_eq!(receiver.count(), 0, "a dry run sends nothing");

    for (times, new, known, sent) in [(&late, 10, 0, 10), (&early, 20, 0, 30), (&early, 0, 20, 30)]
    {
        let said = text(&replay(times).stderr);
        assert!(said.contains(&format!("{new} new events, {known} known before")), "{said}");
        assert_eq!((receiver.count(), receiver.ids().len()), (sent, sent), "{times:?}");
    }
}

/// By the seconds that the requests say they are of, of which there would be two at most without it.
#[test]
fn deliveries_are_spread_by_the_rate() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    host.append("mail.log", &lines(0..10));
    let args = ["replay", "--config", &config, "--rate", "2", &host.text("mail.log")];
    let said = text(&output(&args).stderr);
    assert!(said.contains("10 new events"), "{said}");
    let requests = receiver.requests();
    let seconds: BTreeSet<u64> = requests.iter().map(Request::sent_s).collect();
    assert!(requests.len() == 10 && seconds.len() > 2, "{seconds:?}");
}

/// A delivery, all that Postfix logs of it, and as many lines again and again that tell nothing.
fn story(number: usize) -> String {
    let (second, id) = (number / 100, format!("3F0B2C8{number:05X}"));
    let stamp =
        format!("2026-03-01T{:02}:{:02}:{:02}", 10 + second / 3600, second / 60 % 60, second % 60);
    let stamp = format!("{stamp}+00:00 mx postfix/");
    let idle = format!(
        "{stamp}smtpd[7]: connect from host{number}.client.test[192.0.2.1]: one of many sessions that \
         come to nothing\n"
    );
    format!(
        "{}{stamp}smtp[913]: {id}: to=<user{number}@good.test>, relay=mx1.good.test[192.0.2.1]:25, \
         delay=0.08, delays=0.02/0.02/0/0.04, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n\
         {stamp}qmgr[5]: {id}: removed\n",
        idle.repeat(6)
    )
}

/// Most memory that a replay of so many deliveries has, in bytes.
fn peak_of_replay(deliveries: usize) -> u64 {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "events = [\"outbound.bounced\"]");
    host.append("mail.log", &(0..deliveries).map(story).collect::<String>());
    let args = ["replay", "--config", &config, &host.text("mail.log")];
    let mut program = host.start(&args, Stdio::null());
    let (mut peak, mut ended) = (0, None);
    until("the end of the replay", || {
        peak = program.peak_bytes().unwrap_or(peak);
        ended = program.child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{}", program.said());
    assert!(program.said().contains(&format!("{deliveries} new events")), "{}", program.said());
    peak
}

#[test]
fn row_36_a_log_eight_times_as_long_takes_hardly_more_memory() {
    // 5 MB and 40 MB; measured: 57 MB and 69 MB, most of which are caches.
    let (short, long) = (peak_of_replay(4_400), peak_of_replay(35_200));
    assert!(long < short + 48 * 1024 * 1024, "{short} bytes, then {long}");
}

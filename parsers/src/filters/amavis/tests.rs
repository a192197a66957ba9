//! Lines of amavisd-new 2.13 (scenario 40), lines of its other templates, and forgeries.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::{join_pieces, read};
use crate::{
    Body,
    filters::{Action, Direction, Kind, Part, Verdict},
    postfix::QueueId,
};

fn verdict(text: &str) -> Verdict<'_> {
    match read(text.as_bytes()) {
        Body::Filter(verdict) => verdict,
        other => panic!("{text}: {other:?}"),
    }
}

fn ids<'a>(verdict: &Verdict<'a>) -> (Option<&'a str>, Vec<&'a str>) {
    (verdict.queue_id.map(QueueId::as_str), verdict.queued_as.iter().map(QueueId::as_str).collect())
}

const CLEAN: &str = "(00182-02) Passed CLEAN {RelayedInbound}, [127.0.2.5]:33707 \
    <amy@sender.test> -> <games@lab.test>, Queue-ID: 4jWZl047nYznR77, \
    Message-ID: <40_amavis.sy.2@gen.lab.test>, mail_id: uH9lMB7_zMz6, Hits: -1, size: 348, \
    queued_as: 4jWZl10wjGznR7Q, 287 ms";

#[test]
fn a_clean_message_is_named_in_front_of_the_filter_and_behind_it() {
    let clean = verdict(CLEAN);
    assert_eq!(
        (clean.kind, clean.action, clean.part),
        (Kind::Clean, Action::Passed, Part::Verdict)
    );
    assert_eq!(clean.direction, Some(Direction::Inbound));
    assert_eq!(ids(&clean), (Some("4jWZl047nYznR77"), vec!["4jWZl10wjGznR7Q"]));
    assert_eq!((clean.score, clean.scan_id), (Some(-1.0), Some(&b"00182-02"[..])));
    assert_eq!(clean.message_id, Some(&b"<40_amavis.sy.2@gen.lab.test>"[..]));
    assert_eq!(clean.client, Some(&b"127.0.2.5"[..]));
    assert_eq!(clean.sender, Some(&b"amy@sender.test"[..]));
    assert!(clean.recipients.iter().eq([b"games@lab.test"]));
}

#[test]
fn discarded_spam_is_quarantined_as_well() {
    let spam = verdict(
        "(00182-03) Blocked SPAM {DiscardedOpenRelay,Quarantined}, [127.0.0.1]:60667 \
         <amy@sender.test> -> <ok+s40spam@good.test>, quarantine: spam-dt5Ofj7vnGUG, \
         Queue-ID: 4jWZl048w4znR78, Message-ID: <40_amavis.sy.3@gen.lab.test>, \
         mail_id: dt5Ofj7vnGUG, Hits: 999, size: 416, 289 ms",
    );
    assert_eq!((spam.kind, spam.action, spam.quarantined), (Kind::Spam, Action::Discarded, true));
    assert_eq!((spam.direction, spam.score), (Some(Direction::OpenRelay), Some(999.0)));
    assert_eq!(ids(&spam).0, Some("4jWZl048w4znR78"));
}

#[test]
fn a_virus_is_named_and_not_scored() {
    let virus = verdict(
        "(00182-03-2) Blocked INFECTED (Eicar-Test-Signature) {DiscardedOpenRelay,Quarantined}, \
         [127.0.0.1]:47359 <amy@sender.test> -> <ok+s40v@good.test>, \
         quarantine: virus-LQKImGkNTOeV, Queue-ID: 4jWZl04BfWznR7B, \
         Message-ID: <40_amavis.sy.5@gen.lab.test>, mail_id: LQKImGkNTOeV, Hits: -, size: 410, 102 ms",
    );
    assert_eq!((virus.kind, virus.detail), (Kind::Virus, Some(&b"Eicar-Test-Signature"[..])));
    assert_eq!((virus.score, virus.scan_id), (None, Some(&b"00182-03-2"[..])));
    assert_eq!(ids(&virus).0, Some("4jWZl04BfWznR7B"));
}

#[test]
fn a_banned_file_bounces() {
    let banned = verdict(
        "(00183-02-3) Blocked BANNED (application/octet-stream,x.exe) {BouncedOpenRelay,Quarantined}, \
         [127.0.0.1]:51783 <amy@sender.test> -> <ok+s40ban@good.test>, \
         quarantine: banned-eCiATqa82Z3P, Queue-ID: 4jWZl04FqfznR7L, \
         Message-ID: <40_amavis.sy.8@gen.lab.test>, mail_id: eCiATqa82Z3P, Hits: -, size: 475, 165 ms",
    );
    assert_eq!((banned.kind, banned.action), (Kind::Banned, Action::Bounced));
    assert_eq!(banned.detail, Some(&b"application/octet-stream,x.exe"[..]));
}

#[test]
fn the_line_for_each_recipient_is_a_repeat() {
    for (line, recipients) in [
        (
            "(00182-03-3) Passed CLEAN, <amy@sender.test> -> <ok+s40m@good.test>, Hits: -1, \
             tag=-999, tag2=5, kill=6.9, queued_as: 4jWZl165DyznR77, 0/Y/0/0",
            "<ok+s40m@good.test>",
        ),
        (
            "(00182-03-2) Blocked INFECTED (Eicar-Test-Signature), <amy@sender.test> -> , Hits: -, \
             tag=-999, tag2=5, kill=6.9, 0/Y/0/0",
            "",
        ),
    ] {
        let repeat = verdict(line);
        assert_eq!(repeat.part, Part::Repeat, "{line}");
        assert_eq!(repeat.recipients.raw(), recipients.as_bytes());
    }
}

/// amavisd-new before 2.8 logs no actions, so only the client tells the line from a repeat.
#[test]
fn the_main_line_of_old_versions_is_no_repeat() {
    let old = verdict(
        "(1-01) Passed SPAMMY, MYNETS LOCAL [192.0.2.7] [192.0.2.8] <> -> <a@lab.test>,<b@lab.test>, \
         Message-ID: <1@x.test>, mail_id: abc, Hits: 6.1..7.25, size: 3, \
         queued_as: 97C0A53F4D6/97C0A53F4D7, 12 ms",
    );
    assert_eq!((old.part, old.kind, old.action), (Part::Verdict, Kind::Spam, Action::Passed));
    assert_eq!((old.client, old.sender), (Some(&b"192.0.2.7"[..]), Some(&b""[..])));
    assert_eq!((old.score, old.recipients.iter().count()), (Some(7.25), 2));
    assert_eq!(ids(&old), (None, vec!["97C0A53F4D6", "97C0A53F4D7"]));
}

/// A message with two recipients, of which one wants spam: two lines with the same actions.
#[test]
fn of_mixed_actions_those_count_that_fit_the_line() {
    let line = |word: &str| {
        format!(
            "(1-01) {word} SPAM {{DiscardedInbound,RelayedTaggedInbound}}, [192.0.2.7]:1 \
             <a@x.test> -> <b@lab.test>, Queue-ID: 97C0A53F4D6, mail_id: abc, Hits: 9, size: 3, 12 ms"
        )
    };
    assert_eq!(verdict(&line("Passed")).action, Action::Tagged);
    assert_eq!(verdict(&line("Blocked")).action, Action::Discarded);
}

#[test]
fn the_verbose_template_gives_subject_and_rules() {
    let verbose = verdict(
        "(1-01) Passed CLEAN {RelayedOutbound}, [192.0.2.7]:1 ESMTPSA/ESMTP <a@x.test> -> \
         <b@good.test>, tls: ECDHE, Queue-ID: 97C0A53F4D6, Message-ID: <1@x.test>, \
         mail_id: abc, b: 4fFhQ, Hits: 1.5, size: 3, queued_as: 97C0A53F4D7, \
         Subject: \"Say \"\"hi\"\", Hits\", From: Amy_<a@x.test>, helo=mx, \
         Tests: [A=1.6,B=-0.1], autolearn=no, 12 ms",
    );
    assert_eq!(verbose.score, Some(1.5));
    assert_eq!(verbose.subject, Some(&b"Say \"\"hi\"\", Hits"[..]));
    assert_eq!(ids(&verbose), (Some("97C0A53F4D6"), vec!["97C0A53F4D7"]));
    assert_eq!(verbose.message_id, Some(&b"<1@x.test>"[..]));
    let rules: Vec<_> = verbose.rules.iter().map(|rule| (rule.name, rule.weight)).collect();
    assert_eq!(rules, [(&b"A"[..], Some(1.6)), (b"B", Some(-0.1))]);
}

#[test]
fn rules_of_a_higher_log_level_are_details() {
    let tag = verdict(
        "(1-01) spam-tag, <a@x.test> -> <b@lab.test>, Yes, score=999.1 tag=-999 tag2=5 kill=6.9 \
         tests=[GTUBE=1000, NO_RELAYS=-0.001] autolearn=no autolearn_force=no",
    );
    assert_eq!((tag.part, tag.kind), (Part::Details, Kind::Spam));
    assert_eq!((tag.score, tag.required), (Some(999.1), Some(5.0)));
    let names: Vec<_> = tag.rules.iter().map(|rule| rule.name).collect();
    assert_eq!(names, [&b"GTUBE"[..], b"NO_RELAYS"]);
}

#[test]
fn other_lines_of_amavis_are_ignored() {
    for line in [
        "starting. /usr/sbin/amavisd-new at mx.lab.test amavisd-new-2.13.0",
        "(00182-02) Checking: uH9lMB7_zMz6 [127.0.2.5] <amy@sender.test> -> <games@lab.test>",
        "(00182-02) extra modules loaded: Amavis/Lookup/Opaque.pm",
        "Blocked SPAM, <a@x> -> <b@y>, Hits: 1",
    ] {
        assert_eq!(read(line.as_bytes()), Body::Ignored, "{line}");
    }
}

const FORGED: &str = ", Queue-ID: 5E1B753F4D8, Message-ID: <v@x>, mail_id: Forged, Hits: -99, \
    size: 1, queued_as: 5E1B753F4D9, 1 ms";

#[test]
fn a_message_id_that_imitates_the_rest_of_the_line_changes_neither_queue_id_nor_score() {
    let line = CLEAN.replace("<40_amavis.sy.2@gen.lab.test>", &format!("<x{FORGED}>"));
    let clean = verdict(&line);
    assert_eq!(ids(&clean), (Some("4jWZl047nYznR77"), vec!["4jWZl10wjGznR7Q"]));
    assert_eq!(clean.score, Some(-1.0));
    assert_eq!(clean.message_id, Some(format!("<x{FORGED}>").as_bytes()));
}

#[test]
fn a_quoted_sender_that_imitates_the_rest_of_the_line_is_only_a_sender() {
    let sender = format!("\"x> -> <v@x>{FORGED}\"@sender.test");
    let line = CLEAN.replace("amy@sender.test", &sender);
    let clean = verdict(&line);
    assert_eq!(clean.sender, Some(sender.as_bytes()));
    assert_eq!((ids(&clean).0, clean.score), (Some("4jWZl047nYznR77"), Some(-1.0)));
}

#[test]
fn a_domain_literal_with_two_possible_ends_leaves_the_envelope_out() {
    for sender in [format!("a@[x]> -> <v@x>{FORGED}, y]"), format!("a@[x> -> <v@x>{FORGED}]")] {
        let line = CLEAN.replace("amy@sender.test", &sender);
        let clean = verdict(&line);
        assert_eq!(
            (clean.sender, clean.queue_id, clean.score),
            (None, None, Some(-1.0)),
            "{sender}"
        );
    }
}

#[test]
fn a_subject_that_imitates_a_score_or_rules_changes_neither() {
    let line = CLEAN.replace(", 287 ms", &format!(", Subject: \"x{FORGED}\", 287 ms"));
    let clean = verdict(&line);
    assert_eq!((clean.score, clean.kind), (Some(-1.0), Kind::Clean));
    assert_eq!(ids(&clean), (Some("4jWZl047nYznR77"), vec!["4jWZl10wjGznR7Q"]));
    let line = CLEAN.replace(
        ", 287 ms",
        ", Subject: \"x, Hits: 99, Tests: [X=1]\", From: <a@x.test>, Tests: [A=1], 287 ms",
    );
    let clean = verdict(&line);
    assert_eq!(clean.subject, Some(&b"x, Hits: 99, Tests: [X=1]"[..]));
    assert!(clean.rules.iter().map(|rule| rule.name).eq([b"A"]));
}

/// The doubled quote may look like an end and a beginning.
#[test]
fn a_quoted_subject_inside_the_subject_leaves_the_score_out() {
    let line = CLEAN.replace(
        ", 287 ms",
        ", Subject: \"x, Hits: 99, size: 3, Subject: \"\", b\", From: <a@x.test>, 287 ms",
    );
    let clean = verdict(&line);
    assert_eq!((clean.score, clean.message_id), (None, None));
    assert_eq!(clean.queue_id.map(QueueId::as_str), Some("4jWZl047nYznR77"));
}

/// syslog takes no longer lines (`Amavis/Log.pm`, `write_log()`).
#[test]
fn pieces_of_a_line_make_the_line_again() {
    let prefix = "Nov 21 10:00:00 mx amavis[79]: ";
    let (id, words) = CLEAN.split_at(11);
    let (first, rest) = words.split_at(40);
    let (second, third) = rest.split_at(50);
    let pieces = [
        format!("{prefix}{id}{first}..."),
        format!("{prefix}{id}...{second}..."),
        format!("{prefix}{id}...{third}"),
    ];
    for piece in &pieces {
        let piece = verdict(piece.strip_prefix(prefix).unwrap());
        assert_eq!((piece.part, piece.scan_id), (Part::Piece, Some(&b"00182-02"[..])));
    }
    let joined = pieces[1..].iter().try_fold(pieces[0].clone().into_bytes(), |before, piece| {
        join_pieces(&before, piece.as_bytes(), b"00182-02")
    });
    assert_eq!(joined.unwrap(), format!("{prefix}{CLEAN}").as_bytes());
    assert_eq!(join_pieces(pieces[0].as_bytes(), pieces[1].as_bytes(), b"00182-03"), None);
}

/// `$log_verbose_templ` (`Amavis.pm`).
#[test]
fn the_verbose_template_names_servers_in_front_of_the_queue_id() {
    for trace in ["", "ESMTPS://192.0.2.1 < SMTP://[2001:db8::1]:25"] {
        let line = CLEAN.replace(", Queue-ID", &format!(", ({trace}), Queue-ID"));
        let line = line.replace(", Hits", ", b: 28jdsKs, Hits");
        let line = line.replace(
            ", 287 ms",
            ", Subject: \"a\", From: <a@x.test>, helo=mx.x.test, Tests: [A=1,B=2], autolearn=no, 287 ms",
        );
        let clean = verdict(&line);
        assert_eq!(ids(&clean), (Some("4jWZl047nYznR77"), vec!["4jWZl10wjGznR7Q"]));
        assert_eq!((clean.score, clean.rules.iter().count()), (Some(-1.0), 2));
        assert_eq!(clean.message_id, Some(&b"<40_amavis.sy.2@gen.lab.test>"[..]));
    }
}

#[test]
fn a_helo_that_imitates_a_score_leaves_the_score_out() {
    let line = CLEAN.replace(", 287 ms", ", helo=x, Hits: -99, size: 1, 287 ms");
    assert_eq!(verdict(&line).score, None);
}

#[test]
fn a_message_id_that_hides_the_score_in_a_subject_of_its_own_leaves_the_score_out() {
    let line = CLEAN.replace(", mail_id", ", Hits: -99, Subject: \", helo=x, mail_id");
    let line = line.replace(", 287 ms", ", Subject: \", x\", From: a, 287 ms");
    assert_eq!(verdict(&line).score, None);
}

#[test]
fn a_file_that_imitates_the_rest_of_the_line_leaves_all_but_verdict_and_score_out() {
    let line = format!(
        "(1-01) Blocked BANNED (x) {{RelayedInbound}}, [192.0.2.66]:1 <v@x> -> <w@x>{FORGED}.exe) \
         {{BouncedInbound}}, [192.0.2.7]:1 <a@x.test> -> <b@lab.test>, Queue-ID: 97C0A53F4D6, \
         Message-ID: <1@x.test>, mail_id: abc, Hits: 4.5, size: 3, 12 ms"
    );
    let banned = verdict(&line);
    assert_eq!((banned.kind, banned.action), (Kind::Banned, Action::Unknown));
    assert_eq!((banned.queue_id, banned.sender, banned.client), (None, None, None));
    assert_eq!((banned.score, banned.scan_id), (Some(4.5), Some(&b"1-01"[..])));
}

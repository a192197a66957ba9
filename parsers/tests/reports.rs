//! Mails that report something: what is read of each sample, and that no damage is too much.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path};

use mailherald_parsers::report::{self, Action, Content};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/reports");

/// Names and bytes of all samples, by name.
fn samples() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(Path::new(SAMPLES)).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(all.len() >= 20, "{} samples", all.len());
    all
}

#[test]
fn each_sample_is_read_as_its_snapshot_says() {
    for (name, mail) in samples() {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_debug_snapshot!(format!("report_{name}"), report::parse(&mail));
        });
    }
}

#[test]
fn line_ends_and_an_envelope_line_change_nothing() {
    for (name, mail) in samples() {
        let unix: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
        let dos = String::from_utf8_lossy(&unix).replace('\n', "\r\n");
        let expected = report::parse(&mail);
        assert_eq!(report::parse(&unix), expected, "{name}");
        assert_eq!(report::parse(dos.as_bytes()), expected, "{name}");
        let mbox = [b"From MAILER-DAEMON Sat Nov 21 10:00:00 2026\n", &unix[..]].concat();
        assert_eq!(report::parse(&mbox), expected, "{name}");
    }
}

#[test]
fn a_mail_that_was_cut_off_behind_its_report_says_the_same() {
    let whole = fs::read(Path::new(SAMPLES).join("dsn_postfix_failed.eml")).unwrap();
    let end = whole.windows(20).position(|text| text == b"Undelivered Message\n").unwrap();
    let [whole, cut] = [&whole[..], &whole[..end]].map(|mail| report::parse(mail).unwrap());
    assert_eq!(whole.content, cut.content);
    assert!(whole.returned.is_some());
    let Content::Delivery(delivery) = cut.content else { panic!() };
    assert_eq!(delivery.recipients[0].action, Action::Failed);
}

/// A generator whose numbers are always the same (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// Damaged: cut, a stretch left out, doubled or moved, bytes changed, structure put in.
fn damaged(mail: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const PIECES: [&[u8]; 12] = [
        b"\n--",
        b"--\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\0",
        b"=\n",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: multipart/report; boundary=\"\n\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Action: failed\n",
        b"((((",
        b"\xff\xfe",
    ];
    let mut mail = mail.to_vec();
    for _ in 0..=numbers.below(4) {
        let (start, end) = (numbers.below(mail.len()), numbers.below(mail.len()));
        let (start, end) = (start.min(end), start.max(end));
        match numbers.below(6) {
            0 => mail.truncate(end),
            1 => drop(mail.drain(start..end)),
            2 => mail.extend_from_within(start..end),
            3 => mail[start..end].reverse(),
            4 => {
                let piece = PIECES[numbers.below(PIECES.len())];
                drop(mail.splice(start..start, piece.iter().copied()));
            }
            _ => {
                if let Some(byte) = mail.get_mut(start) {
                    *byte = u8::try_from(numbers.below(256)).unwrap();
                }
            }
        }
    }
    mail
}

#[test]
fn two_thousand_damaged_mails_are_read_without_a_panic_and_the_same_each_time() {
    let (mut numbers, mut still_reports) = (Numbers(17), 0);
    for (name, mail) in samples() {
        for round in 0..100 {
            let mail = damaged(&mail, &mut numbers);
            let read = report::parse(&mail);
            still_reports += usize::from(read.is_some());
            assert_eq!(read, report::parse(&mail), "{name}, damaged {round}");
        }
    }
    assert!(still_reports > 500, "only {still_reports} are reports still: the test tests nothing");
}

#[test]
fn every_beginning_of_a_mail_is_read_without_a_panic() {
    for (_, mail) in samples() {
        for end in (0..mail.len()).step_by(7) {
            drop(report::parse(&mail[..end]));
        }
    }
}

#[test]
fn a_mail_nested_thousands_deep_takes_neither_stack_nor_time() {
    let rfc822 = "Content-Type: message/rfc822\n\n".repeat(8_000);
    let part = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
    let multipart = (0..4_000).map(part).collect::<Vec<_>>().concat();
    let report = "Content-Type: multipart/report; boundary=x\n\n--x\n\
        Content-Type: message/delivery-status\n\nAction: failed\n\n--x\n";
    for deep in [&rfc822, &multipart] {
        assert_eq!(report::parse(deep.as_bytes()), None);
        let read = report::parse(format!("{report}{deep}").as_bytes()).unwrap();
        assert!(
            matches!(read.content, Content::Delivery(delivery) if delivery.recipients.len() == 1)
        );
    }
}

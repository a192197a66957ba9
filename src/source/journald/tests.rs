//! The procedure against a scripted `journalctl`. Time is tokio's and passes by itself when all
//! wait, so no test waits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

use std::time::Duration;

use super::{
    JournalPosition, Sight,
    newest::sight_with,
    testing::{BOOT, Fake, behind, cursor, entries, entry, numbers_of, second_before_now},
};
use crate::config::Start;

/// A `--follow` that goes on.
const STAYS: &str = "if test $way = follow; then exec sleep 3600; fi";

/// Entries from the one with the cursor on, of all in the file `journal`, as `journalctl` has it.
const JOURNAL: &str = "test $way = newest || awk -v from=\"$cursor\" -v RS= -v ORS='\\n\\n' \
    'from == \"\" || index($0, \"__CURSOR=\" from \"\\n\") { on = 1 } on' journal";

#[tokio::test(start_paused = true)]
async fn all_is_read_before_it_is_followed_and_nothing_twice() {
    let fake = Fake::new(STAYS);
    fake.file("from.1", &entries(0..3));
    fake.file("from.2", &entries(2..5));
    fake.file("from.3", &entries(4..5));
    fake.file("follow", &entries(4..7));
    let mut following = fake.follow(Start::Beginning, None);
    assert_eq!(following.numbers(7).await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(following.position, behind(6));
    let tally = following.end().await;
    assert_eq!((tally.entries, tally.gaps, tally.restarts), (7, 0, 0));

    let common = "--output=export --all --no-pager";
    let matches =
        "SYSLOG_FACILITY=2 _TRANSPORT=syslog + MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e";
    let (second, fourth) = (cursor(2, BOOT), cursor(4, BOOT));
    assert_eq!(
        fake.asked(),
        [
            format!("{common} --lines=1 {matches}"),
            format!("{common} --quiet {matches}"),
            format!("{common} --quiet --cursor={second} {matches}"),
            format!("{common} --quiet --cursor={fourth} {matches}"),
            format!("{common} --quiet --follow --no-tail --cursor={fourth} {matches}"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_behind_the_stored_cursor() {
    let fake = Fake::new(&format!("{JOURNAL}; {STAYS}"));
    fake.file("journal", &entries(0..6));
    let mut following = fake.follow(Start::Beginning, behind(2));
    assert_eq!(following.numbers(3).await, [3, 4, 5]);
    assert_eq!(following.end().await.gaps, 0);
}

/// `--after-cursor` of an entry that is gone passes over one that is there.
#[tokio::test(start_paused = true)]
async fn an_entry_that_is_gone_is_a_gap_and_the_next_one_is_not_lost() {
    let fake = Fake::new(STAYS);
    fake.file("from.1", &entries(7..9));
    fake.file("from", &entries(8..9));
    fake.file("follow", &entries(8..10));
    let mut following = fake.follow(Start::End, behind(2));
    let batch = following.batches.recv().await.unwrap();
    assert_eq!((numbers_of(&batch), batch.is_behind_gap), (vec![7, 8], true));
    let batch = following.batches.recv().await.unwrap();
    assert_eq!((numbers_of(&batch), batch.is_behind_gap), (vec![9], false), "it is told once");
    let tally = following.end().await;
    assert_eq!((tally.entries, tally.gaps), (3, 1));
}

/// It would follow from who knows where.
#[tokio::test(start_paused = true)]
async fn behind_an_entry_that_is_gone_nothing_is_followed_until_there_is_another() {
    let fake = Fake::new(STAYS);
    fake.file("from.3", &entries(9..10));
    fake.file("from.4", &entries(9..10));
    let mut following = fake.follow(Start::End, behind(2));
    assert_eq!(following.numbers(1).await, [9]);
    fake.until_asked("--follow").await;
    assert_eq!(following.end().await.gaps, 1);
    let asked = fake.asked();
    let first = asked.iter().position(|asked| asked.contains("--follow")).unwrap();
    assert!(asked[first].contains(&cursor(9, BOOT)), "{asked:?}");
    assert_eq!(first, 5, "{asked:?}");
}

/// `--follow` implies `--boot` in systemd 250 to 257.
#[tokio::test(start_paused = true)]
async fn an_earlier_boot_is_never_followed() {
    let fake = Fake::new(STAYS);
    let (one, two) = (entry(1, "aaaa"), entry(2, "aaaa"));
    fake.file("from.1", &format!("{one}{two}"));
    fake.file("from.2", &two);
    fake.file("from.3", &two);
    fake.file("from.4", &format!("{two}{}", entries(3..4)));
    fake.file("from.5", &entries(3..4));
    fake.file("follow", &entries(3..5));
    let position = JournalPosition::Behind(cursor(1, "aaaa"));
    let mut following = fake.follow(Start::End, Some(position));
    assert_eq!(following.numbers(3).await, [2, 3, 4]);
    assert_eq!(following.end().await.gaps, 0);
    assert_eq!(fake.asked().iter().filter(|asked| asked.contains("--follow")).count(), 1);
}

/// An entry that broke off with its journalctl is none yet.
#[tokio::test(start_paused = true)]
async fn a_follow_that_ends_is_started_again_where_it_stopped() {
    let fake = Fake::new("case $way$run in follow3) exec sleep 3600;; follow*) exit 1;; esac");
    let broken = entries(2..5);
    fake.file("from.1", &entries(0..1));
    fake.file("from.2", &entries(0..1));
    fake.file("follow.1", &entries(0..3));
    fake.file("from.3", &entries(2..3));
    fake.file("follow.2", &broken[..broken.len() - 1]);
    fake.file("from.4", &entries(3..4));
    fake.file("follow.3", &entries(3..6));
    let mut following = fake.follow(Start::Beginning, None);
    assert_eq!(following.numbers(6).await, [0, 1, 2, 3, 4, 5]);
    let tally = following.end().await;
    assert_eq!((tally.entries, tally.gaps, tally.restarts), (6, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_that_fails_is_begun_again_where_it_stopped() {
    let fake = Fake::new(&format!("test $way$run != from1 || exit 1; {STAYS}"));
    fake.file("from.1", &entries(0..3));
    fake.file("from.2", &entries(2..4));
    fake.file("from", &entries(3..4));
    let mut following = fake.follow(Start::Beginning, None);
    assert_eq!(following.numbers(4).await, [0, 1, 2, 3]);
    assert_eq!(following.end().await.restarts, 1);
}

/// A journalctl that waits keeps files open that journald has deleted.
#[tokio::test(start_paused = true)]
async fn a_journalctl_that_is_held_up_is_ended_and_nothing_is_lost() {
    const COUNT: usize = 2_000;
    let fake = Fake::new(&format!("case $way$run in from1) ;; *) {JOURNAL};; esac; {STAYS}"));
    fake.file("journal", &entries(0..COUNT));
    fake.file("from.1", &entries(0..1));
    let mut following = fake.follow_with_room(Start::End, behind(0), 1);
    fake.until_asked("--follow").await;
    while fake.is_running("pid.follow.1") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(following.numbers(COUNT - 1).await, (1..COUNT).collect::<Vec<_>>());
    let tally = following.end().await;
    assert_eq!((tally.entries, tally.gaps, tally.restarts), (COUNT as u64 - 1, 0, 1));
}

/// What comes while the program is stopped is not passed over: the end is where it first was.
#[tokio::test(start_paused = true)]
async fn the_end_is_behind_the_newest_entry_and_is_stored_before_anything_is_read() {
    let fake = Fake::new(STAYS);
    fake.file("newest", &entries(4..5));
    let mut following = fake.follow(Start::End, None);
    let mark = following.batches.recv().await.unwrap();
    assert!(mark.lines.is_empty() && mark.idle);
    assert_eq!(mark.journal, behind(4));
    following.end().await;

    let empty = Fake::new(STAYS);
    let mut following = empty.follow(Start::End, None);
    let mark = following.batches.recv().await.unwrap();
    assert_eq!(mark.journal, Some(JournalPosition::Beginning), "all is after the end of nothing");
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_some_time_ago_reads_an_hour_more_to_know_what_was_under_way() {
    let fake = Fake::new(STAYS);
    fake.file("from.1", &entries(0..1));
    let day = Duration::from_hours(24);
    let earliest = second_before_now(Duration::from_hours(25));
    let mut following = fake.follow(Start::Since(day), None);
    let mark = following.batches.recv().await.unwrap();
    let Some(JournalPosition::Since(since)) = mark.journal else { panic!("{mark:?}") };
    assert!((earliest..=second_before_now(Duration::from_hours(25))).contains(&since));
    assert_eq!(following.numbers(1).await, [0]);
    following.end().await;
    assert!(fake.asked()[1].contains(&format!("--quiet --since=@{since} ")), "{:?}", fake.asked());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_may_not_be_read_is_waited_for() {
    const REFUSED: &str = "No journal files were opened due to insufficient permissions.";
    let fake = Fake::new(&format!(
        "case $way$run in newest1) echo {REFUSED} >&2; exit 1;; \
         newest2) echo Hint: You are currently not seeing messages from other users >&2;; esac; \
         {STAYS}"
    ));
    fake.file("newest", &entries(0..1));
    let mut following = fake.follow(Start::End, None);
    let mark = following.batches.recv().await.unwrap();
    assert_eq!(mark.journal, behind(0));
    let tally = following.end().await;
    assert_eq!(tally.restarts, 2, "the end is only known when all can be seen");
}

#[tokio::test]
async fn a_first_look_sees_entries_none_a_refusal_or_a_failure() {
    let fake = Fake::new(
        "case $run in 3) echo Failed to open: Permission denied >&2; exit 1;; \
         4) echo broken >&2; exit 3;; esac",
    );
    fake.file("newest.1", &entries(0..1));
    let journalctl = fake.journalctl();
    assert_eq!(sight_with(&journalctl).await, Sight::Entries);
    assert_eq!(sight_with(&journalctl).await, Sight::Nothing);
    let refused = "Failed to open: Permission denied".to_owned();
    assert_eq!(sight_with(&journalctl).await, Sight::Refused(refused));
    let Sight::Failed(why) = sight_with(&journalctl).await else { panic!("it was broken") };
    assert!(why.contains("broken"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_comes_in_batches_each_with_its_own_cursor() {
    const COUNT: usize = 20_000;
    let fake = Fake::new(&format!("{JOURNAL}; {STAYS}"));
    fake.file("journal", &entries(0..COUNT));
    let mut following = fake.follow(Start::Beginning, None);
    let mut next = 0;
    following.batches.recv().await.unwrap();
    while next < COUNT {
        let batch = following.batches.recv().await.unwrap();
        assert!(batch.bytes.len() <= crate::limits::BATCH_BYTES);
        let numbers = numbers_of(&batch);
        assert_eq!(numbers, (next..next + numbers.len()).collect::<Vec<_>>());
        next += numbers.len();
        assert_eq!(batch.journal, behind(next - 1));
        assert_eq!(batch.idle, next == COUNT);
    }
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_ends_journalctl() {
    let fake = Fake::new(STAYS);
    fake.file("from", &entries(0..1));
    fake.file("follow", &entries(0..2));
    let mut following = fake.follow(Start::End, behind(0));
    assert_eq!(following.numbers(1).await, [1]);
    assert!(fake.is_running("pid.follow.1"));
    following.end().await;
    while fake.is_running("pid.follow.1") {
        tokio::task::yield_now().await;
    }
}

/// Twice the same entry would be two events.
#[tokio::test(start_paused = true)]
async fn an_entry_without_a_cursor_is_passed_over() {
    let fake = Fake::new(STAYS);
    let named = entries(0..1);
    let unnamed = named.replace(&cursor(0, BOOT), "");
    fake.file("from", &format!("{unnamed}{named}"));
    fake.file("from.1", &format!("{named}{unnamed}"));
    let mut following = fake.follow(Start::Beginning, None);
    assert_eq!(following.numbers(1).await, [0]);
    fake.until_asked("--follow").await;
    assert_eq!(following.end().await.entries, 1);
}

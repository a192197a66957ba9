//! Events of reports, which come from no line.

use super::*;
use crate::event::{Event, EventData, EventId, Reported, TimeQuality};

/// A complaint of that hour.
fn complaint(number: u8, hour: i64) -> Event {
    let data = EventData {
        to: Some("eve@good.test".into()),
        reported: Some(Box::new(Reported::default())),
        ..EventData::default()
    };
    Event {
        id: EventId::of(&[&[number]]),
        kind: EventType::OutboundComplaint,
        at_us: hour * HOUR_S * 1_000_000,
        time_quality: TimeQuality::Second,
        data: Box::new(data),
    }
}

fn are_new(bench: &mut Bench, events: &[Event]) -> Vec<bool> {
    let told = bench.writer.stage_reports(events.to_vec()).unwrap().unwrap();
    bench.writer.commit().unwrap();
    told.into_iter().map(|(_, is_new)| is_new).collect()
}

#[test]
fn a_report_that_comes_twice_is_stored_once_also_over_a_restart_and_in_whatever_hour_it_was_written()
 {
    let dir = TempDir::new().unwrap();
    let events = [complaint(1, 0), complaint(2, 900_000), complaint(1, 0)];
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 3));
    assert_eq!(are_new(&mut bench, &events), [true, true, false]);
    assert_eq!(are_new(&mut bench, &events), [false; 3]);
    assert_eq!(bench.claim(10).claims.len(), 5);
    drop(bench);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!(are_new(&mut bench, &events), [false; 3]);
    assert_eq!(are_new(&mut bench, &[complaint(3, 5)]), [true]);
}

#[test]
fn while_the_disk_is_nearly_full_no_report_is_taken_and_whoever_brought_it_is_to_keep_it() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.writer.room = Room::new(Some(u64::MAX));
    bench.writer.look_for_room();
    assert!(bench.writer.stage_reports(vec![complaint(1, 0)]).unwrap().is_none());
}

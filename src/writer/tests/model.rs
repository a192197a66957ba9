//! Random steps and crashes against the obvious bookkeeping: one state for each event.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{
    Mode,
    bench::{Bench, dead, delivered, line, retry_at},
};
use crate::{
    queue::delivery::{Claim, Fate},
    store::{Prefix, Store},
};

/// What is known of one event's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Fresh,
    Waiting { attempts: u32, due_ms: u64 },
    Delivered,
    Dead,
}

/// A writer, and what it should say.
struct Trial {
    dir: TempDir,
    bench: Option<Bench>,
    random: StdRng,
    now_ms: u64,
    /// Events that are durable, by sequence number; one line is one event.
    durable: BTreeMap<u64, Known>,
    /// What the next commit changes.
    staged: BTreeMap<u64, Known>,
    staged_lines: u64,
    /// Lines that are read ahead: the commit behind the next one holds them at the earliest.
    ahead_lines: u64,
    under_way: Vec<Claim>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let bench = Some(Bench::open(dir.path(), Mode::Live));
        Self {
            dir,
            bench,
            random: StdRng::seed_from_u64(seed),
            now_ms: 0,
            durable: BTreeMap::new(),
            staged: BTreeMap::new(),
            staged_lines: 0,
            ahead_lines: 0,
            under_way: Vec::new(),
        }
    }

    fn bench(&mut self) -> &mut Bench {
        self.bench.as_mut().unwrap()
    }

    fn ingest(&mut self, count: u64) {
        self.end_reading_ahead();
        for _ in 0..count {
            let text = self.line(0);
            self.bench().take_in(&text);
            self.staged_lines += 1;
        }
    }

    /// The next line behind `sent` others that were sent and not taken in.
    fn line(&self, sent: u64) -> String {
        let number = self.durable.len() as u64 + self.staged_lines + self.ahead_lines + sent;
        line(i64::try_from(number).unwrap(), usize::try_from(number).unwrap())
    }

    fn claim(&mut self, max: usize) -> usize {
        let answer = self.bench().claim(max);
        assert!(answer.claims.len() <= max);
        for claim in &answer.claims {
            let known = self.durable.get(&claim.seq).copied().expect("only what is durable");
            assert!(self.under_way.iter().all(|one| one.seq != claim.seq), "twice at once");
            assert!(!self.staged.contains_key(&claim.seq), "it has a result already");
            match known {
                Known::Fresh => assert_eq!(claim.attempt, 1),
                Known::Waiting { attempts, due_ms } => {
                    assert_eq!(claim.attempt, attempts + 1);
                    assert!(due_ms <= self.now_ms, "before its time");
                }
                Known::Delivered | Known::Dead => panic!("after its end: {claim:?}"),
            }
        }
        let count = answer.claims.len();
        self.under_way.extend(answer.claims);
        count
    }

    fn finish_one(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let place = self.random.random_range(0..self.under_way.len());
        let claim = self.under_way.swap_remove(place);
        let due_ms = self.now_ms + self.random.random_range(0..40);
        let (fate, known) = match self.random.random_range(0..10) {
            0..5 => (delivered(), Known::Delivered),
            5..9 => {
                let attempts = claim.attempt;
                (retry_at(due_ms, attempts), Known::Waiting { attempts, due_ms })
            }
            _ => (dead(), Known::Dead),
        };
        self.finish(&claim, fate, known);
    }

    fn finish(&mut self, claim: &Claim, fate: Fate, known: Known) {
        self.bench().finish(claim, fate);
        self.staged.insert(claim.seq, known);
    }

    /// Commits while lines wait, which are read meanwhile, and perhaps for some steps more.
    fn commit_and_read_ahead(&mut self) {
        self.end_reading_ahead();
        let count = self.random.random_range(1..4);
        for sent in 0..count {
            let text = self.line(sent);
            self.bench().send(&text);
        }
        self.bench().writer.commit_and_read_ahead().unwrap();
        self.committed();
        self.ahead_lines = count;
    }

    fn end_reading_ahead(&mut self) {
        self.bench().writer.intake().unwrap();
        self.bench().take_sent();
        self.staged_lines += std::mem::take(&mut self.ahead_lines);
    }

    fn commit(&mut self) {
        self.bench().writer.commit().unwrap();
        self.committed();
    }

    fn committed(&mut self) {
        for seq in (self.durable.len() as u64..).take(usize::try_from(self.staged_lines).unwrap()) {
            self.durable.insert(seq, Known::Fresh);
        }
        self.staged_lines = 0;
        self.durable.append(&mut self.staged);
    }

    fn crash(&mut self) {
        self.bench = None;
        self.staged.clear();
        (self.staged_lines, self.ahead_lines) = (0, 0);
        self.under_way.clear();
        let bench = Bench::open(self.dir.path(), Mode::Live);
        assert_eq!(bench.durable_lines(), self.durable.len() as u64, "position and events differ");
        bench.clock.set_ms(i64::try_from(self.now_ms).unwrap());
        self.bench = Some(bench);
    }

    fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..4 => {
                let count = self.random.random_range(1..12);
                self.ingest(count);
            }
            4..9 => {
                let max = self.random.random_range(1..9);
                self.claim(max);
            }
            9..15 => self.finish_one(),
            15..17 => self.commit(),
            17 => self.commit_and_read_ahead(),
            18 => self.pass(self.now_ms + 15),
            _ if self.random.random_bool(0.3) => self.crash(),
            _ => {}
        }
    }

    fn pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let clock = i64::try_from(now_ms).unwrap();
        self.bench().clock.set_ms(clock);
    }

    /// Delivers all that is left, and holds store and model against each other.
    fn end(mut self) {
        self.end_reading_ahead();
        self.commit();
        self.pass(self.now_ms + 1000);
        while !self.under_way.is_empty() || self.claim(64) > 0 {
            for claim in std::mem::take(&mut self.under_way) {
                self.finish(&claim, delivered(), Known::Delivered);
            }
            self.commit();
        }
        let open = |known: &&Known| matches!(known, Known::Fresh | Known::Waiting { .. });
        assert_eq!(self.durable.values().filter(open).count(), 0, "lost");
        let dead = self.durable.values().filter(|known| **known == Known::Dead).count();
        self.bench = None;
        let store = Store::open(self.dir.path()).unwrap();
        let id = Bench::webhook_id();
        assert_eq!(store.scan(&Prefix::dead(id)).unwrap().count(), dead);
        assert_eq!(store.scan(&Prefix::retries(id)).unwrap().count(), 0);
    }
}

#[test]
fn whatever_happens_and_whenever_it_crashes_each_event_ends_once() {
    for seed in 0..12 {
        let mut trial = Trial::new(seed);
        (0..250).for_each(|_| trial.step());
        trial.end();
    }
}

//! Random answers, crashes, steps of the clock, disabling and enabling, changes of the webhook, its
//! leaving and coming back, against what must hold whatever happens: nothing is lost, nothing is both dead and delivered, nothing is early.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::world::{
    Answer, Receivers, Send, VirtualClock, World, hang, pass, retry_after, status, webhook,
};
use crate::{
    config::Webhook,
    profile::Profile,
    queue::policy,
    store::{Prefix, Store, key},
    writer::{Change, Resume},
};

/// A receiver that answers at random, but takes again what it has taken once. It becomes well when
/// it is told to.
struct Moody {
    random: Mutex<StdRng>,
    taken: Mutex<BTreeSet<u64>>,
    is_well: AtomicBool,
}

impl Moody {
    fn answer(&self, send: &Send) -> Answer {
        let mut taken = self.taken.lock().unwrap();
        let mood = self.random.lock().unwrap().random_range(0..20u32);
        match mood {
            _ if self.is_well.load(Ordering::SeqCst) || taken.contains(&send.number) => {}
            0..4 => return status(500),
            4..6 => return status(404),
            6 => return retry_after(429, 45),
            7..10 => return hang(Duration::from_secs(10)),
            _ => {}
        }
        taken.insert(send.number);
        Answer { after: Duration::from_millis(u64::from(mood) * 40), ..status(200) }
    }
}

struct Trial {
    dir: TempDir,
    clock: Arc<VirtualClock>,
    hook: Webhook,
    moody: Arc<Moody>,
    receivers: Arc<Receivers>,
    random: StdRng,
    world: Option<World>,
    crashes: usize,
    /// The clock was set forward: what waits may be early.
    may_be_early: bool,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
        let moody = Arc::new(Moody {
            random: Mutex::new(StdRng::seed_from_u64(seed + 1000)),
            taken: Mutex::default(),
            is_well: AtomicBool::new(false),
        });
        let answers = Arc::clone(&moody);
        let receivers = Receivers::new(&clock, move |send| answers.answer(send));
        let mut hook = webhook("a", Profile::Jetemail);
        hook.concurrency = 4;
        if seed % 3 == 2 {
            hook.policy.ordering = policy::Ordering::Message;
        }
        let random = StdRng::seed_from_u64(seed);
        let (crashes, may_be_early) = (0, false);
        let mut trial =
            Self { dir, clock, hook, moody, receivers, random, world: None, crashes, may_be_early };
        trial.start();
        trial
    }

    fn start(&mut self) {
        let hooks = vec![self.hook.clone()];
        self.world = Some(World::start(self.dir.path(), &self.clock, hooks, &self.receivers));
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().unwrap()
    }

    async fn step(&mut self) {
        let id = self.hook.id;
        match self.random.random_range(0..29) {
            0..6 => {
                let (count, messages) =
                    (self.random.random_range(1..40), self.random.random_range(1..9));
                self.world().take_in_of(count, |number| number % messages).await;
            }
            6..16 => {
                let ms = 10u64.pow(self.random.random_range(1..7));
                pass(Duration::from_millis(self.random.random_range(1..ms))).await;
            }
            16..18 => {
                self.world.take().unwrap().crash().await;
                self.crashes += 1;
                self.start();
            }
            18 => {
                self.world.take().unwrap().stop().await;
                self.start();
            }
            19 => drop(self.world().handle.disable(id).await.unwrap()),
            20..22 => drop(self.world().handle.enable(id, Resume::Replay).await.unwrap()),
            24..26 => self.world().handle.change(vec![Change::Retire(id)]).await.unwrap().unwrap(),
            26..29 => self.turn_over().await,
            22 => self.clock.step(-self.random.random_range(0..4_000_000)),
            _ if self.random.random_bool(0.3) => {
                self.clock.step(self.random.random_range(0..4_000_000));
                self.may_be_early = true;
            }
            _ => {}
        }
    }

    /// The webhook is another one from now on, and there if it was not.
    async fn turn_over(&mut self) {
        self.hook.concurrency = self.random.random_range(1..9);
        let is_ordered = self.random.random_bool(0.5);
        self.hook.policy.ordering =
            if is_ordered { policy::Ordering::Message } else { policy::Ordering::None };
        let webhook = Arc::new(self.hook.clone());
        let put = Change::Put { webhook, is_enabled: None };
        self.world().handle.change(vec![put]).await.unwrap().unwrap();
    }

    /// The receiver is well, and all that is left arrives. Then store and receiver are held against
    /// each other.
    async fn end(mut self) {
        self.moody.is_well.store(true, Ordering::SeqCst);
        let id = self.hook.id;
        self.turn_over().await;
        self.world().handle.enable(id, Resume::Replay).await.unwrap();
        pass(Duration::from_hours(8)).await;
        let events = self.world().line_count();
        assert!(!self.world.take().unwrap().drain().await, "something waits for ever");
        let taken = self.receivers.taken();
        let dead = self.dead();
        for number in 0..events {
            let (times, is_dead) =
                (taken.get(&number).copied().unwrap_or(0), dead.contains(&number));
            assert!((times > 0) != is_dead, "{number}: taken {times} times, dead: {is_dead}");
            assert!(times <= 1 + self.crashes, "{number}: taken {times} times");
        }
        self.check_times();
    }

    /// Events of the dead letters: each line gives one event.
    fn dead(&self) -> BTreeSet<u64> {
        let store = Store::open(self.dir.path()).unwrap();
        let none_left = |prefix: &Prefix| store.scan(prefix).unwrap().count() == 0;
        assert!(none_left(&Prefix::all_retries()) && none_left(&Prefix::all_places()));
        let letters = store.scan(&Prefix::all_dead()).unwrap();
        letters.map(|entry| key::parse_dead(&entry.unwrap().0).unwrap().1).collect()
    }

    /// Attempts are counted without gaps, and none comes before its time.
    fn check_times(&self) {
        let mut last: BTreeMap<u64, Send> = BTreeMap::new();
        for send in self.receivers.seen() {
            let before = last.insert(send.number, send.clone());
            let Some(before) = before.filter(|before| before.attempt != send.attempt) else {
                continue;
            };
            assert_eq!(send.attempt, before.attempt + 1);
            let wait = self.hook.schedule[usize::try_from(before.attempt).unwrap() - 1];
            let due_ms = before.at_ms + u64::try_from(wait.as_millis()).unwrap();
            assert!(self.may_be_early || send.at_ms >= due_ms, "{send:?} after {before:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_each_event_arrives_or_is_dead_and_nothing_is_early() {
    for seed in 0..9 {
        let mut trial = Trial::new(seed);
        for _ in 0..60 {
            trial.step().await;
        }
        trial.end().await;
    }
}

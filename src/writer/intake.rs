//! Lines in, events out, in memory only. So this can go on while a commit is under way: nothing
//! here asks the store, and what is staged here goes with the next commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    Feed, Mode,
    logs::Logs,
    silence::Silences,
    stage::{Alarm, Stage},
};
use crate::{
    correlate::{Correlator, Open, Sought},
    event::{Event, EventType, LinePlace, Notice},
    parse::{Counts, Reader},
    source::{Batch, milter::FactsReceiver},
};

/// The sources, and what became of their lines so far.
#[derive(Debug)]
pub(super) struct Intake {
    mode: Mode,
    sources: Arc<[Feed]>,
    /// One for each source.
    readers: Vec<Reader>,
    pub(super) correlator: Correlator,
    /// What lines before the start of a source tell, by its index, until the source begins.
    pasts: BTreeMap<usize, Correlator>,
    /// What a milter knows of messages.
    pub(super) facts: Option<FactsReceiver>,
    /// What a line tells, until it is known who wants it. Kept to reuse its memory.
    told: Vec<Event>,
    pub(super) batches: mpsc::Receiver<Batch>,
    /// When the last batch came in.
    pub(super) heard: Instant,
    /// Sources that were heard since their state was last staged, by index.
    heard_of: BTreeSet<usize>,
    pub(super) silences: Silences,
    /// Where the lines of events are.
    logs: Logs,
}

impl Intake {
    pub(super) fn new(
        sources: Arc<[Feed]>,
        readers: Vec<Reader>,
        correlator: Correlator,
        batches: mpsc::Receiver<Batch>,
        mode: Mode,
        logs: Logs,
    ) -> Self {
        let heard = Instant::now();
        let silences = Silences::new(&sources, heard);
        Self {
            mode,
            sources,
            readers,
            correlator,
            pasts: BTreeMap::new(),
            facts: None,
            told: Vec::new(),
            batches,
            heard,
            heard_of: BTreeSet::new(),
            silences,
            logs,
        }
    }

    /// A batch that waits.
    pub(super) fn next(&mut self) -> Option<Batch> {
        self.batches.try_recv().ok()
    }

    /// Takes in batches that wait, as many as a commit is about, and until `is_awaited` some more.
    pub(super) fn take_in_what_waits(&mut self, stage: &mut Stage, is_awaited: impl Fn() -> bool) {
        while !(stage.is_overfull() || stage.is_full() && is_awaited())
            && let Some(batch) = self.next()
        {
            self.take_in(&batch, stage);
        }
    }

    /// Takes the lines of a batch in, and stages what they tell, and where its source is then.
    pub(super) fn take_in(&mut self, batch: &Batch, stage: &mut Stage) {
        let (Some(reader), Some(source)) =
            (self.readers.get_mut(batch.source), self.sources.get(batch.source))
        else {
            return;
        };
        self.heard = Instant::now();
        if !batch.lines.is_empty() {
            self.silences.end(batch.source, self.heard);
        }
        // They were there before the lines of their messages were written.
        while let Some(facts) = self.facts.as_mut().and_then(FactsReceiver::take) {
            self.correlator.know(facts);
        }
        let (correlator, told) = (&mut self.correlator, &mut self.told);
        if batch.is_past {
            let past = self.pasts.entry(batch.source).or_insert_with(|| correlator.of_the_past());
            reader.read(batch, |line| past.step(line, told));
            told.clear();
            reader.told_gap();
            reader.told_drift();
        } else {
            if let Some(past) = self.pasts.remove(&batch.source) {
                correlator.take_over(past);
            }
            let generation = batch.position.fingerprint;
            let log = match batch.journal {
                None => self.logs.number(&source.name, generation, stage),
                Some(_) => None,
            };
            let start = reader.start();
            reader.read(batch, |line| {
                correlator.step(line, told);
                for mut event in told.drain(..).filter(|event| start.wants(event.at_us)) {
                    event.data.place = log.map(|log| LinePlace { log, offset: line.offset });
                    stage.told.push(Some(batch.source), &event);
                }
            });
            stage.alarms.extend(alarms(batch, reader));
        }
        if self.mode.scope().is_some() {
            stage.position(&source.name, batch);
            self.heard_of.insert(batch.source);
        }
        stage.lines += batch.lines.len();
        stage.bytes += batch.bytes.len();
        stage.is_last = batch.idle;
        stage.touch();
    }

    /// Stages what must be remembered of the sources that were heard, once for a commit: it is more
    /// than a position.
    pub(super) fn stage_states(&mut self, stage: &mut Stage) {
        for index in std::mem::take(&mut self.heard_of) {
            if let (Some(reader), Some(source)) = (self.readers.get(index), self.sources.get(index))
            {
                stage.source_state(&source.name, reader.state());
            }
        }
    }

    /// Takes in what the correlator lets go of without a line. Whose message waited is not known any
    /// more: what one of the sources wants is kept.
    pub(super) fn release(
        &mut self,
        release: impl FnOnce(&mut Correlator, &mut Vec<Event>),
        stage: &mut Stage,
    ) {
        release(&mut self.correlator, &mut self.told);
        let (readers, only) = (&self.readers, (self.readers.len() == 1).then_some(0));
        let wants = |event: &Event| readers.iter().any(|reader| reader.start().wants(event.at_us));
        self.told.drain(..).filter(wants).for_each(|event| stage.told.push(only, &event));
        stage.touch();
    }

    /// Lines by source and outcome.
    pub(super) fn counts_by_source(&self) -> impl Iterator<Item = (&str, Counts)> {
        let readers = self.sources.iter().zip(&self.readers);
        readers.map(|(feed, reader)| (feed.name.as_str(), reader.counts()))
    }

    /// Open messages, a few at most.
    pub(super) fn open(&self, sought: &Sought) -> Vec<Open> {
        self.correlator.open(sought)
    }

    /// Lines by outcome.
    pub(super) fn counts(&self) -> Counts {
        self.readers.iter().map(Reader::counts).sum()
    }
}

/// What is wrong with the lines that were read last.
fn alarms(batch: &Batch, reader: &mut Reader) -> impl Iterator<Item = Alarm> {
    let many = |lines| Notice { count: Some(lines), ..Notice::default() };
    let deleted = || Notice { reason: Some("vacuumed".to_owned()), ..Notice::default() };
    let source = batch.source;
    let alarms = [
        (EventType::SourceGap, batch.is_behind_gap.then(deleted)),
        (EventType::SourceGap, reader.told_gap().map(many)),
        (EventType::SourceParseDrift, reader.told_drift().map(many)),
    ];
    alarms.into_iter().filter_map(move |(kind, about)| Some((source, kind, about?)))
}

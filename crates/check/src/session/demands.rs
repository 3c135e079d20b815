//! What each read had to show.

use super::Why;
use super::clocks::Clocks;
use super::order::{Edge, Reason, Sieve};
use super::story::{Event, Shape, Story, What};
use crate::names::Table;
use crate::{Budget, Level};
use std::collections::BTreeMap;

/// Events between two looks at the budget.
const GLANCE: usize = 256;

/// Which demands on a register are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All: what else a process has read is not ordered.
    All,
    /// The latest from each process, where each process reads monotonically.
    Latest,
}

/// A write that the reads of one process must show from some read on, or something newer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) write: u32,
    pub(super) cause: Cause,
}

/// Why a write must be shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// It is the reader's own.
    Own,
    /// The reader showed it before, in this read.
    Read(u32),
    /// The reader showed, in this read, this later write of the same process.
    Later { read: u32, write: u32 },
    /// Another process had seen it, in this read, before it wrote what the reader has seen.
    Before(u32),
}

/// A read that does not show what it had to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) read: u32,
    pub(super) demand: Demand,
}

pub(super) struct Demands<'s, 'h> {
    story: &'s Story<'h>,
    level: Level,
    kept: Kept,
    clocks: &'s Clocks,
    /// For each write, the last process (plus one) of whose reads it was demanded.
    demanded: Vec<u32>,
    /// For each write, the last read (plus one) that showed it.
    shown: Vec<u32>,
    /// How many events were looked at.
    events: usize,
}

/// The demands on one process so far.
struct Reader {
    number: u32,
    on: BTreeMap<u32, Vec<Demand>>,
    /// Where a register's demand from one source lies.
    places: Table<(u32, u32), usize>,
    /// How many events of each process are accounted for.
    known: Vec<u32>,
}

impl<'s, 'h> Demands<'s, 'h> {
    pub(super) fn new(
        story: &'s Story<'h>,
        level: Level,
        kept: Kept,
        clocks: &'s Clocks,
    ) -> Demands<'s, 'h> {
        let (demanded, shown) = (vec![0; story.events.len()], vec![0; story.events.len()]);
        Demands { story, level, kept, clocks, demanded, shown, events: 0 }
    }

    /// Puts into `sieve` what follows for the order of registers; or finds a read that shows too little.
    pub(super) fn all(
        &mut self,
        sieve: &mut Sieve,
        budget: &mut Budget,
    ) -> Result<Option<Missing>, Why> {
        let count = self.story.processes.len();
        for number in 0..super::story::small(count) {
            let (on, places) = (BTreeMap::new(), Table::default());
            let counts = matches!(self.level, Level::MonotonicWrites | Level::WritesFollowReads);
            let known = vec![0; if counts { count } else { 0 }];
            let mut reader = Reader { number, on, places, known };
            for event in &self.story.processes[number as usize] {
                if let Some(missing) = self.event(&mut reader, *event, sieve) {
                    return Ok(Some(missing));
                }
                let heavy = sieve.weight() > budget.memory;
                self.events += 1;
                if heavy || self.events.is_multiple_of(GLANCE) && (budget.expired)() {
                    let why = if heavy { "memory" } else { "time" };
                    return Err(format!(
                        "after {number} of {count} processes the {why} was used up"
                    ));
                }
            }
        }
        Ok(None)
    }

    fn event(&mut self, reader: &mut Reader, number: u32, sieve: &mut Sieve) -> Option<Missing> {
        let event = &self.story.events[number as usize];
        match event.what {
            What::Write { sure, .. } => {
                if self.level == Level::ReadYourWrites && sure {
                    let demand = Demand { write: number, cause: Cause::Own };
                    self.demand(reader, reader.number, demand);
                }
                None
            }
            What::Blank => None,
            What::Read { .. } => {
                self.learn(reader, number, event);
                let missing = self.check(reader, number, event, sieve);
                let monotonic = self.kept == Kept::Latest && self.story.is_register(event.key);
                if self.level == Level::MonotonicReads || monotonic {
                    for write in self.story.seen(event) {
                        let demand = Demand { write: *write, cause: Cause::Read(number) };
                        self.demand(reader, u32::MAX, demand);
                    }
                }
                missing
            }
        }
    }

    /// What is demanded from now on, because of what this read shows.
    fn learn(&mut self, reader: &mut Reader, number: u32, event: &Event) {
        let story = self.story;
        for write in story.seen(event) {
            let writer = &story.events[*write as usize];
            match self.level {
                Level::MonotonicWrites => {
                    let process = writer.process;
                    let from = reader.known[process as usize];
                    let events = story.processes[process as usize].iter();
                    let upto = writer.place as usize;
                    for other in events.take(upto).skip(from as usize) {
                        if story.events[*other as usize].is_sure_write() {
                            let cause = Cause::Later { read: number, write: *write };
                            self.demand(reader, process, Demand { write: *other, cause });
                        }
                    }
                    reader.known[process as usize] = from.max(writer.place);
                }
                Level::WritesFollowReads => self.learn_reads(reader, *write),
                _ => {}
            }
        }
    }

    fn learn_reads(&mut self, reader: &mut Reader, write: u32) {
        let (story, clocks) = (self.story, self.clocks);
        for (process, upto) in clocks.before(write).iter().enumerate() {
            let from = reader.known[process];
            if *upto <= from {
                continue;
            }
            let events = story.processes[process].iter();
            for read in events.take(*upto as usize).skip(from as usize) {
                for seen in story.seen(&story.events[*read as usize]) {
                    let demand = Demand { write: *seen, cause: Cause::Before(*read) };
                    self.demand(reader, super::story::small(process), demand);
                }
            }
            reader.known[process] = *upto;
        }
    }

    fn demand(&mut self, reader: &mut Reader, source: u32, demand: Demand) {
        let event = &self.story.events[demand.write as usize];
        // All that come from one source are in the order in which they come: only the last counts.
        let chained = self.level != Level::WritesFollowReads || self.kept == Kept::Latest;
        let all = reader.on.entry(event.key).or_default();
        if chained && self.story.is_register(event.key) {
            let place = *reader.places.entry((event.key, source)).or_insert(all.len());
            if place == all.len() {
                all.push(demand);
            }
            all[place] = demand;
            return;
        }
        let unique = matches!(event.what, What::Write { unique: true, .. });
        let stamp = &mut self.demanded[demand.write as usize];
        if unique && *stamp != reader.number + 1 {
            *stamp = reader.number + 1;
            all.push(demand);
        }
    }

    fn check(
        &mut self,
        reader: &Reader,
        number: u32,
        event: &Event,
        sieve: &mut Sieve,
    ) -> Option<Missing> {
        let demands = reader.on.get(&event.key)?;
        let seen = self.story.seen(event);
        match self.story.shapes[event.key as usize] {
            Shape::Register => {
                let Some(newest) = seen.first() else {
                    return demands.first().map(|demand| Missing { read: number, demand: *demand });
                };
                for demand in demands.iter().filter(|demand| demand.write != *newest) {
                    let reason = Reason::Demand(Missing { read: number, demand: *demand });
                    sieve.add(Edge { from: demand.write, to: *newest, reason });
                }
                None
            }
            _ => {
                for write in seen {
                    self.shown[*write as usize] = number + 1;
                }
                let absent = |demand: &&Demand| self.shown[demand.write as usize] != number + 1;
                let demand = demands.iter().find(absent)?;
                Some(Missing { read: number, demand: *demand })
            }
        }
    }
}

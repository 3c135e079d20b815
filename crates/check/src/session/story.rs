//! Who wrote and saw what, in the order of each process.

use crate::names::Table;
use crate::txn::{Elements, Fate, KeyId, Op, Transactions, ValueId};

/// What a key is to the session guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Unused,
    Register,
    List,
    Set,
    Counter,
    /// A queue, or a string that takes more than GET and SET: nothing is said of its versions.
    Other,
}

/// A write that may have happened, or a read that did, of a register, a list or a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) txn: u32,
    pub(super) key: u32,
    pub(super) process: u32,
    /// Its place among the events of its process.
    pub(super) place: u32,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Write {
        value: ValueId,
        /// It was acknowledged.
        sure: bool,
        /// No other write has its value on this key.
        unique: bool,
    },
    /// The writes that it showed lie there in `seen`; of a register none or one.
    Read { from: u32, len: u32 },
    /// A read that says nothing of use.
    Blank,
}

impl Event {
    pub(super) fn is_sure_write(&self) -> bool {
        matches!(self.what, What::Write { sure: true, .. })
    }
}

pub(super) struct Story<'h> {
    pub(super) history: &'h Transactions,
    pub(super) shapes: Vec<Shape>,
    pub(super) events: Vec<Event>,
    /// The events of each process, in its order.
    pub(super) processes: Vec<Vec<u32>>,
    seen: Vec<u32>,
    /// Why not everything that was read could be used.
    pub(super) doubt: Option<String>,
}

/// The write of a value on a key.
enum Writer {
    One(u32),
    Many,
}

type Writers = Table<(u32, u32), Writer>;

impl<'h> Story<'h> {
    pub(super) fn of(history: &'h Transactions) -> Story<'h> {
        let mut story = Story {
            history,
            shapes: shapes(history),
            events: Vec::new(),
            processes: Vec::new(),
            seen: Vec::new(),
            doubt: None,
        };
        if let Some(key) = story.shapes.iter().position(|shape| *shape == Shape::Other) {
            let name = story.name(u32::try_from(key).expect("keys have small numbers"));
            story.doubt = Some(format!("the commands on {name} do not tell its versions apart"));
        }
        let (writers, reads) = story.lay_out();
        for (event, seen) in reads {
            story.resolve(event, seen, &writers);
        }
        story
    }

    /// Whether there is nothing to judge.
    pub(super) fn silent(&self) -> bool {
        self.shapes.iter().all(|shape| matches!(shape, Shape::Unused | Shape::Other))
    }

    /// The writes that a read showed.
    pub(super) fn seen(&self, event: &Event) -> &[u32] {
        match event.what {
            What::Read { from, len } => &self.seen[from as usize..][..len as usize],
            What::Write { .. } | What::Blank => &[],
        }
    }

    pub(super) fn is_register(&self, key: u32) -> bool {
        self.shapes[key as usize] == Shape::Register
    }

    /// Whether all events are of registers.
    pub(super) fn has_only_registers(&self) -> bool {
        self.shapes.iter().all(|shape| !matches!(shape, Shape::List | Shape::Set))
    }

    pub(super) fn name(&self, key: u32) -> String {
        self.history.key_name(KeyId(key))
    }

    /// All events, reads without what they saw, and for these what that is.
    fn lay_out(&mut self) -> (Writers, Vec<(u32, Seen)>) {
        let (mut writers, mut reads) = (Writers::default(), Vec::new());
        let mut numbers: Table<u64, u32> = Table::default();
        for (number, txn) in self.history.txns.iter().enumerate() {
            if !txn.may_have_happened() {
                continue;
            }
            let fresh = small(numbers.len());
            let process = *numbers.entry(txn.process).or_insert(fresh);
            if process == fresh {
                self.processes.push(Vec::new());
            }
            let sure = txn.fate == Fate::Committed;
            for op in self.history.ops(number) {
                let key = op.key().0;
                if matches!(self.shapes[key as usize], Shape::Other | Shape::Counter) {
                    continue;
                }
                let (read, write) = parts(op);
                if let Some(seen) = read.filter(|_| sure) {
                    let event = self.push(number, key, process, What::Blank);
                    reads.push((event, seen));
                }
                if let Some(value) = write {
                    let sure = sure && !matches!(op, Op::Cas { done: None, .. });
                    let what = What::Write { value, sure, unique: true };
                    let event = self.push(number, key, process, what);
                    writers
                        .entry((key, value.0.get()))
                        .and_modify(|writer| *writer = Writer::Many)
                        .or_insert(Writer::One(event));
                }
            }
        }
        for event in &mut self.events {
            if let What::Write { value, unique, .. } = &mut event.what {
                *unique = matches!(writers[&(event.key, value.0.get())], Writer::One(_));
            }
        }
        (writers, reads)
    }

    fn push(&mut self, txn: usize, key: u32, process: u32, what: What) -> u32 {
        let event = small(self.events.len());
        let all = &mut self.processes[process as usize];
        let place = small(all.len());
        all.push(event);
        self.events.push(Event { txn: small(txn), key, process, place, what });
        event
    }

    fn resolve(&mut self, event: u32, seen: Seen, writers: &Writers) {
        let key = self.events[event as usize].key;
        let from = small(self.seen.len());
        let mut known = true;
        match seen {
            Seen::One(ValueId::NIL) => {
                known = !writers.contains_key(&(key, ValueId::NIL.0.get()));
                if !known {
                    self.doubts(event, "nil, which was also written");
                }
            }
            Seen::One(value) => known = self.resolve_one(event, value, writers),
            Seen::All(elements) => {
                for value in self.history.elements(elements) {
                    self.resolve_one(event, *value, writers);
                }
                self.refuse_twice(event, from);
            }
            Seen::NotThis => {
                known = false;
                self.doubts(event, "only that it was something else");
            }
        }
        let len = small(self.seen.len()) - from;
        let what = if known { What::Read { from, len } } else { What::Blank };
        self.events[event as usize].what = what;
    }

    fn resolve_one(&mut self, event: u32, value: ValueId, writers: &Writers) -> bool {
        let key = self.events[event as usize].key;
        match writers.get(&(key, value.0.get())) {
            Some(Writer::One(write)) => {
                let number = self.events[*write as usize].txn as usize;
                let read = &self.history.txns[self.events[event as usize].txn as usize];
                // What was there before the history began may look like what is written in it.
                if self.history.timed && read.returned < self.history.txns[number].invoked {
                    self.doubts(event, "a value that was written only later");
                    return false;
                }
                self.seen.push(*write);
                let half = self.history.txns[number].fate == Fate::Unknown
                    && self.history.ops(number).iter().any(|op| parts(op).0.is_some());
                if half {
                    self.doubts(event, "a transaction of unknown outcome that itself read");
                }
                true
            }
            Some(Writer::Many) => {
                self.doubts(event, "a value that was written more than once");
                false
            }
            None => {
                self.doubts(event, "a value that nobody wrote");
                false
            }
        }
    }

    /// An element twice in one list is no version.
    fn refuse_twice(&mut self, event: u32, from: u32) {
        let mut sorted = self.seen[from as usize..].to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < self.seen.len() - from as usize {
            self.seen.truncate(from as usize);
            self.seen.extend(sorted);
            self.doubts(event, "an element twice");
        }
    }

    fn doubts(&mut self, event: u32, what: &str) {
        if self.doubt.is_none() {
            let event = &self.events[event as usize];
            let line = self.history.txns[event.txn as usize].line;
            let name = self.name(event.key);
            self.doubt = Some(format!("the read of {name} in line {line} shows {what}"));
        }
    }
}

/// What a read says.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    One(ValueId),
    All(Elements),
    /// A compare-and-set that found another value.
    NotThis,
}

/// What an operation has read, and what it wrote after that.
fn parts(op: &Op) -> (Option<Seen>, Option<ValueId>) {
    match *op {
        Op::Read { value, .. } => (value.map(Seen::One), None),
        Op::Write { value, .. } | Op::Append { value, .. } | Op::Insert { value, .. } => {
            (None, Some(value))
        }
        Op::Cas { from, to, done, .. } => match done {
            Some(true) => (Some(Seen::One(from)), Some(to)),
            Some(false) => (Some(Seen::NotThis), None),
            None => (None, Some(to)),
        },
        Op::ReadList { elements, .. } | Op::ReadSet { elements, .. } => {
            (elements.map(Seen::All), None)
        }
        Op::Add { .. }
        | Op::Count { .. }
        | Op::Enqueue { .. }
        | Op::Dequeue { .. }
        | Op::Redis { .. } => (None, None),
    }
}

fn shapes(history: &Transactions) -> Vec<Shape> {
    let mut shapes = vec![Shape::Unused; history.keys.len()];
    for op in history.all_ops() {
        let shape = match op {
            Op::Read { .. } | Op::Write { .. } | Op::Cas { .. } => Shape::Register,
            Op::Append { .. } | Op::ReadList { .. } => Shape::List,
            Op::Insert { .. } | Op::ReadSet { .. } => Shape::Set,
            Op::Add { .. } | Op::Count { .. } => Shape::Counter,
            Op::Enqueue { .. } | Op::Dequeue { .. } | Op::Redis { .. } => Shape::Other,
        };
        let known = &mut shapes[op.key().0 as usize];
        *known = if *known == Shape::Unused || *known == shape { shape } else { Shape::Other };
    }
    shapes
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).expect("at most 2^32 of anything")
}

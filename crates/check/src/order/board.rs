//! The objects of a history, all at once, in a state that changes as transactions are placed and taken back.
//!
//! A register is at a *slot*: one of the values that it may hold. A list is a register as well: whoever reads it sees
//! a beginning of the longest list that anyone saw, so its slots are the lengths of that one.
//!
//! What would make it impossible to place the rest does not fit: to leave a slot that somebody still has to see and
//! nobody brings back; to insert what somebody still has to see absent; to count beyond what somebody still has to
//! read; to enqueue before what must have been dequeued earlier.

use crate::kv;
use crate::names::{Names, Table};
use crate::planted::{self, Bug};
use crate::search::{Object, scatter};
use crate::txn::Transactions;
use std::collections::VecDeque;
use stdx::Bytes;

/// An operation on a cell: a key's object, by its place in [`Board::cells`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A register, a string or a list that is at this slot.
    See { cell: u32, slot: u32 },
    /// A register or a string moves there.
    Put { cell: u32, slot: u32 },
    /// It does so from `from`.
    Swap { cell: u32, from: u32, to: u32, done: Option<bool> },
    /// A Redis command on a string.
    Run { cell: u32, command: u32 },
    /// A Redis APPEND to a string that only grows.
    Grow { cell: u32, command: u32 },
    /// A list grows by a value.
    Append { cell: u32, value: u32 },
    /// A counter moves.
    Add { cell: u32, by: i64 },
    /// A counter is at the sum of this slot.
    Count { cell: u32, slot: u32 },
    /// A set gains an element.
    Insert { cell: u32, slot: u32 },
    /// A set has these elements: a range of [`Board::members`].
    Members { cell: u32, from: u32, len: u32 },
    /// A queue gains an element.
    Enqueue { cell: u32, slot: u32 },
    /// The head of a queue leaves it: an element, [`EMPTY`] or [`ANY`].
    Dequeue { cell: u32, slot: u32 },
}

/// There was no head.
pub(super) const EMPTY: u32 = u32::MAX - 1;
/// Nobody knows what the head was, or whether there was one.
pub(super) const ANY: u32 = u32::MAX;

/// What a key is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Register,
    /// A register whose values are computed: Redis.
    Text,
    /// A string that only grows: the longest seen, whose lengths have the slots `base` and on.
    Grown {
        base: u32,
        longest: Vec<u8>,
    },
    /// The longest list seen, whose slots are `base` and on.
    List {
        base: u32,
        longest: Vec<u32>,
    },
    /// Its sums, ascending, have the slots `base` and on. Whether it never goes down.
    Counter {
        base: u32,
        sums: Vec<i64>,
        grows: bool,
    },
    Set,
    Queue {
        elements: VecDeque<u32>,
        /// How many were ever enqueued.
        tail: u64,
        /// When the dequeue of an element began and when it was over.
        leaves: Table<u32, (u64, u64)>,
        /// The elements by when they had left, and how many of these are known to be enqueued. Empty: not known.
        leaving: Vec<u32>,
        enqueued: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    /// A slot, a text, a sum, or how many elements.
    pub(super) state: u64,
    /// Reads of the whole that have no place: of sets and counters.
    pub(super) left: u32,
    /// Failed compare-and-sets that have no place.
    pub(super) negatives: u32,
    /// The first slot of a counter that somebody has yet to see.
    pub(super) least: u32,
}

/// A value of a register, an element of a set or a queue, a length of a list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Who has to see it and has no place.
    pub(super) needed: u32,
    /// Who may bring it and has no place.
    pub(super) makers: u32,
    /// Whether a compare-and-set of unknown outcome would take it up.
    pub(super) wanted: bool,
    /// Of an element: whether it is in the set, or was enqueued.
    pub(super) present: bool,
}

/// A transaction: a range of steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) from: u32,
    pub(super) to: u32,
    /// Whether it certainly happened: then what it saw is counted as needed.
    pub(super) must: bool,
    pub(super) reads: bool,
    pub(super) observes: bool,
}

/// How to take something back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Was {
    State { cell: u32, state: u64 },
    Needed { cell: u32, slot: u32 },
    Made { slot: u32 },
    Negative { cell: u32 },
    Inserted { cell: u32, slot: u32 },
    Members { cell: u32, from: u32, len: u32 },
    Enqueued { cell: u32 },
    Dequeued { cell: u32, slot: u32 },
}

pub(super) struct Board<'h> {
    pub(super) history: &'h Transactions,
    pub(super) units: Vec<Unit>,
    pub(super) steps: Vec<Step>,
    pub(super) members: Vec<u32>,
    pub(super) cells: Vec<Cell>,
    pub(super) slots: Vec<Slot>,
    /// The states of strings, by number.
    pub(super) texts: Names<Option<Bytes>>,
    pub(super) print: u128,
    pub(super) undo: Vec<Was>,
    marks: Vec<usize>,
}

pub(super) fn print_of(cell: u32, state: u64) -> u128 {
    scatter(state).wrapping_mul(scatter(u64::from(cell)) | 1)
}

impl<'h> Board<'h> {
    pub(super) fn new(history: &'h Transactions) -> Board<'h> {
        Board {
            history,
            units: Vec::new(),
            steps: Vec::new(),
            members: Vec::new(),
            cells: Vec::new(),
            slots: Vec::new(),
            texts: Names::new(),
            print: 0,
            undo: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn step(&mut self, step: Step, must: bool) -> bool {
        match step {
            Step::See { cell, slot } => {
                self.at(cell, slot) && {
                    self.seen(cell, slot, must);
                    true
                }
            }
            Step::Put { cell, slot } => {
                self.made(cell, slot);
                self.go(cell, slot)
            }
            Step::Swap { cell, from, to, done } => self.swap(cell, (from, to), done, must),
            Step::Run { cell, command } => self.run(cell, command),
            Step::Grow { cell, command } => self.grow(cell, command),
            Step::Append { cell, value } => self.append(cell, value),
            Step::Add { cell, by } => self.add(cell, by),
            Step::Count { cell, slot } => {
                let fits = match &self.cells[cell as usize].kind {
                    Kind::Counter { base, sums, .. } => {
                        let sum = sums[(slot - base) as usize];
                        self.cells[cell as usize].state == sum.cast_unsigned()
                    }
                    kind => unreachable!("counts {kind:?}"),
                };
                if fits {
                    self.seen(cell, slot, must);
                }
                fits
            }
            Step::Insert { cell, slot } => self.insert(cell, slot),
            Step::Members { cell, from, len } => self.members(cell, (from, len), must),
            Step::Enqueue { cell, slot } => self.enqueue(cell, slot),
            Step::Dequeue { cell, slot } => self.dequeue(cell, slot),
        }
    }

    fn at(&self, cell: u32, slot: u32) -> bool {
        self.cells[cell as usize].state == u64::from(slot)
    }

    fn text(&self, cell: u32) -> bool {
        matches!(self.cells[cell as usize].kind, Kind::Text)
    }

    /// One fewer has to see this slot.
    fn seen(&mut self, cell: u32, slot: u32, must: bool) {
        if must && !self.text(cell) {
            self.slots[slot as usize].needed -= 1;
            self.undo.push(Was::Needed { cell, slot });
        }
    }

    /// One fewer can bring this slot.
    fn made(&mut self, cell: u32, slot: u32) {
        if !self.text(cell) {
            self.slots[slot as usize].makers -= 1;
            self.undo.push(Was::Made { slot });
        }
    }

    /// Moves to a slot; not if the one that is left is still needed and never comes again.
    fn go(&mut self, cell: u32, slot: u32) -> bool {
        let old = self.cells[cell as usize].state;
        if old == u64::from(slot) {
            return true;
        }
        if !self.text(cell) {
            let left = &self.slots[old as usize];
            if left.needed > 0 && (left.makers == 0 || planted::is(Bug::NothingComesBack)) {
                return false;
            }
        }
        self.set(cell, u64::from(slot));
        true
    }

    fn set(&mut self, cell: u32, state: u64) {
        let old = std::mem::replace(&mut self.cells[cell as usize].state, state);
        self.undo.push(Was::State { cell, state: old });
        self.print ^= print_of(cell, old) ^ print_of(cell, state);
    }

    fn swap(&mut self, cell: u32, (from, to): (u32, u32), done: Option<bool>, must: bool) -> bool {
        let at = self.at(cell, from);
        match done {
            Some(true) if at => {
                self.seen(cell, from, must);
                self.made(cell, to);
                self.go(cell, to)
            }
            None => {
                self.made(cell, to);
                !at || self.go(cell, to)
            }
            Some(false) if !at || planted::is(Bug::FailedSaysNothing) => {
                if must {
                    self.cells[cell as usize].negatives -= 1;
                    self.undo.push(Was::Negative { cell });
                }
                true
            }
            Some(_) => false,
        }
    }

    fn run(&mut self, cell: u32, command: u32) -> bool {
        let (command, said) = &self.history.redis[command as usize];
        let old = self.cells[cell as usize].state;
        let number = u32::try_from(old).expect("the number of a text");
        let (reply, next) = kv::run(self.texts.get(number).as_ref(), command);
        if said.as_ref().is_some_and(|said| *said != reply) {
            return false;
        }
        let next = u64::from(self.texts.intern(&next));
        if next != old {
            self.set(cell, next);
        }
        true
    }

    fn grow(&mut self, cell: u32, command: u32) -> bool {
        let history = self.history;
        let (kv::Command::Append(more), said) = &history.redis[command as usize] else {
            unreachable!("grows by what is appended")
        };
        let Cell { kind: Kind::Grown { base, longest }, state, .. } = &self.cells[cell as usize]
        else {
            unreachable!("only such a string grows")
        };
        let len = (*state - u64::from(*base)) as usize;
        let next = len + more.len();
        let told = said.as_ref().is_none_or(|said| *said == kv::Reply::Int(next as i64));
        // Beyond what anyone saw its content is free.
        let seen = longest.get(len..).unwrap_or_default();
        let as_seen = seen.is_empty() || seen.starts_with(more);
        let base = *base;
        let needed = len <= longest.len() && self.slots[base as usize + len].needed > 0;
        told && as_seen && !needed && {
            self.set(cell, u64::from(base) + next as u64);
            true
        }
    }

    fn append(&mut self, cell: u32, value: u32) -> bool {
        let Cell { kind: Kind::List { base, longest }, state, .. } = &self.cells[cell as usize]
        else {
            unreachable!("appends to a list")
        };
        let len = u32::try_from(*state).expect("a slot") - base;
        let next = match longest.get(len as usize) {
            Some(expected) if *expected != value => return false,
            Some(_) => base + len + 1,
            // Beyond what anyone saw: its order is free.
            None => base + u32::try_from(longest.len()).expect("fewer than 2^32 elements") + 1,
        };
        self.go(cell, next)
    }

    fn add(&mut self, cell: u32, by: i64) -> bool {
        let slots = &self.slots;
        let Cell { kind: Kind::Counter { base, sums, grows }, state, least, .. } =
            &mut self.cells[cell as usize]
        else {
            unreachable!("adds to a counter")
        };
        let sum = state.cast_signed().wrapping_add(by);
        if *grows {
            let needed = |least: u32| slots[least as usize].needed > 0;
            while ((*least - *base) as usize) < sums.len() && !needed(*least) {
                *least += 1;
            }
            if sums.get((*least - *base) as usize).is_some_and(|most| sum > *most) {
                return false;
            }
        }
        self.set(cell, sum.cast_unsigned());
        true
    }

    fn insert(&mut self, cell: u32, slot: u32) -> bool {
        let Slot { present, needed, .. } = self.slots[slot as usize];
        if present {
            return true;
        }
        if needed < self.cells[cell as usize].left {
            return false;
        }
        self.toggle(cell, slot, true);
        self.undo.push(Was::Inserted { cell, slot });
        true
    }

    pub(super) fn toggle(&mut self, cell: u32, slot: u32, present: bool) {
        self.slots[slot as usize].present = present;
        let size = &mut self.cells[cell as usize].state;
        *size = if present { *size + 1 } else { *size - 1 };
        self.print ^= print_of(cell, u64::from(slot));
    }

    fn members(&mut self, cell: u32, (from, len): (u32, u32), must: bool) -> bool {
        if self.cells[cell as usize].state != u64::from(len) {
            return false;
        }
        let members = &self.members[from as usize..][..len as usize];
        if !must {
            return members.iter().all(|slot| self.slots[*slot as usize].present);
        }
        // Nothing was inserted that this does not have, so that as many elements are the same.
        for slot in members {
            self.slots[*slot as usize].needed -= 1;
        }
        self.cells[cell as usize].left -= 1;
        self.undo.push(Was::Members { cell, from, len });
        true
    }

    /// Whether somebody may still look at what a step does.
    pub(super) fn step_matters(&self, step: Step) -> bool {
        let watched = |cell: u32, slot: u32| {
            let Slot { needed, wanted, .. } = self.slots[slot as usize];
            needed > 0 || wanted || self.cells[cell as usize].negatives > 0
        };
        match step {
            Step::Put { cell, slot } | Step::Swap { cell, to: slot, .. } => {
                self.text(cell) || watched(cell, slot)
            }
            Step::Append { cell, .. } => match &self.cells[cell as usize].kind {
                Kind::List { base, longest } => {
                    self.cells[cell as usize].state < u64::from(*base) + longest.len() as u64
                }
                _ => true,
            },
            Step::Insert { slot, .. } => {
                let Slot { needed, present, .. } = self.slots[slot as usize];
                needed > 0 && !present
            }
            Step::Run { .. }
            | Step::Grow { .. }
            | Step::Add { .. }
            | Step::Enqueue { .. }
            | Step::Dequeue { .. } => true,
            Step::See { .. } | Step::Count { .. } | Step::Members { .. } => false,
        }
    }
}

impl Object for Board<'_> {
    fn place(&mut self, item: usize) -> bool {
        let mark = self.undo.len();
        let Unit { from, to, must, .. } = self.units[item];
        for at in from..to {
            if !self.step(self.steps[at as usize], must) {
                self.roll_back(mark);
                return false;
            }
        }
        self.marks.push(mark);
        true
    }

    fn undo(&mut self, _item: usize) {
        let mark = self.marks.pop().expect("one for each item that is placed");
        self.roll_back(mark);
    }

    fn print(&self) -> u128 {
        self.print
    }

    fn is_read(&self, item: usize) -> bool {
        self.units[item].reads
    }

    fn observes(&self, item: usize) -> bool {
        self.units[item].observes
    }

    fn fades(&self, item: usize) -> bool {
        let Unit { from, to, .. } = self.units[item];
        let steps = &self.steps[from as usize..to as usize];
        matches!(steps, [Step::Put { cell, .. } | Step::Swap { cell, .. }] if !self.text(*cell))
    }

    fn leads(&self, item: usize, target: usize) -> bool {
        let last = |item: usize| self.steps[self.units[item].to as usize - 1];
        // The head of a queue hides what is behind it.
        match (last(item), last(target)) {
            (Step::Dequeue { cell, .. }, Step::Dequeue { cell: other, .. }) => cell == other,
            _ => false,
        }
    }

    fn equal(&self, one: usize, other: usize) -> bool {
        let steps = |unit: &Unit| &self.steps[unit.from as usize..unit.to as usize];
        steps(&self.units[one]) == steps(&self.units[other])
    }

    fn matters(&self, item: usize, _now: u64) -> bool {
        let Unit { from, to, .. } = self.units[item];
        self.steps[from as usize..to as usize].iter().any(|step| self.step_matters(*step))
    }
}

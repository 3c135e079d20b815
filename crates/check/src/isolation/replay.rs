//! Runs an order that was found and compares what it shows with what was seen. No verdict of "holds" is given
//! without this: it knows nothing of graphs.

use super::facts::Facts;
use super::serial::Respect;
use super::snapshot::Moment;
use crate::names::Table;
use crate::txn::{Fate, Op, ValueId};

/// Lists and registers as they are.
struct Store<'f, 'h> {
    facts: &'f Facts<'h>,
    registers: Vec<ValueId>,
    /// Of every key as many places as it has operations.
    elements: Vec<ValueId>,
    lengths: Vec<u32>,
}

impl<'f, 'h> Store<'f, 'h> {
    fn new(facts: &'f Facts<'h>) -> Store<'f, 'h> {
        let keys = facts.history.keys.len();
        Store {
            facts,
            registers: vec![ValueId::NIL; keys],
            elements: vec![ValueId::NIL; facts.history.all_ops().len()],
            lengths: vec![0; keys],
        }
    }

    fn list(&self, key: usize) -> &[ValueId] {
        &self.elements[self.facts.starts[key] as usize..][..self.lengths[key] as usize]
    }

    /// Whether what the operations of a transaction saw is what there is; does what they do.
    fn run(&mut self, ops: &[Op]) -> bool {
        ops.iter().all(|op| {
            let key = op.key().0 as usize;
            match *op {
                Op::Append { value, .. } => {
                    let at = self.facts.starts[key] + self.lengths[key];
                    self.elements[at as usize] = value;
                    self.lengths[key] += 1;
                    true
                }
                Op::Write { value, .. } => {
                    self.registers[key] = value;
                    true
                }
                Op::Read { value, .. } => value.is_none_or(|value| self.registers[key] == value),
                Op::ReadList { elements, .. } => {
                    elements.is_none_or(|all| self.list(key) == self.facts.history.elements(all))
                }
                _ => unreachable!("a history of lists and registers"),
            }
        })
    }

    /// Runs and takes back.
    fn try_run(&mut self, ops: &[Op]) -> bool {
        let keys = ops.iter().map(|op| op.key().0 as usize);
        let undo: Vec<_> = keys.map(|key| (key, self.registers[key], self.lengths[key])).collect();
        let good = self.run(ops);
        for (key, value, length) in undo {
            (self.registers[key], self.lengths[key]) = (value, length);
        }
        good
    }
}

/// Whether `order` has each transaction that happened once, respects what it has to, and each sees in it what it
/// saw.
pub(super) fn serial(facts: &Facts<'_>, order: &[u32], respect: Respect) -> bool {
    let mut store = Store::new(facts);
    let mut left = facts.happened.clone();
    let mut last: Table<u64, u32> = Table::default();
    let mut latest = 0;
    for number in order {
        let txn = &facts.history.txns[*number as usize];
        if !std::mem::take(&mut left[*number as usize])
            || !store.run(facts.history.ops(*number as usize))
        {
            return false;
        }
        if respect == Respect::Time {
            if txn.returned < latest {
                return false;
            }
            latest = latest.max(txn.invoked);
        }
        if respect != Respect::Nothing {
            // One of unknown fate may come late, but not early.
            let of = last.entry(txn.process).or_insert(0);
            if txn.fate == Fate::Committed && *number < *of {
                return false;
            }
            *of = (*of).max(*number);
        }
    }
    !left.contains(&true)
}

/// Whether each transaction saw what was committed when it started, and its own writes, and no other one that wrote
/// one of its keys committed between its start and its commit.
pub(super) fn snapshot(facts: &Facts<'_>, order: &[Moment]) -> bool {
    let mut store = Store::new(facts);
    let mut left = facts.happened.clone();
    let mut started = vec![usize::MAX; left.len()];
    let mut written = vec![0; facts.history.keys.len()];
    for (at, moment) in order.iter().enumerate() {
        let at = at + 1;
        let (Moment::Start(txn) | Moment::Commit(txn)) = *moment;
        let txn = txn as usize;
        let ops = facts.history.ops(txn);
        if let Moment::Start(_) = moment {
            if started[txn] != usize::MAX || !left[txn] || !store.try_run(ops) {
                return false;
            }
            started[txn] = at;
            continue;
        }
        if started[txn] == usize::MAX || !std::mem::take(&mut left[txn]) {
            return false;
        }
        let writes = |op: &&Op| matches!(op, Op::Append { .. } | Op::Write { .. });
        for op in ops.iter().filter(writes) {
            let key = op.key().0 as usize;
            if written[key] > started[txn] && written[key] != at {
                return false;
            }
            written[key] = at;
            store.run(std::slice::from_ref(op));
        }
    }
    !left.contains(&true)
}

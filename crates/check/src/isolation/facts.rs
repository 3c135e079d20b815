//! What is looked up: the operations of each key, and which transactions certainly happened.

use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};

/// One operation on a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) txn: u32,
    /// Its number in [`Transactions::all_ops`].
    pub(super) op: u32,
}

/// More transactions than this are not judged: nodes of graphs have 29 bits.
pub(super) const MOST: usize = 1 << 27;

#[derive(Debug)]
pub(super) struct Facts<'h> {
    pub(super) history: &'h Transactions,
    /// Committed, or of unknown fate and one of its writes was read by one that happened.
    pub(super) happened: Vec<bool>,
    /// Where the places of each key begin; one more than there are keys.
    pub(super) starts: Vec<u32>,
    /// Key by key; within a key by transaction, then in the order of the transaction.
    places: Vec<Place>,
}

/// What lies under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    List,
    Register,
}

fn shape(op: &Op) -> Option<Shape> {
    match op {
        Op::Append { .. } | Op::ReadList { .. } => Some(Shape::List),
        Op::Read { .. } | Op::Write { .. } => Some(Shape::Register),
        _ => None,
    }
}

/// Why isolation does not speak of a history, if it does not.
pub(super) fn foreign(history: &Transactions) -> Option<String> {
    let mut shapes = vec![None; history.keys.len()];
    for op in history.all_ops() {
        let Some(found) = shape(op) else {
            let shown = history.describe_op(op);
            return Some(format!("isolation is judged over lists and registers, not over {shown}"));
        };
        let known = &mut shapes[op.key().0 as usize];
        if known.replace(found).is_some_and(|known| known != found) {
            let key = history.key_name(op.key());
            return Some(format!("key {key} is a list here and a register there"));
        }
    }
    None
}

impl<'h> Facts<'h> {
    /// Of a history that is not [`foreign`] and has at most [`MOST`] transactions.
    pub(super) fn of(history: &'h Transactions) -> Facts<'h> {
        let ops = history.all_ops();
        let mut starts = vec![0_u32; history.keys.len() + 1];
        for op in ops {
            starts[op.key().0 as usize + 1] += 1;
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let mut free = starts.clone();
        let mut places = vec![Place { txn: 0, op: 0 }; ops.len()];
        for txn in 0..history.txns.len() {
            for op in history.range(txn) {
                let at = &mut free[ops[op].key().0 as usize];
                places[*at as usize] = Place { txn: txn as u32, op: op as u32 };
                *at += 1;
            }
        }
        let happened = history.txns.iter().map(|txn| txn.fate == Fate::Committed).collect();
        Facts { history, happened, starts, places }
    }

    pub(super) fn places(&self, key: KeyId) -> &[Place] {
        let key = key.0 as usize;
        &self.places[self.starts[key] as usize..self.starts[key + 1] as usize]
    }

    pub(super) fn op(&self, place: Place) -> Op {
        self.history.all_ops()[place.op as usize]
    }

    /// `None` for a key that nobody touches.
    pub(super) fn shape(&self, key: KeyId) -> Option<Shape> {
        self.places(key).first().and_then(|place| shape(&self.op(*place)))
    }

    /// Finds those of unknown fate that happened.
    pub(super) fn settle(&mut self, slots: &mut Slots) {
        let mut keys: Vec<KeyId> = Vec::new();
        for (number, txn) in self.history.txns.iter().enumerate() {
            if txn.fate == Fate::Unknown {
                let writes = self.history.ops(number).iter().filter(|op| written(op).is_some());
                keys.extend(writes.map(Op::key));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        // What is found to have happened may itself have read something.
        let mut more = true;
        while more {
            let again: Vec<bool> = keys.iter().map(|key| self.observed(*key, slots)).collect();
            more = again.contains(&true);
        }
    }

    /// Marks those whose writes to `key` were read; whether one of them has read something.
    fn observed(&mut self, key: KeyId, slots: &mut Slots) -> bool {
        /// A value that was written more than once: a read of it proves nothing.
        const MANY: u32 = u32::MAX;
        slots.clear();
        let (from, to) = (self.starts[key.0 as usize], self.starts[key.0 as usize + 1]);
        let places = from as usize..to as usize;
        for place in places.clone() {
            let place = self.places[place];
            if let Some(value) = written(&self.op(place))
                && slots.put(value, place.txn).is_some()
            {
                slots.put(value, MANY);
            }
        }
        let mut more = false;
        let mut scanned: &[ValueId] = &[];
        for place in places {
            let place = self.places[place];
            if !self.happened[place.txn as usize] {
                continue;
            }
            let one;
            let seen = match self.op(place) {
                Op::Read { value: Some(value), .. } if value != ValueId::NIL => {
                    one = [value];
                    &one[..]
                }
                Op::ReadList { elements: Some(elements), .. } => {
                    let all = self.history.elements(elements);
                    // Most lists are prefixes of each other.
                    if scanned.starts_with(all) {
                        continue;
                    }
                    let fresh = if all.starts_with(scanned) { scanned.len() } else { 0 };
                    scanned = all;
                    &all[fresh..]
                }
                _ => continue,
            };
            for value in seen {
                let Some(txn) = slots.get(*value).filter(|txn| *txn != MANY) else { continue };
                let txn = txn as usize;
                if self.history.txns[txn].fate == Fate::Unknown && !self.happened[txn] {
                    self.happened[txn] = true;
                    more |= self.history.ops(txn).iter().any(|op| written(op).is_none());
                }
            }
        }
        more
    }
}

fn written(op: &Op) -> Option<ValueId> {
    match *op {
        Op::Append { value, .. } | Op::Write { value, .. } => Some(value),
        _ => None,
    }
}

/// A table from values to small numbers that is emptied in no time, for one key after the other.
#[derive(Debug)]
pub(super) struct Slots {
    stamp: u32,
    slots: Vec<(u32, u32)>,
}

impl Slots {
    pub(super) fn of(history: &Transactions) -> Slots {
        Slots { stamp: 0, slots: vec![(0, 0); history.value_count() + 1] }
    }

    pub(super) fn clear(&mut self) {
        self.stamp += 1;
    }

    /// Answers what was there.
    pub(super) fn put(&mut self, value: ValueId, number: u32) -> Option<u32> {
        let slot = &mut self.slots[value.index()];
        let before = (slot.0 == self.stamp).then_some(slot.1);
        *slot = (self.stamp, number);
        before
    }

    pub(super) fn get(&self, value: ValueId) -> Option<u32> {
        let slot = self.slots[value.index()];
        (slot.0 == self.stamp).then_some(slot.1)
    }
}

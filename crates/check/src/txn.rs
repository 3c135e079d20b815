//! A recorded history in the one form from which every level is judged, whatever file it came from:
//! transactions of operations on keys. A plain operation is a transaction of one.
//!
//! Keys and values are interned, operations lie in one flat array of 16 bytes each: a history of twenty million
//! operations fits in the memory of a laptop.

use crate::kv;
use crate::names::Names;
use std::num::NonZeroU32;
use std::ops::Range;
use stdx::Bytes;

/// A key, by its place in [`Transactions::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// A value, by its place in [`Transactions::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub NonZeroU32);

impl ValueId {
    /// [`Value::Nil`] in every history: the initial value of a register.
    pub const NIL: ValueId = ValueId(NonZeroU32::MIN);

    /// From 1, without gaps: a place for tables.
    pub fn index(self) -> usize {
        self.0.get() as usize
    }
}

/// What can be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing is there.
    Nil,
    /// A whole number; what fits one is never a text.
    Int(i64),
    /// Anything else, as it was written.
    Text(Bytes),
}

/// One operation, with what was observed. `None` in the place of an observation: not known (the outcome of the
/// transaction is unknown, or the source does not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads a register.
    Read {
        /// Which.
        key: KeyId,
        /// What it held.
        value: Option<ValueId>,
    },
    /// Writes a register.
    Write {
        /// Which.
        key: KeyId,
        /// What it holds from now on.
        value: ValueId,
    },
    /// If the register holds `from`, it holds `to` from now on.
    Cas {
        /// Which.
        key: KeyId,
        /// Expected.
        from: ValueId,
        /// New.
        to: ValueId,
        /// Whether it did; `Some(false)`: it held something else.
        done: Option<bool>,
    },
    /// Appends to a list.
    Append {
        /// Which.
        key: KeyId,
        /// At its end.
        value: ValueId,
    },
    /// Reads a whole list.
    ReadList {
        /// Which.
        key: KeyId,
        /// Its elements.
        elements: Option<Elements>,
    },
    /// Adds to a counter, zero at first.
    Add {
        /// Which.
        key: KeyId,
        /// How much; may be negative.
        by: i64,
    },
    /// Reads a counter.
    Count {
        /// Which.
        key: KeyId,
        /// Its value: a [`Value::Int`].
        value: Option<ValueId>,
    },
    /// Inserts into a set.
    Insert {
        /// Which.
        key: KeyId,
        /// The element.
        value: ValueId,
    },
    /// Reads a whole set.
    ReadSet {
        /// Which.
        key: KeyId,
        /// Its elements in any order, each once.
        elements: Option<Elements>,
    },
    /// Puts at the end of a first-in-first-out queue.
    Enqueue {
        /// Which.
        key: KeyId,
        /// What.
        value: ValueId,
    },
    /// Takes from the head of a queue.
    Dequeue {
        /// Which.
        key: KeyId,
        /// What it was; [`ValueId::NIL`]: the queue was empty.
        value: Option<ValueId>,
    },
    /// A Redis command that is none of the above (GET and SET are `Read` and `Write`).
    Redis {
        /// Which key.
        key: KeyId,
        /// Its place in [`Transactions::redis`].
        command: u32,
    },
}

/// A range of [`Transactions::elements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elements {
    from: u32,
    /// One more than the length, so that an option of this costs nothing.
    len: NonZeroU32,
}

impl Op {
    /// The key it touches.
    pub fn key(&self) -> KeyId {
        match *self {
            Op::Read { key, .. }
            | Op::Write { key, .. }
            | Op::Cas { key, .. }
            | Op::Append { key, .. }
            | Op::ReadList { key, .. }
            | Op::Add { key, .. }
            | Op::Count { key, .. }
            | Op::Insert { key, .. }
            | Op::ReadSet { key, .. }
            | Op::Enqueue { key, .. }
            | Op::Dequeue { key, .. }
            | Op::Redis { key, .. } => key,
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It happened once, between `invoked` and `returned`.
    Committed,
    /// It certainly did not happen and never will.
    Aborted,
    /// It may have happened at any time after `invoked`, or may still, or never.
    Unknown,
}

/// A transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Who asked: a client, session or process. One at a time each.
    pub process: u64,
    /// When, on the clock of the whole history.
    pub invoked: u64,
    /// When the outcome was known; [`Txn::NEVER`] if that is [`Fate::Unknown`].
    pub returned: u64,
    /// What became of it.
    pub fate: Fate,
    /// Where it begins in the file, from 1.
    pub line: u32,
    first: u32,
    len: u32,
}

impl Txn {
    /// The return of what never returned.
    pub const NEVER: u64 = u64::MAX;

    /// Whether it may have happened.
    pub fn may_have_happened(&self) -> bool {
        self.fate != Fate::Aborted
    }
}

/// A whole history.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// In order of invocation; of one process, in its order.
    pub txns: Vec<Txn>,
    /// Whether times of different processes can be compared. If not, `invoked` and `returned` only order each
    /// process, and levels that speak of real time cannot be judged.
    pub timed: bool,
    /// The names of keys.
    pub keys: Names<Bytes>,
    /// Redis commands and what they answered.
    pub redis: Vec<(kv::Command, Option<kv::Reply>)>,
    values: Names<Value>,
    /// By whole number, for those below its length: the id of it as a value, or 0. Values are mostly counted up
    /// from 0, so that this is as long as they are many, and spares a hash.
    numbers: Vec<u32>,
    ops: Vec<Op>,
    elements: Vec<ValueId>,
}

impl Default for Transactions {
    fn default() -> Transactions {
        Transactions::new()
    }
}

impl Transactions {
    /// No transaction, with times that can be compared.
    pub fn new() -> Transactions {
        let mut values = Names::new();
        let nil = values.intern(&Value::Nil);
        assert_eq!(nil, 0, "nil is the first value");
        Transactions {
            txns: Vec::new(),
            timed: true,
            keys: Names::new(),
            redis: Vec::new(),
            values,
            numbers: Vec::new(),
            ops: Vec::new(),
            elements: Vec::new(),
        }
    }

    /// The id of a key.
    pub fn key(&mut self, name: &Bytes) -> KeyId {
        KeyId(self.keys.intern(name))
    }

    /// The id of a value.
    pub fn value(&mut self, value: &Value) -> ValueId {
        let id = match *value {
            Value::Int(number) => self.number(number),
            _ => self.values.intern(value) + 1,
        };
        ValueId(NonZeroU32::new(id).expect("one more than an index"))
    }

    fn number(&mut self, number: i64) -> u32 {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let most = 2 * self.values.len() + 1_024;
        if at >= self.numbers.len() && at < most && most >= 2 * self.numbers.len() {
            self.widen(most);
        }
        let Some(id) = self.numbers.get_mut(at) else {
            return self.values.intern(&Value::Int(number)) + 1;
        };
        if *id == 0 {
            *id = self.values.add(Value::Int(number)) + 1;
        }
        *id
    }

    /// Numbers below `len` are found in the array from now on, those that were interned before as well.
    fn widen(&mut self, len: usize) {
        self.numbers.resize(len, 0);
        for index in 0..self.values.len() {
            let index = u32::try_from(index).expect("indices are u32");
            if let Value::Int(number) = *self.values.get(index)
                && let Ok(at) = usize::try_from(number)
                && at < len
            {
                self.numbers[at] = index + 1;
            }
        }
    }

    /// What was interned.
    pub fn name_of(&self, value: ValueId) -> &Value {
        self.values.get(value.0.get() - 1)
    }

    /// How many values there are; every [`ValueId::index`] is at most this.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Keeps the elements of a list or a set that was read.
    ///
    /// Panics on more than 2^32 elements in all.
    pub fn list(&mut self, elements: impl IntoIterator<Item = ValueId>) -> Elements {
        let from = self.elements.len();
        self.elements.extend(elements);
        let len = self.elements.len() - from;
        let small = |n: usize| u32::try_from(n).expect("at most 2^32 elements");
        let len = NonZeroU32::new(small(len + 1)).expect("one more than a length");
        Elements { from: small(from), len }
    }

    /// The elements of a list or a set that was read.
    pub fn elements(&self, of: Elements) -> &[ValueId] {
        &self.elements[of.from as usize..][..of.len.get() as usize - 1]
    }

    /// Adds a transaction; call [`Transactions::sort`] after the last one.
    pub fn push(
        &mut self,
        process: u64,
        (invoked, returned): (u64, u64),
        fate: Fate,
        line: u32,
        ops: impl IntoIterator<Item = Op>,
    ) {
        let first = self.ops.len();
        self.ops.extend(ops);
        let small = |n: usize| u32::try_from(n).expect("at most 2^32 operations");
        let (first, len) = (small(first), small(self.ops.len() - first));
        let returned = if fate == Fate::Unknown { Txn::NEVER } else { returned };
        self.txns.push(Txn { process, invoked, returned, fate, line, first, len });
    }

    /// Brings transactions into order of invocation; equal times keep the order of pushing.
    pub fn sort(&mut self) {
        if !self.txns.is_sorted_by_key(|txn| txn.invoked) {
            self.txns.sort_by_key(|txn| txn.invoked);
        }
    }

    /// The operations of transaction `number`.
    pub fn ops(&self, number: usize) -> &[Op] {
        &self.ops[self.range(number)]
    }

    /// Where the operations of transaction `number` lie in the flat array: their numbers in the whole history.
    pub fn range(&self, number: usize) -> Range<usize> {
        let txn = &self.txns[number];
        txn.first as usize..txn.first as usize + txn.len as usize
    }

    /// Puts another operation in the place of number `at` of the flat array.
    pub(crate) fn change(&mut self, at: usize, op: Op) {
        self.ops[at] = op;
    }

    /// All operations, flat.
    pub fn all_ops(&self) -> &[Op] {
        &self.ops
    }
}

//! A history in the making: keys and values by name, and calls that wait for their end.

use super::tape::{Fault, Item, Kind};
use crate::kv;
use crate::names::{Fold, Table};
use crate::txn::{Elements, Fate, KeyId, Op, Transactions, Value, ValueId};
use std::collections::BTreeMap;
use std::hash::Hasher;
use stdx::Bytes;

/// What lies under a key. A key that two objects share is a mistake in the file, not an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Read, written, swapped; also the strings of Redis.
    Register,
    List,
    Counter,
    Set,
    Queue,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::Register => "a register",
            Shape::List => "a list",
            Shape::Counter => "a counter",
            Shape::Set => "a set",
            Shape::Queue => "a queue",
        }
    }
}

/// A call whose end has not been seen.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) invoked: u64,
    pub(super) line: u32,
    pub(super) ops: Vec<Op>,
}

/// Numbers below are looked up without a hash.
const SMALL: usize = 1 << 22;

fn small(item: Item<'_>) -> Option<usize> {
    let Kind::Int(n) = item.kind() else { return None };
    usize::try_from(n).ok().filter(|n| *n < SMALL)
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) history: Transactions,
    /// What was left out, and how often.
    pub(super) ignored: BTreeMap<&'static str, u64>,
    /// From the hash of a name to a key that has it: names are looked up without being copied.
    keys: Table<u64, KeyId>,
    shapes: Vec<Shape>,
    /// Values that are small numbers, as most are.
    small: Vec<Option<ValueId>>,
    /// Keys whose names are.
    small_keys: Vec<Option<KeyId>>,
    /// Used again for every list.
    list: Vec<ValueId>,
    calls: Table<u64, Call>,
    /// Of calls that are over, to be used again.
    spare: Vec<Vec<Op>>,
    /// Events so far: the order of a file is the clock of a history that has events.
    clock: u64,
}

impl Book {
    /// The key of this name, for an object of this shape.
    pub(super) fn key(&mut self, name: &[u8], shape: Shape, at: usize) -> Result<KeyId, Fault> {
        let mut hasher = Fold::default();
        hasher.write(name);
        hasher.write_usize(name.len());
        let hash = hasher.finish();
        let known = self.keys.get(&hash).copied();
        let known = known.filter(|id| **self.history.keys.get(id.0) == *name);
        let key = known.unwrap_or_else(|| {
            let key = self.history.key(&Bytes::from(name));
            self.keys.insert(hash, key);
            key
        });
        self.shaped(key, shape, at)
    }

    /// A key has one shape.
    fn shaped(&mut self, key: KeyId, shape: Shape, at: usize) -> Result<KeyId, Fault> {
        let place = key.0 as usize;
        if place == self.shapes.len() {
            self.shapes.push(shape);
        }
        let first = self.shapes[place];
        if first != shape {
            let (name, first, now) = (self.history.key_name(key), first.name(), shape.name());
            return Err(Fault::new(at, format!("key `{name}` is {first} above and {now} here")));
        }
        Ok(key)
    }

    /// The key that `item` names.
    pub(super) fn key_of(&mut self, item: Item<'_>, shape: Shape) -> Result<KeyId, Fault> {
        let Some(n) = small(item) else { return self.key(&item.name(), shape, item.at()) };
        if self.small_keys.len() <= n {
            self.small_keys.resize(n + 1, None);
        }
        if let Some(key) = self.small_keys[n] {
            return self.shaped(key, shape, item.at());
        }
        let key = self.key(&item.name(), shape, item.at())?;
        self.small_keys[n] = Some(key);
        Ok(key)
    }

    pub(super) fn value(&mut self, value: &Value) -> ValueId {
        self.history.value(value)
    }

    /// The value that `item` is.
    #[inline]
    pub(super) fn value_of(&mut self, item: Item<'_>) -> ValueId {
        let Some(n) = small(item) else { return self.history.value(&item.value()) };
        if self.small.len() <= n {
            self.small.resize(n + 1, None);
        }
        let history = &mut self.history;
        *self.small[n].get_or_insert_with(|| history.value(&item.value()))
    }

    /// The elements of a list, or of a set, which has each once.
    pub(super) fn elements(&mut self, item: Item<'_>, set: bool) -> Result<Elements, Fault> {
        let mut values = std::mem::take(&mut self.list);
        values.clear();
        for item in item.items() {
            values.push(self.value_of(item));
        }
        if set {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
                let shown = self.history.shown(twice[0]);
                return Err(item.fault(format!("a set that holds `{shown}` twice")));
            }
        }
        let elements = self.history.list(values.iter().copied());
        self.list = values;
        Ok(elements)
    }

    /// A Redis command as an operation.
    pub(super) fn redis(
        &mut self,
        key: KeyId,
        command: kv::Command,
        reply: Option<kv::Reply>,
    ) -> Op {
        let number = u32::try_from(self.history.redis.len()).expect("at most 2^32 commands");
        self.history.redis.push((command, reply));
        Op::Redis { key, command: number }
    }

    /// Counts something that is no part of the history.
    pub(super) fn ignore(&mut self, reason: &'static str) {
        *self.ignored.entry(reason).or_default() += 1;
    }

    /// The time of an event.
    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// A process begins.
    pub(super) fn invoke(
        &mut self,
        process: u64,
        (at, line): (usize, u32),
        ops: Vec<Op>,
    ) -> Result<(), Fault> {
        if let Some(call) = self.calls.get(&process) {
            let reason = format!(
                "process {process} begins an operation, but the one of line {} has no completion",
                call.line
            );
            return Err(Fault::new(at, reason));
        }
        let invoked = self.tick();
        self.calls.insert(process, Call { invoked, line, ops });
        Ok(())
    }

    /// What `process` has under way, which ends at `at`.
    pub(super) fn end(&mut self, process: u64, at: usize) -> Result<Call, Fault> {
        let reason = || format!("process {process} completes an operation, but none is under way");
        self.calls.remove(&process).ok_or_else(|| Fault::new(at, reason()))
    }

    /// A call is over.
    pub(super) fn over(&mut self, process: u64, call: Call, fate: Fate) {
        let times = (call.invoked, self.tick());
        self.history.push(process, times, fate, call.line, call.ops.iter().copied());
        self.recycle(call.ops);
    }

    /// A list for operations, empty.
    pub(super) fn blank(&mut self) -> Vec<Op> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a list back that [`Book::blank`] gave.
    pub(super) fn recycle(&mut self, mut ops: Vec<Op>) {
        ops.clear();
        self.spare.push(ops);
    }

    /// What is still under way has an unknown outcome.
    pub(super) fn close(&mut self) {
        let mut left: Vec<_> = self.calls.drain().collect();
        left.sort_unstable_by_key(|(process, _)| *process);
        for (process, call) in left {
            self.over(process, call, Fate::Unknown);
        }
    }
}

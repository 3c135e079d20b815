//! Planted violations: one place of a good history is changed, so that levels are known that it no longer is.

use super::site::Sites;
use crate::kv::{Command, Reply};
use crate::level::Level;
use crate::txn::{Fate, Op, Transactions, Value, ValueId};
use stdx::{Bytes, Prng};

/// What is wrong. Each needs values that are written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// A read sees what nobody wrote.
    FromNowhere,
    /// A read sees what a transaction wrote that failed.
    AbortedRead,
    /// A read does not see a write that had returned before it was invoked.
    StaleRead,
    /// Nobody ever sees an element that was added before others looked.
    LostWrite,
    /// A list holds an element twice, or a queue gives it twice.
    Duplicate,
    /// Two read the same value, and both replace it.
    LostUpdate,
    /// A transaction sees one write of another, and what another write of that replaced.
    FracturedRead,
    /// A process does not see what it wrote.
    UnseenOwnWrite,
    /// A process sees nothing where it has seen something.
    BackwardRead,
    /// A process sees a write, and then nothing of an earlier one of the same writer.
    UnseenEarlierWrite,
    /// A process sees a write, and then nothing where its writer had seen something before.
    UnseenCause,
}

impl Flaw {
    /// All.
    pub const ALL: [Flaw; 11] = [
        Flaw::FromNowhere,
        Flaw::AbortedRead,
        Flaw::StaleRead,
        Flaw::LostWrite,
        Flaw::Duplicate,
        Flaw::LostUpdate,
        Flaw::FracturedRead,
        Flaw::UnseenOwnWrite,
        Flaw::BackwardRead,
        Flaw::UnseenEarlierWrite,
        Flaw::UnseenCause,
    ];

    /// The weakest levels that are broken by it, and with them what [`crate::map::BELOW`] says is above.
    pub fn breaks(self) -> &'static [Level] {
        match self {
            Flaw::FromNowhere => {
                &[Level::ReadCommitted, Level::Serializable, Level::SnapshotIsolation]
            }
            Flaw::AbortedRead => &[
                Level::ReadCommitted,
                Level::RepeatableRead,
                Level::SnapshotIsolation,
                Level::Serializable,
            ],
            // Without comparable times these are levels that say nothing.
            Flaw::StaleRead | Flaw::LostWrite => &[Level::StrictSerializable, Level::Linearizable],
            Flaw::Duplicate => &[Level::Serializable, Level::Sequential],
            Flaw::LostUpdate => {
                &[Level::RepeatableRead, Level::SnapshotIsolation, Level::Serializable]
            }
            Flaw::FracturedRead => {
                &[Level::ReadAtomic, Level::RepeatableRead, Level::SnapshotIsolation]
            }
            Flaw::UnseenOwnWrite => &[Level::ReadYourWrites],
            Flaw::BackwardRead => &[Level::MonotonicReads],
            Flaw::UnseenEarlierWrite => &[Level::MonotonicWrites],
            Flaw::UnseenCause => &[Level::WritesFollowReads],
        }
    }
}

/// Changes what one transaction of `history` saw, drawn among all where it makes `flaw`; answers which one, or
/// nothing if there is no such place.
pub fn plant(history: &mut Transactions, flaw: Flaw, prng: &mut Prng) -> Option<usize> {
    let places = Sites::new(history).find(flaw);
    if places.is_empty() {
        return None;
    }
    let site = *prng.pick(&places);
    let at = history.range(site.txn).start + site.op;
    let op = history.all_ops()[at];
    let changed = match flaw {
        Flaw::FromNowhere => nowhere(history, op),
        Flaw::AbortedRead => also(history, op, site.value),
        Flaw::Duplicate => twice(history, op, site.value),
        Flaw::LostWrite => {
            lose(history, site.value);
            return Some(site.txn);
        }
        _ => before(history, op, site.value),
    };
    history.change(at, changed);
    Some(site.txn)
}

fn nowhere(history: &mut Transactions, op: Op) -> Op {
    let fresh = history.value(&Value::Int(i64::MAX));
    match op {
        // No counter is negative.
        Op::Count { key, .. } => Op::Count { key, value: Some(history.value(&Value::Int(-1))) },
        Op::Redis { key, .. } => get(history, key, Some(b"nowhere")),
        op => also(history, op, fresh),
    }
}

/// `op` sees `value`, too.
fn also(history: &mut Transactions, op: Op, value: ValueId) -> Op {
    match op {
        Op::Read { key, .. } => Op::Read { key, value: Some(value) },
        Op::Dequeue { key, .. } => Op::Dequeue { key, value: Some(value) },
        op => list(history, op, |all| all.push(value)),
    }
}

/// `op` sees `value` once more than there is.
fn twice(history: &mut Transactions, op: Op, value: ValueId) -> Op {
    match op {
        Op::Dequeue { key, .. } => Op::Dequeue { key, value: Some(value) },
        op => list(history, op, |all| all.extend(all.first().copied())),
    }
}

/// `op` sees what there was before: of a register `value`, of a list what precedes `value` in it.
fn before(history: &mut Transactions, op: Op, value: ValueId) -> Op {
    let cut = |all: &mut Vec<ValueId>| {
        let place = all.iter().position(|element| *element == value);
        all.truncate(place.unwrap_or(0));
    };
    match op {
        Op::Read { key, .. } => Op::Read { key, value: Some(value) },
        Op::Cas { key, to, done, .. } => Op::Cas { key, from: value, to, done },
        Op::ReadSet { .. } => list(history, op, |all| all.retain(|element| *element != value)),
        Op::Count { key, .. } => Op::Count { key, value: Some(history.value(&Value::Int(0))) },
        Op::Redis { key, .. } => get(history, key, None),
        op => list(history, op, cut),
    }
}

/// No read sees `value`.
fn lose(history: &mut Transactions, value: ValueId) {
    for at in 0..history.all_ops().len() {
        let op = history.all_ops()[at];
        let (Op::ReadList { elements, .. } | Op::ReadSet { elements, .. }) = op else { continue };
        if elements.is_some_and(|all| history.elements(all).contains(&value)) {
            let without = list(history, op, |all| all.retain(|element| *element != value));
            history.change(at, without);
        }
    }
}

fn list(history: &mut Transactions, op: Op, change: impl Fn(&mut Vec<ValueId>)) -> Op {
    let mut changed = |elements: Option<_>| {
        let mut all = elements.map_or_else(Vec::new, |all| history.elements(all).to_vec());
        change(&mut all);
        Some(history.list(all))
    };
    match op {
        Op::ReadList { key, elements } => Op::ReadList { key, elements: changed(elements) },
        Op::ReadSet { key, elements } => Op::ReadSet { key, elements: changed(elements) },
        other => other,
    }
}

fn get(history: &mut Transactions, key: crate::KeyId, text: Option<&[u8]>) -> Op {
    let number = u32::try_from(history.redis.len()).expect("at most 2^32 commands");
    history.redis.push((Command::Get, Some(Reply::Value(text.map(Bytes::from)))));
    Op::Redis { key, command: number }
}

/// Whether what transaction `number` saw counts.
pub(super) fn committed(history: &Transactions, number: usize) -> bool {
    history.txns[number].fate == Fate::Committed
}

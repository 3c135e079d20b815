//! Histories of a small replicated store, whose verdicts are known by how it works.
//!
//! Each process has a replica of its own. A transaction is executed at once on it, and delivered to the others
//! later, after all that was delivered to its own replica before it.

use crate::Level;
use crate::txn::{Fate, KeyId, Op, Transactions, Value, ValueId};
use stdx::{Bytes, Prng};

/// Which of the writes that a replica knows of it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// One replica for all.
    Serial,
    /// The last that was delivered to it.
    Delivered,
    /// The last by Lamport's clock, and then by process.
    Clock,
    /// The last by Lamport's clock, and then by process, up or down: each transaction as it likes.
    Fickle,
}

impl Policy {
    pub(crate) const ALL: [Policy; 4] =
        [Policy::Serial, Policy::Delivered, Policy::Clock, Policy::Fickle];

    /// The strongest levels among ours that a store of this kind keeps.
    pub(crate) fn keeps(self) -> &'static [Level] {
        match self {
            Policy::Serial => &[Level::CausalConvergence, Level::CausalMemory],
            Policy::Delivered => &[Level::CausalMemory],
            Policy::Clock => &[Level::CausalConvergence],
            Policy::Fickle => &[Level::CausalConsistency],
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) processes: usize,
    pub(crate) txns: usize,
    pub(crate) ops: u64,
    pub(crate) registers: usize,
    pub(crate) lists: usize,
}

/// A write, in the order in which a replica came to know of it.
#[derive(Clone, Copy)]
struct Known {
    clock: u64,
    process: usize,
    value: ValueId,
}

#[derive(Clone, Default)]
struct Replica {
    clock: u64,
    /// How many transactions of each process it has.
    has: Vec<usize>,
    /// By key.
    known: Vec<Vec<Known>>,
}

/// What is sent to other replicas.
struct Update {
    clock: u64,
    needs: Vec<usize>,
    writes: Vec<(usize, ValueId)>,
}

pub(crate) fn replicas(prng: &mut Prng, size: Size, policy: Policy) -> Transactions {
    let mut h = Transactions::new();
    let names = (0..size.registers + size.lists).map(|key| format!("k{key}"));
    let keys: Vec<KeyId> = names.map(|name| h.key(&Bytes::from(name.as_bytes()))).collect();
    let fresh =
        Replica { clock: 0, has: vec![0; size.processes], known: vec![Vec::new(); keys.len()] };
    let mut all = vec![fresh; size.processes];
    let mut updates: Vec<Vec<Update>> = (0..size.processes).map(|_| Vec::new()).collect();
    let mut number = 0;
    for time in 0..size.txns as u64 {
        let process = prng.index(size.processes);
        let at = if policy == Policy::Serial { 0 } else { process };
        while prng.chance(2, 3) {
            deliver(&mut all[at], &updates, prng.index(size.processes));
        }
        let up = policy != Policy::Fickle || prng.chance(1, 2);
        let replica = &mut all[at];
        replica.clock += 1;
        let (needs, clock) = (replica.has.clone(), replica.clock);
        let mut update = Update { clock, needs, writes: Vec::new() };
        let mut ops = Vec::new();
        for _ in 0..prng.range(1, size.ops + 1) {
            let which = prng.index(keys.len());
            let (key, list) = (keys[which], which >= size.registers);
            if prng.chance(1, 2) {
                number += 1;
                let value = h.value(&Value::Int(number));
                replica.known[which].push(Known { clock, process, value });
                update.writes.push((which, value));
                ops.push(match list {
                    true => Op::Append { key, value },
                    false => Op::Write { key, value },
                });
                continue;
            }
            let mut shown = replica.known[which].clone();
            if matches!(policy, Policy::Clock | Policy::Fickle) {
                let by = |process: usize| if up { process } else { usize::MAX - process };
                shown.sort_by_key(|known| (known.clock, by(known.process)));
            }
            ops.push(if list {
                let elements = h.list(shown.iter().map(|known| known.value));
                Op::ReadList { key, elements: Some(elements) }
            } else {
                Op::Read {
                    key,
                    value: Some(shown.last().map_or(ValueId::NIL, |known| known.value)),
                }
            });
        }
        replica.has[process] += 1;
        updates[process].push(update);
        h.push(process as u64, (2 * time, 2 * time + 1), Fate::Committed, time as u32 + 1, ops);
    }
    h.sort();
    h
}

/// The next transaction of `from`, if it is there and all it needs is.
fn deliver(replica: &mut Replica, updates: &[Vec<Update>], from: usize) {
    let Some(update) = updates[from].get(replica.has[from]) else { return };
    if update.needs.iter().zip(&replica.has).all(|(needs, has)| needs <= has) {
        replica.has[from] += 1;
        replica.clock = replica.clock.max(update.clock);
        for &(key, value) in &update.writes {
            replica.known[key].push(Known { clock: update.clock, process: from, value });
        }
    }
}

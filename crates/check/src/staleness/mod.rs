//! Bounded staleness: a read that began at time t returns a version that was the newest at some moment from
//! t - bound on.
//!
//! That is Delta-atomicity (Golab, Li and Shah, "Analyzing consistency properties for fun and profit", PODC 2011): the
//! history is linearizable once each read is taken to have begun earlier by the bound. With bound 0 it is
//! linearizability. Only what does nothing but read may be late: a compare-and-set is where it is.
//! Transactions are taken key by key.
//!
//! Registers that are read and written, each value once, are judged by their zones in time O(n log n) (Gibbons and
//! Korach, "Testing shared memories", SIAM J. Comput. 1997): all operations on one value form a cluster, and there is
//! no order if and only if of two clusters each must come before the other. Everything else is judged by
//! the search for an order, on the history with reads begun earlier.

#[cfg(test)]
mod tests;
mod zones;

use crate::names::Table;
use crate::txn::{Fate, KeyId, Op, Transactions, Txn};
use crate::{Budget, Judgement, Level, Witness, order};
use zones::Zones;

/// Judges whether no read lags by more than `bound`, in the history's own unit of time.
pub fn judge(history: &Transactions, bound: u64, budget: &mut Budget) -> Judgement {
    if !history.timed {
        return Judgement::NotApplicable("the history has no times".into());
    }
    let mut plain = vec![true; history.keys.len()];
    let units = units(history, &mut plain);
    let mut all: Vec<Zones> = (0..plain.len()).map(|_| Zones::default()).collect();
    for unit in units.iter().filter(|unit| plain[unit.key.0 as usize]) {
        let op = &history.ops(unit.txn)[unit.op];
        all[unit.key.0 as usize].add(unit.txn, op, &history.txns[unit.txn]);
    }
    for (key, zones) in all.iter().enumerate().filter(|(key, _)| plain[*key]) {
        let key = KeyId(u32::try_from(key).expect("keys have small numbers"));
        if let Some(witness) = zones.judge(history, key, bound) {
            return Judgement::Fails(Box::new(witness));
        }
        if (budget.expired)() {
            let (name, keys) = (history.key_name(key), plain.len());
            return Judgement::Unknown(format!("the time was up at key {name} of {keys}"));
        }
    }
    let rest: Vec<&Unit> = units.iter().filter(|unit| !plain[unit.key.0 as usize]).collect();
    if rest.is_empty() { Judgement::Holds } else { search(history, &rest, bound, budget) }
}

/// What a transaction does to one key.
struct Unit {
    txn: usize,
    key: KeyId,
    /// The first of its operations on the key.
    op: usize,
    /// It does nothing but read.
    reads: bool,
}

/// All units; a key is not plain if more happens to it than reads and writes of values that differ.
fn units(history: &Transactions, plain: &mut [bool]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut written: Table<(KeyId, u32), ()> = Table::default();
    for (txn, call) in history.txns.iter().enumerate() {
        if !call.may_have_happened() {
            continue;
        }
        let start = units.len();
        for (op, what) in history.ops(txn).iter().enumerate() {
            let (key, reads) = (what.key(), is_read(history, what));
            let simple = matches!(what, Op::Read { .. } | Op::Write { .. });
            let fresh = match what {
                Op::Write { value, .. } => {
                    value.index() > 1 && written.insert((key, value.0.get()), ()).is_none()
                }
                _ => true,
            };
            plain[key.0 as usize] &= simple && fresh;
            if let Some(unit) = units[start..].iter_mut().find(|unit| unit.key == key) {
                unit.reads &= reads;
                plain[key.0 as usize] = false;
            } else {
                units.push(Unit { txn, key, op, reads });
            }
        }
    }
    for unit in &units {
        if let Op::Read { key, value: Some(value) } = history.ops(unit.txn)[unit.op] {
            let known = value.index() == 1 || written.contains_key(&(key, value.0.get()));
            plain[key.0 as usize] &= known;
        }
    }
    units
}

/// Whether an operation of a history leaves its key as it is.
pub(crate) fn is_read(history: &Transactions, op: &Op) -> bool {
    match op {
        Op::Read { .. }
        | Op::ReadList { .. }
        | Op::ReadSet { .. }
        | Op::Count { .. }
        | Op::Cas { done: Some(false), .. } => true,
        Op::Redis { command, .. } => {
            let (command, _) = &history.redis[*command as usize];
            matches!(command, crate::kv::Command::Get | crate::kv::Command::Exists)
        }
        _ => false,
    }
}

/// The search for an order, with reads begun earlier.
fn search(history: &Transactions, units: &[&Unit], bound: u64, budget: &mut Budget) -> Judgement {
    let mut moved: Vec<(u64, &Unit)> = units
        .iter()
        .map(|unit| {
            let invoked = history.txns[unit.txn].invoked;
            (if unit.reads { invoked.saturating_sub(bound) } else { invoked }, *unit)
        })
        .collect();
    moved.sort_by_key(|(invoked, _)| *invoked);
    let mut part = history.clone();
    part.txns.clear();
    for (process, (invoked, unit)) in moved.iter().enumerate() {
        let txn = &history.txns[unit.txn];
        let ops = history.ops(unit.txn).iter().filter(|op| op.key() == unit.key).copied();
        // What began earlier may overlap others of its process: each has its own.
        part.push(process as u64, (*invoked, txn.returned), txn.fate, txn.line, ops);
    }
    let original = |number: usize| moved[number].1.txn;
    match order::judge(&part, Level::Linearizable, budget) {
        Judgement::Fails(witness) => {
            let reason = format!("Even if reads may lag by {bound}: {}", witness.reason);
            let mut txns: Vec<usize> = witness.txns.iter().map(|n| original(*n)).collect();
            txns.sort_unstable();
            txns.dedup();
            Judgement::Fails(Box::new(Witness {
                anomaly: "stale-read",
                reason,
                txns,
                stuck: witness.stuck.map(original),
                order: witness.order.iter().map(|n| original(*n)).collect(),
                cycle: Vec::new(),
            }))
        }
        other => other,
    }
}

/// When a transaction was over, if it was.
fn end(txn: &Txn) -> i128 {
    if txn.fate == Fate::Unknown { i128::MAX } else { i128::from(txn.returned) }
}

//! Convergence: once writes of a key stop, its reads come to agree (Vogels, "Eventually consistent", CACM 2009).
//!
//! "Eventually" has no bound, so no finite history refutes it. Judged is agreement at the end: of each process the last
//! read of a key counts, if it began after every write of the key had returned, and all that count must be
//! equal. Who records a history gives the store its time before the last reads; the reason says how much it was.
//! A key with a write of unknown outcome is never quiet: agreement is agreement, but differing reads are no failure.

use crate::names::Table;
use crate::staleness::is_read;
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};
use crate::{Budget, Judgement, Level, Witness};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// The writes of one key.
#[derive(Clone, Copy, Default)]
struct Quiet {
    /// The last of known outcome to return, and when.
    last: Option<(u64, usize)>,
    /// One of them may still happen.
    open: bool,
}

/// Where a last read lies: transaction and operation.
type Place = (usize, usize);

/// Judges whether the last reads agree.
pub fn judge(history: &Transactions, budget: &mut Budget) -> Judgement {
    if !history.timed {
        return Judgement::NotApplicable("the history has no times".into());
    }
    if (budget.expired)() {
        return Judgement::Unknown("the time was up before anything was looked at".into());
    }
    let quiet = quiet(history);
    let last = last_reads(history, &quiet);
    let mut by_key: BTreeMap<KeyId, Vec<Place>> = BTreeMap::new();
    for ((key, _), place) in &last {
        by_key.entry(*key).or_default().push(*place);
    }
    let (mut compared, mut open) = (false, None);
    for (key, reads) in by_key {
        let first = reads[0];
        let other = reads.iter().find(|other| shown(history, **other) != shown(history, first));
        match other {
            Some(other) if !quiet[key.0 as usize].open => {
                let last = quiet[key.0 as usize].last;
                return Judgement::Fails(Box::new(witness(history, key, last, first, *other)));
            }
            Some(_) => open = open.or(Some(key)),
            None => compared |= reads.len() > 1,
        }
    }
    match open {
        Some(key) => Judgement::Unknown(format!(
            "the last reads of {} differ, but one of its writes may still happen",
            history.key_name(key)
        )),
        None if compared => Judgement::Holds,
        None => Judgement::Unknown(
            "no two processes read the same key after its last write had returned".into(),
        ),
    }
}

fn quiet(history: &Transactions) -> Vec<Quiet> {
    let mut quiet = vec![Quiet::default(); history.keys.len()];
    for (number, txn) in history.txns.iter().enumerate() {
        let happened = txn.may_have_happened();
        for op in history.ops(number).iter().filter(|op| happened && !is_read(history, op)) {
            let of = &mut quiet[op.key().0 as usize];
            if txn.fate == Fate::Unknown {
                of.open = true;
            } else {
                of.last = of.last.max(Some((txn.returned, number)));
            }
        }
    }
    quiet
}

/// Of each process and key, the last read that began when the key was quiet. A key with a write of unknown outcome
/// counts as quiet from the return of the others on.
fn last_reads(history: &Transactions, quiet: &[Quiet]) -> BTreeMap<(KeyId, u64), Place> {
    let mut last: Table<(KeyId, u64), Place> = Table::default();
    let mut seen = Vec::new();
    for (number, txn) in history.txns.iter().enumerate() {
        if txn.fate != Fate::Committed {
            continue;
        }
        for (place, op) in history.ops(number).iter().enumerate() {
            let of = &quiet[op.key().0 as usize];
            let late = of.last.is_none_or(|(end, _)| end < txn.invoked);
            if late && shown(history, (number, place)).is_some() {
                let key = (op.key(), txn.process);
                if last.insert(key, (number, place)).is_none() {
                    seen.push(key);
                }
            }
        }
    }
    seen.into_iter().map(|key| (key, last[&key])).collect()
}

/// What a read showed, in one order for a set.
fn shown(history: &Transactions, (txn, op): Place) -> Option<Vec<ValueId>> {
    match history.ops(txn)[op] {
        Op::Read { value, .. } | Op::Count { value, .. } => value.map(|value| vec![value]),
        Op::ReadList { elements, .. } => elements.map(|all| history.elements(all).to_vec()),
        Op::ReadSet { elements, .. } => elements.map(|all| {
            let mut all = history.elements(all).to_vec();
            all.sort_unstable();
            all
        }),
        _ => None,
    }
}

fn witness(
    history: &Transactions,
    key: KeyId,
    last: Option<(u64, usize)>,
    one: Place,
    two: Place,
) -> Witness {
    let name = history.key_name(key);
    let told = |(number, op): Place| {
        let txn = &history.txns[number];
        let began =
            last.map_or(String::new(), |(end, _)| format!(", begun {} later", txn.invoked - end));
        let op = history.describe_op(&history.ops(number)[op]);
        format!("process {} saw {op} (line {}{began})", txn.process, txn.line)
    };
    let ended = match last {
        Some((_, write)) => format!(
            "The last write of {name}, by process {} (line {}), had returned",
            history.txns[write].process, history.txns[write].line
        ),
        None => format!("Nobody writes {name}"),
    };
    let reason = format!("{ended}; then the last reads differ: {}, {}.", told(one), told(two));
    let mut txns: Vec<usize> = last.iter().map(|(_, write)| *write).chain([one.0, two.0]).collect();
    txns.sort_unstable();
    txns.dedup();
    let anomaly = Level::Convergence.name();
    let stuck = Some(one.0.max(two.0));
    Witness { anomaly, reason, txns, stuck, order: Vec::new(), cycle: Vec::new() }
}

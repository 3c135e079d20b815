//! Where a flaw can be planted.

use super::cell::is_read;
use super::flaw::{Flaw, committed};
use crate::kv::Reply;
use crate::names::Table;
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};
use std::collections::VecDeque;

/// So many writes of a key are remembered at a time.
const RECENT: usize = 64;

/// An operation that can be made to see something else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) txn: usize,
    /// Its place among those of the transaction.
    pub(super) op: usize,
    /// What it then sees or misses, as the flaw has it.
    pub(super) value: ValueId,
}

pub(super) struct Sites<'a> {
    history: &'a Transactions,
    found: Vec<Site>,
}

/// What a read saw, if it saw something.
fn saw<'a>(history: &'a Transactions, op: &'a Op) -> Option<&'a [ValueId]> {
    let one = |value: &'a Option<ValueId>| {
        value.as_slice().first().filter(|value| **value != ValueId::NIL).map(std::slice::from_ref)
    };
    match op {
        Op::Read { value, .. } | Op::Dequeue { value, .. } => one(value),
        Op::ReadList { elements, .. } | Op::ReadSet { elements, .. } => {
            elements.map(|all| history.elements(all)).filter(|all| !all.is_empty())
        }
        _ => None,
    }
}

/// Reads of registers and lists: what transactions are about.
fn plain(op: &Op) -> bool {
    matches!(op, Op::Read { .. } | Op::ReadList { .. })
}

/// What an operation puts there, if it is a value that can be told.
fn wrote(op: &Op) -> Option<ValueId> {
    match *op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Insert { value, .. }
        | Op::Cas { to: value, done: Some(true), .. } => Some(value),
        _ => None,
    }
}

impl<'a> Sites<'a> {
    pub(super) fn new(history: &'a Transactions) -> Sites<'a> {
        Sites { history, found: Vec::new() }
    }

    pub(super) fn find(mut self, flaw: Flaw) -> Vec<Site> {
        match flaw {
            Flaw::FromNowhere => self.reads(),
            Flaw::AbortedRead => self.aborted(),
            Flaw::StaleRead | Flaw::LostWrite => self.stale(flaw == Flaw::LostWrite),
            Flaw::Duplicate => self.duplicate(),
            Flaw::LostUpdate => self.lost_update(),
            Flaw::FracturedRead => self.fractured(),
            Flaw::UnseenOwnWrite | Flaw::BackwardRead => self.own(flaw),
            Flaw::UnseenEarlierWrite | Flaw::UnseenCause => self.cause(flaw),
        }
        self.found
    }

    /// Each operation of a committed transaction that comes before any write of its key there.
    fn each(&mut self, mut visit: impl FnMut(&mut Vec<Site>, usize, usize, &'a Op)) {
        for txn in 0..self.history.txns.len() {
            if !committed(self.history, txn) {
                continue;
            }
            let ops = self.history.ops(txn);
            for (op, at) in ops.iter().zip(0..) {
                if !ops[..at].iter().any(|other| other.key() == op.key() && wrote(other).is_some())
                {
                    visit(&mut self.found, txn, at, op);
                }
            }
        }
    }

    fn reads(&mut self) {
        let history = self.history;
        self.each(|found, txn, op, read| {
            if is_read(read, history) || matches!(read, Op::Dequeue { .. }) {
                found.push(Site { txn, op, value: ValueId::NIL });
            }
        });
    }

    fn aborted(&mut self) {
        let history = self.history;
        let mut failed: Table<u32, ValueId> = Table::default();
        for txn in 0..history.txns.len() {
            if history.txns[txn].fate == Fate::Aborted {
                let of = history.ops(txn).iter();
                failed.extend(of.filter_map(|op| Some((op.key().0, wrote(op)?))));
            }
        }
        self.each(|found, txn, op, read| {
            let plain = matches!(read, Op::Read { .. } | Op::ReadList { .. } | Op::ReadSet { .. });
            if let Some(value) = failed.get(&read.key().0).filter(|_| plain) {
                found.push(Site { txn, op, value: *value });
            }
        });
    }

    /// Reads after a write that returned before they were invoked.
    fn stale(&mut self, elements: bool) {
        let history = self.history;
        // By key, the last writes: invoked, returned, value.
        let mut recent: Table<u32, VecDeque<(u64, u64, ValueId)>> = Table::default();
        self.each(|found, number, op, read| {
            let txn = &history.txns[number];
            let writes = recent.entry(read.key().0).or_default();
            if matches!(read, Op::Add { .. } | Op::Redis { .. }) && !is_read(read, history)
                || wrote(read).is_some()
            {
                let value = wrote(read).unwrap_or(ValueId::NIL);
                writes.truncate(RECENT - 1);
                return writes.push_front((txn.invoked, txn.returned, value));
            }
            let settled = writes.iter().find(|(_, returned, _)| *returned < txn.invoked);
            let Some(&(since, _, newest)) = settled else { return };
            let value = match read {
                Op::Read { .. } if elements => return,
                Op::Read { .. } => {
                    let old = writes.iter().find(|(_, returned, _)| *returned < since);
                    old.map_or(ValueId::NIL, |(.., value)| *value)
                }
                Op::ReadList { .. } | Op::ReadSet { .. } => newest,
                Op::Redis { command, .. } if !elements => {
                    let (_, reply) = &history.redis[*command as usize];
                    match reply {
                        Some(Reply::Value(Some(_))) => newest,
                        _ => return,
                    }
                }
                Op::Count { .. } if !elements => newest,
                _ => return,
            };
            let there = |all: &[ValueId]| all.contains(&value);
            if !matches!(read, Op::ReadList { .. } | Op::ReadSet { .. })
                || saw(history, read).is_some_and(there)
            {
                found.push(Site { txn: number, op, value });
            }
        });
    }

    fn duplicate(&mut self) {
        let history = self.history;
        let mut last: Table<u32, ValueId> = Table::default();
        self.each(|found, txn, op, read| {
            let Some(&[value, ..]) = saw(history, read) else { return };
            if matches!(read, Op::ReadList { .. }) {
                found.push(Site { txn, op, value });
            }
            if matches!(read, Op::Dequeue { .. })
                && let Some(before) = last.insert(read.key().0, value)
            {
                found.push(Site { txn, op, value: before });
            }
        });
    }

    /// The transaction that reads what another wrote, that had read what it replaced: if both write.
    fn lost_update(&mut self) {
        let history = self.history;
        // From a value to the one it replaced; of lists, its predecessor if that was the end.
        let mut replaced: Table<ValueId, ValueId> = Table::default();
        let mut seen: Table<ValueId, ()> = Table::default();
        for op in history.all_ops() {
            if let (Op::ReadList { .. }, Some(all)) = (op, saw(history, op)) {
                seen.extend(all.iter().map(|value| (*value, ())));
            }
        }
        self.each(|found, txn, op, first| {
            let key = first.key();
            if let Op::Cas { from, to, done: Some(true), .. } = *first {
                if let Some(before) = replaced.get(&from) {
                    found.push(Site { txn, op, value: *before });
                }
                replaced.insert(to, from);
                return;
            }
            let next = history.ops(txn)[op..].iter().find_map(|other| match *other {
                Op::Write { value, .. } if other.key() == key => Some(value),
                Op::Append { value, .. } if other.key() == key && seen.contains_key(&value) => {
                    Some(value)
                }
                _ => None,
            });
            let Some(next) = next else { return };
            match *first {
                Op::Read { value: Some(value), .. } => {
                    if let Some(before) = replaced.get(&value) {
                        found.push(Site { txn, op, value: *before });
                    }
                    replaced.insert(next, value);
                }
                Op::ReadList { .. } => {
                    let all = saw(history, first).unwrap_or(&[]);
                    // To miss this value is to have read what its writer read.
                    let lost = all.iter().find(|value| replaced.contains_key(value));
                    found.extend(lost.map(|value| Site { txn, op, value: *value }));
                    replaced.insert(next, next);
                }
                _ => {}
            }
        });
    }

    /// Transactions that see one write of another and could have missed a second.
    fn fractured(&mut self) {
        let history = self.history;
        let mut writer: Table<ValueId, usize> = Table::default();
        for txn in 0..history.txns.len() {
            writer.extend(history.ops(txn).iter().filter_map(|op| Some((wrote(op)?, txn))));
        }
        self.each(|found, txn, op, read| {
            if !plain(read) {
                return;
            }
            let others = history.ops(txn).iter().filter(|other| other.key() != read.key());
            for other in others {
                let Some(seen) = saw(history, other).and_then(<[_]>::last) else { continue };
                let Some(&from) = writer.get(seen).filter(|from| **from != txn) else { continue };
                let missed = replaced_by(history, from, read);
                found.extend(missed.map(|value| Site { txn, op, value }));
            }
        });
    }

    /// Reads of nothing by a process that wrote or saw something there.
    fn own(&mut self, flaw: Flaw) {
        let history = self.history;
        let mut before: Table<(u64, KeyId), usize> = Table::default();
        self.each(|found, txn, op, read| {
            let process = history.txns[txn].process;
            let earlier = before.get(&(process, read.key())).is_some_and(|earlier| *earlier < txn);
            if plain(read) && earlier && saw(history, read).is_some() {
                found.push(Site { txn, op, value: ValueId::NIL });
            }
            let counts = match flaw {
                Flaw::UnseenOwnWrite => wrote(read).is_some(),
                _ => saw(history, read).is_some(),
            };
            if counts {
                before.entry((process, read.key())).or_insert(txn);
            }
        });
    }

    /// Reads of nothing by a process that has seen a write whose process had written or seen something there.
    fn cause(&mut self, flaw: Flaw) {
        let history = self.history;
        let mut earliest: Table<(u64, KeyId), usize> = Table::default();
        let mut writer: Table<ValueId, usize> = Table::default();
        for txn in 0..history.txns.len() {
            if !committed(history, txn) {
                continue;
            }
            for op in history.ops(txn) {
                writer.extend(wrote(op).map(|value| (value, txn)));
                let counts = match flaw {
                    Flaw::UnseenEarlierWrite => wrote(op).is_some(),
                    _ => saw(history, op).is_some(),
                };
                if counts {
                    earliest.entry((history.txns[txn].process, op.key())).or_insert(txn);
                }
            }
        }
        // By process: the transaction whose write it saw last, and where.
        let mut last: Table<u64, (usize, usize)> = Table::default();
        self.each(|found, txn, op, read| {
            let process = history.txns[txn].process;
            let Some(&[.., newest]) = saw(history, read).filter(|_| plain(read)) else { return };
            if let Some(&(from, at)) = last.get(&process).filter(|(_, at)| *at < txn) {
                let there = earliest.get(&(history.txns[from].process, read.key()));
                if at < txn && there.is_some_and(|earlier| *earlier < from) {
                    found.push(Site { txn, op, value: ValueId::NIL });
                }
            }
            if let Some(&from) = writer.get(&newest)
                && history.txns[from].process != process
            {
                last.insert(process, (from, txn));
            }
        });
    }
}

/// What `read` sees once it misses what transaction `from` wrote to its key: what that one had read there, or nothing
/// at all; of a list, the element from which on to cut.
fn replaced_by(history: &Transactions, from: usize, read: &Op) -> Option<ValueId> {
    let ops = history.ops(from);
    let place = ops.iter().position(|op| op.key() == read.key() && wrote(op).is_some())?;
    let value = wrote(&ops[place])?;
    match *read {
        Op::ReadList { .. } => saw(history, read).filter(|all| all.contains(&value)).map(|_| value),
        Op::Read { value: Some(now), .. } => {
            let had = ops[..place].iter().find_map(|op| match *op {
                Op::Read { key, value } if key == read.key() => value,
                _ => None,
            });
            let old = had.unwrap_or(ValueId::NIL);
            (old != now).then_some(old)
        }
        _ => None,
    }
}

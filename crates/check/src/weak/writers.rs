//! Who wrote a value: flat, without hashing. The writes of a history, by value and then by key.

use crate::planted::{self, Bug};
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};

/// Marks the last write of a transaction to a key in [`Writers::entries`].
const LAST: u32 = 1 << 31;
/// Marks the first.
const FIRST: u32 = 1 << 30;

/// Where a value that was read came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody wrote it.
    Nobody,
    /// Only this transaction, which was aborted, wrote it.
    Aborted(u32),
    /// Only the reader itself wrote it.
    Reader,
    /// One transaction may have.
    One {
        txn: u32,
        /// It is what that transaction wrote to the key first.
        first: bool,
        /// It is what that transaction wrote to the key last.
        last: bool,
    },
    /// Several transactions may have.
    Several,
}

pub(crate) struct Writers {
    /// Where the entries of a value begin, by its index.
    starts: Vec<u32>,
    /// Key and transaction, by value, then key, then transaction.
    entries: Vec<(u32, u32)>,
}

/// What `op` writes where, if it does or may.
pub(crate) fn written(op: &Op) -> Option<(KeyId, ValueId)> {
    match *op {
        Op::Write { key, value } | Op::Append { key, value } => Some((key, value)),
        Op::Cas { key, to, done, .. } if done != Some(false) => Some((key, to)),
        _ => None,
    }
}

impl Writers {
    /// Panics on 2^30 transactions.
    pub(crate) fn new(history: &Transactions) -> Writers {
        assert!(history.txns.len() < FIRST as usize, "transactions are numbered by 30 bits");
        let mut starts = vec![0_u32; history.value_count() + 2];
        for (_, value) in history.all_ops().iter().filter_map(written) {
            starts[value.index()] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut entries = vec![(0, 0); sum as usize];
        let mut seen = vec![u32::MAX; history.keys.len()];
        let mut first = vec![0; history.keys.len()];
        // Backwards, so that each bucket is filled from its end and ends in the order of the history.
        for txn in (0..history.txns.len()).rev() {
            let number = txn as u32;
            for (key, value) in history.ops(txn).iter().rev().filter_map(written) {
                let last = std::mem::replace(&mut seen[key.0 as usize], number) != number;
                let place = &mut starts[value.index()];
                *place -= 1;
                entries[*place as usize] = (key.0, number | if last { LAST } else { 0 });
                first[key.0 as usize] = *place;
            }
            for (key, _) in history.ops(txn).iter().filter_map(written) {
                entries[first[key.0 as usize] as usize].1 |= FIRST;
            }
        }
        for pair in starts.windows(2).filter(|pair| pair[1] - pair[0] > 1) {
            entries[pair[0] as usize..pair[1] as usize].sort_by_key(|(key, _)| *key);
        }
        Writers { starts, entries }
    }

    /// How often somebody wrote `value` to `key`.
    pub(crate) fn times(&self, key: KeyId, value: ValueId) -> usize {
        self.of(key, value).count()
    }

    fn of(&self, key: KeyId, value: ValueId) -> impl Iterator<Item = &(u32, u32)> {
        let bucket = self.starts[value.index()] as usize..self.starts[value.index() + 1] as usize;
        let bucket = &self.entries[bucket];
        let from = bucket.partition_point(|(of, _)| *of < key.0);
        bucket[from..].iter().take_while(move |(of, _)| *of == key.0)
    }

    /// Where `reader` has `value` of `key` from, which it had not written itself before.
    pub(crate) fn source(
        &self,
        history: &Transactions,
        (key, value): (KeyId, ValueId),
        reader: u32,
    ) -> Source {
        let mut found = Source::Nobody;
        for (_, entry) in self.of(key, value) {
            let txn = entry & !(FIRST | LAST);
            let (first, last) = (entry & FIRST != 0, entry & LAST != 0);
            let aborted = history.txns[txn as usize].fate == Fate::Aborted;
            found = match found {
                Source::Nobody if aborted => Source::Aborted(txn),
                found if aborted => found,
                Source::Nobody if txn == reader => Source::Reader,
                found if txn == reader => found,
                Source::One { txn: other, first: one, last: end } if other == txn => {
                    Source::One { txn, first: one || first, last: end || last }
                }
                found @ Source::One { .. } if planted::is(Bug::FirstOfSeveral) => found,
                Source::One { .. } => return Source::Several,
                _ => Source::One { txn, first, last },
            };
        }
        found
    }
}

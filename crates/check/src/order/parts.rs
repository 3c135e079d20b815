//! A history in parts that can be judged apart (locality: Herlihy and Wing 1990, section 3.3): transactions that share
//! no key, also by way of others. The order of a process ties its transactions together as well, if it is asked for.

use crate::names::Table;
use crate::planted::{self, Bug};
use crate::search::Precedence;
use crate::txn::Transactions;

/// The numbers of the transactions that may have happened, part by part, ascending.
pub(super) fn parts(history: &Transactions, precedence: Precedence) -> Vec<Vec<usize>> {
    let mut sets = Sets { parent: (0..history.keys.len()).collect() };
    let mut processes: Table<u64, usize> = Table::default();
    let may = |number: &usize| history.txns[*number].may_have_happened();
    let numbers = || (0..history.txns.len()).filter(may);
    for number in numbers() {
        let mut keys = history.ops(number).iter().map(|op| op.key().0 as usize);
        let Some(first) = keys.next() else { continue };
        if !planted::is(Bug::KeysApart) {
            keys.for_each(|key| sets.join(first, key));
        }
        if precedence == Precedence::Process {
            let process = history.txns[number].process;
            let other = *processes.entry(process).or_insert(first);
            sets.join(first, other);
        }
    }
    let mut places = vec![usize::MAX; history.keys.len()];
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for number in numbers() {
        let Some(op) = history.ops(number).first() else { continue };
        let root = sets.root(op.key().0 as usize);
        if places[root] == usize::MAX {
            places[root] = parts.len();
            parts.push(Vec::new());
        }
        parts[places[root]].push(number);
    }
    parts
}

/// Disjoint sets of keys.
struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    /// The representative; paths are halved on the way.
    fn root(&mut self, mut of: usize) -> usize {
        while self.parent[of] != of {
            self.parent[of] = self.parent[self.parent[of]];
            of = self.parent[of];
        }
        of
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }
}

//! Isolation by dependency cycles, over lists that are appended to and registers with unique writes: Adya 1999
//! ("Weak consistency"); Kingsbury and Alvaro, "Elle", VLDB 2020.
//!
//! | file | what |
//! | --- | --- |
//! | `facts` | the operations of each key; which transactions of unknown fate happened |
//! | `sink` | dependencies, and anomalies that are no cycles |
//! | `list`, `register`, `versions` | what the operations on one key say |
//! | `graph` | the direct serialization graph, with processes and real time |
//! | `components`, `cycle` | components; from one to a short cycle and its name |
//! | `serial`, `snapshot` | from a graph without bad cycles to an order |
//! | `replay` | runs that order: the proof of every `Holds` |
//! | `explain` | a cycle in words |
//!
//! What each level forbids, by Adya's names as Elle uses them. A level forbids what those above it in the table do:
//!
//! | level | Adya | anomalies |
//! | --- | --- | --- |
//! | read uncommitted | PL-1 | G0, duplicate-elements, cyclic-versions |
//! | read committed | PL-2 | G1a, G1b, G1c, dirty-update, garbage-read, incompatible-order, future-read |
//! | read atomic | | internal |
//! | snapshot isolation | PL-SI, generalized | lost-update, G-single, G-nonadjacent, long-fork |
//! | repeatable read | PL-2.99 | G2-item (write skew is one) |
//! | serializable | PL-3 | G2: there are no predicates here, so it is G2-item |
//! | sequential | strong session PL-3 | the above with `-process` |
//! | strict serializable | PL-SS | the above with `-realtime` |
//!
//! Read committed and read atomic are here only failed, and granted only if a sequential order is found: their
//! definition in this crate (Biswas and Enea, OOPSLA 2019) knows processes.
//!
//! Invariants: a dependency is certain: it follows from what was read at every level that is judged by it. A level
//! holds only if an order of the transactions that happened has been run and shows what was seen; for read
//! uncommitted, if the writes whose order is known have no cycle, since the others may then take any order. For lists
//! the graph alone decides (appends that nobody saw come after all others, in any order); for registers whose
//! versions are known in part, an order may exist and not be found: `Unknown`.

mod components;
mod cycle;
mod deadlock;
mod explain;
mod facts;
mod graph;
mod list;
mod register;
mod replay;
mod serial;
mod sink;
mod snapshot;
mod verdict;
mod versions;
mod windows;

#[cfg(test)]
mod tests;

use crate::{Budget, Judgement, KeyId, Level, Transactions};
use facts::{Facts, Shape, Slots};
use sink::Sink;

/// What is assumed of registers beyond what was read (Elle's options of the same names). It makes more violations
/// visible, which are violations only if the assumption is meant to hold. By default nothing is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each register by itself is linearizable: what begins after an access has returned finds that version or a
    /// later one.
    pub linearizable_keys: bool,
    /// Each register by itself is sequentially consistent: a process finds the versions of a key in their order.
    pub sequential_keys: bool,
}

/// Judges `history` at all levels of isolation; those it cannot speak of are left out if others judge them too.
pub fn judge(
    history: &Transactions,
    options: &Options,
    budget: &mut Budget,
) -> Vec<(Level, Judgement)> {
    let own = [Level::SnapshotIsolation, Level::RepeatableRead, Level::ReadUncommitted];
    if let Some(why) = facts::foreign(history) {
        return own.map(|level| (level, Judgement::NotApplicable(why.clone()))).to_vec();
    }
    if history.txns.len() > facts::MOST {
        let why = format!("more than {} transactions", facts::MOST);
        return own.map(|level| (level, Judgement::Unknown(why.clone()))).to_vec();
    }
    let mut scan = Scan::new(history, Assumed { options: *options, chains: false });
    let mut facts = Facts::of(history);
    facts.settle(&mut scan.slots);
    let mut builder = graph::Builder::of(&facts);
    if let Err(why) = scan.all(&facts, &mut builder, budget) {
        return own.map(|level| (level, Judgement::Unknown(why.clone()))).to_vec();
    }
    let (mut graph, findings) = builder.build();
    verdict::Case { facts: &facts, graph: &mut graph, findings: &findings, scan }.judge(budget)
}

/// What a scan takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Assumed {
    options: Options,
    /// Whether what is assumed of a version is true of its whole chain: so it is where lost updates are forbidden.
    chains: bool,
}

/// Goes through the operations of keys.
struct Scan {
    assumed: Assumed,
    slots: Slots,
    list: list::List,
    register: register::Register,
}

impl Scan {
    fn new(history: &Transactions, assumed: Assumed) -> Scan {
        let (list, register) = (list::List::default(), register::Register::default());
        Scan { assumed, slots: Slots::of(history), list, register }
    }

    /// Tells `sink` about every key, or why the budget did not allow it.
    fn all(
        &mut self,
        facts: &Facts<'_>,
        sink: &mut impl Sink,
        budget: &Budget,
    ) -> Result<(), String> {
        let keys = facts.history.keys.len();
        for key in 0..keys {
            if key.is_multiple_of(1024) && (budget.expired)() {
                return Err(format!("the time was up after {key} of {keys} keys"));
            }
            self.key(facts, KeyId(key as u32), sink);
        }
        Ok(())
    }

    fn key(&mut self, facts: &Facts<'_>, key: KeyId, sink: &mut impl Sink) {
        match facts.shape(key) {
            Some(Shape::List) => self.list.analyse(facts, key, &mut self.slots, sink),
            Some(Shape::Register) => {
                self.register.analyse(facts, key, self.assumed, &mut self.slots, sink);
            }
            None => {}
        }
    }
}

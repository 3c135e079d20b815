//! Read committed and read atomic, and what the causal levels share with them: who read from whom.
//!
//! The axioms are those of Biswas and Enea, "On the complexity of checking transactional consistency", OOPSLA
//! 2019: there is one commit order of all transactions that contains session order and reads-from, and if t3
//! read a key from t1, then any other t2 that wrote that key comes before t1 in it as soon as t3 knows of t2:
//! for read committed, by an earlier read of the same transaction; for read atomic, by session order or any of its
//! reads. The algorithms have the complexity of AWDIT (Møldrup and Pavlogiannis, PLDI 2025).
//!
//! | file | what |
//! | --- | --- |
//! | `writers` | who wrote a value |
//! | `look` | a transaction by itself: what it saw of others |
//! | `build`, `lists` | the history with every read resolved, or the read that nothing explains |
//! | `resolved` | sessions, reads-from, flat; parts of it |
//! | `levels` | the arcs that a level derives |
//! | `graph` | cycles, paths, and an order if there is no cycle |
//! | `shrink`, `words` | the smallest part that still fails, and its witness |
//!
//! A list is a register whose versions tell their order: a read sees the append of every element, and no order of
//! versions but the one it shows. Where a value was written more than once, or a compare-and-set tells only what
//! was not there, the read constrains nothing: what fails still fails for certain, and nothing else is decided.

pub(crate) mod build;
pub(crate) mod graph;
pub(crate) mod levels;
mod lists;
mod look;
pub(crate) mod resolved;
mod shrink;
#[cfg(test)]
pub(crate) mod tests;
mod words;
mod writers;

use crate::meter::{Meter, Spent};
use crate::{Budget, Judgement, Level, Transactions};
use graph::{Arc, Derived, Graph, Why};
use resolved::{INIT, Resolved};

/// Something no order allows.
pub(crate) struct Found {
    /// A cycle, or one arc to the initial state.
    pub(crate) arcs: Vec<Arc>,
    /// Nodes that do not go together, those of the cycle among them.
    pub(crate) nodes: Vec<u32>,
}

/// Looks for what is wrong with a history at a level.
pub(crate) type Find = fn(&Resolved, Level, &mut Meter<'_>) -> Result<Option<Found>, Spent>;

impl Found {
    /// A write that is known to someone who found the initial state.
    pub(crate) fn initial(Derived { from, to, by, key }: Derived) -> Found {
        let arcs = vec![Arc { from, to, why: Why::Derived { by, key } }];
        Found { arcs, nodes: vec![from, by] }
    }

    /// A cycle; whoever made its arcs necessary is part of it.
    pub(crate) fn cycle(arcs: Vec<Arc>) -> Found {
        let mut found = Found { arcs: Vec::new(), nodes: Vec::new() };
        found.add(&arcs);
        found.arcs = arcs;
        found
    }

    /// Adds what lies on a path.
    pub(crate) fn add(&mut self, arcs: &[Arc]) {
        for arc in arcs {
            self.nodes.extend([arc.from, arc.to]);
            if let Why::Derived { by, .. } = arc.why {
                self.nodes.push(by);
            }
        }
    }
}

/// Judges `level`, read committed or read atomic, in time O(n^1.5) of n operations.
pub fn judge(h: &Transactions, level: Level, budget: &mut Budget) -> Judgement {
    decide(h, level, budget, find)
}

fn find(resolved: &Resolved, level: Level, meter: &mut Meter<'_>) -> Result<Option<Found>, Spent> {
    let arcs = match level {
        Level::ReadCommitted => levels::committed(resolved, meter)?,
        _ => levels::atomic(resolved, meter)?,
    };
    if let Some(initial) = arcs.initial {
        return Ok(Some(Found::initial(initial)));
    }
    // What a list tells comes first: of two reasons it is the plainer one.
    let mut list = levels::versions(resolved, 1, |_| true);
    list.extend(arcs.list);
    let graph = Graph::new(resolved, &list);
    let cyclic = graph.sort().cyclic;
    let smallest = cyclic.iter().min_by_key(|component| component.len());
    Ok(smallest.map(|component| Found::cycle(graph.cycle(component))))
}

/// The judgement that `find` comes to, with the smallest part that it still finds something in.
pub(crate) fn decide(h: &Transactions, level: Level, budget: &mut Budget, find: Find) -> Judgement {
    let resolved = match build::resolve(h, level) {
        Ok(resolved) => resolved,
        Err(judgement) => return judgement,
    };
    let mut meter = Meter::new(budget);
    let found = match find(&resolved, level, &mut meter) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return match resolved.doubt {
                None => Judgement::Holds,
                Some(doubt) => Judgement::Unknown(format!("nothing is found, but {doubt}")),
            };
        }
        Err(Spent(why)) => return Judgement::Unknown(why),
    };
    assert!(found.nodes.iter().all(|&node| node != INIT), "the initial state is no node");
    let (part, found) = shrink::smallest(&resolved, found, level, find, &mut meter);
    Judgement::Fails(Box::new(words::witness(h, &part, &found, level)))
}

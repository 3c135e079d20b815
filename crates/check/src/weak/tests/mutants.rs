//! Checkers with a bug, each of which the comparison with the definitions must find.

use super::compare;
use super::stories::tell;
use crate::Level;
use crate::meter::{Meter, Spent};
use crate::planted::{self, Bug};
use crate::weak::graph::Graph;
use crate::weak::levels::{Arcs, atomic, committed, versions};
use crate::weak::resolved::{AFTER, INIT, Resolved, SEEN};
use crate::weak::{Find, Found};
use crate::{causal, weak};
use std::panic::catch_unwind;

type Answer = Result<Option<Found>, Spent>;

fn good(resolved: &Resolved, level: Level, meter: &mut Meter<'_>) -> Answer {
    match level {
        Level::ReadCommitted | Level::ReadAtomic => weak::find(resolved, level, meter),
        _ => causal::find(resolved, level, meter),
    }
}

/// The rest of a checker that derived `arcs`.
fn finish(resolved: &Resolved, arcs: Arcs, lists: bool) -> Answer {
    if let Some(initial) = arcs.initial {
        return Ok(Some(Found::initial(initial)));
    }
    let mut list = arcs.list;
    list.extend(versions(resolved, 1, |_| lists));
    let graph = Graph::new(resolved, &list);
    Ok(graph.sort().cyclic.first().map(|component| Found::cycle(graph.cycle(component))))
}

fn altered(
    resolved: &Resolved,
    level: Level,
    meter: &mut Meter<'_>,
    how: fn(&mut Resolved),
) -> Answer {
    let mut resolved = resolved.clone();
    how(&mut resolved);
    good(&resolved, level, meter)
}

/// Without the reads that `keep` does not keep.
fn without(resolved: &mut Resolved, keep: impl Fn(u32, u32) -> bool) {
    let (mut reads, mut at) = (Vec::new(), vec![0]);
    for node in resolved.nodes() {
        reads.extend(resolved.reads(node).iter().filter(|read| keep(read.key, read.from)));
        at.push(u32::try_from(reads.len()).unwrap());
    }
    (resolved.reads, resolved.reads_at) = (reads, at);
}

const RC: Level = Level::ReadCommitted;
const RA: Level = Level::ReadAtomic;
const CC: Level = Level::CausalConsistency;
const CM: Level = Level::CausalMemory;
const CCV: Level = Level::CausalConvergence;

/// What is wrong with each, the level it is to judge, and it.
const MUTANTS: [(&str, Level, Find); 16] = [
    ("read atomic derives what read committed does", RA, |r, _, m| {
        finish(r, committed(r, m)?, true)
    }),
    ("read committed derives what read atomic does", RC, |r, _, m| finish(r, atomic(r, m)?, true)),
    ("read committed takes no order from lists", RC, |r, _, m| finish(r, committed(r, m)?, false)),
    ("read atomic forgets reads of the initial state", RA, |r, _, m| {
        finish(r, Arcs { initial: None, ..atomic(r, m)? }, true)
    }),
    ("read atomic forgets session order", RA, |r, _, m| {
        let mut arcs = atomic(r, m)?;
        let session = |node: u32| r.session[node as usize];
        arcs.list.retain(|arc| session(arc.from) != session(arc.by));
        finish(r, arcs, true)
    }),
    ("read committed takes reads in reverse", RC, |r, level, m| {
        altered(r, level, m, |r| {
            for node in 0..r.len() {
                let reads = r.reads_at[node] as usize..r.reads_at[node + 1] as usize;
                r.reads[reads].reverse();
            }
        })
    }),
    ("every transaction has a session of its own", RA, |r, level, m| {
        altered(r, level, m, |r| {
            r.session = r.nodes().collect();
            r.starts = (0..=r.nodes().end).collect();
        })
    }),
    ("what comes before an unknown one is forgotten", CC, |r, level, m| {
        altered(r, level, m, |r| without(r, |key, _| key != AFTER))
    }),
    ("a list shows its last element only", CC, |r, level, m| {
        altered(r, level, m, |r| without(r, |key, _| key != SEEN))
    }),
    ("the initial state is never overwritten", CCV, |r, level, m| {
        altered(r, level, m, |r| without(r, |_, from| from != INIT))
    }),
    ("CCv is judged as CC", CCV, |r, _, m| good(r, CC, m)),
    ("CCv is judged as CM", CCV, |r, _, m| good(r, CM, m)),
    ("CM is judged as CC", CM, |r, _, m| good(r, CC, m)),
    ("CM is judged as CCv", CM, |r, _, m| good(r, CCV, m)),
    ("CC is judged as CCv", CC, |r, _, m| good(r, CCV, m)),
    ("CC is judged as CM", CC, |r, _, m| good(r, CM, m)),
];

#[test]
fn each_mutant_is_found() {
    for (what, level, find) in MUTANTS {
        assert!(compare(level, 1_500, find).is_err(), "not found: {what}");
    }
}

/// Bugs within the checkers, and a level that each spoils.
const BUGS: [(Bug, Level); 16] = [
    (Bug::NoLowLink, CC),
    (Bug::FirstOfSeveral, CC),
    (Bug::NoLaterRead, RC),
    (Bug::ForkKnowsLast, RA),
    (Bug::ForkIsLink, CC),
    (Bug::LongestListOnly, RC),
    (Bug::TornLists, RA),
    (Bug::OwnPast, CCV),
    (Bug::ShortPast, CC),
    (Bug::FirstArc, CCV),
    (Bug::NearlyNew, CCV),
    (Bug::LateLevel, CM),
    (Bug::OneRound, CM),
    (Bug::AlwaysForward, CM),
    (Bug::NotLowered, CM),
    (Bug::NoOwnLists, CC),
];

#[test]
fn each_planted_bug_is_found() {
    let mut left = Vec::new();
    for (bug, level) in BUGS {
        // An assertion of the checker may be faster than the comparison.
        let passes = || compare(level, 2_000, good).is_ok() && tell().1.is_empty();
        let passed = catch_unwind(|| planted::with(bug, passes));
        if passed.is_ok_and(|passed| passed) {
            left.push((bug, level));
        }
    }
    assert!(left.is_empty(), "not found: {left:?}");
}

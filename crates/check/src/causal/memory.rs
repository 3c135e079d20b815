//! Causal memory (CM): is there, for each process, one order of its causal past that explains all it read?
//!
//! The happened-before of a process grows from the causal order: a write that happened before a read of the process
//! happened before the write that was read, and so on until nothing is new (`HB` of POPL 2017; the rule is applied
//! to all reads of the process at once, since what happened before its last operation contains the rest).

use super::columns::{Last, Latest, Past, walk};
use super::convergence::{Outcome, converge};
use crate::meter::{Meter, Spent};
use crate::names::Table;
use crate::planted::{self, Bug};
use crate::weak::Found;
use crate::weak::graph::{Arc, Derived, Graph, LISTED, Why};
use crate::weak::levels::{Arcs, key_count, versions};
use crate::weak::resolved::{INIT, Resolved};
use std::cell::Cell;
use std::ops::Range;

/// The level of what did not happen before anything of the process.
const NEVER: u32 = u32::MAX;

pub(super) fn find(resolved: &Resolved, meter: &mut Meter<'_>) -> Result<Option<Found>, Spent> {
    let (past, order) = match converge(resolved, meter)? {
        Outcome::Bad(found) => return Ok(Some(found)),
        Outcome::Good { past, order } => (past, order),
        Outcome::Cyclic { past, .. } => {
            let order = past.order.clone();
            (past, order)
        }
    };
    let mut rank = vec![0; resolved.len()];
    order.iter().zip(0..).for_each(|(&node, at)| rank[node as usize] = at);
    // The order of invocation serves better, if it is one: a store that has one order mostly has that.
    let later = |(node, before): (u32, &[u32])| {
        let txn = |node: u32| resolved.txn[node as usize];
        before.iter().all(|&from| txn(from) < txn(node))
    };
    let ranks = match past.steps().all(later) {
        true => vec![resolved.txn.clone(), rank],
        false => vec![rank],
    };
    let mut last = Last::new(key_count(resolved));
    for nodes in resolved.sessions() {
        let lists = versions(resolved, 1, |node| nodes.contains(&node));
        let mut process = Process { past: &past, nodes, lists, last: &mut last };
        if !process.agrees(&ranks, meter)?
            && let Some(found) = process.saturate(meter)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

struct Process<'a> {
    past: &'a Past<'a>,
    nodes: Range<u32>,
    /// The orders that lists told it.
    lists: Vec<Derived>,
    last: &'a mut Last,
}

impl Process<'_> {
    /// Whether everything derived for this process goes forward in one of some orders, as causes do, so that there is
    /// no cycle. The level of a node is the place of the first of the process's own nodes that it happened before.
    fn agrees(&mut self, ranks: &[Vec<u32>], meter: &mut Meter<'_>) -> Result<bool, Spent> {
        let resolved = self.past.resolved;
        let levels: Vec<Cell<u32>> = vec![Cell::new(NEVER); resolved.len()];
        let level = |node: u32| &levels[node as usize];
        for node in self.nodes.clone() {
            level(node).set(resolved.place(node));
        }
        loop {
            for (node, before) in self.past.steps().rev() {
                let at = level(node).get();
                for &from in before.iter().filter(|_| at != NEVER) {
                    level(from).set(level(from).get().min(at));
                }
            }
            if self.nodes.clone().any(|node| level(node).get() != resolved.place(node)) {
                return Ok(false);
            }
            let (mut forward, mut lowered) = (vec![true; ranks.len()], false);
            let mut arc = |arc: &Derived| {
                let Derived { from, to, .. } = *arc;
                if to == INIT {
                    forward.fill(false);
                } else if from != to && level(to).get() != NEVER {
                    for (rank, forward) in ranks.iter().zip(&mut forward) {
                        *forward &= rank[from as usize] < rank[to as usize]
                            || planted::is(Bug::AlwaysForward);
                    }
                    if level(from).get() > level(to).get() {
                        level(from).set(level(to).get());
                        lowered = !planted::is(Bug::NotLowered);
                    }
                }
            };
            self.lists.iter().for_each(&mut arc);
            for session in self.past.writing() {
                self.derive(session, |node| level(node).get(), |found| arc(&found));
                meter.tick(self.work(), || self.how_far())?;
            }
            let forward = forward.contains(&true);
            if !forward || !lowered {
                return Ok(forward);
            }
        }
    }

    /// Calls `visit` with what is derived from the writes of `session`.
    fn derive(&mut self, session: u32, level: impl Fn(u32) -> u32, visit: impl FnMut(Derived)) {
        let resolved = self.past.resolved;
        let own = resolved.session[self.nodes.start as usize] == session;
        let known = |by: u32, next: u32| match own {
            true => next < by,
            false => {
                level(next).saturating_add(u32::from(planted::is(Bug::LateLevel)))
                    <= resolved.place(by)
            }
        };
        walk(resolved, session, self.nodes.clone(), self.last, known, visit);
    }

    /// The whole of what happened before, in rounds: an arc of one round follows from those of the rounds before.
    fn saturate(&mut self, meter: &mut Meter<'_>) -> Result<Option<Found>, Spent> {
        let resolved = self.past.resolved;
        let mut latest = Latest::new(resolved.len());
        let mut arcs = self.lists.clone();
        let mut rounds: Table<(u32, u32), u32> = Table::default();
        rounds.extend(arcs.iter().map(|arc| ((arc.from, arc.to), 0)));
        for round in 1.. {
            let graph = Graph::new(resolved, &arcs);
            let sorted = graph.sort();
            if let Some(smallest) = sorted.cyclic.iter().min_by_key(|nodes| nodes.len()) {
                return Ok(Some(explain(&graph, &rounds, round, graph.cycle(smallest))));
            }
            let mut level = vec![NEVER; resolved.len()];
            for &node in sorted.order.iter().rev() {
                if self.nodes.contains(&node) {
                    level[node as usize] = level[node as usize].min(resolved.place(node));
                }
                let at = level[node as usize];
                for arc in graph.arcs(node) {
                    level[arc.from as usize] = level[arc.from as usize].min(at);
                }
            }
            let mut fresh = Arcs::default();
            let mut derived = Vec::new();
            for session in self.past.writing() {
                meter.tick(self.work(), || self.how_far())?;
                let visit = |arc: Derived| match arc.to {
                    INIT => fresh.push(resolved, arc),
                    _ => latest.push(arc),
                };
                self.derive(session, |node| level[node as usize], visit);
                latest.take(&mut derived);
                meter.keep(arcs.len() + derived.len())?;
            }
            if let Some(initial) = fresh.initial {
                let arcs = Found::initial(initial).arcs;
                return Ok(Some(explain(&graph, &rounds, round, arcs)));
            }
            derived.retain(|arc| !rounds.contains_key(&(arc.from, arc.to)));
            derived.into_iter().for_each(|arc| fresh.push(resolved, arc));
            if fresh.list.is_empty() || planted::is(Bug::OneRound) && round > 1 {
                return Ok(None);
            }
            meter.step(fresh.list.len(), || self.how_far())?;
            rounds.extend(fresh.list.iter().map(|arc| ((arc.from, arc.to), round)));
            arcs.append(&mut fresh.list);
        }
        unreachable!("rounds end when nothing is new")
    }

    fn work(&self) -> usize {
        self.past.resolved.len() / 64 + self.nodes.len()
    }

    fn how_far(&self) -> String {
        let resolved = self.past.resolved;
        let session = resolved.session[self.nodes.start as usize];
        format!("at process {session} of {}", resolved.starts.len() - 1)
    }
}

/// `arcs` with all they follow from: a path for each derived arc, of arcs of earlier rounds, and so on.
fn explain(graph: &Graph<'_>, rounds: &Table<(u32, u32), u32>, now: u32, arcs: Vec<Arc>) -> Found {
    let mut found = Found::cycle(arcs.clone());
    found.nodes.retain(|&node| node != INIT);
    let round = |arc: &Arc| match arc.why {
        Why::Derived { .. } => rounds.get(&(arc.from, arc.to)).copied().unwrap_or(now),
        _ => 0,
    };
    let mut told: Table<(u32, u32), ()> = Table::default();
    let mut waiting = arcs;
    while let Some(arc) = waiting.pop() {
        let Why::Derived { by, key } = arc.why else { continue };
        if key & LISTED != 0 || told.insert((arc.from, arc.to), ()).is_some() {
            continue;
        }
        let path = graph.path(arc.from, by, |before| round(before) < round(&arc));
        let path = path.expect("what is derived happened before");
        found.add(&path);
        waiting.extend(path);
    }
    found
}

//! What must come before what: session order and reads-from, and arcs that a level derives from them.
//!
//! Strongly connected components after Tarjan, SIAM J. Comput. 1(2), 1972, without recursion. They come out
//! in an order that respects every arc between them, so that one pass both finds the cycles and a commit order.

use super::resolved::{AFTER, INIT, Read, Resolved};
use crate::names::Table;
use crate::planted::{self, Bug};
use std::collections::VecDeque;

/// `from` must come before `to`, because it wrote `key` and comes before `by`, which read `key` from `to`; or,
/// with [`LISTED`] in `key`, because `by` read a list in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) from: u32,
    /// Or [`INIT`], before which there is nothing.
    pub(crate) to: u32,
    pub(crate) by: u32,
    pub(crate) key: u32,
}

/// Marks a key whose versions a list tells.
pub(crate) const LISTED: u32 = 1 << 31;

/// Why one node comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Session,
    /// The later read what the earlier wrote to this key; [`super::resolved::SEEN`]: it saw an append of it.
    Reads(u32),
    Derived {
        by: u32,
        key: u32,
    },
}

/// A step of a cycle or of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arc {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) why: Why,
}

pub(crate) struct Graph<'a> {
    pub(crate) resolved: &'a Resolved,
    /// Where the derived arcs to each node begin.
    at: Vec<u32>,
    derived: Vec<Derived>,
}

/// An order of all nodes, or what is in the way of one.
pub(crate) struct Sorted {
    /// Every arc goes forward, except within a component.
    pub(crate) order: Vec<u32>,
    /// The components of more than one node, each ascending.
    pub(crate) cyclic: Vec<Vec<u32>>,
}

impl<'a> Graph<'a> {
    /// With arcs that end in nodes.
    pub(crate) fn new(resolved: &'a Resolved, arcs: &[Derived]) -> Graph<'a> {
        let mut at = vec![0_u32; resolved.len() + 1];
        for arc in arcs {
            at[arc.to as usize] += 1;
        }
        let mut sum = 0;
        for start in &mut at {
            sum += *start;
            *start = sum;
        }
        let nothing = Derived { from: 0, to: 0, by: 0, key: 0 };
        let mut derived = vec![nothing; arcs.len()];
        for arc in arcs.iter().rev() {
            let place = &mut at[arc.to as usize];
            *place -= 1;
            derived[*place as usize] = *arc;
        }
        Graph { resolved, at, derived }
    }

    fn derived(&self, to: u32) -> &[Derived] {
        &self.derived[self.at[to as usize] as usize..self.at[to as usize + 1] as usize]
    }

    /// The arc to `to` of this number; INIT for one that there is none behind; `None` after the last.
    fn pred(&self, to: u32, number: u32) -> Option<u32> {
        if number == 0 {
            return Some(self.resolved.previous(to).unwrap_or(INIT));
        }
        let reads = self.resolved.reads(to);
        let number = number as usize - 1;
        match reads.get(number) {
            Some(read) => Some(read.from),
            None => self.derived(to).get(number - reads.len()).map(|arc| arc.from),
        }
    }

    /// All arcs to `to`.
    pub(crate) fn arcs(&self, to: u32) -> impl Iterator<Item = Arc> {
        let session = self.resolved.previous(to).map(|from| Arc { from, to, why: Why::Session });
        let reads = self.resolved.reads(to).iter().filter(|read| read.from != INIT);
        let why = |read: &Read| match read.key {
            AFTER => Why::Session,
            key => Why::Reads(key),
        };
        let reads = reads.map(move |read| Arc { from: read.from, to, why: why(read) });
        let derived = self.derived(to).iter();
        let derived = derived.map(move |&Derived { from, by, key, .. }| {
            let why = Why::Derived { by, key };
            Arc { from, to, why }
        });
        session.into_iter().chain(reads).chain(derived)
    }

    /// Every node after those it must follow.
    pub(crate) fn sort(&self) -> Sorted {
        let n = self.resolved.len();
        let mut sorted = Sorted { order: Vec::with_capacity(n), cyclic: Vec::new() };
        let (mut low, mut open, mut calls) = (vec![NEW; n], Vec::new(), Vec::new());
        let mut clock = NEW;
        for root in self.resolved.nodes() {
            if low[root as usize] == NEW {
                calls.push((root, 0, NEW));
            }
            while let Some((node, mut number, mut entered)) = calls.pop() {
                if entered == NEW {
                    clock += 1;
                    (low[node as usize], entered) = (clock, clock);
                    open.push(node);
                }
                let deeper = loop {
                    let Some(from) = self.pred(node, number) else { break false };
                    let seen = if from == INIT { DONE } else { low[from as usize] };
                    if seen == NEW {
                        // Asked for the same one again on the way back, for what it reached.
                        calls.push((node, number, entered));
                        calls.push((from, 0, NEW));
                        break true;
                    }
                    if !planted::is(Bug::NoLowLink) {
                        low[node as usize] = low[node as usize].min(seen);
                    }
                    number += 1;
                };
                if !deeper && low[node as usize] == entered {
                    close(node, &mut open, &mut low, &mut sorted);
                }
            }
        }
        sorted
    }

    /// The path from `from` to `to`, or the cycle if they are one, with the fewest arcs that are not session order,
    /// of those that `allow` allows. Steps along one session are one arc.
    pub(crate) fn path(
        &self,
        from: u32,
        to: u32,
        allow: impl Fn(&Arc) -> bool,
    ) -> Option<Vec<Arc>> {
        let mut best: Table<u32, (u32, Arc)> = Table::default();
        let mut queue = VecDeque::from([(to, 0)]);
        let mut found: Option<(u32, Arc)> = None;
        while let Some((node, far)) = queue.pop_front() {
            if found.is_some_and(|(end, _)| end <= far) {
                break;
            }
            if far > 0 && best.get(&node).is_some_and(|(known, _)| *known < far) {
                continue;
            }
            for arc in self.arcs(node).filter(&allow) {
                let next = far + u32::from(arc.why != Why::Session);
                let known = match arc.from == from {
                    true => found.as_ref(),
                    false => best.get(&arc.from),
                };
                if arc.from == to && from != to || known.is_some_and(|(known, _)| *known <= next) {
                    continue;
                }
                if arc.from == from {
                    found = Some((next, arc));
                    continue;
                }
                best.insert(arc.from, (next, arc));
                match next == far {
                    true => queue.push_front((arc.from, next)),
                    false => queue.push_back((arc.from, next)),
                }
            }
        }
        let mut path = vec![found?.1];
        while path[path.len() - 1].to != to {
            let arc = best[&path[path.len() - 1].to].1;
            match path.last_mut() {
                Some(last) if last.why == Why::Session && arc.why == Why::Session => {
                    last.to = arc.to;
                }
                _ => path.push(arc),
            }
        }
        Some(path)
    }

    /// A short cycle within one component.
    pub(crate) fn cycle(&self, component: &[u32]) -> Vec<Arc> {
        let mut inside = vec![false; self.resolved.len()];
        for &node in component {
            inside[node as usize] = true;
        }
        let starts = (STARTS_WORK / component.len()).clamp(1, component.len());
        let step = component.len() / starts;
        let cycles = component.iter().step_by(step).take(starts);
        let cycles =
            cycles.filter_map(|&start| self.path(start, start, |arc| inside[arc.from as usize]));
        let mut best: Option<Vec<Arc>> = None;
        for cycle in cycles {
            if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                best = Some(cycle);
            }
        }
        best.expect("every node of a component lies on a cycle")
    }
}

const NEW: u32 = 0;
const DONE: u32 = u32::MAX;
/// Nodes looked at for a short cycle, about.
const STARTS_WORK: usize = 100_000;

/// The component whose nodes were opened from `root` on is complete.
fn close(root: u32, open: &mut Vec<u32>, low: &mut [u32], sorted: &mut Sorted) {
    let from = sorted.order.len();
    while let Some(node) = open.pop() {
        low[node as usize] = DONE;
        sorted.order.push(node);
        if node == root {
            break;
        }
    }
    let component = &sorted.order[from..];
    if component.len() > 1 {
        let mut component = component.to_vec();
        component.sort_unstable();
        sorted.cyclic.push(component);
    }
}

//! From a component to a short cycle in it, and the name of that (Adya 1999; Elle, VLDB 2020).

use super::components::Components;
use super::graph::{FREE, Graph, RW, Space, kind};
use crate::level::EdgeKind;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Before a cycle has one more anti-dependency it may have that many more other edges: fewer anti-dependencies
/// break weaker levels.
const RW_COST: u32 = 4;
/// Searches begin at so many nodes of a component at most.
const STARTS: usize = 256;
/// So many components, the smallest ones, are searched.
const COMPONENTS: usize = 16;
/// Nodes visited for one cycle; one at least is found all the same.
const VISITS: usize = 2_000_000;

/// An edge of a cycle between transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) kind: EdgeKind,
}

/// Components of more than one node that hold all cycles of a space through `roots`, the smallest first.
pub(super) fn components(
    graph: &Graph,
    space: Space,
    roots: impl Iterator<Item = u32>,
) -> Vec<Vec<u32>> {
    let next = |node, cursor: &mut u32| graph.next(space, node, cursor).map(|(_, to)| to);
    let mut found = Components::default().find(graph.count(), roots, next);
    found.sort_by_key(Vec::len);
    found
}

/// A short cycle of a space within one of `components`, if there is any.
pub(super) fn shortest(graph: &Graph, space: Space, components: &[Vec<u32>]) -> Option<Vec<Step>> {
    let largest = components.iter().take(COMPONENTS).map(Vec::len).max()?;
    let (place, reached) = (vec![u32::MAX; graph.count()], vec![UNREACHED; largest]);
    let mut search = Search { graph, space, place, reached, touched: Vec::new(), visits: VISITS };
    let found = components.iter().take(COMPONENTS).filter_map(|component| search.within(component));
    let (_, nodes) = found.min_by_key(|(cost, nodes)| (*cost, nodes.len()))?;
    Some(steps(graph, space, &nodes))
}

struct Search<'g> {
    graph: &'g Graph,
    space: Space,
    /// The place of a node in the component, or `u32::MAX`.
    place: Vec<u32>,
    /// How each place was reached, and which were.
    reached: Vec<Reached>,
    touched: Vec<u32>,
    visits: usize,
}

/// How a node was reached.
#[derive(Clone, Copy)]
struct Reached {
    cost: u32,
    from: u32,
    step: u32,
}

const UNREACHED: Reached = Reached { cost: u32::MAX, from: 0, step: FREE };

impl Search<'_> {
    /// The cheapest cycle found, as steps into nodes, beginning with the one after the start.
    fn within(&mut self, component: &[u32]) -> Option<(u32, Vec<(u32, u32)>)> {
        for (place, node) in component.iter().enumerate() {
            self.place[*node as usize] = place as u32;
        }
        let is_txn = |node: &&u32| (**node as usize) < self.graph.txns;
        let starts: Vec<u32> = component.iter().filter(is_txn).copied().collect();
        let every = starts.len().div_ceil(STARTS).max(1);
        let mut best: Option<(u32, Vec<(u32, u32)>)> = None;
        for start in starts.iter().step_by(every) {
            let bound = best.as_ref().map_or(u32::MAX, |(cost, _)| *cost);
            if let Some(better) = self.through(*start, bound) {
                best = Some(better);
            }
            if self.visits == 0 && best.is_some() {
                break;
            }
        }
        for node in component {
            self.place[*node as usize] = u32::MAX;
        }
        best
    }

    /// The cheapest cycle through `start` that costs less than `bound` (Dijkstra).
    fn through(&mut self, start: u32, mut bound: u32) -> Option<(u32, Vec<(u32, u32)>)> {
        for place in self.touched.drain(..) {
            self.reached[place as usize] = UNREACHED;
        }
        let mut queue = BinaryHeap::from([Reverse((0, start))]);
        let mut last = None;
        while let Some(Reverse((cost, node))) = queue.pop() {
            if cost >= bound {
                break;
            }
            let known = self.reached[self.place[node as usize] as usize].cost;
            if node != start && cost > known {
                continue;
            }
            self.visits = self.visits.saturating_sub(1);
            let mut cursor = 0;
            while let Some((step, to)) = self.graph.next(self.space, node, &mut cursor) {
                let place = self.place[to as usize];
                if place == u32::MAX {
                    continue;
                }
                let cost = cost + price(step);
                if to == start && cost < bound {
                    bound = cost;
                    last = Some((node, step));
                } else if to != start && cost < self.reached[place as usize].cost {
                    if self.reached[place as usize].cost == u32::MAX {
                        self.touched.push(place);
                    }
                    self.reached[place as usize] = Reached { cost, from: node, step };
                    queue.push(Reverse((cost, to)));
                }
            }
        }
        let (mut node, step) = last?;
        let mut nodes = vec![(step, start)];
        while node != start {
            let reached = self.reached[self.place[node as usize] as usize];
            nodes.push((reached.step, node));
            node = reached.from;
        }
        nodes.reverse();
        Some((bound, nodes))
    }
}

fn price(step: u32) -> u32 {
    match step {
        FREE => 0,
        RW => 1 + RW_COST,
        _ => 1,
    }
}

/// From steps between nodes to steps between transactions.
fn steps(graph: &Graph, space: Space, nodes: &[(u32, u32)]) -> Vec<Step> {
    let start = nodes.last().expect("a cycle has a step").1;
    let mut from = graph.txn(space, start).expect("a cycle begins at a transaction");
    let (mut steps, mut why) = (Vec::new(), None);
    for (step, node) in nodes {
        why = why.or(kind(*step));
        let Some(to) = graph.txn(space, *node) else { continue };
        if let Some(kind) = why.take().filter(|_| to != from) {
            steps.push(Step { from, to, kind });
        }
        from = to;
    }
    steps
}

/// The name of a cycle by its edges.
pub(super) fn name(steps: &[Step]) -> &'static str {
    let kinds: Vec<EdgeKind> = steps.iter().map(|step| step.kind).collect();
    let count = |kind| kinds.iter().filter(|other| **other == kind).count();
    let rw = |at: usize| kinds[at % kinds.len()] == EdgeKind::Rw;
    let adjacent = (0..kinds.len()).any(|at| rw(at) && rw(at + 1));
    let suffix = match (count(EdgeKind::RealTime), count(EdgeKind::Process)) {
        (0, 0) => 0,
        (0, _) => 1,
        _ => 2,
    };
    let names = match count(EdgeKind::Rw) {
        // Whichever of the two wrote their key first, there is one anti-dependency back.
        0 if count(EdgeKind::Derived) > 0 => SINGLE,
        0 if count(EdgeKind::Wr) == 0 => WRITES,
        0 => FLOW,
        1 => SINGLE,
        2 if is_long_fork(&kinds) => FORK,
        _ if adjacent => ITEM,
        _ => NONADJACENT,
    };
    names[suffix]
}

/// Names of cycles: of data alone, with processes, with real time.
type Names = [&'static str; 3];
const WRITES: Names = ["G0", "G0-process", "G0-realtime"];
const FLOW: Names = ["G1c", "G1c-process", "G1c-realtime"];
const SINGLE: Names = ["G-single", "G-single-process", "G-single-realtime"];
const FORK: Names = ["long-fork", NONADJACENT[1], NONADJACENT[2]];
const ITEM: Names = ["G2-item", "G2-item-process", "G2-item-realtime"];
const NONADJACENT: Names = ["G-nonadjacent", "G-nonadjacent-process", "G-nonadjacent-realtime"];

/// The name of a cycle some of whose edges follow from processes or real time.
pub(super) fn stronger(name: &'static str, timed: bool) -> &'static str {
    let all = [WRITES, FLOW, SINGLE, FORK, ITEM, NONADJACENT];
    let known = all.iter().find_map(|names| {
        let at = names.iter().position(|other| *other == name)?;
        Some(names[at.max(1 + usize::from(timed))])
    });
    known.unwrap_or(name)
}

/// Two writes, and two readers that each saw the other one only.
fn is_long_fork(kinds: &[EdgeKind]) -> bool {
    use EdgeKind::{Rw, Wr};
    kinds == [Wr, Rw, Wr, Rw] || kinds == [Rw, Wr, Rw, Wr]
}

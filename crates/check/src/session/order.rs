//! The order of versions, as edges from older to newer: granted ones and demanded ones. Each lies within one key.

use super::demands::Missing;
use super::story::{Shape, Story, What, small};
use crate::Level;
use crate::names::Table;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// `from` is older than `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) reason: Reason,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// One process wrote both, the older one first.
    Own,
    /// The writer of the newer had seen the older in this read.
    AfterRead(u32),
    /// This read shows both, neighbours in a list.
    Shown(u32),
    /// A read shows the newer and had to show the older.
    Demand(Missing),
}

impl Edge {
    pub(super) fn is_shown(&self) -> bool {
        matches!(self.reason, Reason::Shown(_))
    }
}

/// Edges that cost as much as one remembered situation.
const EDGES: usize = 16;

/// Keeps the edges that an order does not allow; all, if there is no order yet. There may be O(n k) edges, and of these
/// a good guess at the order breaks few.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    pub(super) rank: Vec<u32>,
    pub(super) edges: Vec<Edge>,
}

impl Sieve {
    pub(super) fn add(&mut self, edge: Edge) {
        let place = |node: u32| self.rank.get(node as usize);
        if self.rank.is_empty() || place(edge.from) >= place(edge.to) {
            self.edges.push(edge);
        }
    }

    /// What it takes, in remembered situations.
    pub(super) fn weight(&self) -> usize {
        self.edges.len() / EDGES
    }
}

/// How many edges are tried for a short cycle through them.
const TRIED: usize = 200;

#[derive(Clone, Debug)]
pub(super) struct Graph {
    nodes: usize,
    edges: Vec<Edge>,
}

impl Graph {
    /// What is known before any guarantee is demanded.
    pub(super) fn granted(story: &Story<'_>, level: Level) -> Graph {
        let mut graph = Graph { nodes: story.events.len(), edges: Vec::new() };
        let mut stamps = vec![0; story.events.len()];
        for process in &story.processes {
            let mut before: Table<u32, Before> = Table::default();
            for number in process {
                let event = &story.events[*number as usize];
                let shape = story.shapes[event.key as usize];
                if matches!(shape, Shape::Register | Shape::List) {
                    let before = before.entry(event.key).or_default();
                    before.event(story, *number, shape, level, &mut graph, &mut stamps);
                }
            }
        }
        graph.show_lists(story);
        graph
    }

    /// Neighbours in what reads of lists show, but what the last read of the list has shown already.
    fn show_lists(&mut self, story: &Story<'_>) {
        let mut last: Table<u32, u32> = Table::default();
        for (number, event) in story.events.iter().enumerate() {
            let list = story.shapes[event.key as usize] == Shape::List;
            if !list || !matches!(event.what, What::Read { .. }) {
                continue;
            }
            let seen = story.seen(event);
            let number = small(number);
            let before = last.insert(event.key, number);
            let before = before.map_or(&[][..], |read| story.seen(&story.events[read as usize]));
            let same = seen.iter().zip(before).take_while(|(a, b)| a == b).count();
            for pair in seen[same.saturating_sub(1)..].windows(2) {
                self.add(Edge { from: pair[0], to: pair[1], reason: Reason::Shown(number) });
            }
        }
    }

    fn add(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    pub(super) fn extend(&mut self, edges: &[Edge]) {
        self.edges.extend_from_slice(edges);
    }

    /// The place of each version in an order that all edges allow, of those that they leave open the one that comes
    /// first in the history first; none if there is a cycle.
    pub(super) fn rank(&self) -> Option<Vec<u32>> {
        let (starts, out) = by_start(self.nodes, &self.edges);
        let mut degree = vec![0_u32; self.nodes];
        self.edges.iter().for_each(|edge| degree[edge.to as usize] += 1);
        let free = (0..self.nodes).filter(|node| degree[*node] == 0);
        let mut free: BinaryHeap<Reverse<usize>> = free.map(Reverse).collect();
        let mut rank = vec![0; self.nodes];
        let mut next = 0;
        while let Some(Reverse(node)) = free.pop() {
            rank[node] = next;
            next += 1;
            for number in &out[starts[node] as usize..starts[node + 1] as usize] {
                let to = self.edges[*number as usize].to as usize;
                degree[to] -= 1;
                if degree[to] == 0 {
                    free.push(Reverse(to));
                }
            }
        }
        (next as usize == self.nodes).then_some(rank)
    }

    /// A short cycle, each edge of it ending where the next begins.
    pub(super) fn cycle(&self) -> Option<Vec<Edge>> {
        let edges = self.core();
        if edges.is_empty() {
            return None;
        }
        let (starts, out) = by_start(self.nodes, &edges);
        let follow = |node: u32| {
            out[starts[node as usize] as usize..starts[node as usize + 1] as usize].iter()
        };
        let mut best: Option<Vec<Edge>> = None;
        let mut came: Vec<Option<u32>> = vec![None; self.nodes];
        for first in edges.iter().filter(|edge| !edge.is_shown()).take(TRIED) {
            let mut queue = VecDeque::from([first.to]);
            let mut touched = vec![first.to];
            while let Some(node) = queue.pop_front().filter(|node| *node != first.from) {
                for number in follow(node) {
                    let next = edges[*number as usize].to;
                    if came[next as usize].is_none() && next != first.to {
                        came[next as usize] = Some(*number);
                        touched.push(next);
                        queue.push_back(next);
                    }
                }
            }
            let mut cycle = Vec::new();
            let mut node = first.from;
            while let Some(number) = came[node as usize] {
                cycle.push(edges[number as usize]);
                node = edges[number as usize].from;
            }
            if node == first.to {
                cycle.push(*first);
                cycle.reverse();
                best = best.filter(|best| best.len() <= cycle.len()).or(Some(cycle));
            }
            touched.iter().for_each(|node| came[*node as usize] = None);
            if best.as_ref().is_some_and(|best| best.len() == 2) {
                break;
            }
        }
        Some(best.unwrap_or_else(|| walk(&edges, &starts, &out)))
    }

    /// The edges on cycles, and between them: what is left without those that lead from a node without a
    /// predecessor or to one without a successor.
    fn core(&self) -> Vec<Edge> {
        let mut edges = self.edges.clone();
        for forward in [true, false] {
            let turned: Vec<Edge> = edges
                .iter()
                .map(|e| if forward { *e } else { Edge { from: e.to, to: e.from, ..*e } })
                .collect();
            let (starts, out) = by_start(self.nodes, &turned);
            let mut degree = vec![0_u32; self.nodes];
            turned.iter().for_each(|edge| degree[edge.to as usize] += 1);
            let mut free: Vec<usize> = (0..self.nodes).filter(|node| degree[*node] == 0).collect();
            let mut kept = vec![true; self.nodes];
            while let Some(node) = free.pop() {
                kept[node] = false;
                for number in &out[starts[node] as usize..starts[node + 1] as usize] {
                    let to = turned[*number as usize].to as usize;
                    degree[to] -= 1;
                    if degree[to] == 0 {
                        free.push(to);
                    }
                }
            }
            edges.retain(|edge| kept[edge.from as usize] && kept[edge.to as usize]);
        }
        edges
    }
}

/// What a process has done on one key before.
#[derive(Default)]
struct Before {
    /// Its last acknowledged write.
    wrote: Option<u32>,
    /// What it has read and no edge leads on from yet, with the read.
    read: Vec<(u32, u32)>,
}

impl Before {
    fn event(
        &mut self,
        story: &Story<'_>,
        number: u32,
        shape: Shape,
        level: Level,
        graph: &mut Graph,
        stamps: &mut [u32],
    ) {
        let event = &story.events[number as usize];
        let register = shape == Shape::Register;
        match event.what {
            What::Write { sure, .. } => {
                if let Some(from) = self.wrote
                    && (register || level == Level::MonotonicWrites)
                {
                    graph.add(Edge { from, to: number, reason: Reason::Own });
                }
                for (from, read) in &self.read {
                    if (register || level == Level::WritesFollowReads) && *from != number {
                        let reason = Reason::AfterRead(*read);
                        graph.add(Edge { from: *from, to: number, reason });
                    }
                }
                if sure {
                    self.wrote = Some(number);
                }
                // Of a register, what comes later is newer than this, and so than what was read before.
                if sure && register {
                    self.read.clear();
                }
            }
            What::Read { .. } => {
                let seen = story.seen(event);
                seen.iter().for_each(|write| stamps[*write as usize] = number + 1);
                let Some(newest) = seen.last() else { return };
                // Of a list, what this read shows before its end is older than its end.
                self.read.retain(|(write, _)| stamps[*write as usize] != number + 1);
                self.read.push((*newest, number));
            }
            What::Blank => {}
        }
    }
}

/// The numbers of edges by their start: those of node n lie from `starts[n]` to `starts[n + 1]`.
fn by_start(nodes: usize, edges: &[Edge]) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; nodes + 1];
    edges.iter().for_each(|edge| starts[edge.from as usize + 1] += 1);
    for node in 0..nodes {
        starts[node + 1] += starts[node];
    }
    let mut next = starts.clone();
    let mut out = vec![0; edges.len()];
    for (number, edge) in edges.iter().enumerate() {
        let place = &mut next[edge.from as usize];
        out[*place as usize] = small(number);
        *place += 1;
    }
    (starts, out)
}

/// Follows edges, of which each node has one, until a node comes again.
fn walk(edges: &[Edge], starts: &[u32], out: &[u32]) -> Vec<Edge> {
    let mut path: Vec<Edge> = vec![edges[0]];
    loop {
        let node = path[path.len() - 1].to;
        if let Some(start) = path.iter().position(|edge| edge.from == node) {
            return path.split_off(start);
        }
        path.push(edges[out[starts[node as usize] as usize] as usize]);
    }
}

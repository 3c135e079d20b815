//! An order of starts and commits that the graph allows, for snapshot isolation.
//!
//! Of two transactions that write one key, one commits before the other starts. Where the graph does not say which,
//! any may be first: a transaction holds its keys from its start to its commit. That may get stuck for no good reason,
//! but only where several writes of a key have no known order.

use super::facts::Facts;
use super::graph::{Graph, Space};
use crate::txn::Op;
use std::collections::VecDeque;

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Its snapshot is taken.
    Start(u32),
    /// Its writes are there.
    Commit(u32),
}

/// Starts and commits, if they can be found. Of those that can start, either the first or the last one found does.
pub(super) fn order(facts: &Facts<'_>, graph: &Graph, first: bool) -> Option<Vec<Moment>> {
    let mut work = Work::new(facts, graph);
    let start = |starts: &mut VecDeque<u32>| {
        if first { starts.pop_front() } else { starts.pop_back() }
    };
    // Commits come as early as they can, so that few transactions overlap.
    while let Some(node) = work.commits.pop().or_else(|| start(&mut work.starts)) {
        match graph.txn(Space::Snapshot, node) {
            Some(txn) if work.is_start(node) => {
                if !work.hold(txn, node) {
                    continue;
                }
                work.order.push(Moment::Start(txn));
            }
            Some(txn) => {
                work.release(txn);
                work.order.push(Moment::Commit(txn));
            }
            None => {}
        }
        work.done(node);
    }
    let all = facts.happened.iter().filter(|happened| **happened).count();
    (work.order.len() == 2 * all).then_some(work.order)
}

struct Work<'g, 'h> {
    facts: &'g Facts<'h>,
    graph: &'g Graph,
    before: Vec<u32>,
    commits: Vec<u32>,
    starts: VecDeque<u32>,
    order: Vec<Moment>,
    /// Keys that one which started and has not committed will write.
    held: Vec<bool>,
    /// Starts that wait for a key.
    waiting: Vec<Vec<u32>>,
}

impl<'g, 'h> Work<'g, 'h> {
    fn new(facts: &'g Facts<'h>, graph: &'g Graph) -> Work<'g, 'h> {
        let keys = facts.history.keys.len();
        let mut work = Work {
            facts,
            graph,
            before: vec![0; graph.count()],
            commits: Vec::new(),
            starts: VecDeque::new(),
            order: Vec::new(),
            held: vec![false; keys],
            waiting: vec![Vec::new(); keys],
        };
        let happened = |node: &u32| {
            graph.txn(Space::Snapshot, *node).is_none_or(|txn| facts.happened[txn as usize])
        };
        let nodes: Vec<u32> = (0..graph.count() as u32).filter(happened).collect();
        for node in &nodes {
            let mut cursor = 0;
            while let Some((_, to)) = graph.next(Space::Snapshot, *node, &mut cursor) {
                work.before[to as usize] += 1;
            }
        }
        for node in nodes {
            if work.before[node as usize] == 0 {
                work.free(node);
            }
        }
        work
    }

    fn is_start(&self, node: u32) -> bool {
        node as usize >= self.graph.stored
    }

    fn free(&mut self, node: u32) {
        if self.is_start(node) { self.starts.push_back(node) } else { self.commits.push(node) }
    }

    fn done(&mut self, node: u32) {
        let mut cursor = 0;
        while let Some((_, to)) = self.graph.next(Space::Snapshot, node, &mut cursor) {
            self.before[to as usize] -= 1;
            if self.before[to as usize] == 0 {
                self.free(to);
            }
        }
    }

    fn keys(&self, txn: u32) -> impl Iterator<Item = usize> + use<'h> {
        let ops = self.facts.history.ops(txn as usize).iter();
        let writes = ops.filter(|op| matches!(op, Op::Append { .. } | Op::Write { .. }));
        writes.map(|op| op.key().0 as usize)
    }

    /// Takes the keys of a transaction, or lets it wait for one of them.
    fn hold(&mut self, txn: u32, node: u32) -> bool {
        if let Some(key) = self.keys(txn).find(|key| self.held[*key]) {
            self.waiting[key].push(node);
            return false;
        }
        self.keys(txn).for_each(|key| self.held[key] = true);
        true
    }

    fn release(&mut self, txn: u32) {
        for key in self.keys(txn) {
            self.held[key] = false;
            for node in std::mem::take(&mut self.waiting[key]) {
                self.starts.push_back(node);
            }
        }
    }
}

//! An order of starts and commits that the graph allows, for snapshot isolation.
//!
//! Of two transactions that write one key, one commits before the other starts. Where the graph does not say which,
//! any may be first: a transaction holds its keys from its start to its commit. If that gets stuck, one that waits for
//! a key is put before the one that holds it, and all begins anew. That may fail for no good reason, but only where
//! several writes of a key have no known order.

use super::facts::Facts;
use super::graph::{Graph, Space};
use crate::meter::{Meter, Spent};
use crate::txn::Op;
use std::collections::{BTreeMap, VecDeque};

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Its snapshot is taken.
    Start(u32),
    /// Its writes are there.
    Commit(u32),
}

/// So often all begins anew.
const ATTEMPTS: usize = 64;

/// Starts and commits, if they can be found.
pub(super) fn order(
    facts: &Facts<'_>,
    graph: &Graph,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<Moment>>, Spent> {
    let all = facts.happened.iter().filter(|happened| **happened).count();
    let mut apart = BTreeMap::new();
    for _ in 0..ATTEMPTS {
        meter.tick(graph.count(), || format!("with {} put apart", apart.len()))?;
        let mut work = Work::new(facts, graph, &apart);
        work.run(meter)?;
        if work.order.len() == 2 * all {
            return Ok(Some(work.order));
        }
        let Some((waits, holds)) = work.conflict() else { return Ok(None) };
        if apart.insert(waits, holds).is_some() {
            return Ok(None);
        }
    }
    Ok(None)
}

struct Work<'g, 'h> {
    facts: &'g Facts<'h>,
    graph: &'g Graph,
    before: Vec<u32>,
    commits: Vec<u32>,
    starts: VecDeque<u32>,
    order: Vec<Moment>,
    /// Keys that one which started and has not committed will write.
    held: Vec<u32>,
    /// Starts that wait for a key.
    waiting: Vec<Vec<u32>>,
    /// Each of these commits before the other starts.
    apart: &'g BTreeMap<u32, u32>,
}

/// Who holds a key that nobody holds.
const NOBODY: u32 = u32::MAX;

impl<'g, 'h> Work<'g, 'h> {
    fn new(facts: &'g Facts<'h>, graph: &'g Graph, apart: &'g BTreeMap<u32, u32>) -> Work<'g, 'h> {
        let keys = facts.history.keys.len();
        let mut work = Work {
            facts,
            graph,
            before: vec![0; graph.count()],
            commits: Vec::new(),
            starts: VecDeque::new(),
            order: Vec::new(),
            held: vec![NOBODY; keys],
            apart,
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
        for after in apart.values() {
            work.before[graph.stored + *after as usize] += 1;
        }
        for node in nodes {
            if work.before[node as usize] == 0 {
                work.free(node);
            }
        }
        work
    }

    fn run(&mut self, meter: &mut Meter<'_>) -> Result<(), Spent> {
        // Commits come as early as they can, so that few transactions overlap.
        while let Some(node) = self.commits.pop().or_else(|| self.starts.pop_front()) {
            meter.tick(1, || format!("after {} starts and commits", self.order.len()))?;
            match self.graph.txn(Space::Snapshot, node) {
                Some(txn) if self.is_start(node) => {
                    if !self.hold(txn, node) {
                        continue;
                    }
                    self.order.push(Moment::Start(txn));
                }
                Some(txn) => {
                    self.release(txn);
                    self.order.push(Moment::Commit(txn));
                }
                None => {}
            }
            self.done(node);
        }
        Ok(())
    }

    /// One that waits for a key, and the one that holds it.
    fn conflict(&self) -> Option<(u32, u32)> {
        let waits =
            |waiting: &Vec<u32>| waiting.first().map(|node| node - self.graph.stored as u32);
        self.waiting
            .iter()
            .zip(&self.held)
            .find_map(|(waiting, held)| Some((waits(waiting)?, *held)))
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
            self.one_less(to);
        }
        if let Some(after) = self.apart.get(&node) {
            self.one_less(self.graph.stored as u32 + after);
        }
    }

    fn one_less(&mut self, node: u32) {
        self.before[node as usize] -= 1;
        if self.before[node as usize] == 0 {
            self.free(node);
        }
    }

    fn keys(&self, txn: u32) -> impl Iterator<Item = usize> + use<'h> {
        let ops = self.facts.history.ops(txn as usize).iter();
        let writes = ops.filter(|op| matches!(op, Op::Append { .. } | Op::Write { .. }));
        writes.map(|op| op.key().0 as usize)
    }

    /// Takes the keys of a transaction, or lets it wait for one of them.
    fn hold(&mut self, txn: u32, node: u32) -> bool {
        if let Some(key) = self.keys(txn).find(|key| self.held[*key] != NOBODY) {
            self.waiting[key].push(node);
            return false;
        }
        self.keys(txn).for_each(|key| self.held[key] = txn);
        true
    }

    fn release(&mut self, txn: u32) {
        for key in self.keys(txn) {
            self.held[key] = NOBODY;
            for node in std::mem::take(&mut self.waiting[key]) {
                self.starts.push_back(node);
            }
        }
    }
}

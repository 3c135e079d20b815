//! An order of starts and commits that the graph allows, for snapshot isolation.

use super::facts::Facts;
use super::graph::{Graph, Space};
use std::collections::VecDeque;

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Its snapshot is taken.
    Start(u32),
    /// Its writes are there.
    Commit(u32),
}

/// Starts and commits, if there is no cycle. Commits come as early as they can, so that few transactions overlap.
pub(super) fn order(facts: &Facts<'_>, graph: &Graph) -> Option<Vec<Moment>> {
    let happened = |node: u32| {
        let txn = graph.txn(Space::Snapshot, node);
        txn.is_none_or(|txn| facts.happened[txn as usize])
    };
    let each = |node: u32, visit: &mut dyn FnMut(u32)| {
        let mut cursor = 0;
        while let Some((_, to)) = graph.next(Space::Snapshot, node, &mut cursor) {
            visit(to);
        }
    };
    let mut before = vec![0_u32; graph.count()];
    let nodes = || (0..graph.count() as u32).filter(|node| happened(*node));
    nodes().for_each(|node| each(node, &mut |to| before[to as usize] += 1));
    let (mut commits, mut starts) = (Vec::new(), VecDeque::new());
    for node in nodes().filter(|node| before[*node as usize] == 0) {
        if node as usize >= graph.stored { starts.push_back(node) } else { commits.push(node) }
    }
    let mut order = Vec::new();
    while let Some(node) = commits.pop().or_else(|| starts.pop_front()) {
        match graph.txn(Space::Snapshot, node) {
            Some(txn) if node as usize >= graph.stored => order.push(Moment::Start(txn)),
            Some(txn) => order.push(Moment::Commit(txn)),
            None => {}
        }
        each(node, &mut |to| {
            let before = &mut before[to as usize];
            *before -= 1;
            if *before == 0 && to as usize >= graph.stored {
                starts.push_back(to);
            } else if *before == 0 {
                commits.push(to);
            }
        });
    }
    let all = facts.happened.iter().filter(|happened| **happened).count();
    (order.len() == 2 * all).then_some(order)
}

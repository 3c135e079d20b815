//! An order of all transactions, one after the other, that the graph allows (Kahn 1962).
//!
//! If the versions of all keys are known, there is one unless the graph has a cycle. Where registers leave some
//! order open, writers wait until nobody needs what they would overwrite, which may get stuck for no good reason.

use super::facts::Facts;
use super::graph::{Findings, Graph, INITIAL, NOTHING, PROCESS};
use crate::Budget;
use crate::txn::{Op, Transactions};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What an order has to respect beside dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Respect {
    Nothing,
    Process,
    /// Processes and real time.
    Time,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Order(Vec<u32>),
    /// These found no place.
    Stuck(Vec<u32>),
    Expired,
}

/// The budget is asked whenever so many more were placed.
const ASK: usize = 4096;

pub(super) fn order(
    facts: &Facts<'_>,
    graph: &Graph,
    findings: &Findings,
    respect: Respect,
    budget: &mut Budget,
) -> Outcome {
    let mut work = Work::new(facts, graph, respect);
    let mut registers = (!findings.sources.is_empty()).then(|| Registers::new(facts, findings));
    let mut order = Vec::with_capacity(graph.txns);
    work.admit();
    while let Some(node) = work.ready.pop() {
        if let Some(registers) = &mut registers
            && !graph.is_hub(node)
            && !registers.place(facts.history, node, &mut work.ready)
        {
            budget.steps = budget.steps.saturating_sub(1);
            if budget.steps == 0 {
                return Outcome::Expired;
            }
            continue;
        }
        if !graph.is_hub(node) {
            order.push(node);
            if order.len().is_multiple_of(ASK) && (budget.expired)() {
                return Outcome::Expired;
            }
        }
        work.placed(node);
        work.admit();
    }
    let stuck = |txn: &u32| facts.happened[*txn as usize] && !work.placed[*txn as usize];
    let stuck: Vec<u32> = (0..graph.txns as u32).filter(stuck).collect();
    if stuck.is_empty() { Outcome::Order(order) } else { Outcome::Stuck(stuck) }
}

/// Nodes that can be placed.
enum Ready {
    /// Any of them will do.
    Stack(Vec<u32>),
    /// Those that write nothing first, then those that returned first.
    Queue(BinaryHeap<Reverse<(bool, u64, u32)>>, Vec<(bool, u64)>),
}

impl Ready {
    fn push(&mut self, node: u32) {
        match self {
            Ready::Stack(stack) => stack.push(node),
            Ready::Queue(heap, keys) => {
                let (writes, at) = keys.get(node as usize).copied().unwrap_or((false, 0));
                heap.push(Reverse((writes, at, node)));
            }
        }
    }

    fn pop(&mut self) -> Option<u32> {
        match self {
            Ready::Stack(stack) => stack.pop(),
            Ready::Queue(heap, _) => heap.pop().map(|Reverse((_, _, node))| node),
        }
    }
}

struct Work<'g> {
    graph: &'g Graph,
    history: &'g Transactions,
    respect: Respect,
    /// Nodes that must be placed before.
    before: Vec<u32>,
    placed: Vec<bool>,
    ready: Ready,
    /// Those from here on come, in real time, after one that has no place yet.
    later: usize,
    /// When those before that have not been placed returned.
    returns: BinaryHeap<Reverse<(u64, u32)>>,
}

impl<'g> Work<'g> {
    fn new(facts: &'g Facts<'_>, graph: &'g Graph, respect: Respect) -> Work<'g> {
        let history = facts.history;
        let registers = history.all_ops().iter().any(|op| matches!(op, Op::Write { .. }));
        let key = |txn: usize| {
            let writes = history.ops(txn).iter().any(|op| matches!(op, Op::Write { .. }));
            (writes, history.txns[txn].returned)
        };
        let ready = if registers {
            Ready::Queue(BinaryHeap::new(), (0..graph.txns).map(key).collect())
        } else {
            Ready::Stack(Vec::new())
        };
        let placed = vec![false; graph.stored];
        let mut before = vec![0; graph.stored];
        for node in 0..graph.stored as u32 {
            for (kind, to) in graph.edges(node) {
                before[to as usize] += u32::from(respect != Respect::Nothing || kind != PROCESS);
            }
        }
        let returns = BinaryHeap::new();
        let mut work = Work { graph, history, respect, before, placed, ready, later: 0, returns };
        for hub in graph.txns..graph.stored {
            if work.before[hub] == 0 {
                work.ready.push(hub as u32);
            }
        }
        work
    }

    /// Admits those whose time has come.
    fn admit(&mut self) {
        let timed = self.respect == Respect::Time;
        while self.later < self.graph.txns {
            while let Some(Reverse((_, txn))) = self.returns.peek()
                && self.placed[*txn as usize]
            {
                self.returns.pop();
            }
            let txn = &self.history.txns[self.later];
            let first = self.returns.peek().map(|Reverse((at, _))| *at);
            if first.is_some_and(|returned| returned < txn.invoked) {
                return;
            }
            if self.graph.happened[self.later] {
                if timed {
                    self.returns.push(Reverse((txn.returned, self.later as u32)));
                }
                if self.before[self.later] == 0 {
                    self.ready.push(self.later as u32);
                }
            }
            self.later += 1;
        }
    }

    fn placed(&mut self, node: u32) {
        self.placed[node as usize] = true;
        for (kind, to) in self.graph.edges(node) {
            if kind == PROCESS && self.respect == Respect::Nothing {
                continue;
            }
            let before = &mut self.before[to as usize];
            *before -= 1;
            let admitted = (to as usize) < self.later || self.graph.is_hub(to);
            if *before == 0 && admitted {
                self.ready.push(to);
            }
        }
    }
}

/// The last in a list of those that wait.
const NOBODY: u32 = u32::MAX;

/// What registers hold, and who needs it.
struct Registers<'f> {
    sources: &'f [u32],
    /// The operation that wrote what a key holds.
    current: Vec<u32>,
    /// Reads of the initial value of a key that have no place yet.
    initial: Vec<u32>,
    /// Reads of what an operation wrote that have no place yet.
    left: Vec<u32>,
    /// Those that wait for a key: the last one, and before each another.
    waiting: Vec<u32>,
    other: Vec<u32>,
}

impl<'f> Registers<'f> {
    fn new(facts: &Facts<'_>, findings: &'f Findings) -> Registers<'f> {
        let (keys, ops) = (facts.history.keys.len(), facts.history.all_ops());
        let (mut initial, mut left) = (vec![0; keys], vec![0; ops.len()]);
        for (op, source) in ops.iter().zip(&findings.sources) {
            match *source {
                NOTHING => {}
                INITIAL => initial[op.key().0 as usize] += 1,
                write => left[write as usize] += 1,
            }
        }
        Registers {
            sources: &findings.sources,
            current: vec![INITIAL; keys],
            initial,
            left,
            waiting: vec![NOBODY; keys],
            other: vec![NOBODY; facts.history.txns.len()],
        }
    }

    /// Does what a transaction does if it can be done now; else lets it wait.
    fn place(&mut self, history: &Transactions, txn: u32, ready: &mut Ready) -> bool {
        let range = history.range(txn as usize);
        let ops = &history.all_ops()[range.clone()];
        if let Some(key) = self.obstacle(ops, range.start) {
            self.other[txn as usize] = self.waiting[key];
            self.waiting[key] = txn;
            return false;
        }
        for (op, number) in ops.iter().zip(range) {
            let key = op.key().0 as usize;
            if self.sources[number] != NOTHING {
                let left = self.left(key);
                *left -= 1;
                if *left == 0 {
                    self.wake(key, ready);
                }
            }
            if matches!(op, Op::Write { .. }) {
                self.current[key] = number as u32;
                self.wake(key, ready);
            }
        }
        true
    }

    fn left(&mut self, key: usize) -> &mut u32 {
        match self.current[key] {
            INITIAL => &mut self.initial[key],
            write => &mut self.left[write as usize],
        }
    }

    /// A key that holds something else than what is read, or something that others have still to read.
    fn obstacle(&self, ops: &[Op], first: usize) -> Option<usize> {
        let source = |at: usize| self.sources[first + at];
        for (at, op) in ops.iter().enumerate() {
            let key = op.key().0 as usize;
            let current = self.current[key];
            if source(at) != NOTHING && source(at) != current {
                return Some(key);
            }
            if !matches!(op, Op::Write { .. }) {
                continue;
            }
            let left =
                if current == INITIAL { self.initial[key] } else { self.left[current as usize] };
            let own = ops
                .iter()
                .enumerate()
                .filter(|(at, op)| op.key().0 as usize == key && source(*at) == current);
            if left as usize > own.count() {
                return Some(key);
            }
        }
        None
    }

    fn wake(&mut self, key: usize, ready: &mut Ready) {
        let mut txn = std::mem::replace(&mut self.waiting[key], NOBODY);
        while txn != NOBODY {
            ready.push(txn);
            txn = std::mem::replace(&mut self.other[txn as usize], NOBODY);
        }
    }
}

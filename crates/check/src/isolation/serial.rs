//! An order of all transactions, one after the other, that the graph allows (Kahn 1962).
//!
//! If the versions of all keys are known, there is one unless the graph has a cycle. Where registers leave some
//! order open, writers wait until nobody needs what they would overwrite. If that gets stuck, one that waits is put
//! before the one that began what it waits for, and all begins anew; this may fail for no good reason.

use super::facts::Facts;
use super::graph::{Findings, Graph, INITIAL, NOTHING, PROCESS};
use crate::Budget;
use crate::txn::{Op, Transactions};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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
    /// So many found no place.
    Stuck(usize),
    Expired,
}

/// The budget is asked whenever so many more were placed.
const ASK: usize = 4096;

/// So often all begins anew, if the budget allows.
const ATTEMPTS: usize = 64;

pub(super) fn order(
    facts: &Facts<'_>,
    graph: &Graph,
    findings: &Findings,
    respect: Respect,
    budget: &mut Budget,
) -> Outcome {
    let mut sooner = BTreeMap::new();
    let mut stuck = 0;
    for _ in 0..ATTEMPTS {
        let mut work = Work::new(facts, graph, respect, &sooner);
        let mut registers = (!findings.sources.is_empty()).then(|| Registers::new(facts, findings));
        if !work.run(registers.as_mut(), budget) {
            return Outcome::Expired;
        }
        if work.order.len() == facts.happened.iter().filter(|happened| **happened).count() {
            return Outcome::Order(work.order);
        }
        stuck = facts.happened.len() - work.order.len();
        let conflict = registers.and_then(|registers| registers.conflict(facts.history));
        let Some((reader, writer)) = conflict else { break };
        budget.steps = budget.steps.saturating_sub(work.order.len() as u64);
        if budget.steps == 0 || sooner.insert(reader, writer).is_some() {
            break;
        }
    }
    Outcome::Stuck(stuck)
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
    order: Vec<u32>,
    /// Each of these is put before the other.
    sooner: &'g BTreeMap<u32, u32>,
}

impl<'g> Work<'g> {
    fn new(
        facts: &'g Facts<'_>,
        graph: &'g Graph,
        respect: Respect,
        sooner: &'g BTreeMap<u32, u32>,
    ) -> Work<'g> {
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
        for later in sooner.values() {
            before[*later as usize] += 1;
        }
        let (returns, order) = (BinaryHeap::new(), Vec::with_capacity(graph.txns));
        let later = 0;
        let mut work =
            Work { graph, history, respect, before, placed, ready, later, returns, order, sooner };
        for hub in graph.txns..graph.stored {
            if work.before[hub] == 0 {
                work.ready.push(hub as u32);
            }
        }
        work
    }

    /// Places what it can; false if the budget did not allow it.
    fn run(&mut self, mut registers: Option<&mut Registers<'_>>, budget: &mut Budget) -> bool {
        self.admit();
        while let Some(node) = self.ready.pop() {
            if !self.graph.is_hub(node) {
                if let Some(registers) = &mut registers
                    && !registers.place(self.history, node, &mut self.ready)
                {
                    budget.steps = budget.steps.saturating_sub(1);
                    if budget.steps == 0 {
                        return false;
                    }
                    continue;
                }
                self.order.push(node);
                if self.order.len().is_multiple_of(ASK) && (budget.expired)() {
                    return false;
                }
            }
            self.placed(node);
            self.admit();
        }
        true
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
        let graph = self.graph;
        for (kind, to) in graph.edges(node) {
            if kind != PROCESS || self.respect != Respect::Nothing {
                self.one_less(to);
            }
        }
        if let Some(later) = self.sooner.get(&node) {
            self.one_less(*later);
        }
    }

    fn one_less(&mut self, node: u32) {
        let before = &mut self.before[node as usize];
        *before -= 1;
        let admitted = (node as usize) < self.later || self.graph.is_hub(node);
        if *before == 0 && admitted {
            self.ready.push(node);
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
    /// The transaction of an operation that has written.
    writers: Vec<u32>,
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
            writers: vec![NOBODY; ops.len()],
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
                self.writers[number] = txn;
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

    /// One that waits to write what others have still to read, and the one that began what they have to read.
    fn conflict(&self, history: &Transactions) -> Option<(u32, u32)> {
        self.waiting.iter().enumerate().find_map(|(key, waits)| {
            let began = Some(*waits).filter(|waits| *waits != NOBODY).and_then(|_| {
                // Back to a write whose transaction had not read what it overwrote.
                let mut write = self.current[key];
                while write != INITIAL {
                    let txn = self.writers[write as usize];
                    let mut reads = history.range(txn as usize).filter(|op| {
                        history.all_ops()[*op].key().0 as usize == key
                            && self.sources[*op] != NOTHING
                    });
                    let Some(read) = reads.next() else { return Some(txn) };
                    write = self.sources[read];
                }
                None
            });
            began.filter(|began| began != waits).map(|began| (*waits, began))
        })
    }

    fn wake(&mut self, key: usize, ready: &mut Ready) {
        let mut txn = std::mem::replace(&mut self.waiting[key], NOBODY);
        while txn != NOBODY {
            ready.push(txn);
            txn = std::mem::replace(&mut self.other[txn as usize], NOBODY);
        }
    }
}

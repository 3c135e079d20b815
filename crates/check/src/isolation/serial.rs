//! An order of all transactions, one after the other, that the graph allows (Kahn 1962).
//!
//! If the versions of all keys are known, there is one unless the graph has a cycle. Where registers leave some
//! order open, writers wait until nobody needs what they would overwrite. If that gets stuck, one that waits for
//! readers who wait for it is put before the one that began what they read, and all begins anew ([`Deadlock`]); that
//! may fail for no good reason, when it has taken too long.

use super::deadlock::{Before, Deadlock, Path};
use super::facts::Facts;
use super::graph::{Findings, Graph, INITIAL, NOTHING, PROCESS};
use super::windows::Windows;
use crate::Budget;
use crate::meter::{Meter, Spent};
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
    /// So many found no place.
    Stuck(usize),
    /// The budget is spent: how far it came.
    Expired(String),
}

/// So often all begins anew, if the budget allows, and so many are placed anew in all.
const ATTEMPTS: usize = 2_000;
const MOST: usize = 2_000_000;

pub(super) fn order(
    facts: &Facts<'_>,
    graph: &Graph,
    findings: &Findings,
    respect: Respect,
    budget: &mut Budget,
) -> Outcome {
    search(facts, graph, findings, respect, &mut Meter::new(budget))
        .unwrap_or_else(|Spent(why)| Outcome::Expired(why))
}

fn search(
    facts: &Facts<'_>,
    graph: &Graph,
    findings: &Findings,
    respect: Respect,
    meter: &mut Meter<'_>,
) -> Result<Outcome, Spent> {
    let mut stuck = 0;
    let windows = match findings.sources.is_empty() {
        true => None,
        false => Some(Windows::of(facts, graph, findings, meter)?),
    };
    let known = match &windows {
        Some(windows) if respect == Respect::Time => &windows.timed[..],
        Some(windows) => &windows.pairs[..],
        None => &[],
    };
    let mut path = Path::default();
    let mut before = None;
    let mut left = MOST;
    for _ in 0..ATTEMPTS {
        let pairs = path.pairs(known);
        meter.tick(graph.stored + pairs.len(), || format!("with {stuck} that found no place"))?;
        let mut work = Work::new(facts, graph, (respect, windows.as_ref()), &pairs);
        let mut registers = windows.as_ref().map(|_| Registers::new(facts, findings));
        work.run(registers.as_mut(), meter)?;
        if work.order.len() == facts.happened.iter().filter(|happened| **happened).count() {
            return Ok(Outcome::Order(work.order));
        }
        stuck = facts.happened.len() - work.order.len();
        left = left.saturating_sub(graph.txns);
        let (Some(registers), Some(windows)) = (registers, &windows) else { break };
        meter.step(work.order.len(), || work.how_far())?;
        let before = before.get_or_insert_with(|| Before::of(graph, respect, known));
        let step = Deadlock::of(&work, &registers, &windows.readers, before, &path).step(meter)?;
        if left == 0 || !path.go(step, &pairs) {
            break;
        }
    }
    Ok(Outcome::Stuck(stuck))
}

/// Nodes that can be placed.
enum Ready {
    /// Any of them will do.
    Stack(Vec<u32>),
    /// Those that write nothing first, then those that are due first.
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

pub(super) struct Work<'g> {
    pub(super) graph: &'g Graph,
    pub(super) history: &'g Transactions,
    respect: Respect,
    /// Nodes that must be placed before.
    before: Vec<u32>,
    pub(super) placed: Vec<bool>,
    ready: Ready,
    /// Those from here on come, in real time, after one that has no place yet.
    pub(super) later: usize,
    /// When those before that have not been placed returned.
    pub(super) returns: BinaryHeap<Reverse<(u64, u32)>>,
    order: Vec<u32>,
    /// The first of each is put before the other.
    pairs: &'g [(u32, u32)],
}

impl<'g> Work<'g> {
    fn new(
        facts: &'g Facts<'_>,
        graph: &'g Graph,
        (respect, windows): (Respect, Option<&'g Windows>),
        pairs: &'g [(u32, u32)],
    ) -> Work<'g> {
        let history = facts.history;
        let key = |txn: usize, windows: &Windows| {
            let writes = history.ops(txn).iter().any(|op| matches!(op, Op::Write { .. }));
            (writes, windows.due[txn])
        };
        let ready = match windows {
            Some(windows) => {
                let keys = (0..graph.txns).map(|txn| key(txn, windows)).collect();
                Ready::Queue(BinaryHeap::new(), keys)
            }
            None => Ready::Stack(Vec::new()),
        };
        let placed = vec![false; graph.stored];
        let mut before = vec![0; graph.stored];
        for node in 0..graph.stored as u32 {
            for (kind, to) in graph.edges(node) {
                before[to as usize] += u32::from(respect != Respect::Nothing || kind != PROCESS);
            }
        }
        for (_, later) in pairs {
            before[*later as usize] += 1;
        }
        let (returns, order) = (BinaryHeap::new(), Vec::with_capacity(graph.txns));
        let later = 0;
        let mut work =
            Work { graph, history, respect, before, placed, ready, later, returns, order, pairs };
        for hub in graph.txns..graph.stored {
            if work.before[hub] == 0 {
                work.ready.push(hub as u32);
            }
        }
        work
    }

    /// Places what it can.
    fn run(
        &mut self,
        mut registers: Option<&mut Registers<'_>>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Spent> {
        self.admit();
        while let Some(node) = self.ready.pop() {
            meter.tick(self.graph.edges(node).count(), || self.how_far())?;
            if !self.graph.is_hub(node) {
                meter.tick(self.history.ops(node as usize).len(), || self.how_far())?;
                if let Some(registers) = &mut registers
                    && !registers.place(self.history, node, &mut self.ready)
                {
                    meter.step(1, || self.how_far())?;
                    continue;
                }
                self.order.push(node);
            }
            self.placed(node);
            self.admit();
        }
        Ok(())
    }

    pub(super) fn how_far(&self) -> String {
        format!("with {} of {} transactions placed", self.order.len(), self.graph.txns)
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
        let first = self.pairs.partition_point(|(sooner, _)| *sooner < node);
        let pairs = self.pairs;
        for (_, later) in pairs[first..].iter().take_while(|(sooner, _)| *sooner == node) {
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
pub(super) struct Registers<'f> {
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

    /// Those that wait, each with its key.
    pub(super) fn waiting(&self) -> Vec<(u32, usize)> {
        let mut all = Vec::new();
        for (key, last) in self.waiting.iter().enumerate() {
            let mut txn = *last;
            while txn != NOBODY {
                all.push((txn, key));
                txn = self.other[txn as usize];
            }
        }
        all
    }

    /// What a key holds: the operation that wrote it.
    pub(super) fn current(&self, key: usize) -> Option<usize> {
        Some(self.current[key]).filter(|write| *write != INITIAL).map(|write| write as usize)
    }

    /// The one that began what a key holds: from it on, each that wrote had read what it overwrote.
    pub(super) fn began(
        &self,
        work: &Work<'_>,
        key: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<u32>, Spent> {
        let history = work.history;
        let mut write = self.current[key];
        while write != INITIAL {
            meter.tick(1, || work.how_far())?;
            let txn = self.writers[write as usize];
            let mut reads = history.range(txn as usize).filter(|op| {
                history.all_ops()[*op].key().0 as usize == key && self.sources[*op] != NOTHING
            });
            let Some(read) = reads.next() else { return Ok(Some(txn)) };
            write = self.sources[read];
        }
        Ok(None)
    }

    fn wake(&mut self, key: usize, ready: &mut Ready) {
        let mut txn = std::mem::replace(&mut self.waiting[key], NOBODY);
        while txn != NOBODY {
            ready.push(txn);
            txn = std::mem::replace(&mut self.other[txn as usize], NOBODY);
        }
    }
}

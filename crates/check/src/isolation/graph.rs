//! The direct serialization graph (Adya 1999, section 3.1.2) in flat arrays, with processes and real time.
//!
//! Nodes, in this order: transactions; *hubs*, through which many readers of a version reach many writers after it
//! with as many edges as there are readers and writers; and one more for each transaction, whose meaning depends on
//! the [`Space`]. Real time costs no memory but a number for each transaction: those invoked after it returned are
//! all from one on, since transactions are in order of invocation.

use super::facts::Facts;
use super::sink::{Anomaly, Dependency, Reader, Sink, Writer};
use crate::level::EdgeKind;
use crate::txn::{Fate, KeyId, Op, Txn, ValueId};
use std::collections::BTreeSet;

/// Why one node is before another, in three bits; the rest of a word is the other node.
pub(super) const WW: u32 = 0;
pub(super) const WR: u32 = 1;
pub(super) const RW: u32 = 2;
pub(super) const PROCESS: u32 = 3;
/// An anti-dependency between two that write one key: under snapshot isolation these do not overlap, so the earlier
/// one commits before the later one starts.
const APART: u32 = 4;
/// Not stored.
const REAL_TIME: u32 = 5;
/// The second half of what began elsewhere.
pub(super) const FREE: u32 = 6;

const BITS: u32 = 29;
const NODE: u32 = (1 << BITS) - 1;

/// The kind of a step; `None` for [`FREE`].
pub(super) fn kind(step: u32) -> Option<EdgeKind> {
    match step {
        WW => Some(EdgeKind::Ww),
        WR => Some(EdgeKind::Wr),
        RW => Some(EdgeKind::Rw),
        PROCESS => Some(EdgeKind::Process),
        APART => Some(EdgeKind::Derived),
        REAL_TIME => Some(EdgeKind::RealTime),
        _ => None,
    }
}

/// Which graph is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// A transaction is one node. The further node of a transaction is a moment: it, and all invoked later,
    /// are after it.
    Serial {
        /// A bit for each kind of edge.
        kinds: u32,
        /// Whether time counts.
        real_time: bool,
    },
    /// A transaction is its commit, and its further node is its start: what it depends on commits before it
    /// starts, and it starts before what overwrites its reads commits. There is a cycle here if and only if
    /// there is one in the graph without two adjacent anti-dependencies (Cerone and Gotsman, JACM 2018, theorem 4.1).
    Snapshot,
}

impl Space {
    /// Only some kinds of edges.
    pub(super) fn of(kinds: &[u32]) -> Space {
        let kinds = kinds.iter().fold(0, |all, kind| all | 1 << kind);
        Space::Serial { kinds, real_time: false }
    }

    /// Those of the graph, of processes and of time.
    pub(super) const STRICT: Space = Space::Serial { kinds: 0b1111, real_time: true };
}

#[derive(Debug)]
pub(super) struct Graph {
    pub(super) txns: usize,
    /// Transactions and hubs.
    pub(super) stored: usize,
    starts: Vec<u32>,
    edges: Vec<u32>,
    /// The first transaction that was invoked after this one had returned.
    after: Vec<u32>,
    pub(super) happened: Vec<bool>,
}

impl Graph {
    /// Every number of a node is below this.
    pub(super) fn count(&self) -> usize {
        self.stored + self.txns
    }

    /// The stored edges of a transaction or hub: their kinds and ends.
    pub(super) fn edges(&self, node: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let range = self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
        self.edges[range].iter().map(|edge| (edge >> BITS, edge & NODE))
    }

    /// Whether a node stands for more than a transaction's point in an order.
    pub(super) fn is_hub(&self, node: u32) -> bool {
        (self.txns..self.stored).contains(&(node as usize))
    }

    /// The transaction of a node, if it has one in this space.
    pub(super) fn txn(&self, space: Space, node: u32) -> Option<u32> {
        let further = (node as usize).checked_sub(self.stored);
        match (space, further) {
            (Space::Snapshot, Some(txn)) => Some(txn as u32),
            (_, None) if !self.is_hub(node) => Some(node),
            _ => None,
        }
    }

    /// A step from a node and where it ends; moves the cursor, 0 at first.
    pub(super) fn next(&self, space: Space, node: u32, cursor: &mut u32) -> Option<(u32, u32)> {
        match ((node as usize).checked_sub(self.stored), space) {
            (None, _) => self.next_stored(space, node, cursor),
            (Some(at), Space::Serial { .. }) => {
                *cursor += 1;
                match *cursor {
                    1 if self.happened[at] => Some((FREE, at as u32)),
                    1 => self.next(space, node, cursor),
                    2 if at + 1 < self.txns => Some((FREE, node + 1)),
                    _ => None,
                }
            }
            (Some(txn), Space::Snapshot) if *cursor == 0 => {
                *cursor = 1;
                Some((FREE, txn as u32))
            }
            (Some(txn), Space::Snapshot) => {
                let edges = &self.edges[self.starts[txn] as usize..self.starts[txn + 1] as usize];
                let from = *cursor as usize - 1;
                let more = edges[from..].iter().position(|edge| edge >> BITS == RW)?;
                *cursor += more as u32 + 1;
                Some((RW, edges[from + more] & NODE))
            }
        }
    }

    /// Finds the anti-dependencies whose ends write one key.
    pub(super) fn keep_apart(&mut self, facts: &Facts<'_>) {
        let writes = |txn: u32| {
            let ops = facts.history.ops(txn as usize).iter();
            ops.filter(|op| matches!(op, Op::Append { .. } | Op::Write { .. })).map(Op::key)
        };
        for txn in 0..self.txns {
            let keys: BTreeSet<KeyId> = writes(txn as u32).collect();
            let (from, to) = (self.starts[txn], self.starts[txn + 1]);
            for edge in &mut self.edges[from as usize..to as usize] {
                let (kind, end) = (*edge >> BITS, *edge & NODE);
                let plain = kind == RW && (end as usize) < self.txns;
                if plain && writes(end).any(|key| keys.contains(&key)) {
                    *edge = APART << BITS | end;
                }
            }
        }
    }

    fn next_stored(&self, space: Space, node: u32, cursor: &mut u32) -> Option<(u32, u32)> {
        let hub = self.is_hub(node);
        let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
        while from + *cursor < to {
            let edge = self.edges[(from + *cursor) as usize];
            *cursor += 1;
            let (kind, end) = (edge >> BITS, edge & NODE);
            match (space, kind) {
                _ if hub => return Some((FREE, end)),
                (Space::Snapshot, WW | WR | APART) => {
                    return Some((kind, end + self.stored as u32));
                }
                (Space::Snapshot, _) => {}
                (Space::Serial { kinds, .. }, _) => {
                    let kind = if kind == APART { RW } else { kind };
                    if kinds >> kind & 1 == 1 {
                        return Some((kind, end));
                    }
                }
            }
        }
        let timed = matches!(space, Space::Serial { real_time: true, .. }) && !hub;
        if !timed || from + *cursor > to {
            return None;
        }
        *cursor += 1;
        let after = self.after[node as usize];
        ((after as usize) < self.txns).then_some((REAL_TIME, self.stored as u32 + after))
    }
}

/// Takes what is found and makes a graph of it.
#[derive(Debug)]
pub(super) struct Builder<'f, 'h> {
    facts: &'f Facts<'h>,
    /// From, and to with the kind.
    pairs: Vec<(u32, u32)>,
    hubs: u32,
    pub(super) findings: Findings,
}

/// What was found beside dependencies.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The first of each kind: who and why.
    pub(super) anomalies: [Option<(Vec<u32>, String)>; Anomaly::ALL.len()],
    /// Why the versions of some key are not known: the first such reason.
    pub(super) obscure: Option<String>,
    /// The same for a list.
    pub(super) obscure_list: Option<String>,
    /// For each operation of the history, if there are registers: the operation whose write it read.
    pub(super) sources: Vec<u32>,
}

/// A read of the initial value, in [`Findings::sources`].
pub(super) const INITIAL: u32 = u32::MAX - 1;
/// No read, or one whose origin is not known.
pub(super) const NOTHING: u32 = u32::MAX;

impl<'f, 'h> Builder<'f, 'h> {
    pub(super) fn of(facts: &'f Facts<'h>) -> Builder<'f, 'h> {
        let mut findings = Findings::default();
        let ops = facts.history.all_ops();
        if ops.iter().any(|op| matches!(op, Op::Read { .. } | Op::Write { .. })) {
            findings.sources = vec![NOTHING; ops.len()];
        }
        Builder { facts, pairs: Vec::new(), hubs: 0, findings }
    }

    fn pair(&mut self, from: u32, kind: u32, to: u32) {
        self.pairs.push((from, kind << BITS | to));
    }

    /// Each process does one thing after the other. What is unknown may happen later than what came next.
    fn processes(&mut self) {
        let mut last = crate::names::Table::<u64, u32>::default();
        for number in 0..self.facts.happened.len() {
            if !self.facts.happened[number] {
                continue;
            }
            let (txn, number) = (&self.facts.history.txns[number], number as u32);
            let before = match txn.fate {
                Fate::Committed => last.insert(txn.process, number),
                Fate::Aborted | Fate::Unknown => last.get(&txn.process).copied(),
            };
            if let Some(before) = before {
                self.pair(before, PROCESS, number);
            }
        }
    }

    pub(super) fn build(mut self) -> (Graph, Findings) {
        self.processes();
        let txns = self.facts.happened.len();
        let stored = txns + self.hubs as usize;
        let mut starts = vec![0_u32; stored + 1];
        for (from, _) in &self.pairs {
            starts[*from as usize + 1] += 1;
        }
        for node in 1..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut free = starts.clone();
        let mut edges = vec![0; self.pairs.len()];
        for (from, to) in &self.pairs {
            let at = &mut free[*from as usize];
            edges[*at as usize] = *to;
            *at += 1;
        }
        let after = self.after();
        let happened = self.facts.happened.clone();
        (Graph { txns, stored, starts, edges, after, happened }, self.findings)
    }

    fn after(&self) -> Vec<u32> {
        let txns = &self.facts.history.txns;
        if !self.facts.history.timed {
            return Vec::new();
        }
        let later = |(number, txn): (usize, &Txn)| {
            // Most return soon.
            let mut reach = 1;
            while number + reach < txns.len() && txns[number + reach].invoked <= txn.returned {
                reach *= 2;
            }
            let from = number + reach / 2;
            let to = txns.len().min(number + reach + 1);
            let more = txns[from..to].partition_point(|other| other.invoked <= txn.returned);
            (from + more) as u32
        };
        txns.iter().enumerate().map(later).collect()
    }
}

impl Sink for Builder<'_, '_> {
    fn dependency(&mut self, dependency: Dependency) {
        let kind = match dependency.kind {
            EdgeKind::Ww => WW,
            EdgeKind::Wr => WR,
            _ => unreachable!("anti-dependencies come in groups"),
        };
        self.pair(dependency.from, kind, dependency.to);
    }

    fn overwritten(&mut self, _: KeyId, _: ValueId, readers: &[Reader], writers: &[Writer]) {
        let (few, all) = (readers.len() * writers.len(), readers.len() + writers.len());
        let mut updates = readers.iter().filter(|reader| reader.wrote).map(|reader| reader.txn);
        let (update, second) = (updates.next(), updates.next());
        if few <= 2 * all || few <= 16 {
            for reader in readers {
                for writer in writers.iter().filter(|writer| writer.txn != reader.txn) {
                    self.pair(reader.txn, RW, writer.txn);
                }
            }
            return;
        }
        // Two of them are a lost update, and that breaks every level that anti-dependencies could break.
        if second.is_some() {
            return;
        }
        let hub = self.facts.happened.len() as u32 + self.hubs;
        self.hubs += 1;
        for reader in readers {
            self.pair(reader.txn, RW, hub);
        }
        for writer in writers {
            // It must not reach itself through the hub.
            if Some(writer.txn) != update {
                self.pair(hub, RW, writer.txn);
                continue;
            }
            for reader in readers.iter().filter(|reader| reader.txn != writer.txn) {
                self.pair(reader.txn, RW, writer.txn);
            }
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly, txns: &[u32], reason: &dyn Fn() -> String) {
        let place = &mut self.findings.anomalies[anomaly as usize];
        if place.is_none() {
            *place = Some((txns.to_vec(), reason()));
        }
    }

    fn obscure(&mut self, key: KeyId, reason: &dyn Fn() -> String) {
        if self.findings.obscure.is_none() {
            self.findings.obscure = Some(reason());
        }
        let list = self.facts.shape(key) == Some(super::facts::Shape::List);
        if list && self.findings.obscure_list.is_none() {
            self.findings.obscure_list = Some(reason());
        }
    }

    fn source(&mut self, read: u32, write: Option<u32>) {
        self.findings.sources[read as usize] = write.unwrap_or(INITIAL);
    }
}

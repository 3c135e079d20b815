//! Why an order got stuck: one waits to overwrite what others have still to read, and these wait for it.

use super::graph::PROCESS;
use super::serial::{Registers, Respect, Work};
use super::windows::Windows;
use std::cmp::Reverse;

/// The first comes before the second.
type Pair = (u32, u32);

/// What may lead out of a deadlock: a writer comes before one whose version is read by those who need the writer.
#[derive(Debug, Default)]
pub(super) struct Step {
    pairs: Vec<Pair>,
    /// If they may also need others that wait for readers, this is a guess, or else its readers come before it.
    other: Option<Vec<Pair>>,
}

/// The steps that were taken.
#[derive(Debug, Default)]
pub(super) struct Path {
    pairs: Vec<Pair>,
    /// How many pairs there were before each guess, and what else can be.
    guesses: Vec<(usize, Vec<Pair>)>,
}

impl Path {
    /// All pairs, in order.
    pub(super) fn pairs(&self, known: &[Pair]) -> Vec<Pair> {
        let mut all = [known, &self.pairs].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Takes a step that is not in `pairs` yet; if it is, goes back to the last guess, and on from there the other way.
    /// False if there is no other way.
    pub(super) fn go(&mut self, step: Step, pairs: &[Pair]) -> bool {
        if step.pairs.iter().any(|pair| pairs.binary_search(pair).is_err()) {
            if let Some(other) = step.other {
                self.guesses.push((self.pairs.len(), other));
            }
            self.pairs.extend(step.pairs);
            return true;
        }
        let Some((len, other)) = self.guesses.pop() else { return false };
        self.pairs.truncate(len);
        self.pairs.extend(other);
        true
    }
}

/// Who waits for whom, of those that have no place.
pub(super) struct Deadlock<'s, 'g> {
    work: &'s Work<'g>,
    registers: &'s Registers<'g>,
    windows: &'s Windows,
    /// Nodes that must come before node n lie from `starts[n]` on.
    starts: Vec<u32>,
    before: Vec<u32>,
    /// Who waits to write which key.
    waiting: Vec<(u32, usize)>,
}

impl<'s, 'g> Deadlock<'s, 'g> {
    pub(super) fn of(
        work: &'s Work<'g>,
        registers: &'s Registers<'g>,
        windows: &'s Windows,
    ) -> Deadlock<'s, 'g> {
        let graph = work.graph;
        let unplaced = |node: u32| !work.placed[node as usize];
        let counts = |kind: u32| kind != PROCESS || work.respect != Respect::Nothing;
        let mut edges: Vec<(u32, u32)> = Vec::new();
        for node in (0..graph.stored as u32).filter(|node| unplaced(*node)) {
            let after = graph.edges(node).filter(|(kind, _)| counts(*kind));
            edges.extend(after.map(|(_, to)| (to, node)));
        }
        let pairs = work.pairs.iter().filter(|(sooner, _)| unplaced(*sooner));
        edges.extend(pairs.map(|(sooner, later)| (*later, *sooner)));
        edges.sort_unstable();
        let mut starts = vec![0; graph.stored + 1];
        edges.iter().for_each(|(of, _)| starts[*of as usize + 1] += 1);
        for node in 0..graph.stored {
            starts[node + 1] += starts[node];
        }
        let before = edges.into_iter().map(|(_, before)| before).collect();
        let mut waiting = registers.waiting();
        waiting.sort_unstable();
        Deadlock { work, registers, windows, starts, before, waiting }
    }

    /// Which way leads out of here.
    pub(super) fn step(&self) -> Step {
        let history = self.work.history;
        let found = |soft: bool| {
            let circles = self.waiting.iter().filter(move |waits| self.needs(**waits, soft));
            circles.filter_map(|(txn, key)| {
                let began = self.registers.began(history, *key).filter(|began| began != txn)?;
                Some((*txn, began, *key))
            })
        };
        let known: Vec<Pair> = found(false).map(|(txn, began, _)| (txn, began)).collect();
        if !known.is_empty() {
            return Step { pairs: known, other: None };
        }
        let Some((txn, began, key)) = found(true).next() else { return Step::default() };
        let other = self.readers(key).filter(|reader| *reader != txn);
        Step { pairs: vec![(txn, began)], other: Some(other.map(|reader| (reader, txn)).collect()) }
    }

    /// Whether the readers that one waits for need it; `soft`: perhaps by way of others that wait for readers.
    fn needs(&self, (txn, key): (u32, usize), soft: bool) -> bool {
        let mut seen = vec![false; self.work.graph.stored];
        let mut open: Vec<u32> = self.readers(key).collect();
        while let Some(node) = open.pop() {
            if node == txn {
                return true;
            }
            if std::mem::replace(&mut seen[node as usize], true) {
                continue;
            }
            let range = self.starts[node as usize]..self.starts[node as usize + 1];
            open.extend(&self.before[range.start as usize..range.end as usize]);
            let late = (node as usize) >= self.work.later && !self.work.graph.is_hub(node);
            if late && let Some(Reverse((_, first))) = self.work.returns.peek() {
                open.push(*first);
            }
            let from = self.waiting.partition_point(|(waits, _)| *waits < node);
            let keys = self.waiting[from..].iter().take_while(|(waits, _)| *waits == node);
            for (_, key) in keys.filter(|_| soft) {
                open.extend(self.readers(*key));
            }
        }
        false
    }

    /// Those that have still to read what a key holds.
    fn readers(&self, key: usize) -> impl Iterator<Item = u32> {
        let readers = &self.windows.readers;
        let of = self.registers.current(key).unwrap_or(readers.ops + key);
        readers.read(of).iter().copied().filter(|reader| !self.work.placed[*reader as usize])
    }
}

//! Why an order got stuck: one waits to overwrite what others have still to read, and these wait for it.

use super::graph::{Graph, PROCESS};
use super::serial::{Registers, Respect, Work};
use super::windows::Readers;
use crate::meter::{Meter, Spent};
use std::cmp::Reverse;
use std::collections::BTreeSet;

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

/// A circle that is longer is not looked for.
const NEAR: usize = 1_000;

/// What must come before what.
#[derive(Debug)]
pub(super) struct Before {
    /// Nodes that must come before node n lie from `starts[n]` on.
    starts: Vec<u32>,
    nodes: Vec<u32>,
    /// The same as pairs: the later one first, in order.
    pairs: Vec<Pair>,
}

impl Before {
    /// Of a graph's edges and known pairs.
    pub(super) fn of(graph: &Graph, respect: Respect, known: &[Pair]) -> Before {
        let all = || {
            (0..graph.stored as u32).flat_map(move |node| {
                let counts = move |kind: u32| kind != PROCESS || respect != Respect::Nothing;
                let after = graph.edges(node).filter(move |(kind, _)| counts(*kind));
                after.map(move |(_, to)| (node, to))
            })
        };
        let mut starts = vec![0_u32; graph.stored + 1];
        all().for_each(|(_, to)| starts[to as usize + 1] += 1);
        for node in 0..graph.stored {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut nodes = vec![0; starts[graph.stored] as usize];
        for (from, to) in all() {
            nodes[next[to as usize] as usize] = from;
            next[to as usize] += 1;
        }
        let mut pairs: Vec<Pair> = known.iter().map(|(sooner, later)| (*later, *sooner)).collect();
        pairs.sort_unstable();
        Before { starts, nodes, pairs }
    }

    fn each(&self, node: u32) -> impl Iterator<Item = u32> {
        let range = self.starts[node as usize]..self.starts[node as usize + 1];
        let from = self.pairs.partition_point(|(later, _)| *later < node);
        let pairs = self.pairs[from..].iter().take_while(move |(later, _)| *later == node);
        let nodes = self.nodes[range.start as usize..range.end as usize].iter().copied();
        nodes.chain(pairs.map(|(_, sooner)| *sooner))
    }
}

/// Who waits for whom, of those that have no place.
pub(super) struct Deadlock<'s, 'g> {
    work: &'s Work<'g>,
    registers: &'s Registers<'g>,
    readers: &'s Readers,
    before: &'s Before,
    path: &'s Path,
    /// Who waits to write which key.
    waiting: Vec<(u32, usize)>,
}

impl<'s, 'g> Deadlock<'s, 'g> {
    pub(super) fn of(
        work: &'s Work<'g>,
        registers: &'s Registers<'g>,
        readers: &'s Readers,
        before: &'s Before,
        path: &'s Path,
    ) -> Deadlock<'s, 'g> {
        let mut waiting = registers.waiting();
        waiting.sort_unstable();
        Deadlock { work, registers, readers, before, path, waiting }
    }

    /// Which way leads out of here.
    pub(super) fn step(&self, meter: &mut Meter<'_>) -> Result<Step, Spent> {
        let mut known = Vec::new();
        for (txn, key) in self.waiting.iter().copied() {
            let began = self.circle((txn, key), false, meter)?;
            known.extend(began.map(|began| (txn, began)));
        }
        if !known.is_empty() {
            return Ok(Step { pairs: known, other: None });
        }
        for (txn, key) in self.waiting.iter().copied() {
            if let Some(began) = self.circle((txn, key), true, meter)? {
                let other = self.readers(key).filter(|reader| *reader != txn);
                let other = Some(other.map(|reader| (reader, txn)).collect());
                return Ok(Step { pairs: vec![(txn, began)], other });
            }
        }
        Ok(Step::default())
    }

    /// The one that began what one waits to overwrite, if the readers that it waits for need it.
    fn circle(
        &self,
        (txn, key): (u32, usize),
        soft: bool,
        meter: &mut Meter<'_>,
    ) -> Result<Option<u32>, Spent> {
        if !self.needs((txn, key), soft, meter)? {
            return Ok(None);
        }
        Ok(self.registers.began(self.work, key, meter)?.filter(|began| *began != txn))
    }

    /// Whether the readers that one waits for need it; `soft`: perhaps by way of others that wait for readers.
    fn needs(
        &self,
        (txn, key): (u32, usize),
        soft: bool,
        meter: &mut Meter<'_>,
    ) -> Result<bool, Spent> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<u32> = self.readers(key).collect();
        meter.tick(self.reads(key).len(), || self.work.how_far())?;
        while let Some(node) = open.pop().filter(|_| seen.len() < NEAR) {
            meter.tick(1, || self.work.how_far())?;
            if node == txn {
                return Ok(true);
            }
            if self.work.placed[node as usize] || !seen.insert(node) {
                continue;
            }
            // One whose time has not come waits for the first that must return; what it needs beside that is looked
            // at only among those whose time has come: all others wait for the same.
            let later = self.work.later;
            let here = node as usize >= later && !self.work.graph.is_hub(node);
            let before = self.before.each(node);
            open.extend(before.filter(|other| !here || (*other as usize) < later));
            let steps = self.path.pairs.iter().filter(|(_, later)| *later == node);
            open.extend(steps.map(|(sooner, _)| *sooner));
            meter.tick(self.path.pairs.len(), || self.work.how_far())?;
            if here && let Some(Reverse((_, first))) = self.work.returns.peek() {
                open.push(*first);
            }
            let from = self.waiting.partition_point(|(waits, _)| *waits < node);
            let keys = self.waiting[from..].iter().take_while(|(waits, _)| *waits == node);
            for (_, key) in keys.filter(|_| soft) {
                open.extend(self.readers(*key));
                meter.tick(self.reads(*key).len(), || self.work.how_far())?;
            }
        }
        Ok(false)
    }

    /// Those that read what a key holds.
    fn reads(&self, key: usize) -> &[u32] {
        let of = self.registers.current(key).unwrap_or(self.readers.ops + key);
        self.readers.read(of)
    }

    /// Those that have still to read it.
    fn readers(&self, key: usize) -> impl Iterator<Item = u32> {
        self.reads(key).iter().copied().filter(|reader| !self.work.placed[*reader as usize])
    }
}

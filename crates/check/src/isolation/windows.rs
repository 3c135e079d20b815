//! When each transaction can have taken effect, where the order of registers' versions is known in part only: no
//! earlier than what it depends on and no later than what depends on it; and what follows for writers of one key. A
//! version that is still read when another writer must be done is newer than that writer's; one that is overwritten
//! before another writer can begin has been read by then. These are bounds, tightened a few times: they guide the
//! search for an order, in which a transaction with a narrow window has hardly a choice.

use super::facts::Facts;
use super::graph::{Findings, Graph, INITIAL, NOTHING};
use crate::meter::{Meter, Spent};
use crate::txn::Op;

/// So often bounds go along all edges, at most, and so often keys are looked at.
const SWEEPS: usize = 6;
const ROUNDS: usize = 4;
/// So many of those that a reader depends on are looked at.
const PAST: usize = 64;
/// Pairs of writers that are noted for each transaction, on average.
const PAIRS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Windows {
    low: Vec<u64>,
    /// By node: it, and all that it has to come before, allow no later time.
    pub(super) due: Vec<u64>,
    /// The first of each pair comes before the other. In order.
    pub(super) pairs: Vec<(u32, u32)>,
    /// The same, if real time counts.
    pub(super) timed: Vec<(u32, u32)>,
    pub(super) readers: Readers,
}

/// A transaction that installs a version of a key.
struct Writer {
    txn: u32,
    op: usize,
}

impl Windows {
    pub(super) fn of(
        facts: &Facts<'_>,
        graph: &Graph,
        findings: &Findings,
        meter: &mut Meter<'_>,
    ) -> Result<Windows, Spent> {
        let txns = &facts.history.txns;
        let mut windows = Windows {
            low: txns.iter().map(|txn| txn.invoked).collect(),
            due: txns.iter().map(|txn| txn.returned).collect(),
            pairs: overtaken(facts, graph, findings, meter)?,
            timed: Vec::new(),
            readers: Readers::of(facts, findings),
        };
        windows.low.resize(graph.stored, 0);
        windows.due.resize(graph.stored, u64::MAX);
        let writers = writers(facts, graph);
        for _ in 0..ROUNDS {
            let swept = windows.sweep(graph, meter)?;
            if !windows.keys(txns.len(), &writers, meter)? && !swept {
                break;
            }
        }
        Ok(windows)
    }

    /// Whether a bound became tighter.
    fn sweep(&mut self, graph: &Graph, meter: &mut Meter<'_>) -> Result<bool, Spent> {
        let mut any = false;
        for _ in 0..SWEEPS {
            let mut changed = false;
            let up = 0..graph.stored as u32;
            for node in up.clone().chain(up.rev()) {
                meter.tick(graph.edges(node).count(), when)?;
                for (_, to) in graph.edges(node) {
                    changed |= self.before(node, to);
                }
            }
            meter.tick(self.pairs.len(), when)?;
            for at in 0..self.pairs.len() {
                let (from, to) = self.pairs[at];
                changed |= self.before(from, to);
            }
            any |= changed;
            if !changed {
                break;
            }
        }
        Ok(any)
    }

    fn before(&mut self, from: u32, to: u32) -> bool {
        let (from, to) = (from as usize, to as usize);
        let tighter = self.low[to] < self.low[from] || self.due[from] > self.due[to];
        self.low[to] = self.low[to].max(self.low[from]);
        self.due[from] = self.due[from].min(self.due[to]);
        tighter
    }

    /// What follows for the writers and readers of each key; whether a bound became tighter.
    fn keys(
        &mut self,
        txns: usize,
        writers: &[Vec<Writer>],
        meter: &mut Meter<'_>,
    ) -> Result<bool, Spent> {
        let readers = std::mem::take(&mut self.readers);
        let mut pairs = Vec::new();
        let mut tighter = false;
        for (key, writers) in writers.iter().enumerate().filter(|(_, all)| all.len() > 1) {
            meter.tick(writers.len() + readers.read(readers.ops + key).len(), when)?;
            // Those that begin last, and of each and all after it the first that must be done.
            let mut by_low: Vec<(u64, u64)> = writers
                .iter()
                .map(|w| (self.low[w.txn as usize], self.due[w.txn as usize]))
                .collect();
            by_low.sort_unstable();
            for i in (1..by_low.len()).rev() {
                by_low[i - 1].1 = by_low[i - 1].1.min(by_low[i].1);
            }
            let mut by_due: Vec<(u64, u32)> =
                writers.iter().map(|w| (self.due[w.txn as usize], w.txn)).collect();
            by_due.sort_unstable();
            let initial = by_low.first().map_or(u64::MAX, |(_, due)| *due);
            for reader in readers.read(readers.ops + key) {
                tighter |= self.done_by(*reader, initial);
            }
            for Writer { txn, op } in writers {
                meter.tick(readers.read(*op).len(), when)?;
                let (low, due) = (self.low[*txn as usize], self.due[*txn as usize]);
                let later = by_low.partition_point(|(low, _)| *low <= due);
                let next = by_low.get(later).map_or(u64::MAX, |(_, due)| *due);
                let mut last = 0;
                for reader in readers.read(*op) {
                    tighter |= self.done_by(*reader, next);
                    last = last.max(self.low[*reader as usize]);
                }
                let from = by_due.partition_point(|(due, _)| *due < low);
                let others = by_due[from..].iter().take_while(|(due, _)| *due < last);
                let others = others.map(|(_, other)| *other).filter(|other| other != txn);
                for other in others.take(PAIRS * txns - pairs.len()) {
                    meter.tick(1, when)?;
                    pairs.push((other, *txn));
                    tighter |= self.before(other, *txn);
                }
            }
        }
        pairs.extend_from_slice(&self.pairs);
        pairs.sort_unstable();
        pairs.dedup();
        self.timed = pairs;
        self.readers = readers;
        Ok(tighter)
    }

    fn done_by(&mut self, txn: u32, due: u64) -> bool {
        let known = &mut self.due[txn as usize];
        let tighter = due < *known;
        *known = (*known).min(due);
        tighter
    }
}

/// How far it came before there was any order.
fn when() -> String {
    "while it was narrowed down when each transaction can have been".into()
}

/// Of those that a reader depends on, two that write one key, of which it read the version of one: the other one is
/// older, since it cannot be between. Each with the one it comes before; in order.
fn overtaken(
    facts: &Facts<'_>,
    graph: &Graph,
    findings: &Findings,
    meter: &mut Meter<'_>,
) -> Result<Vec<(u32, u32)>, Spent> {
    let history = facts.history;
    let mut owner = vec![0_u32; history.all_ops().len()];
    for txn in 0..history.txns.len() {
        owner[history.range(txn)].fill(txn as u32);
    }
    let sources = |txn: usize| {
        history.range(txn).filter_map(|op| match findings.sources[op] {
            NOTHING | INITIAL => None,
            write => Some((history.all_ops()[op].key(), owner[write as usize])),
        })
    };
    let mut known: Vec<(u32, u32)> = Vec::new();
    for _ in 0..ROUNDS {
        let mut more = Vec::new();
        let mut past = Vec::new();
        for reader in (0..graph.txns).filter(|txn| graph.happened[*txn]) {
            let first = sources(reader).map(|(_, txn)| history.txns[txn as usize].invoked).min();
            let Some(first) = first else { continue };
            // What returned before is older than all its sources, if time counts.
            let near = |txn: &u32| history.txns[*txn as usize].returned >= first;
            past.clear();
            past.push(reader as u32);
            let mut at = 0;
            while at < past.len() && past.len() < PAST {
                let txn = past[at];
                at += 1;
                let from = known.partition_point(|(later, _)| *later < txn);
                let pairs = known[from..].iter().take_while(|(later, _)| *later == txn);
                let before = sources(txn as usize).map(|(_, source)| source);
                for other in before.chain(pairs.map(|(_, sooner)| *sooner)).filter(near) {
                    if !past.contains(&other) {
                        past.push(other);
                    }
                }
            }
            let ops: usize = past.iter().map(|txn| history.range(*txn as usize).len()).sum();
            meter.tick(ops * history.range(reader).len(), when)?;
            for (key, source) in sources(reader).filter(|(_, source)| *source != reader as u32) {
                let writes = |other: &&u32| {
                    let ops = history.ops(**other as usize).iter();
                    ops.clone().any(|op| matches!(op, Op::Write { key: of, .. } if *of == key))
                };
                let older = past[1..].iter().filter(|other| **other != source).filter(writes);
                let older = older.take(PAIRS * graph.txns - more.len());
                more.extend(older.map(|other| (source, *other)));
            }
        }
        more.sort_unstable();
        more.dedup();
        if more == known {
            break;
        }
        known = more;
    }
    let mut pairs: Vec<(u32, u32)> =
        known.into_iter().map(|(later, sooner)| (sooner, later)).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

/// Of each key the transactions that write it, with their last operation that does.
fn writers(facts: &Facts<'_>, graph: &Graph) -> Vec<Vec<Writer>> {
    let history = facts.history;
    let mut all: Vec<Vec<Writer>> = (0..history.keys.len()).map(|_| Vec::new()).collect();
    for txn in (0..graph.txns).filter(|txn| graph.happened[*txn]) {
        for (op, number) in history.ops(txn).iter().zip(history.range(txn)) {
            let Op::Write { key, .. } = op else { continue };
            let writers = &mut all[key.0 as usize];
            match writers.last_mut().filter(|last| last.txn as usize == txn) {
                Some(last) => last.op = number,
                None => writers.push(Writer { txn: txn as u32, op: number }),
            }
        }
    }
    all
}

/// Who read what an operation wrote, and who what was there at first.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Those of operation n lie from `starts[n]` on; after the operations come keys.
    starts: Vec<u32>,
    readers: Vec<u32>,
    pub(super) ops: usize,
}

impl Readers {
    fn of(facts: &Facts<'_>, findings: &Findings) -> Readers {
        let history = facts.history;
        let ops = history.all_ops().len();
        let mut found: Vec<(usize, u32)> = Vec::new();
        for txn in 0..history.txns.len() {
            for number in history.range(txn) {
                match findings.sources[number] {
                    NOTHING => {}
                    INITIAL => {
                        let key = history.all_ops()[number].key().0 as usize;
                        found.push((ops + key, txn as u32));
                    }
                    write => found.push((write as usize, txn as u32)),
                }
            }
        }
        found.sort_unstable();
        let mut starts = vec![0; ops + history.keys.len() + 1];
        found.iter().for_each(|(of, _)| starts[of + 1] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        Readers { starts, readers: found.into_iter().map(|(_, reader)| reader).collect(), ops }
    }
    /// Of operation `of`; of the first version of key n, as operation n after the last one.
    pub(super) fn read(&self, of: usize) -> &[u32] {
        &self.readers[self.starts[of] as usize..self.starts[of + 1] as usize]
    }
}

//! Registers with unique writes: who wrote what a read saw is known, the order of versions only in part.
//!
//! Known is: the initial version is the first; a version that a transaction read before it wrote the key is right
//! before what it wrote, or there is G1c, lost update or G-single. So this may be used at every level that forbids
//! these, and is used for anti-dependencies only. Versions that follow each other so are a *chain*, which nothing
//! can interrupt: all others come after the chain that begins with the initial version. More is known if
//! [`Options`] say so, or if a level is judged that promises it.

use super::Assumed;
use super::facts::{Facts, Place, Slots};
use super::list::lost_update;
use super::sink::{Anomaly, Dependency, Reader, Sink, Writer};
use super::versions::{self, Access, Chains};
use crate::level::EdgeKind;
use crate::txn::{Fate, KeyId, Op, ValueId};

#[derive(Clone, Copy, Debug)]
struct Write {
    txn: u32,
    op: u32,
    value: ValueId,
    /// Whether it is its transaction's last to this key.
    last: bool,
    happened: bool,
    aborted: bool,
}

/// What is known of one register. The vectors are used again for the next.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// By transaction. Version 0 is the initial one, version `n + 1` what write `n` installed.
    writes: Vec<Write>,
    readers: Vec<Reader>,
    /// What each transaction saw first and left behind.
    accesses: Vec<Access>,
    /// A version and one right after it.
    pairs: Vec<(u32, u32)>,
    chains: Chains,
    /// Who installed a version.
    writers: Vec<Writer>,
}

impl Register {
    /// Tells `sink` all about `key`.
    pub(super) fn analyse(
        &mut self,
        facts: &Facts<'_>,
        key: KeyId,
        assumed: Assumed,
        slots: &mut Slots,
        sink: &mut impl Sink,
    ) {
        self.readers.clear();
        self.accesses.clear();
        self.pairs.clear();
        if let Some(twice) = self.collect(facts, key, slots) {
            let name = || (facts.history.shown(twice), facts.history.key_name(key));
            sink.obscure(key, &|| {
                format!("{} is written to {} more than once", name().0, name().1)
            });
            return;
        }
        let mut next = 0;
        for group in facts.places(key).chunk_by(|a, b| a.txn == b.txn) {
            self.transaction(facts, key, group, &mut next, slots, sink);
        }
        self.chains.find(self.writes.len() + 1, &self.pairs);
        self.assumed(facts, key, assumed, sink);
        self.own_versions(assumed);
        self.readers.sort_unstable();
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.anti_dependencies(facts, key, sink);
    }

    /// Finds all writes; answers a value that is written twice. Nil is there from the beginning.
    fn collect(&mut self, facts: &Facts<'_>, key: KeyId, slots: &mut Slots) -> Option<ValueId> {
        self.writes.clear();
        slots.clear();
        for place in facts.places(key) {
            let Op::Write { value, .. } = facts.op(*place) else { continue };
            let (txn, op) = (place.txn, place.op);
            if value == ValueId::NIL || slots.put(value, self.writes.len() as u32).is_some() {
                return Some(value);
            }
            if let Some(before) = self.writes.last_mut().filter(|before| before.txn == txn) {
                before.last = false;
            }
            let happened = facts.happened[txn as usize];
            let aborted = !happened && facts.history.txns[txn as usize].fate == Fate::Aborted;
            self.writes.push(Write { txn, op, value, last: true, happened, aborted });
        }
        None
    }

    /// What one transaction did to the key, in its order.
    fn transaction(
        &mut self,
        facts: &Facts<'_>,
        key: KeyId,
        group: &[Place],
        next: &mut usize,
        slots: &Slots,
        sink: &mut impl Sink,
    ) {
        let txn = group[0].txn;
        let first = *next;
        *next += group.iter().filter(|p| matches!(facts.op(**p), Op::Write { .. })).count();
        if !facts.happened[txn as usize] {
            return;
        }
        let (mut seen, mut external) = (None::<ValueId>, None);
        for place in group {
            match facts.op(*place) {
                Op::Write { value, .. } => seen = Some(value),
                Op::Read { value: Some(value), .. } => match seen.replace(value) {
                    None => external = Some((value, place.op)),
                    Some(expected) if expected == value => {}
                    Some(expected) => sink.anomaly(Anomaly::Internal, &[txn], &|| {
                        let shown = |value| facts.history.shown(value);
                        let (name, saw, own) =
                            (facts.history.key_name(key), shown(value), shown(expected));
                        format!("T1 read {name} = {saw}, though to itself it was {own}")
                    }),
                },
                _ => {}
            }
        }
        let wrote = *next > first;
        let version = external.and_then(|(value, op)| {
            self.read_dependency(facts, key, (txn, op), value, slots, sink)
        });
        if let Some(version) = version {
            self.readers.push(Reader { version, txn, wrote });
            if wrote {
                self.pairs.push((version, *next as u32));
            }
        }
        let left = if wrote { Some(*next as u32) } else { version };
        if let Some(left) = left {
            self.accesses.push(Access { txn, first: version.unwrap_or(left), last: left });
        }
    }

    /// The version that a transaction saw before it wrote the key, if that can be one.
    fn read_dependency(
        &self,
        facts: &Facts<'_>,
        key: KeyId,
        (txn, op): (u32, u32),
        value: ValueId,
        slots: &Slots,
        sink: &mut impl Sink,
    ) -> Option<u32> {
        if value == ValueId::NIL {
            sink.source(op, None);
            return Some(0);
        }
        let shown = || (facts.history.key_name(key), facts.history.shown(value));
        let Some(number) = slots.get(value) else {
            sink.anomaly(Anomaly::GarbageRead, &[txn], &|| {
                format!("T1 read {} = {}, which nobody wrote", shown().0, shown().1)
            });
            return None;
        };
        let write = self.writes[number as usize];
        if write.txn == txn {
            sink.anomaly(Anomaly::FutureRead, &[txn], &|| {
                format!("T1 read {} = {} before it wrote it", shown().0, shown().1)
            });
            return None;
        }
        if write.aborted {
            sink.anomaly(Anomaly::G1a, &[txn, write.txn], &|| {
                format!("T1 read {} = {}, which T2 wrote, and T2 failed", shown().0, shown().1)
            });
            return None;
        }
        if !write.happened {
            return None;
        }
        let (from, kind) = (write.txn, EdgeKind::Wr);
        sink.dependency(Dependency { kind, key, from, to: txn, value, next: value });
        sink.source(op, Some(write.op));
        if !write.last {
            sink.anomaly(Anomaly::G1b, &[txn, write.txn], &|| {
                format!("T1 read {} = {}, which T2 itself overwrote", shown().0, shown().1)
            });
            return None;
        }
        Some(number + 1)
    }

    /// Adds the pairs of versions whose order is assumed.
    fn assumed(&mut self, facts: &Facts<'_>, key: KeyId, assumed: Assumed, sink: &mut impl Sink) {
        let (from, count) = (self.pairs.len(), self.writes.len() + 1);
        let mut blocks = std::mem::take(&mut self.accesses);
        if assumed.chains {
            blocks.iter_mut().for_each(|access| *access = self.chains.block(*access));
        }
        if assumed.options.sequential_keys {
            versions::by_process(facts, &blocks, &mut self.pairs);
        }
        if assumed.options.linearizable_keys && facts.history.timed {
            versions::by_time(facts, &blocks, count, &mut self.pairs);
        }
        self.accesses = blocks;
        if self.pairs.len() == from {
            return;
        }
        if assumed.chains {
            self.pairs[from..].iter_mut().for_each(|pair| pair.0 = self.chains.end(pair.0));
        }
        // Nothing comes before the initial version.
        let back = self.pairs[from..].iter().find(|(_, after)| *after == 0).map(|pair| pair.0);
        let circle = back.map(|version| vec![0, version]).or_else(|| {
            let circle = versions::circle(count, &self.pairs);
            (!circle.is_empty()).then_some(circle)
        });
        if let Some(circle) = circle {
            let mut txns: Vec<u32> = Vec::new();
            for version in &circle {
                let touched =
                    self.accesses.iter().filter(|a| a.first == *version || a.last == *version);
                txns.extend(touched.take(2).map(|access| access.txn));
            }
            txns.sort_unstable();
            txns.dedup();
            sink.anomaly(Anomaly::CyclicVersions, &txns, &|| {
                let shown: Vec<String> =
                    circle.iter().map(|v| facts.history.shown(self.value(*v))).collect();
                let (name, all) = (facts.history.key_name(key), shown.join(", "));
                format!("of {name} each of {all} was touched before the others were last seen")
            });
            self.pairs.truncate(from);
            return;
        }
        let certain = if assumed.chains { &[][..] } else { &self.pairs[from..] };
        for (before, after) in certain {
            let Some(number) = before.checked_sub(1) else { continue };
            let (before, after) = (self.writes[number as usize], self.writes[*after as usize - 1]);
            if before.txn != after.txn {
                let (kind, from, to) = (EdgeKind::Ww, before.txn, after.txn);
                let (value, next) = (before.value, after.value);
                sink.dependency(Dependency { kind, key, from, to, value, next });
            }
        }
    }

    /// Who wrote the end of a chain comes before what comes after it, as those do who read it.
    fn own_versions(&mut self, assumed: Assumed) {
        let first = self.chains.end(0);
        let mut ends: Vec<u32> = if assumed.chains {
            self.pairs.iter().map(|pair| pair.0).filter(|v| self.chains.end(*v) == *v).collect()
        } else {
            Vec::new()
        };
        ends.push(first);
        ends.sort_unstable();
        ends.dedup();
        for version in ends.into_iter().filter(|version| *version != 0) {
            let txn = self.writer(version).txn;
            self.readers.push(Reader { version, txn, wrote: false });
        }
    }

    fn value(&self, version: u32) -> ValueId {
        version.checked_sub(1).map_or(ValueId::NIL, |number| self.writes[number as usize].value)
    }

    fn writer(&self, version: u32) -> Writer {
        let write = self.writes[version as usize - 1];
        Writer { txn: write.txn, value: write.value }
    }

    /// Who read a version, and who wrote one after it.
    fn anti_dependencies(&mut self, facts: &Facts<'_>, key: KeyId, sink: &mut impl Sink) {
        let mut writers = std::mem::take(&mut self.writers);
        for readers in self.readers.chunk_by(|a, b| a.version == b.version) {
            let version = readers[0].version;
            let value = self.value(version);
            lost_update(facts, key, value, readers, sink);
            writers.clear();
            let from = self.pairs.partition_point(|pair| pair.0 < version);
            let after = self.pairs[from..].iter().take_while(|pair| pair.0 == version);
            writers.extend(after.map(|pair| self.writer(pair.1)));
            if version == self.chains.end(0) {
                let others = (1..).zip(&self.writes).filter(|(version, write)| {
                    write.happened && write.last && self.chains.is_other(*version)
                });
                writers.extend(others.map(|(version, _)| self.writer(version)));
            }
            if !writers.is_empty() {
                sink.overwritten(key, value, readers, &writers);
            }
        }
        self.writers = writers;
    }
}

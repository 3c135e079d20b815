//! Lists: a read shows every version before the one it sees, so the longest read is the version order.

use super::facts::{Facts, Place, Slots};
use super::sink::{Anomaly, Dependency, Reader, Sink, Writer};
use crate::level::EdgeKind;
use crate::txn::{Elements, Fate, KeyId, Op, ValueId};

/// Not in the longest read.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Append {
    txn: u32,
    value: ValueId,
    /// Its place in the longest read.
    at: u32,
    /// Whether it is its transaction's last to this key.
    last: bool,
    happened: bool,
    aborted: bool,
}

impl Append {
    fn writer(&self) -> Writer {
        Writer { txn: self.txn, value: self.value }
    }
}

/// What is known of one list. The vectors are used again for the next.
#[derive(Debug, Default)]
pub(super) struct List {
    /// By transaction.
    appends: Vec<Append>,
    /// The longest read, as numbers of appends.
    order: Vec<u32>,
    /// Where the first append of an aborted transaction lies.
    dirty: usize,
    readers: Vec<Reader>,
    /// Appends that nobody saw: after all others, in an unknown order.
    tail: Vec<Writer>,
}

impl List {
    /// Tells `sink` all about `key`.
    pub(super) fn analyse(
        &mut self,
        facts: &Facts<'_>,
        key: KeyId,
        slots: &mut Slots,
        sink: &mut impl Sink,
    ) {
        self.order.clear();
        self.readers.clear();
        self.tail.clear();
        if let Some(twice) = self.collect(facts, key, slots) {
            let name = || (facts.history.shown(twice), facts.history.key_name(key));
            sink.obscure(key, &|| {
                format!("{} is appended to {} more than once", name().0, name().1)
            });
            return;
        }
        if !self.lay_out(facts, key, slots, sink) {
            return;
        }
        let mut next = 0;
        for group in facts.places(key).chunk_by(|a, b| a.txn == b.txn) {
            self.transaction(facts, key, group, &mut next, sink);
        }
        self.write_dependencies(key, sink);
        self.anti_dependencies(facts, key, sink);
    }

    /// Finds all appends; answers a value that is appended twice.
    fn collect(&mut self, facts: &Facts<'_>, key: KeyId, slots: &mut Slots) -> Option<ValueId> {
        self.appends.clear();
        slots.clear();
        for place in facts.places(key) {
            let Op::Append { value, .. } = facts.op(*place) else { continue };
            let txn = place.txn;
            if slots.put(value, self.appends.len() as u32).is_some() {
                return Some(value);
            }
            if let Some(before) = self.appends.last_mut().filter(|before| before.txn == txn) {
                before.last = false;
            }
            let happened = facts.happened[txn as usize];
            let aborted = !happened && facts.history.txns[txn as usize].fate == Fate::Aborted;
            self.appends.push(Append { txn, value, at: NOWHERE, last: true, happened, aborted });
        }
        None
    }

    /// Finds the version order; whether all reads agree on one.
    fn lay_out(
        &mut self,
        facts: &Facts<'_>,
        key: KeyId,
        slots: &mut Slots,
        sink: &mut impl Sink,
    ) -> bool {
        let mut longest: (&[ValueId], u32) = (&[], 0);
        for (place, elements) in reads(facts, facts.places(key)) {
            let read = facts.history.elements(elements);
            if read.len() > longest.0.len() {
                longest = (read, place.txn);
            }
        }
        self.dirty = longest.0.len();
        for (at, value) in longest.0.iter().enumerate() {
            let Some(number) = slots.get(*value) else {
                return sound(facts, key, longest, slots, sink);
            };
            let append = &mut self.appends[number as usize];
            if append.at != NOWHERE {
                return sound(facts, key, longest, slots, sink);
            }
            append.at = at as u32;
            if append.aborted {
                self.dirty = self.dirty.min(at);
            }
            self.order.push(number);
        }
        for (place, elements) in reads(facts, facts.places(key)) {
            let read = facts.history.elements(elements);
            if longest.0.starts_with(read) {
                continue;
            }
            if !sound(facts, key, (read, place.txn), slots, sink) {
                return false;
            }
            let list = facts.history.key_name(key);
            let at = read.iter().zip(longest.0).position(|(a, b)| a != b).unwrap_or(0);
            let [here, there] = [read[at], longest.0[at]].map(|value| facts.history.shown(value));
            let other = if place.txn == longest.1 { "T1 itself" } else { "T2" };
            sink.anomaly(Anomaly::IncompatibleOrder, &[place.txn, longest.1], &|| {
                format!("where T1 saw {here} in {list}, {other} saw {there}: appends have no order")
            });
            sink.obscure(key, &|| format!("reads of {list} disagree on the order of appends"));
            return false;
        }
        self.in_own_order(facts, key, longest.1, sink)
    }

    /// Whether the appends of each transaction lie in the order in which it made them.
    fn in_own_order(
        &self,
        facts: &Facts<'_>,
        key: KeyId,
        reader: u32,
        sink: &mut impl Sink,
    ) -> bool {
        let broken = |pair: &&[Append]| {
            let (first, then) = (pair[0], pair[1]);
            let seen = then.happened && then.at != NOWHERE;
            first.txn == then.txn && seen && (first.at == NOWHERE || first.at > then.at)
        };
        let Some(pair) = self.appends.windows(2).find(broken) else { return true };
        let [first, then] = [pair[0], pair[1]].map(|append| facts.history.shown(append.value));
        let name = facts.history.key_name(key);
        sink.anomaly(Anomaly::IncompatibleOrder, &[pair[0].txn, reader], &|| {
            format!(
                "T1 appended {first} before {then}, and {then} was seen without {first} before it"
            )
        });
        sink.obscure(key, &|| format!("{name} does not hold appends in the order they were made"));
        false
    }

    /// What one transaction did to the key, in its order.
    fn transaction(
        &mut self,
        facts: &Facts<'_>,
        key: KeyId,
        group: &[Place],
        next: &mut usize,
        sink: &mut impl Sink,
    ) {
        let txn = group[0].txn;
        if !facts.happened[txn as usize] {
            *next += group.iter().filter(|p| matches!(facts.op(**p), Op::Append { .. })).count();
            return;
        }
        let name = || facts.history.key_name(key);
        // As long as the list is to this transaction; its appends before it first read; whether the appends since
        // the last read lie where they must.
        let (mut seen, mut blind, mut placed) = (None::<usize>, 0, true);
        let mut external = None::<usize>;
        let mut wrote = false;
        for place in group {
            match facts.op(*place) {
                Op::Append { value, .. } => {
                    let at = self.appends[*next].at;
                    *next += 1;
                    wrote = true;
                    let Some(len) = &mut seen else {
                        blind += 1;
                        continue;
                    };
                    if (at as usize) < *len {
                        let shown = || facts.history.shown(value);
                        sink.anomaly(Anomaly::FutureRead, &[txn], &|| {
                            format!("T1 saw {} in {} before it appended it", shown(), name())
                        });
                    }
                    placed &= at as usize == *len;
                    *len += 1;
                }
                Op::ReadList { elements: Some(elements), .. } => {
                    let read = facts.history.elements(elements);
                    let own = self.appends[*next - blind..*next].iter();
                    let good = match seen {
                        Some(len) => placed && read.len() == len,
                        None => read.len().checked_sub(blind).is_some_and(|before| {
                            own.zip(before..).all(|(append, at)| append.at as usize == at)
                        }),
                    };
                    if !good {
                        sink.anomaly(Anomaly::Internal, &[txn], &|| {
                            let all = facts.history.describe_op(&facts.op(*place));
                            format!(
                                "T1 answered {all} against what it had itself seen and appended"
                            )
                        });
                    }
                    if seen.is_none() && blind == 0 {
                        external = Some(read.len());
                    }
                    self.unclean(facts, key, txn, read.len(), sink);
                    (seen, placed) = (Some(read.len()), true);
                }
                _ => {}
            }
        }
        if let Some(len) = external {
            self.readers.push(Reader { version: len as u32, txn, wrote });
            self.read_dependency(facts, key, txn, len, sink);
        }
    }

    /// Reports reads of what an aborted transaction appended.
    fn unclean(&self, facts: &Facts<'_>, key: KeyId, txn: u32, len: usize, sink: &mut impl Sink) {
        if len <= self.dirty {
            return;
        }
        let bad = self.appends[self.order[self.dirty] as usize];
        let name = || facts.history.key_name(key);
        let shown = || facts.history.shown(bad.value);
        sink.anomaly(Anomaly::G1a, &[txn, bad.txn], &|| {
            format!("T1 saw {} in {}, which T2 appended, and T2 failed", shown(), name())
        });
        let mut above = self.order[self.dirty..len].iter().map(|n| self.appends[*n as usize]);
        if let Some(append) = above.find(|append| append.happened) {
            sink.anomaly(Anomaly::DirtyUpdate, &[append.txn, bad.txn, txn], &|| {
                let (next, list) = (facts.history.shown(append.value), name());
                format!("T1 appended {next} to {list} after {} of T2, which failed", shown())
            });
        }
    }

    fn read_dependency(
        &self,
        facts: &Facts<'_>,
        key: KeyId,
        txn: u32,
        len: usize,
        sink: &mut impl Sink,
    ) {
        let Some(last) = len.checked_sub(1) else { return };
        let append = self.appends[self.order[last] as usize];
        if !append.happened || append.txn == txn {
            return;
        }
        if !append.last {
            sink.anomaly(Anomaly::G1b, &[txn, append.txn], &|| {
                let (shown, list) =
                    (facts.history.shown(append.value), facts.history.key_name(key));
                format!("T1 saw {list} end with {shown}, after which T2 appended more to it")
            });
        }
        let (from, value) = (append.txn, append.value);
        sink.dependency(Dependency { kind: EdgeKind::Wr, key, from, to: txn, value, next: value });
    }

    fn write_dependencies(&mut self, key: KeyId, sink: &mut impl Sink) {
        let mut link = |before: Writer, after: Writer| {
            if before.txn != after.txn {
                let (from, value) = (before.txn, before.value);
                let (to, next) = (after.txn, after.value);
                sink.dependency(Dependency { kind: EdgeKind::Ww, key, from, to, value, next });
            }
        };
        let mut last: Option<Writer> = None;
        let known = self.order.iter().map(|number| &self.appends[*number as usize]);
        for append in known.filter(|append| append.happened) {
            if let Some(before) = last.replace(append.writer()) {
                link(before, append.writer());
            }
        }
        let unseen = self.appends.iter().filter(|append| append.happened && append.at == NOWHERE);
        self.tail.extend(unseen.map(Append::writer));
        self.tail.dedup_by_key(|writer| writer.txn);
        if let Some(before) = last {
            self.tail.iter().for_each(|after| link(before, *after));
        }
    }

    /// Who read a version, and who wrote the one after it.
    fn anti_dependencies(&mut self, facts: &Facts<'_>, key: KeyId, sink: &mut impl Sink) {
        self.readers.sort_unstable();
        for readers in self.readers.chunk_by(|a, b| a.version == b.version) {
            let version = readers[0].version as usize;
            let value =
                version.checked_sub(1).map(|at| self.appends[self.order[at] as usize].value);
            let value = value.unwrap_or(ValueId::NIL);
            lost_update(facts, key, value, readers, sink);
            let after = self.order[version..].iter().map(|number| &self.appends[*number as usize]);
            match after.clone().find(|append| append.happened) {
                Some(append) => sink.overwritten(key, value, readers, &[append.writer()]),
                None if self.tail.is_empty() => {}
                None => sink.overwritten(key, value, readers, &self.tail),
            }
        }
    }
}

/// Two of the readers of one version wrote the key.
pub(super) fn lost_update(
    facts: &Facts<'_>,
    key: KeyId,
    value: ValueId,
    readers: &[Reader],
    sink: &mut impl Sink,
) {
    let mut updates = readers.iter().filter(|reader| reader.wrote);
    if let (Some(one), Some(other)) = (updates.next(), updates.next()) {
        sink.anomaly(Anomaly::LostUpdate, &[one.txn, other.txn], &|| {
            let (shown, name) = (facts.history.shown(value), facts.history.key_name(key));
            format!("T1 and T2 both wrote {name} on top of the same version, {shown}")
        });
    }
}

/// All that is known to have been read of a list.
fn reads<'f>(
    facts: &'f Facts<'_>,
    places: &'f [Place],
) -> impl Iterator<Item = (Place, Elements)> + 'f {
    places.iter().filter_map(|place| match facts.op(*place) {
        Op::ReadList { elements: Some(elements), .. } if facts.happened[place.txn as usize] => {
            Some((*place, elements))
        }
        _ => None,
    })
}

/// Reports an element of `read` that is there twice or was never appended; whether there is none.
fn sound(
    facts: &Facts<'_>,
    key: KeyId,
    (read, txn): (&[ValueId], u32),
    slots: &Slots,
    sink: &mut impl Sink,
) -> bool {
    let name = || facts.history.key_name(key);
    let garbage = read.iter().find(|value| slots.get(**value).is_none());
    if let Some(value) = garbage {
        let shown = || facts.history.shown(*value);
        sink.anomaly(Anomaly::GarbageRead, &[txn], &|| {
            format!("T1 saw {} in {}, and nobody appended it", shown(), name())
        });
    }
    let mut sorted = read.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    if let Some(value) = twice {
        let shown = || facts.history.shown(value);
        sink.anomaly(Anomaly::DuplicateElements, &[txn], &|| {
            format!("T1 saw {} in {} more than once, and it was appended once", shown(), name())
        });
    }
    if garbage.is_some() || twice.is_some() {
        sink.obscure(key, &|| format!("{} holds what nobody can have appended", name()));
        return false;
    }
    true
}

//! What read committed and read atomic derive: of two that wrote a key, the one whose effect a reader knew must
//! come before the one it read from (Biswas and Enea, OOPSLA 2019, figure 2).
//!
//! As in AWDIT (PLDI 2025), only arcs from which the others follow are made, and the smaller of two sets of keys
//! is walked: of n operations that makes O(n^1.5).

use super::graph::{Derived, LISTED};
use super::resolved::{AFTER, INIT, Read, Resolved};
use crate::meter::{Meter, Spent};
use crate::planted::{self, Bug};

/// Arcs in the making.
#[derive(Default)]
pub(crate) struct Arcs {
    pub(crate) list: Vec<Derived>,
    /// A write known to someone who found the initial state.
    pub(crate) initial: Option<Derived>,
}

impl Arcs {
    /// Keeps an arc, unless session order has it already.
    pub(crate) fn push(&mut self, resolved: &Resolved, arc: Derived) {
        let Derived { from, to, .. } = arc;
        if to == INIT {
            self.initial.get_or_insert(arc);
            return;
        }
        let session = |node: u32| resolved.session[node as usize];
        if from != to && (from > to || session(from) != session(to)) {
            self.list.push(arc);
        }
    }
}

/// Read committed: what was read earlier in the same transaction is known.
pub(crate) fn committed(resolved: &Resolved, meter: &mut Meter<'_>) -> Result<Arcs, Spent> {
    let mut arcs = Arcs::default();
    let mut seen = vec![INIT; resolved.len()];
    // By key: the reader, and where the next read of it after the one looked at is from.
    let mut next = vec![(INIT, INIT); key_count(resolved)];
    let (mut firsts, mut later) = (Vec::new(), Vec::new());
    for by in resolved.nodes() {
        let reads = resolved.reads(by);
        meter.tick(reads.len(), || format!("at transaction {by} of {}", resolved.len()))?;
        meter.keep(arcs.list.len())?;
        firsts.clear();
        firsts.extend(reads.iter().map(|read| {
            let known = read.from != INIT && read.key != AFTER;
            known && std::mem::replace(&mut seen[read.from as usize], by) != by
        }));
        later.clear();
        for (read, first) in reads.iter().zip(&firsts).rev() {
            let &Read { key, from } = read;
            if *first {
                common(resolved.writes(from), &later, |key| {
                    if next[key as usize].0 == by {
                        let to = next[key as usize].1;
                        arcs.push(resolved, Derived { from, to, by, key });
                    }
                });
            }
            if key >= AFTER {
                continue;
            }
            let (reader, to) = std::mem::replace(&mut next[key as usize], (by, from));
            if reader != by {
                later.push(key);
            } else if from != INIT && !planted::is(Bug::NoLaterRead) {
                arcs.push(resolved, Derived { from, to, by, key });
            }
        }
    }
    Ok(arcs)
}

/// Read atomic: what precedes a transaction in its session, and all it read from, is known.
pub(crate) fn atomic(resolved: &Resolved, meter: &mut Meter<'_>) -> Result<Arcs, Spent> {
    let mut arcs = Arcs::default();
    let mut seen = vec![INIT; resolved.len()];
    let mut sources = vec![(INIT, INIT); key_count(resolved)];
    let mut last = vec![(INIT, INIT); key_count(resolved)];
    let mut keys = Vec::new();
    for by in resolved.nodes() {
        let reads = resolved.reads(by);
        meter.tick(reads.len(), || format!("at transaction {by} of {}", resolved.len()))?;
        meter.keep(arcs.list.len())?;
        keys.clear();
        for &Read { key, from } in reads.iter().filter(|read| read.key < AFTER) {
            let (reader, other) = sources[key as usize];
            if reader != by {
                keys.push(key);
                sources[key as usize] = (by, from);
            } else if other != from {
                let pairs = [(from, other), (other, from)].into_iter();
                for (from, to) in pairs.filter(|(from, _)| *from != INIT) {
                    arcs.push(resolved, Derived { from, to, by, key });
                }
            }
        }
        let mut know = |from: u32, key: u32| {
            let (reader, to) = sources[key as usize];
            if reader == by {
                arcs.push(resolved, Derived { from, to, by, key });
            }
        };
        for read in reads.iter().filter(|read| read.from != INIT) {
            if std::mem::replace(&mut seen[read.from as usize], by) != by {
                common(resolved.writes(read.from), &keys, |key| know(read.from, key));
            }
        }
        let session = resolved.session[by as usize];
        for &key in &keys {
            let (of, from) = last[key as usize];
            if of == session {
                know(from, key);
            }
        }
        if let Some(&Read { key: AFTER, from }) = reads.first() {
            let start = resolved.starts[resolved.session[from as usize] as usize];
            let start = if planted::is(Bug::ForkKnowsLast) { from } else { start };
            for from in start..from {
                meter.tick(1, || format!("at transaction {by} of {}", resolved.len()))?;
                common(resolved.writes(from), &keys, |key| know(from, key));
            }
        }
        for &key in resolved.writes(by) {
            last[key as usize] = (session, by);
        }
    }
    Ok(arcs)
}

/// Keys are numbered below this.
pub(crate) fn key_count(resolved: &Resolved) -> usize {
    let read = resolved.reads.iter().map(|read| read.key).filter(|&key| key < AFTER);
    let most = read.chain(resolved.writes.iter().copied()).max();
    most.map_or(0, |most| most as usize + 1)
}

/// Calls `visit` with every key of `writes` that may be among `keys`, walking the shorter of the two.
fn common(writes: &[u32], keys: &[u32], mut visit: impl FnMut(u32)) {
    if writes.len() <= keys.len() {
        writes.iter().for_each(|&key| visit(key));
    } else {
        let both = keys.iter().filter(|key| writes.binary_search(key).is_ok());
        both.for_each(|&key| visit(key));
    }
}

/// The orders that lists tell, of those that `those` selects by their readers: its elements one after the other,
/// and then whatever appended to the key and is not in it. Of each key the longest list is taken, which tells
/// what its beginnings tell, and up to `apart` that are none: the first makes a cycle with it.
pub(crate) fn versions(
    resolved: &Resolved,
    apart: usize,
    those: impl Fn(u32) -> bool,
) -> Vec<Derived> {
    let mut lists: Vec<_> = resolved.lists.iter().filter(|list| those(list.node)).collect();
    if lists.is_empty() {
        return Vec::new();
    }
    lists.sort_by_key(|list| (list.key, std::cmp::Reverse(list.len)));
    let mut appends: Vec<(u32, u32)> = resolved
        .nodes()
        .flat_map(|node| resolved.writes(node).iter().map(move |&key| (key, node)))
        .filter(|(key, _)| lists.binary_search_by_key(key, |list| list.key).is_ok())
        .collect();
    appends.sort_unstable();
    let mut arcs = Arcs::default();
    let mut within = vec![0_u32; resolved.len()];
    let mut marks = 0;
    for of_key in lists.chunk_by(|one, next| one.key == next.key) {
        let longest = resolved.elements(of_key[0]);
        let apart = if planted::is(Bug::LongestListOnly) { 0 } else { apart };
        let others = of_key.iter().filter(|list| !longest.starts_with(resolved.elements(list)));
        let key = of_key[0].key;
        let from = appends.partition_point(|(of, _)| *of < key);
        for list in std::iter::once(&of_key[0]).chain(others.take(apart)) {
            let (elements, by, key) = (resolved.elements(list), list.node, key | LISTED);
            let Some(&end) = elements.last() else { continue };
            marks += 1;
            elements.iter().for_each(|&node| within[node as usize] = marks);
            for pair in elements.windows(2) {
                arcs.push(resolved, Derived { from: pair[0], to: pair[1], by, key });
            }
            for &(_, to) in appends[from..].iter().take_while(|(of, _)| of | LISTED == key) {
                if within[to as usize] != marks {
                    arcs.push(resolved, Derived { from: end, to, by, key });
                }
            }
        }
    }
    arcs.list
}

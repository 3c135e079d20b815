//! The causal order as vector clocks, one component at a time.
//!
//! The clock of a node says, for each session, how many of its nodes are in the causal past. All components of
//! all nodes take a number per node and session; one component is judged without the others, so that one column is
//! kept at a time and memory stays linear in the history.

use crate::meter::{Meter, Spent};
use crate::planted::{self, Bug};
use crate::weak::graph::{Derived, Sorted};
use crate::weak::levels::key_count;
use crate::weak::resolved::{AFTER, INIT, Resolved};
use std::ops::Range;

/// What comes right before each node, in an order that respects it.
pub(super) struct Past<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) order: Vec<u32>,
    at: Vec<u32>,
    before: Vec<u32>,
}

impl<'a> Past<'a> {
    /// Of session order and reads-from without cycle.
    pub(super) fn new(resolved: &'a Resolved, sorted: Sorted) -> Past<'a> {
        assert!(sorted.cyclic.is_empty(), "causes have no cycle");
        let order = sorted.order;
        let (mut at, mut before) = (vec![0], Vec::with_capacity(resolved.reads.len()));
        let mut seen = vec![INIT; resolved.len()];
        for &node in &order {
            before.extend(resolved.previous(node));
            let session = resolved.session[node as usize];
            for read in resolved.reads(node).iter().filter(|read| read.from != INIT) {
                let same = resolved.session[read.from as usize] == session;
                if !same && std::mem::replace(&mut seen[read.from as usize], node) != node {
                    before.push(read.from);
                }
            }
            at.push(u32::try_from(before.len()).expect("as many as reads and nodes"));
        }
        Past { resolved, order, at, before }
    }

    /// Each node with what comes right before it, forwards.
    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = (u32, &[u32])> {
        let ranges = self.at.windows(2).map(|pair| pair[0] as usize..pair[1] as usize);
        self.order.iter().copied().zip(ranges.map(|range| &self.before[range]))
    }

    /// Sets, for each node, how many of `session` are in its past or are itself.
    pub(super) fn column(&self, session: u32, column: &mut [u32]) {
        for (node, before) in self.steps() {
            let most = before.iter().map(|&from| column[from as usize]).max();
            let own = self.resolved.session[node as usize] == session;
            column[node as usize] = match own {
                true => self.resolved.place(node),
                false => most.unwrap_or(0),
            };
        }
    }

    /// Calls `visit` with the last one of `session` that wrote what a node read and is in the causal past of
    /// that node, for every read; it is derived that it comes before the one that was read from.
    pub(super) fn visit(
        &self,
        session: u32,
        last: &mut Last,
        column: &[u32],
        mut visit: impl FnMut(Derived),
    ) {
        let resolved = self.resolved;
        let start = resolved.starts[session as usize];
        for nodes in resolved.sessions() {
            let own = nodes.start == start;
            let known = |by: u32, next: u32| {
                let end = match own {
                    true => by + u32::from(planted::is(Bug::OwnPast)),
                    false => start + column[by as usize],
                };
                next + u32::from(planted::is(Bug::ShortPast)) < end
            };
            walk(resolved, session, nodes, last, known, &mut visit);
        }
    }

    /// The sessions that write.
    pub(super) fn writing(&self) -> impl Iterator<Item = u32> {
        let resolved = self.resolved;
        let writes = |nodes: Range<u32>| {
            let at = |node: u32| resolved.writes_at[node as usize];
            at(nodes.start) < at(nodes.end)
        };
        (0..)
            .zip(resolved.sessions())
            .filter(move |(_, nodes)| writes(nodes.clone()))
            .map(|at| at.0)
    }

    /// The sessions that write, with the columns of each.
    pub(super) fn each(
        &self,
        meter: &mut Meter<'_>,
        mut visit: impl FnMut(&mut Meter<'_>, u32, &mut Last, &[u32]) -> Result<(), Spent>,
    ) -> Result<(), Spent> {
        let resolved = self.resolved;
        let mut column = vec![0; resolved.len()];
        let mut last = Last::new(key_count(resolved));
        let sessions = resolved.starts.len() - 1;
        for session in self.writing() {
            let work = self.before.len() + resolved.reads.len();
            meter.tick(work, || format!("at session {session} of {sessions}"))?;
            self.column(session, &mut column);
            visit(meter, session, &mut last, &column)?;
        }
        Ok(())
    }
}

/// Goes along the `readers`, all of one session, and along those of `session` that are `known` to them, and calls
/// `visit` for every read of what one of those wrote, with the last one.
pub(super) fn walk(
    resolved: &Resolved,
    session: u32,
    readers: Range<u32>,
    last: &mut Last,
    known: impl Fn(u32, u32) -> bool,
    mut visit: impl FnMut(Derived),
) {
    let (start, end) = (resolved.starts[session as usize], resolved.starts[session as usize + 1]);
    let mut next = start;
    last.forget(end - start);
    for by in readers {
        while next < end && known(by, next) {
            let keys = resolved.writes(next);
            next += 1;
            keys.iter().for_each(|&key| last.set(key, next - start));
        }
        for read in resolved.reads(by).iter().filter(|read| read.key < AFTER) {
            if let Some(place) = last.get(read.key) {
                visit(Derived { from: start + place - 1, to: read.from, by, key: read.key });
            }
        }
    }
}

/// By key, the place in a session of the last one that wrote it. One number a key: what is not above `base` is
/// forgotten.
pub(super) struct Last {
    base: u32,
    /// What `base` is raised to.
    top: u32,
    entries: Vec<u32>,
}

impl Last {
    pub(super) fn new(keys: usize) -> Last {
        Last { base: 0, top: 0, entries: vec![0; keys] }
    }

    /// Forgets all; places up to `len` may follow.
    fn forget(&mut self, len: u32) {
        if self.top.checked_add(len).is_none() {
            self.entries.fill(0);
            self.top = 0;
        }
        self.base = self.top;
        self.top += len;
    }

    fn set(&mut self, key: u32, place: u32) {
        self.entries[key as usize] = self.base + place;
    }

    fn get(&self, key: u32) -> Option<u32> {
        self.entries[key as usize].checked_sub(self.base).filter(|&place| place > 0)
    }
}

/// Of the arcs from one session, the last to each node: the others follow by session order.
pub(super) struct Latest {
    /// By the node an arc goes to: one more than its place in `arcs`.
    places: Vec<u32>,
    arcs: Vec<Derived>,
}

impl Latest {
    pub(super) fn new(nodes: usize) -> Latest {
        Latest { places: vec![0; nodes], arcs: Vec::new() }
    }

    pub(super) fn push(&mut self, arc: Derived) {
        let place = &mut self.places[arc.to as usize];
        if *place == 0 {
            self.arcs.push(arc);
            *place = u32::try_from(self.arcs.len()).expect("as many as nodes");
        } else if self.arcs[*place as usize - 1].from < arc.from && !planted::is(Bug::FirstArc) {
            self.arcs[*place as usize - 1] = arc;
        }
    }

    pub(super) fn take(&mut self, into: &mut Vec<Derived>) {
        for arc in self.arcs.drain(..) {
            self.places[arc.to as usize] = 0;
            into.push(arc);
        }
    }
}

//! The search for an order of operations that share keys.
//!
//! Events (calls and returns) are walked in order of time. Just in time (Lowe): an operation is given its place
//! only when a return needs it. At a return whose operation has no place yet, sequences of pending operations
//! are tried, shortest first, until that one fits; from each success the walk goes on, and comes back if
//! it gets stuck later.
//!
//! What keeps it small: a read that fits is placed at once (whatever order works without it there also works
//! with it there); operations of unknown outcome return never, need no place, and
//! of two paths that agree on all else, the one that has used up more of them is dominated.

use crate::{Budget, Model};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use stdx::Digest;

/// One operation as the search needs it; outcome and times are settled by the caller.
#[derive(Debug)]
pub(crate) struct Item<'a, M: Model> {
    pub(crate) op: &'a M::Op,
    /// `None`: any.
    pub(crate) result: Option<&'a M::Result>,
    pub(crate) invoked: u64,
    /// `None`: never; it needs no place.
    pub(crate) returned: Option<u64>,
}

/// What became of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An order: the items in it, the unknown that were not needed left out.
    Order(Vec<usize>),
    /// No order, not even of what had been called when this item returned.
    Nothing { stuck: usize },
    /// The budget ran out; the furthest return that was reached.
    GaveUp { furthest: usize },
}

/// Pairs of operations compared at most before the search; with more it goes without.
const MOST_PAIRS: usize = 200_000_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    Call(usize),
    Return(usize),
}

/// The operations placed so far, by slot.
type Bits = Vec<u64>;

#[derive(Clone)]
struct Node<S> {
    state: S,
    /// Pending operations that return and have a place.
    placed: Bits,
    /// Operations used that never return.
    used: Bits,
    /// Placed on the way here from the frame's first node.
    path: Vec<usize>,
}

/// The end, or the return that needs a place first.
type Walked<S> = Result<Node<S>, (usize, Node<S>)>;

/// A return whose operation had no place when the walk came by.
struct Frame<S> {
    event: usize,
    /// Placed since the frame before this one.
    prefix: Vec<usize>,
    /// Sequences of pending operations, shortest first; none is dominated by another.
    queue: Vec<Node<S>>,
    /// The sequence to look at, and whether the way past the return from it was tried: only on coming back
    /// longer ones are made from it.
    cursor: usize,
    tried: bool,
}

impl<S> Frame<S> {
    fn new(event: usize, mut node: Node<S>) -> Frame<S> {
        let prefix = std::mem::take(&mut node.path);
        Frame { event, prefix, queue: vec![node], cursor: 0, tried: false }
    }
}

pub(crate) struct Search<'a, M: Model> {
    model: &'a M,
    items: &'a [Item<'a, M>],
    events: Vec<Event>,
    /// Items that return and are pending at a return: a range of `pending` per event.
    pending: Vec<usize>,
    ranges: Vec<(usize, usize)>,
    /// Items that never return by time of call, and how many of them are called before each event.
    unknown: Vec<usize>,
    called: Vec<usize>,
    /// Of each unknown item: after this event nobody can tell whether it happened, so it is not tried.
    told: Vec<usize>,
    /// Of each item: in `placed` (reused after its return) or in `used`.
    slot: Vec<usize>,
    /// Of each item: whether it changes nothing ever.
    reads: Vec<bool>,
    words: (usize, usize),
    /// Event, placed and state, as a fingerprint: the sets of unknown operations that did not suffice.
    memo: BTreeMap<(u64, u64), Vec<Bits>>,
    remembered: usize,
}

fn has(bits: &[u64], slot: usize) -> bool {
    bits[slot / 64] >> (slot % 64) & 1 == 1
}

fn put(bits: &mut [u64], slot: usize, on: bool) {
    let mask = 1 << (slot % 64);
    if on { bits[slot / 64] |= mask } else { bits[slot / 64] &= !mask }
}

impl<'a, M: Model> Search<'a, M> {
    pub(crate) fn new(model: &'a M, items: &'a [Item<'a, M>]) -> Search<'a, M> {
        let mut times = Vec::with_capacity(items.len() * 2);
        for (i, item) in items.iter().enumerate() {
            // At one time calls come before returns: operations that touch are taken to overlap.
            times.push((item.invoked, false, i));
            if let Some(returned) = item.returned {
                times.push((returned.max(item.invoked), true, i));
            }
        }
        times.sort_unstable();
        let mut search = Search {
            model,
            items,
            events: Vec::with_capacity(times.len()),
            pending: Vec::new(),
            ranges: Vec::with_capacity(times.len()),
            unknown: Vec::new(),
            called: Vec::with_capacity(times.len()),
            told: Vec::new(),
            slot: vec![0; items.len()],
            reads: items.iter().map(|item| model.is_read(item.op)).collect(),
            words: (1, 1),
            memo: BTreeMap::new(),
            remembered: 0,
        };
        let (mut free, mut slots, mut open) = (Vec::new(), 0, Vec::new());
        for (_, returns, i) in times {
            if returns {
                let from = search.pending.len();
                search.pending.extend(open.iter().copied());
                search.ranges.push((from, search.pending.len()));
                open.retain(|other| *other != i);
                free.push(search.slot[i]);
                search.events.push(Event::Return(i));
            } else {
                search.ranges.push((0, 0));
                if items[i].returned.is_some() {
                    search.slot[i] = free.pop().unwrap_or(slots);
                    slots = slots.max(search.slot[i] + 1);
                    open.push(i);
                } else {
                    search.slot[i] = search.unknown.len();
                    search.unknown.push(i);
                }
                search.events.push(Event::Call(i));
            }
            search.called.push(search.unknown.len());
        }
        search.told = search.last_told();
        search.words = (slots.div_ceil(64).max(1), search.unknown.len().div_ceil(64));
        search
    }

    /// Of each unknown item, the last return of an operation that can tell whether it happened.
    fn last_told(&self) -> Vec<usize> {
        let never = self.events.len();
        if self.unknown.len() * self.items.len() > MOST_PAIRS {
            return vec![never; self.unknown.len()];
        }
        let tells = |writer: &Item<'_, M>, j: usize| {
            let other = &self.items[j];
            !self.model.cannot_tell(writer.op, other.op, other.result)
        };
        let last = |i: &usize| {
            let writer = &self.items[*i];
            if self.unknown.iter().any(|j| j != i && tells(writer, *j)) {
                return never;
            }
            let told = |event: &Event| matches!(*event, Event::Return(j) if tells(writer, j));
            self.events.iter().rposition(told).unwrap_or(0)
        };
        self.unknown.iter().map(last).collect()
    }

    /// Looks for an order. Takes what it spends from `budget`.
    pub(crate) fn run(&mut self, budget: &mut Budget) -> Found {
        let first = Node {
            state: self.model.initial(),
            placed: vec![0; self.words.0],
            used: vec![0; self.words.1],
            path: Vec::new(),
        };
        let (mut frames, mut furthest) = (Vec::new(), 0);
        match self.walk(0, first) {
            Ok(done) => return Found::Order(done.path),
            Err((event, node)) => frames.push(Frame::new(event, node)),
        }
        while let Some(frame) = frames.last_mut() {
            furthest = furthest.max(frame.event);
            if budget.steps == 0 || self.remembered > budget.memory {
                return Found::GaveUp { furthest: self.returning(furthest) };
            }
            budget.steps -= 1;
            let Some(past) = self.advance(frame) else {
                frames.pop();
                continue;
            };
            match self.walk(frame.event + 1, past) {
                Ok(done) => {
                    let prefixes = frames.into_iter().flat_map(|frame| frame.prefix);
                    return Found::Order(prefixes.chain(done.path).collect());
                }
                Err((event, node)) => {
                    furthest = furthest.max(event);
                    if self.fresh(event, &node) {
                        frames.push(Frame::new(event, node));
                    }
                }
            }
        }
        Found::Nothing { stuck: self.returning(furthest) }
    }

    fn returning(&self, event: usize) -> usize {
        match self.events[event] {
            Event::Return(i) | Event::Call(i) => i,
        }
    }

    /// Goes on to the next return whose operation has no place; `Ok` at the end.
    fn walk(&self, from: usize, mut node: Node<M::State>) -> Walked<M::State> {
        for event in from..self.events.len() {
            match self.events[event] {
                Event::Call(i) => {
                    self.place_read(i, &mut node);
                }
                Event::Return(i) => {
                    if !has(&node.placed, self.slot[i]) {
                        return Err((event, node));
                    }
                    put(&mut node.placed, self.slot[i], false);
                }
            }
        }
        Ok(node)
    }

    /// Places a read that fits and returns. A write that would change nothing here might be needed later.
    fn place_read(&self, i: usize, node: &mut Node<M::State>) {
        let item = &self.items[i];
        if item.returned.is_none() || !self.reads[i] {
            return;
        }
        if self.model.step(&node.state, item.op, item.result).is_some() {
            put(&mut node.placed, self.slot[i], true);
            node.path.push(i);
        }
    }

    fn settle(&self, event: usize, node: &mut Node<M::State>) {
        let (from, to) = self.ranges[event];
        for &i in &self.pending[from..to] {
            if !has(&node.placed, self.slot[i]) {
                self.place_read(i, node);
            }
        }
    }

    /// The next way past the frame's return.
    fn advance(&mut self, frame: &mut Frame<M::State>) -> Option<Node<M::State>> {
        let Event::Return(target) = self.events[frame.event] else {
            unreachable!("frames stand at returns")
        };
        while let Some(node) = frame.queue.get(frame.cursor) {
            let settled = has(&node.placed, self.slot[target]);
            if frame.tried {
                (frame.tried, frame.cursor) = (false, frame.cursor + 1);
                if !settled {
                    let longer = self.longer(frame.event, target, node);
                    frame.queue.extend(longer);
                }
                continue;
            }
            frame.tried = true;
            let past = if settled { Some(node.clone()) } else { self.place(target, node) };
            if let Some(mut past) = past {
                self.settle(frame.event, &mut past);
                put(&mut past.placed, self.slot[target], false);
                return Some(past);
            }
        }
        None
    }

    /// The node after item `i`, if it fits.
    fn place(&self, i: usize, node: &Node<M::State>) -> Option<Node<M::State>> {
        let item = &self.items[i];
        let state = self.model.step(&node.state, item.op, item.result)?;
        let mut next = Node {
            state,
            placed: node.placed.clone(),
            used: node.used.clone(),
            path: node.path.clone(),
        };
        let bits = if item.returned.is_some() { &mut next.placed } else { &mut next.used };
        put(bits, self.slot[i], true);
        next.path.push(i);
        Some(next)
    }

    /// Every sequence longer by one operation other than the target's, as far as it is not dominated.
    fn longer(
        &mut self,
        event: usize,
        target: usize,
        node: &Node<M::State>,
    ) -> Vec<Node<M::State>> {
        let mut found = Vec::new();
        let (from, to) = self.ranges[event];
        for at in from..to {
            let i = self.pending[at];
            if i != target
                && !has(&node.placed, self.slot[i])
                && let Some(next) = self.place(i, node)
            {
                found.push(next);
            }
        }
        for at in 0..self.called[event] {
            if self.told[at] < event {
                continue;
            }
            let i = self.unknown[at];
            // Of equal unknown operations the earliest stands for all.
            let twin = |j: &usize| {
                let (one, other) = (&self.items[*j], &self.items[i]);
                !has(&node.used, self.slot[*j]) && one.op == other.op && one.result == other.result
            };
            if has(&node.used, self.slot[i]) || self.unknown[..at].iter().any(twin) {
                continue;
            }
            found.extend(self.place(i, node).filter(|next| next.state != node.state));
        }
        for next in &mut found {
            self.settle(event, next);
        }
        found.retain(|next| self.fresh(event, next));
        found
    }

    /// Remembers the node; false if one as good was seen before.
    fn fresh(&mut self, event: usize, node: &Node<M::State>) -> bool {
        let print = |salt: u64| {
            let mut digest = Digest::default();
            digest.write_u64(salt);
            digest.write_u64(event as u64);
            node.placed.iter().for_each(|word| digest.write_u64(*word));
            node.state.hash(&mut digest);
            digest.finish()
        };
        // 128 bits: a collision would hide a good order.
        let seen = self.memo.entry((print(0), print(0x5bd1_e995))).or_default();
        let covers = |less: &Bits| less.iter().zip(&node.used).all(|(a, b)| a & !b == 0);
        if seen.iter().any(covers) {
            return false;
        }
        seen.retain(|more| !node.used.iter().zip(more).all(|(a, b)| a & !b == 0));
        seen.push(node.used.clone());
        self.remembered += 1;
        true
    }
}

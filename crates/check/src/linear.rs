//! The verdict on a history.

use crate::search::{Found, NEVER, Object, Precedence, Search, Span};
use crate::{History, Key, Model, Operation, Outcome, shrink};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use stdx::Digest;

/// What a verdict may cost. The caller's: nothing here reads a clock.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Steps of a search, coming back included. Counts down.
    pub steps: u64,
    /// Situations remembered at a time, of a few hundred bytes each.
    pub memory: usize,
    /// Asked every few thousand steps: whether the caller's time is up.
    pub expired: fn() -> bool,
}

impl Default for Budget {
    /// Seconds, and a few hundred megabytes at worst.
    fn default() -> Budget {
        Budget { steps: 5_000_000, memory: 1_000_000, expired: || false }
    }
}

/// What a history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<O, R> {
    /// There is an order that the model allows.
    Ok,
    /// There is none.
    Violation(Box<Violation<O, R>>),
    /// The budget was spent first.
    Unknown {
        /// Operations of parts that were found in order.
        judged: usize,
        /// Operations in all.
        of: usize,
        /// The furthest operation reached in the part that was not finished: its number in the history.
        reached: usize,
    },
}

/// The smallest part of a history found that still has no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<O, R> {
    /// In order of invocation. Operations that returned after the stuck one are under way, with `returned`
    /// left out: they need no place, but have this answer if they get one.
    pub operations: Vec<Operation<O, R>>,
    /// Which of `operations` cannot be placed.
    pub stuck: usize,
    /// One sentence.
    pub reason: String,
}

impl<O, R> Verdict<O, R> {
    /// Whether there is an order.
    pub fn is_ok(&self) -> bool {
        matches!(self, Verdict::Ok)
    }

    /// The violation, if it is one.
    pub fn violation(&self) -> Option<&Violation<O, R>> {
        match self {
            Verdict::Violation(violation) => Some(violation),
            Verdict::Ok | Verdict::Unknown { .. } => None,
        }
    }
}

/// Judges whether `history` is linearizable for `model`.
pub fn linearizable<M: Model>(
    model: &M,
    history: &History<M::Op, M::Result>,
    mut budget: Budget,
) -> Verdict<M::Op, M::Result> {
    let (mut judged, mut unfinished) = (0, None);
    for part in parts(model, history) {
        let operations: Vec<_> = part.iter().map(|i| &history.operations[*i]).collect();
        match judge(model, &operations, &mut budget) {
            Found::Order(_) => judged += part.len(),
            Found::GaveUp { furthest } => unfinished = unfinished.or(Some(part[furthest])),
            Found::Nothing { stuck } => {
                let operations = operations.into_iter().cloned().collect();
                let violation = shrink::smallest(model, operations, stuck, &mut budget);
                return Verdict::Violation(Box::new(violation));
            }
        }
    }
    match unfinished {
        None => Verdict::Ok,
        Some(reached) => Verdict::Unknown { judged, of: history.len(), reached },
    }
}

/// The search over operations that matter (see `parts`).
pub(crate) fn judge<M: Model>(
    model: &M,
    operations: &[&Operation<M::Op, M::Result>],
    budget: &mut Budget,
) -> Found {
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|i| operations[*i].invoked);
    let sorted: Vec<_> = order.iter().map(|i| operations[*i]).collect();
    let object = Modelled::new(model, &sorted);
    let spans = object.spans(&sorted);
    match Search::new(object, Precedence::RealTime, spans).run(budget) {
        Found::Order(found) => Found::Order(found.into_iter().map(|i| order[i]).collect()),
        Found::Nothing { stuck } => Found::Nothing { stuck: order[stuck] },
        Found::GaveUp { furthest } => Found::GaveUp { furthest: order[furthest] },
    }
}

/// A [`Model`] as the search takes it.
struct Modelled<'a, M: Model> {
    model: &'a M,
    items: Vec<Item<'a, M>>,
    /// Of what is placed, reads left out, the last for the whole.
    states: Vec<M::State>,
}

struct Item<'a, M: Model> {
    op: &'a M::Op,
    /// `None`: any.
    result: Option<&'a M::Result>,
    /// Whether it needs a place.
    returns: bool,
    read: bool,
    /// After this time nobody can tell whether it happened.
    told: u64,
}

/// Pairs of operations compared at most before the search; with more it goes without.
const MOST_PAIRS: usize = 200_000_000;

impl<'a, M: Model> Modelled<'a, M> {
    fn new(model: &'a M, operations: &[&'a Operation<M::Op, M::Result>]) -> Modelled<'a, M> {
        let item = |operation: &&'a Operation<M::Op, M::Result>| {
            let result = match &operation.outcome {
                Outcome::Ok(result) => Some(result),
                Outcome::Failed | Outcome::Unknown => None,
            };
            let returns = result.is_some() && operation.returned.is_some();
            let read = returns && model.is_read(&operation.op);
            Item { op: &operation.op, result, returns, read, told: NEVER }
        };
        let items: Vec<_> = operations.iter().map(item).collect();
        let mut object = Modelled { model, items, states: vec![model.initial()] };
        object.last_told(operations);
        object
    }

    /// Of each unknown item, the last return of an operation that can tell whether it happened.
    fn last_told(&mut self, operations: &[&Operation<M::Op, M::Result>]) {
        let unknown: Vec<usize> =
            (0..self.items.len()).filter(|i| !self.items[*i].returns).collect();
        if unknown.len() * self.items.len() > MOST_PAIRS {
            return;
        }
        for i in &unknown {
            let tells = |j: &usize| {
                let other = &self.items[*j];
                !self.model.cannot_tell(self.items[*i].op, other.op, other.result)
            };
            let returned = |j: usize| match self.items[j].returns {
                true => operations[j].returned.unwrap_or(NEVER),
                false => NEVER,
            };
            let others = (0..self.items.len()).filter(|j| j != i && tells(j));
            self.items[*i].told = others.map(returned).max().unwrap_or(0);
        }
    }

    fn spans(&self, operations: &[&Operation<M::Op, M::Result>]) -> Vec<Span> {
        let mut firsts: Vec<usize> = Vec::new();
        let span = |(i, operation): (usize, &&Operation<M::Op, M::Result>)| {
            let item = &self.items[i];
            let equal =
                |j: &usize| self.items[*j].op == item.op && self.items[*j].result == item.result;
            let class = (!item.returns).then(|| {
                let class = firsts.iter().position(equal).unwrap_or(firsts.len());
                if class == firsts.len() {
                    firsts.push(i);
                }
                u32::try_from(class).expect("fewer than 2^32 operations")
            });
            let returned = operation.returned.filter(|_| item.returns);
            let returned = returned.map_or(NEVER, |at| at.max(operation.invoked));
            // Nothing says that a process waits: each operation is one of its own.
            Span { process: 0, invoked: operation.invoked, returned, class, waited: false }
        };
        operations.iter().enumerate().map(span).collect()
    }

    fn state(&self) -> &M::State {
        self.states.last().expect("the initial one at least")
    }
}

impl<M: Model> Object for Modelled<'_, M> {
    fn place(&mut self, item: usize) -> bool {
        let Item { op, result, read, returns, .. } = &self.items[item];
        let Some(next) = self.model.step(self.state(), op, *result) else { return false };
        // What need not have happened and changes nothing did not.
        if !returns && next == *self.state() {
            return false;
        }
        if !read {
            self.states.push(next);
        }
        true
    }

    fn undo(&mut self, item: usize) {
        if !self.items[item].read {
            self.states.pop();
        }
    }

    fn print(&self) -> u128 {
        let print = |salt: u64| {
            let mut digest = Digest::default();
            digest.write_u64(salt);
            self.state().hash(&mut digest);
            digest.finish()
        };
        u128::from(print(0)) << 64 | u128::from(print(0x5bd1_e995))
    }

    fn is_read(&self, item: usize) -> bool {
        self.items[item].read
    }

    fn observes(&self, item: usize) -> bool {
        self.items[item].result.is_some()
    }

    fn fades(&self, _item: usize) -> bool {
        false
    }

    fn leads(&self, _item: usize, _target: usize) -> bool {
        false
    }

    fn equal(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.items[one], &self.items[other]);
        one.op == other.op && one.result == other.result
    }

    fn matters(&self, item: usize, now: u64) -> bool {
        self.items[item].told >= now
    }
}

/// The numbers of the operations that matter, in groups that share no key. What failed did not happen; a read
/// of unknown outcome says nothing.
fn parts<M: Model>(model: &M, history: &History<M::Op, M::Result>) -> Vec<Vec<usize>> {
    let mut keys: BTreeMap<Key, usize> = BTreeMap::new();
    let mut parent: Vec<usize> = Vec::new();
    let mut whole = false;
    let mut members = Vec::new();
    for (i, operation) in history.operations.iter().enumerate() {
        let matters = match operation.outcome {
            Outcome::Ok(_) => true,
            Outcome::Failed => false,
            Outcome::Unknown => !model.is_read(&operation.op),
        };
        if !matters {
            continue;
        }
        let mut first = None;
        for key in model.keys(&operation.op) {
            let fresh = parent.len();
            let of = *keys.entry(key).or_insert(fresh);
            if of == fresh {
                parent.push(fresh);
            }
            let root = root(&mut parent, of);
            let joined = *first.get_or_insert(root);
            parent[root] = joined;
        }
        whole |= first.is_none();
        members.push((i, first.unwrap_or(0)));
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, of) in members {
        let of = if whole { 0 } else { root(&mut parent, of) };
        parts.entry(of).or_default().push(i);
    }
    parts.into_values().collect()
}

/// The representative of a set of joined keys; paths are halved on the way.
fn root(parent: &mut [usize], mut of: usize) -> usize {
    while parent[of] != of {
        parent[of] = parent[parent[of]];
        of = parent[of];
    }
    of
}

//! The verdict on a history.

use crate::search::{Found, Item, Search};
use crate::{History, Key, Model, Operation, Outcome, shrink};
use std::collections::BTreeMap;

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
    let items: Vec<Item<'_, M>> = operations
        .iter()
        .map(|operation| {
            let result = match &operation.outcome {
                Outcome::Ok(result) => Some(result),
                Outcome::Failed | Outcome::Unknown => None,
            };
            let returned = operation.returned.filter(|_| result.is_some());
            Item { op: &operation.op, result, invoked: operation.invoked, returned }
        })
        .collect();
    Search::new(model, &items).run(budget)
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

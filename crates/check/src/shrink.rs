//! From a violation to a small one, by steps that cannot make a good history bad:
//!
//! - what happened after the return that cannot be passed is forgotten: a beginning of a good history is good;
//! - a read is left out: it changed nothing for the others;
//! - a write is left out if no remaining operation could tell ([`Model::cannot_tell`]).
//!
//! Leaving out a write that somebody saw would make a new violation of its own, so it is never done.

use crate::linear::judge;
use crate::search::Found;
use crate::{Budget, Model, Operation, Outcome, Violation};

type Op<M> = Operation<<M as Model>::Op, <M as Model>::Result>;

/// Shrinks for as long as `budget` lasts. `operations` have no order; `stuck` was in the way when most had a place.
pub(crate) fn smallest<M: Model>(
    model: &M,
    operations: Vec<Op<M>>,
    stuck: usize,
    budget: &mut Budget,
) -> Violation<M::Op, M::Result> {
    let total = operations.len();
    let at = operations[stuck].invoked;
    let mut whole = operations.clone();
    whole.sort_by_key(|op| op.invoked);
    let mut kept = up_to::<M>(model, operations, stuck);
    // The verdict stands; what is left to spend only makes it readable.
    budget.steps = budget.steps.max(2_000_000);
    let mut stuck = match check(model, &kept, budget) {
        Found::Nothing { stuck } => stuck,
        // Most had a place on another way than the one that came furthest in time: all of it is needed at first.
        Found::Order(_) | Found::GaveUp { .. } => {
            kept = whole;
            kept.iter().position(|op| op.invoked == at).unwrap_or(kept.len() - 1)
        }
    };
    loop {
        let before = kept.len();
        drop_some(model, &mut kept, &mut stuck, budget, |op, _| model.is_read(&op.op));
        drop_some(model, &mut kept, &mut stuck, budget, |op, tellers| {
            tellers.iter().all(|other| cannot_tell(model, op, other))
        });
        if kept.len() == before || budget.steps == 0 {
            break;
        }
    }
    kept.iter().enumerate().for_each(|(i, op)| {
        assert!(i == 0 || kept[i - 1].invoked <= op.invoked, "kept in order of invocation");
    });
    let reason = reason::<M>(model, &kept, stuck, total);
    Violation { operations: kept, stuck, reason }
}

fn check<M: Model>(model: &M, operations: &[Op<M>], budget: &mut Budget) -> Found {
    judge(model, &operations.iter().collect::<Vec<_>>(), budget)
}

/// The history as it was known when operation `stuck` returned.
fn up_to<M: Model>(model: &M, operations: Vec<Op<M>>, stuck: usize) -> Vec<Op<M>> {
    let Some(end) = operations[stuck].returned else { return operations };
    let mut kept: Vec<_> = operations.into_iter().filter(|op| op.invoked <= end).collect();
    for op in &mut kept {
        if op.returned.is_some_and(|returned| returned > end) {
            op.returned = None;
        }
    }
    kept.retain(|op| op.returned.is_some() || !model.is_read(&op.op));
    kept.sort_by_key(|op| op.invoked);
    kept
}

/// Leaves out chunks of what `may` be left out, halving the chunks, as long as no order appears. `may` is told
/// the operations that are not blind writes themselves.
fn drop_some<M: Model>(
    model: &M,
    kept: &mut Vec<Op<M>>,
    stuck: &mut usize,
    budget: &mut Budget,
    may: impl Fn(&Op<M>, &[&Op<M>]) -> bool,
) {
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 && budget.steps > 0 {
        let mut from = 0;
        while from < kept.len() && budget.steps > 0 && !(budget.expired)() {
            let to = (from + chunk).min(kept.len());
            let tellers: Vec<_> = kept.iter().filter(|op| !cannot_tell(model, op, op)).collect();
            budget.steps = budget.steps.saturating_sub((chunk * tellers.len() / 8) as u64);
            let leave = |(i, op): &(usize, &Op<M>)| !(from..to).contains(i) || !may(op, &tellers);
            let rest: Vec<_> = kept.iter().enumerate().filter(leave).map(|(_, op)| op).collect();
            if rest.len() == kept.len() {
                from = to;
                continue;
            }
            match judge(model, &rest, budget) {
                Found::Nothing { stuck: now } => {
                    *kept = rest.into_iter().cloned().collect();
                    *stuck = now;
                }
                Found::Order(_) | Found::GaveUp { .. } => from = to,
            }
        }
        chunk /= 2;
    }
}

fn cannot_tell<M: Model>(model: &M, writer: &Op<M>, other: &Op<M>) -> bool {
    let result = match &other.outcome {
        Outcome::Ok(result) => Some(result),
        Outcome::Failed | Outcome::Unknown => None,
    };
    model.cannot_tell(&writer.op, &other.op, result)
}

fn reason<M: Model>(model: &M, kept: &[Op<M>], stuck: usize, total: usize) -> String {
    let op = &kept[stuck];
    let answer = match &op.outcome {
        Outcome::Ok(result) => format!("{result:?}"),
        Outcome::Failed | Outcome::Unknown => String::from("nothing"),
    };
    let end = op.returned.unwrap_or(u64::MAX);
    let written = kept.iter().any(|other| !model.is_read(&other.op));
    let why = if written {
        let before = kept.iter().filter(|o| o.returned.is_some_and(|r| r < op.invoked)).count();
        let count = kept.len();
        format!(
            "but no order of these {count} operations that respects real time allows that \
             ({before} of them were over before it began)"
        )
    } else {
        String::from("although nothing that was ever written could explain it")
    };
    format!(
        "process {} asked {:?} between {} and {end} and got {answer}, {why}; \
         the history has {total} operations on these keys",
        op.process, op.op, op.invoked,
    )
}

#[cfg(test)]
mod tests;

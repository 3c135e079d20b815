//! Levels that ask for one order of all transactions: strict serializable, linearizable, sequential, serializable.
//!
//! They differ in what the order must respect: real time (and with it the order of each process), the order of each
//! process, or nothing. Linearizability (Herlihy and Wing, TOPLAS 1990) is strict serializability of transactions that
//! touch one key each; both are judged per part of the history that shares keys.
//!
//! | file | what |
//! | --- | --- |
//! | `parts` | parts that share no key |
//! | `compile`, `settle` | transactions into steps; which of unknown outcome happened, which cannot matter |
//! | `impossible` | values from nowhere, lists that disagree: no search needed |
//! | `board`, `undo` | all objects in a state that is changed and taken back |
//! | `needs`, `shrink` | what may be left out of a violation, and the smallest part found |
//! | `reason` | the violation in words |
//!
//! Invariants: what holds comes with an order that was found; what fails has none, every order was tried or ruled
//! out for its own reason; what was left out of a violation could not have made it one.

mod board;
mod compile;
mod impossible;
mod needs;
mod parts;
mod reason;
mod settle;
mod shrink;
mod undo;

#[cfg(test)]
mod tests;

use crate::search::{Found, Precedence, Search};
use crate::txn::Transactions;
use crate::{Budget, Judgement, Level, Witness};
use compile::compile;
use shrink::Shrinker;

/// Steps before a search that is stuck first looks at what is around; four times as many before it does so again.
const PATIENCE: u64 = 20_000;

/// Judges `history` at one of the four levels.
pub fn judge(history: &Transactions, level: Level, budget: &mut Budget) -> Judgement {
    let precedence = match level {
        Level::StrictSerializable | Level::Linearizable => Precedence::RealTime,
        Level::Sequential => Precedence::Process,
        _ => Precedence::Nothing,
    };
    if precedence == Precedence::RealTime && !history.timed {
        let why = "the history has no times that can be compared between processes";
        return Judgement::NotApplicable(why.into());
    }
    if level == Level::Linearizable
        && let Some(number) = (0..history.txns.len()).find(|number| !one_key(history, *number))
    {
        let line = history.txns[number].line;
        return Judgement::NotApplicable(format!(
            "the transaction of line {line} touches several keys: strict-serializable speaks of those"
        ));
    }
    let parts = parts::parts(history, precedence);
    let of: usize = parts.iter().map(Vec::len).sum();
    let (mut done, mut unknown) = (0, None);
    for part in &parts {
        match judge_part(history, part, level, precedence, budget) {
            Part::Holds => done += part.len(),
            Part::Fails(witness) => return Judgement::Fails(witness),
            Part::GaveUp { placed, of } => {
                unknown = unknown.or(Some((placed, of, part)));
            }
        }
    }
    let Some((placed, most, part)) = unknown else { return Judgement::Holds };
    let key = history.ops(part[0])[0].key();
    Judgement::Unknown(format!(
        "{done} of {of} transactions are in order; among those that share key {} the search came as far as \
         {placed} of {most} before {}",
        history.key_name(key),
        if budget.steps == 0 { "its steps were spent" } else { "its time or memory was spent" },
    ))
}

fn one_key(history: &Transactions, number: usize) -> bool {
    let ops = history.ops(number);
    ops.iter().all(|op| op.key() == ops[0].key())
}

enum Part {
    Holds,
    Fails(Box<Witness>),
    GaveUp { placed: usize, of: usize },
}

fn judge_part(
    history: &Transactions,
    part: &[usize],
    level: Level,
    precedence: Precedence,
    budget: &mut Budget,
) -> Part {
    let compiled = match compile(history, part, precedence) {
        Ok(compiled) => compiled,
        Err(impossible) => {
            return Part::Fails(Box::new(reason::impossible(history, impossible)));
        }
    };
    if precedence != Precedence::RealTime && in_real_time(history, part, budget) {
        return Part::Holds;
    }
    let mut search = Search::new(compiled.board, precedence, compiled.spans);
    let fails = |shrinker: &Shrinker<'_>, numbers: Vec<usize>, budget: &Budget| {
        let core = shrinker.smallest(numbers, budget);
        Part::Fails(Box::new(reason::no_order(history, level, core)))
    };
    let mut patience = PATIENCE + 4 * part.len() as u64;
    let mut shrinker = None;
    loop {
        let slice = patience.min(budget.steps);
        let mut spent = Budget { steps: slice, ..*budget };
        let found = search.run(&mut spent);
        budget.steps -= slice - spent.steps;
        let (stuck, certain) = match found {
            Found::Order(_) => return Part::Holds,
            Found::Nothing { stuck } => (compiled.numbers[stuck], true),
            Found::GaveUp { furthest } => (compiled.numbers[furthest], false),
        };
        let shrinker = &*shrinker.get_or_insert_with(|| Shrinker::new(history, part, precedence));
        if let Some(numbers) = shrinker.around(stuck, budget) {
            return fails(shrinker, numbers, budget);
        }
        if certain {
            return fails(shrinker, compiled.numbers, budget);
        }
        if spent.steps > 0 || budget.steps == 0 {
            let (placed, of) = search.progress();
            return Part::GaveUp { placed, of };
        }
        patience = patience.saturating_mul(4);
    }
}

/// Whether an order that respects real time as well is found at once: then it is an order for every level.
fn in_real_time(history: &Transactions, part: &[usize], budget: &mut Budget) -> bool {
    let Ok(compiled) = compile(history, part, Precedence::RealTime) else { return false };
    let steps = budget.steps.min(PATIENCE + 4 * part.len() as u64);
    let mut spent = Budget { steps, ..*budget };
    let mut search = Search::new(compiled.board, Precedence::RealTime, compiled.spans);
    let found = history.timed && matches!(search.run(&mut spent), Found::Order(_));
    budget.steps -= steps - spent.steps;
    found
}

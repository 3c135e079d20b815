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
//! | `strings` | strings whose values name their own order: registers |
//! | `plan` | a likely order of registers and queues of unique values, for the search to follow |
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
mod plan;
mod reason;
mod settle;
mod shrink;
mod strings;
mod undo;

#[cfg(test)]
mod tests;

use crate::search::{Found, Precedence, Search};
use crate::txn::Transactions;
use crate::{Budget, Judgement, Level, Witness};
use board::Board;
use compile::compile;
use plan::Plan;
use shrink::Shrinker;

/// Steps before a search that is stuck first looks at what is around; four times as many before it does so again.
const PATIENCE: u64 = 20_000;

/// Transactions of whole parts between two looks at the clock; a search that takes long looks by itself.
const GLANCE: usize = 1_024;

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
    let mut since = 0;
    for part in &parts {
        since += part.len();
        if since >= GLANCE {
            since = 0;
            if (budget.expired)() {
                unknown = unknown.or_else(|| Some("the time was up".into()));
                break;
            }
        }
        let key = || history.key_name(history.ops(part[0])[0].key());
        let why = match judge_part(history, part, level, precedence, budget) {
            Part::Holds => {
                done += part.len();
                continue;
            }
            Part::Fails(witness) => return Judgement::Fails(witness),
            Part::Loose => format!(
                "those that share key {} have an order, but not with all that was seen by some whose outcome is \
                 unknown",
                key()
            ),
            Part::GaveUp { placed, of } => format!(
                "among those that share key {} the search came as far as {placed} of {of} before {}",
                key(),
                if budget.steps == 0 {
                    "its steps were spent"
                } else {
                    "its time or memory was spent"
                },
            ),
        };
        unknown = unknown.or(Some(why));
    }
    match unknown {
        None => Judgement::Holds,
        Some(why) => Judgement::Unknown(format!("{done} of {of} transactions are in order; {why}")),
    }
}

fn one_key(history: &Transactions, number: usize) -> bool {
    let ops = history.ops(number);
    ops.iter().all(|op| op.key() == ops[0].key())
}

enum Part {
    Holds,
    /// There is an order, but what somebody saw whose outcome is unknown was not held against it.
    Loose,
    Fails(Box<Witness>),
    GaveUp {
        placed: usize,
        of: usize,
    },
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
    // An order that respects real time as well is an order for every level, and often the first that is found.
    let mut stricter = None;
    if precedence != Precedence::RealTime && history.timed {
        let compiled = compile(history, part, Precedence::RealTime).ok();
        stricter = compiled
            .map(|compiled| Search::new(compiled.board, Precedence::RealTime, compiled.spans));
    }
    let holds = || if compiled.loose { Part::Loose } else { Part::Holds };
    let plan = plan::plan(&compiled.board, &compiled.spans, precedence);
    let mut search = Search::new(compiled.board, precedence, compiled.spans);
    let fails = |shrinker: &Shrinker<'_>, numbers: Vec<usize>, budget: &Budget| {
        let core = shrinker.smallest(numbers, budget);
        Part::Fails(Box::new(reason::no_order(history, level, core)))
    };
    let mut patience = PATIENCE + 4 * part.len() as u64;
    let mut shrinker = None;
    match plan {
        Plan::None => {}
        Plan::Order(items) => search.follow(items),
        Plan::Conflict(items) => {
            let shrinker = shrinker.insert(Shrinker::new(history, part, precedence));
            let numbers = items.iter().map(|item| compiled.numbers[*item as usize]);
            if let Some(numbers) = shrinker.among(numbers.collect(), budget) {
                return fails(shrinker, numbers, budget);
            }
        }
    }
    loop {
        if let Some(search) = &mut stricter {
            match slice(search, patience, budget) {
                (Found::Order(_), _) => return holds(),
                (Found::Nothing { .. }, _) => stricter = None,
                (Found::GaveUp { .. }, _) => {}
            }
        }
        let (found, given_up) = slice(&mut search, patience, budget);
        let (stuck, certain) = match found {
            Found::Order(_) => return holds(),
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
        if given_up || budget.steps == 0 {
            let (placed, of) = search.progress();
            return Part::GaveUp { placed, of };
        }
        patience = patience.saturating_mul(4);
    }
}

/// Searches on for `patience` steps. Whether it gave up although it had not made them.
fn slice(search: &mut Search<Board<'_>>, patience: u64, budget: &mut Budget) -> (Found, bool) {
    let steps = patience.min(budget.steps);
    let mut spent = Budget { steps, ..*budget };
    let found = search.run(&mut spent);
    budget.steps -= steps - spent.steps;
    (found, spent.steps > 0)
}

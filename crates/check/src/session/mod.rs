//! The four session guarantees, one by one (Terry, Demers, Petersen, Spreitzer, Theimer and Welch, "Session guarantees
//! for weakly consistent replicated data", PDIS 1994). A session is a process.
//!
//! Terry et al. speak of what a replica holds, DB(S, t), and of one order of writes that all replicas follow. Only
//! answers are known here, so a guarantee holds if some explanation of all answers exists: for each key one order
//! of its versions, and for each read a set of writes that its replica had, such that the read shows the newest of the
//! set (a register), all of them in that order (a list), or all of them (a set, a counter), and the set holds:
//!
//! - read-your-writes: every write that the process itself had acknowledged before;
//! - monotonic reads: every write that an earlier read of the process showed;
//! - monotonic writes: every write that was acknowledged to a process before one of its writes that the reader has
//!   seen, in this read or an earlier one;
//! - writes follow reads: every write that a process had seen before one of its writes that the reader has seen, and
//!   so on for what that one's process had seen.
//!
//! A register does not show the order of its versions. Taken for granted is that a writer does not go back: its write
//! is newer than its own acknowledged earlier writes of that register, and newer than what it had read there. Real
//! time is not taken for granted: where replicas agree later, two writes far apart may be ordered either way.
//! A list shows its order; there, writes of one process out of its order break monotonic writes, and a write before one
//! that its process had read breaks writes-follow-reads.
//!
//! What is taken for granted and what is demanded are edges between versions: there is an order unless they close a
//! cycle. So the judgement is exact where each value is written once, in time O(n k) for n operations of k processes.
//! One order of versions for all is Terry's assumption, and what causal convergence has: that implies all four. CM lets
//! processes differ about it, and implies none; nor does CC.
//!
//! Transactions are taken operation by operation: atomicity is for other levels. What aborted is left out; a write of
//! unknown outcome is demanded of nobody.
//!
//! | file | what |
//! | --- | --- |
//! | `story` | who wrote and saw what |
//! | `demands` | what each read had to show |
//! | `clocks` | what had been seen before each write: vector clocks of reads |
//! | `past` | the same where there are registers only, from the order of versions |
//! | `order` | versions in an order, or a cycle of them |
//! | `counters` | counters, by their size |
//! | `words` | a failure in a sentence |

mod clocks;
mod counters;
mod demands;
mod order;
mod past;
#[cfg(test)]
mod stories;
mod story;
#[cfg(test)]
mod tests;
mod words;

use crate::{Budget, Judgement, Level, Transactions, Witness};
use clocks::Clocks;
use demands::{Demands, Kept, Missing};
use order::{Edge, Graph, Sieve};
use story::Story;

/// Why there is no verdict.
type Why = String;

/// Judges one of the four guarantees.
///
/// Panics if `level` is another.
pub fn judge(history: &Transactions, level: Level, budget: &mut Budget) -> Judgement {
    let four = [
        Level::ReadYourWrites,
        Level::MonotonicReads,
        Level::MonotonicWrites,
        Level::WritesFollowReads,
    ];
    assert!(four.contains(&level), "{level} is no session guarantee");
    let story = Story::of(history);
    if story.silent() {
        let why = "no key of this history is a register, a list, a set or a counter";
        return Judgement::NotApplicable(why.into());
    }
    match find(&story, level, budget) {
        Ok(Some(witness)) => Judgement::Fails(Box::new(witness)),
        Ok(None) => match counters::judge(&story, level) {
            Ok(Some(witness)) => Judgement::Fails(Box::new(witness)),
            Ok(None) => story.doubt.map_or(Judgement::Holds, Judgement::Unknown),
            Err(why) => Judgement::Unknown(why),
        },
        Err(why) => Judgement::Unknown(why),
    }
}

fn find(story: &Story<'_>, level: Level, budget: &mut Budget) -> Result<Option<Witness>, Why> {
    let simple = level == Level::WritesFollowReads && story.has_only_registers();
    let kept = level == Level::WritesFollowReads && !simple;
    let clocks = match clocks::clocks(story, kept, budget)? {
        Ok(clocks) => clocks,
        Err(circle) if level == Level::WritesFollowReads => {
            return Ok(Some(words::circle(story, &circle)));
        }
        Err(_) => return Err(clocks::CIRCLE.into()),
    };
    let granted = Graph::granted(story, level);
    // Monotonic reads demanded as well, only the last of a process' reads counts: if that can be had, so can less.
    if kept {
        let latest = |sieve: &mut Sieve, budget: &mut Budget| {
            Demands::new(story, level, Kept::Latest, &clocks).all(sieve, budget)
        };
        if let Settled::Order = settle(story, latest, &clocks, granted.clone(), budget)? {
            return Ok(None);
        }
    }
    let demands = |sieve: &mut Sieve, budget: &mut Budget| {
        if simple {
            return past::all(story, &clocks.order, sieve, budget);
        }
        Demands::new(story, level, Kept::All, &clocks).all(sieve, budget)
    };
    match settle(story, demands, &clocks, granted, budget)? {
        Settled::Order => Ok(None),
        Settled::Missing(missing) => Ok(Some(words::missing(story, level, &missing))),
        Settled::Cycle(cycle) if cycle.iter().all(Edge::is_shown) => {
            let key = story.events[cycle[0].from as usize].key;
            Err(format!("the reads of {} show its elements in no one order", story.name(key)))
        }
        Settled::Cycle(cycle) => Ok(Some(words::cycle(story, level, &cycle))),
    }
}

/// Whether the versions have an order that meets all demands.
enum Settled {
    Order,
    Missing(Missing),
    Cycle(Vec<Edge>),
}

/// Guesses an order, adds to `graph` the demands that it does not meet, and so on. `demands` puts these into a sieve,
/// or finds a read that shows too little.
fn settle(
    story: &Story<'_>,
    demands: impl Fn(&mut Sieve, &mut Budget) -> Result<Option<Missing>, Why>,
    clocks: &Clocks,
    mut graph: Graph,
    budget: &mut Budget,
) -> Result<Settled, Why> {
    // What each process has read one after the other is the best hint at the order.
    let mut hint = graph.clone();
    let mut sieve = Sieve::default();
    Demands::new(story, Level::MonotonicReads, Kept::All, clocks).all(&mut sieve, budget)?;
    hint.extend(&sieve.edges);
    loop {
        let Some(rank) = hint.rank().or_else(|| graph.rank()) else {
            return Ok(Settled::Cycle(graph.cycle().expect("without an order there is a cycle")));
        };
        let mut sieve = Sieve { rank, edges: Vec::new() };
        if let Some(missing) = demands(&mut sieve, budget)? {
            return Ok(Settled::Missing(missing));
        }
        if sieve.edges.is_empty() {
            return Ok(Settled::Order);
        }
        graph.extend(&sieve.edges);
        hint.extend(&sieve.edges);
    }
}

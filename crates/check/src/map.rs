//! The consistency map of one history: what it is at every level, and the strongest levels that hold.
//!
//! The order of levels is that of jepsen.io/consistency (after Bailis et al., VLDB 2014), as far as it is true of the
//! definitions that are judged here ([`BELOW`]). Each level is asked by itself; only what is not decided then, or costs
//! a search, is inferred from its neighbours: what holds at a level holds below it, what fails at a level
//! fails above it, and the map says from which level it follows.

use crate::level::{Judgement, Level};
use crate::txn::Transactions;
use crate::{Budget, causal, convergence, isolation, order, session, staleness, weak};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// What the map is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// By how much a read may lag, in the history's own unit of time; without it bounded staleness is left out.
    pub staleness: Option<u64>,
    /// How versions of registers are inferred.
    pub isolation: isolation::Options,
}

/// What the map says of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The judgement.
    pub judgement: Judgement,
    /// The level that was judged and from which this follows; none if this level was judged itself.
    pub from: Option<Level>,
}

/// Every level with its judgement.
#[derive(Clone, Debug)]
pub struct Map(BTreeMap<Level, Place>);

/// Each level and those below it: a history that is good at the first is good at the others. The order in which a
/// process works is part of sequential, causal, read atomic and read committed here (as in Biswas and Enea, OOPSLA
/// 2019) and not of serializable and snapshot isolation (as in Adya 1999), so these do not imply those. CC and CM let
/// processes disagree on the order of writes; read atomic, read committed and the session guarantees know one
/// order for all, so only causal convergence implies them.
pub const BELOW: [(Level, &[Level]); 10] = [
    (
        Level::StrictSerializable,
        &[
            Level::Linearizable,
            Level::Sequential,
            Level::Serializable,
            Level::BoundedStaleness,
            Level::Convergence,
        ],
    ),
    (Level::Linearizable, &[Level::Sequential, Level::BoundedStaleness, Level::Convergence]),
    (
        Level::Sequential,
        &[
            Level::Serializable,
            Level::CausalConvergence,
            Level::CausalMemory,
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
        ],
    ),
    (Level::Serializable, &[Level::SnapshotIsolation, Level::RepeatableRead]),
    (Level::SnapshotIsolation, &[Level::ReadUncommitted]),
    (Level::RepeatableRead, &[Level::ReadUncommitted]),
    (Level::ReadAtomic, &[Level::ReadCommitted]),
    (Level::ReadCommitted, &[Level::ReadUncommitted]),
    (
        Level::CausalConvergence,
        &[
            Level::CausalConsistency,
            Level::ReadAtomic,
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
        ],
    ),
    (Level::CausalMemory, &[Level::CausalConsistency]),
];

/// Judged by a search, or by so much work, that it is left out where an answer follows from others: asked last,
/// in this order, after linearizable, whose own witness says most.
const DEAR: [Level; 4] =
    [Level::StrictSerializable, Level::Serializable, Level::Sequential, Level::CausalMemory];

/// Judges `history` at every level.
pub fn map(history: &Transactions, options: &Options, budget: Budget) -> Map {
    let mut map = Map(BTreeMap::new());
    for (level, judgement) in isolation::judge(history, &options.isolation, &mut budget.clone()) {
        map.note(level, judgement);
    }
    let cheap = |level: &Level| !DEAR.contains(level) && *level != Level::Linearizable;
    for level in Level::ALL.into_iter().filter(cheap).chain([Level::Linearizable]) {
        map.ask(history, level, options, budget);
    }
    for level in DEAR {
        if !map.infer(history, level) {
            map.ask(history, level, options, budget);
        }
    }
    // What is inferred may decide what was not, and so on.
    while Level::ALL.into_iter().filter(|level| map.infer_undecided(history, *level)).count() > 0 {}
    map
}

/// Judges `history` at one level, by itself.
pub fn judge(history: &Transactions, level: Level, options: &Options, budget: Budget) -> Judgement {
    let mut found = Map(BTreeMap::new());
    let by_cycles =
        |level: &Level| *level <= Level::ReadUncommitted && *level != Level::Linearizable;
    if by_cycles(&level) {
        for (of, judgement) in isolation::judge(history, &options.isolation, &mut budget.clone()) {
            if of == level {
                found.note(level, judgement);
            }
        }
    }
    found.ask(history, level, options, budget);
    let nothing = || Judgement::NotApplicable("no checker speaks of such a history".into());
    found.0.remove(&level).map_or_else(nothing, |place| place.judgement)
}

/// Asks the one checker of a level that is not part of a family judged at once.
fn one(
    history: &Transactions,
    level: Level,
    options: &Options,
    mut budget: Budget,
) -> Option<Judgement> {
    let budget = &mut budget;
    Some(match level {
        Level::StrictSerializable
        | Level::Linearizable
        | Level::Sequential
        | Level::Serializable => order::judge(history, level, budget),
        Level::ReadAtomic | Level::ReadCommitted => weak::judge(history, level, budget),
        Level::CausalConvergence | Level::CausalMemory | Level::CausalConsistency => {
            causal::judge(history, level, budget)
        }
        Level::ReadYourWrites
        | Level::MonotonicReads
        | Level::MonotonicWrites
        | Level::WritesFollowReads => session::judge(history, level, budget),
        Level::BoundedStaleness => staleness::judge(history, options.staleness?, budget),
        Level::Convergence => convergence::judge(history, budget),
        Level::SnapshotIsolation | Level::RepeatableRead | Level::ReadUncommitted => return None,
    })
}

/// Whether a level that nobody has judged yet speaks of such a history.
fn speaks(history: &Transactions, level: Level) -> bool {
    let one_key = |number: usize| {
        let ops = history.ops(number);
        ops.iter().all(|op| op.key() == ops[0].key())
    };
    match level {
        Level::StrictSerializable => history.timed,
        Level::Linearizable => history.timed && (0..history.txns.len()).all(one_key),
        Level::BoundedStaleness => false,
        _ => true,
    }
}

impl Map {
    /// Every level that was judged.
    pub fn levels(&self) -> impl Iterator<Item = (Level, &Place)> {
        self.0.iter().map(|(level, place)| (*level, place))
    }

    /// What is said of one level.
    pub fn get(&self, level: Level) -> Option<&Place> {
        self.0.get(&level)
    }

    /// The levels that hold and have none above them that holds.
    pub fn strongest(&self) -> Vec<Level> {
        let covered = |level: Level| {
            BELOW.iter().any(|(above, below)| below.contains(&level) && self.holds(*above))
        };
        Level::ALL.into_iter().filter(|level| self.holds(*level) && !covered(*level)).collect()
    }

    fn holds(&self, level: Level) -> bool {
        self.0.get(&level).is_some_and(|place| place.judgement == Judgement::Holds)
    }

    fn is_decided(&self, level: Level) -> bool {
        self.0.get(&level).is_some_and(|place| place.judgement.is_decided())
    }

    fn ask(&mut self, history: &Transactions, level: Level, options: &Options, budget: Budget) {
        if !self.is_decided(level)
            && let Some(judgement) = one(history, level, options, budget)
        {
            self.note(level, judgement);
        }
    }

    /// What is decided stays; that it is not known is better than that nothing is said.
    fn note(&mut self, level: Level, judgement: Judgement) {
        let rank = |judgement: &Judgement| match judgement {
            Judgement::NotApplicable(_) => 0,
            Judgement::Unknown(_) => 1,
            Judgement::Holds | Judgement::Fails(_) => 2,
        };
        let known = self.0.get(&level).map(|place| rank(&place.judgement));
        if known.is_none_or(|known| known < rank(&judgement)) {
            self.0.insert(level, Place { judgement, from: None });
        }
    }

    fn infer_undecided(&mut self, history: &Transactions, level: Level) -> bool {
        !self.is_decided(level) && self.infer(history, level)
    }

    /// Whether the level is decided, from its neighbours if need be.
    fn infer(&mut self, history: &Transactions, level: Level) -> bool {
        let speaks = match self.0.get(&level) {
            Some(place) if place.judgement.is_decided() => return true,
            Some(place) => matches!(place.judgement, Judgement::Unknown(_)),
            None => speaks(history, level),
        };
        let above = BELOW.iter().filter(|(_, below)| below.contains(&level)).map(|(of, _)| of);
        let below = BELOW.iter().filter(|(of, _)| *of == level).flat_map(|(_, below)| *below);
        let decides = |level: &Level, hold: bool| {
            let place = self.0.get(level)?;
            let decides = place.judgement.is_decided() && self.holds(*level) == hold;
            let from = Some(place.from.unwrap_or(*level));
            decides.then(|| Place { judgement: place.judgement.clone(), from })
        };
        let mut found = above.filter_map(|level| decides(level, true));
        let mut found = found.next().into_iter().chain(below.filter_map(|l| decides(l, false)));
        let Some(place) = found.next().filter(|_| speaks) else { return false };
        self.0.insert(level, place);
        true
    }
}

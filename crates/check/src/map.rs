//! The consistency map of one history: what it is at every level, and the strongest levels that hold.
//!
//! The order of levels is that of jepsen.io/consistency (after Bailis et al., VLDB 2014), restricted to levels
//! that are judged here. What one level says of its neighbours is used: what holds at a level holds below it,
//! what fails at a level fails above it.

use crate::level::{Judgement, Level};
use crate::txn::Transactions;
use crate::{Budget, causal, convergence, isolation, order, session, staleness, weak};
use std::collections::BTreeMap;

/// What the map is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// By how much a read may lag, in the history's own unit of time; without it bounded staleness is left out.
    pub staleness: Option<u64>,
    /// How versions of registers are inferred.
    pub isolation: isolation::Options,
}

/// Every level with its judgement.
#[derive(Clone, Debug)]
pub struct Map(BTreeMap<Level, Judgement>);

/// Each level and those right below it: a history that is good at the first is good at the second. The order in
/// which a process works is part of sequential, causal, read atomic and read committed here (as in Biswas and
/// Enea, OOPSLA 2019) and not of serializable and snapshot isolation (as in Adya 1999), so these do not
/// imply those. Read atomic asks for one order of all transactions, which causal convergence has and the other
/// causal levels have not.
pub const BELOW: [(Level, &[Level]); 11] = [
    (Level::StrictSerializable, &[Level::Serializable, Level::Linearizable]),
    (Level::Linearizable, &[Level::Sequential, Level::BoundedStaleness]),
    (Level::Sequential, &[Level::CausalConvergence, Level::CausalMemory]),
    (Level::Serializable, &[Level::SnapshotIsolation, Level::RepeatableRead]),
    (Level::SnapshotIsolation, &[Level::ReadUncommitted]),
    (Level::RepeatableRead, &[Level::ReadUncommitted]),
    (Level::ReadAtomic, &[Level::ReadCommitted]),
    (Level::ReadCommitted, &[Level::ReadUncommitted]),
    (Level::CausalConvergence, &[Level::CausalConsistency, Level::ReadAtomic]),
    (Level::CausalMemory, &[Level::CausalConsistency]),
    (Level::CausalConsistency, &CAUSAL),
];

const CAUSAL: [Level; 4] = [
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
];

/// Judges `history` at every level.
pub fn map(history: &Transactions, options: &Options, budget: Budget) -> Map {
    let mut map = Map(BTreeMap::new());
    for (level, judgement) in isolation::judge(history, &options.isolation, &mut budget.clone()) {
        map.note(level, judgement);
    }
    for level in Level::ALL {
        if let Some(judgement) = one(history, level, options, budget) {
            map.note(level, judgement);
        }
        map.close();
    }
    map
}

/// Judges `history` at one level.
pub fn judge(history: &Transactions, level: Level, options: &Options, budget: Budget) -> Judgement {
    let mut found = Map(BTreeMap::new());
    for (of, judgement) in isolation::judge(history, &options.isolation, &mut budget.clone()) {
        if of == level {
            found.note(level, judgement);
        }
    }
    let decided = found.0.get(&level).is_some_and(Judgement::is_decided);
    if !decided && let Some(judgement) = one(history, level, options, budget) {
        found.note(level, judgement);
    }
    let nothing = || Judgement::NotApplicable("no checker speaks of such a history".into());
    found.0.remove(&level).unwrap_or_else(nothing)
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

impl Map {
    /// Every level that was judged.
    pub fn levels(&self) -> impl Iterator<Item = (Level, &Judgement)> {
        self.0.iter().map(|(level, judgement)| (*level, judgement))
    }

    /// The judgement at one level.
    pub fn get(&self, level: Level) -> Option<&Judgement> {
        self.0.get(&level)
    }

    /// The levels that hold and have none above them that holds.
    pub fn strongest(&self) -> Vec<Level> {
        let holds = |level: &Level| self.0.get(level) == Some(&Judgement::Holds);
        let covered = |level: Level| {
            BELOW.iter().any(|(above, below)| below.contains(&level) && holds(above))
        };
        Level::ALL.into_iter().filter(|level| holds(level) && !covered(*level)).collect()
    }

    /// What is decided stays; anything is better than nothing.
    fn note(&mut self, level: Level, judgement: Judgement) {
        let known = self.0.get(&level).is_some_and(Judgement::is_decided);
        let better = judgement.is_decided() || !self.0.contains_key(&level);
        if !known && better {
            self.0.insert(level, judgement);
        }
    }

    /// What holds holds below, what fails fails above, until nothing changes.
    fn close(&mut self) {
        loop {
            let before = self.0.values().filter(|judgement| judgement.is_decided()).count();
            for (above, below) in BELOW.iter().flat_map(|(a, all)| all.iter().map(move |b| (a, b)))
            {
                if self.0.get(above) == Some(&Judgement::Holds) && self.speaks(*below) {
                    self.note(*below, Judgement::Holds);
                }
                let failed = match self.0.get(below) {
                    Some(Judgement::Fails(witness)) => Some(witness.clone()),
                    _ => None,
                };
                if let Some(witness) = failed.filter(|_| self.speaks(*above)) {
                    self.note(*above, Judgement::Fails(witness));
                }
            }
            if self.0.values().filter(|judgement| judgement.is_decided()).count() == before {
                return;
            }
        }
    }

    /// Whether a level that nobody has judged may be filled in from its neighbours.
    fn speaks(&self, level: Level) -> bool {
        !matches!(self.0.get(&level), Some(Judgement::NotApplicable(_)))
            && level != Level::BoundedStaleness
    }
}

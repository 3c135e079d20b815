//! What a run tells.

use crate::setup::{Profile, Workload};
use std::collections::BTreeMap;
use std::fmt;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check held and the healed cluster made progress.
    Ok,
    /// A promise was broken.
    Unsafe(String),
    /// After the world had healed, somebody waited too long.
    Stuck(String),
    /// The checker's budget was spent: counts as a failure.
    Undecided(String),
}

impl Verdict {
    /// Whether every check held.
    pub fn is_ok(&self) -> bool {
        *self == Verdict::Ok
    }

    /// What sort of failure it is: the check's words up to numbers, by which failures of one sort are told from
    /// others. No order of a history is one sort, whatever the history.
    pub fn sort(&self) -> String {
        let text = self.to_string();
        let first = text.lines().next().unwrap_or_default();
        let linearizable = "not linearizable";
        if let Some(at) = first.find(linearizable) {
            return first[..at + linearizable.len()].into();
        }
        let mut words = String::new();
        for c in first.chars() {
            match c {
                '0'..='9' if words.ends_with('#') => {}
                '0'..='9' => words.push('#'),
                c => words.push(c),
            }
        }
        // Lists of nodes differ in length.
        words.replace(", n#", "")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Ok => f.write_str("ok"),
            Verdict::Unsafe(why) => write!(f, "safety: {why}"),
            Verdict::Stuck(why) => write!(f, "no progress: {why}"),
            Verdict::Undecided(why) => write!(f, "undecided: {why}"),
        }
    }
}

/// How often each thing happened, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

/// What a campaign must have met at least once (architecture.md section 6).
pub const REQUIRED: [&str; 12] = [
    "elections",
    "leader changes under load",
    "uncommitted entries truncated",
    "snapshots installed",
    "crashes that lost unsynced records",
    "partitions",
    "duplicated",
    "reordered",
    "deadlines that expired",
    "power failures of the whole cluster",
    "loads of tables on disk",
    "tables on disk frozen",
];

impl Counters {
    /// `name` happened `times` more often.
    pub fn add(&mut self, name: &'static str, times: u64) {
        *self.0.entry(name).or_default() += times;
    }

    /// How often `name` happened.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Names and values in order of name.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Counters) {
        for (name, value) in other.rows() {
            self.add(name, value);
        }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// What went wrong around it.
    pub profile: Profile,
    /// What its clients did.
    pub workload: Workload,
    /// How it ended.
    pub verdict: Verdict,
    /// Of everything that happened, in order.
    pub digest: u64,
    /// How often what happened.
    pub counters: Counters,
    /// Whether it had 200 operations, a third of them overlapping and half answered.
    pub covers: bool,
    /// The operations of the history that have no place in it, by their numbers, and those with which they
    /// quarrel; none where the verdict is about something else.
    pub guilty: Vec<usize>,
    /// All operations on the keys of the guilty ones.
    pub related: Vec<usize>,
    /// Its last moments, if it was asked to keep them.
    pub moments: Vec<sim::Moment>,
}

impl Report {
    /// A line for each moment, but those of a node's inner life.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let told = |moment: &&sim::Moment| !moment.what.is_inner();
        self.moments.iter().filter(told).map(ToString::to_string)
    }
}

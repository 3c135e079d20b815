//! What is said in the end. A search that was stopped is never shown as coverage.

use super::{Limits, Schedule};
use std::fmt;

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// States reached, each as often as a step led to it; the first one included.
    pub generated: u64,
    /// Different states.
    pub unique: u64,
    /// States whose steps have all been taken.
    pub expanded: u64,
    /// Steps of the longest schedule so far.
    pub depth: u32,
    /// Bytes of the explorer's own tables.
    pub memory: usize,
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// How far it came.
    pub progress: Progress,
    /// Different states of single nodes.
    pub places: usize,
    /// What some schedule was to reach.
    pub marks: Vec<Mark>,
}

/// What some schedule was to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name in [`super::Model::marks`].
    pub name: &'static str,
    /// The fewest steps to it, if it was reached.
    pub depth: Option<u32>,
}

/// Why a search ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Every schedule within the scope was taken.
    Exhausted,
    /// It was stopped; what it did not see may hold anything.
    Bounded(Bound),
    /// Something that must hold does not.
    Violated(Box<Violation>),
}

/// What stopped a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// [`Limits::states`].
    States,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::memory`].
    Memory,
    /// Its caller.
    Caller,
}

/// A broken promise and a shortest schedule that breaks it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What was broken.
    pub what: String,
    /// How.
    pub schedule: Schedule,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::States => "the limit on states",
            Bound::Depth => "the limit on depth",
            Bound::Memory => "the limit on memory",
            Bound::Caller => "the limit on time",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exhausted => f.write_str("exhausted: every schedule within the bounds was taken"),
            End::Bounded(bound) => {
                write!(f, "bounded: stopped by {bound}; what was not reached is not judged")
            }
            End::Violated(violation) => {
                write!(f, "violated: {}\n{}", violation.what, violation.schedule)
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { generated, unique, expanded, depth, .. } = self.progress;
        writeln!(f, "{}", self.end)?;
        writeln!(
            f,
            "{unique} unique states, {generated} generated, {expanded} expanded, depth {depth}"
        )?;
        write!(f, "{} states of single nodes", self.places)?;
        for mark in &self.marks {
            match mark.depth {
                Some(depth) => write!(f, "\nreached after {depth} steps: {}", mark.name)?,
                None => write!(f, "\nnever reached: {}", mark.name)?,
            }
        }
        Ok(())
    }
}

impl Limits {
    pub(crate) fn reached(&self, progress: &Progress) -> Option<Bound> {
        if progress.unique >= self.states {
            Some(Bound::States)
        } else if progress.memory >= self.memory {
            Some(Bound::Memory)
        } else {
            None
        }
    }
}

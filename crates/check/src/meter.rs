//! What a judgement may cost, counted.

use crate::Budget;
use crate::planted::{self, Bug};

/// The budget is spent: what was not finished.
pub(crate) struct Spent(pub(crate) String);

/// Asks whether time is up once in so many units of work.
const EVERY: usize = 1 << 16;

pub(crate) struct Meter<'a> {
    budget: &'a mut Budget,
    since: usize,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(budget: &'a mut Budget) -> Meter<'a> {
        Meter { budget, since: 0 }
    }

    /// Work that is linear in the history costs time only. `what` says how far it came.
    pub(crate) fn tick(&mut self, work: usize, what: impl Fn() -> String) -> Result<(), Spent> {
        self.since += if planted::is(Bug::LooksAreFree) { 0 } else { work + 1 };
        if self.since >= EVERY {
            self.since = 0;
            if (self.budget.expired)() {
                return Err(Spent(format!("ran out of time {}", what())));
            }
        }
        Ok(())
    }

    /// Work of a search.
    pub(crate) fn step(&mut self, steps: usize, what: impl Fn() -> String) -> Result<(), Spent> {
        match self.budget.steps.checked_sub(steps as u64) {
            Some(left) => self.budget.steps = left,
            None => return Err(Spent(format!("ran out of steps {}", what()))),
        }
        self.tick(steps, what)
    }

    /// Whether so many arcs, of 16 bytes, may be kept: the budget counts situations of a few hundred.
    pub(crate) fn keep(&self, arcs: usize) -> Result<(), Spent> {
        let most = self.budget.memory.saturating_mul(16);
        match arcs <= most {
            true => Ok(()),
            false => Err(Spent(format!("ran out of memory at {most} derived arcs"))),
        }
    }
}

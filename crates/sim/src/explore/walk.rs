//! Breadth-first search over rows; a state seen is a fingerprint, and the state it was reached from.

use super::report::{Bound, End, Mark, Progress, Report, Violation};
use super::row::{Move, Rows, Visit, flight_at};
use super::schedule::{self, Path};
use super::steps::{Steps, salted};
use super::table::{Table, tag};
use super::{Limits, Model, Scope, Sometimes, View};
use std::hash::Hasher;
use std::ops::ControlFlow;
use stdx::Mutant;

/// A caller is asked whether to go on, and memory is counted, after so many expanded states.
const PERIOD: u64 = 1 << 12;

/// States are numbered in 32 bits.
const MOST_STATES: u64 = u32::MAX as u64;

/// The states seen: 96 bits of each, 64 here and 32 in the table.
pub(crate) struct Visited {
    table: Table,
    prints: Vec<u64>,
    /// The state from which it was first reached; the first is its own.
    parents: Vec<u32>,
    /// How much of a row is looked at: a bug may be planted.
    planted: Option<usize>,
}

impl Visited {
    fn new(scope: &Scope, nodes: usize) -> Visited {
        let blind = scope.planted.is(Mutant::ForgetFlight);
        let planted = blind.then_some(flight_at(nodes));
        Visited { table: Table::new(), prints: Vec::new(), parents: Vec::new(), planted }
    }

    /// 128 bits of a row, of which 96 are kept.
    fn print(&self, row: &[u32]) -> (u64, u32) {
        let row = self.planted.map_or(row, |upto| &row[..upto]);
        let (mut one, mut two) = (salted(5), salted(6));
        for pair in row.chunks(2) {
            let high = pair.get(1).map_or(u64::from(u32::MAX), |high| u64::from(*high));
            let word = high << 32 | u64::from(pair[0]);
            one.write_u64(word);
            two.write_u64(word);
        }
        (one.finish(), tag(two.finish()))
    }

    /// The number of a state that was not seen before.
    fn add(&mut self, row: &[u32], parent: u32) -> Option<u32> {
        let (print, tag) = self.print(row);
        let prints = &self.prints;
        let number = self.table.find_or_add(tag, |number| prints[number] == print).err()?;
        self.prints.push(print);
        self.parents.push(parent);
        Some(u32::try_from(number).expect("fewer than 2^32 states"))
    }

    /// Whether `row` has the fingerprint of a state seen.
    pub(crate) fn is(&self, number: u32, row: &[u32]) -> bool {
        self.prints[number as usize] == self.print(row).0
    }

    /// The states on the way from the first to this one, both included.
    pub(crate) fn way(&self, number: u32) -> Vec<u32> {
        let mut way = vec![number];
        while let Some(last) = way.last().copied().filter(|last| *last != 0) {
            way.push(self.parents[last as usize]);
        }
        way.reverse();
        way
    }

    fn bytes(&self) -> usize {
        self.table.bytes() + self.prints.capacity() * 8 + self.parents.capacity() * 4
    }
}

struct Walk<'a, M: Model> {
    model: &'a M,
    limits: Limits,
    visited: Visited,
    /// States reached in one step more than those being expanded: length, then row.
    next: Vec<u32>,
    progress: Progress,
    marks: Vec<(Sometimes<M>, Option<u32>)>,
    /// The state being expanded, and how many steps from it were taken.
    parent: u32,
    taken: u32,
    /// What stopped the search within an expansion.
    stop: Option<Stop>,
}

enum Stop {
    Bound(Bound),
    Wrong(String),
}

/// Takes every schedule of the model's world within `scope`, breadth first, until all are taken, something
/// is wrong, a limit is reached, or `expired` says so; it is asked every few thousand states.
///
/// Panics if a bound in the scope is above 63, or the model contradicts itself.
pub fn explore<M: Model>(
    model: &M,
    scope: &Scope,
    limits: &Limits,
    expired: &mut dyn FnMut(&Progress) -> bool,
) -> Report {
    let mut steps = Steps::new(model, scope);
    let mut rows = Rows::new(steps.ids.len(), scope);
    let mut walk = Walk::new(model, scope, limits, rows.nodes);
    let end = match rows.first(&mut steps, model) {
        Ok(first) => {
            walk.run(&mut steps, &mut rows, &first, expired);
            match walk.stop.take() {
                None => End::Exhausted,
                Some(Stop::Bound(bound)) => End::Bounded(bound),
                Some(Stop::Wrong(what)) => {
                    let path = Path { first: &first, to: walk.parent, taken: walk.taken };
                    let schedule = schedule::of(&walk.visited, &path, &mut steps, &mut rows);
                    End::Violated(Box::new(Violation { what, schedule }))
                }
            }
        }
        Err(what) => {
            let schedule = schedule::Schedule::default();
            End::Violated(Box::new(Violation { what, schedule }))
        }
    };
    walk.count_memory(&steps, 0);
    let marks = walk.marks.iter().map(|((name, _), depth)| Mark { name, depth: *depth }).collect();
    Report { end, progress: walk.progress, places: steps.places(), marks }
}

impl<'a, M: Model> Walk<'a, M> {
    fn new(model: &'a M, scope: &Scope, limits: &Limits, nodes: usize) -> Walk<'a, M> {
        Walk {
            model,
            limits: Limits { states: limits.states.min(MOST_STATES), ..*limits },
            visited: Visited::new(scope, nodes),
            next: Vec::new(),
            progress: Progress::default(),
            marks: model.marks().into_iter().map(|mark| (mark, None)).collect(),
            parent: 0,
            taken: 0,
            stop: None,
        }
    }

    fn run(
        &mut self,
        steps: &mut Steps<'a, M>,
        rows: &mut Rows,
        first: &[u32],
        expired: &mut dyn FnMut(&Progress) -> bool,
    ) {
        if self.reach(steps, first).is_break() {
            return;
        }
        self.progress.depth = 0;
        let (mut level, mut number) = (Vec::new(), 0);
        while !self.next.is_empty() {
            if self.progress.depth == self.limits.depth {
                self.stop = Some(Stop::Bound(Bound::Depth));
                return;
            }
            level.clear();
            std::mem::swap(&mut level, &mut self.next);
            self.progress.depth += 1;
            let mut rest = level.as_slice();
            while let [len, after @ ..] = rest {
                let (row, after) = after.split_at(*len as usize);
                rest = after;
                (self.parent, self.taken) = (number, 0);
                number += 1;
                if rows.successors(steps, row, self).is_break() {
                    return;
                }
                self.progress.expanded += 1;
                if self.progress.expanded.is_multiple_of(PERIOD) {
                    self.count_memory(steps, level.capacity());
                    let late = expired(&self.progress).then_some(Bound::Caller);
                    if let Some(bound) = self.limits.reached(&self.progress).or(late) {
                        self.stop = Some(Stop::Bound(bound));
                        return;
                    }
                }
            }
        }
        // The last level led nowhere new.
        self.progress.depth -= 1;
    }

    /// A step led to this state.
    fn reach(&mut self, steps: &Steps<'_, M>, row: &[u32]) -> ControlFlow<()> {
        self.progress.generated += 1;
        if self.visited.add(row, self.parent).is_none() {
            return ControlFlow::Continue(());
        }
        self.progress.unique += 1;
        self.next.push(u32::try_from(row.len()).expect("a short row"));
        self.next.extend_from_slice(row);
        let view = View { steps, row };
        for ((_, reached), depth) in &mut self.marks {
            if depth.is_none() && reached(&view) {
                *depth = Some(self.progress.depth);
            }
        }
        if let Err(wrong) = self.model.invariant(&view) {
            return self.halt(Stop::Wrong(wrong));
        }
        if self.progress.unique >= self.limits.states {
            return self.halt(Stop::Bound(Bound::States));
        }
        ControlFlow::Continue(())
    }

    fn halt(&mut self, stop: Stop) -> ControlFlow<()> {
        self.stop = Some(stop);
        ControlFlow::Break(())
    }

    fn count_memory(&mut self, steps: &Steps<'_, M>, level: usize) {
        let rows = (level + self.next.capacity()) * 4;
        self.progress.memory = self.visited.bytes() + rows + steps.bytes();
    }
}

impl<M: Model> Visit<M> for Walk<'_, M> {
    #[inline]
    fn visit(
        &mut self,
        steps: &Steps<'_, M>,
        _: Move,
        row: Result<&[u32], &str>,
    ) -> ControlFlow<()> {
        self.taken += 1;
        match row {
            Ok(row) => self.reach(steps, row),
            Err(wrong) => self.halt(Stop::Wrong(wrong.to_string())),
        }
    }
}

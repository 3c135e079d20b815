//! From a violation to the smallest part of the history found that still is one.
//!
//! Only what [`Needs`] allows is left out, so that a part of a good history is good: what has no order is a violation
//! of the whole. That is also the quick way to a verdict: a search of a long history that is stuck looks at what
//! happened just before, and need not come back through all the rest.

use super::compile::compile;
use super::needs::Needs;
use crate::Budget;
use crate::names::Table;
use crate::search::{Found, Precedence, Search};
use crate::txn::{Transactions, Txn};

/// Steps for one attempt, and for all of them: the verdict stands, this only makes it readable.
const ATTEMPT: u64 = 100_000;
const ALL: u64 = 3_000_000;
/// How many transactions before a stuck one are looked at.
const WINDOWS: [usize; 5] = [8, 32, 128, 512, 2_048];
/// How many are tried as the one that has no place.
const CANDIDATES: usize = 16;
/// Writers of what these saw are taken along, unless there are more.
const WRITERS: usize = 16;

/// A part of a history that has no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Core {
    /// By number, ascending.
    pub(super) numbers: Vec<usize>,
    /// The one that has no place.
    pub(super) stuck: usize,
    /// The longest order found of the others.
    pub(super) order: Vec<usize>,
}

pub(super) struct Shrinker<'h> {
    history: &'h Transactions,
    precedence: Precedence,
    numbers: &'h [usize],
    needs: Needs<'h>,
}

impl<'h> Shrinker<'h> {
    pub(super) fn new(
        history: &'h Transactions,
        numbers: &'h [usize],
        precedence: Precedence,
    ) -> Shrinker<'h> {
        Shrinker { history, precedence, numbers, needs: Needs::new(history, numbers, precedence) }
    }

    /// Looks for a violation around transaction `stuck`.
    pub(super) fn around(&self, stuck: usize, budget: &Budget) -> Option<Vec<usize>> {
        let end = self.end(stuck);
        let at = self.numbers.partition_point(|number| *number <= stuck);
        let upto = match self.precedence {
            Precedence::RealTime => {
                self.numbers.partition_point(|number| self.history.txns[*number].invoked <= end)
            }
            Precedence::Process | Precedence::Nothing => self.numbers.len(),
        };
        for window in WINDOWS {
            let to = upto.min(at.max(upto.min(at + window)));
            let from = to.min(at).saturating_sub(window);
            let mut kept: Vec<usize> = self.numbers[from..to].to_vec();
            kept.push(stuck);
            // What keeps a value from being overwritten may be seen much later.
            for at in 0..kept.len() {
                kept.extend(self.needs.witnesses(kept[at]));
            }
            for number in kept.clone() {
                for need in self.needs.of(number) {
                    let makers = self.needs.makers(need);
                    if makers.len() <= WRITERS {
                        kept.extend(makers);
                    }
                }
            }
            kept.sort_unstable();
            kept.dedup();
            let kept = self.needs.closed(kept);
            if self.has_none(&kept, &mut self.attempt(budget)) {
                return Some(kept);
            }
            if from == 0 && to == self.numbers.len() {
                return None;
            }
        }
        None
    }

    /// Whether a violation is among these, and what they need.
    pub(super) fn among(&self, mut numbers: Vec<usize>, budget: &Budget) -> Option<Vec<usize>> {
        let mut there: Table<usize, ()> = numbers.iter().map(|number| (*number, ())).collect();
        let mut at = 0;
        while let Some(number) = numbers.get(at).copied() {
            at += 1;
            for need in self.needs.of(number) {
                let makers = self.needs.makers(need);
                if makers.len() <= WRITERS {
                    numbers.extend(makers.iter().filter(|it| there.insert(**it, ()).is_none()));
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let kept = self.needs.closed(numbers);
        self.has_none(&kept, &mut self.attempt(budget)).then_some(kept)
    }

    fn end(&self, stuck: usize) -> u64 {
        self.history.txns[stuck].returned
    }

    fn attempt(&self, budget: &Budget) -> Budget {
        Budget { steps: ATTEMPT.min(budget.steps), ..*budget }
    }

    /// Whether these certainly have no order.
    fn has_none(&self, numbers: &[usize], budget: &mut Budget) -> bool {
        match compile(self.history, numbers, self.precedence) {
            // What the whole history explains, a part that `Needs` allows explains as well.
            Err(_) => false,
            Ok(compiled) => {
                let mut search = Search::new(compiled.board, self.precedence, compiled.spans);
                matches!(search.run(budget), Found::Nothing { .. })
            }
        }
    }

    /// The smallest part found of `numbers`, which have no order.
    pub(super) fn smallest(&self, numbers: Vec<usize>, budget: &Budget) -> Core {
        let mut all = Budget { steps: ALL, ..*budget };
        let mut kept = numbers;
        let mut chunk = kept.len().div_ceil(2);
        loop {
            let before = kept.len();
            self.drop_chunks(&mut kept, chunk, &mut all);
            if chunk > 1 {
                chunk = chunk.min(kept.len()).div_ceil(2);
            } else if kept.len() == before || all.steps == 0 {
                return self.finished(kept, budget);
            }
        }
    }

    fn drop_chunks(&self, kept: &mut Vec<usize>, chunk: usize, all: &mut Budget) {
        // From the end: what came last is what is least likely to be needed by others.
        let mut to = kept.len();
        while to > 0 && all.steps > 0 && !(all.expired)() {
            let from = to.saturating_sub(chunk);
            let rest = [&kept[..from], &kept[to..]].concat();
            let rest = self.needs.closed(rest);
            let mut attempt = self.attempt(all);
            let given = attempt.steps;
            let smaller = !rest.is_empty() && self.has_none(&rest, &mut attempt);
            all.steps = all.steps.saturating_sub(given - attempt.steps + kept.len() as u64 / 8 + 1);
            if smaller {
                *kept = rest;
            }
            to = from.min(kept.len());
        }
    }

    /// Who is stuck, and an order of the others: best a read, best a late one, without which they have one.
    fn finished(&self, numbers: Vec<usize>, budget: &Budget) -> Core {
        let looks = |number: &usize| {
            let needs = self.needs.of(*number);
            (!needs.is_empty(), !self.needs.changes(*number), *number)
        };
        let mut candidates = numbers.clone();
        candidates.sort_by_key(|number| std::cmp::Reverse(looks(number)));
        for stuck in candidates.iter().take(CANDIDATES).copied() {
            let others: Vec<usize> =
                numbers.iter().filter(|number| **number != stuck).copied().collect();
            if let Some(order) = self.order_of(&others, budget) {
                return Core { numbers, stuck, order };
            }
        }
        let (mut stuck, mut order) = (candidates[0], Vec::new());
        if let Ok(compiled) = compile(self.history, &numbers, self.precedence) {
            let names = compiled.numbers;
            let mut search = Search::new(compiled.board, self.precedence, compiled.spans);
            search.keep_best();
            let found = search.run(&mut self.attempt(budget));
            if let Found::Nothing { stuck: item } | Found::GaveUp { furthest: item } = found {
                stuck = names[item];
            }
            order = search.best().into_iter().map(|item| names[item]).collect();
        }
        Core { numbers, stuck, order }
    }

    fn order_of(&self, numbers: &[usize], budget: &Budget) -> Option<Vec<usize>> {
        let compiled = compile(self.history, numbers, self.precedence).ok()?;
        let names = compiled.numbers;
        let mut search = Search::new(compiled.board, self.precedence, compiled.spans);
        match search.run(&mut self.attempt(budget)) {
            Found::Order(found) => Some(found.into_iter().map(|item| names[item]).collect()),
            Found::Nothing { .. } | Found::GaveUp { .. } => None,
        }
    }
}

/// Whether a transaction returned before another was invoked.
pub(super) fn precedes(one: &Txn, other: &Txn) -> bool {
    one.returned < other.invoked
}

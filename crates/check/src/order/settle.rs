//! What became of each transaction of unknown outcome, as far as what others saw tells; and what is left to search.

use super::board::{Kind, Slot, Step};
use super::compile::{Compiled, Compiler, earlier, small};
use crate::names::Table;
use crate::planted::{self, Bug};
use crate::search::{NEVER, Precedence, Span};
use crate::txn::{Fate, ValueId};

impl<'h> Compiler<'h> {
    /// Of each element of a list, the earliest return of one who saw it.
    fn lists_seen(&mut self) {
        for cell in 0..self.board.cells.len() {
            let Kind::List { base, longest } = &self.board.cells[cell].kind else { continue };
            let mut seen = None;
            for (at, value) in longest.iter().enumerate().rev() {
                seen = earlier(seen, self.seen[*base as usize + at + 1]);
                if let Some(slot) = self.slots.get(&(small(cell), *value)) {
                    self.seen[*slot as usize] = seen;
                }
            }
        }
    }

    /// When it was seen that a step had happened, if nothing else can explain that.
    fn certain(&self, step: Step) -> Option<u64> {
        let slot = match step {
            Step::Put { cell, slot } | Step::Swap { cell, to: slot, .. } => {
                let initial = self.slots.get(&(cell, ValueId::NIL.0.get()));
                if self.is_text(cell) || initial == Some(&slot) {
                    return None;
                }
                slot
            }
            Step::Append { cell, value } => self.slots[&(cell, value)],
            Step::Insert { slot, .. } | Step::Enqueue { slot, .. } => slot,
            _ => return None,
        };
        let alone = self.board.slots[slot as usize].makers == 1;
        self.seen[slot as usize].filter(|_| alone || planted::is(Bug::SeenIsCertain))
    }

    /// Whether anybody can have seen a step of unknown outcome.
    fn may_be_seen(&self, step: Step) -> bool {
        match step {
            Step::Append { cell, value } => {
                let seen = self.seen[self.slots[&(cell, value)] as usize];
                seen.is_some() || self.blind[cell as usize].0
            }
            Step::Add { cell, .. } => self.board.cells[cell as usize].left > 0,
            Step::Enqueue { cell, slot } => {
                let Slot { needed, wanted, .. } = self.board.slots[slot as usize];
                needed > 0 || wanted || self.blind[cell as usize].0
            }
            Step::Dequeue { cell, .. } => self.blind[cell as usize].1,
            _ => self.board.step_matters(step),
        }
    }

    pub(super) fn finish(mut self, numbers: &[usize], precedence: Precedence) -> Compiled<'h> {
        self.lists_seen();
        self.strings_seen();
        let units = std::mem::take(&mut self.board.units);
        let (mut spans, mut kept) = (Vec::with_capacity(units.len()), Vec::new());
        let mut classes: Table<Vec<Step>, u32> = Table::default();
        let mut loose = false;
        for (at, (unit, number)) in units.into_iter().zip(numbers).enumerate() {
            let txn = &self.history().txns[*number];
            let steps = &self.board.steps[unit.from as usize..unit.to as usize];
            let mut span = Span {
                process: txn.process,
                invoked: txn.invoked,
                returned: txn.returned,
                class: None,
                waited: txn.fate == Fate::Committed,
            };
            if txn.fate == Fate::Unknown {
                if planted::is(Bug::UnknownFailed)
                    || unit.reads
                    || !steps.iter().any(|step| self.may_be_seen(*step))
                {
                    continue;
                }
                match steps.iter().filter_map(|step| self.certain(*step)).min() {
                    Some(seen) => span.returned = seen.max(txn.invoked),
                    None if planted::is(Bug::UnknownHappened) => span.returned = txn.invoked,
                    None => {
                        let fresh = small(classes.len());
                        let class = *classes.entry(steps.to_vec()).or_insert(fresh);
                        (span.class, span.returned) = (Some(class), NEVER);
                    }
                }
            } else if steps.is_empty() {
                continue;
            }
            loose |= self.loose.binary_search(&at).is_ok();
            self.board.units.push(unit);
            spans.push(span);
            kept.push(*number);
        }
        if precedence == Precedence::RealTime {
            self.leaving();
        }
        Compiled { board: self.board, spans, numbers: kept, loose }
    }

    /// Orders the elements of queues by when they left, where this is known.
    fn leaving(&mut self) {
        let mut enqueued: Vec<Option<Vec<u32>>> = vec![Some(Vec::new()); self.board.cells.len()];
        for unit in &self.board.units {
            for step in &self.board.steps[unit.from as usize..unit.to as usize] {
                let Step::Enqueue { cell, slot } = *step else { continue };
                let Slot { makers, needed, .. } = self.board.slots[slot as usize];
                let all = &mut enqueued[cell as usize];
                if makers > 1 || needed > 1 || self.blind[cell as usize].0 {
                    *all = None;
                } else if let Some(all) = all {
                    all.push(slot);
                }
            }
        }
        for (cell, enqueued) in self.board.cells.iter_mut().zip(enqueued) {
            if let (Kind::Queue { leaving, leaves, .. }, Some(mut all)) = (&mut cell.kind, enqueued)
            {
                all.sort_by_key(|slot| leaves.get(slot).map_or(NEVER, |leaves| leaves.1));
                *leaving = all;
            }
        }
    }
}

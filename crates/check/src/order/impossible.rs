//! What no order of anything can explain: found without a search.

use super::board::{EMPTY, Kind, Step};
use super::compile::{Compiler, small};
use crate::names::Table;
use crate::txn::{Fate, KeyId, Op, ValueId};

/// A reason, and the transactions that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impossible {
    /// Somebody saw a value that nobody wrote, or not as often as it was seen.
    Nowhere { number: usize, key: KeyId, value: ValueId },
    /// Two reads of a list of which neither begins with the other.
    Incompatible { numbers: [usize; 2], key: KeyId },
    /// What `number` saw of a string cannot be made of what was put and appended; or both saw the same append after
    /// different values.
    Text { number: usize, numbers: [usize; 2], key: KeyId },
}

impl Compiler<'_> {
    /// Whether every list that was read is a beginning of the longest.
    pub(super) fn one_line(&self, numbers: &[usize]) -> Result<(), Impossible> {
        let history = self.history();
        let mut readers: Table<u32, usize> = Table::default();
        let lists = self.board.cells.iter().any(|cell| matches!(cell.kind, Kind::List { .. }));
        let committed = |number: &&usize| history.txns[**number].fate == Fate::Committed;
        for number in numbers.iter().filter(committed).filter(|_| lists) {
            for op in history.ops(*number) {
                let Op::ReadList { key, elements: Some(seen) } = *op else { continue };
                let seen = history.elements(seen);
                let Kind::List { longest, .. } = &self.board.cells[self.cell(key) as usize].kind
                else {
                    unreachable!("a key is one kind of object")
                };
                if seen.len() == longest.len() {
                    readers.entry(key.0).or_insert(*number);
                }
                if !seen.iter().zip(longest).all(|(value, other)| value.0.get() == *other) {
                    return Err(self.incompatible(numbers, key, *number));
                }
            }
        }
        Ok(())
    }

    fn incompatible(&self, numbers: &[usize], key: KeyId, one: usize) -> Impossible {
        let history = self.history();
        let Kind::List { longest, .. } = &self.board.cells[self.cell(key) as usize].kind else {
            unreachable!("a key is one kind of object")
        };
        let is_longest = |number: &&usize| {
            history.ops(**number).iter().any(|op| match *op {
                Op::ReadList { key: of, elements: Some(seen) } => {
                    let seen = history.elements(seen).iter().map(|value| value.0.get());
                    of == key && seen.eq(longest.iter().copied())
                }
                _ => false,
            })
        };
        let other = *numbers.iter().find(is_longest).expect("somebody read it");
        Impossible::Incompatible { numbers: [one.min(other), one.max(other)], key }
    }

    /// Whether everything that was seen can have been written.
    pub(super) fn all_written(&self, numbers: &[usize]) -> Result<(), Impossible> {
        let mut lists = vec![false; self.board.cells.len()];
        for (cell, bad) in lists.iter_mut().enumerate() {
            *bad = self.list_from_nowhere(cell);
        }
        for (unit, number) in self.board.units.iter().zip(numbers).filter(|(unit, _)| unit.must) {
            let steps = &self.board.steps[unit.from as usize..unit.to as usize];
            if !steps.iter().any(|step| self.suspicious(*step, &lists)) {
                continue;
            }
            for op in self.history().ops(*number) {
                if let Some(value) = self.unexplained(op) {
                    return Err(Impossible::Nowhere { number: *number, key: op.key(), value });
                }
            }
        }
        Ok(())
    }

    /// Whether the longest list has what nobody appended, or more often than it was appended.
    fn list_from_nowhere(&self, cell: usize) -> bool {
        let Kind::List { longest, .. } = &self.board.cells[cell].kind else { return false };
        let mut times: Table<u32, u32> = Table::default();
        longest.iter().any(|value| {
            let slot = self.slots.get(&(small(cell), *value));
            let makers = slot.map_or(0, |slot| self.board.slots[*slot as usize].makers);
            let times = times.entry(*value).or_default();
            *times += 1;
            *times > makers
        })
    }

    fn suspicious(&self, step: Step, lists: &[bool]) -> bool {
        let slots = &self.board.slots;
        let unwritten = |cell: u32, slot: u32| {
            slots[slot as usize].makers == 0
                && self.board.cells[cell as usize].state != u64::from(slot)
        };
        match step {
            Step::See { cell, slot } | Step::Swap { cell, from: slot, done: Some(true), .. } => {
                match &self.board.cells[cell as usize].kind {
                    Kind::List { .. } => lists[cell as usize],
                    Kind::Text | Kind::Grown { .. } => false,
                    _ => unwritten(cell, slot),
                }
            }
            Step::Members { from, len, .. } => {
                let members = &self.board.members[from as usize..][..len as usize];
                members.iter().any(|slot| slots[*slot as usize].makers == 0)
            }
            Step::Dequeue { slot, .. } if slot < EMPTY => {
                slots[slot as usize].needed > slots[slot as usize].makers
            }
            _ => false,
        }
    }

    fn unexplained(&self, op: &Op) -> Option<ValueId> {
        let cell = self.cell(op.key());
        let kind = &self.board.cells[cell as usize].kind;
        let string = matches!(kind, Kind::Text | Kind::Grown { .. }) || self.strings.has(cell);
        let makers = |value: ValueId| {
            let slot = self.slots.get(&(cell, value.0.get()));
            slot.map_or(0, |slot| self.board.slots[*slot as usize].makers)
        };
        let none = |value: &ValueId| makers(*value) == 0;
        let written = |value: ValueId| value == ValueId::NIL || makers(value) > 0;
        match *op {
            Op::Read { value: Some(value), .. } if !string => {
                Some(value).filter(|value| !written(*value))
            }
            Op::Cas { from, done: Some(true), .. } if !string => {
                Some(from).filter(|from| !written(*from))
            }
            Op::ReadList { elements: Some(seen), .. } => {
                let seen = self.history().elements(seen);
                let mut times: Table<u32, u32> = Table::default();
                seen.iter().copied().find(|value| {
                    let times = times.entry(value.0.get()).or_default();
                    *times += 1;
                    *times > makers(*value)
                })
            }
            Op::ReadSet { elements: Some(seen), .. } => {
                self.history().elements(seen).iter().copied().find(none)
            }
            Op::Dequeue { value: Some(value), .. } if value != ValueId::NIL => {
                let slot = self.slots.get(&(cell, value.0.get()))?;
                let slot = &self.board.slots[*slot as usize];
                (slot.needed > slot.makers).then_some(value)
            }
            _ => None,
        }
    }
}

//! Taking back what a step changed, and queues, whose steps are their own reverse.

use super::board::{ANY, Board, EMPTY, Kind, Was, print_of};
use crate::planted::{self, Bug};
use crate::search::NEVER;

impl Board<'_> {
    pub(super) fn enqueue(&mut self, cell: u32, slot: u32) -> bool {
        let slots = &mut self.slots;
        let Kind::Queue { elements, tail, leaves, leaving, enqueued } =
            &mut self.cells[cell as usize].kind
        else {
            unreachable!("enqueues in a queue")
        };
        if !leaving.is_empty() {
            let present = |at: usize| leaving.get(at).map(|slot| slots[*slot as usize].present);
            while present(*enqueued) == Some(true) {
                *enqueued += 1;
            }
            let earliest = leaving[*enqueued];
            let left = |slot: u32| leaves.get(&slot).copied().unwrap_or((NEVER, NEVER));
            let touching = u64::from(planted::is(Bug::QueueTouches));
            if left(earliest).1 < left(slot).0.saturating_add(touching) && earliest != slot {
                return false;
            }
        }
        slots[slot as usize].present = true;
        elements.push_back(slot);
        *tail += 1;
        self.print ^= print_of(cell, *tail << 32 | u64::from(slot));
        self.undo.push(Was::Enqueued { cell });
        true
    }

    pub(super) fn dequeue(&mut self, cell: u32, wanted: u32) -> bool {
        let Kind::Queue { elements, tail, .. } = &mut self.cells[cell as usize].kind else {
            unreachable!("dequeues from a queue")
        };
        match elements.front().copied() {
            None => wanted == EMPTY || wanted == ANY,
            Some(slot) if wanted == ANY || wanted == slot => {
                let place = *tail + 1 - elements.len() as u64;
                elements.pop_front();
                self.print ^= print_of(cell, place << 32 | u64::from(slot));
                self.undo.push(Was::Dequeued { cell, slot });
                true
            }
            Some(_) => false,
        }
    }

    pub(super) fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark
            && let Some(was) = self.undo.pop()
        {
            self.take_back(was);
        }
    }

    fn take_back(&mut self, was: Was) {
        match was {
            Was::State { cell, state } => {
                let now = std::mem::replace(&mut self.cells[cell as usize].state, state);
                self.print ^= print_of(cell, now) ^ print_of(cell, state);
            }
            Was::Needed { cell, slot } => {
                self.slots[slot as usize].needed += 1;
                let least = &mut self.cells[cell as usize].least;
                *least = slot.min(*least);
            }
            Was::Made { slot } => self.slots[slot as usize].makers += 1,
            Was::Negative { cell } => self.cells[cell as usize].negatives += 1,
            Was::Inserted { cell, slot } => self.toggle(cell, slot, false),
            Was::Members { cell, from, len } => {
                for slot in &self.members[from as usize..][..len as usize] {
                    self.slots[*slot as usize].needed += 1;
                }
                self.cells[cell as usize].left += 1;
            }
            Was::Enqueued { cell } => {
                let Kind::Queue { elements, tail, enqueued, leaving, leaves } =
                    &mut self.cells[cell as usize].kind
                else {
                    unreachable!("was enqueued in a queue")
                };
                if let Some(slot) = elements.pop_back() {
                    self.print ^= print_of(cell, *tail << 32 | u64::from(slot));
                    *tail -= 1;
                    let gone = &mut self.slots[slot as usize];
                    gone.present = false;
                    let late = |other: &u32| leaves.get(other).map_or(NEVER, |leaves| leaves.1);
                    let at = leaving.partition_point(|other| late(other) < late(&slot));
                    *enqueued = at.min(*enqueued);
                }
            }
            Was::Dequeued { cell, slot } => {
                let Kind::Queue { elements, tail, .. } = &mut self.cells[cell as usize].kind else {
                    unreachable!("was dequeued from a queue")
                };
                elements.push_front(slot);
                let place = *tail + 1 - elements.len() as u64;
                self.print ^= print_of(cell, place << 32 | u64::from(slot));
            }
        }
    }
}

//! The agenda: what happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stdx::Instant;

/// Of the 64 bits below the time, so many are the slot.
const SLOT_BITS: u32 = 24;

/// A heap keyed by (time, order of insertion), so that ties have one outcome. Values wait in a slab, which
/// keeps what the heap moves small: time, ticket and slot in one word.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<u128>>,
    slab: Vec<Option<T>>,
    free: Vec<usize>,
    inserted: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue { heap: BinaryHeap::new(), slab: Vec::new(), free: Vec::new(), inserted: 0 }
    }

    /// Answers the ticket of the value, unique in this queue.
    pub(crate) fn push(&mut self, at: Instant, value: T) -> u64 {
        let slot = match self.free.pop() {
            Some(slot) => {
                assert!(self.slab[slot].is_none(), "a free slot holds something");
                self.slab[slot] = Some(value);
                slot
            }
            None => {
                self.slab.push(Some(value));
                self.slab.len() - 1
            }
        };
        let ticket = self.inserted;
        self.inserted += 1;
        assert!(slot < 1 << SLOT_BITS && ticket < 1 << (64 - SLOT_BITS), "the agenda is full");
        let below = ticket << SLOT_BITS | slot as u64;
        self.heap.push(Reverse(u128::from(at.0) << 64 | u128::from(below)));
        ticket
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(key)| time(*key))
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, u64, T)> {
        let Reverse(key) = self.heap.pop()?;
        let below = key as u64;
        let slot = (below & ((1 << SLOT_BITS) - 1)) as usize;
        let value = self.slab[slot].take().expect("a queued slot holds its value");
        self.free.push(slot);
        Some((time(key), below >> SLOT_BITS, value))
    }
}

fn time(key: u128) -> Instant {
    Instant((key >> 64) as u64)
}

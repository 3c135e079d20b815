//! The agenda: what happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stdx::Instant;

/// A heap keyed by (time, order of insertion), so that ties have one outcome. Values wait in a slab, which
/// keeps what the heap moves small.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
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
        self.heap.push(Reverse((at, ticket, slot)));
        ticket
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, u64, T)> {
        let Reverse((at, ticket, slot)) = self.heap.pop()?;
        let value = self.slab[slot].take().expect("a queued slot holds its value");
        self.free.push(slot);
        Some((at, ticket, value))
    }
}

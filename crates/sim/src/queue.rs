//! The agenda: what happens next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use stdx::Instant;

/// Of the 64 bits below the time, so many are the slot.
const SLOT_BITS: u32 = 24;

/// A heap keyed by (time, order of insertion), so that ties have one outcome. Values wait in a slab, which
/// keeps what the heap moves small: time, ticket and slot in one word.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<u128>>,
    /// Keys that came in order, each after all before it: what is planned long ahead keeps the heap small.
    line: VecDeque<u128>,
    slab: Vec<Option<T>>,
    free: Vec<usize>,
    inserted: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue {
            heap: BinaryHeap::new(),
            line: VecDeque::new(),
            slab: Vec::new(),
            free: Vec::new(),
            inserted: 0,
        }
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
        let key = u128::from(at.0) << 64 | u128::from(below);
        if self.line.back().is_none_or(|last| *last < key) {
            self.line.push_back(key);
        } else {
            self.heap.push(Reverse(key));
        }
        ticket
    }

    fn next(&self) -> Option<u128> {
        let heap = self.heap.peek().map(|Reverse(key)| *key);
        match (heap, self.line.front().copied()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next().map(time)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, u64, T)> {
        let key = self.next()?;
        if self.line.front() == Some(&key) {
            self.line.pop_front();
        } else {
            self.heap.pop();
        }
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

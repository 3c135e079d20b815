//! A table whose keys are not always there, so that the simulator exercises what data larger than memory
//! will need.

use super::{Lookup, Table, Ticket, hash_of};
use std::collections::{BTreeSet, VecDeque};
use stdx::{Bytes, Prng};

/// So many loads stay in memory, oldest out first: more than any one command asks for in the simulator, so
/// that it finds all it loaded when it is applied again.
const RESIDENT: usize = 4096;

/// Wraps a table: a fraction of all keys, present or not, is `Missing` until loaded.
#[derive(Clone, Debug)]
pub struct MissingTable<T> {
    inner: T,
    salt: u64,
    part: u64,
    whole: u64,
    resident: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl<T: Table> MissingTable<T> {
    /// About `part` in `whole` keys miss, chosen by `prng`.
    pub fn new(inner: T, prng: &mut Prng, part: u64, whole: u64) -> MissingTable<T> {
        assert!(part <= whole && whole > 0, "{part} of {whole} is no fraction");
        MissingTable {
            inner,
            salt: prng.next_u64(),
            part,
            whole,
            resident: BTreeSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Never misses: what a table in memory is in production.
    pub fn never(inner: T) -> MissingTable<T> {
        MissingTable::new(inner, &mut Prng::new(0), 0, 1)
    }

    /// The table inside, which never misses.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Whether any key can miss.
    pub fn misses(&self) -> bool {
        self.part > 0
    }

    fn is_cold(&self, hash: u64) -> bool {
        self.part > 0
            && !self.resident.contains(&hash)
            && Prng::new(hash ^ self.salt).chance(self.part, self.whole)
    }

    fn warm(&mut self, hash: u64) {
        if self.resident.insert(hash) {
            self.order.push_back(hash);
        }
        if self.order.len() > RESIDENT {
            let oldest = self.order.pop_front().expect("not empty");
            self.resident.remove(&oldest);
        }
        assert_eq!(self.order.len(), self.resident.len(), "resident once, in order once");
    }
}

impl<T: Table> Table for MissingTable<T> {
    type Entry = T::Entry;

    fn get(&self, key: &[u8]) -> Lookup<&T::Entry> {
        if self.part == 0 {
            return self.inner.get(key);
        }
        let hash = hash_of(key);
        if self.is_cold(hash) { Lookup::Missing(Ticket(hash)) } else { self.inner.get(key) }
    }

    fn loaded(&mut self, ticket: Ticket) {
        self.warm(ticket.0);
    }

    fn insert(&mut self, key: Bytes, entry: T::Entry) -> Option<T::Entry> {
        self.inner.insert(key, entry)
    }

    fn remove(&mut self, key: &[u8]) -> Option<T::Entry> {
        self.inner.remove(key)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn clear(&mut self) {
        self.inner.clear();
    }

    fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &T::Entry)) -> u64 {
        self.inner.scan(from, each)
    }

    fn freeze(&mut self) {
        self.inner.freeze();
    }

    fn is_frozen(&self) -> bool {
        self.inner.is_frozen()
    }

    fn chunk(&mut self, max_bytes: usize, each: &mut dyn FnMut(&Bytes, &T::Entry)) -> bool {
        self.inner.chunk(max_bytes, each)
    }

    fn thaw(&mut self) {
        self.inner.thaw();
    }
}

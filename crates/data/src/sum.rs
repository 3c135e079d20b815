//! A digest of all entries that costs the same for each change, however many there are: the sum of their hashes,
//! so the order in which they came does not show. A scan in slices checks it against what is stored while writes
//! go on: what changes below its cursor is added to its part as well.

use crate::entry::Entry;
use stdx::{Bytes, Mutant, Planted};
use wire::Wire;

/// The sum, and how far a scan is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    all: u64,
    /// Of the keys whose hash is below `cursor`.
    part: u64,
    cursor: u64,
    buffer: Vec<u8>,
    pub(crate) planted: Planted,
}

impl Sum {
    fn weigh(&mut self, key: &[u8], entry: &Entry) -> u64 {
        self.buffer.clear();
        Bytes::from(key).encode(&mut self.buffer);
        entry.encode(&mut self.buffer);
        storage::hash_of(&self.buffer)
    }

    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(crate) fn add(&mut self, key: &[u8], entry: &Entry) {
        let weight = self.weigh(key, entry);
        self.all = self.all.wrapping_add(weight);
        if storage::hash_of(key) < self.cursor {
            self.part = self.part.wrapping_add(weight);
        }
    }

    pub(crate) fn take(&mut self, key: &[u8], entry: &Entry, replaced: bool) {
        if !replaced && self.planted.is(Mutant::SumSkipsRemovals) {
            return;
        }
        let weight = self.weigh(key, entry);
        self.all = self.all.wrapping_sub(weight);
        if storage::hash_of(key) < self.cursor {
            self.part = self.part.wrapping_sub(weight);
        }
    }

    pub(crate) fn clear(&mut self) {
        (self.all, self.part, self.cursor) = (0, 0, 0);
    }

    /// The scan has met an entry.
    pub(crate) fn met(&mut self, key: &[u8], entry: &Entry) {
        let weight = self.weigh(key, entry);
        self.part = self.part.wrapping_add(weight);
    }

    /// The scan goes on from here, 0 being its end: then whether the sum was what is stored. It is from then on.
    pub(crate) fn reached(&mut self, cursor: u64) -> Option<bool> {
        self.cursor = cursor;
        (cursor == 0).then(|| {
            let part = core::mem::take(&mut self.part);
            let was = core::mem::replace(&mut self.all, part);
            was == part
        })
    }
}

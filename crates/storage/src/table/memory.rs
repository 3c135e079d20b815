//! The table in memory: 1024 shards by the top bits of the hash, each a vector of small sorted buckets that
//! doubles on its own, so that no insert waits for more than its own shard to grow.

use super::frozen::Frozen;
use super::{Lookup, Table, Ticket, Weigh, hash_of};
use stdx::Bytes;

const SHARD_BITS: u32 = 10;
/// A shard doubles when its buckets hold more than this on average.
const LOAD: usize = 6;

/// A table that is all in memory and never misses.
#[derive(Clone, Debug)]
pub struct MemoryTable<E> {
    map: Map<E>,
    bytes: u64,
    frozen: Option<Frozen<E>>,
}

/// A key, its hash and what stands under it.
#[derive(Clone, Debug)]
pub(super) struct Slot<E> {
    hash: u64,
    pub(super) key: Bytes,
    pub(super) entry: E,
}

/// The shards, without accounting and views.
#[derive(Clone, Debug)]
pub(super) struct Map<E> {
    /// Empty as long as the table is.
    shards: Vec<Shard<E>>,
    /// One bit a shard: whether it holds anything. A scan of a small table reads this instead of them all.
    occupied: [u64; (1 << SHARD_BITS) / 64],
    len: usize,
}

#[derive(Clone, Debug)]
struct Shard<E> {
    /// None, or a power of two of them; each sorted by hash, then key.
    buckets: Vec<Vec<Slot<E>>>,
    len: usize,
}

impl<E> Shard<E> {
    fn bucket(&self, hash: u64) -> usize {
        let bits = self.buckets.len().trailing_zeros();
        let index = (hash << SHARD_BITS).checked_shr(u64::BITS - bits).unwrap_or(0);
        usize::try_from(index).expect("fewer buckets than a usize counts")
    }

    /// Splits every bucket in two. Buckets stay sorted, and so does the shard.
    fn grow(&mut self) {
        if self.buckets.is_empty() {
            self.buckets.push(Vec::new());
            return;
        }
        let bits = self.buckets.len().trailing_zeros();
        let half = 1u64 << (u64::BITS - SHARD_BITS - bits - 1);
        let mut doubled = Vec::with_capacity(self.buckets.len() * 2);
        for mut bucket in self.buckets.drain(..) {
            let upper = bucket.split_off(bucket.partition_point(|slot| slot.hash & half == 0));
            doubled.push(bucket);
            doubled.push(upper);
        }
        self.buckets = doubled;
    }
}

impl<E> Default for Map<E> {
    fn default() -> Map<E> {
        Map { shards: Vec::new(), occupied: [0; (1 << SHARD_BITS) / 64], len: 0 }
    }
}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - SHARD_BITS)).expect("ten bits")
}

impl<E> Map<E> {
    fn get(&self, hash: u64, key: &[u8]) -> Option<&E> {
        self.at(hash).iter().find(|slot| *slot.key == *key).map(|slot| &slot.entry)
    }

    pub(super) fn insert(&mut self, hash: u64, key: Bytes, entry: E) -> Option<E> {
        if self.shards.is_empty() {
            self.shards.resize_with(1 << SHARD_BITS, || Shard { buckets: Vec::new(), len: 0 });
        }
        let at = shard_of(hash);
        self.occupied[at / 64] |= 1 << (at % 64);
        let shard = &mut self.shards[at];
        if shard.len >= shard.buckets.len() * LOAD && shard.buckets.len() < 1 << 40 {
            shard.grow();
        }
        let index = shard.bucket(hash);
        let bucket = &mut shard.buckets[index];
        match bucket.binary_search_by(|slot| (slot.hash, &*slot.key).cmp(&(hash, &*key))) {
            Ok(at) => Some(core::mem::replace(&mut bucket[at].entry, entry)),
            Err(at) => {
                bucket.insert(at, Slot { hash, key, entry });
                shard.len += 1;
                self.len += 1;
                None
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Slot<E>> {
        let number = shard_of(hash);
        let shard = self.shards.get_mut(number)?;
        let index = shard.bucket(hash);
        let bucket = shard.buckets.get_mut(index)?;
        let at = bucket.iter().position(|slot| slot.hash == hash && *slot.key == *key)?;
        shard.len -= 1;
        if shard.len == 0 {
            self.occupied[number / 64] &= !(1 << (number % 64));
        }
        self.len -= 1;
        Some(bucket.remove(at))
    }

    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut E> {
        let shard = self.shards.get_mut(shard_of(hash))?;
        let index = shard.bucket(hash);
        let slot = shard.buckets.get_mut(index)?.iter_mut().find(|slot| *slot.key == *key)?;
        Some(&mut slot.entry)
    }

    /// The lowest hash in the map that is at least `from`.
    pub(super) fn first_from(&self, from: u64) -> Option<u64> {
        let first = shard_of(from);
        let mut next = first;
        while let Some(index) = self.occupied_from(next) {
            next = index + 1;
            let shard = &self.shards[index];
            let bucket = if index == first { shard.bucket(from) } else { 0 };
            for bucket in &shard.buckets[bucket..] {
                if let Some(slot) = bucket.iter().find(|slot| slot.hash >= from) {
                    return Some(slot.hash);
                }
            }
        }
        None
    }

    /// The lowest shard from `first` on that holds anything.
    fn occupied_from(&self, first: usize) -> Option<usize> {
        let mut word = first / 64;
        let mut bits = self.occupied.get(word)? & (u64::MAX << (first % 64));
        while bits == 0 {
            word += 1;
            bits = *self.occupied.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// All keys of one hash.
    pub(super) fn at(&self, hash: u64) -> &[Slot<E>] {
        let shard = self.shards.get(shard_of(hash));
        let Some(bucket) = shard.and_then(|shard| shard.buckets.get(shard.bucket(hash))) else {
            return &[];
        };
        let Some(from) = bucket.iter().position(|slot| slot.hash == hash) else {
            return &[];
        };
        let len = bucket[from..].iter().take_while(|slot| slot.hash == hash).count();
        &bucket[from..from + len]
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot<E>> {
        self.shards.iter().flat_map(|shard| shard.buckets.iter().flatten())
    }
}

impl<E> Default for MemoryTable<E> {
    fn default() -> MemoryTable<E> {
        MemoryTable { map: Map::default(), bytes: 0, frozen: None }
    }
}

impl<E: Clone + Weigh> MemoryTable<E> {
    /// An empty table.
    pub fn new() -> MemoryTable<E> {
        MemoryTable::default()
    }

    /// Every key and entry, in order of hash.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &E)> {
        self.map.slots().map(|slot| (&slot.key, &slot.entry))
    }

    /// Counts everything again: deep, for tests.
    pub fn check(&self) {
        let mut last = None;
        let (mut len, mut bytes) = (0, 0);
        for slot in self.map.slots() {
            assert_eq!(slot.hash, hash_of(&slot.key), "a key under another's hash");
            let place = Some((slot.hash, slot.key.clone()));
            assert!(last < place, "out of order, or twice");
            last = place;
            len += 1;
            bytes += weight(slot.key.len(), &slot.entry);
        }
        assert_eq!(len, self.map.len, "keys were counted wrong");
        for (number, shard) in self.map.shards.iter().enumerate() {
            let noted = self.map.occupied[number / 64] & 1 << (number % 64) != 0;
            assert_eq!(noted, shard.len > 0, "shard {number} is noted wrong");
        }
        assert_eq!(bytes, self.bytes, "bytes were counted wrong");
    }

    fn before_write(&mut self, hash: u64, key: &[u8]) {
        if let Some(frozen) = &mut self.frozen {
            frozen.before_write(&self.map, hash, key);
        }
    }
}

fn weight<E: Weigh>(key: usize, entry: &E) -> u64 {
    (key + entry.weight()) as u64
}

impl<E> Map<E> {
    /// What stands under a key, with the key as it is kept.
    pub(super) fn slot(&self, hash: u64, key: &[u8]) -> Option<&Slot<E>> {
        self.at(hash).iter().find(|slot| *slot.key == *key)
    }
}

impl<E: Clone + Weigh> Table for MemoryTable<E> {
    type Entry = E;

    fn get(&self, key: &[u8]) -> Lookup<&E> {
        Lookup::Ready(self.map.get(hash_of(key), key))
    }

    fn loaded(&mut self, _: Ticket) {}

    fn insert(&mut self, key: Bytes, entry: E) -> Option<E> {
        let hash = hash_of(&key);
        self.before_write(hash, &key);
        let len = key.len();
        self.bytes += weight(len, &entry);
        let before = self.map.insert(hash, key, entry);
        self.bytes -= before.as_ref().map_or(0, |before| weight(len, before));
        before
    }

    fn remove(&mut self, key: &[u8]) -> Option<E> {
        let hash = hash_of(key);
        self.before_write(hash, key);
        let slot = self.map.remove(hash, key)?;
        self.bytes -= weight(key.len(), &slot.entry);
        Some(slot.entry)
    }

    fn len(&self) -> usize {
        self.map.len
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn clear(&mut self) {
        let map = core::mem::take(&mut self.map);
        if let Some(frozen) = &mut self.frozen {
            frozen.keep(map);
        }
        self.bytes = 0;
    }

    fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &E)) -> u64 {
        let Some(hash) = self.map.first_from(from) else {
            return 0;
        };
        for slot in self.map.at(hash) {
            each(&slot.key, &slot.entry);
        }
        let next = hash.checked_add(1).and_then(|after| self.map.first_from(after));
        next.unwrap_or(0)
    }

    fn freeze(&mut self) {
        assert!(self.frozen.is_none(), "one frozen view at a time");
        self.frozen = Some(Frozen::new());
    }

    fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    fn chunk(&mut self, max_bytes: usize, each: &mut dyn FnMut(&Bytes, &E)) -> bool {
        let frozen = self.frozen.as_mut().expect("a chunk of a view that was not frozen");
        frozen.chunk(&self.map, max_bytes, each)
    }

    fn thaw(&mut self) {
        self.frozen = None;
    }
}

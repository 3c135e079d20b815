//! The state of a keyspace's group: entries, and which of them expire when.

use crate::entry::{Entry, Value};
use crate::store::Store;
use crate::sum::Sum;
use core::hash::Hasher;
use std::collections::BTreeSet;
use stdx::{Bytes, Digest, Planted, Prng};
use storage::{
    Answer, Ask, CachedTable, Lookup, MemoryTable, MissingTable, Scanned, TableId, Ticket, Weigh,
};
use wire::{Wire, WireError};

/// Redis' `proto-max-bulk-len`.
const DEFAULT_MAX_VALUE: usize = 512 << 20;
/// How many counts of removals there are.
const BUCKETS: usize = 256;
/// How many further keys [`Db::check`] looks up; each would cost a hash.
const CHECKED: usize = 16;

fn bucket(key: &[u8]) -> usize {
    (storage::hash_of(key) % BUCKETS as u64) as usize
}

impl Weigh for Entry {
    fn weight(&self) -> usize {
        self.value.bytes_len() + size_of::<Entry>()
    }
}

/// Entries in the order of their keys' hashes, and the index of expiries.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) table: Store,
    /// When, and which key: exactly the entries that have an expiry.
    expiries: BTreeSet<(u64, Bytes)>,
    /// How many keys were removed so far, by whatever, per bucket of their hash: what WATCH of an absent key
    /// compares. Buckets keep the removal of one key from spoiling the watches of most others.
    removals: Vec<u64>,
    sum: Sum,
    max_value: usize,
}

impl Default for Db {
    fn default() -> Db {
        Db::new(DEFAULT_MAX_VALUE)
    }
}

impl Db {
    /// An empty state, whose strings never grow beyond `max_value` bytes: the same on every replica, since
    /// APPEND's answer depends on it.
    pub fn new(max_value: usize) -> Db {
        Db::of(Store::Memory(Box::new(MissingTable::never(MemoryTable::default()))), max_value)
    }

    /// As [`Db::new`], with about `part` in `whole` keys not in memory until loaded, for the simulator.
    pub fn missing(max_value: usize, prng: &mut Prng, part: u64, whole: u64) -> Db {
        let table = MissingTable::new(MemoryTable::default(), prng, part, whole);
        Db::of(Store::Memory(Box::new(table)), max_value)
    }

    /// As [`Db::new`], with the entries on disk. An engine must carry out [`Db::take_asks`].
    pub fn on_disk(max_value: usize, id: TableId, planted: Planted) -> Db {
        Db::of(Store::Disk(Box::new(CachedTable::new(id, planted))), max_value)
    }

    fn of(table: Store, max_value: usize) -> Db {
        Db {
            table,
            expiries: BTreeSet::new(),
            removals: vec![0; BUCKETS],
            sum: Sum::default(),
            max_value,
        }
    }

    /// The table's name, if it is on disk.
    pub fn table_id(&self) -> Option<TableId> {
        self.disk().map(CachedTable::id)
    }

    fn disk(&self) -> Option<&CachedTable<Entry>> {
        match &self.table {
            Store::Memory(_) => None,
            Store::Disk(table) => Some(table),
        }
    }

    /// What the engine is to do, in this order; nothing if the table is in memory.
    pub fn take_asks(&mut self) -> Vec<Ask> {
        self.table.take_asks()
    }

    /// What the engine answers to [`Db::take_asks`]; the ticket of a load that is done, if it is one.
    pub fn answer(&mut self, answer: Answer) -> Option<u64> {
        self.table.answer(answer).map(|Ticket(ticket)| ticket)
    }

    /// A step is over: of a table on disk, at most about `limit` bytes stay in memory.
    pub fn trim(&mut self, limit: u64) {
        if let Store::Disk(table) = &mut self.table {
            table.trim(limit);
        }
    }

    /// The engine has so much to write that commands should wait.
    pub fn is_behind(&self, limit: u64) -> bool {
        self.disk().is_some_and(|table| table.is_behind(limit))
    }

    /// About how many bytes of entries are in memory.
    pub fn in_memory(&self) -> u64 {
        self.table.in_memory()
    }

    /// The load of `ticket` is done.
    pub fn loaded(&mut self, ticket: u64) {
        self.table.loaded(Ticket(ticket));
    }

    /// How many keys have an expiry.
    pub fn expiring(&self) -> usize {
        self.expiries.len()
    }

    /// How many keys are stored, due ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Roughly how many bytes a snapshot takes.
    pub fn bytes(&self) -> u64 {
        self.table.bytes()
    }

    /// Sets the longest string that a command may make: for a replica, as the log says.
    pub fn set_max_value(&mut self, max_value: usize) {
        self.max_value = max_value;
    }

    /// The longest string that a command may make.
    pub fn max_value(&self) -> usize {
        self.max_value
    }

    /// When the next key is due, in milliseconds since 1970.
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// How many stored keys are due at `now_ms`.
    pub fn due(&self, now_ms: u64) -> usize {
        self.due_keys(now_ms).count()
    }

    /// The stored keys that are due at `now_ms`, in the order in which they are removed.
    pub(crate) fn due_keys(&self, now_ms: u64) -> impl Iterator<Item = &Bytes> {
        self.expiries.iter().take_while(move |(at, _)| *at <= now_ms).map(|(_, key)| key)
    }

    /// The log index of the last write to `key`. WATCH compares it. Of a key that is absent at `now_ms`, a number
    /// no index reaches, which changes whenever any key is removed: else a key that came and went between WATCH
    /// and EXEC would look untouched.
    pub fn modified(&self, key: &[u8], now_ms: u64) -> u64 {
        const ABSENT: u64 = 1 << 62;
        let entry = self.get(key).filter(|entry| !entry.is_due(now_ms));
        entry.map_or(ABSENT | self.removals[bucket(key)], |entry| entry.modified)
    }

    /// How many keys were removed so far: part of the replicated state, beside the entries.
    pub fn removals(&self) -> &[u64] {
        &self.removals
    }

    /// Continues the counts of a snapshot; those of another version's buckets are refused.
    pub fn set_removals(&mut self, removals: Vec<u64>) -> Result<(), WireError> {
        if removals.len() != BUCKETS {
            return Err(WireError::Invalid("count of removal buckets"));
        }
        self.removals = removals;
        Ok(())
    }

    /// Whether any key can be due at `now_ms`.
    pub(crate) fn any_due(&self, now_ms: u64) -> bool {
        self.next_expiry().is_some_and(|at| at <= now_ms)
    }

    /// Removes at most `limit` keys that are due at `now_ms`, in the order of expiry and key; answers how many.
    /// On disk, they are resident ([`Db::needs_of_expiry`]).
    pub fn expire_due(&mut self, now_ms: u64, limit: usize) -> usize {
        for removed in 0..limit {
            match self.expiries.first() {
                Some((at, _)) if *at <= now_ms => {}
                _ => return removed,
            }
            let (_, key) = self.expiries.pop_first().expect("just seen");
            if let Some(old) = self.table.remove(&key) {
                self.sum.take(&key, &old, false);
            }
            self.removals[bucket(&key)] += 1;
        }
        limit
    }

    /// Counts keys that start with `prefix`, in steps: how many among about `limit` keys from `cursor` on, and
    /// the cursor of the next step; 0 when there is none. Due keys count: they may still be acknowledged ones.
    /// `None` if too little was loaded.
    pub fn count_prefix(&self, prefix: &[u8], cursor: u64, limit: usize) -> Option<(u64, u64)> {
        let (mut at, mut seen, mut count) = (cursor, 0, 0);
        loop {
            let step = self.table.scan(at, &mut |key, _| {
                seen += 1;
                count += u64::from(key.starts_with(prefix));
            });
            match step {
                Scanned::Next(next) => at = next,
                Scanned::End => return Some((count, 0)),
                Scanned::Unknown => return None,
            }
            if seen >= limit {
                return Some((count, at));
            }
        }
    }

    /// What is stored, due or not.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.table.lookup(key).ready()
    }

    pub(crate) fn insert(&mut self, key: Bytes, entry: Entry) {
        assert!(entry.version >= 1, "a stored entry was written at least once");
        assert!(entry.created <= entry.modified, "written before it was created");
        if let Some(at) = entry.expiry {
            self.expiries.insert((at, key.clone()));
        }
        let expiry = entry.expiry;
        self.sum.add(&key, &entry);
        let old = self.table.insert(key.clone(), entry);
        if let Some(old) = &old {
            self.sum.take(&key, old, true);
        }
        if let Some(at) = old.and_then(|old| old.expiry)
            && Some(at) != expiry
        {
            let was_indexed = self.expiries.remove(&(at, key));
            assert!(was_indexed, "an expiry was missing in the index");
        }
    }

    /// As [`Db::insert`], for an entry of a snapshot; false if its key was there, or is out of order.
    pub(crate) fn append(&mut self, key: Bytes, entry: Entry) -> bool {
        let Store::Disk(table) = &mut self.table else {
            let before = self.len();
            self.insert(key, entry);
            return self.len() > before;
        };
        if !table.append(key.clone(), entry.clone()) {
            return false;
        }
        self.sum.add(&key, &entry);
        self.expiries.extend(entry.expiry.map(|at| (at, key)));
        true
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let old = self.table.remove(key)?;
        self.sum.take(key, &old, false);
        self.removals[bucket(key)] += 1;
        if let Some(at) = old.expiry {
            let was_indexed = self.expiries.remove(&(at, Bytes::from(key)));
            assert!(was_indexed, "an expiry was missing in the index");
        }
        Some(old)
    }

    /// Removes every key.
    pub fn clear(&mut self) {
        self.table.clear();
        self.sum.clear();
        self.removals.iter_mut().for_each(|count| *count += 1);
        self.expiries.clear();
    }

    /// Asserts that the index of expiries agrees with the entries, at a cost that does not grow with them: the
    /// first and last few of the index. [`Db::check_all`] looks at everything.
    pub fn check(&self) {
        assert!(self.expiries.len() <= self.table.len(), "more expiries than keys");
        let ends =
            self.expiries.iter().take(CHECKED).chain(self.expiries.iter().rev().take(CHECKED));
        for (at, key) in ends {
            if let Lookup::Ready(entry) = self.table.lookup(key) {
                let stored = entry.and_then(|entry| entry.expiry);
                assert_eq!(stored, Some(*at), "expiry of {:?}", key.escape_ascii().to_string());
            }
        }
    }

    /// Asserts that exactly the entries with an expiry are in the index.
    pub fn check_all(&self) {
        self.check();
        let (mut expiring, mut keys) = (0, 0);
        self.each(|key, entry| {
            keys += 1;
            assert!(entry.created <= entry.modified && entry.version >= 1, "history of {key:?}");
            if let Some(at) = entry.expiry {
                expiring += 1;
                assert!(self.expiries.contains(&(at, key.clone())), "not in the index: {key:?}");
            }
        });
        assert_eq!(keys, self.table.len(), "a scan visits every key once");
        assert_eq!(expiring, self.expiries.len(), "the index holds what no entry has");
    }

    /// As [`Db::digest`], without looking at the entries: kept up to date by each change.
    pub fn sum(&self) -> u64 {
        let mut digest = Digest::default();
        digest.write_u64(self.sum.all());
        digest.write_u64(self.table.len() as u64);
        self.removals.iter().for_each(|count| digest.write_u64(*count));
        digest.finish()
    }

    /// Goes on comparing the sum with what is stored, some `limit` keys a time. At the end of the table: whether it
    /// was right; from then on it is. A table on disk is never looked through.
    pub fn check_sum(&mut self, limit: usize) -> Option<bool> {
        if self.disk().is_some() {
            return None; // Only what is in memory could be looked at; blocks on disk have checksums.
        }
        let mut seen = 0;
        loop {
            let (table, sum) = (&self.table, &mut self.sum);
            let next = match table.scan(sum.cursor(), &mut |key, entry| {
                seen += 1;
                sum.met(key, entry);
            }) {
                Scanned::Next(next) => next,
                Scanned::End => 0,
                Scanned::Unknown => return None,
            };
            let end = self.sum.reached(next);
            if end.is_some() || seen >= limit {
                return end;
            }
        }
    }

    /// Plants a bug, for tests.
    pub fn plant(&mut self, planted: Planted) {
        self.sum.planted = planted;
    }

    /// The same on every replica that applied the same log.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        let mut bytes = Vec::new();
        match self.disk() {
            Some(_) => digest.write_u64(self.sum.all()), // Its entries are not in memory.
            None => self.each(|key, entry| {
                bytes.clear();
                key.encode(&mut bytes);
                entry.encode(&mut bytes);
                digest.write(&bytes);
            }),
        }
        digest.write_u64(self.table.len() as u64);
        for (bucket, count) in self.removals.iter().enumerate().filter(|(_, count)| **count > 0) {
            digest.write_u64(bucket as u64);
            digest.write_u64(*count);
        }
        digest.finish()
    }

    /// What is stored under `key`, due or not.
    pub fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.get(key)
    }

    /// Every stored entry, in the order of the table.
    pub fn each(&self, mut visit: impl FnMut(&Bytes, &Entry)) {
        let mut cursor = 0;
        loop {
            match self.table.scan(cursor, &mut visit) {
                Scanned::Next(next) => cursor = next,
                Scanned::End => return,
                Scanned::Unknown => panic!("a look at everything, which is not in memory"),
            }
        }
    }
}

/// A string entry's bytes; the only type there is.
impl Entry {
    /// The bytes of a string.
    pub fn string(&self) -> &Bytes {
        match &self.value {
            Value::String(bytes) => bytes,
        }
    }
}

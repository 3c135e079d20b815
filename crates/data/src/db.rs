//! The state of a keyspace's group: entries, and which of them expire when.

use crate::entry::{Entry, Value};
use crate::spec::command_keys;
use core::hash::Hasher;
use std::collections::BTreeSet;
use stdx::{Bytes, Digest, Prng};
use storage::{Lookup, MemoryTable, MissingTable, Table, Ticket, Weigh};
use wire::resp::Args;
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
    /// In production it never misses; the simulator makes it.
    pub(crate) table: MissingTable<MemoryTable<Entry>>,
    /// When, and which key: exactly the entries that have an expiry.
    expiries: BTreeSet<(u64, Bytes)>,
    /// How many keys were removed so far, by whatever, per bucket of their hash: what WATCH of an absent key
    /// compares. Buckets keep the removal of one key from spoiling the watches of most others.
    removals: Vec<u64>,
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
        let table = MissingTable::never(MemoryTable::default());
        Db { table, expiries: BTreeSet::new(), removals: vec![0; BUCKETS], max_value }
    }

    /// As [`Db::new`], with about `part` in `whole` keys not in memory until loaded, for the simulator.
    pub fn missing(max_value: usize, prng: &mut Prng, part: u64, whole: u64) -> Db {
        let table = MissingTable::new(MemoryTable::default(), prng, part, whole);
        Db { table, expiries: BTreeSet::new(), removals: vec![0; BUCKETS], max_value }
    }

    /// The load of `ticket` is done.
    pub fn loaded(&mut self, ticket: u64) {
        self.table.loaded(Ticket(ticket));
    }

    /// How many keys have an expiry.
    pub fn expiring(&self) -> usize {
        self.expiries.len()
    }

    /// Makes every key that `args` names resident, or answers the ticket of a load to wait for. After `Ok`,
    /// executing `args` does not miss.
    pub fn prepare(&mut self, args: &Args) -> Result<(), u64> {
        command_keys(args).try_for_each(|key| self.prepare_key(key))
    }

    /// As [`Db::prepare`], for one key ([`Db::modified`]).
    pub fn prepare_key(&self, key: &[u8]) -> Result<(), u64> {
        match self.table.get(key) {
            Lookup::Ready(_) => Ok(()),
            Lookup::Missing(ticket) => Err(ticket.0),
        }
    }

    /// How many keys are stored, due ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
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
        self.expiries.iter().take_while(|(at, _)| *at <= now_ms).count()
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
    pub fn expire_due(&mut self, now_ms: u64, limit: usize) -> usize {
        for removed in 0..limit {
            match self.expiries.first() {
                Some((at, _)) if *at <= now_ms => {}
                _ => return removed,
            }
            // The entry itself need not be in memory for this.
            let (_, key) = self.expiries.pop_first().expect("just seen");
            self.table.remove(&key);
            self.removals[bucket(&key)] += 1;
        }
        limit
    }

    /// Counts keys that start with `prefix`, in steps: how many among about `limit` keys from `cursor` on, and
    /// the cursor of the next step; 0 when there is none. Due keys count: they may still be acknowledged ones.
    pub fn count_prefix(&self, prefix: &[u8], cursor: u64, limit: usize) -> (u64, u64) {
        let (mut at, mut seen, mut count) = (cursor, 0, 0);
        loop {
            at = self.table.scan(at, &mut |key, _| {
                seen += 1;
                count += u64::from(key.starts_with(prefix));
            });
            if at == 0 || seen >= limit {
                return (count, at);
            }
        }
    }

    /// What is stored, due or not.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.table.get(key).ready()
    }

    pub(crate) fn insert(&mut self, key: Bytes, entry: Entry) {
        assert!(entry.version >= 1, "a stored entry was written at least once");
        assert!(entry.created <= entry.modified, "written before it was created");
        if let Some(at) = entry.expiry {
            self.expiries.insert((at, key.clone()));
        }
        let expiry = entry.expiry;
        let old = self.table.insert(key.clone(), entry);
        if let Some(at) = old.and_then(|old| old.expiry)
            && Some(at) != expiry
        {
            let was_indexed = self.expiries.remove(&(at, key));
            assert!(was_indexed, "an expiry was missing in the index");
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let old = self.table.remove(key)?;
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
            if let Lookup::Ready(entry) = self.table.get(key) {
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

    /// The same on every replica that applied the same log.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        let mut bytes = Vec::new();
        self.each(|key, entry| {
            bytes.clear();
            key.encode(&mut bytes);
            entry.encode(&mut bytes);
            digest.write(&bytes);
        });
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
            cursor = self.table.scan(cursor, &mut visit);
            if cursor == 0 {
                return;
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

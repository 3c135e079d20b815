//! What a command may do: the type of its argument says whether it may write.

use crate::Context;
use crate::db::Db;
use crate::entry::{Entry, Value};
use core::cell::Cell;
use stdx::Bytes;
use storage::Scanned;

/// KEYS of a table on disk is refused if it holds more keys: all of them would have to be in memory at once.
pub(crate) const KEYS_LIMIT: usize = 100_000;
/// SCAN of a table on disk looks at no more keys at once, whatever COUNT says.
pub(crate) const SCAN_LIMIT: usize = 1_000;

/// The state as a read sees it: due keys are absent, and meeting one is remembered.
#[derive(Debug)]
pub struct View<'a> {
    db: &'a Db,
    cx: Context,
    due: Cell<bool>,
    short: Cell<bool>,
}

impl<'a> View<'a> {
    pub(crate) fn new(db: &'a Db, cx: Context) -> View<'a> {
        View { db, cx, due: Cell::new(false), short: Cell::new(false) }
    }

    /// Whether the answer rests on a key's being due.
    pub(crate) fn met_due(&self) -> bool {
        self.due.get()
    }

    /// Whether a scan met the end of what was loaded: the answer must not be given.
    pub(crate) fn fell_short(&self) -> bool {
        self.short.get()
    }

    /// Whether entries are on disk, so that looking at many is bounded.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.db.table_id().is_some()
    }

    /// What the command may know.
    pub fn cx(&self) -> Context {
        self.cx
    }

    /// The entry under `key`.
    pub fn get(&self, key: &[u8]) -> Option<&'a Entry> {
        let entry = self.db.get(key)?;
        self.living(entry).then_some(entry)
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        let due = self.db.due(self.cx.now_ms);
        if due > self.db.due(self.cx.committed_ms) {
            self.due.set(true);
        }
        self.db.len() - due
    }

    /// How many keys are stored, due or not.
    pub(crate) fn stored(&self) -> usize {
        self.db.len()
    }

    /// One step of a scan: all keys of the lowest hash from `from` on, maybe without their values. Answers
    /// the next position, 0 at the end.
    pub fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &Entry)) -> u64 {
        let step = self.db.table.scan(from, &mut |key, entry| {
            if self.living(entry) {
                each(key, entry);
            }
        });
        match step {
            Scanned::Next(next) => next,
            Scanned::End => 0,
            Scanned::Unknown => {
                self.short.set(true);
                0
            }
        }
    }

    fn living(&self, entry: &Entry) -> bool {
        let due = entry.is_due(self.cx.now_ms);
        if due && !entry.is_due(self.cx.committed_ms) {
            self.due.set(true);
        }
        !due
    }
}

/// The state as a write sees and changes it.
#[derive(Debug)]
pub struct Writer<'a> {
    db: &'a mut Db,
    cx: Context,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(db: &'a mut Db, cx: Context) -> Writer<'a> {
        Writer { db, cx }
    }

    /// What the command may know.
    pub fn cx(&self) -> Context {
        self.cx
    }

    /// The longest string that may be made.
    pub fn max_value(&self) -> usize {
        self.db.max_value()
    }

    /// The entry under `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.db.get(key).filter(|entry| !entry.is_due(self.cx.now_ms))
    }

    /// Removes `key` if it is due, so that its history ends where its time did.
    pub(crate) fn purge(&mut self, key: &[u8]) {
        // Asked of the index first: it is at hand, and mostly empty.
        if !self.db.any_due(self.cx.now_ms) {
            return;
        }
        if self.db.get(key).is_some_and(|entry| entry.is_due(self.cx.now_ms)) {
            self.db.remove(key);
        }
    }

    /// Puts a value under `key`, to last until `expiry`. One in the past removes the key.
    pub fn set(&mut self, key: &[u8], value: Value, expiry: Option<u64>) {
        if expiry.is_some_and(|at| at <= self.cx.now_ms) {
            self.db.remove(key);
            return;
        }
        let modified = self.cx.index;
        let (created, version) = match self.get(key) {
            Some(old) => (old.created, old.version + 1),
            None => (modified, 1),
        };
        // A caller that does not count indexes (a test) must not break the history.
        let modified = modified.max(created);
        self.db.insert(Bytes::from(key), Entry { value, created, modified, version, expiry });
    }

    /// Removes `key`; answers what was there. A due key that the command names was purged before it ran.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let removed = self.db.remove(key);
        assert!(removed.as_ref().is_none_or(|entry| !entry.is_due(self.cx.now_ms)), "not purged");
        removed
    }

    /// Removes every key.
    pub fn clear(&mut self) {
        self.db.clear();
    }
}

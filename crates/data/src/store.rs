//! Where the entries of a state are: in memory, or on disk with a part in memory.

use crate::entry::Entry;
use stdx::Bytes;
use storage::{
    Answer, Ask, CachedTable, Lookup, MemoryTable, MissingTable, Needs, Scanned, Table, Ticket,
};

/// The two tables, behind the verbs that commands need.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// In production it never misses; the simulator makes it.
    Memory(Box<MissingTable<MemoryTable<Entry>>>),
    /// What is not in memory is loaded before a command is executed.
    Disk(Box<CachedTable<Entry>>),
}

impl Store {
    pub(crate) fn lookup(&self, key: &[u8]) -> Lookup<&Entry> {
        match self {
            Store::Memory(table) => table.get(key),
            Store::Disk(table) => table.get(key),
        }
    }

    pub(crate) fn insert(&mut self, key: Bytes, entry: Entry) -> Option<Entry> {
        match self {
            Store::Memory(table) => table.insert(key, entry),
            Store::Disk(table) => table.insert(key, entry),
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        match self {
            Store::Memory(table) => table.remove(key),
            Store::Disk(table) => table.remove(key),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Store::Memory(table) => table.len(),
            Store::Disk(table) => table.len(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Store::Memory(table) => table.bytes(),
            Store::Disk(table) => table.bytes(),
        }
    }

    pub(crate) fn in_memory(&self) -> u64 {
        match self {
            Store::Memory(table) => table.bytes(),
            Store::Disk(table) => table.in_memory(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Store::Memory(table) => table.clear(),
            Store::Disk(table) => table.clear(),
        }
    }

    /// Visits all keys of the lowest hash from `from` on; what is on disk only is shown without its value.
    pub(crate) fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &Entry)) -> Scanned {
        match self {
            Store::Memory(table) => match table.scan(from, each) {
                0 => Scanned::End,
                next => Scanned::Next(next),
            },
            Store::Disk(table) => table.scan(from, each),
        }
    }

    /// Whether anything can be missing.
    pub(crate) fn misses(&self) -> bool {
        match self {
            Store::Memory(table) => table.misses(),
            Store::Disk(_) => true,
        }
    }

    /// Whether all of `needs` is in memory; else the ticket of the load to wait for.
    pub(crate) fn want(
        &mut self,
        needs: &Needs,
        ahead: &mut dyn FnMut() -> Vec<Bytes>,
    ) -> Result<(), Ticket> {
        match self {
            Store::Memory(table) => needs.keys.iter().try_for_each(|key| match table.get(key) {
                Lookup::Ready(_) => Ok(()),
                Lookup::Missing(ticket) => Err(ticket),
            }),
            Store::Disk(table) => table.want(needs, ahead),
        }
    }

    pub(crate) fn loaded(&mut self, ticket: Ticket) {
        if let Store::Memory(table) = self {
            table.loaded(ticket);
        }
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> Option<Ticket> {
        match self {
            Store::Memory(_) => None,
            Store::Disk(table) => table.answer(answer),
        }
    }

    pub(crate) fn take_asks(&mut self) -> Vec<Ask> {
        match self {
            Store::Memory(_) => Vec::new(),
            Store::Disk(table) => table.take_asks(),
        }
    }

    pub(crate) fn thaw(&mut self) {
        match self {
            Store::Memory(table) => table.thaw(),
            Store::Disk(table) => table.thaw(),
        }
    }
}

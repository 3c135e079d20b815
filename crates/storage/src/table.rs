//! State in memory or beyond it, behind one small trait.

mod ask;
mod backend;
mod cached;
mod engine;
mod frozen;
mod memory;
mod missing;
mod shared;

pub use ask::{Answer, Ask, Needs, Stretch, TableId, Window};
pub use cached::{CachedTable, Scanned};
pub use engine::{Engine, EngineConfig, EngineError};
pub use memory::MemoryTable;
pub use missing::MissingTable;

use stdx::Bytes;

/// The hash whose order tables are iterated in: XXH3, 64 bits, no seed. Specified and stable, since cursors
/// of SCAN are positions in it on every node, for ever.
pub fn hash_of(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// What an entry counts for in [`Table::bytes`].
pub trait Weigh {
    /// About how many bytes it holds.
    fn weight(&self) -> usize;
}

impl Weigh for Vec<u8> {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// Names a load under way: hand it back with [`Table::loaded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The answer to [`Table::get`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<V> {
    /// What the table holds under the key, if anything.
    Ready(Option<V>),
    /// Not in memory: the load is asked for as an output and comes back as a request; until then the group
    /// that applies pauses, and others go on.
    Missing(Ticket),
}

impl<V> Lookup<V> {
    /// The value of a table that never misses. Panics on `Missing`.
    pub fn ready(self) -> Option<V> {
        match self {
            Lookup::Ready(value) => value,
            Lookup::Missing(ticket) => panic!("{ticket:?} is not loaded"),
        }
    }
}

/// Keys and entries in the order of [`hash_of`], then of the key.
pub trait Table: Clone {
    /// What stands under a key.
    type Entry: Clone + Weigh;

    /// Looks a key up. Asking for one that is missing changes nothing: the same ticket is answered again.
    fn get(&self, key: &[u8]) -> Lookup<&Self::Entry>;
    /// The load of `ticket` is done: its keys are ready for a while.
    fn loaded(&mut self, ticket: Ticket);
    /// Puts an entry under a key; answers what stood there, if it is in memory.
    fn insert(&mut self, key: Bytes, entry: Self::Entry) -> Option<Self::Entry>;
    /// Removes a key; answers what stood there, if it is in memory.
    fn remove(&mut self, key: &[u8]) -> Option<Self::Entry>;
    /// How many keys there are.
    fn len(&self) -> usize;
    /// Whether there is no key.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of all keys and weights of all entries.
    fn bytes(&self) -> u64;
    /// Removes everything. A frozen view stays as it is.
    fn clear(&mut self);
    /// Visits every key of the lowest hash that is at least `from`, and answers the cursor of the next step;
    /// 0 when there is none. A key that is there from the first step to the last is visited exactly once,
    /// whatever else comes and goes.
    fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &Self::Entry)) -> u64;
    /// Begins a consistent view of what the table holds now. Panics if there is one already.
    fn freeze(&mut self);
    /// Whether there is a frozen view.
    fn is_frozen(&self) -> bool;
    /// Reads on in the frozen view until at least `max_bytes` were visited or it ends: in order of hash, all
    /// keys of one hash in one step. False once the view has ended. Panics without [`Table::freeze`].
    fn chunk(&mut self, max_bytes: usize, each: &mut dyn FnMut(&Bytes, &Self::Entry)) -> bool;
    /// Ends the frozen view, read to its end or not; nothing happens without one.
    fn thaw(&mut self);
}

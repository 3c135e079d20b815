//! A table whose entries are on disk, with a part of them in memory: what was read lately, and what was
//! written and the engine does not hold yet.
//!
//! Nothing here waits. What is not in memory is asked for ([`CachedTable::take_asks`]), and the machine brings
//! the answer. The engine does what it is asked in order, and answers in order; from that follows what makes
//! the cache exact: when the answer to a load arrives, everything written since the load was asked for is
//! still in memory, because the answer to its write comes later. So what is in memory always goes before what
//! was loaded.

mod reading;
mod scan;

pub use scan::Scanned;

use super::ask::{Answer, Ask, Needs, TableId};
use super::memory::Map;
use super::{Lookup, Ticket, Weigh, hash_of};
use reading::Reading;
use scan::Seen;
use std::collections::{BTreeSet, VecDeque};
use stdx::{Bytes, Mutant, Planted};
use wire::Wire;

/// What a key in memory costs beside its own bytes and its entry's.
const OVERHEAD: u64 = 128;
/// A batch of writes ends once it has this many bytes.
const BATCH: u64 = 1 << 20;
/// No more batches are sent while this much is on its way to the engine.
const UNDER_WAY: u64 = 4 << 20;

/// Where a key in memory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As the engine has it. May be forgotten.
    Clean,
    /// Newer than what the engine has; waits in the queue.
    Dirty,
    /// On its way to the engine, in this batch.
    Sent(u64),
}

/// A key in memory.
#[derive(Clone, Debug)]
struct Slot<E> {
    /// `None`: there is no such key.
    entry: Option<E>,
    state: State,
    /// Asked for since the hand of the clock last passed.
    used: bool,
    /// Names its place in the ring, while it is clean.
    place: u64,
}

/// Bytes in memory, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Costs {
    clean: u64,
    dirty: u64,
    sent: u64,
}

impl Costs {
    fn of(&mut self, state: State) -> &mut u64 {
        match state {
            State::Clean => &mut self.clean,
            State::Dirty => &mut self.dirty,
            State::Sent(_) => &mut self.sent,
        }
    }

    fn all(self) -> u64 {
        self.clean + self.dirty + self.sent
    }
}

/// A batch under way.
#[derive(Clone, Debug)]
struct Batch {
    number: u64,
    keys: Vec<Bytes>,
}

/// The table. A key must be in memory ([`CachedTable::want`]) before it is read or written.
#[derive(Clone, Debug)]
pub struct CachedTable<E> {
    id: TableId,
    planted: Planted,
    slots: Map<Slot<E>>,
    costs: Costs,
    len: usize,
    bytes: u64,
    /// The engine holds nothing: what is not in memory does not exist.
    pristine: bool,
    /// Dirty keys, oldest first.
    queue: VecDeque<Bytes>,
    sent: VecDeque<Batch>,
    /// Clean keys, in the order in which the hand of the clock meets them (Corbató 1968). A place that its
    /// slot does not name is stale.
    ring: VecDeque<(Bytes, u64)>,
    /// Names tickets, batches, views and places.
    names: u64,
    /// Loads whose answers count.
    loads: BTreeSet<Ticket>,
    /// What was loaded by position, for the step that it was loaded for.
    seen: Vec<Seen<E>>,
    reading: Option<Reading>,
    /// The last key of a snapshot that is being loaded.
    filled: Option<(u64, Bytes)>,
    asks: Vec<Ask>,
}

fn cost<E: Weigh>(key: usize, entry: Option<&E>) -> u64 {
    (key + entry.map_or(0, Weigh::weight)) as u64 + OVERHEAD
}

fn decoded<E: Wire>(bytes: &[u8]) -> E {
    wire::decode_all(bytes).expect("the engine checked that it is what was written")
}

impl<E: Clone + Weigh + Wire> CachedTable<E> {
    /// An empty table, which the engine has not heard of.
    pub fn new(id: TableId, planted: Planted) -> CachedTable<E> {
        CachedTable {
            id,
            planted,
            slots: Map::default(),
            costs: Costs::default(),
            len: 0,
            bytes: 0,
            pristine: true,
            queue: VecDeque::new(),
            sent: VecDeque::new(),
            ring: VecDeque::new(),
            names: 0,
            loads: BTreeSet::new(),
            seen: Vec::new(),
            reading: None,
            filled: None,
            asks: Vec::new(),
        }
    }

    /// Its name.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// What the engine is to do, in this order.
    pub fn take_asks(&mut self) -> Vec<Ask> {
        core::mem::take(&mut self.asks)
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Whether all of `needs` is in memory; else it is asked for, as a whole, so that one answer is enough, and
    /// with it the keys that `ahead` says will be needed next.
    pub fn want(
        &mut self,
        needs: &Needs,
        ahead: &mut dyn FnMut() -> Vec<Bytes>,
    ) -> Result<(), Ticket> {
        if self.pristine {
            return Ok(());
        }
        let mut there = needs.stretches.iter().all(|stretch| self.has_seen(*stretch));
        for key in &needs.keys {
            match self.slots.get_mut(hash_of(key), key) {
                Some(slot) => slot.used = true,
                None => there = false,
            }
        }
        if there {
            return Ok(());
        }
        if !needs.stretches.is_empty() {
            self.send_all(); // What was removed would else be counted among the keys asked for.
        }
        let ticket = Ticket(self.name());
        self.loads.insert(ticket);
        let mut needs = needs.clone();
        let slots = &self.slots;
        let missing = |key: &Bytes| slots.slot(hash_of(key), key).is_none();
        needs.keys.extend(ahead().into_iter().filter(missing));
        self.asks.push(Ask::Load { table: self.id, ticket, needs });
        Err(ticket)
    }

    /// Forgets what was loaded by position, so that it is asked for again.
    pub fn look_again(&mut self) {
        self.seen.clear();
    }

    /// What the engine answers; the ticket of the load that is done, or of the view that can be read on.
    pub fn answer(&mut self, answer: Answer) -> Option<Ticket> {
        assert_eq!(answer.table(), self.id, "an answer for another table");
        match answer {
            Answer::Loaded { ticket, entries, windows, .. } => {
                // Not what was asked for before the table was cleared.
                if self.loads.remove(&ticket) {
                    entries.into_iter().for_each(|(key, entry)| self.bring(key, entry.as_deref()));
                    self.seen.extend(windows.into_iter().map(Seen::of));
                }
                Some(ticket)
            }
            Answer::Written { batch, .. } => {
                if self.sent.front().is_some_and(|first| first.number == batch) {
                    let batch = self.sent.pop_front().expect("just seen");
                    self.written(batch);
                }
                None
            }
            Answer::Chunk { view, entries, .. } => {
                let reading = self.reading.as_mut().filter(|reading| reading.view == view)?;
                reading.ready = Some(entries);
                Some(Ticket(view))
            }
        }
    }

    /// A loaded key; what is in memory goes before it (module).
    fn bring(&mut self, key: Bytes, encoded: Option<&[u8]>) {
        let hash = hash_of(&key);
        let stale = self.planted.is(Mutant::LoadBeforeOverwrite);
        if self.slots.slot(hash, &key).is_some() && !stale {
            return;
        }
        let entry = encoded.map(decoded::<E>);
        let place = self.name();
        self.costs.clean += cost(key.len(), entry.as_ref());
        self.ring.push_back((key.clone(), place));
        let slot = Slot { entry, state: State::Clean, used: true, place };
        let len = key.len();
        if let Some(before) = self.slots.insert(hash, key, slot) {
            *self.costs.of(before.state) -= cost(len, before.entry.as_ref());
        }
    }

    fn written(&mut self, batch: Batch) {
        for key in batch.keys {
            self.names += 1;
            let place = self.names;
            let Some(slot) = self.slots.get_mut(hash_of(&key), &key) else { continue };
            if slot.state != State::Sent(batch.number) {
                continue; // Overwritten since.
            }
            let cost = cost(key.len(), slot.entry.as_ref());
            self.costs.sent -= cost;
            self.costs.clean += cost;
            (slot.state, slot.place) = (State::Clean, place);
            self.ring.push_back((key, place));
        }
    }

    /// Looks a key up.
    pub fn get(&self, key: &[u8]) -> Lookup<&E> {
        match self.slots.slot(hash_of(key), key) {
            Some(slot) => Lookup::Ready(slot.entry.entry.as_ref()),
            None if self.pristine => Lookup::Ready(None),
            None => Lookup::Missing(Ticket(0)),
        }
    }

    /// Puts an entry under a key that is in memory; answers what stood there.
    pub fn insert(&mut self, key: Bytes, entry: E) -> Option<E> {
        assert!(!matches!(self.get(&key), Lookup::Missing(_)), "written without a look");
        self.put(key, Some(entry))
    }

    /// Removes a key that is in memory; answers what stood there.
    pub fn remove(&mut self, key: &[u8]) -> Option<E> {
        self.get(key).ready()?;
        self.put(Bytes::from(key), None)
    }

    /// Puts an entry after all that were put there so: for a table that is filled in order of hash and key.
    /// False if the key is out of order, or there already.
    pub fn append(&mut self, key: Bytes, entry: E) -> bool {
        let place = (hash_of(&key), key.clone());
        if self.len == 0 {
            self.filled = None; // Whatever it was filled with is gone, and however it came about is not asked.
        }
        if self.filled.as_ref().is_some_and(|last| *last >= place) {
            return false;
        }
        self.filled = Some(place);
        self.put(key, Some(entry)).is_none()
    }

    fn put(&mut self, key: Bytes, entry: Option<E>) -> Option<E> {
        if let Some(entry) = &entry {
            self.count(&key, entry, true);
        }
        let now = cost(key.len(), entry.as_ref());
        let slot = Slot { entry, state: State::Dirty, used: true, place: 0 };
        self.costs.dirty += now;
        let before = self.slots.insert(hash_of(&key), key.clone(), slot);
        let queued = before.as_ref().is_some_and(|before| before.state == State::Dirty);
        let before = before.and_then(|before| {
            *self.costs.of(before.state) -= cost(key.len(), before.entry.as_ref());
            before.entry
        });
        if let Some(before) = &before {
            self.count(&key, before, false);
        }
        if !queued {
            self.queue.push_back(key);
        }
        before
    }

    fn count(&mut self, key: &[u8], entry: &E, more: bool) {
        let weight = (key.len() + entry.weight()) as u64;
        if more {
            self.len += 1;
            self.bytes += weight;
        } else {
            self.len -= 1;
            self.bytes -= weight;
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all keys and weights of all entries, on disk or in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// About how many bytes are in memory.
    pub fn in_memory(&self) -> u64 {
        self.costs.all()
    }

    /// Removes everything. A frozen view stays as it is.
    pub fn clear(&mut self) {
        if !self.pristine {
            self.asks.push(Ask::Clear { table: self.id });
        }
        *self = CachedTable {
            names: self.names,
            reading: self.reading.take(),
            asks: core::mem::take(&mut self.asks),
            ..CachedTable::new(self.id, self.planted)
        };
    }

    /// More is dirty or under way than `limit`: whoever writes should wait for an answer.
    pub fn is_behind(&self, limit: u64) -> bool {
        self.costs.dirty + self.costs.sent > limit && !self.sent.is_empty()
    }

    /// The step is over: forgets what was loaded by position, writes if much is dirty, and brings what is in
    /// memory below `limit` bytes as far as it is clean.
    pub fn trim(&mut self, limit: u64) {
        self.seen.clear();
        if self.costs.all() <= limit && self.costs.dirty <= limit / 4 {
            return;
        }
        while self.costs.dirty > limit / 8 && self.costs.sent < UNDER_WAY {
            self.send();
        }
        while self.costs.all() > limit {
            if self.planted.is(Mutant::EvictUnwritten)
                && let Some(key) = self.queue.pop_front()
            {
                self.forget(&key);
                continue;
            }
            let Some((key, place)) = self.ring.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(hash_of(&key), &key) else { continue };
            if slot.state != State::Clean || slot.place != place {
                continue; // It has another place, or none.
            }
            if core::mem::take(&mut slot.used) {
                self.ring.push_back((key, place));
                continue;
            }
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &[u8]) {
        let slot = self.slots.remove(hash_of(key), key).expect("in memory");
        *self.costs.of(slot.entry.state) -= cost(key.len(), slot.entry.entry.as_ref());
    }

    /// Sends the oldest dirty keys as one batch.
    fn send(&mut self) {
        let number = self.name();
        let (mut keys, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < BATCH
            && let Some(key) = self.queue.pop_front()
        {
            let Some(slot) = self.slots.get_mut(hash_of(&key), &key) else { continue };
            assert_eq!(slot.state, State::Dirty, "queued and not dirty");
            slot.state = State::Sent(number);
            let cost = cost(key.len(), slot.entry.as_ref());
            self.costs.dirty -= cost;
            self.costs.sent += cost;
            bytes += cost;
            let encoded = slot.entry.as_ref().map(|entry| Bytes::from(wire::encode(entry)));
            entries.push((key.clone(), encoded));
            keys.push(key);
        }
        if !entries.is_empty() {
            self.pristine = false;
            self.asks.push(Ask::Write { table: self.id, batch: number, entries });
            self.sent.push_back(Batch { number, keys });
        }
    }

    fn send_all(&mut self) {
        while !self.queue.is_empty() {
            self.send();
        }
    }

    /// Counts everything in memory again: deep, for tests.
    pub fn check(&self) {
        let mut costs = Costs::default();
        let mut dirty = 0;
        for slot in self.slots.slots() {
            *costs.of(slot.entry.state) += cost(slot.key.len(), slot.entry.entry.as_ref());
            dirty += usize::from(slot.entry.state == State::Dirty);
        }
        assert_eq!(costs, self.costs, "bytes in memory were counted wrong");
        assert_eq!(dirty, self.queue.len(), "a dirty key waits nowhere, or twice");
        assert!(!self.pristine || self.sent.is_empty(), "something is under way to nobody");
    }
}

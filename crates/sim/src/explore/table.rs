//! Numbers things in order of their first appearance and finds the number again.

/// From a 32-bit tag to a number; whoever asks confirms what the tag only suggests. Open addressing, linear
/// probing, at most three quarters full. Its order is never observed.
#[derive(Debug)]
pub(crate) struct Table {
    /// Zero, or the tag above the number plus one.
    slots: Vec<u64>,
    len: u32,
}

const FIRST_SLOTS: usize = 64;

impl Table {
    pub(crate) fn new() -> Table {
        Table { slots: vec![0; FIRST_SLOTS], len: 0 }
    }

    /// The number that has `tag` and is the `same`, or else a new one: how many there were before.
    pub(crate) fn find_or_add(
        &mut self,
        tag: u32,
        same: impl Fn(usize) -> bool,
    ) -> Result<usize, usize> {
        if self.slots.len() / 4 * 3 <= self.len as usize {
            self.grow();
        }
        match self.probe(tag, same) {
            Ok(number) => Ok(number),
            Err(slot) => {
                let number = self.len as usize;
                self.len = self.len.checked_add(1).expect("fewer than 2^32 things");
                self.slots[slot] = u64::from(tag) << 32 | u64::from(self.len);
                Err(number)
            }
        }
    }

    /// The number that has `tag` and is the `same`.
    pub(crate) fn find(&self, tag: u32, same: impl Fn(usize) -> bool) -> Option<usize> {
        self.probe(tag, same).ok()
    }

    fn probe(&self, tag: u32, same: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let mut slot = self.home(tag);
        loop {
            let held = self.slots[slot];
            if held == 0 {
                return Err(slot);
            }
            let number = (held & u64::from(u32::MAX)) as usize - 1;
            if (held >> 32) == u64::from(tag) && same(number) {
                return Ok(number);
            }
            slot += 1;
            if slot == self.slots.len() {
                slot = 0;
            }
        }
    }

    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.slots.len() as u64) >> 32) as usize
    }

    fn grow(&mut self) {
        let slots = vec![0; self.slots.len() * 2];
        for held in std::mem::replace(&mut self.slots, slots) {
            if held != 0 {
                let mut slot = self.home((held >> 32) as u32);
                while self.slots[slot] != 0 {
                    slot = (slot + 1) % self.slots.len();
                }
                self.slots[slot] = held;
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * 8
    }
}

/// Things, each once, under numbers.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    things: Vec<T>,
    table: Table,
}

impl<T> Interned<T> {
    pub(crate) fn new() -> Interned<T> {
        Interned { things: Vec::new(), table: Table::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.things[number as usize]
    }

    /// The number of the thing that hashes to `hash` and is the `same`.
    pub(crate) fn find(&self, hash: u64, same: impl Fn(&T) -> bool) -> Option<u32> {
        let found = self.table.find(tag(hash), |number| same(&self.things[number]));
        found.map(|number| number as u32)
    }

    /// A number for `thing`, which was not found.
    pub(crate) fn add(&mut self, hash: u64, thing: T) -> u32 {
        let number = self.table.find_or_add(tag(hash), |_| false).expect_err("nothing is the same");
        assert_eq!(number, self.things.len(), "numbers without gaps");
        self.things.push(thing);
        number as u32
    }

    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes() + self.things.capacity() * size_of::<T>()
    }
}

/// The half of a hash that finds its place in a table.
pub(crate) fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

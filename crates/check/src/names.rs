//! Names to small numbers and back.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::mem;
use stdx::Digest;

/// A hash table whose order is never looked at, with a hash that is the same in every run.
#[expect(clippy::disallowed_types, reason = "looked up only: its order is never observed")]
pub(crate) type Table<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Fold>>;

/// Numbers names in order of their first appearance.
#[derive(Clone, Debug)]
pub struct Names<T> {
    names: Vec<T>,
    /// From hash to the number of a name; a collision takes the next hash.
    numbers: Table<u64, u32>,
}

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names::new()
    }
}

impl<T> Names<T> {
    /// No name.
    pub fn new() -> Names<T> {
        Names { names: Vec::new(), numbers: Table::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name that has `number`.
    pub fn get(&self, number: u32) -> &T {
        &self.names[number as usize]
    }
}

impl<T> Names<T> {
    /// A new number for `name`, which [`Names::intern`] will not find: the caller knows it.
    pub(crate) fn add(&mut self, name: T) -> u32 {
        let number = u32::try_from(self.names.len()).expect("at most 2^32 names");
        self.names.push(name);
        number
    }
}

impl<T: Hash + Eq + Clone> Names<T> {
    /// The number of `name`, a new one if it has none.
    pub fn intern(&mut self, name: &T) -> u32 {
        let mut hash = hash_of(name);
        loop {
            let fresh = u32::try_from(self.names.len()).expect("at most 2^32 names");
            let number = *self.numbers.entry(hash).or_insert(fresh);
            if number == fresh {
                self.names.push(name.clone());
                return fresh;
            }
            if self.names[number as usize] == *name {
                return number;
            }
            hash = hash.wrapping_add(1);
        }
    }
}

fn hash_of(name: &impl Hash) -> u64 {
    let mut digest = Digest::default();
    name.hash(&mut digest);
    digest.finish()
}

/// Multiply and fold: keys here are small numbers or already hashes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(mem::take(&mut self.0) ^ word ^ 0x9e37_79b9_7f4a_7c15)
            * u128::from(0xa076_1d64_78bd_642f_u64);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

//! Draws operations and writes them as commands.

use super::choice::Chooser;
use super::workload::{Kind, LONGEST_SCAN, Mix, Sizes};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use stdx::Prng;

/// Values are pieces of so many random bytes more than the longest of them.
const VARIETY: usize = 64 << 10;

/// Numbers of keys that are inserted during the run, shared by all threads.
///
/// A number is chosen from once its insert is answered and those before it are (YCSB's acknowledged counter): else
/// `latest` would mostly read what is not there yet.
#[derive(Debug)]
pub(crate) struct Inserts {
    next: AtomicU64,
    /// All below exist.
    existing: AtomicU64,
    /// Answered beyond that.
    ahead: Mutex<BTreeSet<u64>>,
}

impl Inserts {
    /// After `keys` keys that are there from the start.
    pub(crate) fn after(keys: u64) -> Inserts {
        Inserts { next: keys.into(), existing: keys.into(), ahead: Mutex::default() }
    }

    pub(crate) fn existing(&self) -> u64 {
        self.existing.load(Ordering::Relaxed)
    }

    fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Whatever the answer was: a failed insert must not hold up all later ones.
    fn answered(&self, key: u64) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.insert(key);
        let mut existing = self.existing();
        while ahead.remove(&existing) {
            existing += 1;
        }
        self.existing.store(existing, Ordering::Relaxed);
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    /// The number of its first key.
    pub(crate) key: u64,
    /// How many keys a scan asks for.
    pub(crate) length: u64,
    /// The second command of a read-modify-write.
    pub(crate) second: bool,
}

impl Op {
    /// Whether another command follows the one that was answered.
    pub(crate) fn goes_on(&self) -> bool {
        self.kind == Kind::ReadModifyWrite && !self.second
    }
}

/// The operations of one thread.
#[derive(Debug)]
pub(crate) struct Source {
    prng: Prng,
    mix: Mix,
    chooser: Chooser,
    sizes: Sizes,
    prefix: String,
    inserts: Arc<Inserts>,
    bytes: Vec<u8>,
    /// Reused: the names of an operation's keys.
    names: Vec<u8>,
}

/// What a [`Source`] draws from.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) mix: Mix,
    pub(crate) chooser: Chooser,
    pub(crate) sizes: Sizes,
    pub(crate) prefix: String,
    pub(crate) inserts: Arc<Inserts>,
}

impl Source {
    pub(crate) fn new(mut prng: Prng, from: Drawn) -> Source {
        let Drawn { mix, chooser, sizes, prefix, inserts } = from;
        let mut bytes = Vec::with_capacity(sizes.longest() + VARIETY);
        while bytes.len() < sizes.longest() + VARIETY {
            bytes.extend_from_slice(&prng.next_u64().to_le_bytes());
        }
        Source { prng, mix, chooser, sizes, prefix, inserts, bytes, names: Vec::new() }
    }

    pub(crate) fn draw(&mut self) -> Op {
        let kind = self.mix.draw(&mut self.prng);
        let existing = self.inserts.existing();
        let mut key = match kind {
            Kind::Insert => self.inserts.take(),
            _ => self.chooser.draw(&mut self.prng, existing),
        };
        let mut length = 1;
        if kind == Kind::Scan {
            // All of its keys exist.
            length = self.prng.range(1, LONGEST_SCAN).min(existing);
            key = key.min(existing - length);
        }
        Op { kind, key, length, second: false }
    }

    /// Appends the command that `op` begins or goes on with.
    pub(crate) fn write(&mut self, op: &Op, out: &mut Vec<u8>) {
        // Counters are keys of their own: INCR of a random value would be an error.
        let letter = if op.kind == Kind::Incr { 'n' } else { 'k' };
        self.names.clear();
        for key in op.key..op.key + op.length {
            let written = write!(self.names, "{}{letter}{key:012}", self.prefix);
            written.expect("writing to a vector cannot fail");
        }
        let names = self.names.as_slice();
        match op.kind {
            Kind::Set | Kind::Insert => self.set(out),
            Kind::ReadModifyWrite if op.second => self.set(out),
            Kind::Get | Kind::ReadModifyWrite => wire::resp::command(&[b"GET", names], out),
            Kind::Incr => wire::resp::command(&[b"INCR", names], out),
            Kind::Del => wire::resp::command(&[b"DEL", names], out),
            Kind::Scan => {
                let each = names.len() / usize::try_from(op.length).expect("at most 100");
                let words: Vec<&[u8]> =
                    std::iter::once(&b"MGET"[..]).chain(names.chunks(each)).collect();
                wire::resp::command(&words, out);
            }
        }
    }

    fn set(&mut self, out: &mut Vec<u8>) {
        let length = self.sizes.draw(&mut self.prng);
        let from = self.prng.index(VARIETY);
        let value = &self.bytes[from..from + length];
        wire::resp::command(&[b"SET", &self.names, value], out);
    }

    /// `op` has its answer, or will never have it.
    pub(crate) fn over(&self, op: &Op) {
        if op.kind == Kind::Insert {
            self.inserts.answered(op.key);
        }
    }
}

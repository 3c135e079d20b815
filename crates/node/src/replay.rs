//! The state of a keyspace as of a position of its log, from the pieces of a backup, without a cluster: by the
//! same state machine, so what it becomes is what the replicas were.

use crate::backup::{Logged, logged};
use crate::machine::Machine;
use crate::proposal::Proposal;
use core::fmt;
use data::Db;
use stdx::{Planted, WallClock};
use wire::WireError;

/// How many keys a chunk of a full state holds, if it can be read.
pub fn keys_in(chunk: &[u8]) -> Result<u64, WireError> {
    data::entries(chunk)?.try_fold(0, |count, read| read.map(|_| count + 1))
}

/// A state that grows entry by entry.
#[derive(Clone, Debug)]
pub struct Replay {
    machine: Machine,
    term: u64,
}

/// Why the pieces do not make a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// A piece cannot be read.
    Unreadable(WireError),
    /// The first piece is not of a keyspace.
    NotAKeyspace,
    /// An entry that does not follow the one before.
    Gap {
        /// Where the state is.
        at: u64,
        /// What came.
        found: u64,
    },
}

impl From<WireError> for ReplayError {
    fn from(error: WireError) -> ReplayError {
        ReplayError::Unreadable(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Unreadable(error) => write!(f, "unreadable: {error}"),
            ReplayError::NotAKeyspace => f.write_str("not the state of a keyspace"),
            ReplayError::Gap { at, found } => {
                write!(f, "entry {found} does not follow entry {at}")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

impl Replay {
    /// From the first piece of a full backup.
    pub fn begin(header: &[u8], term: u64) -> Result<Replay, ReplayError> {
        let machine = Machine::stage(header, Db::default(), Planted::NONE)?;
        if machine.keys().is_none() {
            return Err(ReplayError::NotAKeyspace);
        }
        Ok(Replay { machine, term })
    }

    /// Adds a later piece of the full backup.
    pub fn load(&mut self, chunk: &[u8]) -> Result<(), ReplayError> {
        Ok(self.machine.load(chunk)?)
    }

    /// Applies the entries of a piece, none later than `upto`.
    pub fn apply(&mut self, piece: &[u8], upto: u64) -> Result<(), ReplayError> {
        for Logged { index, term, payload } in logged(piece)? {
            let at = self.machine.applied();
            if at >= upto {
                break;
            }
            if index != at + 1 || term < self.term {
                return Err(ReplayError::Gap { at, found: index });
            }
            self.term = term;
            match payload {
                None => self.machine.skip(index),
                Some(payload) => {
                    let proposal: Proposal = wire::decode_all(&payload)?;
                    self.machine.apply(index, &proposal);
                }
            }
        }
        Ok(())
    }

    /// The last entry in the state.
    pub fn index(&self) -> u64 {
        self.machine.applied()
    }

    /// The group's time.
    pub fn time(&self) -> WallClock {
        self.machine.time()
    }

    /// How many keys there are, due ones included.
    pub fn keys(&self) -> u64 {
        self.machine.keys().map_or(0, |keys| keys.db.len() as u64)
    }

    /// The same as the replicas' at that entry.
    pub fn digest(&self) -> u64 {
        self.machine.digest()
    }

    /// Each key.
    pub fn each(&self, mut visit: impl FnMut(&[u8], &data::Entry)) {
        if let Some(keys) = self.machine.keys() {
            keys.db.each(|key, entry| visit(key, entry));
        }
    }

    /// The state in chunks of about so many bytes, for [`crate::Load::Chunk`]: at least one.
    pub fn chunks(mut self, max_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
        self.machine.freeze();
        let mut first = Some(Db::empty_chunk());
        core::iter::from_fn(move || {
            let empty = first.take();
            self.machine.chunk(max_bytes).ready().or(empty)
        })
    }
}

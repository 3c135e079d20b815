//! A state as a snapshot, chunk by chunk: all but the keys first, then the keys.

use super::{Keys, Machine, State};
use crate::catalog::Catalog;
use crate::restore::Loading;
use crate::session::Sessions;
use alloc::collections::{BTreeMap, BTreeSet};
use data::Db;
use stdx::{Mutant, Planted, WallClock};
use storage::Lookup;
use wire::{Reader, Wire, WireError, wire_enum};

/// The first chunk of a snapshot: all but the keys. What no restore has touched is written as ever, so that
/// nodes of the release before can read it.
#[derive(Clone, Debug)]
enum Header {
    Catalog {
        applied: u64,
        time: WallClock,
        sessions: Sessions,
        catalog: Box<Catalog>,
    },
    Keyspace {
        applied: u64,
        time: WallClock,
        sessions: Sessions,
        fences: BTreeMap<String, u64>,
        removals: Vec<u64>,
    },
    /// A catalog with keyspaces that are being restored.
    Sealing {
        applied: u64,
        time: WallClock,
        sessions: Sessions,
        catalog: Box<Catalog>,
        sealed: Vec<String>,
    },
    /// A keyspace that was or is being restored.
    Restored {
        applied: u64,
        time: WallClock,
        sessions: Sessions,
        fences: BTreeMap<String, u64>,
        removals: Vec<u64>,
        loading: Loading,
    },
}

wire_enum!(Header, version 1 {
    1 => Catalog { applied, time, sessions, catalog },
    2 => Keyspace { applied, time, sessions, fences, removals },
    20 => Sealing { applied, time, sessions, catalog, sealed },
    21 => Restored { applied, time, sessions, fences, removals, loading },
});

impl Machine {
    /// Freezes a consistent view and answers the snapshot's first chunk.
    pub fn freeze(&mut self) -> Vec<u8> {
        let sessions = if self.planted.is(Mutant::SnapshotWithoutSessions) {
            Sessions::default()
        } else {
            self.sessions.clone()
        };
        let (applied, time) = (self.applied, self.time);
        let header = match &mut self.state {
            State::Catalog(catalog) => {
                let (sealed, catalog) = (catalog.sealed_names(), catalog.clone());
                if sealed.is_empty() {
                    Header::Catalog { applied, time, sessions, catalog }
                } else {
                    Header::Sealing { applied, time, sessions, catalog, sealed }
                }
            }
            State::Keyspace(keys) => {
                keys.db.freeze();
                let (fences, removals) = (keys.fences.clone(), keys.db.removals().to_vec());
                match keys.loading {
                    None => Header::Keyspace { applied, time, sessions, fences, removals },
                    Some(loading) => {
                        Header::Restored { applied, time, sessions, fences, removals, loading }
                    }
                }
            }
        };
        wire::encode(&header)
    }

    /// The next chunk of the frozen view, or `None` once all was given.
    pub fn chunk(&mut self, max_bytes: usize) -> Lookup<Vec<u8>> {
        self.keys_mut().map_or(Lookup::Ready(None), |keys| keys.db.chunk(max_bytes))
    }

    /// Drops the frozen view.
    pub fn thaw(&mut self) {
        if let Some(keys) = self.keys_mut() {
            keys.db.thaw();
        }
    }

    /// A state from a snapshot's first chunk, to be completed by [`Machine::load`]. `db` is empty.
    pub fn stage(first: &[u8], db: Db, planted: Planted) -> Result<Machine, WireError> {
        let mut reader = Reader::new(first);
        let (applied, time, sessions, state) = match Header::decode(&mut reader)? {
            Header::Catalog { applied, time, sessions, catalog } => {
                (applied, time, sessions, State::Catalog(catalog))
            }
            Header::Sealing { applied, time, sessions, mut catalog, sealed } => {
                catalog.seal(sealed.into_iter().collect::<BTreeSet<_>>());
                (applied, time, sessions, State::Catalog(catalog))
            }
            Header::Keyspace { applied, time, sessions, fences, removals } => {
                (applied, time, sessions, keyspace(db, fences, removals, None)?)
            }
            Header::Restored { applied, time, sessions, fences, removals, loading } => {
                (applied, time, sessions, keyspace(db, fences, removals, Some(loading))?)
            }
        };
        Ok(Machine { applied, time, sessions, state, planted })
    }

    /// Adds a later chunk of the same snapshot.
    pub fn load(&mut self, chunk: &[u8]) -> Result<(), WireError> {
        match &mut self.state {
            State::Keyspace(keys) => keys.db.load_chunk(chunk),
            State::Catalog(_) => Err(WireError::Trailing),
        }
    }
}

fn keyspace(
    mut db: Db,
    fences: BTreeMap<String, u64>,
    removals: Vec<u64>,
    loading: Option<Loading>,
) -> Result<State, WireError> {
    db.set_removals(removals)?;
    Ok(State::Keyspace(Box::new(Keys { db, fences, loading })))
}

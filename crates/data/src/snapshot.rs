//! A state in chunks, and back.

use crate::db::Db;
use crate::entry::Entry;
use crate::store::Store;
use stdx::Bytes;
use storage::{Lookup, Table};
use wire::{Reader, Wire, WireError};

const KIND: u8 = 2;
/// Of a table on disk: the same, in order of hash and key.
const SORTED: u8 = 3;
const VERSION: u8 = 1;

/// A chunk is a kind byte, a version byte, then keys and entries until it ends.
impl Db {
    /// Begins a consistent view of the state as it is now; commands go on meanwhile.
    pub fn freeze(&mut self) {
        match &mut self.table {
            Store::Memory(table) => table.freeze(),
            Store::Disk(table) => table.freeze(),
        }
    }

    /// The next chunk of the frozen view, of about `max_bytes`; `Ready(None)` once all was given, or if nothing
    /// is frozen. A missing one is on its way from the engine: it is there when the ticket is answered.
    pub fn chunk(&mut self, max_bytes: usize) -> Lookup<Vec<u8>> {
        let mut out = vec![KIND, VERSION];
        match &mut self.table {
            Store::Memory(table) if table.is_frozen() => {
                table.chunk(max_bytes, &mut |key, entry| {
                    key.encode(&mut out);
                    entry.encode(&mut out);
                });
            }
            Store::Disk(table) if table.is_frozen() => match table.chunk(max_bytes) {
                Lookup::Missing(ticket) => return Lookup::Missing(ticket),
                Lookup::Ready(entries) => {
                    out[0] = SORTED;
                    for (key, entry) in entries.unwrap_or_default() {
                        key.encode(&mut out);
                        out.extend_from_slice(&entry);
                    }
                }
            },
            Store::Memory(_) | Store::Disk(_) => {}
        }
        Lookup::Ready((out.len() > 2).then_some(out))
    }

    /// Drops the frozen view.
    pub fn thaw(&mut self) {
        self.table.thaw();
    }

    /// Adds what a chunk holds to a fresh state. Damaged chunks are refused; what was added before the damage
    /// stays, so the state must then be thrown away.
    pub fn load_chunk(&mut self, chunk: &[u8]) -> Result<(), WireError> {
        let mut from = Reader::new(chunk);
        match (u8::decode(&mut from)?, u8::decode(&mut from)?) {
            (KIND | SORTED, VERSION) => {}
            (KIND | SORTED, version) => return Err(WireError::UnknownVersion("chunk", version)),
            (kind, _) => return Err(WireError::UnknownKind("chunk", kind)),
        }
        while from.remaining() > 0 {
            let key = Bytes::decode(&mut from)?;
            let entry = Entry::decode(&mut from)?;
            if entry.version == 0 || entry.created > entry.modified {
                return Err(WireError::Invalid("history of an entry"));
            }
            if !self.append(key, entry) {
                return Err(WireError::Invalid("key given twice"));
            }
        }
        Ok(())
    }
}

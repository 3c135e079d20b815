//! A state in chunks, and back.

use crate::db::Db;
use crate::entry::Entry;
use stdx::Bytes;
use storage::Table;
use wire::{Reader, Wire, WireError};

const KIND: u8 = 2;
const VERSION: u8 = 1;

/// A chunk is a kind byte, a version byte, then keys and entries until it ends.
impl Db {
    /// Begins a consistent view of the state as it is now; commands go on meanwhile.
    pub fn freeze(&mut self) {
        self.table.freeze();
    }

    /// The next chunk of the frozen view, of about `max_bytes`; `None` once all was given, or if nothing is
    /// frozen.
    pub fn chunk(&mut self, max_bytes: usize) -> Option<Vec<u8>> {
        if !self.table.is_frozen() {
            return None;
        }
        let mut out = vec![KIND, VERSION];
        self.table.chunk(max_bytes, &mut |key, entry| {
            key.encode(&mut out);
            entry.encode(&mut out);
        });
        (out.len() > 2).then_some(out)
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
            (KIND, VERSION) => {}
            (KIND, version) => return Err(WireError::UnknownVersion("chunk", version)),
            (kind, _) => return Err(WireError::UnknownKind("chunk", kind)),
        }
        while from.remaining() > 0 {
            let key = Bytes::decode(&mut from)?;
            let entry = Entry::decode(&mut from)?;
            if entry.version == 0 || entry.created > entry.modified {
                return Err(WireError::Invalid("history of an entry"));
            }
            let before = self.len();
            self.insert(key, entry);
            if self.len() == before {
                return Err(WireError::Invalid("key given twice"));
            }
        }
        Ok(())
    }
}

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

    /// A chunk without keys.
    pub fn empty_chunk() -> Vec<u8> {
        vec![KIND, VERSION]
    }

    /// Drops the frozen view.
    pub fn thaw(&mut self) {
        self.table.thaw();
    }

    /// Adds what a chunk holds to a fresh state. Damaged chunks are refused; what was added before the damage
    /// stays, so the state must then be thrown away.
    pub fn load_chunk(&mut self, chunk: &[u8]) -> Result<(), WireError> {
        for read in entries(chunk)? {
            let (key, entry) = read?;
            self.load(key, entry)?;
        }
        Ok(())
    }

    fn load(&mut self, key: Bytes, entry: Entry) -> Result<(), WireError> {
        if self.append(key, entry) { Ok(()) } else { Err(WireError::Invalid("key given twice")) }
    }

    /// Adds a key of another log's state, as if it had been written at `index` of this one: its indexes name
    /// entries that this log does not have, and a later write at an index below them would look like none. The
    /// number of writes and the expiry stay.
    pub fn adopt(&mut self, key: Bytes, entry: Entry, index: u64) -> Result<(), WireError> {
        self.load(key, Entry { created: index, modified: index, ..entry })
    }
}

/// The keys and entries of a chunk, each as it can be read: the first error is the last item of use.
pub fn entries(
    chunk: &[u8],
) -> Result<impl Iterator<Item = Result<(Bytes, Entry), WireError>>, WireError> {
    let mut from = Reader::new(chunk);
    match (u8::decode(&mut from)?, u8::decode(&mut from)?) {
        (KIND | SORTED, VERSION) => {}
        (KIND | SORTED, version) => return Err(WireError::UnknownVersion("chunk", version)),
        (kind, _) => return Err(WireError::UnknownKind("chunk", kind)),
    }
    Ok(core::iter::from_fn(move || (from.remaining() > 0).then(|| pair(&mut from))))
}

fn pair(from: &mut Reader<'_>) -> Result<(Bytes, Entry), WireError> {
    let key = Bytes::decode(from)?;
    let entry = Entry::decode(from)?;
    if entry.version == 0 || entry.created > entry.modified {
        return Err(WireError::Invalid("history of an entry"));
    }
    Ok((key, entry))
}

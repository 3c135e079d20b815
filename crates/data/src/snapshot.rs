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
        let before = self.len();
        self.insert(key, entry);
        if self.len() == before { Err(WireError::Invalid("key given twice")) } else { Ok(()) }
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
        (KIND, VERSION) => {}
        (KIND, version) => return Err(WireError::UnknownVersion("chunk", version)),
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

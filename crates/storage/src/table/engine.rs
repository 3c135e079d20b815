//! Tables on disk: redb over a [`Disk`], one file for each table.
//!
//! The node's log is the truth about every table, and these files are its scratch: a start removes what an
//! earlier life left and fills new ones from the log. So nothing here is ever synced, and a torn or half
//! written file cannot be served, because no file outlives the process that wrote it. Within a life, every
//! block that is read back is checked (`backend`).

use super::ask::{Answer, Ask, Needs, Stretch, TableId, Window};
use super::backend::File;
use super::hash_of;
use super::shared::Shared;
use crate::{Disk, DiskError};
use core::fmt;
use core::ops::DerefMut;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::collections::BTreeMap;
use stdx::{Bytes, Mutant, Planted};

/// Encoded entries under hash and key.
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const HASH: usize = size_of::<u64>();
/// Files of tables are called so, and a number.
const PREFIX: &str = "table-";

/// Why an engine can do no more: the node stops, as it does when its log fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The disk failed, or what redb read of it makes no sense.
    Redb(String),
    /// The disk failed.
    Disk(DiskError),
    /// An entry that nobody can read: the file and the key.
    Unreadable(String, String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Redb(error) => write!(f, "table: {error}"),
            EngineError::Disk(error) => write!(f, "table: {error}"),
            EngineError::Unreadable(file, key) => {
                write!(f, "{file}: what it holds under {key} is no entry")
            }
        }
    }
}

impl std::error::Error for EngineError {}

impl<E: Into<redb::Error>> From<E> for EngineError {
    fn from(error: E) -> EngineError {
        EngineError::Redb(error.into().to_string())
    }
}

/// What an engine is told.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// How many bytes of each table's pages redb may keep in memory.
    pub page_bytes: usize,
    /// Makes an encoded entry small: without its value. `None` if it cannot be read.
    pub outline: fn(&[u8]) -> Option<Vec<u8>>,
    /// The bug a test plants, if any.
    pub planted: Planted,
}

/// One table.
struct Held {
    database: Database,
    file: String,
    view: Option<View>,
}

/// A consistent view: redb keeps the pages it was made of until it ends.
struct View {
    number: u64,
    entries: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// The key to go on from; `None` once it has ended.
    next: Option<Vec<u8>>,
    /// Of a table that was cleared: its file goes with the view.
    file: Option<(Database, String)>,
}

/// The tables of one node, of one life. Its calls block on the disk; the machine gives it a thread of its own.
pub struct Engine<D: Disk + Send + 'static> {
    disk: Shared<D>,
    config: EngineConfig,
    tables: BTreeMap<TableId, Held>,
    files: u64,
}

impl<D: Disk + Send + 'static> fmt::Debug for Engine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("tables", &self.tables.len()).finish_non_exhaustive()
    }
}

fn place(hash: u64, key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(HASH + key.len());
    place.extend_from_slice(&hash.to_be_bytes());
    place.extend_from_slice(key);
    place
}

fn hash_at(place: &[u8]) -> u64 {
    u64::from_be_bytes(place[..HASH].try_into().expect("every place begins with a hash"))
}

impl<D: Disk + Send + 'static> Engine<D> {
    /// An engine without tables: whatever an earlier life left in `disk` is removed.
    pub fn new(mut disk: D, config: EngineConfig) -> Result<Engine<D>, EngineError> {
        for (name, _) in disk.list().map_err(EngineError::Disk)? {
            if name.starts_with(PREFIX) {
                disk.remove(&name).map_err(EngineError::Disk)?;
            }
        }
        Ok(Engine { disk: Shared::new(disk), config, tables: BTreeMap::new(), files: 0 })
    }

    /// The disk, to look at and to damage.
    pub fn disk(&self) -> impl DerefMut<Target = D> {
        self.disk.lock()
    }

    /// Does what is asked. After an error the engine is used no more.
    pub fn carry_out(&mut self, ask: Ask) -> Result<Option<Answer>, EngineError> {
        match ask {
            Ask::Load { table, ticket, needs } => {
                let (entries, windows) = self.load(table, &needs)?;
                return Ok(Some(Answer::Loaded { table, ticket, entries, windows }));
            }
            Ask::Write { table, batch, entries } => {
                self.write(table, &entries)?;
                return Ok(Some(Answer::Written { table, batch }));
            }
            Ask::Clear { table } => self.clear(table)?,
            Ask::Freeze { table, view } => self.freeze(table, view)?,
            Ask::Chunk { table, max_bytes } => return self.chunk(table, max_bytes),
            Ask::Thaw { table } => {
                let view = self.tables.get_mut(&table).and_then(|held| held.view.take());
                self.forget(view)?;
            }
            Ask::Drop { table } => {
                if let Some(mut held) = self.tables.remove(&table) {
                    self.forget(held.view.take())?;
                    self.remove(held.database, &held.file)?;
                }
            }
        }
        Ok(None)
    }

    fn open(&mut self) -> Result<Held, EngineError> {
        self.files += 1;
        let file = format!("{PREFIX}{:08}", self.files);
        let backend = File::new(self.disk.clone(), file.clone());
        let database = Database::builder()
            .set_cache_size(self.config.page_bytes)
            .create_with_backend(backend)?;
        // An empty table, so that reading needs no question whether there is one.
        let begun = database.begin_write()?;
        begun.open_table(ENTRIES)?;
        begun.commit()?;
        Ok(Held { database, file, view: None })
    }

    fn held(&mut self, table: TableId) -> Result<&mut Held, EngineError> {
        if !self.tables.contains_key(&table) {
            let held = self.open()?;
            self.tables.insert(table, held);
        }
        Ok(self.tables.get_mut(&table).expect("just put there"))
    }

    fn remove(&mut self, database: Database, file: &str) -> Result<(), EngineError> {
        drop(database);
        self.disk.lock().remove(file).map_err(EngineError::Disk)
    }

    fn forget(&mut self, view: Option<View>) -> Result<(), EngineError> {
        let Some(View { entries, file, .. }) = view else { return Ok(()) };
        drop(entries);
        file.map_or(Ok(()), |(database, file)| self.remove(database, &file))
    }

    #[expect(clippy::type_complexity, reason = "the two halves of an answer")]
    fn load(
        &mut self,
        table: TableId,
        needs: &Needs,
    ) -> Result<(Vec<(Bytes, Option<Bytes>)>, Vec<Window>), EngineError> {
        let outline = self.config.outline;
        let held = self.held(table)?;
        let entries = held.database.begin_read()?.open_table(ENTRIES)?;
        let mut found = Vec::with_capacity(needs.keys.len());
        for key in &needs.keys {
            let place = place(hash_of(key), key);
            let stored = entries.get(place.as_slice())?;
            found.push((key.clone(), stored.map(|stored| Bytes::from(stored.value()))));
        }
        let mut windows = Vec::with_capacity(needs.stretches.len());
        for stretch in &needs.stretches {
            windows.push(window(&entries, &held.file, *stretch, outline)?);
        }
        Ok((found, windows))
    }

    fn write(
        &mut self,
        table: TableId,
        entries: &[(Bytes, Option<Bytes>)],
    ) -> Result<(), EngineError> {
        let held = self.held(table)?;
        let begun = held.database.begin_write()?;
        {
            let mut stored = begun.open_table(ENTRIES)?;
            for (key, entry) in entries {
                let place = place(hash_of(key), key);
                match entry {
                    Some(entry) => _ = stored.insert(place.as_slice(), &**entry)?,
                    None => _ = stored.remove(place.as_slice())?,
                }
            }
        }
        begun.commit()?;
        Ok(())
    }

    /// A new file instead of the old: removing a file costs the same however much it held.
    fn clear(&mut self, table: TableId) -> Result<(), EngineError> {
        let Some(mut held) = self.tables.remove(&table) else { return Ok(()) };
        match held.view.take() {
            Some(mut view) if view.file.is_none() => {
                view.file = Some((held.database, held.file));
                self.held(table)?.view = Some(view);
            }
            view => {
                self.remove(held.database, &held.file)?;
                if view.is_some() {
                    self.held(table)?.view = view;
                }
            }
        }
        Ok(())
    }

    fn freeze(&mut self, table: TableId, number: u64) -> Result<(), EngineError> {
        let before = self.held(table)?.view.take();
        self.forget(before)?;
        let held = self.held(table)?;
        let entries = held.database.begin_read()?.open_table(ENTRIES)?;
        held.view = Some(View { number, entries, next: Some(Vec::new()), file: None });
        Ok(())
    }

    fn chunk(&mut self, table: TableId, max_bytes: usize) -> Result<Option<Answer>, EngineError> {
        let planted = self.config.planted;
        let held = self.held(table)?;
        let Some(view) = &mut held.view else { return Ok(None) };
        if planted.is(Mutant::FreezeSeesLater) && view.file.is_none() {
            view.entries = held.database.begin_read()?.open_table(ENTRIES)?;
        }
        let (mut entries, mut bytes) = (Vec::new(), 0);
        if let Some(from) = view.next.take() {
            for stored in view.entries.range::<&[u8]>(from.as_slice()..)? {
                let (at, value) = stored?;
                if bytes >= max_bytes {
                    view.next = Some(at.value().to_vec());
                    break;
                }
                let (key, entry) = (&at.value()[HASH..], value.value());
                bytes += key.len() + entry.len();
                entries.push((Bytes::from(key), Bytes::from(entry)));
            }
        }
        Ok(Some(Answer::Chunk { table, view: view.number, entries }))
    }
}

fn window(
    entries: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    file: &str,
    asked: Stretch,
    outline: fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Window, EngineError> {
    let (mut keys, mut last) = (Vec::new(), asked.from);
    let from = asked.from.to_be_bytes();
    for stored in entries.range::<&[u8]>(from.as_slice()..)? {
        let (at, value) = stored?;
        let hash = hash_at(at.value());
        if keys.len() >= asked.count && hash != last {
            return Ok(Window { asked, to: Some(hash), keys });
        }
        last = hash;
        let key = &at.value()[HASH..];
        let unreadable =
            || EngineError::Unreadable(file.to_string(), key.escape_ascii().to_string());
        let made = outline(value.value()).ok_or_else(unreadable)?;
        keys.push((Bytes::from(key), Bytes::from(made)));
    }
    Ok(Window { asked, to: None, keys })
}

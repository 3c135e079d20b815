//! Segment files. A file's name is only a slot: what it holds is told by the headers in it. Slots are written
//! with zeros before use, since syncing a write into a written file takes half the time of one that grows it
//! (`fallocate` alone does not help), and recycled after.

use super::{LogConfig, LogError, layout};
use crate::Disk;
use stdx::{Mutant, Planted, Position};

/// The largest piece of zeros written at once, so that a commit never waits for more.
const PIECE: u64 = 1 << 20;
/// More ready slots than this are removed.
const SPARES: usize = 2;

/// A segment in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) slot: u32,
    /// The slot of the segment before, 0 if unknown.
    pub(super) previous: u32,
    pub(super) size: u64,
    pub(super) used: u64,
    pub(super) first: Position,
    pub(super) end: Position,
}

/// Which slots exist and which are ready.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    segment_bytes: u64,
    highest: u32,
    ready: Vec<u32>,
    /// The slot that is being written with zeros, and how far.
    filling: Option<(u32, u64)>,
    folder_dirty: bool,
    planted: Planted,
}

/// The file of a slot.
pub(super) fn name(slot: u32) -> String {
    format!("wal-{slot:06}")
}

/// The file of the slot asked for last, which is mostly asked for again.
#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    slot: u32,
    name: String,
}

impl Name {
    pub(super) fn of(&mut self, slot: u32) -> &str {
        if self.slot != slot || self.name.is_empty() {
            *self = Name { slot, name: name(slot) };
        }
        &self.name
    }
}

/// The slot of a file, if it is one.
pub(super) fn slot_of(file: &str) -> Option<u32> {
    let slot = file.strip_prefix("wal-")?.parse().ok()?;
    (slot > 0 && name(slot) == file).then_some(slot)
}

impl Slots {
    pub(super) fn new(config: LogConfig) -> Slots {
        Slots {
            segment_bytes: layout::padded(config.segment_bytes.max(layout::SECTOR)),
            highest: 0,
            ready: Vec::new(),
            filling: None,
            folder_dirty: false,
            planted: config.planted,
        }
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// A slot found in the folder.
    pub(super) fn found(&mut self, slot: u32) {
        self.highest = self.highest.max(slot);
    }

    /// A slot found that holds nothing needed: a spare, one that was still being filled, or too many.
    pub(super) fn found_unused<D: Disk>(
        &mut self,
        disk: &mut D,
        slot: u32,
        len: u64,
    ) -> Result<(), LogError> {
        if len == self.segment_bytes && self.ready.len() < SPARES {
            self.ready.push(slot);
        } else {
            disk.remove(&name(slot))?;
            self.folder_dirty = true;
        }
        Ok(())
    }

    /// A slot for a segment of at least `size` bytes, made on the spot if none is ready.
    pub(super) fn take<D: Disk>(&mut self, disk: &mut D, size: u64) -> Result<u32, LogError> {
        if size > self.segment_bytes {
            self.folder_dirty = true;
            self.highest += 1;
            return Ok(self.highest);
        }
        while self.ready.is_empty() {
            self.prepare(disk)?;
        }
        Ok(self.ready.remove(0))
    }

    /// Writes and syncs at most [`PIECE`] zeros ahead; true if there is more to do.
    pub(super) fn prepare<D: Disk>(&mut self, disk: &mut D) -> Result<bool, LogError> {
        if self.filling.is_none() && !self.ready.is_empty() {
            return Ok(false);
        }
        let (slot, done) = self.filling.unwrap_or_else(|| {
            self.highest += 1;
            (self.highest, 0)
        });
        let len = (self.segment_bytes - done).min(PIECE);
        let zeros = vec![0; usize::try_from(len).expect("a piece is small")];
        self.filling = Some((slot, done + len));
        self.folder_dirty = true;
        disk.write_at(&name(slot), done, &zeros)?;
        // Piece by piece: one sync of a whole segment's zeros would hold up the commits behind it.
        disk.sync(&name(slot))?;
        if done + len < self.segment_bytes {
            return Ok(true);
        }
        self.filling = None;
        self.sync_folder(disk)?;
        self.ready.push(slot);
        Ok(false)
    }

    /// Recycles a released segment, or removes it if its size is its own or there are enough.
    pub(super) fn give_back<D: Disk>(
        &mut self,
        disk: &mut D,
        segment: &Segment,
    ) -> Result<(), LogError> {
        assert!(!self.ready.contains(&segment.slot), "a slot is ready or in use, never both");
        self.found_unused(disk, segment.slot, segment.size)
    }

    /// Makes the names of new files durable, if there are any.
    pub(super) fn sync_folder<D: Disk>(&mut self, disk: &mut D) -> Result<(), LogError> {
        if self.folder_dirty {
            if !self.planted.is(Mutant::SkipFolderSync) {
                disk.sync_folder()?;
            }
            self.folder_dirty = false;
        }
        Ok(())
    }
}

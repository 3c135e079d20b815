//! The write-ahead log of one node: all its groups append to it, one sync serves them all.

mod error;
mod layout;
mod recover;
mod scan;
mod slots;

pub use error::LogError;

use crate::Disk;
use core::fmt;
use core::ops::Range;
use layout::{Before, Place, Records};
use slots::{Name, Segment, Slots};
use std::collections::VecDeque;
use stdx::{Planted, Position};
use wire::Batch;

/// How a log is laid out.
#[derive(Clone, Copy, Debug)]
pub struct LogConfig {
    /// The size of a segment file; rounded up to whole sectors.
    pub segment_bytes: u64,
    /// The bug a test plants, if any.
    pub planted: Planted,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { segment_bytes: 32 << 20, planted: Planted::NONE }
    }
}

/// A set of groups, by tag modulo 64: it may name too many, never too few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMask(pub u64);

impl GroupMask {
    /// No group.
    pub const NONE: GroupMask = GroupMask(0);
    /// Every group.
    pub const ALL: GroupMask = GroupMask(u64::MAX);

    /// The set with `group`.
    #[must_use]
    pub fn with(self, group: u64) -> GroupMask {
        GroupMask(self.0 | 1 << (group % 64))
    }

    /// Whether `group` may be in the set.
    pub fn covers(self, group: u64) -> bool {
        self.0 & (1 << (group % 64)) != 0
    }
}

/// What [`Log::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Where the next record will stand; everything below is durable, or damaged and told so.
    pub next: Position,
    /// The oldest position that was still needed.
    pub start: Position,
    /// A tail that was being written when the node stopped, if its remains were seen. It was never
    /// acknowledged, unless the last batch was damaged later: the two cannot be told apart.
    pub torn: Option<Torn>,
    /// What was durable and cannot be read: the groups it touches must not be served from this log.
    pub damage: Vec<Damage>,
}

/// Where a torn tail was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment file.
    pub file: String,
    /// Where the log ends now.
    pub offset: u64,
}

/// Durable records that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: String,
    /// Where the damaged bytes begin.
    pub offset: u64,
    /// How many bytes up to the next that can be read, or the end of the file.
    pub len: u64,
    /// The groups that may have lost records.
    pub groups: GroupMask,
    /// The records lost.
    pub positions: Range<Position>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.positions;
        write!(f, "{} at offset {} ({} bytes): ", self.file, self.offset, self.len)?;
        write!(f, "records {} to {} cannot be read", start.0, end.0.saturating_sub(1))
    }
}

/// A batch that recovery kept, for [`Log::replay`].
#[derive(Clone, Copy, Debug)]
struct Kept {
    first: Position,
    slot: u32,
    offset: u64,
    span: u64,
}

/// The log. Its calls block on the disk; the machine gives it a thread of its own.
pub struct Log<D: Disk> {
    disk: D,
    slots: Slots,
    /// In order of sequence; the last takes appends. Empty until the first append.
    segments: VecDeque<Segment>,
    sequence: u64,
    next: Position,
    durable: Position,
    /// The oldest position still needed, as the caller says.
    start: Position,
    /// What the last two headers appended say of it: the older of the two is what may be recycled, once both
    /// are durable (crate invariants).
    claimed: [Position; 2],
    /// The last batch.
    last: Before,
    /// Slots written to since the last sync, in order.
    dirty: Vec<u32>,
    kept: Vec<Kept>,
    buffer: Vec<u8>,
    name: Name,
    failed: bool,
}

impl<D: Disk> Log<D> {
    /// Recovers the log in `disk`, or begins one in an empty folder. What it keeps is durable on return, even
    /// what only the page cache held: a node that was killed must not promise on what a power cut can take.
    pub fn open(disk: D, config: LogConfig) -> Result<(Log<D>, Recovery), LogError> {
        recover::open(disk, config)
    }

    /// Streams every record kept, from the oldest needed on, in order: position, group and bytes. Reads one
    /// batch at a time and skips what recovery found damaged. Only before the first append.
    pub fn replay(&mut self, each: &mut dyn FnMut(Position, u64, &[u8])) -> Result<(), LogError> {
        let kept = core::mem::take(&mut self.kept);
        let result = kept.iter().try_for_each(|batch| self.replay_batch(*batch, each));
        self.kept = kept;
        result
    }

    fn replay_batch(
        &mut self,
        batch: Kept,
        each: &mut dyn FnMut(Position, u64, &[u8]),
    ) -> Result<(), LogError> {
        let file = self.name.of(batch.slot);
        let span = usize::try_from(batch.span).expect("a batch was in memory once");
        self.buffer.resize(span, 0);
        self.disk.read_at(file, batch.offset, &mut self.buffer)?;
        let changed = || LogError::Changed { file: file.to_string(), offset: batch.offset };
        let (header, content) = scan::batch_of(&self.buffer).ok_or_else(changed)?;
        if header.first != batch.first {
            return Err(changed());
        }
        for (at, record) in (header.first.0..).zip(Records::new(content)) {
            let (group, bytes) = record.ok_or_else(changed)?;
            if Position(at) >= self.start {
                each(Position(at), group, bytes);
            }
        }
        Ok(())
    }

    /// Writes a batch, whose first record must be the log's next; durable only after [`Log::sync`]. An empty
    /// one writes nothing. After any error the node stops: nothing is retried.
    pub fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        assert_eq!(batch.first(), self.next, "a batch out of order");
        if self.failed {
            return Err(LogError::Stopped);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.kept = Vec::new();
        let result = self.append_now(batch);
        self.failed = result.is_err();
        result
    }

    fn append_now(&mut self, batch: &Batch) -> Result<(), LogError> {
        let size = layout::size_of(batch);
        if self.segments.back().is_none_or(|last| last.used + size > last.size) {
            self.roll(size)?;
        }
        let start = self.start.min(self.durable);
        let last = self.segments.back_mut().expect("rolled if there was none");
        let place = Place {
            segment: last.sequence,
            offset: last.used,
            slot: last.slot,
            previous: last.previous,
            durable: self.durable,
            start,
            before: self.last,
        };
        self.last = layout::encode(batch, place, &mut self.buffer)?;
        assert!(last.used + size <= last.size, "a batch never crosses its segment's end");
        self.disk.write_at(self.name.of(last.slot), last.used, &self.buffer)?;
        last.used += size;
        last.end = batch.end();
        if self.dirty.last() != Some(&last.slot) {
            self.dirty.push(last.slot);
        }
        self.next = batch.end();
        self.claimed = [self.claimed[1], start];
        // One huge batch must not pin its size in memory.
        self.buffer.shrink_to(4 << 20);
        Ok(())
    }

    /// Begins the next segment, with room for at least `size` bytes.
    fn roll(&mut self, size: u64) -> Result<(), LogError> {
        let slot = self.slots.take(&mut self.disk, size)?;
        let previous = self.segments.back().map_or(0, |last| last.slot);
        self.sequence += 1;
        self.segments.push_back(Segment {
            sequence: self.sequence,
            slot,
            previous,
            size: size.max(self.slots.segment_bytes()),
            used: 0,
            first: self.next,
            end: self.next,
        });
        Ok(())
    }

    /// Makes everything appended durable: the answer is the position up to which it is. Recycles segments
    /// that are not needed any more.
    pub fn sync(&mut self) -> Result<Position, LogError> {
        if self.failed {
            return Err(LogError::Stopped);
        }
        let result = self.sync_now();
        self.failed = result.is_err();
        result.map(|()| self.durable)
    }

    fn sync_now(&mut self) -> Result<(), LogError> {
        // In order of the log, so that a crash in between leaves a prefix.
        for slot in &self.dirty {
            self.disk.sync(self.name.of(*slot))?;
        }
        self.slots.sync_folder(&mut self.disk)?;
        self.dirty.clear();
        self.durable = self.next;
        let safe = self.claimed[0];
        while self.segments.len() > 1 && self.segments[0].end <= safe {
            let released = self.segments.pop_front().expect("longer than one");
            self.slots.give_back(&mut self.disk, &released)?;
        }
        assert!(self.claimed[1] <= self.durable, "released what is not durable");
        Ok(())
    }

    /// Nothing before `before` is needed any more. Takes effect with the next batches: segments wholly below
    /// are recycled once two durable headers say so.
    pub fn release(&mut self, before: Position) {
        self.start = self.start.max(before.min(self.next));
    }

    /// Does one bounded piece of preparing the next segment; true if there is more to do. Called by the log's
    /// thread after each sync and when it is idle.
    pub fn maintain(&mut self) -> Result<bool, LogError> {
        if self.failed {
            return Err(LogError::Stopped);
        }
        let result = self.slots.prepare(&mut self.disk);
        self.failed = result.is_err();
        result
    }

    /// The position the next batch must begin with.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Everything below is durable.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// How many bytes of batches the segments in use hold.
    pub fn live_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.used).sum()
    }

    /// How many segments are in use: not spare, not yet recycled.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The first position of the oldest segment in use.
    pub fn segment_start(&self) -> Position {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    /// The position after the oldest segment in use: releasing up to here frees it, so a group that needs
    /// anything older is the one that pins it.
    pub fn segment_end(&self) -> Position {
        self.segments.front().map_or(self.next, |segment| segment.end)
    }

    /// The disk, to look at.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk, for a simulator that plants faults in it.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Gives the disk back; what was not synced stays so.
    pub fn into_disk(self) -> D {
        self.disk
    }
}

impl<D: Disk + Clone> Clone for Log<D> {
    fn clone(&self) -> Log<D> {
        Log {
            disk: self.disk.clone(),
            slots: self.slots.clone(),
            segments: self.segments.clone(),
            dirty: self.dirty.clone(),
            kept: self.kept.clone(),
            name: Name::default(),
            buffer: Vec::new(),
            ..*self
        }
    }
}

impl<D: Disk> fmt::Debug for Log<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("next", &self.next)
            .field("durable", &self.durable)
            .field("start", &self.start)
            .field("segments", &self.segments.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

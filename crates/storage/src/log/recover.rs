//! What of the batches found is the log. Damage after the highest durable position that any header claims is
//! a torn tail: it is cut, and whatever past it could be read as valid is erased before anything is
//! appended. Damage before it is corruption: told with file, offset and groups, and left as it is.

use super::layout::{Before, HEADER, Header, SECTOR};
use super::scan::{self, File, Found};
use super::slots::{self, Segment, Slots};
use super::{Damage, GroupMask, Kept, Log, LogConfig, LogError, Recovery, Torn};
use crate::Disk;
use std::collections::VecDeque;
use stdx::{Mutant, Position};

/// A batch found, and its file.
#[derive(Clone, Debug)]
struct Item {
    slot: u32,
    file_len: u64,
    found: Found,
}

impl Item {
    fn header(&self) -> &Header {
        &self.found.header
    }

    /// Its place in the order of the log.
    fn place(&self) -> (u64, u64) {
        (self.header().segment, self.header().offset)
    }
}

/// Where the part of the log that was walked ends.
#[derive(Clone, Copy, Debug)]
struct Tail {
    segment: u64,
    slot: u32,
    offset: u64,
    file_len: u64,
}

/// The walk along the log, batch by batch.
struct Walk<'a> {
    files: &'a [File],
    /// The highest durable position that any header claims.
    durable: Position,
    /// The oldest position still needed, as the newest header says.
    start: Position,
    next: Position,
    tail: Option<Tail>,
    segments: VecDeque<Segment>,
    kept: Vec<Kept>,
    claimed: [Position; 2],
    last: Before,
    damage: Vec<Damage>,
    torn: Option<Torn>,
}

pub(super) fn open<D: Disk>(
    mut disk: D,
    config: LogConfig,
) -> Result<(Log<D>, Recovery), LogError> {
    let mut files = scan::files(&mut disk)?;
    let mut items = Vec::with_capacity(files.iter().map(|file| file.found.len()).sum());
    for File { slot, len, found } in &mut files {
        let item = |found| Item { slot: *slot, file_len: *len, found };
        items.extend(core::mem::take(found).into_iter().map(item));
    }
    items.sort_by_key(Item::place);
    if config.planted.is(Mutant::CountTorn) {
        items.iter_mut().for_each(|item| item.found.whole = true);
    }
    let mut walk = Walk::new(&files, &items);
    for item in &items {
        if !walk.step(item) {
            break;
        }
    }
    assert!(walk.next >= walk.durable, "the header that claims it is durable stands after it");
    let sequence = items.last().map_or(0, |item| item.header().segment);
    let mut erase = walk.past_tail(&items);
    erase.extend(walk.remains(&mut disk, sequence)?);
    if !config.planted.is(Mutant::KeepPastTail) {
        for (slot, offset) in &erase {
            disk.write_at(&slots::name(*slot), *offset, &[0; SECTOR as usize])?;
        }
    }
    if !config.planted.is(Mutant::SkipSettle) {
        walk.settle(&mut disk, &erase)?;
    }
    walk.finish(disk, config, sequence)
}

impl<'a> Walk<'a> {
    fn new(files: &'a [File], items: &[Item]) -> Walk<'a> {
        let highest = |of: fn(&Header) -> Position| {
            items.iter().map(|item| of(item.header())).max().unwrap_or_default()
        };
        let start = highest(|header| header.start);
        Walk {
            files,
            durable: highest(|header| header.durable),
            start,
            // What stands before the oldest needed is dead: nobody asks whether it is whole.
            next: items.first().map_or(start, |item| item.header().first.min(start)),
            tail: None,
            segments: VecDeque::new(),
            kept: Vec::new(),
            claimed: [Position(0); 2],
            last: Before::default(),
            damage: Vec::new(),
            torn: None,
        }
    }

    /// Takes the next batch found; false if the log was cut before it.
    fn step(&mut self, item: &Item) -> bool {
        let header = item.header();
        if header.first < self.next {
            // Remains of an older life of these positions: not part of the log, erased if past its tail.
            return true;
        }
        let broken = header.first > self.next || !item.found.whole;
        if broken && self.next >= self.durable {
            let (file, offset) = self.tail.map_or((item.slot, 0), |tail| (tail.slot, tail.offset));
            self.torn = Some(Torn { file: slots::name(file), offset });
            return false;
        }
        if header.first > self.next {
            self.report_gap(item);
        }
        if !item.found.whole {
            let span = header.span().min(item.file_len - header.offset);
            let (groups, to) = (header.groups, header.end());
            self.report(item.slot, header.offset, span, groups, header.first, to);
        }
        self.take(item);
        true
    }

    fn take(&mut self, item: &Item) {
        let header = item.header();
        let offset = header.offset + header.span().min(item.file_len - header.offset);
        if self.tail.is_none_or(|tail| tail.segment != header.segment) {
            self.segments.push_back(Segment {
                sequence: header.segment,
                slot: item.slot,
                previous: header.previous,
                size: item.file_len / SECTOR * SECTOR,
                used: 0,
                first: header.first,
                end: header.first,
            });
        }
        let segment = self.segments.back_mut().expect("pushed for the first batch of each");
        segment.used = offset;
        segment.end = header.end();
        let (segment, slot) = (header.segment, item.slot);
        self.tail = Some(Tail { segment, slot, offset, file_len: item.file_len });
        self.next = header.end();
        self.last = Before { first: header.first, groups: header.groups };
        if item.found.whole {
            self.claimed = [self.claimed[1], header.start];
            if header.end() > self.start {
                let (first, offset, span) = (header.first, header.offset, header.span());
                self.kept.push(Kept { first, slot, offset, span });
            }
        }
    }

    /// Records are missing before `item`: names the file that must have held them.
    fn report_gap(&mut self, item: &Item) {
        let header = item.header();
        let (slot, from, to) = match self.tail {
            Some(tail) if tail.segment == header.segment => (item.slot, tail.offset, header.offset),
            _ if header.offset > 0 => (item.slot, 0, header.offset),
            Some(tail) if header.previous == tail.slot => (tail.slot, tail.offset, tail.file_len),
            _ => {
                let lost = self.files.iter().find(|file| file.slot == header.previous);
                (header.previous, 0, lost.map_or(0, |file| file.len))
            }
        };
        let (next, first) = (self.next, header.first);
        // If just one batch is missing, the header after it says which groups it held.
        let alone = header.before.first == next;
        let groups = if alone { header.before.groups } else { GroupMask::ALL };
        self.report(slot, from, to - from, groups, next, first);
    }

    fn report(
        &mut self,
        slot: u32,
        offset: u64,
        len: u64,
        groups: GroupMask,
        from: Position,
        to: Position,
    ) {
        if to > self.start {
            let positions = from.max(self.start)..to;
            self.damage.push(Damage { file: slots::name(slot), offset, len, groups, positions });
        }
    }

    /// Headers past the tail that verify: left alone, they would join the log once it grows up to them.
    fn past_tail(&self, items: &[Item]) -> Vec<(u32, u64)> {
        let end = self.tail.map_or((0, 0), |tail| (tail.segment, tail.offset));
        let past = items.iter().filter(|item| item.place() >= end);
        past.map(|item| (item.slot, item.header().offset)).collect()
    }

    /// Looks for what is left of a batch whose header does not verify, where the next one would be.
    fn remains<D: Disk>(
        &mut self,
        disk: &mut D,
        sequence: u64,
    ) -> Result<Option<(u32, u64)>, LogError> {
        let here = self.tail.map(|tail| (tail.slot, tail.offset, tail.segment, tail.file_len));
        let fresh = self
            .files
            .iter()
            .filter(|file| self.segments.iter().all(|segment| segment.slot != file.slot));
        let fresh = fresh.map(|file| (file.slot, 0, sequence + 1, file.len));
        for (slot, offset, segment, len) in here.into_iter().chain(fresh) {
            if offset + SECTOR > len {
                continue;
            }
            let mut head = [0; HEADER];
            disk.read_at(&slots::name(slot), offset, &mut head)?;
            if Header::remains(&head, segment, self.next) {
                self.torn.get_or_insert(Torn { file: slots::name(slot), offset });
                return Ok(Some((slot, offset)));
            }
        }
        Ok(None)
    }

    /// Makes durable what is kept and what was erased: after a mere kill both may be in the page cache only,
    /// and after a failed sync even pages the kernel calls clean, so what is unsure is written once more.
    fn settle<D: Disk>(&self, disk: &mut D, erased: &[(u32, u64)]) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        for batch in self.kept.iter().filter(|batch| batch.first >= self.durable) {
            bytes.resize(usize::try_from(batch.span).expect("it was scanned whole"), 0);
            disk.read_at(&slots::name(batch.slot), batch.offset, &mut bytes)?;
            disk.write_at(&slots::name(batch.slot), batch.offset, &bytes)?;
        }
        let unsure = self.segments.iter().filter(|segment| segment.end > self.durable);
        let mut slots: Vec<u32> = unsure.map(|segment| segment.slot).collect();
        slots.extend(erased.iter().map(|(slot, _)| *slot));
        slots.sort_unstable();
        slots.dedup();
        for slot in slots {
            disk.sync(&slots::name(slot))?;
        }
        Ok(disk.sync_folder()?)
    }

    fn finish<D: Disk>(
        mut self,
        mut disk: D,
        config: LogConfig,
        sequence: u64,
    ) -> Result<(Log<D>, Recovery), LogError> {
        while self.segments.len() > 1 && self.segments[0].end <= self.claimed[0] {
            self.segments.pop_front();
        }
        let mut slots = Slots::new(config);
        for file in self.files {
            slots.found(file.slot);
        }
        for file in self.files {
            let used = self.segments.iter().any(|segment| segment.slot == file.slot);
            // A damaged file stays as it is until its records are released: it is the evidence.
            let name = slots::name(file.slot);
            if !used && self.damage.iter().all(|damage| damage.file != name) {
                slots.found_unused(&mut disk, file.slot, file.len)?;
            }
        }
        if self.segments.is_empty() {
            while slots.prepare(&mut disk)? {}
        }
        slots.sync_folder(&mut disk)?;
        let log = Log {
            disk,
            slots,
            segments: self.segments,
            sequence,
            next: self.next,
            durable: self.next,
            start: self.start,
            claimed: self.claimed,
            last: self.last,
            dirty: Vec::new(),
            kept: self.kept,
            buffer: Vec::new(),
            name: slots::Name::default(),
            failed: false,
        };
        let (next, start) = (self.next, self.start);
        Ok((log, Recovery { next, start, torn: self.torn, damage: self.damage }))
    }
}

//! The simulated disk: what was not synced is lost, kept or torn by a crash, sector by sector, in any order.
//!
//! A file is what reads see, what is on the platter, and every version of each sector in between. Names are
//! durable apart from content: a file created but not folder-synced may vanish, one removed may come back.

mod image;

use image::{Image, Sector};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use stdx::Prng;
use storage::{Disk, DiskError};

/// The unit that is written or not.
pub const SECTOR: usize = 512;

/// What happens to unsynced data in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: the page cache survives, and stays unsynced.
    Process,
    /// The power goes: each sector persists in any of its unsynced versions, or not, or (this often in a
    /// thousand) half of one and half of another.
    Power {
        /// How often a sector is torn.
        torn_per_mille: u64,
    },
    /// The power goes and nothing unsynced persists.
    LoseAll,
}

/// A fault to plant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sync after this many more fails; what it should have persisted never will be, though reads show it
    /// and later syncs succeed: as Linux does.
    FailSync(u64),
    /// Files may take this many bytes in all; a write that needs more fails and writes nothing.
    Full(u64),
    /// One bit is flipped on the platter and in the cache.
    BitFlip {
        /// In this file.
        file: String,
        /// Counted from its first byte's lowest.
        bit: u64,
    },
    /// The next write lands elsewhere, and reports success.
    Misdirected {
        /// In this file, which exists.
        file: String,
        /// At this offset.
        offset: u64,
    },
    /// One sector of the next write is never written, and success reported: what it held before stays.
    StaleSector(u64),
}

/// What one sync made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRecord {
    /// The file.
    pub file: String,
    /// Byte ranges, in order.
    pub ranges: Vec<Range<u64>>,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What reads see.
    current: Image,
    /// What is on the platter.
    durable: Image,
    /// Versions of sectors written since the last sync, oldest first.
    unsynced: BTreeMap<usize, Vec<Sector>>,
}

/// A folder of files in memory, which forgets like a real one. Deterministic.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<String, File>,
    /// Created since the last folder sync.
    created: BTreeSet<String>,
    /// Removed since the last folder sync, and not created again.
    removed: BTreeMap<String, File>,
    fail_sync: Option<u64>,
    capacity: Option<u64>,
    misdirect: Option<(String, u64)>,
    stale: Option<u64>,
    recording: bool,
    syncs: Vec<SyncRecord>,
}

fn error(verb: &'static str, file: &str, reason: &str) -> DiskError {
    DiskError { verb, file: file.to_string(), reason: reason.to_string() }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files are small")
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8], stale: Option<u64>) {
        let end = offset + bytes.len();
        if self.current.len() < end {
            self.current.resize(end);
        }
        let first = offset / SECTOR;
        for sector in first..end.div_ceil(SECTOR) {
            if stale.is_some_and(|skip| first + at(skip) == sector) {
                continue;
            }
            let from = offset.max(sector * SECTOR);
            let to = end.min((sector + 1) * SECTOR);
            self.current.write(from, &bytes[from - offset..to - offset]);
            let version = self.current.sector(sector).clone();
            self.unsynced.entry(sector).or_default().push(version);
        }
    }

    /// Everything written is on the platter; answers which ranges are new there.
    fn sync(&mut self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        self.durable.resize(self.current.len());
        for sector in core::mem::take(&mut self.unsynced).into_keys() {
            self.durable.set_sector(sector, self.current.sector(sector).clone());
            let from = sector * SECTOR;
            let to = self.current.len().min(from + SECTOR);
            match ranges.last_mut() {
                Some(last) if last.end == from as u64 => last.end = to as u64,
                _ => ranges.push(from as u64..to as u64),
            }
        }
        ranges
    }

    /// The power goes. The length is metadata: it persists or not, apart from the sectors.
    fn crash(&mut self, prng: &mut Prng, torn_per_mille: u64) {
        let (old, new) = (self.durable.len(), self.current.len());
        if new > old {
            let len = match prng.below(3) {
                0 => old,
                1 => new,
                _ => at(prng.range(old as u64, new as u64)),
            };
            self.durable.resize(len);
        }
        for (sector, versions) in core::mem::take(&mut self.unsynced) {
            let from = sector * SECTOR;
            let chosen = prng.index(versions.len() + 1);
            let Some(version) = versions.get(chosen) else {
                continue;
            };
            // A torn sector: the beginning of one version, the rest of what stood there.
            let torn = prng.chance(torn_per_mille, 1000);
            let len = if torn { prng.index(SECTOR + 1) } else { SECTOR };
            let to = self.durable.len().min(from + len);
            if from < to {
                self.durable.write(from, &version[..to - from]);
            }
        }
        self.current.clone_from(&self.durable);
    }
}

impl SimDisk {
    /// An empty folder on a disk without faults or limits.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// A power cut with now and then a torn sector.
    pub fn crash(&mut self, prng: &mut Prng) {
        self.crash_as(prng, Crash::Power { torn_per_mille: 20 });
    }

    /// A crash of the given kind. Faults that wait for a verb are forgotten; a full disk stays full.
    pub fn crash_as(&mut self, prng: &mut Prng, crash: Crash) {
        self.forget_faults();
        let torn = match crash {
            Crash::Process => return,
            Crash::Power { torn_per_mille } => Some(torn_per_mille),
            Crash::LoseAll => None,
        };
        for (name, file) in core::mem::take(&mut self.removed) {
            if torn.is_none() || prng.chance(1, 2) {
                self.files.entry(name).or_insert(file);
            }
        }
        for name in core::mem::take(&mut self.created) {
            if torn.is_none() || prng.chance(1, 2) {
                self.files.remove(&name);
            }
        }
        for file in self.files.values_mut() {
            match torn {
                Some(per_mille) => file.crash(prng, per_mille),
                None => {
                    file.unsynced.clear();
                    file.current.clone_from(&file.durable);
                }
            }
        }
    }

    /// Plants a fault. Panics if it names a place that does not exist.
    pub fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::FailSync(after) => self.fail_sync = Some(after),
            Fault::Full(bytes) => self.capacity = Some(bytes),
            Fault::BitFlip { file, bit } => {
                let file = self.files.get_mut(&file).expect("a bit of a file that exists");
                let (byte, mask) = (at(bit / 8), 1 << (bit % 8));
                for image in [&mut file.current, &mut file.durable] {
                    if let [held] = image.bytes(byte, byte + 1)[..] {
                        image.write(byte, &[held ^ mask]);
                    }
                }
            }
            Fault::Misdirected { file, offset } => {
                assert!(self.files.contains_key(&file), "a write misdirected to no file");
                self.misdirect = Some((file, offset));
            }
            Fault::StaleSector(sector) => self.stale = Some(sector),
        }
    }

    /// The files can grow no more.
    pub fn fill(&mut self) {
        self.capacity = Some(self.used());
    }

    /// Whether they can grow no more.
    pub fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.used() >= capacity)
    }

    /// Faults that wait for a verb are forgotten.
    pub fn forget_faults(&mut self) {
        (self.fail_sync, self.misdirect, self.stale) = (None, None, None);
    }

    /// They can again.
    pub fn make_room(&mut self) {
        self.capacity = None;
    }

    /// The file and the offset of a byte counted through all files, modulo their size; none if all are empty.
    pub fn place(&self, number: u64) -> Option<(String, u64)> {
        let mut left = number.checked_rem(self.used())?;
        for (name, file) in &self.files {
            let len = file.current.len() as u64;
            if left < len {
                return Some((name.clone(), left));
            }
            left -= len;
        }
        None
    }

    /// Begins to record syncs; [`SimDisk::syncs`] has those from here on.
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// Every sync recorded, in order.
    pub fn syncs(&self) -> &[SyncRecord] {
        &self.syncs
    }

    /// Whether the first `syncs` recorded syncs made all of `range` durable.
    pub fn was_durable(&self, file: &str, range: Range<u64>, syncs: usize) -> bool {
        let mut missing = BTreeSet::new();
        missing.extend(range.start / SECTOR as u64..range.end.div_ceil(SECTOR as u64));
        for sync in self.syncs.iter().take(syncs).filter(|sync| sync.file == file) {
            for done in &sync.ranges {
                let sectors = done.start / SECTOR as u64..done.end.div_ceil(SECTOR as u64);
                missing.retain(|sector| !sectors.contains(sector));
            }
        }
        missing.is_empty()
    }

    /// Whether a power cut now could change nothing of `range`.
    pub fn is_durable(&self, file: &str, range: Range<u64>) -> bool {
        let (from, to) = (at(range.start), at(range.end));
        !self.created.contains(file)
            && self.files.get(file).is_some_and(|found| {
                found.durable.len() >= to
                    && found.durable.bytes(from, to) == found.current.bytes(from, to)
                    && found.unsynced.range(from / SECTOR..to.div_ceil(SECTOR)).next().is_none()
            })
    }

    /// What reads see of a file.
    pub fn content(&self, file: &str) -> Option<Vec<u8>> {
        self.files.get(file).map(|file| file.current.bytes(0, file.current.len()))
    }

    fn used(&self) -> u64 {
        self.files.values().map(|file| file.current.len() as u64).sum()
    }

    fn grows(&self, file: &str, end: u64) -> u64 {
        let len = self.files.get(file).map_or(0, |file| file.current.len() as u64);
        end.saturating_sub(len)
    }
}

impl Disk for SimDisk {
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        let files = self.files.iter();
        Ok(files.map(|(name, file)| (name.clone(), file.current.len() as u64)).collect())
    }

    fn read_at(&mut self, file: &str, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let found = self.files.get(file).ok_or_else(|| error("read", file, "no such file"))?;
        let there = found.current.read(at(offset), into);
        if there { Ok(()) } else { Err(error("read", file, "past the end")) }
    }

    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let elsewhere = self.misdirect.take();
        let (file, offset) = match &elsewhere {
            Some((file, offset)) => (file.as_str(), *offset),
            None => (file, offset),
        };
        if let Some(capacity) = self.capacity
            && self.used() + self.grows(file, offset + bytes.len() as u64) > capacity
        {
            return Err(error("write", file, "no space left on device"));
        }
        let stale = self.stale.take();
        if let Some(found) = self.files.get_mut(file) {
            found.write(at(offset), bytes, stale);
            return Ok(());
        }
        if !self.removed.contains_key(file) {
            self.created.insert(file.to_string());
        }
        self.files.entry(file.to_string()).or_default().write(at(offset), bytes, stale);
        Ok(())
    }

    fn sync(&mut self, file: &str) -> Result<(), DiskError> {
        let found = self.files.get_mut(file).ok_or_else(|| error("sync", file, "no such file"))?;
        match self.fail_sync {
            Some(0) => {
                self.fail_sync = None;
                found.unsynced.clear();
                return Err(error("sync", file, "input/output error"));
            }
            Some(after) => self.fail_sync = Some(after - 1),
            None => {}
        }
        let ranges = found.sync();
        if self.recording {
            self.syncs.push(SyncRecord { file: file.to_string(), ranges });
        }
        Ok(())
    }

    fn sync_folder(&mut self) -> Result<(), DiskError> {
        self.created.clear();
        self.removed.clear();
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        let found = self.files.remove(file).ok_or_else(|| error("remove", file, "no such file"))?;
        // One whose name was never durable cannot come back.
        if !self.created.remove(file) {
            self.removed.insert(file.to_string(), found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

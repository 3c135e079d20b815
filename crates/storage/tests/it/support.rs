//! A disk that stops at any verb, and the few helpers all log tests share.

use sim::disk::SimDisk;
use std::cell::RefCell;
use std::rc::Rc;
use stdx::{Planted, Position, Prng};
use storage::{Disk, DiskError, Log, LogConfig, LogError, Recovery};
use wire::Batch;

/// A simulated disk that outlives the log on it, and fails every verb once its budget is spent.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) disk: Rc<RefCell<SimDisk>>,
    pub(crate) budget: Rc<RefCell<u64>>,
}

impl Shared {
    pub(crate) fn new(disk: SimDisk) -> Shared {
        Shared { disk: Rc::new(RefCell::new(disk)), budget: Rc::new(RefCell::new(u64::MAX)) }
    }

    fn spend(&self, verb: &'static str, file: &str) -> Result<(), DiskError> {
        let mut left = self.budget.borrow_mut();
        *left = left.checked_sub(1).ok_or_else(|| DiskError {
            verb,
            file: file.into(),
            reason: "crashed".into(),
        })?;
        Ok(())
    }
}

impl Disk for Shared {
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        self.disk.borrow_mut().list()
    }
    fn read_at(&mut self, file: &str, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        self.disk.borrow_mut().read_at(file, offset, into)
    }
    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.spend("write", file)?;
        self.disk.borrow_mut().write_at(file, offset, bytes)
    }
    fn sync(&mut self, file: &str) -> Result<(), DiskError> {
        self.spend("sync", file)?;
        self.disk.borrow_mut().sync(file)
    }
    fn sync_folder(&mut self) -> Result<(), DiskError> {
        self.spend("sync", ".")?;
        self.disk.borrow_mut().sync_folder()
    }
    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.spend("remove", file)?;
        self.disk.borrow_mut().remove(file)
    }
}

pub(crate) type Record = (Position, u64, Vec<u8>);

pub(crate) fn config(segment_bytes: u64) -> LogConfig {
    LogConfig { segment_bytes, planted: Planted::NONE }
}

/// Opens the log and reads it whole.
pub(crate) fn open<D: Disk>(
    disk: D,
    config: LogConfig,
) -> Result<(Log<D>, Recovery, Vec<Record>), LogError> {
    let (mut log, recovery) = Log::open(disk, config)?;
    let mut records = Vec::new();
    log.replay(&mut |at, group, bytes| records.push((at, group, bytes.to_vec())))?;
    Ok((log, recovery, records))
}

/// A batch of random records, which end with their position so that no two are alike.
pub(crate) fn batch(prng: &mut Prng, first: Position, count: u64, max_len: u64) -> Batch {
    let mut batch = Batch::new(first);
    for _ in 0..count {
        let group = prng.below(100);
        let salt = prng.next_u64();
        let len = prng.below(max_len + 1);
        batch.push(group, |out| {
            out.extend((0..len).map(|i| (salt >> (i % 57)) as u8));
            out.extend_from_slice(&salt.to_le_bytes());
        });
    }
    batch
}

pub(crate) fn records_of(batch: &Batch) -> Vec<Record> {
    batch.records().map(|(at, group, bytes)| (at, group, bytes.to_vec())).collect()
}

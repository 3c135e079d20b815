//! A disk that can be slowed down while it works: what `atoll bench --nemesis slow-disk` does to a node.

use crate::disk::FileDisk;
use std::path::PathBuf;
use stdx::Duration;
use storage::{Disk, DiskError};

/// A [`FileDisk`] that waits before each sync for as many milliseconds as a file says. The file is looked at for every
/// sync; one that is missing, or says no number, slows nothing.
#[derive(Debug)]
pub(crate) struct Braked {
    disk: FileDisk,
    brake: Option<PathBuf>,
}

impl Braked {
    pub(crate) fn new(disk: FileDisk, brake: Option<PathBuf>) -> Braked {
        Braked { disk, brake }
    }

    /// How long the next sync waits.
    fn pause(&self) -> Duration {
        let said = self.brake.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let pause = said.and_then(|text| text.trim().parse().ok());
        Duration::from_millis(pause.unwrap_or(0))
    }
}

impl Disk for Braked {
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        self.disk.list()
    }

    fn read_at(&mut self, file: &str, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        self.disk.read_at(file, offset, into)
    }

    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.disk.write_at(file, offset, bytes)
    }

    fn sync(&mut self, file: &str) -> Result<(), DiskError> {
        let pause = self.pause();
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.disk.sync(file)
    }

    fn sync_folder(&mut self) -> Result<(), DiskError> {
        self.disk.sync_folder()
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.disk.remove(file)
    }
}

#[cfg(test)]
mod tests;

//! All the log asks of a disk: few blocking verbs over named files, so that the simulator can stand in for it.

use core::fmt;

/// Flat files in one folder. The server's writes to a real one; the simulator's loses what was not synced.
pub trait Disk {
    /// Names and lengths of all files, in ascending order of name.
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError>;
    /// Fills `into` from `offset`; short files are an error.
    fn read_at(&mut self, file: &str, offset: u64, into: &mut [u8]) -> Result<(), DiskError>;
    /// Writes at `offset`, creating or extending the file. Not durable before [`Disk::sync`]; until then each
    /// sector persists or not, in any order.
    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes every earlier write to `file` durable (data, and length if it changed).
    fn sync(&mut self, file: &str) -> Result<(), DiskError>;
    /// Makes creations and removals of files durable.
    fn sync_folder(&mut self) -> Result<(), DiskError>;
    /// Removes a file.
    fn remove(&mut self, file: &str) -> Result<(), DiskError>;
}

/// What went wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// The verb that failed: `read`, `write`, `sync`, ...
    pub verb: &'static str,
    /// The file.
    pub file: String,
    /// What the machine said.
    pub reason: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.verb, self.file, self.reason)
    }
}

impl std::error::Error for DiskError {}

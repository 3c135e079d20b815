//! The real disk: flat files in one folder, owned by one process.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use storage::{Disk, DiskError};

/// Held for as long as the folder is open; its content is the pid of the owner, for the error message.
const LOCK: &str = "lock";

/// A folder on a file system, behind [`storage::Disk`]. Handles stay open: a log has few segments.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    files: BTreeMap<String, File>,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug)]
pub enum FolderError {
    /// The machine refused: folder, verb, reason.
    Io(PathBuf, &'static str, io::Error),
    /// Another process has it open: folder and, if it could be read, its pid.
    Locked(PathBuf, Option<u32>),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FolderError::Io(folder, verb, e) => {
                write!(f, "cannot {verb} the data folder {}: {e}", folder.display())
            }
            FolderError::Locked(folder, pid) => {
                let folder = folder.display();
                write!(f, "the data folder {folder} is in use by ")?;
                match pid {
                    Some(pid) => write!(f, "process {pid}")?,
                    None => f.write_str("another process")?,
                }
                f.write_str(": stop that one, or give this node a folder of its own")
            }
        }
    }
}

impl std::error::Error for FolderError {}

impl FileDisk {
    /// Opens `folder`, creating it if needed, and locks it against other processes. The kernel frees the lock
    /// when the process ends, however it ends.
    pub fn open(folder: &Path) -> Result<FileDisk, FolderError> {
        let io = |verb| move |e| FolderError::Io(folder.to_path_buf(), verb, e);
        std::fs::create_dir_all(folder).map_err(io("create"))?;
        let path = folder.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&path).ok().and_then(|t| t.trim().parse().ok());
                return Err(FolderError::Locked(folder.to_path_buf(), pid));
            }
            Err(TryLockError::Error(e)) => return Err(io("lock")(e)),
        }
        lock.set_len(0).map_err(io("lock"))?;
        writeln!(lock, "{}", std::process::id()).map_err(io("lock"))?;
        // The folder's own name must be durable too, or a first power failure takes the node with it.
        let parent =
            folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|p| p.sync_all()).map_err(io("sync the parent of"))?;
        Ok(FileDisk { folder: folder.to_path_buf(), files: BTreeMap::new(), _lock: lock })
    }

    fn failed(&self, verb: &'static str, file: &str) -> impl FnOnce(io::Error) -> DiskError {
        let file = self.folder.join(file).display().to_string();
        move |e| DiskError { verb, file, reason: e.to_string() }
    }

    fn handle(&mut self, verb: &'static str, file: &str, create: bool) -> Result<&File, DiskError> {
        assert!(!file.contains('/') && file != LOCK, "not a name of a flat file: {file}");
        if !self.files.contains_key(file) {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .truncate(false)
                .open(self.folder.join(file))
                .map_err(self.failed(verb, file))?;
            self.files.insert(file.to_owned(), opened);
        }
        Ok(&self.files[file])
    }
}

impl Disk for FileDisk {
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        let read = || -> io::Result<Vec<(String, u64)>> {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(&self.folder)? {
                let entry = entry?;
                let data = entry.metadata()?;
                // Names that are not UTF-8 and folders are not ours.
                let Ok(name) = entry.file_name().into_string() else { continue };
                if data.is_file() && name != LOCK {
                    found.push((name, data.len()));
                }
            }
            found.sort();
            Ok(found)
        };
        read().map_err(self.failed("list", ""))
    }

    fn read_at(&mut self, file: &str, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let done = self.handle("read", file, false)?.read_exact_at(into, offset);
        done.map_err(self.failed("read", file))
    }

    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let done = self.handle("write", file, true)?.write_all_at(bytes, offset);
        done.map_err(self.failed("write", file))
    }

    /// `fdatasync`: data, and the length if it changed, but not the times, so that a write into a segment
    /// that was written with zeros costs no journal commit.
    fn sync(&mut self, file: &str) -> Result<(), DiskError> {
        let done = self.handle("sync", file, false)?.sync_data();
        done.map_err(self.failed("sync", file))
    }

    fn sync_folder(&mut self) -> Result<(), DiskError> {
        let done = File::open(&self.folder).and_then(|folder| folder.sync_all());
        done.map_err(self.failed("sync", ""))
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.files.remove(file);
        std::fs::remove_file(self.folder.join(file)).map_err(self.failed("remove", file))
    }
}

#[cfg(test)]
mod tests;

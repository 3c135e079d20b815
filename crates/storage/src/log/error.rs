//! Why the log cannot go on.

use crate::DiskError;
use core::fmt;
use stdx::Position;

/// Whatever it is, the node stops: after a failed sync the kernel may have dropped the dirty pages and answer
/// the next one with success, so nothing is retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// The disk said no.
    Disk(DiskError),
    /// A record or batch whose length does not fit its field.
    TooLarge {
        /// The record.
        position: Position,
        /// Its length, or the number of records.
        len: usize,
    },
    /// A batch that verified when the log was opened does not verify now.
    Changed {
        /// The segment file.
        file: String,
        /// Where the batch begins.
        offset: u64,
    },
    /// A newer version of this program wrote the log.
    Newer {
        /// The segment file.
        file: String,
        /// Where the batch begins.
        offset: u64,
        /// The format version found; this program knows version 1.
        version: u16,
    },
    /// An earlier call failed.
    Stopped,
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> LogError {
        LogError::Disk(error)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Disk(error) => write!(f, "log: {error}"),
            LogError::TooLarge { position, len } => {
                write!(f, "log: record {} of length {len} is over 4 GiB", position.0)
            }
            LogError::Changed { file, offset } => write!(
                f,
                "log: {file} at offset {offset}: the batch verified when the log was opened, not now"
            ),
            LogError::Newer { file, offset, version } => write!(
                f,
                "log: {file} at offset {offset} has format version {version}, expected 1: \
                 a newer atoll wrote it"
            ),
            LogError::Stopped => write!(f, "log: stopped after an earlier error"),
        }
    }
}

impl std::error::Error for LogError {}

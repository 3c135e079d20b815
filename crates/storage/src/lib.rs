//! What outlives a crash and what is rebuilt from it: the write-ahead log, state tables, and the small
//! [`Disk`] both stand on. Sans-IO: the server hands in a real folder, the simulator one that forgets.
//!
//! The log follows ARIES' write-ahead rule (Mohan et al., TODS 1992) with group commit, and the recovery
//! argument of "Protocol-Aware Recovery for Consensus-Based Storage" (Alagappan et al., FAST 2018): a torn
//! tail is cut, damage before it is never mistaken for one.
//!
//! | file | what |
//! | --- | --- |
//! | `disk` | [`Disk`]: the blocking verbs over named files |
//! | `log` | [`Log`]: append, sync, release, replay; one per node, one sync for all its groups |
//! | `log/layout` | the bytes of a batch on disk, and their checksums |
//! | `log/scan` | every batch header that verifies, file by file |
//! | `log/recover` | what of them is the log: kept, torn, damaged |
//! | `log/slots` | segment files: written with zeros ahead of time, recycled when released |
//! | `table` | [`Table`]: state in the order of a fixed hash; [`hash_of`] |
//! | `table/memory` | [`MemoryTable`]: the one in memory |
//! | `table/frozen` | the consistent view of a table that goes on changing |
//! | `table/ask` | [`Ask`], [`Answer`]: what a table on disk asks of the engine, and hears |
//! | `table/cached` | [`CachedTable`]: the part of a table on disk that is in memory |
//! | `table/engine` | [`Engine`]: tables on disk, in redb; `backend`: redb's verbs over a [`Disk`] |
//! | `table/missing` | [`MissingTable`]: a table whose keys are not always there, for the simulator |
//!
//! Invariants:
//! - A batch is never acknowledged before it, the length of its file and the file's name are synced.
//! - Nothing is appended after a cut before whatever past it could be read as valid was erased, durably.
//! - A segment is overwritten only once two durable headers say that it is not needed, so that losing the
//!   last batch (which cannot be told from a torn one) never makes a recycled segment look damaged.
//! - What is in memory of a table on disk goes before what the engine holds; nothing unwritten is forgotten.
//! - A frozen view shows exactly what the table held when it was frozen.
#![forbid(unsafe_code)]

pub mod disk;
pub mod log;
pub mod table;

pub use disk::{Disk, DiskError};
pub use log::{Damage, GroupMask, Log, LogConfig, LogError, Recovery, Torn};
pub use table::{
    Answer, Ask, CachedTable, Engine, EngineConfig, EngineError, Lookup, MemoryTable, MissingTable,
    Needs, Scanned, Stretch, Table, TableId, Ticket, Weigh, Window, hash_of,
};

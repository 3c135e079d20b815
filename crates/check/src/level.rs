//! Consistency levels, and what a history is found to be at each.

use crate::txn::{KeyId, ValueId};
use std::fmt;

/// What a store may promise (jepsen.io/consistency; protocols.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Serializable, in an order that respects real time.
    StrictSerializable,
    /// Each object takes its operations one at a time, in an order that respects real time.
    Linearizable,
    /// One order of all operations that respects each process' own.
    Sequential,
    /// One order of all transactions.
    Serializable,
    /// Reads from a snapshot; of two that write the same key and overlap, one aborts.
    SnapshotIsolation,
    /// What a transaction has read does not change under it (Adya's PL-2.99).
    RepeatableRead,
    /// All of a transaction's writes are seen, or none.
    ReadAtomic,
    /// Only what was committed is read.
    ReadCommitted,
    /// Writes are not interleaved.
    ReadUncommitted,
    /// CCv: causal, and all replicas order concurrent writes alike.
    CausalConvergence,
    /// CM: causal memory; each process sees all writes in an order of its own that never changes.
    CausalMemory,
    /// CC: causally related writes are seen in their order.
    CausalConsistency,
    /// A process reads what it wrote, or something newer.
    ReadYourWrites,
    /// A process never reads something older than it has read.
    MonotonicReads,
    /// The writes of a process are seen in its order.
    MonotonicWrites,
    /// A write is seen after what its process had read before it.
    WritesFollowReads,
    /// A read lags by at most a stated time.
    BoundedStaleness,
    /// Once writes stop, reads of a key come to agree.
    Convergence,
}

impl Level {
    /// Every level, strongest first within each family.
    pub const ALL: [Level; 18] = [
        Level::StrictSerializable,
        Level::Linearizable,
        Level::Sequential,
        Level::Serializable,
        Level::SnapshotIsolation,
        Level::RepeatableRead,
        Level::ReadAtomic,
        Level::ReadCommitted,
        Level::ReadUncommitted,
        Level::CausalConvergence,
        Level::CausalMemory,
        Level::CausalConsistency,
        Level::ReadYourWrites,
        Level::MonotonicReads,
        Level::MonotonicWrites,
        Level::WritesFollowReads,
        Level::BoundedStaleness,
        Level::Convergence,
    ];

    /// As on the command line and in the map.
    pub fn name(self) -> &'static str {
        match self {
            Level::StrictSerializable => "strict-serializable",
            Level::Linearizable => "linearizable",
            Level::Sequential => "sequential",
            Level::Serializable => "serializable",
            Level::SnapshotIsolation => "snapshot-isolation",
            Level::RepeatableRead => "repeatable-read",
            Level::ReadAtomic => "read-atomic",
            Level::ReadCommitted => "read-committed",
            Level::ReadUncommitted => "read-uncommitted",
            Level::CausalConvergence => "causal-convergence",
            Level::CausalMemory => "causal-memory",
            Level::CausalConsistency => "causal",
            Level::ReadYourWrites => "read-your-writes",
            Level::MonotonicReads => "monotonic-reads",
            Level::MonotonicWrites => "monotonic-writes",
            Level::WritesFollowReads => "writes-follow-reads",
            Level::BoundedStaleness => "bounded-staleness",
            Level::Convergence => "convergence",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Level, String> {
        let names = || Level::ALL.map(Level::name).join(", ");
        let found = Level::ALL.into_iter().find(|level| level.name() == name);
        found.ok_or_else(|| format!("no level `{name}`; there are {}", names()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a history is at one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing in it breaks the promise.
    Holds,
    /// This does.
    Fails(Box<Witness>),
    /// The budget ran out first, or the history does not say enough: why, and how far it came.
    Unknown(String),
    /// The level does not speak of what this history holds: why.
    NotApplicable(String),
}

impl Judgement {
    /// Whether it is a yes or a no.
    pub fn is_decided(&self) -> bool {
        matches!(self, Judgement::Holds | Judgement::Fails(_))
    }
}

/// The smallest part found of a history that still breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// By the name that the literature has for it: `G1c`, `lost-update`, `CyclicCO`, `monotonic-reads`.
    pub anomaly: &'static str,
    /// One or two sentences that name the clients, the writes and the reads.
    pub reason: String,
    /// The transactions of that part, by their numbers in the history, ascending.
    pub txns: Vec<usize>,
    /// The one that has no place in any order, if the level is judged by searching for one.
    pub stuck: Option<usize>,
    /// The longest order found of the others, if the level is judged by searching for one: where a picture puts
    /// their points.
    pub order: Vec<usize>,
    /// The dependencies that close a cycle, if it is judged by cycles: each ends where the next begins.
    pub cycle: Vec<Edge>,
}

/// One transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The earlier, by its number in the history.
    pub from: usize,
    /// The later.
    pub to: usize,
    /// Why.
    pub kind: EdgeKind,
    /// On which key.
    pub key: Option<KeyId>,
    /// What the earlier one wrote or read there.
    pub value: Option<ValueId>,
    /// What the later one wrote or read there.
    pub next: Option<ValueId>,
}

/// Why one transaction must come before another (Adya 1999, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The later overwrote what the earlier wrote.
    Ww,
    /// The later read what the earlier wrote.
    Wr,
    /// The later overwrote what the earlier read: an anti-dependency.
    Rw,
    /// The same process did the earlier one first.
    Process,
    /// The earlier had returned before the later was invoked.
    RealTime,
    /// A consequence of others that the level demands (a bad pattern's conflict or happened-before edge).
    Derived,
}

impl EdgeKind {
    /// As in pictures and sentences.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Ww => "ww",
            EdgeKind::Wr => "wr",
            EdgeKind::Rw => "rw",
            EdgeKind::Process => "process",
            EdgeKind::RealTime => "realtime",
            EdgeKind::Derived => "derived",
        }
    }
}

//! What a keyspace promises: the contract, its grammar, its rules (`docs/contract.md`).
//!
//! Three questions, kept apart: is it a sentence of the grammar (`syntax`), can any system keep it
//! (`invalid`, [`Contract::violation`]), does this binary serve it today (`not-built`, [`built`]).
//!
//! | file | what |
//! | --- | --- |
//! | `parse` | words to a [`Contract`]: clauses in any order, each with its default |
//! | `valid` | the rules of protocols.md section 1, each with the reason and the nearest valid contract |
//! | `text` | the canonical text, which parses back to the same contract |
//! | `bytes` | the encoding in the catalog's log, pinned by a golden test |
//! | `name` | names of keyspaces, and which keyspace a key names |
//!
//! Invariants: [`parse`] answers only contracts without a violation; the canonical text of a contract
//! parses back to it; the nearest contract of a refusal is itself accepted.

mod bytes;
mod name;
mod parse;
mod text;
mod valid;

#[cfg(test)]
mod tests;

pub use name::{check_name, keyspace_of};
pub use parse::{default_replicas, parse};
pub use valid::Violation;

use std::fmt;
use stdx::Duration;

/// A declared guarantee. Built by [`parse`]; fields are read by whoever serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// CONSISTENCY: what a reader may rely on.
    pub consistency: Consistency,
    /// REPLICATION: the protocol that keeps the copies, and how many there are.
    pub replication: Replication,
    /// PARTITIONS: into how many parts the keys are cut.
    pub partitions: u32,
    /// PARTITION BY: how a key finds its part.
    pub partition_by: PartitionBy,
    /// TABLE: where the state lives.
    pub table: TableKind,
    /// READS: how a leader knows that it still leads when it answers a read.
    pub reads: Reads,
    /// SESSION: guarantees within one session, on top of the consistency.
    pub session: Session,
    /// STALENESS: how old a bounded read may be.
    pub staleness: Option<Staleness>,
    /// CONFLICT: what becomes of concurrent writes, where there can be any.
    pub conflict: Option<Conflict>,
    /// FAULTS: what a faulty replica may do.
    pub faults: Faults,
}

/// The models of protocols.md section 2, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consistency {
    /// Real-time order (Herlihy and Wing 1990).
    Linearizable,
    /// One total order that respects each client's program order (Lamport 1979).
    Sequential,
    /// A read lags by at most STALENESS, or waits, or fails.
    Bounded,
    /// Causally related writes are seen in order; convergent (CCv).
    Causal,
    /// Replicas converge once updates stop.
    Eventual,
}

/// Who keeps the copies. `n` counts replicas of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// Ongaro's Raft.
    Raft {
        /// Replicas.
        n: u16,
    },
    /// Multi-Paxos.
    Paxos {
        /// Replicas.
        n: u16,
    },
    /// Castro and Liskov's PBFT.
    Pbft {
        /// Replicas.
        n: u16,
    },
    /// One leader chosen by the control plane.
    Leader {
        /// Replicas, the leader included.
        n: u16,
        /// Which followers a write waits for.
        acks: Acks,
    },
    /// Every region accepts writes.
    Multileader {
        /// Regions.
        n: u16,
    },
    /// Dynamo's quorums; any replica coordinates.
    Quorum {
        /// Replicas.
        n: u16,
        /// How many answer a read.
        r: u16,
        /// How many acknowledge a write.
        w: u16,
        /// What is promised about the overlap of the two.
        mode: QuorumMode,
    },
    /// Linearizable registers (Attiya, Bar-Noy, Dolev 1995).
    Abd {
        /// Replicas.
        n: u16,
        /// How many answer a query.
        r: u16,
        /// How many acknowledge a store.
        w: u16,
    },
}

/// Which followers a single leader's write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// None: a failover may lose what it had acknowledged, and reports it.
    Async,
    /// This many.
    Semisync(u16),
    /// All.
    Sync,
}

/// What a quorum contract promises about reads meeting writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuorumMode {
    /// Among the key's own replicas, with R+W > N and 2W > N.
    Strict,
    /// The first N healthy nodes stand in, with hints.
    Sloppy,
    /// Among the key's own replicas, without overlap (Bailis et al., PBS): must be asked for by name.
    Partial,
}

/// How a key finds its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    /// Hash modulo the number of partitions.
    Modulo,
    /// Ordered ranges.
    Range,
    /// An explicit table.
    Directory,
    /// Consistent hashing.
    Ring,
}

/// Where the state lives; durable either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// In memory, with log and snapshots on disk.
    Memory,
    /// On disk, for data larger than memory.
    Disk,
}

/// How a leader knows that it still leads when it answers a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It asks a majority (ReadIndex).
    #[default]
    Index,
    /// By a lease, which holds if no clock is further off than declared.
    Lease {
        /// What a node's monotonic clock gains or loses at most: parts of a million.
        drift_ppm: u32,
    },
}

/// A set of the four session guarantees (Terry et al. 1994).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session(u8);

impl Session {
    /// No guarantee beyond the consistency.
    pub const NONE: Session = Session(0);
    /// Read your writes.
    pub const RYW: Session = Session(1);
    /// Monotonic reads.
    pub const MR: Session = Session(2);
    /// Monotonic writes.
    pub const MW: Session = Session(4);
    /// Writes follow reads.
    pub const WFR: Session = Session(8);
    /// All four.
    pub const ALL: Session = Session(15);

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Session) -> Session {
        Session(self.0 | other.0)
    }

    /// Whether all of `other` is in.
    pub fn has(self, other: Session) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How old a bounded read may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// In time.
    Age(Duration),
    /// In versions of the key.
    Versions(u64),
}

/// What becomes of concurrent writes to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Last write wins on a hybrid logical clock; what lost is counted.
    Lww,
    /// All are kept and returned with a context.
    Siblings,
    /// The value's type merges.
    Crdt,
    /// A registered function of this name merges.
    Merge(String),
}

/// What a faulty replica may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Stop, and recover with its disk.
    Crash,
    /// Anything, up to `f` of them.
    Byzantine {
        /// How many.
        f: u16,
    },
}

/// The side a keyspace takes during a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// The side without a quorum answers an error.
    Cp,
    /// Every side goes on reading and writing.
    Ap,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Cap::Cp { "CP" } else { "AP" })
    }
}

impl Replication {
    /// How many replicas a partition has.
    pub fn replicas(self) -> u16 {
        match self {
            Replication::Raft { n }
            | Replication::Paxos { n }
            | Replication::Pbft { n }
            | Replication::Leader { n, .. }
            | Replication::Multileader { n }
            | Replication::Quorum { n, .. }
            | Replication::Abd { n, .. } => n,
        }
    }

    /// Whether writes go through one log, so that there is one order and nothing to merge.
    fn one_log(self) -> bool {
        match self {
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. } => true,
            Replication::Multileader { .. }
            | Replication::Quorum { .. }
            | Replication::Abd { .. } => false,
        }
    }
}

impl Default for Contract {
    /// The standard contract of a cluster of three nodes or more.
    fn default() -> Contract {
        Contract::standard(3)
    }
}

impl Contract {
    /// What an empty contract declares in a cluster of `members` nodes, and what `default` has.
    pub fn standard(members: u16) -> Contract {
        Contract {
            consistency: Consistency::Linearizable,
            replication: Replication::Raft { n: default_replicas(members) },
            partitions: 1,
            partition_by: PartitionBy::Modulo,
            table: TableKind::Memory,
            reads: Reads::Index,
            session: Session::NONE,
            staleness: None,
            conflict: None,
            faults: Faults::Crash,
        }
    }

    /// The bound on clocks that a leader's lease may rest on, if reads are by lease.
    pub(crate) fn lease(&self) -> Option<raft::Drift> {
        match self.reads {
            Reads::Index => None,
            Reads::Lease { drift_ppm } => Some(raft::Drift { ppm: drift_ppm }),
        }
    }

    /// CP or AP: AP only where a side with a minority of the replicas goes on reading and writing.
    pub fn cap(&self) -> Cap {
        let minority = self.replication.replicas() / 2;
        let writes_anywhere = match self.replication {
            Replication::Multileader { .. } => true,
            Replication::Quorum { mode: QuorumMode::Sloppy, .. } => true,
            Replication::Quorum { r, w, .. } => r <= minority && w <= minority,
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. }
            | Replication::Abd { .. } => false,
        };
        // A bounded read that cannot prove its age fails: that is consistency over availability.
        let reads_anywhere = self.consistency >= Consistency::Causal;
        if writes_anywhere && reads_anywhere { Cap::Ap } else { Cap::Cp }
    }

    /// Abadi's class. EC where, without a partition, a read reflects every acknowledged write and pays the
    /// round trips for it; EL where it may be answered by one copy.
    pub fn pacelc(&self) -> &'static str {
        let meets_writes = match self.replication {
            Replication::Quorum { n, r, w, .. } => u32::from(r) + u32::from(w) > u32::from(n),
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. }
            | Replication::Multileader { .. }
            | Replication::Abd { .. } => self.consistency == Consistency::Linearizable,
        };
        match (self.cap(), meets_writes) {
            (Cap::Cp, true) => "PC/EC",
            (Cap::Cp, false) => "PC/EL",
            (Cap::Ap, true) => "PA/EC",
            (Cap::Ap, false) => "PA/EL",
        }
    }

    /// What an operator should know although the contract is valid, with the arithmetic.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let n = self.replication.replicas();
        match self.replication {
            Replication::Raft { n } | Replication::Paxos { n } if n % 2 == 0 => {
                let (majority, survives) = (n / 2 + 1, n.saturating_sub(1) / 2);
                let odd = n.saturating_sub(1);
                warnings.push(format!(
                    "N={n} needs {majority} for a majority and survives {survives} failures, \
                     no more than N={odd}"
                ));
            }
            _ if n == 1 => warnings.push("N=1 is a single copy: its loss loses the data".into()),
            _ => {}
        }
        if self.conflict == Some(Conflict::Lww) {
            warnings.push("lww drops concurrent writes by clock; what was lost is counted".into());
        }
        warnings
    }
}

/// Whether this binary serves `contract` in a cluster of `members` nodes: today a linearizable keyspace over
/// Raft, one partition, in memory.
pub fn built(contract: &Contract, members: u16) -> Result<(), ContractError> {
    let replication = Replication::Raft { n: default_replicas(members) };
    let checks = [
        (Clause::Consistency, contract.consistency == Consistency::Linearizable),
        (Clause::Replication, contract.replication == replication),
        (Clause::Partitions, contract.partitions == 1),
        (Clause::PartitionBy, contract.partition_by == PartitionBy::Modulo),
        (Clause::Session, contract.session == Session::NONE),
        (Clause::Staleness, contract.staleness.is_none()),
        (Clause::Conflict, contract.conflict.is_none()),
        (Clause::Faults, contract.faults == Faults::Crash),
    ];
    let Some((clause, _)) = checks.into_iter().find(|(_, served)| !served) else {
        return Ok(());
    };
    Err(ContractError {
        code: Code::NotBuilt,
        clause,
        message: format!("`{}` is valid but not built yet", contract.clause_text(clause)),
        nearest: Some(Contract::standard(members).to_string()),
    })
}

/// Which clause an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// The sentence as a whole, or the keyspace's name.
    Whole,
    /// CONSISTENCY.
    Consistency,
    /// REPLICATION.
    Replication,
    /// PARTITIONS.
    Partitions,
    /// PARTITION BY.
    PartitionBy,
    /// TABLE.
    Table,
    /// READS.
    Reads,
    /// SESSION.
    Session,
    /// STALENESS.
    Staleness,
    /// CONFLICT.
    Conflict,
    /// CAS: a demand, kept nowhere.
    Cas,
    /// FAULTS.
    Faults,
}

/// Why a contract is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Not a sentence of the grammar.
    Syntax,
    /// Nothing could keep it, or it contradicts itself.
    Invalid,
    /// Valid, and not served by this binary yet.
    NotBuilt,
}

impl Code {
    /// The code as clients and scripts see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::Invalid => "invalid",
            Code::NotBuilt => "not-built",
        }
    }
}

/// A refusal: what, where, why, and what would be accepted instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractError {
    /// The kind of refusal.
    pub code: Code,
    /// Where.
    pub clause: Clause,
    /// Why, with the arithmetic.
    pub message: String,
    /// The canonical text of the nearest contract that is valid (for `not-built`: that is served).
    pub nearest: Option<String>,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.code.as_str(), self.clause, self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; nearest: {nearest}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ContractError {}

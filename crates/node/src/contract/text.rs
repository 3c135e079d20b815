//! The canonical text: every clause that applies, in one order, nothing left to a default.

use super::{
    Acks, Clause, Conflict, Consistency, Contract, Faults, PartitionBy, QuorumMode, Reads,
    Replication, Session, Staleness, TableKind,
};
use std::fmt;
use stdx::Duration;

/// Each word of a closed set with its value: the one table that parser and printer share.
pub(super) type Words<T> = &'static [(&'static str, T)];

pub(super) const CONSISTENCIES: Words<Consistency> = &[
    ("linearizable", Consistency::Linearizable),
    ("sequential", Consistency::Sequential),
    ("bounded", Consistency::Bounded),
    ("causal", Consistency::Causal),
    ("eventual", Consistency::Eventual),
];
pub(super) const QUORUM_MODES: Words<QuorumMode> = &[
    ("STRICT", QuorumMode::Strict),
    ("SLOPPY", QuorumMode::Sloppy),
    ("PARTIAL", QuorumMode::Partial),
];
pub(super) const PARTITIONINGS: Words<PartitionBy> = &[
    ("modulo", PartitionBy::Modulo),
    ("range", PartitionBy::Range),
    ("directory", PartitionBy::Directory),
    ("ring", PartitionBy::Ring),
];
pub(super) const TABLES: Words<TableKind> =
    &[("memory", TableKind::Memory), ("disk", TableKind::Disk)];
pub(super) const SESSIONS: Words<Session> =
    &[("ryw", Session::RYW), ("mr", Session::MR), ("mw", Session::MW), ("wfr", Session::WFR)];
/// Largest first: the first that divides an age names it.
pub(super) const UNITS: Words<u64> = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

fn word<T: Copy + PartialEq>(of: T, among: Words<T>) -> &'static str {
    let found = among.iter().find(|(_, value)| *value == of);
    found.map_or("?", |(word, _)| *word)
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let always = [
            Clause::Consistency,
            Clause::Replication,
            Clause::Partitions,
            Clause::PartitionBy,
            Clause::Table,
        ];
        // Only where it differs from what contracts without the clause have always promised.
        let reads = (self.reads != Reads::Index).then_some(Clause::Reads);
        let staleness = self.staleness.map(|_| Clause::Staleness);
        let conflict = self.conflict.as_ref().map(|_| Clause::Conflict);
        let clauses = always.into_iter().chain(reads).chain([Clause::Session]).chain(staleness);
        let clauses = clauses.chain(conflict).chain([Clause::Faults]);
        for (at, clause) in clauses.enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(f, "{gap}{}", self.clause_text(clause))?;
        }
        Ok(())
    }
}

impl Contract {
    /// One clause of the canonical text, or nothing if the contract has none of it.
    pub fn clause_text(&self, clause: Clause) -> String {
        let value = match clause {
            Clause::Whole => return self.to_string(),
            Clause::Cas => String::new(),
            Clause::Consistency => word(self.consistency, CONSISTENCIES).to_string(),
            Clause::Replication => self.replication.to_string(),
            Clause::Partitions => self.partitions.to_string(),
            Clause::PartitionBy => word(self.partition_by, PARTITIONINGS).to_string(),
            Clause::Table => word(self.table, TABLES).to_string(),
            Clause::Reads => self.reads.to_string(),
            Clause::Session => self.session.to_string(),
            Clause::Staleness => self.staleness.map_or_else(String::new, |bound| bound.to_string()),
            Clause::Conflict => self.conflict.as_ref().map_or_else(String::new, |c| c.to_string()),
            Clause::Faults => self.faults.to_string(),
        };
        format!("{clause} {value}").trim_end().to_string()
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clause::Whole => "contract",
            Clause::Consistency => "CONSISTENCY",
            Clause::Replication => "REPLICATION",
            Clause::Partitions => "PARTITIONS",
            Clause::PartitionBy => "PARTITION BY",
            Clause::Table => "TABLE",
            Clause::Reads => "READS",
            Clause::Session => "SESSION",
            Clause::Staleness => "STALENESS",
            Clause::Conflict => "CONFLICT",
            Clause::Cas => "CAS",
            Clause::Faults => "FAULTS",
        })
    }
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replication::Raft { n } => write!(f, "raft N={n}"),
            Replication::Paxos { n } => write!(f, "paxos N={n}"),
            Replication::Pbft { n } => write!(f, "pbft N={n}"),
            Replication::Leader { n, acks: Acks::Async } => write!(f, "leader async N={n}"),
            Replication::Leader { n, acks: Acks::Semisync(k) } => {
                write!(f, "leader semisync {k} N={n}")
            }
            Replication::Leader { n, acks: Acks::Sync } => write!(f, "leader sync N={n}"),
            Replication::Multileader { n } => write!(f, "multileader N={n}"),
            Replication::Quorum { n, r, w, mode } => {
                write!(f, "quorum N={n} R={r} W={w} {}", word(*mode, QUORUM_MODES))
            }
            Replication::Abd { n, r, w } => write!(f, "abd N={n} R={r} W={w}"),
        }
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reads::Index => f.write_str("index"),
            Reads::Lease { drift_ppm } => write!(f, "lease DRIFT={drift_ppm}ppm"),
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Session::NONE => return f.write_str("none"),
            Session::ALL => return f.write_str("all"),
            _ => {}
        }
        let held = SESSIONS.iter().filter(|(_, guarantee)| self.has(*guarantee));
        let words: Vec<&str> = held.map(|(word, _)| *word).collect();
        f.write_str(&words.join(","))
    }
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Staleness::Age(age) => write_age(f, *age),
            Staleness::Versions(count) => write!(f, "{count} versions"),
        }
    }
}

fn write_age(f: &mut fmt::Formatter<'_>, age: Duration) -> fmt::Result {
    let nanos = age.as_nanos();
    let divides = |(_, size): &&(&str, u64)| nanos.is_multiple_of(u128::from(*size));
    match UNITS.iter().find(divides) {
        Some((unit, size)) if nanos > 0 => write!(f, "{}{unit}", nanos / u128::from(*size)),
        _ => f.write_str("0s"),
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conflict::Lww => f.write_str("lww"),
            Conflict::Siblings => f.write_str("siblings"),
            Conflict::Crdt => f.write_str("crdt"),
            Conflict::Merge(name) => write!(f, "merge {name}"),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Faults::Crash => f.write_str("crash"),
            Faults::Byzantine { f: count } => write!(f, "byzantine f={count}"),
        }
    }
}

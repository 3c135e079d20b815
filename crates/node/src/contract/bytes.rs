//! The encoding in the catalog's log and snapshots.
//!
//! Decoding checks the shape and not the rules of `valid`: a rule that a later version adds must never make
//! a catalog written before it unreadable.

use super::{
    Acks, Conflict, Consistency, Contract, Faults, PartitionBy, QuorumMode, Reads, Replication,
    Session, Staleness, TableKind,
};
use wire::{Reader, Wire, WireError, wire_enum};

wire_enum!(Consistency, version 1 {
    1 => Linearizable, 2 => Sequential, 3 => Bounded, 4 => Causal, 5 => Eventual,
});
wire_enum!(Replication, version 1 {
    1 => Raft { n },
    2 => Paxos { n },
    3 => Pbft { n },
    4 => Leader { n, acks },
    5 => Multileader { n },
    6 => Quorum { n, r, w, mode },
    7 => Abd { n, r, w },
});
wire_enum!(Acks, version 1 { 1 => Async, 2 => Semisync(followers), 3 => Sync });
wire_enum!(QuorumMode, version 1 { 1 => Strict, 2 => Sloppy, 3 => Partial });
wire_enum!(PartitionBy, version 1 { 1 => Modulo, 2 => Range, 3 => Directory, 4 => Ring });
wire_enum!(TableKind, version 1 { 1 => Memory, 2 => Disk });
wire_enum!(Reads, version 1 { 1 => Index, 2 => Lease { drift_ppm } });
wire_enum!(Staleness, version 1 { 1 => Age(bound), 2 => Versions(bound) });
wire_enum!(Conflict, version 1 { 1 => Lww, 2 => Siblings, 3 => Crdt, 4 => Merge(name) });
wire_enum!(Faults, version 1 { 1 => Crash, 2 => Byzantine { f } });

impl Wire for Session {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Session, WireError> {
        match u8::decode(from)? {
            bits if bits <= Session::ALL.0 => Ok(Session(bits)),
            _ => Err(WireError::Invalid("session guarantees")),
        }
    }
}

const KIND: u8 = 1;
/// What release 0.1 wrote, and what is written still for a contract that says nothing of READS: those bytes, and
/// nodes that know no other, stay as they are.
const FIRST: u8 = 1;
/// With READS at the end.
const WITH_READS: u8 = 2;

impl Wire for Contract {
    fn encode(&self, out: &mut Vec<u8>) {
        let reads = self.reads != Reads::Index;
        out.extend([KIND, if reads { WITH_READS } else { FIRST }]);
        self.consistency.encode(out);
        self.replication.encode(out);
        self.partitions.encode(out);
        self.partition_by.encode(out);
        self.table.encode(out);
        self.session.encode(out);
        self.staleness.encode(out);
        self.conflict.encode(out);
        self.faults.encode(out);
        if reads {
            self.reads.encode(out);
        }
    }
    fn decode(from: &mut Reader<'_>) -> Result<Contract, WireError> {
        let version = match (u8::decode(from)?, u8::decode(from)?) {
            (KIND, version @ (FIRST | WITH_READS)) => version,
            (KIND, version) => return Err(WireError::UnknownVersion("Contract", version)),
            (kind, _) => return Err(WireError::UnknownKind("Contract", kind)),
        };
        Ok(Contract {
            consistency: Wire::decode(from)?,
            replication: Wire::decode(from)?,
            partitions: Wire::decode(from)?,
            partition_by: Wire::decode(from)?,
            table: Wire::decode(from)?,
            session: Wire::decode(from)?,
            staleness: Wire::decode(from)?,
            conflict: Wire::decode(from)?,
            faults: Wire::decode(from)?,
            // Last: fields are read in the order they stand.
            reads: if version == WITH_READS { Wire::decode(from)? } else { Reads::Index },
        })
    }
}

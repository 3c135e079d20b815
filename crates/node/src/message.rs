//! Between nodes: every packet says which cluster, disk and life of its sender it comes from.

use crate::catalog::Keyspace;
use crate::proposal::{Body, Outcome};
use stdx::NodeId;
use wire::{wire_enum, wire_struct};

/// The number of a group; the catalog gives them out and never reuses one.
pub type GroupId = u64;

/// One message, with the identity of its sender (architecture.md section 3, Identity).
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// A digest of the cluster's name.
    pub cluster: u64,
    /// Drawn when the sender's disk was formatted: another one under the same node id is a lost disk.
    pub disk: u64,
    /// Raised durably at each start: a lower one is an old message, or a disk restored from a backup.
    pub life: u64,
    /// What it says.
    pub content: Content,
}

wire_struct!(Packet { cluster, disk, life, content });

/// What nodes say to each other, and to themselves.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A message of a group's consensus.
    Raft {
        /// The group.
        group: GroupId,
        /// The sending replica.
        from: NodeId,
        /// The replica it is meant for; another one on the same node ignores it.
        to: NodeId,
        /// The protocol's own message.
        message: raft::Message,
    },
    /// A gateway asks the leader of `group` to commit `body`.
    Write {
        /// The group.
        group: GroupId,
        /// Names the request within the gateway's life, and is the session's sequence number.
        body: Body,
    },
    /// A gateway asks the leader of `group` for a linearizable read.
    Read {
        /// The group.
        group: GroupId,
        /// Names the request within the gateway's life; not part of the session.
        ticket: u64,
        /// What to read, and the epoch it was routed by.
        body: Body,
    },
    /// What became of a `Write` (by sequence number) or a `Read` (by ticket).
    Answer {
        /// The group.
        group: GroupId,
        /// Sequence number or ticket.
        number: u64,
        /// The gateway's life that asked.
        life: u64,
        /// The answer.
        outcome: Outcome,
    },
    /// A leader asks what a replica's state sums up to at an index.
    Compare {
        /// The group.
        group: GroupId,
        /// Once exactly this is applied.
        index: u64,
    },
    /// The answer to `Compare`.
    Sum {
        /// The group.
        group: GroupId,
        /// What was applied.
        index: u64,
        /// Of the state.
        sum: u64,
    },
    /// The leader tells a replica that a majority has another state.
    Diverged {
        /// The group.
        group: GroupId,
        /// Where it was seen.
        index: u64,
    },
    /// To oneself: a snapshot chunk of `group` is durable, the next may follow.
    ChunkDurable {
        /// The group.
        group: GroupId,
    },
    /// To oneself: more is committed than one step may apply; go on with `group`. To a peer, of a group that there
    /// is not: this node lives (`peers`).
    Applying {
        /// The group.
        group: GroupId,
    },
    /// To oneself: a missing table entry was loaded.
    Loaded {
        /// The group.
        group: GroupId,
        /// Which miss.
        ticket: u64,
    },
}

wire_enum!(Content, version 1 {
    1 => Raft { group, from, to, message },
    2 => Write { group, body },
    3 => Read { group, ticket, body },
    4 => Answer { group, number, life, outcome },
    5 => ChunkDurable { group },
    6 => Loaded { group, ticket },
    7 => Applying { group },
    20 => Compare { group, index },
    21 => Sum { group, index, sum },
    22 => Diverged { group, index },
});

/// What a node writes to its log.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Who this node is and what it holds: first in every log, rewritten whenever older records are released.
    Base {
        /// The identity, with this life.
        identity: Identity,
        /// The highest identity seen of each peer.
        peers: Vec<Identity>,
        /// All replicas this node holds.
        replicas: Vec<Replica>,
        /// Replicas whose records are damaged: they exist, so they are never created again, and are not served.
        lost: Vec<Lost>,
    },
    /// A replica exists from here on. Without this record none votes, accepts or acknowledges.
    Created(Replica),
    /// A peer was seen in a new life or for the first time.
    Peer(Identity),
    /// A record of a group's consensus.
    Raft {
        /// The group.
        group: GroupId,
        /// Raft's own record.
        record: raft::Record,
    },
    /// A piece of a snapshot of a group; valid once raft's mark for `index` follows.
    Chunk {
        /// The group.
        group: GroupId,
        /// The index the snapshot reaches.
        index: u64,
        /// Zero for the first.
        seq: u64,
        /// As `machine::Machine` wrote it.
        bytes: stdx::Bytes,
    },
}

wire_enum!(Record, version 1 {
    1 => Base { identity, peers, replicas, lost },
    2 => Created(replica),
    3 => Peer(identity),
    4 => Raft { group, record },
    5 => Chunk { group, index, seq, bytes },
});

impl protocol::Record for Record {
    fn group(&self) -> u64 {
        match self {
            Record::Base { .. } | Record::Peer(_) => crate::NODE_RECORDS,
            Record::Created(replica) => tag(replica.group),
            Record::Raft { group, .. } | Record::Chunk { group, .. } => tag(*group),
        }
    }
}

/// The tag of a group's records in the log. The log reports damage by tags modulo 64: those of the catalog and
/// of the node's own records must not be shared, since damage there stops the whole node.
pub(crate) fn tag(group: GroupId) -> u64 {
    const SHARED: u64 = 62;
    match group.checked_sub(1) {
        None => 0,
        Some(nth) => nth / SHARED * 64 + 1 + nth % SHARED,
    }
}

/// A replica that cannot be served, and where its records are damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub info: Replica,
    /// File and offset.
    pub place: String,
}

wire_struct!(Lost { info, place });

/// A node, its disk and its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// A digest of the cluster's name.
    pub cluster: u64,
    /// Drawn when the disk was formatted.
    pub disk: u64,
    /// Raised durably at each start.
    pub life: u64,
}

wire_struct!(Identity { node, cluster, disk, life });

/// A replica of a group on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The group.
    pub group: GroupId,
    /// This replica's own id within the group.
    pub replica: NodeId,
    /// What the group serves, members included.
    pub keyspace: Keyspace,
}

wire_struct!(Replica { group, replica, keyspace });

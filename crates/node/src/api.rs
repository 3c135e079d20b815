//! What a node hears from and says to the machine around it (`server`, or `swarm` in the simulator).

use crate::contract::Contract;
use stdx::{Duration, NodeId, Planted, WallClock};
use storage::{Answer, Ask};
use wire::resp::Args;

/// A client connection, numbered by the machine around the node; never reused within a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// From the machine to the node.
#[derive(Clone, Debug)]
pub enum Request {
    /// A client connected from `address` (text, for CLIENT LIST).
    Open {
        /// The connection.
        conn: ConnId,
        /// Its address, `ip:port`.
        address: String,
    },
    /// Complete commands a client sent, in order. Replies come in the same order.
    Commands {
        /// The connection.
        conn: ConnId,
        /// As parsed from RESP; none is empty.
        commands: Vec<Args>,
    },
    /// The bytes of the [`Output::Reply`] that asked for a `report` were written to the client.
    Written {
        /// The connection.
        conn: ConnId,
    },
    /// The client is gone, or broke the protocol.
    Closed {
        /// The connection.
        conn: ConnId,
    },
    /// What the engine answers to an [`Output::Table`], in the order of those.
    Table(Answer),
}

/// From the node to the machine.
#[derive(Clone, Debug)]
pub enum Output {
    /// Bytes for a client: the replies to its next `answered` commands, encoded for its protocol version.
    Reply {
        /// The connection.
        conn: ConnId,
        /// RESP2 or RESP3.
        bytes: Vec<u8>,
        /// How many commands these bytes answer.
        answered: usize,
        /// Whether [`Request::Written`] is wanted once they are written: a client that does not read is not
        /// served further.
        report: bool,
    },
    /// Close the connection.
    Close {
        /// The connection.
        conn: ConnId,
        /// Whether everything before is to be written first (QUIT), or not (CLIENT KILL: its client may not read).
        flush: bool,
    },
    /// For the engine of tables on disk, which carries out one after the other ([`storage::Engine`]). Its files
    /// are of no use to a later life.
    Table(Ask),
    /// Something an operator wants to read: the machine logs it.
    Event(Event),
}

/// What happened, for the log of the machine; never needed for correctness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A replica of this node learned of a leader (or of having none) in a term.
    Leader {
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// Raft's term.
        term: u64,
        /// The node that leads, if known.
        leader: Option<NodeId>,
    },
    /// A replica was created here.
    ReplicaCreated {
        /// The keyspace, or `catalog`.
        keyspace: String,
    },
    /// A snapshot was installed or written here: keyspace, index, bytes.
    Snapshot {
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// Up to which index.
        index: u64,
        /// Size of its chunks.
        bytes: u64,
        /// True if it came from a leader.
        received: bool,
    },
    /// A peer was refused: its disk was lost or restored, or it is of another cluster.
    PeerRefused {
        /// Who.
        peer: NodeId,
        /// Why, and what to do.
        reason: String,
    },
    /// The log ended in a write that a crash had cut short: it was never acknowledged, and is gone.
    TornTail {
        /// File and offset.
        place: String,
    },
    /// A replica here holds something else than a majority does: it is not read from until it is rebuilt.
    Diverged {
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// Where it was seen.
        index: u64,
    },
    /// A replica that had diverged has the leader's state again.
    Rebuilt {
        /// The keyspace.
        keyspace: String,
        /// From which index on it goes by its own log again.
        index: u64,
    },
    /// Replicas differ and no majority agrees: the operator must decide.
    NoMajority {
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// Where it was seen.
        index: u64,
    },
    /// The digest kept of a table was not that of its entries: it has been made anew from them.
    SumWrong {
        /// The keyspace.
        keyspace: String,
    },
    /// A peer's message brought something else than was sealed: dropped, and expected again.
    MessageDamaged {
        /// Who sent it.
        peer: NodeId,
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Replicas that are not served because the log, or what it gave back, is damaged: keyspace and where.
    Damaged {
        /// The keyspace, or `catalog`.
        keyspace: String,
        /// File and offset.
        place: String,
    },
}

/// What a node is told when it starts. Everything but `node` and `requirepass` is the same on all nodes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's name; nodes of different clusters refuse each other.
    pub cluster: String,
    /// This node; at least 1.
    pub node: NodeId,
    /// The founding members, this node included.
    pub members: Vec<Member>,
    /// What `default` promises, if not the standard: decided when the cluster is founded, and part of its identity
    /// from then on.
    pub default_contract: Option<Contract>,
    /// How long a request may take before it is answered with an error.
    pub request_timeout: Duration,
    /// The password clients must give, if any.
    pub requirepass: Option<String>,
    /// The largest bulk string accepted, in bytes.
    pub max_value: usize,
    /// Raft's election timeout is drawn from this range.
    pub election: (Duration, Duration),
    /// Raft's heartbeat interval.
    pub heartbeat: Duration,
    /// A group is snapshotted when its log holds more bytes than this and than its state.
    pub snapshot_bytes: u64,
    /// Snapshots leave this node for its peers no faster than so many bytes a second; 0: as fast as they can.
    pub transfer_rate: u64,
    /// How many bytes of state a snapshot chunk carries.
    pub chunk_bytes: usize,
    /// About this share of all keys (parts, of) is not in memory until loaded: for the simulator.
    pub misses: (u64, u64),
    /// How much memory tables take.
    pub tables: TablesConfig,
    /// The version shown by INFO and HELLO as `atoll_version`.
    pub version: &'static str,
    /// When the process started, for INFO.
    pub started: WallClock,
    /// The bug a test plants, if any.
    pub planted: Planted,
}

/// How much memory tables take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TablesConfig {
    /// With more bytes of keys and entries in memory than this, the groups led here refuse writes that add to a
    /// table in memory; 0 for no limit.
    pub memory: u64,
    /// How many bytes the tables on disk keep in memory, all together.
    pub cache: u64,
}

impl Default for TablesConfig {
    fn default() -> TablesConfig {
        TablesConfig { memory: 0, cache: 256 << 20 }
    }
}

impl Config {
    /// What a contract without words promises here.
    pub(crate) fn standard_contract(&self) -> Contract {
        Contract::standard(u16::try_from(self.members.len()).unwrap_or(u16::MAX))
    }

    /// The contract of `default`.
    pub(crate) fn default_contract(&self) -> Contract {
        self.default_contract.clone().unwrap_or_else(|| self.standard_contract())
    }
}

/// A founding member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub node: NodeId,
    /// Where its clients connect, `host:port`, for INFO and errors.
    pub client: String,
}

/// What `/readyz`, `/metrics`, INFO and the CLI show of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// True once every replica here knows a leader it hears.
    pub ready: bool,
    /// One per replica of this node.
    pub replicas: Vec<ReplicaStatus>,
    /// Open client connections.
    pub clients: usize,
    /// Commands answered since start.
    pub commands: u64,
    /// Requests that ended with `CLUSTERDOWN`, since start.
    pub no_quorum: u64,
    /// Requests that ended with `UNKNOWN`, since start.
    pub unknown: u64,
    /// Proposals forwarded to another node, since start.
    pub forwarded: u64,
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// The keyspace, or `catalog`.
    pub keyspace: String,
    /// Raft's term.
    pub term: u64,
    /// The node that leads, if known.
    pub leader: Option<NodeId>,
    /// Whether this node leads.
    pub leading: bool,
    /// Committed and applied index.
    pub applied: u64,
    /// Last index in the log.
    pub last: u64,
    /// Keys in the keyspace.
    pub keys: u64,
    /// Elections this replica started since the process started.
    pub elections: u64,
    /// Snapshots written or installed since the process started.
    pub snapshots: u64,
    /// Whether it differs from what a majority holds, and is being rebuilt.
    pub quarantined: bool,
    /// Why it is not served, if so.
    pub damaged: Option<String>,
}

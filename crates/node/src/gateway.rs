//! The gateway: client connections, and the requests it makes of the groups on their behalf.
//!
//! One connection has at most one request under way: consecutive pipelined commands for one group travel
//! together as one batch (one log entry, if any of them writes), so their order is kept whatever the network
//! does, and a pipeline costs one round. The next batch leaves when the one before is answered.
//!
//! | file | what |
//! | --- | --- |
//! | `pump` | takes queued commands and turns them into local answers or requests |
//! | `route` | which group serves a command |
//! | `ops` | requests to groups: sent, sent again, answered, given up |
//! | `finish` | from outcomes to replies |
//! | `local` | commands answered here: HELLO, AUTH, SELECT, CONFIG, ... |
//! | `client` | CLIENT |
//! | `info` | INFO |
//! | `multi` | MULTI, EXEC, WATCH |
//! | `backup` | ATOLL BACKUP, ATOLL RESTORE |
//! | `keyspace` | KEYSPACE, and how a declaration is carried through |

mod backup;
mod client;
mod finish;
mod info;
mod keyspace;
mod local;
mod multi;
mod ops;
mod pump;
mod route;

pub(crate) use keyspace::Declaration;

use crate::api::ConnId;
use crate::message::GroupId;
use crate::proposal::Operation;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use stdx::{Bytes, Duration, Instant};
use wire::resp::{Args, Reply, Version};

/// Everything the gateway of one node knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    pub(crate) ops: BTreeMap<u64, Op>,
    /// The writes among `ops`, by group: the first of a group is its low-water mark.
    pub(crate) writes: BTreeSet<(GroupId, u64)>,
    /// When which connection's request must be answered with an error.
    pub(crate) deadlines: BTreeSet<(Instant, ConnId)>,
    /// Connections that wait for the catalog to move.
    pub(crate) waiting: BTreeSet<ConnId>,
    /// Keyspaces being declared, driven by the catalog's leader.
    pub(crate) declarations: BTreeMap<String, Declaration>,
    /// Numbers requests within this life; never reused.
    pub(crate) next: u64,
    pub(crate) counters: Counters,
    pub(crate) pause: Option<client::Pause>,
    /// Connections with something to do, in order.
    pub(crate) ready: VecDeque<ConnId>,
}

/// What has happened since the process started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commands: u64,
    pub(crate) connections: u64,
    pub(crate) no_quorum: u64,
    pub(crate) unknown: u64,
    pub(crate) forwarded: u64,
}

/// A client connection.
#[derive(Clone, Debug)]
pub(crate) struct Conn {
    pub(crate) address: String,
    pub(crate) opened: Instant,
    pub(crate) version: Version,
    /// The selected keyspace.
    pub(crate) keyspace: String,
    pub(crate) authenticated: bool,
    pub(crate) name: String,
    pub(crate) library: (String, String),
    pub(crate) last: String,
    pub(crate) multi: Option<multi::Multi>,
    pub(crate) watches: Vec<multi::Watch>,
    /// The backup it makes, until it closes: the group, and the name of the view there.
    pub(crate) backup: Option<(GroupId, u64)>,
    pub(crate) queue: VecDeque<Args>,
    pub(crate) busy: Option<Busy>,
    /// The first queued command was checked against the newest catalog.
    pub(crate) fresh: bool,
    pub(crate) muted: Muted,
    /// READONLY: replicas of this node answer its reads, having asked their leaders.
    pub(crate) read_here: bool,
    pub(crate) timeout: Option<Duration>,
    /// The deadline of commands put back into the queue: it is theirs however often they are taken anew.
    pub(crate) requeued: Option<Instant>,
    /// That deadline, while the first of them is being taken.
    pub(crate) limit: Option<Instant>,
    pub(crate) closing: bool,
    /// Bytes handed over and not yet reported as written.
    pub(crate) given: usize,
    /// How many of them the report under way will cover.
    pub(crate) reported: Option<usize>,
    /// Replies not yet handed over, and how many commands they answer.
    pub(crate) out: Vec<u8>,
    pub(crate) answered: usize,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Muted {
    /// ON
    #[default]
    No,
    /// OFF
    Yes,
    /// SKIP: the next command is.
    Next,
    /// SKIP was said one command ago.
    This,
}

/// What a connection waits for.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    pub(crate) what: What,
    /// The commands under way, to be answered, or taken anew if routing has changed.
    pub(crate) commands: Vec<Args>,
    pub(crate) parts: Vec<Part>,
    pub(crate) deadline: Instant,
}

/// Why it waits.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// One part; a reply for each command.
    Batch,
    /// One part; its reply and those made here become EXEC's.
    Exec {
        /// Replies of queued commands that need no group, by place.
        local: Vec<(usize, Reply)>,
    },
    /// One part; its reply is the command's.
    Relay {
        /// Whether something may have been done without an answer.
        write: bool,
    },
    /// One command over several groups, each key by itself.
    Spread(Merge),
    /// WATCH: one part per group, a modify index per key.
    Watch,
    /// The catalog is asked to announce a keyspace.
    Announce { name: String, implicit: bool },
    /// A keyspace is announced under this epoch, and its fate awaited.
    Decide { name: String, epoch: u64, implicit: bool },
    /// The catalog is asked for its newest state; then the commands are taken anew.
    Refresh,
    /// The catalog here must reach this epoch; then the commands are taken anew, the first one knowing that
    /// the catalog is as new as it if `fresh`.
    Epoch { epoch: u64, fresh: bool },
}

/// How the parts of one command become one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// DEL, EXISTS, UNLINK, TOUCH: the sum.
    Sum,
    /// MGET: each value in the place of its key.
    Place,
    /// FLUSHALL: OK if all are.
    AllOk,
}

/// The share of one group in what a connection waits for.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) group: GroupId,
    /// Positions of this group's keys in the command.
    pub(crate) keys: Vec<usize>,
    /// The request, until it is answered.
    pub(crate) op: Option<u64>,
    pub(crate) replies: Vec<Reply>,
}

/// A request to a group.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) group: GroupId,
    pub(crate) owner: Owner,
    pub(crate) write: bool,
    /// A read that the replica here may answer, if there is one: its first try.
    pub(crate) here: bool,
    pub(crate) epoch: u64,
    pub(crate) operation: Operation,
    /// Whether a core may have appended it, or a message carrying it may still arrive somewhere.
    pub(crate) sent: bool,
    /// The term in which our own leader appended it: no need to propose it again while it lasts.
    pub(crate) appended: Option<u64>,
    pub(crate) tried: Option<Instant>,
}

/// Who waits for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A part of what a connection waits for.
    Conn(ConnId, usize),
    /// A declaration.
    Declaration(String),
}

/// A key that WATCH saw.
pub(crate) type Seen = (Bytes, u64);

impl Gateway {
    /// Every request has its owner, every wait its deadline.
    pub(crate) fn check(&self) {
        assert!(self.ready.is_empty(), "a connection with work was left behind");
        assert!(self.writes.len() <= self.ops.len(), "a write that is no request");
        if let Some((group, number)) = self.writes.first() {
            let op = self.ops.get(number).expect("every write is a request");
            assert!(op.write && op.group == *group, "a write under another's name");
        }
        if let Some((_, conn)) = self.deadlines.first() {
            let conn = self.conns.get(conn).expect("deadlines belong to connections");
            assert!(conn.busy.is_some(), "a deadline for nothing");
        }
    }
}

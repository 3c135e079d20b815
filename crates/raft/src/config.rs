//! What a replica is told when it starts.

use crate::Drift;
use protocol::{NodeId, NodeSet};
use stdx::{Duration, Planted};

/// What a replica is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The group's voters when its log was created, the same for every replica, also for one that joins later (or
    /// empty there: it then knows of no members before its leader's log says so). A recovered [`Mark`] and the
    /// configurations in the log override it.
    pub voters: NodeSet,
    /// Shortest and longest election timeout; each wait is drawn between them.
    pub election: (Duration, Duration),
    /// How often a leader that has nothing to say says so. Well below the shortest election timeout.
    pub heartbeat: Duration,
    /// Bytes of entries in one AppendEntries (a single larger entry still goes, alone).
    pub max_append_bytes: usize,
    /// What may be on its way to one follower, unacknowledged.
    pub max_inflight: Inflight,
    /// Bytes of entries kept in memory behind a snapshot mark, for followers that are a little slow.
    pub keep_bytes: usize,
    /// Whether a leader may answer reads by a lease, and the bound on clocks that this rests on.
    pub lease: Option<Drift>,
    /// At most this many reads wait for a leader's confirmation; more are refused.
    pub max_reads: usize,
    /// How much this replica is wanted as a leader, compared with the others' (a closer zone gets a higher number). A
    /// leader hands over to a caught-up voter of a higher one; elections do not look at it. Release 0.1 says 0.
    pub priority: u8,
    /// A named bug, for tests.
    pub planted: Planted,
}

/// Bounds on unacknowledged AppendEntries per follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflight {
    /// Messages.
    pub messages: usize,
    /// Bytes of entries.
    pub bytes: usize,
}

impl Config {
    /// The defaults of the product: timeouts of 300 to 600 ms, heartbeats every 50 ms.
    pub fn new(id: NodeId, voters: NodeSet) -> Config {
        Config {
            id,
            voters,
            election: (Duration::from_millis(300), Duration::from_millis(600)),
            heartbeat: Duration::from_millis(50),
            max_append_bytes: 1 << 20,
            max_inflight: Inflight { messages: 16, bytes: 8 << 20 },
            keep_bytes: 16 << 20,
            lease: None,
            max_reads: 65_536,
            priority: 0,
            planted: Planted::NONE,
        }
    }
}

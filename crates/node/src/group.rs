//! A replica of one group: its consensus core, its state, and what waits between the two.

use crate::api::ReplicaStatus;
use crate::compare::Compared;
use crate::machine::Machine;
use crate::message::Replica;
use crate::proposal::Body;
use crate::snapshot::{Kept, Staging, View};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use protocol::Effects;
use raft::{Entry, Raft};
use stdx::{NodeId, Now, Position, WallClock};
use storage::TableId;

/// A replica on this node.
#[derive(Debug)]
pub struct Group {
    /// Which group, which replica of it, and what it serves.
    pub info: Replica,
    /// The consensus core.
    pub raft: Raft,
    pub(crate) effects: Effects<Raft>,
    /// The state as of `machine.applied()`.
    pub machine: Machine,
    /// The term of the entry at `machine.applied()`.
    pub(crate) applied_term: u64,
    /// Committed, not yet applied.
    pub(crate) queue: VecDeque<Entry>,
    /// The load that the first entry of the queue waits for.
    pub(crate) paused: Option<u64>,
    /// Whether the rest of the queue waits for the next turn.
    pub(crate) applying: bool,
    /// Reads by context: waiting for confirmation, or for the state to reach their index.
    pub(crate) reads: BTreeMap<u64, PendingRead>,
    pub(crate) next_context: u64,
    /// Forwarded writes appended in this term and not applied yet: a retry needs no second entry.
    pub(crate) forwarded: BTreeSet<(NodeId, u64, u64)>,
    /// The index of a tick that is on its way.
    pub(crate) tick: Option<u64>,
    /// The frozen view, if a snapshot is being written or sent.
    pub(crate) view: Option<View>,
    /// The snapshot being received.
    pub(crate) staging: Option<Staging>,
    /// Which records are still needed.
    pub(crate) kept: Kept,
    /// Whether it holds what the others hold.
    pub(crate) compared: Compared,
    pub(crate) elections: u64,
    pub(crate) snapshots: u64,
    /// What it has in memory, as far as it is counted.
    pub(crate) weight: u64,
    /// Its tables that the engine knows.
    pub(crate) tables: BTreeSet<TableId>,
}

/// A read on its way.
#[derive(Clone, Debug)]
pub(crate) struct PendingRead {
    pub(crate) asker: Asker,
    pub(crate) body: Body,
    /// The leader's clock when it was first tried: later tries see no more keys due than the first.
    pub(crate) wall: Option<WallClock>,
    /// Its chance, the same at every try.
    pub(crate) seed: Option<u64>,
    /// The load it waits for.
    pub(crate) loading: Option<u64>,
    /// What must be applied; `None` until the leader is confirmed.
    pub(crate) index: Option<u64>,
}

/// Who wants an answer from a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) node: NodeId,
    pub(crate) life: u64,
    /// The gateway's name for the request.
    pub(crate) number: u64,
}

impl Clone for Group {
    fn clone(&self) -> Group {
        Group {
            info: self.info.clone(),
            raft: self.raft.clone(),
            effects: Effects::new(self.effects.reached()), // Empty between steps.
            machine: self.machine.clone(),
            applied_term: self.applied_term,
            queue: self.queue.clone(),
            paused: self.paused,
            applying: self.applying,
            reads: self.reads.clone(),
            next_context: self.next_context,
            forwarded: self.forwarded.clone(),
            tick: self.tick,
            view: self.view.clone(),
            staging: self.staging.clone(),
            kept: self.kept,
            compared: self.compared.clone(),
            elections: self.elections,
            snapshots: self.snapshots,
            weight: self.weight,
            tables: self.tables.clone(),
        }
    }
}

impl Group {
    /// A replica from its core and state.
    pub(crate) fn new(info: Replica, raft: Raft, machine: Machine, kept: Kept) -> Group {
        let applied_term = raft.mark().term;
        let effects = Effects::new(kept.first);
        Group {
            info,
            raft,
            effects,
            machine,
            applied_term,
            queue: VecDeque::new(),
            paused: None,
            applying: false,
            reads: BTreeMap::new(),
            next_context: 0,
            forwarded: BTreeSet::new(),
            tick: None,
            view: None,
            staging: None,
            kept,
            compared: Compared::default(),
            elections: 0,
            snapshots: 0,
            weight: 0,
            tables: BTreeSet::new(),
        }
    }

    /// The oldest record this group still needs.
    pub(crate) fn oldest_record(&self) -> Position {
        self.raft.oldest_record().map_or(self.kept.first, |at| at.min(self.kept.first))
    }

    /// The node that leads, if known.
    pub fn leader_node(&self) -> Option<NodeId> {
        self.raft.leader().and_then(|replica| self.info.keyspace.node_of(replica))
    }

    /// How many voters this replica has heard from lately, of how many, and how many it needs.
    pub fn quorum(&self, now: Now) -> (usize, usize, usize) {
        let of = self.info.keyspace.members.len();
        (self.raft.quorum_heard(now.mono), of, protocol::quorum::majority(of))
    }

    pub(crate) fn status(&self, _now: Now) -> ReplicaStatus {
        ReplicaStatus {
            keyspace: self.info.keyspace.name.clone(),
            term: self.raft.term(),
            leader: self.leader_node(),
            leading: self.raft.is_leading(),
            applied: self.machine.applied(),
            last: self.raft.last_index(),
            keys: self.machine.keys().map_or(0, |keys| keys.db.len() as u64),
            elections: self.elections,
            snapshots: self.snapshots,
            quarantined: self.is_quarantined(),
            damaged: None,
        }
    }
}

//! The node: its identity, its replicas, its gateway.

use crate::api::{Config, Event, ReplicaStatus, Status};
use crate::catalog::{CATALOG_GROUP, Catalog};
use crate::gateway::Gateway;
use crate::group::Group;
use crate::message::{Content, GroupId, Identity, Lost, Packet};
use crate::throttle::Throttle;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use protocol::Effects;
use stdx::{Instant, NodeId, Now, Position, Prng, Timers};
use storage::Damage;

/// A whole node as one [`protocol::Protocol`].
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    /// The highest identity seen of each peer, durably.
    pub(crate) peers: BTreeMap<NodeId, Identity>,
    /// Peers whose refusal was reported already.
    pub(crate) refused: BTreeSet<NodeId>,
    /// Peers of which only packets of an earlier life come, and since when.
    pub(crate) outlived: BTreeMap<NodeId, Instant>,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    /// Groups whose records are damaged, and where: they exist but are not served.
    pub(crate) damaged: BTreeMap<GroupId, Lost>,
    /// What the log could not give back at this start: a replica whose creation may have been in it must not be
    /// created again.
    pub(crate) suspect: Vec<Damage>,
    /// Groups that have records, but none that says that they exist.
    pub(crate) orphans: BTreeSet<GroupId>,
    /// Who leads groups that have no replica here, as far as their members said.
    pub(crate) hints: BTreeMap<GroupId, NodeId>,
    /// Who is alive.
    pub(crate) alive: crate::peers::Peers,
    pub(crate) throttle: Throttle,
    pub(crate) timers: Timers<Timer>,
    pub(crate) rng: Prng,
    /// What the cores have said and nobody has handled yet; empty between steps.
    pub(crate) said: VecDeque<(GroupId, raft::Output)>,
    pub(crate) gateway: Gateway,
    /// Where the newest `Base` record stands.
    pub(crate) base_at: Position,
    /// Bytes of entries and chunks persisted in this life, to see who pins the log.
    pub(crate) logged: u64,
    pub(crate) steps: u64,
    /// The groups whose tables are on disk.
    pub(crate) on_disk: BTreeSet<GroupId>,
    /// Bytes of keys and entries in memory, of all groups.
    pub(crate) used: u64,
    /// Names tables.
    pub(crate) tables: u64,
}

/// What a node waits for. Deadlines are state: each name has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A group's consensus wants its deadline.
    Raft(GroupId),
    /// A key of a group that is led here is due.
    Expiry(GroupId),
    /// The earliest request must be answered with an error.
    Request,
    /// Requests without an answer are sent again.
    Retry,
    /// CLIENT PAUSE ends.
    Pause,
    /// Replicas are compared.
    Compare,
    /// To say that this node lives, and to look who does not.
    Alive,
    /// The next chunk of a snapshot may be sent.
    Transfer,
    /// Nobody reads on in the view of a backup.
    Backup(GroupId),
}

impl Node {
    /// A packet from this node in this life.
    pub(crate) fn packet(&self, content: Content) -> Packet {
        let Identity { cluster, disk, life, .. } = self.identity;
        Packet { cluster, disk, life, content }
    }

    /// The catalog as this node knows it.
    pub(crate) fn catalog(&self) -> &Catalog {
        let group = self.groups.get(&CATALOG_GROUP).expect("every member holds the catalog");
        group.machine.as_catalog().expect("the catalog's group holds the catalog")
    }

    /// Tells the operator. Early: it promises nothing.
    pub(crate) fn event(out: &mut Effects<Node>, event: Event) {
        out.output_early(crate::Output::Event(event));
    }

    /// What `/metrics`, `/readyz`, INFO and the CLI show.
    pub fn status(&self, now: Now) -> Status {
        let replicas: Vec<ReplicaStatus> =
            self.groups.values().map(|group| group.status(now)).chain(self.lost()).collect();
        Status {
            ready: replicas.iter().all(|r| r.leader.is_some() || r.damaged.is_some()),
            replicas,
            clients: self.gateway.conns.len(),
            commands: self.gateway.counters.commands,
            no_quorum: self.gateway.counters.no_quorum,
            unknown: self.gateway.counters.unknown,
            forwarded: self.gateway.counters.forwarded,
        }
    }

    fn lost(&self) -> impl Iterator<Item = ReplicaStatus> + '_ {
        self.damaged.values().map(|lost| ReplicaStatus {
            keyspace: lost.info.keyspace.name.clone(),
            damaged: Some(lost.place.clone()),
            ..ReplicaStatus::default()
        })
    }

    /// This node's identity in this life.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The replica of a group, to look at.
    pub fn group(&self, group: GroupId) -> Option<&Group> {
        self.groups.get(&group)
    }

    /// All replicas, to look at.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter().map(|(id, group)| (*id, group))
    }

    pub(crate) fn check_all(&self) {
        assert!(self.said.is_empty(), "a core's word was not heard");
        assert!(self.identity.life > 0, "a node without a life");
        for (id, group) in &self.groups {
            assert_eq!(*id, group.info.group, "a group under another's number");
            let served = !self.halted(*id);
            assert!(!served || !self.damaged.contains_key(id), "a damaged group is served");
        }
        let next = self.gateway.deadlines.first().map(|(at, _)| *at);
        assert_eq!(self.timers.get(Timer::Request), next, "a deadline that wakes nobody");
        self.gateway.check();
        // Deep checks cost as much as there is state: every so many steps.
        if self.steps.is_multiple_of(4096) {
            self.groups.values().for_each(|group| group.machine.check());
        }
    }
}

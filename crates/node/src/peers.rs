//! Which peers are alive: one small packet at most to each of them and interval, whatever the number of groups.
//!
//! Quiet groups (`raft::quiet`) have no deadlines: this node listens in their place. When a peer that leads has been
//! silent for the shortest election timeout, or is heard in a new life, the quiet groups that it leads are woken
//! (`PeerDown`); when it is heard again, those led here greet it (`PeerUp`). Any packet of a peer shows that it
//! lives.
//!
//! So it is said only to those who listen, members of a group that is led here, and only if nothing else left for them
//! for an interval ([`Peers::told`]): each interval brings them a packet of one kind or the other, and either may be
//! lost. Of a node that leads nobody, nobody misses a packet; and if a quiet follower still takes it for its leader,
//! that silence wakes it, as it should.
//!
//! The packet is `Applying` of a group that there is not ([`ALIVE`]). Release 0.1 ignores that word from a peer, since
//! it is what a node says to itself; newer ones know by it that the sender understands quiet groups and reads at
//! followers. Neither is used with a peer that has not said so in its life: nodes of both releases work together.
//! Since a peer in a new life has not heard it, and nobody knows whether it arrived, it is said to each peer in every
//! [`ANYWAY`] intervals, whoever leads and whatever else was told.

use crate::message::{Content, GroupId};
use crate::state::{Node, Timer};
use alloc::collections::BTreeMap;
use protocol::{Effects, Input};
use raft::Request;
use stdx::{Duration, Instant, NodeId, Now};

/// No group has this number.
pub(crate) const ALIVE: GroupId = GroupId::MAX;

/// It is said once in so many intervals at least.
const ANYWAY: u32 = 16;

/// What is known of the other nodes in this life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(BTreeMap<NodeId, Peer>);

/// What is known of one.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    heard: Instant,
    silent: bool,
    /// When anything last left for it, and when [`ALIVE`] did.
    told: Instant,
    said: Option<Instant>,
    /// It said [`ALIVE`] in its present life.
    understands: bool,
}

impl Peers {
    /// Whether a peer understands what release 0.1 does not.
    pub(crate) fn understands(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(|peer| peer.understands)
    }

    /// Something leaves for the peer at once. What waits for the disk does not count: a slow one may hold it for long.
    pub(crate) fn told(&mut self, now: Now, node: NodeId) {
        if let Some(peer) = self.0.get_mut(&node) {
            peer.told = now.mono;
        }
    }

    /// When the peer is next to be told that this node lives, if it knows already that this one understands.
    fn due(&self, node: NodeId, listens: bool, interval: Duration) -> Option<Instant> {
        let Peer { told, said: Some(said), .. } = self.0.get(&node)? else { return None };
        let anyway = *said + interval * ANYWAY;
        Some(if listens { anyway.min(*told + interval) } else { anyway })
    }
}

impl Node {
    /// A packet of `from` was admitted; `before` is the life that was known of it until then.
    pub(crate) fn hear(
        &mut self,
        now: Now,
        from: NodeId,
        (before, life): (Option<u64>, u64),
        out: &mut Effects<Node>,
    ) {
        let reborn = before != Some(life);
        let peer = self.alive.0.entry(from).or_default();
        peer.heard = now.mono;
        let back = core::mem::take(&mut peer.silent);
        if reborn {
            // Perhaps with an older binary; and whatever it led, it leads no more.
            (peer.understands, peer.said) = (false, None);
            self.forget_sums(from);
            self.tell(now, from, |peer| Request::PeerDown { peer }, out);
        }
        if reborn || back {
            self.tell(now, from, |peer| Request::PeerUp { peer }, out);
        }
    }

    /// The peer understands what release 0.1 does not.
    pub(crate) fn hear_alive(&mut self, from: NodeId) {
        self.alive.0.entry(from).or_default().understands = true;
    }

    /// Tells the core of every group that the peer is a member of.
    fn tell(
        &mut self,
        now: Now,
        node: NodeId,
        request: impl Fn(NodeId) -> Request,
        out: &mut Effects<Node>,
    ) {
        let member = |group: &crate::Group| group.info.keyspace.replica_on(node);
        let told: Vec<(GroupId, NodeId)> =
            self.groups.iter().filter_map(|(id, group)| Some((*id, member(group)?))).collect();
        for (id, replica) in told {
            self.drive(now, id, Input::Request(request(replica)), out);
        }
    }

    /// Says to those who listen, and were told nothing else, that this node lives; notes which leader does not.
    pub(crate) fn alive(&mut self, now: Now, out: &mut Effects<Node>) {
        let (me, interval) = (self.identity.node, self.config.heartbeat);
        let peers = self.config.members.iter().map(|member| member.node).filter(|node| *node != me);
        let mut next = now.mono + interval;
        for node in peers {
            let due = self.alive.due(node, self.leads_on(node), interval);
            if let Some(at) = due.filter(|at| *at > now.mono) {
                next = next.min(at);
                continue;
            }
            // Early: it promises nothing.
            out.send_early(node, self.packet(Content::Applying { group: ALIVE }));
            if let Some(peer) = self.alive.0.get_mut(&node) {
                (peer.told, peer.said) = (now.mono, Some(now.mono));
            }
        }
        let patience = self.config.election.0;
        let leads_here = |node| self.groups.values().any(|group| group.leader_node() == Some(node));
        let fallen = |node: NodeId, peer: &Peer| {
            !peer.silent && now.mono.since(peer.heard) >= patience && leads_here(node)
        };
        let all = self.alive.0.iter();
        let silent: Vec<NodeId> =
            all.filter(|(node, peer)| fallen(**node, peer)).map(|(node, _)| *node).collect();
        for node in silent {
            self.alive.0.get_mut(&node).expect("just seen").silent = true;
            self.tell(now, node, |peer| Request::PeerDown { peer }, out);
        }
        self.listen_until(next);
    }

    /// Whether a group that is led here has a replica on the node.
    fn leads_on(&self, node: NodeId) -> bool {
        let member = |group: &crate::Group| group.info.keyspace.replica_on(node).is_some();
        self.groups.values().any(|group| group.raft.is_leading() && member(group))
    }

    /// Arms the interval; a node without peers needs none.
    pub(crate) fn listen_on(&mut self, now: Now) {
        self.listen_until(now.mono + self.config.heartbeat);
    }

    fn listen_until(&mut self, next: Instant) {
        self.timers.set(Timer::Alive, (self.config.members.len() > 1).then_some(next));
    }

    /// A group's deadline has passed. If it is led here, and all its nodes understand, it may go quiet instead.
    pub(crate) fn raft_due(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        use protocol::Protocol;
        let me = self.identity.node;
        let Some(group) = self.groups.get(&id) else { return };
        let members = &group.info.keyspace.members;
        if group.raft.is_leading()
            && members.iter().all(|(_, node)| *node == me || self.alive.understands(*node))
        {
            self.drive(now, id, Input::Request(Request::GoQuiet), out);
        }
        let due = |group: &crate::Group| group.raft.deadline().is_some_and(|at| at <= now.mono);
        if self.groups.get(&id).is_some_and(due) {
            self.drive(now, id, Input::Deadline, out);
        }
    }
}

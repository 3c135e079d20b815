//! All that can happen to a node, on one screen.

use crate::api::{Event, Request};
use crate::group::Asker;
use crate::message::{Content, Identity, Packet, Record};
use crate::peers::ALIVE;
use crate::state::{Node, Timer};
use core::hash::Hasher;
use protocol::{Effects, Input, Protocol, Renaming};
use stdx::{Digest, Duration, Instant, Mutant, NodeId, Now, Position, Prng};

/// Packets of an earlier life that come for longer are no late ones.
const OUTLIVED: Duration = Duration::from_secs(10);

impl Protocol for Node {
    type Config = crate::Start;
    type Message = Packet;
    type Request = Request;
    type Record = Record;
    type Output = crate::Output;

    fn recover(
        config: Self::Config,
        now: Now,
        rng: Prng,
        records: impl Iterator<Item = (Position, Record)>,
    ) -> Node {
        crate::recover::recover(config, now, rng, records)
    }

    fn step(&mut self, now: Now, input: Input<Node>, out: &mut Effects<Node>) {
        self.steps += 1;
        match input {
            Input::Message { from, message } => self.packet_from(now, from, message, out),
            Input::Request(Request::Open { conn, address }) => self.open(now, conn, address),
            Input::Request(Request::Commands { conn, commands }) => self.commands(conn, commands),
            Input::Request(Request::Written { conn }) => self.written(conn),
            Input::Request(Request::Closed { conn }) => self.closed(conn, out),
            Input::Request(Request::Table(answer)) => self.table_answered(now, answer, out),
            Input::Deadline => self.expired(now, out),
        }
        self.settle(now, out);
        self.pump_all(now, out);
        self.tend(out);
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn check(&self) {
        self.check_all();
    }

    fn digest(&self, names: &Renaming, into: &mut Digest) {
        for (id, group) in &self.groups {
            into.write_u64(*id);
            group.raft.digest(names, into);
            into.write_u64(group.machine.digest());
        }
    }
}

impl Node {
    fn packet_from(&mut self, now: Now, from: NodeId, packet: Packet, out: &mut Effects<Node>) {
        if from != self.identity.node {
            let before = self.peers.get(&from).map(|known| known.life);
            if !self.admit(now, from, &packet, out) {
                return;
            }
            self.hear(now, from, (before, packet.life), out);
        }
        match packet.content {
            Content::Raft { group, from: sender, to, message } => {
                let Some(held) = self.groups.get(&group) else { return }; // Not created here yet, or damaged.
                let member = held.info.keyspace.node_of(sender) == Some(from);
                let expected = member && held.info.replica == to;
                if expected && !self.unsealed(from, group, &message, out) {
                    self.drive(now, group, Input::Message { from: sender, message }, out);
                }
            }
            Content::Write { group, body } => self.forwarded_write(now, group, from, body, out),
            Content::Read { group, ticket, body } => {
                let asker = Asker { node: from, life: packet.life, number: ticket };
                self.start_read(now, group, (asker, false), body, out);
            }
            Content::Answer { group, number, life, outcome, .. } => {
                let any = self.config.planted.is(Mutant::AnswerOfEarlierLife);
                if any || life == self.identity.life {
                    self.answered(now, from, (group, number), outcome, out);
                }
            }
            Content::Compare { group, index } => self.compare_at(group, (index, from), out),
            Content::Sum { group, index, sum } => self.summed(now, group, (from, index, sum), out),
            Content::Diverged { group, index } => {
                let led = self.groups.get(&group).and_then(crate::Group::leader_node);
                if led == Some(from) {
                    self.quarantine(now, group, index, out);
                }
            }
            // What a node says to itself, another cannot say for it.
            Content::ChunkDurable { group } if from == self.identity.node => {
                self.chunk_durable(now, group, out);
            }
            Content::Loaded { group, ticket } if from == self.identity.node => {
                self.loaded(now, group, ticket, out);
            }
            Content::Applying { group: ALIVE } => self.hear_alive(from),
            Content::Applying { group } if from == self.identity.node => {
                self.go_on(now, group, out);
            }
            Content::ChunkDurable { .. } | Content::Loaded { .. } | Content::Applying { .. } => {}
        }
    }

    /// Whether to listen to a peer: it must be of this cluster, on the disk and in the life we know of it or in
    /// a later life. A node whose disk was lost has forgotten its votes; one restored from a backup as well.
    fn admit(&mut self, now: Now, from: NodeId, packet: &Packet, out: &mut Effects<Node>) -> bool {
        let Packet { cluster, disk, life, .. } = *packet;
        if cluster != self.identity.cluster {
            let name = &self.config.cluster;
            return self.refuse(from, format!("it is not of cluster {name}"), out);
        }
        if !self.config.members.iter().any(|member| member.node == from) {
            return self.refuse(from, "it is no member of this cluster".into(), out);
        }
        match self.peers.get(&from) {
            Some(known) if known.disk != disk => {
                let reason = "its disk is not the one it had: a node that lost its disk has forgotten its \
                              votes and must come back under a new id";
                return self.refuse(from, reason.into(), out);
            }
            Some(known) if known.life > life => {
                // From before its last start, and late; or from a disk that does not know of that start. Only the
                // latter goes on, with nothing of the newer life in between.
                let since = *self.outlived.entry(from).or_insert(now.mono);
                if now.mono.since(since) > OUTLIVED {
                    let reason = "it is in a life that is over: its disk was restored from an older copy and has \
                                  forgotten votes and acknowledgements; it must come back under a new id";
                    return self.refuse(from, reason.into(), out);
                }
                return false;
            }
            Some(known) if known.life == life => {
                if !self.outlived.is_empty() {
                    self.outlived.remove(&from);
                }
                return true;
            }
            _ => {}
        }
        let identity = Identity { node: from, cluster, disk, life };
        self.peers.insert(from, identity);
        out.persist(Record::Peer(identity));
        true
    }

    fn refuse(&mut self, peer: NodeId, reason: String, out: &mut Effects<Node>) -> bool {
        if self.refused.insert(peer) {
            Node::event(out, Event::PeerRefused { peer, reason });
        }
        false
    }

    fn expired(&mut self, now: Now, out: &mut Effects<Node>) {
        while let Some(timer) = self.timers.expired(now.mono) {
            match timer {
                Timer::Raft(group) => self.raft_due(now, group, out),
                Timer::Expiry(group) => self.expiry_passed(now, group, out),
                Timer::Request => self.deadlines(now),
                Timer::Retry => self.retry(now, out),
                Timer::Pause => self.unpause(),
                Timer::Compare => self.compare(now, out),
                Timer::Alive => self.alive(now, out),
                Timer::Transfer => self.go_on_sending(now, out),
                Timer::Backup(group) => self.drop_view(group, None),
            }
            self.settle(now, out);
        }
    }
}

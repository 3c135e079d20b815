//! Driving the replicas: inputs to their cores, what the cores say, entries applied, reads answered.

use crate::api::Event;
use crate::catalog::CATALOG_GROUP;
use crate::group::{Asker, PendingRead};
use crate::machine::NotYet;
use crate::message::{Content, GroupId, Record};
use crate::proposal::{Body, Item, Operation, Outcome, Proposal};
use crate::seal;
use crate::state::{Node, Timer};
use protocol::{Effects, Input, Protocol};
use raft::{Entry, Kind, Raft};
use stdx::{Mutant, NodeId, Now};

/// One step applies no more entries once they had this many bytes: a node that has much to catch up with must
/// still send heartbeats.
const APPLY_BYTES: usize = 256 << 10;

impl Node {
    /// Steps a group's core and passes on what it emits; what it says is queued for [`Node::settle`].
    pub(crate) fn drive(
        &mut self,
        now: Now,
        id: GroupId,
        input: Input<Raft>,
        out: &mut Effects<Node>,
    ) {
        if self.halted(id) {
            return;
        }
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.is_silenced(&input) {
            self.timers.set(Timer::Raft(id), None);
            return;
        }
        group.effects.rebase(out.reached());
        group.raft.step(now, input, &mut group.effects);
        group.raft.check();
        let said = group.effects.drain();
        for record in said.records {
            if let raft::Record::Entries { entries } = &record {
                self.logged += entries.iter().map(|e| e.bytes() as u64).sum::<u64>();
            }
            out.persist(Record::Raft { group: id, record });
        }
        let from = group.info.replica;
        let members = &group.info.keyspace;
        let identity = self.identity;
        let address = |to: NodeId, message: raft::Message| {
            let node = members.node_of(to)?;
            let content = Content::Raft { group: id, from, to, message };
            let (cluster, disk, life) = (identity.cluster, identity.disk, identity.life);
            Some((node, crate::message::Packet { cluster, disk, life, content }))
        };
        for (stamp, to, message) in said.sends {
            if let Some((node, packet)) = address(to, message) {
                out.forward(stamp, node, packet);
            }
        }
        for (to, message) in said.early_sends {
            if let Some((node, packet)) = address(to, message) {
                self.alive.told(now, node);
                out.send_early(node, packet); // The core argued for it.
            }
        }
        assert_eq!(said.outputs.len(), 0, "raft's outputs are all early (its lib.rs says why)");
        self.said.extend(said.early_outputs.map(|output| (id, output)));
        let deadline = group.raft.deadline();
        self.timers.set(Timer::Raft(id), deadline);
    }

    /// Handles all that the cores have said, and what follows from it, until nothing is left.
    pub(crate) fn settle(&mut self, now: Now, out: &mut Effects<Node>) {
        while let Some((id, output)) = self.said.pop_front() {
            match output {
                raft::Output::Committed { entries } => self.committed(now, id, entries, out),
                raft::Output::ReadReady { context, index } => {
                    self.read_ready(now, id, context, index, out);
                }
                raft::Output::ReadRefused { context, leader } => {
                    self.read_refused(now, id, context, leader, out);
                }
                // Proposals are answered within the same step: `propose` looks for these itself.
                raft::Output::Appended { .. } | raft::Output::Refused { .. } => {}
                raft::Output::ChangeRefused { .. } => {}
                raft::Output::NeedChunk { to, transfer, seq } => {
                    self.need_chunk(now, id, (to, transfer, seq), out);
                }
                raft::Output::TransferOver { to, transfer } => self.transfer_over(id, to, transfer),
                raft::Output::Chunk { mark, seq, bytes, last, .. } => {
                    self.stage_chunk(now, id, (mark, seq, bytes, last), out);
                }
                raft::Output::Install { mark } => {
                    self.install(id, &mark, out);
                    self.run_reads(now, id, out);
                    if id == CATALOG_GROUP {
                        self.catalog_changed(now, out);
                    }
                }
                raft::Output::Discard { .. } => {
                    self.groups.get_mut(&id).expect("its core just spoke").staging = None;
                }
                raft::Output::Leader { term, leader, leading } => {
                    self.leader_changed(now, id, (term, leader, leading), out);
                }
            }
        }
    }

    fn leader_changed(
        &mut self,
        now: Now,
        id: GroupId,
        (term, leader, leading): (u64, Option<NodeId>, bool),
        out: &mut Effects<Node>,
    ) {
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        group.tick = None;
        group.forwarded.clear();
        if leading || leader.is_none() {
            // Its sender's transfer ended with its leadership. Not when a leader is found: its first message
            // may be a whole snapshot, which is staged by now and installed next.
            group.staging = None;
        }
        if leading {
            group.elections += 1;
        } else if group.view.as_ref().is_some_and(crate::snapshot::View::is_backup) {
            group.view = None; // Its steps go to whoever leads now, and fail there.
            group.machine.thaw();
        }
        let keyspace = group.info.keyspace.name.clone();
        let leader = leader.and_then(|replica| group.info.keyspace.node_of(replica));
        Node::event(out, Event::Leader { keyspace, term, leader });
        self.watch_expiry(now, id);
        if leader.is_some() {
            self.rebuild(now, id, out);
            self.resubmit_group(now, id, out);
        }
        if id == CATALOG_GROUP {
            self.drive_declarations(now, out);
        }
    }

    /// Asks the core to append `body`; true if it did.
    pub(crate) fn propose(
        &mut self,
        now: Now,
        id: GroupId,
        body: Body,
        out: &mut Effects<Node>,
    ) -> Result<(), Option<NodeId>> {
        if self.halted(id) {
            return Err(None);
        }
        let (seed, limit) = (self.rng.next_u64(), self.config.max_value);
        let full = self.is_full() && !self.on_disk.contains(&id);
        let mut body = body;
        if full && let Operation::Batch(items) = body.operation {
            let adds = items.iter().any(Item::may_add);
            body.operation =
                if adds { Operation::BatchFull(items) } else { Operation::Batch(items) };
        }
        let Some(group) = self.groups.get_mut(&id) else { return Err(None) };
        if group.is_quarantined() {
            return Err(None);
        }
        let stamp = now.wall.max(group.machine.time());
        let tick = body.operation == Operation::Tick;
        let size = body.operation.bytes();
        let payload = seal::command(id, &Proposal { stamp, seed, limit, body }, size);
        group.next_context += 1;
        let context = group.next_context;
        let before = self.said.len();
        self.drive(now, id, Input::Request(raft::Request::Propose { context, payload }), out);
        let answer = self.said.iter().skip(before).find_map(|(_, output)| match output {
            raft::Output::Appended { context: c, index, .. } if *c == context => Some(Ok(*index)),
            raft::Output::Refused { context: c, leader } if *c == context => Some(Err(*leader)),
            _ => None,
        });
        let group = self.groups.get_mut(&id).expect("just driven");
        match answer.expect("a proposal is answered within its step") {
            Ok(index) => {
                if tick {
                    group.tick = Some(index);
                }
                Ok(())
            }
            Err(leader) => Err(leader.and_then(|replica| group.info.keyspace.node_of(replica))),
        }
    }

    fn committed(&mut self, now: Now, id: GroupId, entries: Vec<Entry>, out: &mut Effects<Node>) {
        self.groups.get_mut(&id).expect("its core just spoke").queue.extend(entries);
        self.rebuilt(now, id, out); // If it waited for these.
        self.apply(now, id, out);
    }

    /// Applies what is committed, until a key must be loaded; then what waited for it.
    pub(crate) fn apply(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let planted = self.config.planted;
        let mut applied = false;
        let mut bytes = 0;
        let limit = self.cache_limit();
        loop {
            let Some(group) = self.groups.get_mut(&id) else { return };
            if group.paused.is_some() || group.applying || group.is_behind(limit) {
                break;
            }
            if bytes > APPLY_BYTES && !group.queue.is_empty() {
                group.applying = true;
                // Early: it promises nothing.
                out.send_early(self.identity.node, self.packet(Content::Applying { group: id }));
                break;
            }
            let Some(entry) = group.queue.pop_front() else { break };
            bytes += entry.bytes();
            let Kind::Command(payload) = &entry.kind else {
                group.machine.skip(entry.index);
                group.applied_term = entry.term;
                applied = true;
                self.sum_if_due(id, out);
                continue;
            };
            let proposal = match seal::open(id, payload, planted) {
                Ok(proposal) => proposal,
                // It would differ from every replica that can read it: serving no more is the only safe answer.
                Err(broken) => {
                    let place = format!("entry {} of group {id}: {broken}", entry.index);
                    return self.serve_no_more(now, id, place, out);
                }
            };
            if let Err(ticket) = group.machine.prepare_entry(&proposal, group.queue.iter()) {
                group.queue.push_front(entry);
                group.paused = Some(ticket);
                self.load(id, ticket, out);
                break;
            }
            let outcome = group.machine.apply(entry.index, &proposal);
            group.applied_term = entry.term;
            applied = true;
            let asked = group.compared.due.is_some_and(|(index, _)| index == entry.index);
            if let Some(session) = proposal.body.session {
                group.forwarded.remove(&(session.node, session.life, session.sequence));
                let asker =
                    Asker { node: session.node, life: session.life, number: session.sequence };
                self.answer_write(now, id, asker, outcome, out);
            }
            if asked {
                self.sum_if_due(id, out);
            }
        }
        if applied {
            self.applied(now, id, out);
        }
    }

    fn applied(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let group = self.groups.get_mut(&id).expect("just applied");
        if group.tick.is_some_and(|index| index <= group.machine.applied()) {
            group.tick = None;
        }
        self.weigh(id);
        self.run_reads(now, id, out);
        self.watch_expiry(now, id);
        if id == CATALOG_GROUP {
            self.catalog_changed(now, out);
        }
        self.maybe_snapshot(id, out);
    }

    /// The next turn has come for a group that had more to apply than one step may.
    pub(crate) fn go_on(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.applying = false;
            self.apply(now, id, out);
        }
    }

    /// A table in memory has what it misses (in the simulator) once the node says so to itself; one on disk
    /// has asked its engine.
    fn load(&self, id: GroupId, ticket: u64, out: &mut Effects<Node>) {
        if !self.on_disk.contains(&id) {
            // Early: a load promises nothing.
            let content = Content::Loaded { group: id, ticket };
            out.send_early(self.identity.node, self.packet(content));
        }
    }

    /// A missing entry was loaded.
    pub(crate) fn loaded(&mut self, now: Now, id: GroupId, ticket: u64, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if let Some(keys) = group.machine.keys_mut() {
            keys.db.loaded(ticket);
        }
        if group.paused == Some(ticket) {
            group.paused = None;
        }
        let waiting = group.reads.values_mut().filter(|read| read.loading == Some(ticket));
        waiting.for_each(|read| read.loading = None);
        self.apply(now, id, out);
        self.run_reads(now, id, out);
    }

    /// Tells the gateway what became of its write: ours directly, another's if this replica leads.
    fn answer_write(
        &mut self,
        now: Now,
        id: GroupId,
        asker: Asker,
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        if asker.node == self.identity.node {
            // What a replica in quarantine computes is nobody's answer: the leader's comes.
            if asker.life == self.identity.life && !self.groups[&id].is_quarantined() {
                self.resolve(now, asker.number, outcome, out);
            }
        } else if self.groups[&id].raft.is_leading() {
            self.send_answer(id, asker, outcome, out);
        }
    }

    fn send_answer(
        &self,
        group: GroupId,
        Asker { node, life, number }: Asker,
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        // Early: it speaks of committed state, or of something that was not done here.
        let content = Content::Answer { group, number, life, outcome };
        out.send_early(node, self.packet(content));
    }

    pub(crate) fn answer_read(
        &mut self,
        now: Now,
        id: GroupId,
        asker: Asker,
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        if asker.node == self.identity.node {
            self.resolve(now, asker.number, outcome, out);
        } else {
            self.send_answer(id, asker, outcome, out);
        }
    }

    /// Another node's gateway asks for a write.
    pub(crate) fn forwarded_write(
        &mut self,
        now: Now,
        id: GroupId,
        from: NodeId,
        body: Body,
        out: &mut Effects<Node>,
    ) {
        let Some(session) = body.session else { return }; // Only what can be told from its retry.
        let asker = Asker { node: from, life: session.life, number: session.sequence };
        if session.node != from {
            return; // Another's session.
        }
        let name = (session.node, session.life, session.sequence);
        if self.groups.get(&id).is_some_and(|group| group.forwarded.contains(&name)) {
            return; // A retry of what is in the log already: its answer comes when it is applied.
        }
        match self.propose(now, id, body, out) {
            Ok(()) => {
                let group = self.groups.get_mut(&id).expect("just proposed to");
                group.forwarded.insert(name);
            }
            Err(leader) => {
                self.send_answer(id, asker, Outcome::NotLeader(leader), out);
            }
        }
    }

    /// Someone asks for a linearizable read; answered once confirmed and applied. A follower asks its leader if the
    /// read is to be answered `here`, and refuses it otherwise.
    pub(crate) fn start_read(
        &mut self,
        now: Now,
        id: GroupId,
        (asker, here): (Asker, bool),
        body: Body,
        out: &mut Effects<Node>,
    ) {
        let planted = self.config.planted;
        let served = self.groups.get_mut(&id).filter(|group| !group.is_quarantined());
        let Some(group) = served else {
            self.answer_read(now, id, asker, Outcome::NotLeader(None), out);
            return;
        };
        group.next_context += 1;
        let context = group.next_context;
        let index = planted.is(Mutant::ReadAtFollower).then(|| group.machine.applied());
        let read = PendingRead { asker, body, wall: None, seed: None, loading: None, index };
        group.reads.insert(context, read);
        if index.is_some() {
            self.run_read(now, id, context, out);
            return;
        }
        let request = if here {
            raft::Request::ReadHere { context }
        } else {
            raft::Request::Read { context }
        };
        self.drive(now, id, Input::Request(request), out);
    }

    fn read_ready(
        &mut self,
        now: Now,
        id: GroupId,
        context: u64,
        index: u64,
        out: &mut Effects<Node>,
    ) {
        let planted = self.config.planted;
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        let Some(read) = group.reads.get_mut(&context) else { return };
        read.index = Some(if planted.is(Mutant::ReadBeforeApply) { 0 } else { index });
        self.run_read(now, id, context, out);
    }

    fn read_refused(
        &mut self,
        now: Now,
        id: GroupId,
        context: u64,
        leader: Option<NodeId>,
        out: &mut Effects<Node>,
    ) {
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        let leader = leader.and_then(|replica| group.info.keyspace.node_of(replica));
        if let Some(read) = group.reads.remove(&context) {
            self.answer_read(now, id, read.asker, Outcome::NotLeader(leader), out);
        }
    }

    /// Answers the confirmed reads that the state has reached.
    fn run_reads(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get(&id) else { return };
        let contexts: Vec<u64> = group.reads.keys().copied().collect();
        for context in contexts {
            self.run_read(now, id, context, out);
        }
    }

    fn run_read(&mut self, now: Now, id: GroupId, context: u64, out: &mut Effects<Node>) {
        let seed = self.rng.next_u64();
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.is_quarantined() {
            if let Some(read) = group.reads.remove(&context) {
                self.answer_read(now, id, read.asker, Outcome::NotLeader(None), out);
            }
            return;
        }
        let applied = group.machine.applied();
        let Some(read) = group.reads.get_mut(&context) else { return };
        if read.index.is_none_or(|index| index > applied) || read.loading.is_some() {
            return; // Not confirmed, or not there yet.
        }
        let wall = *read.wall.get_or_insert(now.wall);
        let seed = *read.seed.get_or_insert(seed);
        if let Operation::Export(export) = &read.body.operation {
            let (asker, export) = (read.asker, export.clone());
            group.reads.remove(&context);
            let outcome = self.export(now, id, &export);
            self.answer_read(now, id, asker, outcome, out);
            return;
        }
        match group.machine.read(wall, seed, &read.body) {
            Ok(outcome) => {
                let read = group.reads.remove(&context).expect("just seen");
                self.answer_read(now, id, read.asker, outcome, out);
            }
            Err(NotYet::Missing(ticket)) => {
                read.loading = Some(ticket);
                self.load(id, ticket, out);
            }
            Err(NotYet::Short) => {
                if let Some(keys) = group.machine.keys_mut() {
                    keys.db.look_again();
                }
                self.run_read(now, id, context, out);
            }
            Err(NotYet::Due) => self.tick(now, id, out),
        }
    }
}

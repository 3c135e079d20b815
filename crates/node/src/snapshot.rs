//! Snapshots: written to the node's log, sent to a lagging follower, received and staged; and which records of
//! the log may go.
//!
//! A snapshot is a sequence of `Chunk` records followed by raft's `Mark` record: it counts from the moment the
//! mark is durable, and because the log keeps the order, the chunks are then durable as well. A chunk follows
//! when the one before it is durable, so a snapshot never holds more than one chunk of the log's bandwidth.

use crate::api::Event;
use crate::group::Group;
use crate::machine::Machine;
use crate::message::{Content, GroupId, Record};
use crate::seal::{Broken, Chunks};
use crate::state::Node;
use data::Db;
use protocol::{Effects, Input};
use raft::Mark;
use stdx::{Bytes, Mutant, NodeId, Now, Planted, Position};
use storage::Lookup;

/// A log may outweigh the state so many times while a view is frozen for a follower.
const TOO_LONG: u64 = 4;

/// A frozen view of a group's state, read chunk by chunk.
#[derive(Clone, Debug)]
pub(crate) struct View {
    mark: Mark,
    purpose: Purpose,
    chunks: Chunks,
    /// Read, and not sealed yet: that takes knowing whether another follows.
    made: Option<Bytes>,
    /// What follows `made`.
    next: Lookup<Bytes>,
    /// The number of a chunk that is wanted as soon as it can be sealed.
    wanted: Option<u64>,
    /// The chunk given last, for a follower that did not get it.
    given: Option<Bytes>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Our own log; where its first chunk stands.
    Write { first: Position },
    /// A follower, and raft's name for the transfer.
    Send { to: NodeId, transfer: u64 },
    /// A backup, under its asker's name for it.
    Backup { backup: u64 },
}

impl View {
    /// Whether it was frozen for this backup.
    pub(crate) fn serves(&self, backup: u64) -> bool {
        self.purpose == Purpose::Backup { backup }
    }

    /// Whether it was frozen for any backup.
    pub(crate) fn is_backup(&self) -> bool {
        matches!(self.purpose, Purpose::Backup { .. })
    }

    /// The first chunk and the position, as long as nothing later was asked for.
    pub(crate) fn first(&self) -> Option<(Bytes, &Mark)> {
        let first = self.given.clone().filter(|_| self.chunks.next() == 1)?;
        Some((first, &self.mark))
    }

    /// Makes and seals the next chunk, if there is one; missing while the engine reads it, or the one behind it.
    /// A backup has checksums of its own, and gets it plain.
    fn advance(&mut self, machine: &mut Machine, chunk_bytes: usize) -> Lookup<Bytes> {
        if self.made.is_none()
            && let Lookup::Ready(next) = &mut self.next
        {
            let Some(content) = next.take() else { return Lookup::Ready(None) };
            self.made = Some(content);
            self.next = machine.next_chunk(chunk_bytes);
        }
        if let Lookup::Missing(ticket) = self.next {
            return Lookup::Missing(ticket);
        }
        let content = self.made.take().expect("made above, or before");
        let sealed = self.chunks.seal(&content, self.is_over());
        let bytes = if self.is_backup() { content } else { sealed };
        self.bytes += bytes.len() as u64;
        self.given = Some(bytes.clone());
        Lookup::Ready(Some(bytes))
    }

    /// Whether every chunk was sealed.
    fn is_over(&self) -> bool {
        self.made.is_none() && self.next == Lookup::Ready(None)
    }

    /// Whether the next chunk is on its way from the engine.
    pub(crate) fn is_being_read(&self) -> bool {
        matches!(self.next, Lookup::Missing(_))
    }

    /// Chunk `seq`, and whether it is the last: the next one, or the one given last once more.
    pub(crate) fn give(
        &mut self,
        machine: &mut Machine,
        seq: u64,
        chunk_bytes: usize,
    ) -> Option<(Bytes, bool)> {
        if seq == self.chunks.next()
            && let Lookup::Missing(_) = self.advance(machine, chunk_bytes)
        {
            self.wanted = Some(seq);
            return None;
        }
        if seq.checked_add(1) != Some(self.chunks.next()) {
            return None; // Not a chunk that anyone in step could want.
        }
        Some((self.given.clone().expect("given before"), self.is_over()))
    }
}

/// A snapshot on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    mark: Mark,
    loading: Loading,
    first: Position,
    bytes: u64,
}

/// A state that is built from the chunks of a snapshot, each verified before it is used.
#[derive(Clone, Debug)]
pub(crate) struct Loading {
    pub(crate) index: u64,
    pub(crate) machine: Machine,
    chunks: Chunks,
}

impl Staging {
    /// The state so far.
    pub(crate) fn machine_mut(&mut self) -> &mut Machine {
        &mut self.loading.machine
    }
}

impl Loading {
    /// From the first chunk of the snapshot of `group` up to `index`. `db` is empty.
    pub(crate) fn begin(
        (group, index): (GroupId, u64),
        first: &[u8],
        db: Db,
        planted: Planted,
    ) -> Result<Loading, Broken> {
        let mut chunks = Chunks::new(group, index, planted);
        let machine = Machine::stage(chunks.open(first)?, db, planted)?;
        Ok(Loading { index, machine, chunks })
    }

    /// Adds the next chunk.
    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        Ok(self.machine.load(self.chunks.open(chunk)?)?)
    }

    /// Whether the state is that at `index`, as far as the chunks say which is the last.
    pub(crate) fn whole(&self) -> bool {
        self.chunks.complete() && self.machine.applied() == self.index
    }
}

/// Where the records of a group begin that the log must keep, beside those of its core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// The first chunk of the newest snapshot, or the group's first record.
    pub(crate) first: Position,
    /// How much this node had logged before `first`.
    pub(crate) logged: u64,
}

impl Kept {
    pub(crate) fn new(first: Position, logged: u64) -> Kept {
        Kept { first, logged }
    }
}

impl Node {
    /// Starts a snapshot of `id` if its log outweighs its state, or if it pins the log of the whole node.
    pub(crate) fn maybe_snapshot(&mut self, id: GroupId, out: &mut Effects<Node>) {
        let floor = self.config.snapshot_bytes;
        let limit = self.cache_limit();
        let Some(group) = self.groups.get(&id) else { return };
        let (log, least) = (group.raft.log_bytes() as u64, floor.max(group.snapshot_after(limit)));
        let outweighs = log > least;
        if log > TOO_LONG * least {
            self.give_up_sending(id);
        }
        let group = &self.groups[&id];
        if outweighs && group.machine.applied() > group.raft.mark().index && self.may_freeze(id) {
            self.write_snapshot(id, out);
        }
        // An idle group writes the snapshot it has once more, further on in the log.
        if let Some(pinning) = self.pinning(floor)
            && self.may_freeze(pinning)
        {
            self.write_snapshot(pinning, out);
        }
    }

    /// Writes a snapshot if one may be written: what is in memory is not what the log would bring back.
    pub(crate) fn snapshot_now(&mut self, id: GroupId, out: &mut Effects<Node>) {
        if self.may_freeze(id) {
            self.write_snapshot(id, out);
        }
    }

    /// Ends a transfer whose follower is too slow for what is written meanwhile: our own snapshot cannot be
    /// written while a view is frozen for it, and the log would grow for as long as it likes. The core starts over.
    fn give_up_sending(&mut self, id: GroupId) {
        let group = self.groups.get_mut(&id).expect("just seen");
        let sending = |view: &View| matches!(view.purpose, Purpose::Send { .. });
        if group.view.as_ref().is_some_and(sending) && !self.config.planted.is(Mutant::KeepView) {
            group.view = None;
            group.machine.thaw();
        }
    }

    fn may_freeze(&mut self, id: GroupId) -> bool {
        let group = self.groups.get_mut(&id).expect("just seen");
        let committed = group.raft.commit_index();
        if group.staging.as_ref().is_some_and(|staging| staging.mark.index <= committed) {
            group.staging = None; // The log has brought what the snapshot would have.
        }
        group.view.is_none()
            && !group.is_quarantined()
            && group.staging.is_none()
            && group.machine.applied() >= group.raft.mark().index
            && group.machine.applied() > 0
    }

    /// The group whose oldest record keeps the log long, if the log is several times what it need be.
    fn pinning(&self, floor: u64) -> Option<GroupId> {
        let state: u64 = self.groups.values().map(|group| group.machine.bytes()).sum();
        let (id, oldest) = self
            .groups
            .iter()
            .map(|(id, group)| (*id, group.kept.logged))
            .min_by_key(|(_, logged)| *logged)?;
        (self.logged - oldest > 4 * floor.max(state)).then_some(id)
    }

    fn freeze(&mut self, id: GroupId, purpose: Purpose) {
        let chunk_bytes = self.config.chunk_bytes;
        let group = self.groups.get_mut(&id).expect("frozen groups exist");
        assert!(group.view.is_none(), "two views of one group");
        let index = group.machine.applied();
        let configuration = group.raft.configuration_at(index).clone();
        let mark = Mark { index, term: group.applied_term, configuration };
        let header = group.machine.freeze();
        // A table on disk has yet to read its first chunk, but it has one if it has a key.
        let empty = group.machine.keys().is_none_or(|keys| keys.db.is_empty());
        let next = if empty { Lookup::Ready(None) } else { group.machine.next_chunk(chunk_bytes) };
        let mut chunks = Chunks::new(id, mark.index, self.config.planted);
        let sealed = chunks.seal(&header, empty);
        let plain = matches!(purpose, Purpose::Backup { .. });
        let first = if plain { Bytes::from(header) } else { sealed };
        let (bytes, given) = (first.len() as u64, Some(first));
        let view = View { mark, purpose, chunks, made: None, next, wanted: None, given, bytes };
        group.view = Some(view);
    }

    /// Freezes a view for a backup.
    pub(crate) fn freeze_for(&mut self, id: GroupId, backup: u64) {
        self.freeze(id, Purpose::Backup { backup });
    }

    fn write_snapshot(&mut self, id: GroupId, out: &mut Effects<Node>) {
        let first = out.reached();
        self.freeze(id, Purpose::Write { first });
        let view = self.groups[&id].view.as_ref().expect("just frozen");
        let bytes = view.given.clone().expect("the header is given first");
        self.logged += bytes.len() as u64;
        out.persist(Record::Chunk { group: id, index: view.mark.index, seq: 0, bytes });
        out.send(self.identity.node, self.packet(Content::ChunkDurable { group: id }));
        if self.config.planted.is(Mutant::ReleaseEarly) {
            out.release(first);
        }
    }

    /// A chunk of our own snapshot is durable: write the next, or the mark after the last.
    pub(crate) fn chunk_durable(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let chunk_bytes = self.config.chunk_bytes;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(view) = &mut group.view else { return }; // Overtaken by an installed snapshot.
        let Purpose::Write { first } = view.purpose else { return };
        let (seq, index) = (view.chunks.next(), view.mark.index);
        let advanced = view.advance(&mut group.machine, chunk_bytes);
        if let Lookup::Missing(_) = advanced {
            view.wanted = Some(seq);
            return;
        }
        if let Lookup::Ready(Some(bytes)) = advanced {
            view.given = None; // Nobody asks for it again.
            self.logged += bytes.len() as u64;
            out.persist(Record::Chunk { group: id, index, seq, bytes });
            out.send(self.identity.node, self.packet(Content::ChunkDurable { group: id }));
            return;
        }
        let View { mark, bytes, .. } = group.view.take().expect("just seen");
        group.machine.thaw();
        group.snapshots += 1;
        let keyspace = group.info.keyspace.name.clone();
        let index = mark.index;
        self.drive(now, id, Input::Request(raft::Request::Compact { mark }), out);
        if self.groups[&id].raft.mark().index != index {
            return; // Overtaken: the core has no use for it, and the chunks are needed by nobody.
        }
        Node::event(out, Event::Snapshot { keyspace, index, bytes, received: false });
        self.keep_from(id, first, bytes, out);
    }

    /// The group starts from a snapshot now: what is older may go once the mark is durable.
    fn keep_from(&mut self, id: GroupId, first: Position, bytes: u64, out: &mut Effects<Node>) {
        let logged = self.logged.saturating_sub(bytes);
        let group = self.groups.get_mut(&id).expect("snapshotted groups exist");
        assert!(first >= group.kept.first, "a snapshot older than the one before");
        group.kept = Kept::new(first, logged);
        self.base_at = out.persist(self.base());
        let oldest = self.groups.values().map(Group::oldest_record).min();
        out.release(oldest.unwrap_or(self.base_at).min(self.base_at));
    }

    /// Who this node is and what it holds, as one record.
    pub(crate) fn base(&self) -> Record {
        Record::Base {
            identity: self.identity,
            peers: self.peers.values().copied().collect(),
            replicas: self.groups.values().map(|group| group.info.clone()).collect(),
            lost: self.damaged.values().cloned().collect(),
        }
    }

    /// The leader's core wants a chunk for a follower.
    pub(crate) fn need_chunk(
        &mut self,
        now: Now,
        id: GroupId,
        (to, transfer, seq): (NodeId, u64, u64),
        out: &mut Effects<Node>,
    ) {
        let chunk_bytes = self.config.chunk_bytes;
        let purpose = Purpose::Send { to, transfer };
        if self.must_wait(now, id, (to, transfer, seq)) {
            return;
        }
        let Some(group) = self.groups.get_mut(&id) else { return }; // Damaged while it waited.
        if group.is_quarantined() {
            return;
        }
        match &group.view {
            Some(view) if view.purpose == purpose => {}
            // An older transfer to the same follower is over.
            Some(View { purpose: Purpose::Send { to: other, .. }, .. }) if *other == to => {
                group.view = None;
                group.machine.thaw();
            }
            // One view at a time: the core asks again.
            Some(_) => return,
            None => {}
        }
        if self.groups[&id].view.is_none() {
            if seq != 0 {
                return; // The view is gone; the core starts over when the follower says so.
            }
            self.freeze(id, purpose);
        }
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        let view = group.view.as_mut().expect("just frozen");
        let Some((bytes, last)) = view.give(&mut group.machine, seq, chunk_bytes) else { return };
        let mark = view.mark.clone();
        self.sent(now, bytes.len());
        let request = raft::Request::Chunk { to, transfer, mark, seq, bytes, last };
        self.drive(now, id, Input::Request(request), out);
    }

    /// More of a view may have been read from disk: gives it to whoever waits for it.
    pub(crate) fn view_read(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let chunk_bytes = self.config.chunk_bytes;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(view) = &mut group.view else { return };
        if !matches!(view.next, Lookup::Missing(_)) {
            return;
        }
        view.next = group.machine.next_chunk(chunk_bytes);
        if matches!(view.next, Lookup::Missing(_)) {
            return;
        }
        match (view.wanted.take(), view.purpose) {
            (None, _) | (Some(_), Purpose::Backup { .. }) => {} // It asks again.
            (Some(_), Purpose::Write { .. }) => self.chunk_durable(now, id, out),
            (Some(seq), Purpose::Send { to, transfer }) => {
                self.need_chunk(now, id, (to, transfer, seq), out);
            }
        }
    }

    /// A transfer is over: nobody wants its view any more.
    pub(crate) fn transfer_over(&mut self, id: GroupId, to: NodeId, transfer: u64) {
        self.forget_waiting(id, to, transfer);
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        if group.view.as_ref().is_some_and(|v| v.purpose == Purpose::Send { to, transfer }) {
            group.view = None;
            group.machine.thaw();
        }
    }

    /// A chunk arrived from the leader: stage and persist it; after the last one tell the core.
    pub(crate) fn stage_chunk(
        &mut self,
        now: Now,
        id: GroupId,
        (mark, seq, bytes, last): (Mark, u64, Bytes, bool),
        out: &mut Effects<Node>,
    ) {
        let at = out.reached();
        let info = self.groups[&id].info.clone();
        let db = self.empty_db(&info);
        let planted = self.config.planted;
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        if seq == 0 && group.view.take().is_some() {
            group.machine.thaw(); // One snapshot of a group at a time in the log: recovery pairs them.
        }
        let loaded = if seq == 0 {
            Loading::begin((id, mark.index), &bytes, db, planted).map(|loading| {
                group.staging = Some(Staging { mark: mark.clone(), loading, first: at, bytes: 0 });
            })
        } else {
            match &mut group.staging {
                Some(staging) if staging.mark == mark => staging.loading.add(&bytes),
                _ => return, // A chunk of a transfer that was dropped.
            }
        };
        if loaded.is_err() {
            group.staging = None; // Never installed: the core's transfer starves and starts over.
            return;
        }
        self.logged += bytes.len() as u64;
        let staging = group.staging.as_mut().expect("staged or added to");
        staging.bytes += bytes.len() as u64;
        let part = self.config.planted.is(Mutant::InstallPart);
        let complete = (last && staging.loading.whole()) || part;
        out.persist(Record::Chunk { group: id, index: mark.index, seq, bytes });
        if complete {
            self.drive(now, id, Input::Request(raft::Request::Installed { mark }), out);
        }
    }

    /// The core has accepted the staged snapshot: it becomes the state.
    pub(crate) fn install(&mut self, id: GroupId, mark: &Mark, out: &mut Effects<Node>) {
        let group = self.groups.get_mut(&id).expect("its core just spoke");
        let staging = group.staging.take().expect("installed what was staged");
        assert_eq!(staging.mark, *mark, "installed another snapshot than the one staged");
        assert!(mark.index >= group.machine.applied(), "a snapshot took the state back");
        group.view = None; // A view of the state that is gone.
        group.machine = staging.loading.machine;
        group.applied_term = mark.term;
        group.compared = Default::default(); // The leader's state, whatever the one before was.
        group.queue.clear();
        group.paused = None;
        group.reads.values_mut().for_each(|read| read.loading = None);
        group.snapshots += 1;
        let keyspace = group.info.keyspace.name.clone();
        let (index, bytes) = (mark.index, staging.bytes);
        Node::event(out, Event::Snapshot { keyspace, index, bytes, received: true });
        self.keep_from(id, staging.first, bytes, out);
        self.weigh(id);
    }
}

impl Machine {
    fn next_chunk(&mut self, chunk_bytes: usize) -> Lookup<Bytes> {
        match self.chunk(chunk_bytes) {
            Lookup::Ready(chunk) => Lookup::Ready(chunk.map(Bytes::from)),
            Lookup::Missing(ticket) => Lookup::Missing(ticket),
        }
    }
}

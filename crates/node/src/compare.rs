//! Do replicas that applied the same entries hold the same? Raft promises the same log; a bug in a command, a
//! flipped bit in memory or a table that lies would still make them differ, in silence.
//!
//! Every [`PERIOD`] the leader says what its state sums up to at an index (a sum kept by each change, so this
//! costs no scan). Each replica compares when its own state is at that very index, and answers with its own sum.
//! A replica that differs from what a majority has is told so. It is in quarantine from then on: it answers no
//! reads, proposes nothing, gives no snapshot or backup, and does not keep leading; it still votes and
//! acknowledges, since its log is not in doubt. It fetches the state from the leader as a backup does
//! (`backup`), applies what its own log holds after that, and is a replica as any again. If no sum has a
//! majority, nobody is believed: an event says so, and the operator decides.
//!
//! Meanwhile a scan in slices compares the sum with the entries themselves, so that a sum that is wrong, or
//! entries that changed under it, do not stay hidden.

use crate::api::Event;
use crate::backup::Export;
use crate::catalog::CATALOG_GROUP;
use crate::gateway::Owner;
use crate::group::Group;
use crate::machine::Machine;
use crate::message::{Content, GroupId};
use crate::proposal::{Operation, Outcome};
use crate::state::{Node, Timer};
use alloc::collections::BTreeMap;
use protocol::{Effects, Input};
use raft::Raft;
use stdx::{Duration, NodeId, Now};
use wire::resp::Reply;

/// How often replicas are compared.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// How many keys of each group a period's slice of the scan looks at.
const SLICE: usize = 10_000;

/// What a group knows about its replicas being equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    /// As the leader: the index under comparison, and the sums that came.
    index: u64,
    pub(crate) sums: BTreeMap<NodeId, u64>,
    /// As a follower: compare once the state is at this index, and tell this node.
    pub(crate) due: Option<(u64, NodeId)>,
    /// This replica is not what a majority is.
    pub(crate) quarantined: bool,
    /// The state that it will have instead.
    rebuild: Option<Rebuild>,
}

#[derive(Clone, Debug)]
struct Rebuild {
    backup: u64,
    seq: u64,
    machine: Option<Machine>,
    whole: bool,
}

impl Node {
    /// A period is over.
    pub(crate) fn compare(&mut self, now: Now, out: &mut Effects<Node>) {
        self.timers.set(Timer::Compare, Some(now.mono + PERIOD));
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            self.check_sum(id, out);
            self.ask_for_sums(id, out);
            self.rebuild(now, id, out); // In quarantine, and refused the last time.
        }
    }

    fn check_sum(&mut self, id: GroupId, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(keys) = group.machine.keys_mut() else { return };
        if keys.db.check_sum(SLICE) == Some(false) {
            let keyspace = group.info.keyspace.name.clone();
            Node::event(out, Event::SumWrong { keyspace });
        }
    }

    fn ask_for_sums(&mut self, id: GroupId, out: &mut Effects<Node>) {
        let me = self.identity.node;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let index = group.machine.applied();
        if !group.raft.is_leading() || group.compared.quarantined {
            return;
        }
        let sums = &group.compared.sums;
        let all = sums.len() == group.info.keyspace.members.len();
        let equal = sums.values().all(|sum| Some(sum) == sums.values().next());
        if index == group.compared.index && all && equal {
            return; // Nothing has changed since all were equal.
        }
        group.compared.index = index;
        group.compared.sums = [(me, group.machine.sum())].into();
        let members: Vec<NodeId> =
            group.info.keyspace.members.iter().map(|(_, node)| *node).collect();
        for node in members.into_iter().filter(|node| *node != me) {
            // Early: it asks about committed state.
            out.send_early(node, self.packet(Content::Compare { group: id, index }));
        }
    }

    /// A leader wants this replica's sum at `index`.
    pub(crate) fn compare_at(
        &mut self,
        id: GroupId,
        (index, from): (u64, NodeId),
        out: &mut Effects<Node>,
    ) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.machine.applied() <= index && group.info.keyspace.replica_on(from).is_some() {
            group.compared.due = Some((index, from));
            self.sum_if_due(id, out);
        }
    }

    /// The state has moved: it may be at the index that a leader asked about.
    pub(crate) fn sum_if_due(&mut self, id: GroupId, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some((index, from)) = group.compared.due else { return };
        if group.machine.applied() < index {
            return;
        }
        group.compared.due = None;
        if group.machine.applied() == index {
            let sum = group.machine.sum();
            let content = Content::Sum { group: id, index, sum };
            out.send_early(from, self.packet(content)); // Early: it speaks of committed state.
        }
    }

    /// A replica has answered the leader.
    pub(crate) fn summed(
        &mut self,
        now: Now,
        id: GroupId,
        (from, index, sum): (NodeId, u64, u64),
        out: &mut Effects<Node>,
    ) {
        let me = self.identity.node;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let members = group.info.keyspace.members.len();
        let known = group.info.keyspace.replica_on(from).is_some();
        if !group.raft.is_leading() || group.compared.index != index || !known {
            return;
        }
        group.compared.sums.insert(from, sum);
        let sums = group.compared.sums.clone();
        let has = |sum: u64| sums.values().filter(|other| **other == sum).count();
        let keyspace = group.info.keyspace.name.clone();
        match sums.values().find(|sum| has(**sum) >= protocol::quorum::majority(members)) {
            Some(right) => {
                for (node, _) in sums.iter().filter(|(_, sum)| *sum != right) {
                    if *node == me {
                        self.quarantine(now, id, index, out);
                    } else {
                        // Early: it says what a majority of replicas has computed.
                        out.send_early(*node, self.packet(Content::Diverged { group: id, index }));
                    }
                }
            }
            None if sums.len() == members => {
                Node::event(out, Event::NoMajority { keyspace, index });
            }
            None => {}
        }
    }

    /// A peer is in a new life: what its log brought back was compared with nothing yet.
    pub(crate) fn forget_sums(&mut self, node: NodeId) {
        self.groups.values_mut().for_each(|group| _ = group.compared.sums.remove(&node));
    }

    /// This replica is not what a majority is at `index`.
    pub(crate) fn quarantine(
        &mut self,
        now: Now,
        id: GroupId,
        index: u64,
        out: &mut Effects<Node>,
    ) {
        // Nobody is to get this state, not a client, a follower, or a start that finds it as a snapshot.
        self.end_view(id);
        // Its log is whole, only its state is not: another may lead at once. After this it is silent as a leader.
        self.drive(now, id, Input::Request(raft::Request::StepDown), out);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if !core::mem::replace(&mut group.compared.quarantined, true) {
            let keyspace = group.info.keyspace.name.clone();
            Node::event(out, Event::Diverged { keyspace, index });
        }
        self.rebuild(now, id, out);
    }

    /// Begins to fetch the state from whoever leads, unless that is under way.
    pub(crate) fn rebuild(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let backup = self.rng.next_u64();
        let Some(group) = self.groups.get_mut(&id) else { return };
        let idle = group.compared.quarantined && group.compared.rebuild.is_none();
        if !idle || group.raft.is_leading() || group.leader_node().is_none() {
            return;
        }
        group.compared.rebuild = Some(Rebuild { backup, seq: 0, machine: None, whole: false });
        self.rebuild_request(now, id, Export::Begin { backup }, out);
    }

    fn rebuild_request(&mut self, now: Now, id: GroupId, export: Export, out: &mut Effects<Node>) {
        let owner = Owner::Rebuild(id);
        self.request(now, id, (owner, false, Operation::Export(export)), out);
    }

    /// The leader has given a piece of its state, or refused.
    pub(crate) fn rebuild_step(
        &mut self,
        now: Now,
        id: GroupId,
        outcome: &Outcome,
        out: &mut Effects<Node>,
    ) {
        let Some(info) = self.groups.get(&id).map(|group| group.info.clone()) else { return };
        let (db, planted) = (self.empty_db(&info), self.config.planted);
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(rebuild) = &mut group.compared.rebuild else { return };
        let piece = match outcome {
            Outcome::Done(replies) => replies.first().and_then(piece),
            _ => None,
        };
        let taken = piece.and_then(|(chunk, last)| {
            match &mut rebuild.machine {
                None => rebuild.machine = Some(Machine::stage(chunk, db, planted).ok()?),
                Some(machine) => machine.load(chunk).ok()?,
            }
            Some(last)
        });
        let backup = rebuild.backup;
        match taken {
            None if rebuild.machine.is_some() && is_being_read(outcome) => {
                let export = Export::Chunk { backup, seq: rebuild.seq };
                self.rebuild_request(now, id, export, out);
            }
            // Refused, or unreadable: it begins anew after a period.
            None => group.compared.rebuild = None,
            Some(false) => {
                rebuild.seq += 1;
                let export = Export::Chunk { backup, seq: rebuild.seq };
                self.rebuild_request(now, id, export, out);
            }
            Some(true) => {
                rebuild.whole = true;
                self.rebuild_request(now, id, Export::End { backup }, out);
                self.rebuilt(now, id, out);
            }
        }
    }

    /// Takes the fetched state over, once this replica's own log reaches it: what follows is applied from there.
    pub(crate) fn rebuilt(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(Rebuild { machine: Some(machine), whole: true, .. }) = &group.compared.rebuild
        else {
            return;
        };
        let (index, commit) = (machine.applied(), group.raft.commit_index());
        if commit < index {
            return; // Entries on their way: once they are committed here, it is tried again.
        }
        let Some(term) = group.raft.term_at(index) else {
            group.compared.rebuild = None; // The log was cut meanwhile.
            return;
        };
        let rebuild = group.compared.rebuild.take().expect("just seen");
        group.machine = rebuild.machine.expect("just seen");
        group.applied_term = term;
        let later = |entry: &&raft::Entry| entry.index > index && entry.index <= commit;
        group.queue = group.raft.entries().filter(later).cloned().collect();
        (group.paused, group.view, group.staging) = (None, None, None);
        group.reads.values_mut().for_each(|read| read.loading = None);
        group.compared.quarantined = false;
        let keyspace = group.info.keyspace.name.clone();
        Node::event(out, Event::Rebuilt { keyspace, index });
        self.weigh(id);
        self.apply(now, id, out);
        if id == CATALOG_GROUP {
            self.catalog_changed(now, out);
        }
        self.snapshot_now(id, out);
    }
}

impl Compared {
    /// The state that a replica in quarantine will have.
    pub(crate) fn machine_mut(&mut self) -> Option<&mut Machine> {
        self.rebuild.as_mut().and_then(|rebuild| rebuild.machine.as_mut())
    }
}

impl Group {
    /// Whether an input is to be ignored: this replica leads what it must not be asked about, and by its silence
    /// the others take over.
    pub(crate) fn is_silenced(&self, input: &Input<Raft>) -> bool {
        let newer =
            matches!(input, Input::Message { message, .. } if message.term() > self.raft.term());
        self.is_quarantined() && self.raft.is_leading() && !newer
    }

    /// Whether this replica must not be read from.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.compared.quarantined
    }
}

/// Whether the leader is reading the chunk from disk: it has it before long.
fn is_being_read(outcome: &Outcome) -> bool {
    let Outcome::Done(replies) = outcome else { return false };
    matches!(replies.first(), Some(Reply::Error(text)) if text.starts_with("TRYAGAIN"))
}

/// The chunk in an answer, and whether it was the last.
fn piece(reply: &Reply) -> Option<(&[u8], bool)> {
    let Reply::Map(rows) = reply else { return None };
    let row =
        |name: &str| rows.iter().find(|(key, _)| *key == Reply::bulk(name)).map(|(_, value)| value);
    let Some(Reply::Bulk(chunk)) = row("chunk") else { return None };
    let last = row("last") == Some(&Reply::Int(1)) || row("keys") == Some(&Reply::Int(0));
    Some((chunk, last))
}

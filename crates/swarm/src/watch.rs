//! What an onlooker who sees all nodes at once demands of them.

use crate::boot::NodeBoot;
use crate::report::Counters;
use node::{Group, GroupId};
use sim::World;
use std::collections::BTreeMap;
use stdx::{NodeId, Position};

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Whether durability is looked at.
    witness: bool,
    leaders: BTreeMap<(GroupId, u64), NodeId>,
    newest: BTreeMap<GroupId, (u64, NodeId)>,
    digests: BTreeMap<(GroupId, u64), (u64, NodeId)>,
    /// Per replica: the applied index whose durability was looked at, and the one whose digest was.
    looked: BTreeMap<(NodeId, GroupId), (u64, u64)>,
    /// What each node had been through at the last look.
    changes: BTreeMap<NodeId, u64>,
}

impl Watch {
    pub(crate) fn new(witness: bool) -> Watch {
        Watch { witness, ..Watch::default() }
    }

    /// Looks at the nodes that may have changed since the last look. Election safety; what is applied anywhere is
    /// durable on a majority of its group; every so many indices, replicas are compared.
    pub(crate) fn look(
        &mut self,
        world: &World<NodeBoot>,
        (load, every): (bool, u64),
        counters: &mut Counters,
    ) -> Result<(), String> {
        for id in world.ids() {
            let changes = world.changes(id);
            if self.changes.insert(id, changes) == Some(changes) {
                continue;
            }
            let Some(core) = world.core(id) else { continue };
            for (group, replica) in core.groups() {
                let (term, leading) = (replica.raft.term(), replica.raft.is_leading());
                if leading {
                    self.leads(id, group, term, load, counters)?;
                }
                let applied = replica.machine.applied();
                let looked = self.looked.entry((id, group)).or_default();
                if self.witness && looked.0 != applied && applied > 0 {
                    looked.0 = applied;
                    let members = &replica.info.keyspace.members;
                    let members: Vec<NodeId> = members.iter().map(|(_, node)| *node).collect();
                    let term = replica.raft.term_at(applied);
                    durable(world, id, (group, &members), (applied, term))?;
                }
                self.compare_replica(id, (group, replica), every)?;
            }
        }
        Ok(())
    }

    fn leads(
        &mut self,
        id: NodeId,
        group: GroupId,
        term: u64,
        load: bool,
        counters: &mut Counters,
    ) -> Result<(), String> {
        match self.leaders.get(&(group, term)) {
            Some(other) if *other == id => return Ok(()),
            Some(other) => {
                return Err(format!(
                    "group {group} has two leaders in term {term}: {other} and {id}"
                ));
            }
            None => {}
        }
        self.leaders.insert((group, term), id);
        counters.add("elections", 1);
        let before = self.newest.get(&group).copied();
        if before.is_none_or(|(newest, _)| newest < term) {
            self.newest.insert(group, (term, id));
            let changed = before.is_some_and(|(_, leader)| leader != id);
            counters.add("leader changes under load", u64::from(changed && load));
        }
        Ok(())
    }

    /// Replicas that applied the same index are equal. What makes them differ is rarely undone: of the indices
    /// passed on the way, `every` so many are looked at.
    pub(crate) fn compare(&mut self, world: &World<NodeBoot>, every: u64) -> Result<(), String> {
        for id in world.ids() {
            let Some(core) = world.core(id) else { continue };
            for replica in core.groups() {
                self.compare_replica(id, replica, every)?;
            }
        }
        Ok(())
    }

    fn compare_replica(
        &mut self,
        id: NodeId,
        (group, replica): (GroupId, &Group),
        every: u64,
    ) -> Result<(), String> {
        let applied = replica.machine.applied();
        let looked = self.looked.entry((id, group)).or_default();
        if !applied.is_multiple_of(every) || looked.1 == applied {
            return Ok(());
        }
        looked.1 = applied;
        let digest = replica.machine.digest();
        let (first, of) = *self.digests.entry((group, applied)).or_insert((digest, id));
        if first != digest {
            return Err(format!(
                "nodes {of} and {id} differ although both applied {applied} of group {group}"
            ));
        }
        Ok(())
    }

    /// A node that starts again is looked at anew.
    pub(crate) fn restarted(&mut self, node: NodeId) {
        self.looked.retain(|(of, _), _| *of != node);
    }
}

fn durable(
    world: &World<NodeBoot>,
    seen_at: NodeId,
    (group, members): (GroupId, &[NodeId]),
    entry: (u64, Option<u64>),
) -> Result<(), String> {
    let shadow = &world.boot().shadow;
    let holds = |id: &NodeId| {
        let durable: Position = world.durable(*id);
        shadow.covers((*id, durable), group, entry)
    };
    let holders: Vec<NodeId> = members.iter().copied().filter(holds).collect();
    if holders.len() * 2 > members.len() {
        return Ok(());
    }
    Err(format!(
        "node {seen_at} applied entry {} of group {group}, which is durable only on {holders:?} of \
         {members:?}",
        entry.0
    ))
}

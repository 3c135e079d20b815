//! Raft: a few replicas, proposals and reads; figure 3.2 of the thesis in every state.

use crate::run::catching;
use protocol::{NodeId, NodeSet, Planted};
use raft::{Config, Entry, Kind, Output, Raft, Request};
use sim::explore::{Limits, Model, Progress, Report, Scope, Seen, Sometimes, View, explore};
use std::collections::BTreeMap;
use stdx::Duration;

/// A group of replicas.
#[derive(Clone, Copy, Debug)]
pub struct RaftWorld {
    /// How many.
    pub nodes: u64,
    /// Whether leaders are asked to read as well.
    pub reads: bool,
    /// Whether leaders are asked to change the members instead, from three to four to three: the last node joins as
    /// a learner, becomes a voter, and node 1 is removed.
    pub changes: bool,
    /// A named bug, for tests.
    pub planted: Planted,
}

/// What an onlooker remembers of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// What was committed, in order.
    chain: Vec<Fixed>,
    /// Who led which term.
    leaders: BTreeMap<u64, NodeId>,
    /// Up to where each replica that is up has handed entries to its host.
    applied: BTreeMap<NodeId, u64>,
    /// What was committed when a read that waits was asked.
    reads: BTreeMap<u64, usize>,
}

/// A committed entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fixed {
    term: u64,
    /// What the entry holds, as it is written.
    holds: Vec<u8>,
    what: What,
    /// The term of who first said so.
    told_in: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Noop,
    Command,
    /// Of members: whether node 1 is one of them, and whether they are joint.
    Members {
        first: bool,
        joint: bool,
    },
}

impl What {
    fn of(kind: &Kind) -> What {
        match kind {
            Kind::Noop => What::Noop,
            Kind::Command(_) => What::Command,
            Kind::Config(members) => {
                What::Members { first: members.contains(FIRST), joint: members.is_joint() }
            }
        }
    }
}

/// The node that a change of members removes in the end.
const FIRST: NodeId = NodeId(1);

impl Told {
    /// State machine safety: each index once a life, in order, and the same everywhere.
    fn commit(&mut self, node: NodeId, entries: &[Entry], told_in: u64) -> Result<(), String> {
        for Entry { index, term, kind } in entries {
            let applied = self.applied.entry(node).or_default();
            if *index != *applied + 1 {
                return Err(format!("state machine safety: {node:?} skips to {index}"));
            }
            *applied = *index;
            let (holds, what) = (wire::encode(kind), What::of(kind));
            let at = usize::try_from(*index).expect("few entries") - 1;
            match self.chain.get(at) {
                None => self.chain.push(Fixed { term: *term, holds, what, told_in }),
                Some(fixed) if fixed.term == *term && fixed.holds == holds => {}
                Some(_) => {
                    return Err(format!("state machine safety: {node:?} differs at {index}"));
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, node: NodeId, output: &Output, core: &Raft) -> Result<(), String> {
        match output {
            Output::Committed { entries } => self.commit(node, entries, core.term()),
            Output::Leader { term, leading: true, .. } => {
                let first = *self.leaders.entry(*term).or_insert(node);
                if first != node {
                    return Err(format!("election safety: {first:?} and {node:?} lead {term}"));
                }
                Ok(())
            }
            Output::ReadReady { context, index } => {
                let needed = self.reads.remove(context).unwrap_or(usize::MAX);
                if usize::try_from(*index).is_ok_and(|index| index < needed) {
                    return Err(format!("a stale read: of {index}, but {needed} was committed"));
                }
                Ok(())
            }
            Output::ReadRefused { context, .. } => {
                self.reads.remove(context);
                Ok(())
            }
            Output::Leader { leading: false, .. }
            | Output::Appended { .. }
            | Output::Refused { .. }
            | Output::ChangeRefused { .. }
            | Output::NeedChunk { .. }
            | Output::TransferOver { .. }
            | Output::Chunk { .. }
            | Output::Install { .. }
            | Output::Discard { .. } => Ok(()),
        }
    }
}

impl Model for RaftWorld {
    type Core = Raft;
    type Ghost = Told;

    fn nodes(&self) -> NodeSet {
        (1..=self.nodes).map(NodeId).collect()
    }

    fn config(&self, id: NodeId) -> Config {
        // One length: then a follower misses its leader exactly when its own deadline fires, and states that
        // differ only in when a timer was set have the same future.
        let timeout = Duration::from_millis(300);
        let planted = self.planted;
        Config { election: (timeout, timeout), planted, ..Config::new(id, self.founders()) }
    }

    fn ghost(&self) -> Told {
        Told::default()
    }

    fn requests(&self, _id: NodeId, core: &Raft, asked: u32) -> Vec<Request> {
        if !core.is_leading() {
            return Vec::new();
        }
        if self.changes {
            return self.next_change(core).into_iter().collect();
        }
        let context = u64::from(asked);
        let payload = asked.to_le_bytes()[..1].into();
        let mut requests = vec![Request::Propose { context, payload }];
        requests.extend(self.reads.then_some(Request::Read { context }));
        requests
    }

    fn watch(&self, told: &mut Told, node: NodeId, seen: &Seen<'_, Raft>) -> Result<(), String> {
        match seen {
            Seen::Asked(Request::Read { context }) => {
                told.reads.insert(*context, told.chain.len());
                Ok(())
            }
            Seen::Asked(_) => Ok(()),
            Seen::Output(output, core) => told.hear(node, output, core),
            Seen::Crashed => {
                told.applied.remove(&node);
                Ok(())
            }
            Seen::Restarted(core) => {
                told.applied.insert(node, core.mark().index);
                Ok(())
            }
        }
    }

    fn invariant(&self, view: &View<'_, RaftWorld>) -> Result<(), String> {
        let cores: Vec<(NodeId, &Raft)> =
            view.cores().filter_map(|(id, core)| Some((id, core?))).collect();
        for (at, (id, core)) in cores.iter().enumerate() {
            if core.is_leading() {
                is_complete(view.ghost(), *id, core)?;
            }
            for (other, with) in &cores[at + 1..] {
                logs_match((*id, core), (*other, with))?;
            }
        }
        Ok(())
    }

    fn marks(&self) -> Vec<Sometimes<RaftWorld>> {
        vec![
            ("a leader", |view| leaders(view) > 0),
            ("leaders of two terms at once", |view| leaders(view) > 1),
            ("a command is committed", |view| {
                view.ghost().chain.iter().any(|fixed| fixed.what == What::Command)
            }),
            ("a command is committed after its leader was replaced", |view| {
                let told = view.ghost();
                let replaced = |fixed: &Fixed| told.leaders.keys().any(|term| *term > fixed.term);
                told.chain.iter().any(|fixed| fixed.what == What::Command && replaced(fixed))
            }),
            ("a joint configuration is committed", |view| {
                let joint = |what| matches!(what, What::Members { joint: true, .. });
                view.ghost().chain.iter().any(|fixed| joint(fixed.what))
            }),
            ("it is left by another leader than the one that entered it", |view| {
                let members: Vec<&Fixed> = view.ghost().members().collect();
                let joint = |fixed: &Fixed| matches!(fixed.what, What::Members { joint: true, .. });
                members.windows(2).any(|two| joint(two[0]) && two[0].term < two[1].term)
            }),
            ("a change from three to four to three is whole", |view| view.ghost().is_removed()),
            ("a leader is removed", |view| {
                let told = view.ghost();
                let last = told.chain.last().map(|fixed| fixed.term);
                told.is_removed() && last.and_then(|term| told.leaders.get(&term)) == Some(&FIRST)
            }),
        ]
    }
}

impl Told {
    fn members(&self) -> impl Iterator<Item = &Fixed> {
        self.chain.iter().filter(|fixed| matches!(fixed.what, What::Members { .. }))
    }

    /// Whether node 1 is no member any more.
    fn is_removed(&self) -> bool {
        let last = self.members().last().map(|fixed| fixed.what);
        last == Some(What::Members { first: false, joint: false })
    }
}

impl RaftWorld {
    fn founders(&self) -> NodeSet {
        (1..=self.nodes - u64::from(self.changes)).map(NodeId).collect()
    }

    /// What a leader of these members is asked next.
    fn next_change(&self, core: &Raft) -> Option<Request> {
        let members = core.configuration();
        let joins: NodeSet = [NodeId(self.nodes)].into_iter().collect();
        let (all, nobody) = (self.nodes(), NodeSet::new());
        let (voters, learners) = if !core.is_settled() {
            return None;
        } else if members.voters == all {
            (all.iter().filter(|id| *id != FIRST).collect(), nobody)
        } else if members.voters == self.founders() {
            if members.learners.is_empty() { (self.founders(), joins) } else { (all, nobody) }
        } else {
            return None;
        };
        Some(Request::Change { context: 0, voters, learners })
    }
}

fn leaders(view: &View<'_, RaftWorld>) -> usize {
    view.cores().filter(|(_, core)| core.is_some_and(Raft::is_leading)).count()
}

/// Leader completeness: whoever leads a term holds all that was committed in earlier ones.
fn is_complete(told: &Told, id: NodeId, core: &Raft) -> Result<(), String> {
    for (fixed, index) in told.chain.iter().zip(1..) {
        if fixed.told_in <= core.term() && index > core.mark().index {
            let held = core.term_at(index);
            if held != Some(fixed.term) {
                return Err(format!("leader completeness: {id:?} leads without entry {index}"));
            }
        }
    }
    Ok(())
}

/// Log matching: where two logs agree on index and term, they agree on everything up to there.
fn logs_match((id, core): (NodeId, &Raft), (other, with): (NodeId, &Raft)) -> Result<(), String> {
    let both: Vec<(&Entry, &Entry)> = core
        .entries()
        .filter_map(|entry| Some((entry, with.entries().find(|e| e.index == entry.index)?)))
        .collect();
    let agreed = both.iter().rposition(|(a, b)| a.term == b.term).map_or(0, |at| at + 1);
    if both[..agreed].iter().any(|(a, b)| a != b) {
        return Err(format!("log matching: {id:?} and {other:?} differ before an equal term"));
    }
    Ok(())
}

/// [`explore`], for a binary whose panic hook asks [`crate::running`].
pub fn explore_raft(
    world: &RaftWorld,
    scope: &Scope,
    limits: &Limits,
    expired: &mut dyn FnMut(&Progress) -> bool,
) -> Report {
    catching(|| explore(world, scope, limits, expired))
}

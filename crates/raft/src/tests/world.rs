//! Random worlds: loss, duplication, reordering, crashes that lose what was not synced. What figure 3.2 of the thesis
//! promises is checked after every event.

use crate::{Config, Configuration, Inflight, Kind, Mark, Message, Output, Raft, Request};
use protocol::{Mutant, NodeId, NodeSet, Planted, Prng};
use sim::script::{Event, World};
use std::collections::BTreeMap;
use std::time::Duration;
use std::vec::Vec;

/// A committed entry, as first heard of, and the term of who said so.
struct Fixed {
    term: u64,
    kind: Kind,
    told_in: u64,
}

/// What runs saw; each must be above zero over all seeds.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub elections: u64,
    pub committed: u64,
    pub reads: u64,
    pub truncated: u64,
    pub installed: u64,
    pub compactions: u64,
    pub lost_records: u64,
    pub restarts: u64,
    /// Changes that were begun, and refused; joint configurations committed; elections for a leader that asked for it;
    /// leaders that their configuration removed.
    pub changes: u64,
    pub refused: u64,
    pub joint: u64,
    pub handed_over: u64,
    pub removed: u64,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        self.elections += other.elections;
        self.committed += other.committed;
        self.reads += other.reads;
        self.truncated += other.truncated;
        self.installed += other.installed;
        self.compactions += other.compactions;
        self.lost_records += other.lost_records;
        self.restarts += other.restarts;
        self.changes += other.changes;
        self.refused += other.refused;
        self.joint += other.joint;
        self.handed_over += other.handed_over;
        self.removed += other.removed;
    }
}

pub(super) struct Trial {
    world: World<Raft>,
    prng: Prng,
    nodes: Vec<NodeId>,
    founders: NodeSet,
    faults: bool,
    /// Whether members change.
    changes: bool,
    mood: Mood,
    chain: Vec<Fixed>,
    leaders: BTreeMap<u64, NodeId>,
    applied: BTreeMap<NodeId, u64>,
    last: BTreeMap<NodeId, u64>,
    /// Context of a read in flight: its node, and what was committed when it was asked.
    reads: BTreeMap<u64, (NodeId, u64)>,
    contexts: u64,
    /// Some of the messages sent, to come again.
    old: Vec<(NodeId, NodeId, Message)>,
    pub seen: Seen,
}

const CHUNKS: u64 = 3;

/// How one seed's world is: parts in a thousand.
struct Mood {
    lose: u64,
    duplicate: u64,
    /// The newest message overtakes the others.
    overtake: u64,
    crash: u64,
    restart: u64,
    /// A clock runs ahead to its deadline.
    rush: u64,
    compact: u64,
    /// A leader is cut off or crashes, and another stands.
    depose: u64,
    /// A message of long ago arrives again.
    echo: u64,
    /// The most milliseconds that pass at once.
    hop: u64,
}

impl Mood {
    fn new(prng: &mut Prng, faults: bool) -> Mood {
        if !faults {
            let (lose, duplicate, overtake, crash, rush) = (0, 0, 0, 0, 0);
            return Mood {
                lose,
                duplicate,
                overtake,
                crash,
                restart: 0,
                rush,
                compact: 10,
                depose: 0,
                echo: 0,
                hop: 2,
            };
        }
        Mood {
            lose: *prng.pick(&[0, 20, 150]),
            duplicate: *prng.pick(&[0, 20, 200]),
            overtake: *prng.pick(&[0, 100, 700]),
            crash: *prng.pick(&[0, 2, 10]),
            restart: *prng.pick(&[5, 50]),
            rush: *prng.pick(&[0, 2, 10, 30]),
            compact: *prng.pick(&[0, 2, 20]),
            depose: *prng.pick(&[0, 10, 30]),
            echo: *prng.pick(&[0, 0, 50, 200]),
            hop: *prng.pick(&[20, 60, 300]),
        }
    }
}

impl Trial {
    pub(super) fn new(seed: u64, sort: Sort, planted: Planted) -> Trial {
        let Sort { faults, changes } = sort;
        let mut prng = Prng::new(seed);
        let founders: NodeSet = (1..=*prng.pick(&[3, 3, 5])).map(NodeId).collect();
        let spare = if changes { 2 } else { 0 };
        let nodes: Vec<NodeId> = (1..=founders.len() as u64 + spare).map(NodeId).collect();
        let voters: NodeSet = nodes.iter().copied().collect();
        let inflight = Inflight { messages: 1 + prng.index(4), bytes: 200 };
        let (append, keep) = (*prng.pick(&[1, 1, 100, 1000]), *prng.pick(&[0, 100]));
        let all = founders.clone();
        let configure = move |id: NodeId| Config {
            priority: if changes { u8::try_from(id.0 % 3).expect("small") } else { 0 },
            max_append_bytes: append,
            max_inflight: inflight,
            keep_bytes: keep,
            planted,
            ..Config::new(id, all.clone())
        };
        let world = World::new(&voters, configure, prng.fork(1), planted);
        Trial {
            mood: Mood::new(&mut prng, faults),
            world,
            founders,
            faults,
            changes,
            chain: Vec::new(),
            leaders: BTreeMap::new(),
            applied: nodes.iter().map(|id| (*id, 0)).collect(),
            last: BTreeMap::new(),
            reads: BTreeMap::new(),
            contexts: 0,
            old: Vec::new(),
            seen: Seen::default(),
            prng,
            nodes,
        }
    }

    /// Faults first, then a healed world that must make progress.
    pub(super) fn run(mut self, steps: usize) -> Seen {
        for step in 0..steps {
            self.act();
            self.judge();
            if step % 32 == 0 {
                self.logs_match();
            }
        }
        self.heal();
        self.seen
    }

    fn act(&mut self) {
        let node = *self.prng.pick(&self.nodes);
        let Mood { crash, restart, rush, compact, depose, .. } = self.mood;
        if self.prng.chance(crash, 1000) {
            self.world.crash(node);
        } else if self.prng.chance(restart, 1000) {
            self.restart(node);
        } else if self.prng.chance(compact, 1000) {
            self.compact(node);
        } else if self.prng.chance(rush, 1000) {
            self.world.deadline(node);
        } else if self.prng.chance(depose, 1000) {
            let stands = |id: &NodeId| self.world.core(*id).is_some_and(|core| !core.is_leading());
            let heirs: Vec<NodeId> = self.nodes.iter().copied().filter(stands).collect();
            if !heirs.is_empty() {
                let heir = *self.prng.pick(&heirs);
                self.depose(heir);
            }
        } else if self.prng.chance(self.mood.echo, 1000) && !self.old.is_empty() {
            let (from, to, message) = self.prng.pick(&self.old).clone();
            self.world.inject(from, to, message);
        } else if self.faults && self.prng.chance(1, 1000) {
            let peer = *self.prng.pick(&self.nodes);
            self.world.request(node, Request::Unreachable { peer });
        }
        // Without faults time passes only when everything has arrived.
        let busy = self.world.links().next().is_some()
            || self.nodes.iter().any(|id| self.world.is_writing(*id));
        let choices = if busy && !self.faults { 8 } else { 10 };
        match self.prng.below(choices) {
            0..6 => self.network(),
            6..8 => {
                self.world.sync(node);
            }
            8 => self.time(),
            _ => self.ask(),
        }
    }

    /// Whoever leads falls silent, and `heir`, if it is another, stands as soon as a leader is not missed.
    fn depose(&mut self, heir: NodeId) {
        for node in self.nodes.clone() {
            self.world.wait(node, Duration::from_millis(300));
            if node == heir || !self.world.core(node).is_some_and(Raft::is_leading) {
                continue;
            }
            if self.prng.chance(1, 2) {
                self.world.crash(node);
            }
            for to in self.nodes.clone() {
                while self.prng.chance(7, 8) && self.world.lose(node, to, 0) {}
            }
        }
        self.world.deadline(heir);
    }

    fn restart(&mut self, node: NodeId) {
        if self.world.restart(node) {
            let core = self.world.core(node).expect("it is up");
            self.applied.insert(node, core.mark().index);
            self.seen.restarts += 1;
        }
    }

    fn network(&mut self) {
        let links: Vec<((NodeId, NodeId), usize)> = self.world.links().collect();
        if links.is_empty() {
            return;
        }
        let ((from, to), count) = *self.prng.pick(&links);
        const CROWDED: usize = 30;
        let overtakes = self.prng.chance(self.mood.overtake, 1000);
        let place = if overtakes { count - 1 } else { 0 };
        if count > CROWDED || self.prng.chance(self.mood.lose, 1000) {
            let place = self.prng.index(count);
            self.world.lose(from, to, place);
            return;
        }
        if self.prng.chance(self.mood.duplicate, 1000) {
            self.world.duplicate(from, to, place);
        }
        self.world.deliver(from, to, place);
    }

    fn time(&mut self) {
        let span = Duration::from_millis(self.prng.range(0, self.mood.hop));
        for id in self.nodes.clone() {
            self.world.wait(id, span);
            let now = self.world.now(id).expect("a node").mono;
            let due = |core: &Raft| protocol::Protocol::deadline(core).is_some_and(|at| at <= now);
            if self.world.core(id).is_some_and(due) {
                self.world.deadline(id);
            }
        }
    }

    fn ask(&mut self) {
        let leads = |id: &NodeId| self.world.core(*id).is_some_and(Raft::is_leading);
        let leaders: Vec<NodeId> = self.nodes.iter().copied().filter(leads).collect();
        let anyone = leaders.is_empty() || self.prng.chance(1, 10);
        let node = *self.prng.pick(if anyone { &self.nodes } else { &leaders });
        self.contexts += 1;
        let context = self.contexts;
        if self.changes && self.prng.chance(1, 5) {
            self.reorganize(node, context);
        } else if self.prng.chance(1, 2) {
            let burst = if self.prng.chance(1, 8) { 8 } else { 1 };
            for _ in 0..burst {
                let payload = context.to_le_bytes().as_slice().into();
                self.world.request(node, Request::Propose { context, payload });
            }
        } else {
            self.reads.insert(context, (node, self.chain.len() as u64));
            self.world.request(node, Request::Read { context });
        }
    }

    fn reorganize(&mut self, node: NodeId, context: u64) {
        let Some(core) = self.world.core(node) else { return };
        let last = core.last_index();
        // Without faults, nobody who would not win.
        let ready =
            |id: &NodeId| self.world.core(*id).is_some_and(|core| core.last_index() == last);
        let others = self.nodes.iter().copied().filter(|id| *id != node);
        let mut heirs: Vec<NodeId> = others.filter(|id| self.faults || ready(id)).collect();
        heirs.truncate(if self.faults { heirs.len() } else { 1 });
        let core = self.world.core(node).expect("it is up");
        let request = another(&mut self.prng, core.configuration(), &self.nodes, &heirs, context);
        if let Some(request) = request {
            self.world.request(node, request);
        }
    }

    /// The members as of a committed entry, by what was committed.
    fn members_at(&self, index: u64) -> Configuration {
        let upto = usize::try_from(index).expect("small");
        let brought = self.chain[..upto].iter().rev().find_map(|fixed| match &fixed.kind {
            Kind::Config(members) => Some(members.clone()),
            Kind::Noop | Kind::Command(_) => None,
        });
        brought.unwrap_or_else(|| Configuration::of(self.founders.clone()))
    }

    /// Whoever is told to stand holds all that its leader has.
    fn told_to_stand(&self, from: NodeId, to: NodeId) {
        let (Some(leader), Some(heir)) = (self.world.core(from), self.world.core(to)) else {
            return;
        };
        if leader.is_leading() && heir.term() == leader.term() {
            let last = leader.last_index();
            assert_eq!(heir.term_at(last), leader.term_at(last), "{to} shall lead without {last}");
        }
    }

    fn remember(&mut self, from: NodeId, to: NodeId, message: Message) {
        const KEPT: usize = 64;
        if self.mood.echo == 0 {
            return;
        }
        if self.old.len() < KEPT {
            self.old.push((from, to, message));
        } else if self
            .prng
            .chance(if matches!(message, Message::AppendAck { .. }) { 8 } else { 1 }, 40)
        {
            let place = self.prng.index(KEPT);
            self.old[place] = (from, to, message);
        }
    }

    fn mark(&self, index: u64) -> Mark {
        let at = usize::try_from(index).expect("small") - 1;
        let configuration = self.members_at(index);
        Mark { index, term: self.chain[at].term, configuration }
    }

    fn compact(&mut self, node: NodeId) {
        let applied = self.applied[&node];
        if applied > 0 && self.world.core(node).is_some_and(|core| core.mark().index < applied) {
            let mark = self.mark(applied);
            self.world.request(node, Request::Compact { mark });
            self.seen.compactions += 1;
        }
    }

    /// Judges what happened since the last call, and plays the hosts' part.
    fn judge(&mut self) {
        while !self.world.events.is_empty() {
            for event in std::mem::take(&mut self.world.events) {
                match event {
                    Event::Output(node, output) => self.output(node, output),
                    Event::Crashed(_, lost) => self.seen.lost_records += lost as u64,
                    Event::Sent(from, to, message) => {
                        match message {
                            Message::TimeoutNow { .. } => self.told_to_stand(from, to),
                            Message::Vote { transfer: true, .. } => self.seen.handed_over += 1,
                            _ => {}
                        }
                        self.remember(from, to, message);
                    }
                    Event::Delivered(..)
                    | Event::Dropped(..)
                    | Event::Wrote(..)
                    | Event::Synced(..)
                    | Event::Released(..)
                    | Event::Restarted(..) => {}
                }
            }
        }
        for node in self.nodes.clone() {
            let Some(core) = self.world.core(node) else { continue };
            let (last, before) = (core.last_index(), self.last.get(&node).copied());
            self.seen.truncated += u64::from(before.is_some_and(|before| last < before));
            self.last.insert(node, last);
        }
    }

    fn output(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Committed { entries } => self.committed(node, entries),
            Output::Leader { term, leading: true, .. } => {
                self.seen.elections += 1;
                let first = *self.leaders.entry(term).or_insert(node);
                assert_eq!(first, node, "election safety: two leaders in term {term}");
                self.leader_completeness();
            }
            Output::ReadReady { context, index } => {
                let (asked, needed) = self.reads.remove(&context).expect("a read answered twice");
                assert_eq!(asked, node, "a read answered by another node");
                assert!(index >= needed, "a stale read: {index} < {needed}");
                self.seen.reads += 1;
            }
            Output::ReadRefused { context, .. } => {
                self.reads.remove(&context).expect("a read answered twice");
            }
            Output::NeedChunk { to, transfer, seq } => {
                let core = self.world.core(node).expect("it asks");
                // A view is frozen with chunk 0; the mark names it from then on.
                let index = core.mark().index.max(1);
                let mark = self.mark(index);
                let (bytes, last) = ([0u8].as_slice().into(), seq + 1 == CHUNKS);
                self.world.request(node, Request::Chunk { to, transfer, mark, seq, bytes, last });
            }
            Output::Chunk { mark, last: true, .. } => {
                self.world.request(node, Request::Installed { mark });
            }
            Output::Install { mark } => {
                assert_eq!(self.mark(mark.index), mark, "a snapshot of another history");
                let before = self.applied.insert(node, mark.index);
                assert!(before < Some(mark.index), "a snapshot took {node} backwards");
                self.seen.installed += 1;
            }
            Output::ChangeRefused { .. } => self.seen.refused += 1,
            Output::Appended { .. }
            | Output::Refused { .. }
            | Output::TransferOver { .. }
            | Output::Chunk { .. }
            | Output::Discard { .. }
            | Output::Leader { .. } => {}
        }
    }

    /// State machine safety: each index once per life, in order, and the same everywhere.
    fn committed(&mut self, node: NodeId, entries: Vec<crate::Entry>) {
        let told_in = self.world.core(node).expect("it commits").term();
        for entry in entries {
            let applied = self.applied.get_mut(&node).expect("a node");
            assert_eq!(entry.index, *applied + 1, "{node} committed out of order");
            *applied = entry.index;
            let at = usize::try_from(entry.index).expect("small") - 1;
            if let Kind::Config(members) = &entry.kind
                && at == self.chain.len()
            {
                self.seen.changes += u64::from(!members.is_joint());
                self.seen.joint += u64::from(members.is_joint());
                let leads = self.world.core(node).is_some_and(Raft::is_leading);
                self.seen.removed += u64::from(leads && !members.contains(node));
            }
            if at == self.chain.len() {
                self.chain.push(Fixed { term: entry.term, kind: entry.kind, told_in });
                self.seen.committed += 1;
                self.leader_completeness();
            } else {
                let fixed = &self.chain[at];
                let same = fixed.term == entry.term && fixed.kind == entry.kind;
                assert!(same, "state machine safety: {node} differs at {}", entry.index);
            }
        }
    }

    /// Whoever leads a term holds everything committed in earlier ones.
    fn leader_completeness(&self) {
        for node in &self.nodes {
            let Some(core) = self.world.core(*node).filter(|core| core.is_leading()) else {
                continue;
            };
            for (at, fixed) in self.chain.iter().enumerate().rev().take(20) {
                let index = at as u64 + 1;
                if fixed.told_in <= core.term() && index > core.mark().index {
                    let held = core.term_at(index);
                    assert_eq!(held, Some(fixed.term), "leader completeness: {node} at {index}");
                }
            }
        }
    }

    /// Log matching: where two logs agree on index and term, they agree on all before.
    fn logs_match(&self) {
        let cores: Vec<&Raft> = self.nodes.iter().filter_map(|id| self.world.core(*id)).collect();
        for (at, a) in cores.iter().enumerate() {
            a.log.check_deep();
            for b in &cores[at + 1..] {
                let mut agreed = false;
                for entry in a.log.entries().collect::<Vec<_>>().into_iter().rev() {
                    let Some(other) = b.log.entries().find(|e| e.index == entry.index) else {
                        continue;
                    };
                    let same = entry == other;
                    assert!(same || entry.term != other.term, "log matching: {entry:?} {other:?}");
                    assert!(same || !agreed, "log matching: differ before an equal entry");
                    agreed |= same;
                }
            }
        }
    }

    /// Whether the group's members, as they are decided, have applied up to `goal`.
    fn members_have(&self, goal: u64) -> bool {
        let members = self.members_at(self.chain.len() as u64);
        let have = |id: NodeId| self.applied[&id] >= goal;
        !members.is_joint() && members.members().iter().all(have)
    }

    fn heal(&mut self) {
        for node in self.nodes.clone() {
            self.restart(node);
        }
        self.mood.hop = 20;
        let (goal, mut context) = (self.chain.len() as u64 + 3, u64::MAX / 2);
        for _ in 0..800 {
            for ((from, to), count) in self.world.links().collect::<Vec<_>>() {
                for _ in 0..count {
                    self.world.deliver(from, to, 0);
                    self.judge();
                }
            }
            for node in self.nodes.clone() {
                self.world.sync(node);
                let short = |core: &Raft| core.is_leading() && core.last_index() < goal;
                if self.world.core(node).is_some_and(short) {
                    context += 1;
                    let payload = [1u8].as_slice().into();
                    self.world.request(node, Request::Propose { context, payload });
                }
            }
            self.time();
            self.judge();
            if self.applied.values().max() >= Some(&goal) && self.members_have(goal) {
                self.logs_match();
                return;
            }
        }
        panic!("no progress in a healed world: applied {:?}, goal {goal}", self.applied);
    }
}

/// Another set of members, or another leader: one of `heirs`.
pub(super) fn another(
    prng: &mut Prng,
    now: &Configuration,
    nodes: &[NodeId],
    heirs: &[NodeId],
    context: u64,
) -> Option<Request> {
    let some = |prng: &mut Prng, from: Vec<NodeId>| -> NodeSet {
        from.into_iter().filter(|_| prng.chance(2, 3)).collect()
    };
    let Configuration { voters, learners, .. } = now.clone();
    let members: Vec<NodeId> = voters.iter().chain(learners.iter()).collect();
    Some(match prng.below(8) {
        0..3 => {
            let strangers = nodes.iter().copied().filter(|id| !members.contains(id)).collect();
            let joining = some(prng, strangers);
            let learners = learners.iter().chain(joining.iter()).collect();
            Request::Change { context, voters, learners }
        }
        3..6 => {
            let voters = some(prng, members.clone());
            let rest = members.into_iter().filter(|id| !voters.contains(*id)).collect();
            let learners = some(prng, rest);
            Request::Change { context, voters, learners }
        }
        6 => match heirs {
            [] => return None,
            [only] => Request::Transfer { to: *only },
            _ => Request::Transfer { to: *prng.pick(heirs) },
        },
        _ => Request::StepDown,
    })
}

/// What kind of world a seed is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sort {
    /// Messages are lost, nodes crash, clocks run ahead.
    pub faults: bool,
    /// Members change and leaders hand over.
    pub changes: bool,
}

pub(super) fn run(seed: u64, sort: Sort, planted: Planted) -> Seen {
    Trial::new(seed, sort, planted).run(if sort.faults { 4000 } else { 6000 })
}

#[test]
fn random_worlds_are_safe_and_recover() {
    let mut sum = Seen::default();
    for seed in 0..300 {
        sum.add(&run(seed, Sort { faults: true, changes: false }, Planted::NONE));
    }
    assert!(sum.elections > 300 && sum.committed > 3000 && sum.reads > 300, "{sum:?}");
    assert!(sum.truncated > 20 && sum.installed > 20 && sum.compactions > 300, "{sum:?}");
    assert!(sum.lost_records > 100 && sum.restarts > 300, "{sum:?}");
}

#[test]
fn groups_whose_members_change_are_safe_and_recover() {
    let mut sum = Seen::default();
    for seed in 0..400 {
        let faults = seed % 4 > 0;
        sum.add(&run(seed, Sort { faults, changes: true }, Planted::NONE));
    }
    assert!(sum.changes > 600 && sum.joint > 300 && sum.refused > 300, "{sum:?}");
    assert!(sum.handed_over > 100 && sum.removed > 30, "{sum:?}");
    assert!(sum.truncated > 20 && sum.installed > 20 && sum.lost_records > 100, "{sum:?}");
}

#[test]
fn equal_seeds_give_equal_runs() {
    let digest = |seed| {
        let sort = Sort { faults: true, changes: true };
        let mut trial = Trial::new(seed, sort, Planted::NONE);
        let mut into = protocol::Digest::default();
        for _ in 0..1000 {
            trial.act();
            trial.judge();
        }
        for id in &trial.nodes {
            if let Some(core) = trial.world.core(*id) {
                protocol::Protocol::digest(core, &protocol::Renaming::default(), &mut into);
            }
        }
        core::hash::Hasher::finish(&into)
    };
    assert_eq!(digest(7), digest(7));
    assert_ne!(digest(7), digest(8));
}

/// Bugs found in worlds whose members stay.
pub(super) const MUTANTS: [Mutant; 8] = [
    Mutant::VoteTwice,
    Mutant::ForgetVote,
    Mutant::AckBeforeSync,
    Mutant::CommitEarlierTerm,
    Mutant::ReadWithoutQuorum,
    Mutant::ReadBeforeNoop,
    Mutant::TruncateCommitted,
    Mutant::CountStaleAck,
];

/// Bugs found in worlds whose members change.
pub(super) const CHANGE_MUTANTS: [Mutant; 8] = [
    Mutant::CountItselfRemoved,
    Mutant::CountNewHalfOnly,
    Mutant::ConfigurationWhenCommitted,
    Mutant::KeepTruncatedConfiguration,
    Mutant::CountLearners,
    Mutant::CountStrangersVote,
    Mutant::TransferWithoutLog,
    Mutant::LeaveJointEarly,
];

//! Random worlds with leases, reads at followers, quiet spells and changes of members, in true time: each clock runs at
//! a rate of its own within the declared bound, nodes sleep, messages are late, lost, or arrive twice. No read may
//! miss what was committed before it was asked, wherever it is answered; and a healed world commits at every member,
//! and goes quiet.

use super::world::another;
use crate::{Config, Drift, Entry, Kind, Mark, Message, Output, Raft, Request};
use protocol::{Mutant, NodeId, NodeSet, Planted, Prng, Protocol};
use sim::script::{Event, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::vec::Vec;

/// What is declared, and what the clocks keep to: parts of a million. Wide, so that it matters within a few steps;
/// or narrow, so that it leaves no slack for other mistakes.
const DRIFTS: [u32; 2] = [1_000, 200_000];
const MILLION: u64 = 1_000_000;

/// What runs saw; each must be above zero over all seeds.
#[derive(Debug, Default)]
pub(super) struct Seen {
    elections: u64,
    committed: u64,
    /// Reads answered where they were asked, and without another message.
    leased: u64,
    confirmed: u64,
    at_followers: u64,
    /// Times at which a leader had no deadline any more.
    rests: u64,
    /// Entries that changed the members; snapshots installed.
    changes: u64,
    installed: u64,
}

/// What kind of world a seed is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sort {
    pub faults: bool,
    /// Whether there are quiet spells, and hosts that would have their groups quiet.
    pub rests: bool,
    /// Whether members change.
    pub changes: bool,
}

struct Trial {
    world: World<Raft>,
    prng: Prng,
    nodes: Vec<NodeId>,
    rates: BTreeMap<NodeId, u64>,
    asleep: BTreeSet<NodeId>,
    /// Links that carry nothing.
    dead: BTreeSet<(NodeId, NodeId)>,
    /// Links that carry everything, but late.
    slow: BTreeSet<(NodeId, NodeId)>,
    /// How late.
    late: u64,
    faults: bool,
    chain: u64,
    reads: BTreeMap<u64, (NodeId, u64, u64)>,
    contexts: u64,
    sent: u64,
    /// Whether leadership is handed over: in half of the seeds.
    transfers: bool,
    rests: bool,
    changes: bool,
    /// The term of each committed entry.
    terms: BTreeMap<u64, u64>,
    leaders: BTreeMap<u64, NodeId>,
    /// Milliseconds of true time.
    clock: u64,
    /// Until then nobody asks for anything.
    idle: u64,
    /// What hosts know of each other: when the second last heard the first, and whether it takes it for dead.
    heard: BTreeMap<(NodeId, NodeId), (u64, bool)>,

    old: Vec<(NodeId, NodeId, Message)>,
    /// Snapshots that hosts have on their way to disk.
    staged: Vec<(NodeId, Mark)>,
    seen: Seen,
}

impl Trial {
    fn new(seed: u64, sort: Sort, planted: Planted) -> Trial {
        let Sort { faults, rests, changes } = sort;
        let mut prng = Prng::new(seed);
        let nodes: Vec<NodeId> = (1..=if changes { 5 } else { 3 }).map(NodeId).collect();
        let voters: NodeSet = nodes.iter().copied().collect();
        let ppm = *prng.pick(&DRIFTS);
        let drift = u64::from(ppm);
        let founders: NodeSet = (1..=3).map(NodeId).collect();
        let (last, beat) = (*prng.pick(&[301, 330, 600]), *prng.pick(&[50, 90, 140]));
        // A healed world must not stand at the same time for ever.
        let last = if rests { last.max(315) } else { last };
        let configure = move |id: NodeId| Config {
            lease: Some(Drift { ppm }),
            // Whoever may stand does so soon.
            election: (Duration::from_millis(300), Duration::from_millis(last)),
            heartbeat: Duration::from_millis(beat),
            keep_bytes: if changes { 0 } else { 16 << 20 },
            priority: if changes && !rests { u8::try_from(id.0 % 3).expect("small") } else { 0 },
            planted,
            ..Config::new(id, founders.clone())
        };
        // One clock is slow and the others are fast, or any is anything.
        let slow = prng.chance(2, 3).then(|| *prng.pick(&nodes));
        let rate = |id: &NodeId, prng: &mut Prng| match slow {
            Some(slow) if slow == *id => MILLION - drift,
            Some(_) => MILLION + drift,
            None => MILLION - drift + prng.below(2 * drift + 1),
        };
        let rates = nodes.iter().map(|id| (*id, rate(id, &mut prng))).collect();
        let world = World::new(&voters, configure, prng.fork(1), planted);
        Trial {
            world,
            nodes,
            rates,
            asleep: BTreeSet::new(),
            dead: BTreeSet::new(),
            slow: BTreeSet::new(),
            late: 1,
            faults,
            chain: 0,
            reads: BTreeMap::new(),
            contexts: 0,
            sent: 0,
            transfers: seed.is_multiple_of(2),
            rests,
            changes,
            terms: BTreeMap::new(),
            leaders: BTreeMap::new(),
            clock: 0,
            idle: 0,
            heard: BTreeMap::new(),

            old: Vec::new(),
            staged: Vec::new(),
            seen: Seen::default(),
            prng,
        }
    }

    fn run(mut self, steps: usize) -> Seen {
        for _ in 0..steps {
            self.act();
            self.judge();
        }
        if self.rests {
            self.heal();
        }
        self.seen
    }

    /// With everything mended, what is proposed is committed everywhere, and then there is silence; when the leader
    /// falls in that silence, the others go on.
    fn heal(&mut self) {
        let faults = core::mem::take(&mut self.faults);
        self.dead.clear();
        self.slow.clear();
        self.asleep.clear();
        for node in self.nodes.clone() {
            self.restart(node);
        }
        self.idle = u64::MAX;
        self.settle();
        let leader = self.leader().expect("all follow it");
        let core = self.world.core(leader).expect("it leads");
        if faults && core.voters().len() > 2 {
            self.world.crash(leader);
            self.settle();
        }
    }

    /// Who leads the latest term. One of an earlier term that nobody tells may rest for ever.
    fn leader(&self) -> Option<NodeId> {
        let cores = self.nodes.iter().filter_map(|id| self.world.core(*id).map(|core| (*id, core)));
        let leaders = cores.filter(|(_, core)| core.is_leading());
        leaders.max_by_key(|(_, core)| core.term()).map(|(id, _)| id)
    }

    fn settle(&mut self) {
        let goal = self.chain + 3;
        for _ in 0..6000 {
            self.act();
            self.judge();
            let Some(leader) = self.leader() else { continue };
            let core = self.world.core(leader).expect("it leads");
            let (members, settled) = (core.configuration().members(), core.is_settled());
            if self.chain < goal {
                let payload = [1u8].as_slice().into();
                self.world.request(leader, Request::Propose { context: u64::MAX, payload });
            }
            let whole = members.iter().all(|id| self.world.core(id).is_some());
            let done = |id| {
                let core = self.world.core(id);
                core.is_none_or(|core| (core.is_quiet() || !whole) && core.commit_index() >= goal)
            };
            if settled && members.iter().all(done) {
                return;
            }
        }
        panic!("no progress, or no rest, in a healed world: goal {goal}");
    }

    fn restart(&mut self, node: NodeId) {
        if self.world.restart(node) && self.rests {
            // Its packets name another life: whoever hears it next knows.
            for peer in self.nodes.clone() {
                self.heard.insert((node, peer), (0, true));
                self.heard.insert((peer, node), (self.clock, false));
                if peer != node {
                    self.world.request(peer, Request::PeerDown { peer: node });
                }
            }
        }
    }

    /// Hosts hear each other's lives, and tell their cores of silence.
    fn listen(&mut self) {
        for from in self.nodes.clone() {
            for to in self.nodes.clone() {
                let up = self.world.core(from).is_some() && self.world.core(to).is_some();
                let awake = !self.asleep.contains(&from) && !self.asleep.contains(&to);
                let link = (from, to);
                let heard = up && awake && !self.dead.contains(&link) && !self.slow.contains(&link);
                let (at, down) = self.heard.entry(link).or_insert((self.clock, false));
                if from == to || self.asleep.contains(&to) {
                    continue;
                }
                if heard {
                    *at = self.clock;
                    if core::mem::take(down) {
                        self.world.request(to, Request::PeerUp { peer: from });
                    }
                } else if !*down && self.clock - *at >= 300 {
                    *down = true;
                    self.world.request(to, Request::PeerDown { peer: from });
                }
            }
        }
    }

    /// A little time passes, and much happens in it.
    fn act(&mut self) {
        let node = *self.prng.pick(&self.nodes);
        if self.faults {
            match self.prng.below(120) {
                0 => _ = self.asleep.insert(node),
                1..3 => self.asleep.clear(),
                3..5 => self.part(),
                5 => _ = self.world.crash(node),
                40..44 => {
                    self.world.crash(node);
                    self.restart(node);
                }
                6..14 if !self.old.is_empty() => {
                    let (from, to, message) = self.prng.pick(&self.old).clone();
                    self.world.inject(from, to, message);
                }
                14..40 => self.restart(node),
                _ => {}
            }
        }
        if self.changes {
            self.keep_house(node);
        }
        self.time();
        if self.rests {
            self.listen();
        }
        if self.rests && self.clock >= self.idle && self.prng.chance(1, 200) {
            self.idle = self.clock + self.prng.range(500, 3000);
        }
        for _ in 0..self.prng.below(30) {
            self.network();
            let node = *self.prng.pick(&self.nodes);
            self.world.sync(node);
        }
        let node = *self.prng.pick(&self.nodes);
        if self.clock >= self.idle || self.idle < u64::MAX && self.prng.chance(1, 100) {
            self.ask(node);
        }
    }

    /// Hosts install what was staged, sooner or later, compact, and would have another lead.
    fn keep_house(&mut self, node: NodeId) {
        if !self.staged.is_empty() && self.prng.chance(1, 10) {
            let (node, mark) = self.staged.remove(0);
            self.world.request(node, Request::Installed { mark });
        }
        let Some(core) = self.world.core(node) else { return };
        let index = core.commit_index();
        if index > core.mark().index && self.prng.chance(1, 20) {
            let term = core.term_at(index).expect("after the mark");
            let mark = Mark { index, term, configuration: core.configuration_at(index).clone() };
            self.world.request(node, Request::Compact { mark });
        } else if core.is_leading() && self.faults {
            let (quiet, asks) = core.rest.facts();
            // Also, and above all, one that is about to go quiet.
            if !quiet && self.prng.chance(1, if asks.is_some() { 10 } else { 100 }) {
                self.world.request(node, Request::StepDown);
            }
        }
    }

    /// Other links than before carry nothing, or late: those of the leader, or any.
    fn part(&mut self) {
        self.dead.clear();
        self.slow.clear();
        self.late = *self.prng.pick(&[10, 30, 100]);
        let leads = |id: &&NodeId| self.world.core(**id).is_some_and(Raft::is_leading);
        let anyone = *self.prng.pick(&self.nodes);
        let leader = self.nodes.iter().find(leads).copied().unwrap_or(anyone);
        let others: Vec<NodeId> = self.nodes.iter().copied().filter(|id| *id != leader).collect();
        let other = *self.prng.pick(&others);
        match self.prng.below(5) {
            0 => {}
            1 => self.dead.extend([(leader, other), (other, leader)]),
            2 => self.dead.extend(others.iter().flat_map(|id| [(leader, *id), (*id, leader)])),
            3 => {
                self.dead.extend(others.iter().map(|id| (leader, *id)));
                self.slow.extend(others.iter().map(|id| (*id, leader)));
            }
            _ => {
                // One is cut off from the leader, and what it tells the other comes late.
                let between = others.iter().copied().find(|id| *id != other).expect("three");
                self.dead.extend([(leader, other), (other, leader)]);
                self.slow.extend([(other, between), (leader, between)]);
            }
        }
    }

    fn network(&mut self) {
        let links: Vec<((NodeId, NodeId), usize)> = self.world.links().collect();
        if links.is_empty() {
            return;
        }
        let ((from, to), count) = *self.prng.pick(&links);
        if count > 20 || self.dead.contains(&(from, to)) {
            self.world.lose(from, to, 0);
        } else if !self.asleep.contains(&to)
            && (!self.slow.contains(&(from, to)) || self.prng.chance(1, self.late))
        {
            let place = if self.faults && self.prng.chance(1, 10) { count - 1 } else { 0 };
            self.world.deliver(from, to, place);
        }
    }

    /// True time passes, the same for all; a clock shows its own share of it.
    fn time(&mut self) {
        let most = if self.faults { *self.prng.pick(&[4, 10, 40]) } else { 2 };
        let hop = self.prng.range(0, most);
        self.clock += hop;
        for id in self.nodes.clone() {
            self.world.wait(id, Duration::from_nanos(hop * self.rates[&id]));
            let now = self.world.now(id).expect("a node").mono;
            let due = |core: &Raft| Protocol::deadline(core).is_some_and(|at| at <= now);
            if !self.asleep.contains(&id) && self.world.core(id).is_some_and(due) {
                if self.rests {
                    // A turn with this request, and with the deadline if the request has not put it off.
                    self.world.request(id, Request::GoQuiet);
                } else {
                    self.world.deadline(id);
                }
            }
        }
    }

    /// A node that wakes finds its clients' requests first: asking one that sleeps is what wakes it.
    fn ask(&mut self, node: NodeId) {
        if self.asleep.contains(&node) && !self.prng.chance(1, 20) {
            return;
        }
        self.asleep.remove(&node);
        self.contexts += 1;
        let context = self.contexts;
        if self.changes && self.prng.chance(1, 6) {
            let node = self.leader().unwrap_or(node);
            let Some(core) = self.world.core(node) else { return };
            let members = core.configuration();
            if let Some(request) =
                another(&mut self.prng, members, &self.nodes, &self.nodes, context)
            {
                self.world.request(node, request);
            }
            return;
        }
        if self.prng.chance(1, 3) {
            let payload = context.to_le_bytes().as_slice().into();
            self.world.request(node, Request::Propose { context, payload });
            return;
        }
        if self.faults && self.transfers && self.prng.chance(1, 10) {
            let to = *self.prng.pick(&self.nodes);
            self.world.request(node, Request::Transfer { to });
            return;
        }
        self.judge();
        self.reads.insert(context, (node, self.chain, self.sent));
        let here = self.prng.chance(1, 2);
        let request = if here { Request::ReadHere { context } } else { Request::Read { context } };
        self.world.request(node, request);
        self.judge();
    }

    fn judge(&mut self) {
        for event in std::mem::take(&mut self.world.events) {
            match event {
                Event::Output(node, output) => self.output(node, output),
                Event::Sent(from, to, message) => {
                    self.sent += 1;
                    // What may be taken for the answer to another question, and what draws a later term.
                    let rare = matches!(message, Message::PreVote { .. });
                    if rare || self.prng.chance(1, 40) {
                        self.old.push((from, to, message));
                        if self.old.len() > 16 {
                            self.old.remove(0);
                        }
                    }
                }
                Event::Crashed(node, _) => {
                    self.reads.retain(|_, (asked, _, _)| *asked != node);
                    self.staged.retain(|(at, _)| *at != node);
                }
                _ => {}
            }
        }
        self.leases_exclude();
        let rests = |id: &&NodeId| {
            self.world.core(**id).is_some_and(|core| core.is_leading() && core.is_quiet())
        };
        self.seen.rests += u64::from(self.nodes.iter().any(|id| rests(&id)));
    }

    /// While a lease holds, nobody leads a later term.
    fn leases_exclude(&self) {
        let core = |id: &NodeId| self.world.core(*id).map(|core| (*id, core));
        let leases = |(id, core): &(NodeId, &Raft)| {
            core.lease_holds(self.world.now(*id).expect("a node").mono)
        };
        for (a, holder) in self.nodes.iter().filter_map(core).filter(leases) {
            for (b, other) in self.nodes.iter().filter_map(core) {
                let later = other.is_leading() && other.term() > holder.term();
                assert!(!later, "{b} leads a later term while {a} has a lease");
            }
        }
    }

    fn output(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Committed { entries } => {
                for entry in &entries {
                    let first = *self.terms.entry(entry.index).or_insert(entry.term);
                    assert_eq!(first, entry.term, "state machine safety: {}", entry.index);
                }
                let brought = |entry: &&Entry| {
                    entry.index > self.chain && matches!(entry.kind, Kind::Config(_))
                };
                self.seen.changes += entries.iter().filter(brought).count() as u64;
                let last = entries.last().expect("never empty").index;
                self.seen.committed += last.saturating_sub(self.chain);
                self.chain = self.chain.max(last);
            }
            Output::ReadReady { context, index } => {
                let (asked, needed, sent) = self.reads.remove(&context).expect("answered twice");
                assert_eq!(asked, node, "a read answered by another node");
                assert!(index >= needed, "a stale read at {node}: {index} < {needed}");
                let leads = self.world.core(node).is_some_and(Raft::is_leading);
                self.seen.leased += u64::from(leads && sent == self.sent);
                self.seen.confirmed += u64::from(leads && sent < self.sent);
                self.seen.at_followers += u64::from(!leads);
            }
            Output::NeedChunk { to, transfer, seq } => {
                let mark = self.world.core(node).expect("it asks").mark().clone();
                let bytes = [0u8].as_slice().into();
                let chunk = Request::Chunk { to, transfer, mark, seq, bytes, last: true };
                self.world.request(node, chunk);
            }
            Output::Chunk { mark, .. } => self.staged.push((node, mark)),
            Output::Install { .. } => self.seen.installed += 1,
            Output::ReadRefused { context, .. } => {
                self.reads.remove(&context).expect("answered twice");
            }
            Output::Leader { term, leading: true, .. } => {
                self.seen.elections += 1;
                let first = *self.leaders.entry(term).or_insert(node);
                assert_eq!(first, node, "election safety: two leaders in term {term}");
            }
            _ => {}
        }
    }
}

pub(super) fn run(seed: u64, faults: bool, planted: Planted) -> Seen {
    let sort = Sort { faults, rests: false, changes: false };
    Trial::new(seed, sort, planted).run(if faults { 4000 } else { 600 })
}

/// With quiet spells; at the end all is mended.
pub(super) fn run_quiet(seed: u64, faults: bool, planted: Planted) -> Seen {
    Trial::new(seed, Sort { faults, rests: true, changes: false }, planted).run(1000)
}

/// With everything at once; quiet spells in half of the seeds. Without faults members stay: that a removed leader
/// counts itself shows without any.
pub(super) fn run_all(seed: u64, faults: bool, planted: Planted) -> Seen {
    let rests = seed % 4 < 2;
    Trial::new(seed, Sort { faults, rests, changes: faults }, planted).run(2000)
}

#[test]
fn no_read_misses_what_was_committed_while_members_change() {
    let mut sum = Seen::default();
    for seed in 0..200 {
        let seen = run_all(seed, true, Planted::NONE);
        sum.leased += seen.leased;
        sum.at_followers += seen.at_followers;
        sum.rests += seen.rests;
        sum.changes += seen.changes;
        sum.installed += seen.installed;
    }
    assert!(sum.leased > 3000 && sum.at_followers > 5000 && sum.rests > 1000, "{sum:?}");
    assert!(sum.changes > 3000 && sum.installed > 500, "{sum:?}");
}

#[test]
fn quiet_groups_wake_and_mended_ones_go_quiet() {
    let mut rests = 0;
    for seed in 0..60 {
        rests += run_quiet(seed, true, Planted::NONE).rests;
    }
    assert!(rests > 100, "quiet after {rests} events only");
}

#[test]
fn no_read_misses_what_was_committed() {
    let mut sum = Seen::default();
    for seed in 0..60 {
        let seen = run(seed, true, Planted::NONE);
        sum.elections += seen.elections;
        sum.committed += seen.committed;
        sum.leased += seen.leased;
        sum.confirmed += seen.confirmed;
        sum.at_followers += seen.at_followers;
    }
    assert!(sum.elections > 100 && sum.committed > 3000, "{sum:?}");
    assert!(sum.leased > 1000 && sum.confirmed > 300 && sum.at_followers > 1000, "{sum:?}");
}

pub(super) const MUTANTS: [Mutant; 9] = [
    Mutant::LeaseKeptInTransfer,
    Mutant::LeaseAcrossPause,
    Mutant::LeaseFromAnswer,
    Mutant::LeaseIgnoresDrift,
    Mutant::PromiseEndsWithTerm,
    Mutant::ForgetPromise,
    Mutant::ReadRidesOnEarlierRound,
    Mutant::AnswerToAnotherRead,
    Mutant::ReadWithoutQuorum,
];

/// Bugs found where everything happens at once.
pub(super) const ALL_MUTANTS: [Mutant; 2] =
    [Mutant::RoundCountsItselfRemoved, Mutant::RestInHandover];

pub(super) const QUIET_MUTANTS: [Mutant; 1] = [Mutant::PeerDownUnheard];

/// The formula, against exact arithmetic with the worst of clocks.
#[test]
fn a_lease_is_over_before_the_promise() {
    let promise = Duration::from_millis(300);
    assert_eq!(Drift { ppm: 0 }.lease(promise), promise - Duration::from_micros(1));
    assert_eq!(Drift { ppm: 1_000_000 }.lease(promise), Duration::ZERO);
    assert_eq!(Drift { ppm: u32::MAX }.lease(promise), Duration::ZERO);
    for ppm in [1, 200, 500, 100_000, 999_999] {
        let lease = Drift { ppm }.lease(promise).as_nanos();
        let drift = u128::from(ppm);
        // In true time, each side multiplied by (1 - d) (1 + d) a million times over.
        let (lasts, promised) =
            (lease * (1_000_000 + drift), promise.as_nanos() * (1_000_000 - drift));
        assert!(lasts <= promised, "{ppm} ppm: {lasts} > {promised}");
    }
}

#[test]
fn a_lease_given_up_stays_so_for_the_term() {
    let voters: NodeSet = (1..=1).map(NodeId).collect();
    let config = Config { lease: Some(Drift { ppm: 500 }), ..Config::new(NodeId(1), voters) };
    let mut core = Raft::recover(config, protocol::Now::default(), Prng::new(1), [].into_iter());
    let mut out = protocol::Effects::new(protocol::Position(0));
    let mut step = |core: &mut Raft, millis: u64, input| {
        let now = protocol::Instant(millis * 1_000_000);
        core.step(protocol::Now { mono: now, ..Default::default() }, input, &mut out);
        let sent: Vec<Message> = out.drain().sends.map(|(_, _, message)| message).collect();
        for message in sent {
            let input = protocol::Input::Message { from: NodeId(1), message };
            core.step(protocol::Now { mono: now, ..Default::default() }, input, &mut out);
        }
        core.lease_holds(now)
    };
    step(&mut core, 700, protocol::Input::Deadline);
    assert!(core.is_leading(), "alone it elects itself");
    assert!(step(&mut core, 760, protocol::Input::Deadline), "and answers its own round");
    core.give_up_lease();
    assert!(!step(&mut core, 820, protocol::Input::Deadline));
}

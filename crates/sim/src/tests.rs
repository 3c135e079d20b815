//! A toy replicated core shows what the world promises.

mod failures;

use crate::*;
use protocol::{Effects, Input, Protocol, Record, Renaming};
use std::collections::{BTreeMap, BTreeSet};
use stdx::{Digest, Duration, Instant, Mutant, NodeId, NodeSet, Now, Planted, Position, Prng};
use storage::{Log, LogConfig};
use wire::{Reader, Wire, WireError};

const RETRY: Duration = Duration::from_millis(15);

/// Stores numbers on a majority of all nodes, and says so.
#[derive(Clone)]
pub(crate) struct Toy {
    me: NodeId,
    life: u64,
    nodes: Vec<NodeId>,
    known: BTreeSet<u64>,
    acks: BTreeMap<u64, NodeSet>,
    retry: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Say {
    Store(u64),
    Stored(u64),
    /// To oneself: durable, in this life.
    Mine(u64, u64),
    /// Passed round a ring so many times: load.
    Ball(u64),
}

impl Wire for Say {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, a, b) = match *self {
            Say::Store(n) => (0u8, n, 0),
            Say::Stored(n) => (1, n, 0),
            Say::Mine(n, life) => (2, n, life),
            Say::Ball(n) => (3, n, 0),
        };
        out.push(kind);
        a.encode(out);
        b.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Say, WireError> {
        let (kind, a, b) = (u8::decode(from)?, u64::decode(from)?, u64::decode(from)?);
        match kind {
            0 => Ok(Say::Store(a)),
            1 => Ok(Say::Stored(a)),
            2 => Ok(Say::Mine(a, b)),
            3 => Ok(Say::Ball(a)),
            kind => Err(WireError::UnknownKind("Say", kind)),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Number(u64);

impl Wire for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Number, WireError> {
        u64::decode(from).map(Number)
    }
}

impl Record for Number {}

pub(crate) enum Ask {
    Store(u64),
    Throw(u64),
}

impl Toy {
    fn store(&mut self, n: u64, out: &mut Effects<Toy>) {
        if self.known.insert(n) {
            out.persist(Number(n));
        }
    }

    fn ack(&mut self, n: u64, from: NodeId, out: &mut Effects<Toy>) {
        let Some(acks) = self.acks.get_mut(&n) else { return };
        acks.insert(from);
        if acks.len() > self.nodes.len() / 2 {
            self.acks.remove(&n);
            // Counted from durable copies alone.
            out.output_early(n);
        }
    }

    fn spread(&mut self, now: Now, out: &mut Effects<Toy>) {
        for (n, acks) in &self.acks {
            for peer in self.nodes.iter().filter(|id| **id != self.me && !acks.contains(**id)) {
                // Nobody counts on a number offered.
                out.send_early(*peer, Say::Store(*n));
            }
        }
        self.retry = if self.acks.is_empty() { None } else { Some(now.mono + RETRY) };
    }
}

impl Protocol for Toy {
    type Config = (NodeId, u64, u64);
    type Message = Say;
    type Request = Ask;
    type Record = Number;
    type Output = u64;

    fn recover(
        (me, life, nodes): (NodeId, u64, u64),
        _: Now,
        _: Prng,
        records: impl Iterator<Item = (Position, Number)>,
    ) -> Toy {
        let nodes = (1..=nodes).map(NodeId).collect();
        let known = records.map(|(_, n)| n.0).collect();
        Toy { me, life, nodes, known, acks: BTreeMap::new(), retry: None }
    }

    fn step(&mut self, now: Now, input: Input<Toy>, out: &mut Effects<Toy>) {
        match input {
            Input::Request(Ask::Store(n)) => {
                self.store(n, out);
                self.acks.insert(n, NodeSet::new());
                out.send(self.me, Say::Mine(n, self.life));
                self.spread(now, out);
            }
            Input::Request(Ask::Throw(n)) | Input::Message { message: Say::Ball(n), .. } => {
                let next = NodeId(self.me.0 % self.nodes.len() as u64 + 1);
                if n > 0 {
                    out.send_early(next, Say::Ball(n - 1));
                }
            }
            Input::Message { from, message: Say::Store(n) } => {
                self.store(n, out);
                // Also for a number known already: it may not be durable yet, so it waits all the same.
                out.send(from, Say::Stored(n));
            }
            Input::Message { from, message: Say::Stored(n) } => self.ack(n, from, out),
            Input::Message { from, message: Say::Mine(n, life) } => {
                assert_eq!((from, life), (self.me, self.life), "a self-send outlived its life");
                self.ack(n, from, out);
            }
            Input::Deadline => self.spread(now, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.retry
    }
    fn check(&self) {}
    fn digest(&self, _: &Renaming, _: &mut Digest) {}
}

pub(crate) struct Toys(pub(crate) u64);

impl Boot for Toys {
    type Core = Toy;
    fn damage(&self, message: &mut Say, _: &mut Prng) -> bool {
        let Say::Ball(n) = message else { return false };
        *n ^= 4;
        true
    }
    fn boot(&mut self, start: Start) -> Result<Booted<Toy>, BootFailed> {
        let before = start.disk.clone();
        let failed = |why: storage::LogError| BootFailed {
            reason: format!("{why}"),
            disk: Some(Box::new(before.clone())),
        };
        let config = LogConfig { segment_bytes: 1 << 16, ..LogConfig::default() };
        let (mut log, recovery) = Log::open(start.disk, config).map_err(failed)?;
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        let mut records = Vec::new();
        log.replay(&mut |position, _, bytes| {
            records.push((position, wire::decode_all::<Number>(bytes).expect("what was written")));
        })
        .map_err(failed)?;
        let config = (start.node, start.starts, self.0);
        let core = Toy::recover(config, start.now, start.rng, records.into_iter());
        Ok(Booted { core, log, recovered: recovery.next, durable: recovery.next })
    }
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant(millis * 1_000_000)
}

struct Run {
    digest: u64,
    counters: Counters,
    /// Numbers said to be stored that a majority does not have in the end.
    lost: usize,
    said: usize,
}

/// Numbers are stored under all faults; in the end each one said to be stored must be on a majority.
fn run(seed: u64, planted: Planted, calm: bool) -> Run {
    let mut prng = Prng::new(seed ^ 0xa701);
    let mut config = if calm { WorldConfig::default() } else { WorldConfig::rough(&mut prng) };
    config.planted = planted;
    if !calm && seed.is_multiple_of(2) {
        let (poll, error) = (Duration::from_millis(100), Duration::from_millis(5));
        config.clock.ntp = Some(Ntp { poll, error });
    }
    let mut world = World::new(seed, config, Toys(config.nodes));
    if !calm {
        let nodes = world.ids().collect::<Vec<_>>();
        let nemesis = NemesisConfig {
            gap: (Duration::from_millis(5), Duration::from_millis(100)),
            lasts: (Duration::from_millis(5), Duration::from_millis(200)),
            ..NemesisConfig::default()
        };
        for (at, fault) in Nemesis::new(nemesis, nodes, prng.fork(1)).plan(at(5), at(1_500)) {
            world.schedule(at, fault);
        }
    }
    for n in 0..300 {
        world.at(at(n * 5), n);
    }
    let mut said = BTreeSet::new();
    while let Some(event) = world.run_until(at(4_000)) {
        match event {
            Event::Token(n) => {
                let node = NodeId(prng.range(1, 3));
                drop(world.request(node, Ask::Store(n)));
            }
            Event::Output { output, .. } => {
                said.insert(output);
            }
            Event::Down { why: Why::BootFailed(reason), .. } => panic!("{reason}"),
            Event::Down { .. } | Event::Up { .. } => {}
        }
    }
    // Progress, once all is well.
    world.calm();
    world.request(NodeId(1), Ask::Store(1_000_000)).ok().expect("every node is up");
    let answered = |event| matches!(event, Event::Output { output: 1_000_000, .. });
    let mut progress = false;
    while let Some(event) = world.run_until(at(6_000)) {
        progress |= answered(event);
    }
    assert!(progress, "seed {seed}: no progress after all faults ended");
    // Whatever is not durable by now shall not count.
    for node in world.ids().collect::<Vec<_>>() {
        world.crash(node);
        world.restart(node);
    }
    let has = |n: &u64| world.ids().filter(|id| world.core(*id).unwrap().known.contains(n)).count();
    let lost = said.iter().filter(|n| has(n) < 2).count();
    Run { digest: world.digest(), counters: *world.counters(), lost, said: said.len() }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        let (one, two) = (run(seed, Planted::NONE, false), run(seed, Planted::NONE, false));
        assert_eq!((one.digest, one.counters), (two.digest, two.counters), "seed {seed}");
    }
    assert_ne!(run(1, Planted::NONE, false).digest, run(2, Planted::NONE, false).digest);
}

#[test]
fn what_was_promised_is_kept_under_all_faults_and_every_counter_moves() {
    let mut sums = BTreeMap::new();
    for seed in 0..120 {
        let run = run(seed, Planted::NONE, false);
        assert_eq!(run.lost, 0, "seed {seed} lost what it promised");
        assert!(run.said > 20, "seed {seed} stored only {}", run.said);
        for (name, count) in run.counters.rows() {
            *sums.entry(name).or_insert(0) += count;
        }
    }
    let still: Vec<_> = sums.iter().filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect();
    // Those that have tests of their own: `failures`, `byzantine`.
    let elsewhere = [
        "boot failures",
        "damaged messages",
        "detections",
        "equivocations",
        "flipped bits",
        "forgeries",
        "impersonations",
        "misdirected writes",
        "power failures of the whole cluster",
        "replays",
        "silences",
        "stops for good",
    ];
    assert_eq!(still, elsewhere, "{sums:?}");
}

#[test]
fn a_recordless_batch_that_overtakes_a_sync_is_found() {
    let planted = Planted::one(Mutant::OvertakeSync);
    assert_eq!(run(0, planted, true).lost, 0, "without faults the bug does not show");
    let found = (0..200).find(|seed| run(*seed, planted, false).lost > 0);
    assert!(found.is_some(), "200 seeds did not find it");
}

#[test]
fn cuts_clogs_and_pauses_do_what_they_say() {
    let mut config = WorldConfig::default();
    config.net.late_ppm = 0;
    let mut world = World::new(1, config, Toys(3));
    world.trace_on(1_000);
    let all = |world: &mut World<Toys>, until| {
        let mut outputs = Vec::new();
        while let Some(event) = world.run_until(at(until)) {
            if let Event::Output { output, .. } = event {
                outputs.push(output);
            }
        }
        outputs
    };
    all(&mut world, 1);
    world.partition(&[NodeId(1)].into_iter().collect());
    world.request(NodeId(1), Ask::Store(1)).ok().unwrap();
    assert_eq!(all(&mut world, 500), [], "a node alone is no majority");
    world.heal();
    assert_eq!(all(&mut world, 1_000), [1], "the retry gets through");

    for peer in [2, 3] {
        world.clog(NodeId(peer), NodeId(1));
    }
    world.request(NodeId(1), Ask::Store(2)).ok().unwrap();
    assert_eq!(all(&mut world, 1_100), []);
    let held = world.counters().held;
    assert!(held > 0);
    world.release(NodeId(2), NodeId(1));
    assert_eq!(all(&mut world, 1_101), [2], "what was held back counts");

    world.pause(NodeId(3), Duration::from_millis(300));
    world.crash(NodeId(2));
    world.request(NodeId(1), Ask::Store(3)).ok().unwrap();
    world.release(NodeId(3), NodeId(1));
    assert_eq!(all(&mut world, 1_400), [], "one is down, one sleeps");
    assert_eq!(all(&mut world, 1_500), [3]);
    assert!(!world.is_up(NodeId(2)) && world.request(NodeId(2), Ask::Store(4)).is_err());
    let story: Vec<_> = world.trace().expect("turned on").lines().collect();
    assert!(story.iter().any(|line| line.contains("n2 down")), "{story:?}");
}

#[test]
fn a_failing_disk_stops_the_node_until_it_is_restarted() {
    let mut config = WorldConfig::default();
    config.disk.fail_ppm = 1_000_000;
    let mut world = World::new(1, config, Toys(3));
    world.request(NodeId(2), Ask::Store(1)).ok().unwrap();
    let mut story = Vec::new();
    while let Some(event) = world.run_until(at(900)) {
        story.push(format!("{event:?}"));
    }
    assert!(story.contains(&String::from("n2 down: DiskFailed")), "{story:?}");
    assert_eq!(story.iter().filter(|line| *line == "n2 up").count(), 2, "{story:?}");
    assert!(!story.iter().any(|line| line.contains("output")), "nothing held ever leaves");
}

#[test]
fn clocks_drift_and_their_deadlines_come_back() {
    let mut config = WorldConfig::default().clock;
    config.drift_ppm = 50_000;
    for seed in 0..200 {
        let mut prng = Prng::new(seed);
        let clock = clock::Clock::draw(&config, &mut prng);
        let when = Instant(prng.below(1 << 45));
        let shown = clock.mono(when);
        let back = clock.when(shown);
        assert!(back <= when && clock.mono(back) >= shown, "{clock:?}");
        assert!(when.since(back) < Duration::from_nanos(3));
    }
}

#[test]
fn a_nemesis_heals_at_the_end_and_is_the_same_again() {
    let plan = |seed| {
        Nemesis::new(NemesisConfig::default(), (1..=5).map(NodeId), Prng::new(seed))
            .plan(at(0), at(60_000))
    };
    let one = plan(7);
    assert_eq!(one, plan(7));
    assert_ne!(one, plan(8));
    assert!(one.is_sorted_by_key(|(at, _)| *at) && one.len() > 50);
    assert_eq!(one.last(), Some(&(at(60_000), Fault::HealAll)));
}

/// How long this takes is the measure of the world: little is done but messages of 17 bytes.
#[test]
fn three_hundred_thousand_messages() {
    let mut world = World::new(1, WorldConfig::default(), Toys(3));
    for _ in 0..30 {
        world.request(NodeId(1), Ask::Throw(10_000)).ok().unwrap();
    }
    while world.step().is_some() {}
    assert_eq!(world.counters().delivered, 300_000);
}

/// Else progress is demanded of a node whose disk is about to fail.
#[test]
fn in_the_calm_no_fault_is_left_in_store() {
    let mut world = World::new(1, WorldConfig::default(), Toys(3));
    while world.run_until(at(1)).is_some() {}
    world.apply(&Fault::FailSync(NodeId(1)));
    world.calm();
    world.request(NodeId(1), Ask::Store(1)).ok().expect("every node is up");
    let mut answered = false;
    while let Some(event) = world.run_until(at(500)) {
        assert!(!matches!(event, Event::Down { .. }), "{event:?} in the calm");
        answered |= matches!(event, Event::Output { output: 1, .. });
    }
    assert!(answered);
}

#[test]
fn the_nemesis_harms_no_link_of_a_node_to_itself() {
    let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
    let mut links = 0;
    for seed in 0..50 {
        let mut nemesis = Nemesis::new(NemesisConfig::default(), nodes.clone(), Prng::new(seed));
        for (_, fault) in nemesis.plan(at(0), at(20_000)) {
            if let Fault::Clog(from, to) | Fault::SlowLink(from, to, _) = fault {
                assert_ne!(from, to, "seed {seed}: there is no such link");
                links += 1;
            }
        }
    }
    assert!(links > 100, "only {links} links were harmed");
}

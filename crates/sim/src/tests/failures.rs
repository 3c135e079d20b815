//! Every failure model by its name, in a world of three where nothing else goes wrong: what it does, and that it is
//! not done without it. A model without a test does not compile.

use super::*;
use crate::disk::Fault as DiskFault;

const MILLION: u64 = 1_000_000;
const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);
/// Far above what anything takes here without a fault.
const LONG: Duration = Duration::from_millis(100);

fn quiet() -> WorldConfig {
    let mut config = WorldConfig::default();
    config.net.late_ppm = 0;
    config.detect = Spread::micros(1, 1_000, 1_000);
    config
}

fn long() -> Spread {
    Spread { min: LONG, ..Spread::micros(100_000, 100_000, 100_000) }
}

fn set(nodes: &[NodeId]) -> NodeSet {
    nodes.iter().copied().collect()
}

fn toys(seed: u64) -> World<Toys> {
    let mut world = World::new(seed, quiet(), Toys(3));
    world.trace_on(10_000);
    world
}

fn after(fault: &Fault) -> World<Toys> {
    let mut world = toys(1);
    world.apply(fault);
    world
}

/// How long a ball takes from one node to the next, if it arrives; and how often.
fn ball<B: Boot<Core = Toy>>(
    world: &mut World<B>,
    from: NodeId,
    hops: u64,
) -> (Option<Duration>, usize) {
    let (start, before) = (world.now(), world.counters().delivered);
    world.request(from, Ask::Throw(hops)).ok().expect("it is up");
    while world.step().is_some() {}
    let moments = world.trace().expect("turned on").moments();
    let arrivals = moments.filter(|m| m.at > start && matches!(m.what, What::Delivered { .. }));
    let times: Vec<_> = arrivals.map(|moment| moment.at.since(start)).collect();
    assert_eq!(times.len() as u64, world.counters().delivered - before);
    (times.last().copied(), times.len())
}

fn arrives(world: &mut World<Toys>, from: NodeId) -> bool {
    ball(world, from, 1).1 == 1
}

fn takes(world: &mut World<Toys>, from: NodeId, hops: u64) -> Duration {
    ball(world, from, hops).0.expect("it arrives")
}

/// Stores `n` at the first node; answers whether all that happened was said to be stored.
fn store(world: &mut World<Toys>, n: u64) -> Vec<String> {
    drop(world.request(N1, Ask::Store(n)));
    let mut events = Vec::new();
    while let Some(event) = world.run_until(world.now() + Duration::from_millis(400)) {
        events.push(format!("{event:?}"));
    }
    events
}

fn knows(world: &World<Toys>, node: NodeId, n: u64) -> bool {
    world.core(node).is_some_and(|core| core.known.contains(&n))
}

/// Whether the disk of a node that is down gives its records back.
fn sound(world: &World<Toys>, node: NodeId, n: u64) -> bool {
    let disk = world.disk(node).expect("a disk").clone();
    let config = LogConfig { segment_bytes: 1 << 16, ..LogConfig::default() };
    let Ok((mut log, recovery)) = Log::open(disk, config) else { return false };
    let mut there = false;
    let replayed = log.replay(&mut |_, _, bytes| {
        there |= wire::decode_all::<Number>(bytes).is_ok_and(|number| number.0 == n);
    });
    recovery.damage.is_empty() && replayed.is_ok() && there
}

fn wall(world: &World<Toys>, node: NodeId) -> i64 {
    i64::try_from(world.clock(node).wall.0 / 1_000).expect("milliseconds fit")
}

#[test]
fn without_a_fault_nothing_goes_wrong() {
    let mut world = toys(1);
    for node in [N1, N2, N3] {
        assert!(arrives(&mut world, node));
    }
    assert!(takes(&mut world, N1, 2) < LONG);
    assert!(store(&mut world, 7).iter().any(|event| event.contains("output")));
    world.crash(N1);
    assert!(sound(&world, N1, 7));
    assert!((wall(&world, N2) - wall(&world, N3)).abs() < 1_000);
    assert_eq!(world.counters().lost, 0);
}

#[test]
fn every_model_does_what_its_name_says() {
    for model in Model::ALL {
        match model {
            Model::CrashStop | Model::CrashRecovery | Model::FailStop => stops(model),
            Model::LostWrite | Model::TornWrite => unsynced(model),
            Model::SendOmission
            | Model::ReceiveOmission
            | Model::Loss
            | Model::Duplication
            | Model::Reordering
            | Model::DamagedMessage
            | Model::Byzantine => messages(model),
            Model::SlowProcess
            | Model::Pause
            | Model::SlowLink
            | Model::SlowDisk
            | Model::Delay => times(model),
            Model::Partition
            | Model::AsymmetricPartition
            | Model::PartialPartition
            | Model::CloggedLink => links(model),
            Model::BitRot | Model::MisdirectedWrite | Model::PhantomWrite => damage(model),
            Model::FullDisk | Model::FailingSync => refusals(model),
            Model::ClockSkew | Model::ClockDrift | Model::ClockJump | Model::ClockCorrection => {
                clocks(model);
            }
        }
    }
}

/// Toys whose hosts listen to a failure detector.
struct Listening(Toys);

impl Boot for Listening {
    type Core = Toy;
    fn boot(&mut self, start: Start) -> Result<Booted<Toy>, BootFailed> {
        self.0.boot(start)
    }
    fn stopped(&self, _: &Toy, _: NodeId) -> Option<Ask> {
        Some(Ask::Throw(0))
    }
}

fn stops(model: Model) {
    let mut world = toys(2);
    store(&mut world, 7);
    match model {
        Model::CrashRecovery => {
            world.crash(N1);
            assert!(!world.is_up(N1) && world.core(N1).is_none());
            world.apply(&Fault::Restart(N1));
            assert!(knows(&world, N1, 7), "what was synced is there");
            assert!(world.core(N1).is_some_and(|core| core.acks.is_empty()), "its memory is not");
        }
        Model::CrashStop => {
            world.apply(&Fault::CrashStop(N1));
            world.apply(&Fault::Restart(N1));
            world.apply(&Fault::HealAll);
            assert!(!world.is_up(N1) && world.is_gone(N1));
            assert_eq!((world.counters().stops, world.counters().detections), (1, 0));
        }
        _ => {
            let mut world = World::new(2, quiet(), Listening(Toys(3)));
            world.apply(&Fault::FailStop(N1));
            assert_eq!(world.counters().detections, 0, "nobody is told before it has stopped");
            while world.step().is_some() {}
            assert_eq!((world.counters().stops, world.counters().detections), (1, 2));
            world.crash(N2);
            world.restart(N2);
            while world.step().is_some() {}
            assert_eq!(world.counters().detections, 3, "also those that start later");
        }
    }
}

fn unsynced(model: Model) {
    let (mut lost, mut torn) = (0, 0);
    for seed in 0..60 {
        let mut world = toys(seed);
        // Large enough to lie in several sectors.
        for n in 0..200 {
            drop(world.request(N1, Ask::Store(n)));
        }
        while world.counters().writes == 0 {
            let next = world.now() + Duration::from_micros(1);
            world.run_until(next);
        }
        world.crash(N1);
        lost += u64::from(!sound(&world, N1, 0));
        let config = LogConfig { segment_bytes: 1 << 16, ..LogConfig::default() };
        let opened = Log::open(world.disk(N1).expect("a disk").clone(), config);
        torn += u64::from(opened.expect("it opens").1.torn.is_some());
    }
    match model {
        Model::LostWrite => assert!((1..60).contains(&lost), "{lost} of 60 lost it"),
        _ => assert!((1..60).contains(&torn), "{torn} of 60 tore it"),
    }
}

fn messages(model: Model) {
    match model {
        Model::SendOmission => {
            let mut world = after(&Fault::SendOmission(N1, MILLION));
            assert!(!arrives(&mut world, N1) && arrives(&mut world, N3));
        }
        Model::ReceiveOmission => {
            let mut world = after(&Fault::ReceiveOmission(N2, MILLION));
            assert!(!arrives(&mut world, N1) && arrives(&mut world, N2));
        }
        Model::Loss => {
            let mut world = after(&Fault::Loss(MILLION));
            assert!([N1, N2, N3].into_iter().all(|node| !arrives(&mut world, node)));
        }
        Model::Duplication => assert_eq!(ball(&mut after(&Fault::Duplicate(MILLION)), N1, 1).1, 2),
        Model::Reordering => {
            let reordered = |mut world: World<Toys>| {
                (0..50).for_each(|_| drop(world.request(N1, Ask::Throw(1))));
                while world.step().is_some() {}
                world.counters().reordered
            };
            assert_eq!(reordered(toys(1)), 0);
            assert!(reordered(after(&Fault::Reorder(MILLION))) > 5);
        }
        Model::DamagedMessage => {
            let mut world = after(&Fault::Damage(MILLION));
            // One hop is asked for, another number of them arrives.
            assert_ne!(ball(&mut world, N1, 1).1, 1);
            assert!(world.counters().damaged > 0);
            world.apply(&Fault::Heal);
            assert_eq!(ball(&mut world, N1, 1).1, 1);
        }
        // What lies do to a protocol: `byzantine::tests`.
        _ => {
            let how = Byzantine { forge_ppm: MILLION, ..Byzantine::default() };
            let mut world = after(&Fault::Byzantine(N1, how));
            ball(&mut world, N1, 1);
            ball(&mut world, N2, 1);
            assert_eq!((world.counters().forgeries, world.liars()), (1, set(&[N1])));
        }
    }
}

fn times(model: Model) {
    match model {
        Model::SlowProcess => {
            let mut world = after(&Fault::SlowNode(N2, long()));
            assert!(takes(&mut world, N1, 2) >= LONG && takes(&mut world, N3, 1) < LONG);
        }
        Model::Pause => {
            let mut world = toys(1);
            world.pause(N2, LONG);
            assert!(takes(&mut world, N1, 2) >= LONG);
            assert!(takes(&mut world, N1, 2) < LONG, "it goes on");
        }
        Model::SlowLink => {
            let mut world = after(&Fault::SlowLink(N1, N2, long()));
            assert!(takes(&mut world, N1, 1) >= LONG && takes(&mut world, N2, 1) < LONG);
        }
        Model::Delay => assert!(takes(&mut after(&Fault::Delay(long())), N1, 1) >= LONG),
        _ => {
            let synced = |mut world: World<Toys>| {
                store(&mut world, 7);
                let first = |what: fn(&What) -> bool| {
                    let moments = world.trace().expect("turned on").moments();
                    let mut of = moments.filter(|moment| moment.node == Some(N1));
                    of.find(|moment| what(&moment.what)).expect("it happened").at
                };
                let written = first(|what| matches!(what, What::Write { .. }));
                first(|what| matches!(what, What::Synced { .. })).since(written)
            };
            assert!(synced(toys(1)) < LONG);
            assert!(synced(after(&Fault::SlowDisk(N1, long()))) >= LONG);
        }
    }
}

/// Which of the links 1 to 2, 2 to 3 and 3 to 1 carry anything.
fn open(world: &mut World<Toys>) -> [bool; 3] {
    [N1, N2, N3].map(|node| arrives(world, node))
}

fn links(model: Model) {
    let mut world = match model {
        Model::Partition => after(&Fault::Isolate(set(&[N1]))),
        Model::AsymmetricPartition => after(&Fault::OneWay(set(&[N1]), set(&[N2, N3]))),
        Model::PartialPartition => after(&Fault::Bridge { bridge: N3, half: set(&[N1]) }),
        _ => after(&Fault::Clog(N1, N2)),
    };
    let expected =
        if model == Model::Partition { [false, true, false] } else { [false, true, true] };
    assert_eq!(open(&mut world), expected, "{model:?}");
    let lost = world.counters().lost;
    match model {
        Model::CloggedLink => {
            let before = world.counters().delivered;
            world.apply(&Fault::Release(N1, N2));
            while world.step().is_some() {}
            assert_eq!((world.counters().delivered - before, lost), (1, 0), "it was only held");
        }
        _ => assert!(lost > 0),
    }
    world.apply(&Fault::Heal);
    assert_eq!(open(&mut world), [true; 3], "{model:?}");
}

fn damage(model: Model) {
    let mut bad = 0;
    for place in 0..64 {
        let mut world = toys(1);
        let fault = match model {
            Model::MisdirectedWrite => Some(Fault::Misdirect(N1, 4_096 + 512 * place)),
            Model::PhantomWrite => {
                let up = world.nodes[0].up.as_mut().expect("it is up");
                up.log.disk_mut().inject(DiskFault::StaleSector(0));
                None
            }
            _ => None,
        };
        fault.into_iter().for_each(|fault| world.apply(&fault));
        store(&mut world, 7);
        assert!(world.counters().syncs > 0 && knows(&world, N1, 7), "it noticed nothing");
        world.crash(N1);
        if model == Model::BitRot {
            assert!(sound(&world, N1, 7));
            world.apply(&Fault::BitRot(N1, 64 * place + 3));
        }
        bad += u64::from(!sound(&world, N1, 7));
    }
    assert!(bad > 0, "{model:?} at 64 places does no harm");
}

fn refusals(model: Model) {
    let fault = if model == Model::FullDisk { Fault::FullDisk(N1) } else { Fault::FailSync(N1) };
    let mut world = after(&fault);
    // What has been made room for can still be written.
    let failed = (0..400).any(|round| {
        (0..100).for_each(|n| drop(world.request(N1, Ask::Store(round * 100 + n))));
        store(&mut world, MILLION + round).iter().any(|event| event == "n1 down: DiskFailed")
    });
    assert!(failed && world.counters().failed_syncs > 0, "{model:?}");
}

fn clocks(model: Model) {
    let far = at(10_000);
    let run = |config: WorldConfig, fault: Option<Fault>| {
        let mut world = World::new(1, config, Toys(3));
        fault.iter().for_each(|fault| world.apply(fault));
        while world.run_until(far).is_some() {}
        world
    };
    let mut config = quiet();
    config.clock.skew = Duration::ZERO;
    config.clock.drift_ppm = 0;
    let apart = |world: &World<Toys>| (wall(world, N1) - wall(world, N2)).abs();
    let jump = || Some(Fault::ClockJump(N1, 60_000_000));
    assert_eq!(apart(&run(config, None)), 0);
    match model {
        Model::ClockSkew => {
            config.clock.skew = Duration::from_secs(5);
            assert!(apart(&run(config, None)) > 100);
        }
        Model::ClockDrift => {
            config.clock.drift_ppm = 50_000;
            let world = run(config, None);
            let (one, two) = (world.clock(N1).mono, world.clock(N2).mono);
            assert!(one.max(two).since(one.min(two)) > Duration::from_millis(10));
        }
        Model::ClockJump => assert_eq!(apart(&run(config, jump())), 60_000),
        _ => {
            let (poll, error) = (Duration::from_millis(1_000), Duration::from_millis(5));
            config.clock.ntp = Some(Ntp { poll, error });
            let world = run(config, jump());
            assert!(apart(&world) < 200 && world.counters().corrections > 0);
        }
    }
}

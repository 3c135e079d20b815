//! The configuration of a run: drawn from the seed, the faults as well as the cluster and its clients.

use crate::pace::Pace;
use node::contract::{Contract, Reads, TableKind};
use node::{Config, Member, TablesConfig};
use sim::{NemesisConfig, Ntp, Spread, WorldConfig};
use stdx::{Duration, NodeId, Planted, Prng, WallClock};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Nothing.
    Calm,
    /// A bad network, nothing else.
    Rough,
    /// Nodes crash and pause.
    Crashes,
    /// The network splits in every way.
    Partitions,
    /// The power of all nodes fails at one moment, more than once.
    Power,
    /// Pauses and wrong clocks.
    Clocks,
    /// Leaders come and go: short timeouts, short faults, one on the heels of the other.
    Churn,
    /// Everything, of each kind or not as the seed says (Groce et al. 2012, "Swarm Testing").
    Mixed,
    /// Disks that are slow, full, or fail to sync; crashes.
    Disks,
    /// What links carry is damaged; crashes. Only on request.
    Damaged,
    /// Reads by lease beside clocks that run apart: leaders that pause or are cut off, in one direction or both.
    Leases,
}

impl Profile {
    /// All but the calm one.
    pub const FAULTY: [Profile; 10] = [
        Profile::Rough,
        Profile::Crashes,
        Profile::Partitions,
        Profile::Power,
        Profile::Clocks,
        Profile::Churn,
        Profile::Mixed,
        Profile::Disks,
        Profile::Damaged,
        Profile::Leases,
    ];

    /// How often it is drawn: what finds more bugs, more often.
    fn weight(self) -> u64 {
        match self {
            // On request, and drawn apart from the others.
            Profile::Calm | Profile::Damaged | Profile::Leases => 0,
            Profile::Rough | Profile::Clocks => 1,
            Profile::Partitions => 2,
            Profile::Mixed => 3,
            Profile::Crashes => 6,
            Profile::Disks => 9,
            Profile::Power => 14,
            Profile::Churn => 10,
        }
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    /// Unique values written, read, conditionally written, deleted.
    Registers,
    /// INCRBY and GET: shows what happened twice.
    Counters,
    /// APPEND and GET: shows order, loss and repetition.
    Append,
    /// Keys with an expiry.
    Expiry,
    /// WATCH, MULTI, EXEC, MSET, MGET.
    Transactions,
    /// Keyspaces declared while their keys are written; SELECT.
    Keyspaces,
}

impl Workload {
    /// All.
    pub const ALL: [Workload; 6] = [
        Workload::Registers,
        Workload::Counters,
        Workload::Append,
        Workload::Expiry,
        Workload::Transactions,
        Workload::Keyspaces,
    ];

    /// How often it is drawn. Nothing is overwritten where values only grow: what is lost, doubled or out of order
    /// stays visible.
    fn weight(self) -> u64 {
        match self {
            Workload::Registers | Workload::Expiry => 2,
            Workload::Transactions | Workload::Keyspaces => 2,
            Workload::Counters => 3,
            Workload::Append => 6,
        }
    }
}

/// One of `all`, as often as its weight says.
fn weighted<T: Copy>(all: &[T], weight: fn(T) -> u64, prng: &mut Prng) -> T {
    let mut drawn = prng.below(all.iter().map(|one| weight(*one)).sum());
    for one in all {
        match drawn.checked_sub(weight(*one)) {
            None => return *one,
            Some(rest) => drawn = rest,
        }
    }
    unreachable!("drawn below the sum")
}

/// What the caller wants of a run; the rest is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The planted bug; needs the feature `mutants` of `stdx`.
    pub planted: Planted,
    /// Whether anything goes wrong at all.
    pub faults: bool,
    /// Not drawn, but this.
    pub workload: Option<Workload>,
    /// Not drawn, but this.
    pub profile: Option<Profile>,
    /// Whether reads of `default` are by lease; not drawn, but this.
    pub leases: Option<bool>,
    /// Neither cluster nor load is drawn, but this.
    pub pace: Option<Pace>,
    /// Whether the onlooker compares each applied entry with what is durable on a majority. Off where a planted
    /// bug must show in what clients and replicas see.
    pub witness: bool,
    /// How many moments of its story to keep; 0 is fastest.
    pub story: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            planted: Planted::NONE,
            faults: true,
            workload: None,
            profile: None,
            leases: None,
            pace: None,
            witness: true,
            story: 0,
        }
    }
}

/// A run's constants.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What goes wrong.
    pub profile: Profile,
    /// What clients do.
    pub workload: Workload,
    /// What the world is like.
    pub world: WorldConfig,
    /// What every node is told, but for its number.
    pub node: Config,
    /// The size of a log's segments.
    pub segment_bytes: u64,
    /// Faults and load end after this long.
    pub length: Duration,
    /// [`Options::witness`].
    pub witness: bool,
    /// Whether every second client sends READONLY first: replicas of its node answer what it reads.
    pub read_here: bool,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) setup: Setup,
    pub(crate) nemesis: Option<NemesisConfig>,
    /// So long before the end the nemesis rests.
    pub(crate) lull: Duration,
    /// Power cuts: when, and for how long.
    pub(crate) power: Vec<(Duration, Duration)>,
    pub(crate) clients: u64,
    /// Between two requests of a client.
    pub(crate) think: Duration,
    /// Longer values make snapshots come sooner.
    pub(crate) padding: usize,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Draw {
    pub(crate) fn of(seed: u64, options: &Options) -> Draw {
        if let Some(pace) = options.pace {
            return pace.draw(seed, options);
        }
        let prng = &mut Prng::new(seed).fork(100);
        // What came later is drawn apart, so that it does not shift what was there.
        let mix = &mut Prng::new(seed).fork(103);
        let drawn = weighted(&Profile::FAULTY, Profile::weight, prng);
        let reads = &mut Prng::new(seed).fork(104);
        let drawn = if reads.chance(1, 16) { Profile::Leases } else { drawn };
        let profile = options.profile.unwrap_or(drawn);
        let profile = if options.faults { profile } else { Profile::Calm };
        let drawn = weighted(&Workload::ALL, Workload::weight, prng);
        let workload = options.workload.unwrap_or(drawn);
        let length = ms(prng.range(4_500, 8_000));
        let mut world = world(profile, workload, options.planted, prng);
        if profile == Profile::Clocks && workload != Workload::Expiry && mix.chance(1, 2) {
            let (poll, error) = (ms(mix.range(50, 1_000)), ms(mix.range(1, 100)));
            world.clock.ntp = Some(Ntp { poll, error });
        }
        let mut setup = Setup {
            profile,
            workload,
            node: node_config(profile, world.nodes, options.planted, prng),
            world,
            segment_bytes: 1 << prng.range(14, 18),
            length,
            witness: options.witness,
            read_here: reads.chance(1, 3),
        };
        let leases = reads.chance(1, 3) || profile == Profile::Leases;
        if options.leases.unwrap_or(leases) {
            setup.node.default_contract = Some(leased(&setup.world));
        }
        if setup.node.tables != TablesConfig::default() {
            setup.node.default_contract = Some(on_disk(setup.node.default_contract, &setup.world));
        }
        let nemesis = nemesis(profile, workload, prng).map(|faults| mixed(profile, faults, mix));
        // Among few requests each finds a node that has slept, and keys that nobody has overwritten.
        let sparse = profile == Profile::Clocks && workload == Workload::Expiry;
        let rare = if sparse { *mix.pick(&[1, 4, 4]) } else { 1 };
        Draw {
            setup,
            nemesis,
            // A leader that stays shows what the node that crashes last has lost.
            lull: if mix.chance(1, 2) { ms(500) } else { Duration::ZERO },
            power: power(profile, length, prng),
            clients: prng.range(3, 6),
            think: ms(prng.range(5, 40)) * rare,
            padding: if prng.chance(1, 3) { 0 } else { prng.index(400) },
        }
    }
}

impl Setup {
    /// By how much the wall clocks of two nodes may differ: what expiry may be early or late.
    pub(crate) fn clock_error(&self) -> Duration {
        self.world.clock.skew * 2 + ms(2)
    }

    /// How long a client waits before it gives up a connection.
    pub(crate) fn patience(&self) -> Duration {
        self.node.request_timeout + self.node.request_timeout / 2
    }
}

/// Reads by lease, with the bound that the clocks of this world keep to, and no slack.
pub fn leased(world: &WorldConfig) -> Contract {
    let drift_ppm = u32::try_from(world.clock.drift_ppm.max(1)).unwrap_or(u32::MAX);
    let members = u16::try_from(world.nodes).unwrap_or(u16::MAX);
    Contract { reads: Reads::Lease { drift_ppm }, ..Contract::standard(members) }
}

/// The contract of `default` in clusters whose keys are on disk.
pub fn on_disk(contract: Option<Contract>, world: &WorldConfig) -> Contract {
    let members = u16::try_from(world.nodes).unwrap_or(u16::MAX);
    let contract = contract.unwrap_or_else(|| Contract::standard(members));
    Contract { table: TableKind::Disk, ..contract }
}

fn world(profile: Profile, workload: Workload, planted: Planted, prng: &mut Prng) -> WorldConfig {
    let rough = WorldConfig::rough(prng);
    let bad = match profile {
        Profile::Calm => false,
        Profile::Rough | Profile::Mixed => true,
        _ => prng.chance(1, 2),
    };
    let mut config = if bad { rough } else { WorldConfig::default() };
    config.nodes = if prng.chance(1, 6) { 5 } else { 3 };
    config.planted = planted;
    if profile == Profile::Clocks {
        config.clock.drift_ppm = prng.below(20_000);
    }
    if profile == Profile::Leases {
        config.clock.drift_ppm = *prng.pick(&[100, 20_000, 100_000]);
        config.net.delay = Spread::micros(50, 2_000, 9_000);
    }
    if profile == Profile::Churn {
        config.net.late_ppm = 700_000;
        config.net.reorder_ppm = prng.below(300_000);
    }
    if !bad && profile != Profile::Calm {
        // Slower disks than a test would like: more that is written and not yet synced.
        config.disk.sync.max = Duration::from_micros(prng.range(500, 15_000));
    }
    if matches!(profile, Profile::Power | Profile::Crashes | Profile::Disks) {
        // The longer a sync, the more there is to lose; what is sent twice is acknowledged twice.
        config.disk.sync.max = Duration::from_micros(prng.range(10_000, 60_000));
        config.net.duplicate_ppm = if prng.chance(1, 4) { 0 } else { prng.below(500_000) };
    }
    let slow = match profile {
        Profile::Calm | Profile::Rough => false,
        Profile::Power => prng.chance(2, 3),
        _ => !bad && prng.chance(1, 3),
    };
    if slow {
        // Slow nodes on a fast network: what waits for the next turn falls behind what peers answer.
        config.turn = Spread { min: Duration::from_micros(500), ..Spread::micros(0, 5_000, 9_000) };
        config.net.delay = Spread::micros(10, 100, 1_000);
    }
    if workload == Workload::Expiry {
        // A small error makes a small one show.
        let none = profile != Profile::Calm && prng.chance(3, 4);
        config.clock.skew = if none { Duration::ZERO } else { ms(prng.range(20, 120)) };
    }
    config
}

fn node_config(profile: Profile, nodes: u64, planted: Planted, prng: &mut Prng) -> Config {
    let election = match profile {
        Profile::Churn | Profile::Leases => prng.range(50, 120),
        // A leader that pauses leads on.
        Profile::Clocks => prng.range(250, 500),
        _ => prng.range(90, 300),
    };
    let request_timeout = ms(prng.range(600, 2_500));
    // The less timeouts differ, the more often two nodes stand at once.
    let drawn = *prng.pick(&[1, 8, 12, 16, 20, 24]);
    let apart = if profile == Profile::Calm { 1 } else { drawn };
    let member = |node| Member { node: NodeId(node), client: format!("node{node}:6379") };
    Config {
        cluster: "swarm".into(),
        node: NodeId(1),
        members: (1..=nodes).map(member).collect(),
        request_timeout,
        requirepass: None,
        max_value: 1 << 20,
        election: (ms(election), ms(election + election / apart)),
        heartbeat: ms(election / 6),
        snapshot_bytes: prng.range(1 << 10, 12 << 10),
        // Of a third of the clusters, told by a number drawn already; a snapshot takes some tenths of a second.
        transfer_rate: if election % 3 == 0 { 32 << 10 } else { 0 },
        chunk_bytes: usize::try_from(prng.range(128, 1024)).expect("small"),
        default_contract: None,
        misses: *prng.pick(&[(0, 1), (1, 4), (9, 10), (9, 10)]),
        tables: tables(prng),
        version: "swarm",
        started: WallClock(0),
        planted,
    }
}

/// Some clusters have all keys on disk, with so little memory that nearly everything is loaded.
fn tables(prng: &Prng) -> TablesConfig {
    let mut own = prng.fork(7);
    if !own.chance(1, 4) {
        return TablesConfig::default();
    }
    TablesConfig { memory: 0, cache: own.range(1, 4 << 10) }
}

fn nemesis(profile: Profile, workload: Workload, prng: &mut Prng) -> Option<NemesisConfig> {
    let none = NemesisConfig {
        gap: (ms(20), ms(prng.range(150, 1_000))),
        lasts: (ms(20), ms(prng.range(150, 1_500))),
        ..NemesisConfig::none()
    };
    let quiet_clock = workload == Workload::Expiry;
    match profile {
        Profile::Calm | Profile::Rough => None,
        Profile::Crashes => {
            Some(NemesisConfig { crash: 6, crash_all: 2, pause: 3, slow_disk: 2, ..none })
        }
        Profile::Partitions => Some(NemesisConfig {
            isolate: 4,
            halves: 2,
            one_way: 3,
            bridge: 1,
            clog: 2,
            loss: 2,
            delay: 1,
            ..none
        }),
        Profile::Power => Some(NemesisConfig { crash: 4, slow_disk: 2, ..none }),
        Profile::Clocks => {
            let clock_jump = if quiet_clock { 0 } else { 4 };
            // Pauses too short for an election are the ones after which a leader acts on.
            let short = prng.chance(3, 4);
            let (gap, lasts) =
                if short { ((ms(20), ms(150)), (ms(20), ms(250))) } else { (none.gap, none.lasts) };
            Some(NemesisConfig { gap, lasts, pause: 6, clog: 1, slow_disk: 1, clock_jump, ..none })
        }
        Profile::Churn => Some(NemesisConfig {
            gap: (ms(5), ms(120)),
            lasts: (ms(60), ms(prng.range(200, 600))),
            crash: 4,
            crash_all: 2,
            pause: 6,
            isolate: 6,
            halves: 1,
            one_way: 3,
            clog: 5,
            loss: 4,
            slow_disk: 1,
            ..none
        }),
        Profile::Damaged => Some(NemesisConfig { crash: 4, pause: 3, ..none }),
        Profile::Leases => Some(NemesisConfig {
            gap: (ms(5), ms(100)),
            lasts: (ms(40), ms(prng.range(100, 300))),
            crash: 2,
            pause: 4,
            isolate: 4,
            one_way: 5,
            bridge: 3,
            clog: 5,
            loss: 1,
            ..none
        }),
        Profile::Disks => {
            let disks = NemesisConfig { slow_disk: 2, fail_sync: 3, full_disk: 3, ..none };
            Some(NemesisConfig { crash: 3, crash_all: 1, ..disks })
        }
        Profile::Mixed => {
            let all =
                NemesisConfig { gap: none.gap, lasts: none.lasts, ..NemesisConfig::default() };
            Some(if quiet_clock { NemesisConfig { clock_jump: 0, ..all } } else { all })
        }
    }
}

/// Failures that some profiles have in some seeds; and the mix of `Mixed`.
fn mixed(profile: Profile, mut faults: NemesisConfig, mix: &mut Prng) -> NemesisConfig {
    match profile {
        Profile::Crashes if mix.chance(1, 2) => {
            faults.slow_node = 2;
            faults.crash_stop = u64::from(mix.chance(1, 2));
        }
        Profile::Partitions => {
            if mix.chance(1, 2) {
                (faults.send_omission, faults.receive_omission, faults.slow_link) = (2, 2, 2);
            }
            // Whoever leads is gone, or does not know yet that it does not.
            if mix.chance(2, 3) {
                (faults.crash, faults.pause) = (1, 3);
            }
        }
        Profile::Mixed => {
            for weight in faults.weights() {
                if mix.chance(1, 3) {
                    *weight = 0;
                }
            }
            // One at most: with two nodes gone, a keyspace of three may have lost its majority.
            match mix.below(6) {
                0 => faults.crash_stop = 1,
                1 => faults.fail_stop = 1,
                _ => {}
            }
        }
        _ => {}
    }
    faults
}

fn power(profile: Profile, length: Duration, prng: &mut Prng) -> Vec<(Duration, Duration)> {
    if profile != Profile::Power {
        return Vec::new();
    }
    let mut cuts = Vec::new();
    let mut at = ms(prng.range(600, 2_500));
    while at + ms(600) < length {
        let off = ms(prng.range(10, 300));
        cuts.push((at, off));
        // Some come in quick succession: what the first tore must not be read after the second.
        let soon = prng.chance(1, 2);
        let gap = if soon { prng.range(50, 900) } else { prng.range(900, 3_000) };
        at = at + off + ms(gap);
    }
    cuts
}

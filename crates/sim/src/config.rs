//! What a world is like. Everything is drawn from the seed within these bounds.

use crate::{Shape, Spread};
use stdx::{Duration, Planted, Prng};

/// Chances are in parts of a million.
pub(crate) const MILLION: u64 = 1_000_000;

/// Every directed link at first; a fault changes single links.
#[derive(Clone, Copy, Debug)]
pub struct NetConfig {
    /// How long a message takes.
    pub delay: Spread,
    /// Lost messages, in parts of a million.
    pub loss_ppm: u64,
    /// Messages delivered twice, in parts of a million.
    pub duplicate_ppm: u64,
    /// Messages that do not keep the order of their link, in parts of a million.
    pub reorder_ppm: u64,
    /// Messages to a later life than they were sent to (or into a cut) that arrive late all the same, in parts
    /// of a million. The rest is lost, as with TCP.
    pub late_ppm: u64,
}

/// Every disk at first; a fault slows single ones down.
#[derive(Clone, Copy, Debug)]
pub struct DiskConfig {
    /// From the write to the end of its sync.
    pub sync: Spread,
    /// Syncs that fail and stop their node, in parts of a million.
    pub fail_ppm: u64,
    /// A node stopped by a failed sync is restarted after this long.
    pub restart: Spread,
}

/// How wrong clocks are.
#[derive(Clone, Copy, Debug)]
pub struct ClockConfig {
    /// Monotonic clocks run up to this much too fast or too slow, in parts of a million.
    pub drift_ppm: u64,
    /// Wall clocks start up to this much early or late.
    pub skew: Duration,
    /// What nodes are told about the error of their wall clocks.
    pub wall_error: Duration,
    /// What corrects wall clocks. Without it they keep their first error; with it they drift as the monotonic
    /// ones do, and are brought back.
    pub ntp: Option<Ntp>,
}

/// Corrects a wall clock as ntpd does (Mills 1991; RFC 5905): each so often it measures how far the clock is
/// off, steps it if that is more than 128 ms, and else slews it by at most 500 parts of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ntp {
    /// Between two measurements.
    pub poll: Duration,
    /// A measurement is off by up to this.
    pub error: Duration,
}

/// A world's constants.
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// Nodes, with ids from 1.
    pub nodes: u64,
    /// The network.
    pub net: NetConfig,
    /// The disks.
    pub disk: DiskConfig,
    /// The clocks.
    pub clock: ClockConfig,
    /// From the first input waiting to the turn that takes it.
    pub turn: Spread,
    /// From a fail-stop to the moment at which another node is told of it.
    pub detect: Spread,
    /// Inputs a host queues at most.
    pub inbox: usize,
    /// Messages one link holds back at most (clogged or cut); more are lost.
    pub held: usize,
    /// The bug planted into the hosts, if any.
    pub planted: Planted,
}

impl Default for WorldConfig {
    /// Three nodes on a good local network with good disks: no loss, no failing sync, small skew.
    fn default() -> WorldConfig {
        WorldConfig {
            nodes: 3,
            net: NetConfig {
                delay: Spread::micros(50, 500, 20_000),
                loss_ppm: 0,
                duplicate_ppm: 0,
                reorder_ppm: 0,
                late_ppm: 100_000,
            },
            disk: DiskConfig {
                sync: Spread::micros(100, 1_000, 20_000),
                fail_ppm: 0,
                restart: Spread::micros(10_000, 500_000, 1_000_000),
            },
            clock: ClockConfig {
                drift_ppm: 200,
                skew: Duration::from_millis(50),
                wall_error: Duration::from_millis(100),
                ntp: None,
            },
            turn: Spread::micros(1, 50, 5_000),
            detect: Spread::micros(1_000, 100_000, 200_000),
            inbox: 4_096,
            held: 1_024,
            planted: Planted::NONE,
        }
    }
}

impl WorldConfig {
    /// A bad place, drawn from `prng`: loss, duplicates, reordering and slowness of this seed's own kind; a
    /// share of seeds stays calm in each respect, so that every fault is also met alone.
    pub fn rough(prng: &mut Prng) -> WorldConfig {
        let mut config = WorldConfig::default();
        let some =
            |prng: &mut Prng, most: u64| if prng.chance(1, 3) { 0 } else { prng.below(most) };
        config.net.loss_ppm = some(prng, 50_000);
        config.net.duplicate_ppm = some(prng, 50_000);
        config.net.reorder_ppm = some(prng, 200_000);
        config.net.late_ppm = some(prng, 500_000);
        config.net.delay.slow_ppm = some(prng, 50_000);
        config.net.delay.max = Duration::from_micros(prng.range(100, 20_000));
        config.net.delay.slow = Duration::from_micros(prng.range(20_000, 400_000));
        config.disk.sync.max = Duration::from_micros(prng.range(200, 20_000));
        config.disk.sync.slow_ppm = some(prng, 20_000);
        config.disk.sync.slow = Duration::from_micros(prng.range(20_000, 500_000));
        config.disk.fail_ppm = if prng.chance(1, 4) { prng.below(500) } else { 0 };
        config.turn.max = Duration::from_micros(prng.range(10, 2_000));
        config.clock.drift_ppm = some(prng, 20_000);
        config.clock.skew = Duration::from_millis(some(prng, 5_000));
        // From a generator of their own: what came before means what it meant.
        let prng = &mut prng.fork(1);
        if prng.chance(1, 3) {
            config.net.delay.shape = *prng.pick(&Shape::ALL);
            config.disk.sync.shape = *prng.pick(&Shape::ALL);
        }
        config
    }
}

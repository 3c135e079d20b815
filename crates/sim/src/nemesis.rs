//! Schedules of faults, drawn from a generator: nothing here touches a world.

use crate::{Fault, Spread};
use stdx::{Duration, Instant, NodeId, NodeSet, Prng};

/// How much goes wrong. A weight of zero leaves a kind out.
#[derive(Clone, Copy, Debug)]
pub struct NemesisConfig {
    /// From the end of one fault of a track to the next; tracks (nodes, links, disks and clocks) overlap.
    pub gap: (Duration, Duration),
    /// How long a fault lasts.
    pub lasts: (Duration, Duration),
    /// Crash and restart of one node.
    pub crash: u64,
    /// Crash of all nodes at once, as when the power fails.
    pub crash_all: u64,
    /// A node that stops for a while.
    pub pause: u64,
    /// One node alone.
    pub isolate: u64,
    /// Two groups.
    pub halves: u64,
    /// One direction only.
    pub one_way: u64,
    /// Two groups and a node that sees both.
    pub bridge: u64,
    /// One link held back.
    pub clog: u64,
    /// Many messages lost.
    pub loss: u64,
    /// A slow network.
    pub delay: u64,
    /// One slow disk.
    pub slow_disk: u64,
    /// A wall clock that jumps.
    pub clock_jump: u64,
}

impl Default for NemesisConfig {
    fn default() -> NemesisConfig {
        NemesisConfig {
            gap: (Duration::from_millis(50), Duration::from_millis(2_000)),
            lasts: (Duration::from_millis(20), Duration::from_millis(1_500)),
            crash: 8,
            crash_all: 1,
            pause: 3,
            isolate: 4,
            halves: 2,
            one_way: 3,
            bridge: 1,
            clog: 2,
            loss: 2,
            delay: 1,
            slow_disk: 2,
            clock_jump: 2,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Crash,
    CrashAll,
    Pause,
    Isolate,
    Halves,
    OneWay,
    Bridge,
    Clog,
    Loss,
    Delay,
    SlowDisk,
    ClockJump,
}

/// Draws schedules.
#[derive(Clone, Debug)]
pub struct Nemesis {
    config: NemesisConfig,
    nodes: Vec<NodeId>,
    prng: Prng,
}

impl Nemesis {
    /// One for these nodes.
    pub fn new(
        config: NemesisConfig,
        nodes: impl IntoIterator<Item = NodeId>,
        prng: Prng,
    ) -> Nemesis {
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        assert!(!nodes.is_empty(), "a nemesis needs somebody");
        Nemesis { config, nodes, prng }
    }

    /// Faults between `from` and `until`, in order of time, and [`Fault::HealAll`] at `until`.
    pub fn plan(&mut self, from: Instant, until: Instant) -> Vec<(Instant, Fault)> {
        let c = self.config;
        let mut plan = Vec::new();
        self.track(
            &[(Kind::Crash, c.crash), (Kind::CrashAll, c.crash_all), (Kind::Pause, c.pause)],
            (from, until),
            &mut plan,
        );
        self.track(
            &[
                (Kind::Isolate, c.isolate),
                (Kind::Halves, c.halves),
                (Kind::OneWay, c.one_way),
                (Kind::Bridge, c.bridge),
                (Kind::Clog, c.clog),
                (Kind::Loss, c.loss),
                (Kind::Delay, c.delay),
            ],
            (from, until),
            &mut plan,
        );
        self.track(
            &[(Kind::SlowDisk, c.slow_disk), (Kind::ClockJump, c.clock_jump)],
            (from, until),
            &mut plan,
        );
        plan.sort_by_key(|(at, _)| *at);
        plan.retain(|(at, _)| *at < until);
        plan.push((until, Fault::HealAll));
        plan
    }

    fn track(
        &mut self,
        kinds: &[(Kind, u64)],
        (from, until): (Instant, Instant),
        plan: &mut Vec<(Instant, Fault)>,
    ) {
        let total: u64 = kinds.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return;
        }
        let mut at = from;
        loop {
            at = at + self.prng.span(self.config.gap.0, self.config.gap.1.max(self.config.gap.0));
            if at >= until {
                return;
            }
            let mut drawn = self.prng.below(total);
            let kind = kinds.iter().find(|(_, weight)| {
                let found = drawn < *weight;
                drawn = drawn.saturating_sub(*weight);
                found
            });
            let (kind, _) = kind.expect("drawn below the sum");
            let last = self.config.lasts;
            let end = at + self.prng.span(last.0, last.1.max(last.0));
            self.fault(*kind, at, end, plan);
            at = end;
        }
    }

    fn fault(&mut self, kind: Kind, at: Instant, end: Instant, plan: &mut Vec<(Instant, Fault)>) {
        let node = *self.prng.pick(&self.nodes);
        let others = || self.nodes.iter().copied().filter(|id| *id != node);
        let alone: NodeSet = [node].into_iter().collect();
        let fault = match kind {
            Kind::Crash => {
                plan.push((end, Fault::Restart(node)));
                Fault::Crash(node)
            }
            Kind::CrashAll => {
                plan.extend(others().map(|id| (at, Fault::Crash(id))));
                plan.extend(self.nodes.iter().map(|id| (end, Fault::Restart(*id))));
                Fault::Crash(node)
            }
            Kind::Pause => Fault::Pause(node, end.since(at)),
            Kind::Isolate => Fault::Isolate(alone),
            Kind::Halves => Fault::Isolate(self.half()),
            Kind::OneWay if self.prng.chance(1, 2) => Fault::OneWay(alone, others().collect()),
            Kind::OneWay => Fault::OneWay(others().collect(), alone),
            Kind::Bridge => Fault::Bridge { bridge: node, half: self.half() },
            Kind::Clog => Fault::Clog(node, *self.prng.pick(&self.nodes)),
            Kind::Loss => Fault::Loss(self.prng.range(50_000, 500_000)),
            Kind::Delay => {
                let most = self.prng.range(1_000, 200_000);
                Fault::Delay(Spread::micros(most / 10, most, most * 4))
            }
            Kind::SlowDisk => {
                let most = self.prng.range(5_000, 300_000);
                Fault::SlowDisk(node, Spread::micros(most / 10, most, most * 4))
            }
            Kind::ClockJump => {
                let most = 60_000_000;
                Fault::ClockJump(
                    node,
                    self.prng.range(0, 2 * most).cast_signed() - most.cast_signed(),
                )
            }
        };
        let heals = matches!(
            kind,
            Kind::Isolate
                | Kind::Halves
                | Kind::OneWay
                | Kind::Bridge
                | Kind::Clog
                | Kind::Loss
                | Kind::Delay
                | Kind::SlowDisk
        );
        plan.push((at, fault));
        if heals {
            plan.push((end, Fault::Heal));
        }
    }

    /// Some nodes, not all, at least one (of two or more).
    fn half(&mut self) -> NodeSet {
        let mut nodes = self.nodes.clone();
        self.prng.shuffle(&mut nodes);
        let most = nodes.len().saturating_sub(1).max(1) as u64;
        let size = usize::try_from(self.prng.range(1, most)).expect("few nodes");
        nodes.into_iter().take(size).collect()
    }
}

//! Schedules of faults, drawn from a generator: nothing here touches a world.

use crate::config::MILLION;
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
    /// One node that omits to send.
    pub send_omission: u64,
    /// One node that omits to receive.
    pub receive_omission: u64,
    /// One node that takes long over each input.
    pub slow_node: u64,
    /// One slow link.
    pub slow_link: u64,
    /// Many messages that arrive twice.
    pub duplicate: u64,
    /// Many messages that overtake others.
    pub reorder: u64,
    /// A sync that fails.
    pub fail_sync: u64,
    /// One full disk.
    pub full_disk: u64,
    /// Not a weight: so many nodes stop for good, a minority at most, and nobody is told.
    pub crash_stop: u64,
    /// Not a weight: so many nodes stop for good, with those of `crash_stop` a minority at most, and the others
    /// are told.
    pub fail_stop: u64,
}

impl NemesisConfig {
    /// Nothing at all: for those who name what they want.
    pub fn none() -> NemesisConfig {
        NemesisConfig {
            gap: (Duration::from_millis(50), Duration::from_millis(2_000)),
            lasts: (Duration::from_millis(20), Duration::from_millis(1_500)),
            crash: 0,
            crash_all: 0,
            pause: 0,
            isolate: 0,
            halves: 0,
            one_way: 0,
            bridge: 0,
            clog: 0,
            loss: 0,
            delay: 0,
            slow_disk: 0,
            clock_jump: 0,
            send_omission: 0,
            receive_omission: 0,
            slow_node: 0,
            slow_link: 0,
            duplicate: 0,
            reorder: 0,
            fail_sync: 0,
            full_disk: 0,
            crash_stop: 0,
            fail_stop: 0,
        }
    }

    /// Every weight, to draw a mix of faults: to leave a kind out, or to have more of it.
    pub fn weights(&mut self) -> [&mut u64; 20] {
        [
            &mut self.crash,
            &mut self.crash_all,
            &mut self.pause,
            &mut self.isolate,
            &mut self.halves,
            &mut self.one_way,
            &mut self.bridge,
            &mut self.clog,
            &mut self.loss,
            &mut self.delay,
            &mut self.slow_disk,
            &mut self.clock_jump,
            &mut self.send_omission,
            &mut self.receive_omission,
            &mut self.slow_node,
            &mut self.slow_link,
            &mut self.duplicate,
            &mut self.reorder,
            &mut self.fail_sync,
            &mut self.full_disk,
        ]
    }
}

/// All kinds but those that stop nodes for good.
impl Default for NemesisConfig {
    fn default() -> NemesisConfig {
        NemesisConfig {
            gap: (Duration::from_millis(50), Duration::from_millis(2_000)),
            lasts: (Duration::from_millis(20), Duration::from_millis(1_500)),
            crash: 8,
            crash_all: 2,
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
            send_omission: 2,
            receive_omission: 2,
            slow_node: 2,
            slow_link: 2,
            duplicate: 1,
            reorder: 1,
            fail_sync: 1,
            full_disk: 1,
            ..NemesisConfig::none()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
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
    SendOmission,
    ReceiveOmission,
    SlowNode,
    SlowLink,
    Duplicate,
    Reorder,
    FailSync,
    FullDisk,
}

impl Kind {
    /// Whether a [`Fault::Heal`] ends it.
    fn heals(self) -> bool {
        !matches!(
            self,
            Kind::Crash | Kind::CrashAll | Kind::Pause | Kind::ClockJump | Kind::FailSync
        )
    }
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
        self.track(
            &[
                (Kind::SendOmission, c.send_omission),
                (Kind::ReceiveOmission, c.receive_omission),
                (Kind::SlowNode, c.slow_node),
                (Kind::SlowLink, c.slow_link),
                (Kind::Duplicate, c.duplicate),
                (Kind::Reorder, c.reorder),
            ],
            (from, until),
            &mut plan,
        );
        self.track(
            &[(Kind::FailSync, c.fail_sync), (Kind::FullDisk, c.full_disk)],
            (from, until),
            &mut plan,
        );
        self.stops((from, until), &mut plan);
        plan.sort_by_key(|(at, _)| *at);
        plan.retain(|(at, _)| *at < until);
        plan.push((until, Fault::HealAll));
        plan
    }

    /// Nodes that stop for good: fewer than half, since with half of them gone nothing is promised but safety.
    fn stops(&mut self, (from, until): (Instant, Instant), plan: &mut Vec<(Instant, Fault)>) {
        let (crash, fail) = (self.config.crash_stop, self.config.fail_stop);
        if crash + fail == 0 {
            return;
        }
        let most = (self.nodes.len() - 1) / 2;
        let mut nodes = self.nodes.clone();
        self.prng.shuffle(&mut nodes);
        let kinds = (0..crash).map(|_| false).chain((0..fail).map(|_| true));
        for (node, told) in nodes.into_iter().zip(kinds).take(most) {
            let at = from + self.prng.span(Duration::ZERO, until.since(from));
            let fault = if told { Fault::FailStop(node) } else { Fault::CrashStop(node) };
            plan.push((at, fault));
        }
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
            Kind::Clog => Fault::Clog(node, self.peer(node)),
            Kind::Loss => Fault::Loss(self.prng.range(50_000, 500_000)),
            Kind::Delay => Fault::Delay(self.slowness(1_000, 200_000)),
            Kind::SlowDisk => Fault::SlowDisk(node, self.slowness(5_000, 300_000)),
            Kind::SendOmission => Fault::SendOmission(node, self.prng.range(100_000, MILLION)),
            Kind::ReceiveOmission => {
                Fault::ReceiveOmission(node, self.prng.range(100_000, MILLION))
            }
            Kind::SlowNode => Fault::SlowNode(node, self.slowness(500, 60_000)),
            Kind::SlowLink => {
                let to = self.peer(node);
                Fault::SlowLink(node, to, self.slowness(1_000, 400_000))
            }
            Kind::Duplicate => Fault::Duplicate(self.prng.range(50_000, 500_000)),
            Kind::Reorder => Fault::Reorder(self.prng.range(50_000, 700_000)),
            Kind::FailSync => Fault::FailSync(node),
            Kind::FullDisk => Fault::FullDisk(node),
            Kind::ClockJump => {
                let most = 60_000_000;
                Fault::ClockJump(
                    node,
                    self.prng.range(0, 2 * most).cast_signed() - most.cast_signed(),
                )
            }
        };
        plan.push((at, fault));
        if kind.heals() {
            plan.push((end, Fault::Heal));
        }
        if kind == Kind::FullDisk {
            // It may have failed to start while there was no room.
            plan.push((end, Fault::Restart(node)));
        }
    }

    /// Another node, since nobody has a link to itself; of one node alone, that one.
    fn peer(&mut self, node: NodeId) -> NodeId {
        let peers: Vec<NodeId> = self.nodes.iter().copied().filter(|id| *id != node).collect();
        if peers.is_empty() { node } else { *self.prng.pick(&peers) }
    }

    /// Up to so many microseconds, drawn between the two.
    fn slowness(&mut self, least: u64, most: u64) -> Spread {
        let most = self.prng.range(least, most);
        Spread::micros(most / 10, most, most * 4)
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

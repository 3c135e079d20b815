//! Faults as data: what a nemesis plans and a world carries out.

use crate::{Boot, Spread, What, World};
use stdx::{Duration, NodeId, NodeSet};

/// One thing that goes wrong, or right again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node crashes: at once, or between two actions of one of its next turns, as drawn.
    Crash(NodeId),
    /// The node starts again, if it is down.
    Restart(NodeId),
    /// The node takes no turn for a while; from now on or from between two of its next actions, as drawn.
    Pause(NodeId, Duration),
    /// Nothing passes between these nodes and the others, either way.
    Isolate(NodeSet),
    /// Nothing passes from the first to the second; the other way is as it was.
    OneWay(NodeSet, NodeSet),
    /// Two halves that both still talk with the bridge, and not with each other.
    Bridge {
        /// The node both sides see.
        bridge: NodeId,
        /// One half; the other is the rest.
        half: NodeSet,
    },
    /// What one node sends another is held back until the link is released or healed.
    Clog(NodeId, NodeId),
    /// The opposite of `Clog`.
    Release(NodeId, NodeId),
    /// All links lose this many messages of a million, until healed.
    Loss(u64),
    /// All links take this long, until healed.
    Delay(Spread),
    /// The node's disk takes this long to sync, until healed.
    SlowDisk(NodeId, Spread),
    /// The node's wall clock jumps by so many microseconds.
    ClockJump(NodeId, i64),
    /// All cuts, clogs, losses, delays and slow disks end; nodes stay as they are.
    Heal,
    /// `Heal`, and every node is up and runs.
    HealAll,
}

impl Fault {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Crash(_) => "crash",
            Fault::Restart(_) => "restart",
            Fault::Pause(..) => "pause",
            Fault::Isolate(_) => "partition",
            Fault::OneWay(..) => "one-way partition",
            Fault::Bridge { .. } => "partial partition",
            Fault::Clog(..) => "clogged link",
            Fault::Release(..) => "link released",
            Fault::Loss(_) => "loss",
            Fault::Delay(_) => "slow links",
            Fault::SlowDisk(..) => "slow disk",
            Fault::ClockJump(..) => "clock jump",
            Fault::Heal => "heal",
            Fault::HealAll => "heal all",
        }
    }

    /// The one node it befalls, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Fault::Crash(node)
            | Fault::Restart(node)
            | Fault::Pause(node, _)
            | Fault::Clog(node, _)
            | Fault::Release(node, _)
            | Fault::SlowDisk(node, _)
            | Fault::ClockJump(node, _) => Some(*node),
            Fault::Isolate(_)
            | Fault::OneWay(..)
            | Fault::Bridge { .. }
            | Fault::Loss(_)
            | Fault::Delay(_)
            | Fault::Heal
            | Fault::HealAll => None,
        }
    }
}

/// Messages and syncs take no longer once progress is demanded.
const SYNCHRONOUS: Duration = Duration::from_millis(5);

impl<B: Boot> World<B> {
    /// Carries out a fault now.
    pub fn apply(&mut self, fault: &Fault) {
        self.record(fault.node(), || What::Fault {
            name: fault.name(),
            text: format!("{fault:?}"),
        });
        match fault {
            Fault::Crash(node) => self.crash_soon(*node),
            Fault::Restart(node) => self.restart(*node),
            Fault::Pause(node, span) => self.pause_soon(*node, *span),
            Fault::Isolate(side) => self.partition(side),
            Fault::OneWay(from, to) => self.cut(from, to),
            Fault::Bridge { bridge, half } => {
                let rest = |id: &NodeId| *id != *bridge && !half.contains(*id);
                let rest: NodeSet = self.ids().filter(rest).collect();
                let half: NodeSet = half.iter().filter(|id| id != bridge).collect();
                self.cut(&half, &rest);
                self.cut(&rest, &half);
            }
            Fault::Clog(from, to) => self.clog(*from, *to),
            Fault::Release(from, to) => self.release(*from, *to),
            Fault::Loss(ppm) => self.net.each(|link| link.config.loss_ppm = *ppm),
            Fault::Delay(spread) => self.net.each(|link| link.config.delay = *spread),
            Fault::SlowDisk(node, spread) => {
                let index = self.index(*node);
                self.nodes[index].sync = *spread;
            }
            Fault::ClockJump(node, micros) => {
                let index = self.index(*node);
                self.nodes[index].clock.jump(*micros);
                self.counters.clock_jumps += 1;
            }
            Fault::Heal => self.heal(),
            Fault::HealAll => {
                self.heal();
                for node in self.ids().collect::<Vec<_>>() {
                    self.restart(node);
                    self.resume(node);
                }
            }
        }
    }

    /// Cuts every link between `side` and the rest, both ways.
    pub fn partition(&mut self, side: &NodeSet) {
        let rest: NodeSet = self.ids().filter(|id| !side.contains(*id)).collect();
        self.cut(side, &rest);
        self.cut(&rest, side);
    }

    /// Cuts every link from `from` to `to`; not the other way.
    pub fn cut(&mut self, from: &NodeSet, to: &NodeSet) {
        let mut cut = false;
        for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (a, b))) {
            let (a, b) = (self.index(a), self.index(b));
            if a != b {
                self.net.link(a, b).cut = true;
                cut = true;
            }
        }
        self.counters.partitions += u64::from(cut);
    }

    /// Holds back what `from` sends `to`.
    pub fn clog(&mut self, from: NodeId, to: NodeId) {
        let (from, to) = (self.index(from), self.index(to));
        self.net.link(from, to).clogged = true;
        self.counters.clogs += 1;
    }

    /// Lets go of what `from` sent `to`.
    pub fn release(&mut self, from: NodeId, to: NodeId) {
        let (from, to) = (self.index(from), self.index(to));
        self.net.link(from, to).clogged = false;
        self.let_through(from, to);
    }

    /// Gives one directed link its own character, until healed.
    pub fn link(&mut self, from: NodeId, to: NodeId, config: crate::NetConfig) {
        let (from, to) = (self.index(from), self.index(to));
        self.net.link(from, to).config = config;
    }

    /// From here on nothing goes wrong by chance either and nothing takes long, and [`Fault::HealAll`]: the
    /// time to demand progress.
    pub fn calm(&mut self) {
        let net = &mut self.config.net;
        (net.loss_ppm, net.duplicate_ppm, net.reorder_ppm, net.late_ppm) = (0, 0, 0, 0);
        // Progress is promised once the network is synchronous (Dwork, Lynch and Stockmeyer 1988): messages that
        // take longer than an election timeout may depose leaders for ever.
        for spread in [&mut net.delay, &mut self.config.disk.sync] {
            spread.slow_ppm = 0;
            spread.max = spread.max.min(SYNCHRONOUS).max(spread.min);
        }
        self.config.disk.fail_ppm = 0;
        self.apply(&Fault::HealAll);
    }

    /// Ends all cuts, clogs and changes of links and disks; what links held back arrives now.
    pub fn heal(&mut self) {
        let usual = self.config.net;
        self.net.each(|link| {
            link.cut = false;
            link.clogged = false;
            link.config = usual;
        });
        for from in 0..self.nodes.len() {
            self.nodes[from].sync = self.config.disk.sync;
            for to in 0..self.nodes.len() {
                self.let_through(from, to);
            }
        }
    }
}

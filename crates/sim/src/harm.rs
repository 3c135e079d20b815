//! How a world carries out faults, and how it heals.

use crate::trace::What;
use crate::world::{Agenda, Node};
use crate::{Boot, Fault, SimDisk, Spread, Why, World, disk};
use stdx::{Duration, NodeId, NodeSet};

/// Messages and syncs take no longer once progress is demanded.
const SYNCHRONOUS: Duration = Duration::from_millis(5);

impl<B: Boot> World<B> {
    /// Carries out a fault now.
    pub fn apply(&mut self, fault: &Fault) {
        self.record(fault.node(), || What::Fault { name: fault.name(), text: fault.to_string() });
        match fault {
            Fault::Crash(node) => self.crash_soon(*node),
            Fault::Restart(node) => self.restart(*node),
            Fault::CrashStop(node) => self.crash_stop(*node),
            Fault::FailStop(node) => self.fail_stop(*node),
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
            Fault::Duplicate(ppm) => self.net.each(|link| link.config.duplicate_ppm = *ppm),
            Fault::Reorder(ppm) => self.net.each(|link| link.config.reorder_ppm = *ppm),
            Fault::Damage(ppm) => self.damage_ppm = *ppm,
            Fault::Delay(spread) => self.net.each(|link| link.config.delay = *spread),
            Fault::SlowLink(from, to, spread) => {
                let (from, to) = (self.index(*from), self.index(*to));
                self.net.link(from, to).config.delay = *spread;
            }
            Fault::SlowNode(node, spread) => self.slow_node(*node, *spread),
            Fault::SendOmission(node, ppm) => {
                let index = self.index(*node);
                self.nodes[index].omits.0 = *ppm;
            }
            Fault::ReceiveOmission(node, ppm) => {
                let index = self.index(*node);
                self.nodes[index].omits.1 = *ppm;
            }
            Fault::SlowDisk(node, spread) => {
                let index = self.index(*node);
                self.nodes[index].sync = *spread;
            }
            Fault::FailSync(_) | Fault::FullDisk(_) | Fault::BitRot(..) | Fault::Misdirect(..) => {
                self.harm_disk(fault);
            }
            Fault::ClockJump(node, micros) => {
                let index = self.index(*node);
                self.nodes[index].clock.jump(*micros);
                self.counters.clock_jumps += 1;
            }
            Fault::Byzantine(node, how) => self.corrupt(*node, how.clone()),
            Fault::PowerOff => {
                self.counters.power_failures += 1;
                (0..self.nodes.len()).for_each(|index| self.power_off(index));
            }
            Fault::PowerOn => (0..self.nodes.len()).for_each(|index| self.start(index)),
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

    /// The node crashes now and never starts again.
    pub fn crash_stop(&mut self, node: NodeId) {
        let index = self.index(node);
        if !std::mem::replace(&mut self.nodes[index].gone, true) {
            self.counters.stops += 1;
        }
        self.down(index, Why::Crash);
    }

    /// [`World::crash_stop`], and every other node is told: never before it has stopped (accuracy), all that
    /// are up or start later (completeness). What is said is [`Boot::stopped`]'s.
    pub fn fail_stop(&mut self, node: NodeId) {
        self.crash_stop(node);
        let peer = self.index(node);
        self.nodes[peer].known_gone = true;
        for index in (0..self.nodes.len()).filter(|index| *index != peer) {
            self.detect(index, peer);
        }
    }

    /// A node that is up will hear that its peer has stopped.
    pub(crate) fn detect(&mut self, index: usize, peer: usize) {
        let at = self.now + self.config.detect.draw(&mut self.misfortune);
        let life = self.nodes[index].life;
        self.agenda.push(at, Agenda::Told { node: index, life, peer });
    }

    pub(crate) fn told(&mut self, index: usize, life: u64, peer: usize) {
        let of = self.nodes[peer].id;
        let node = &mut self.nodes[index];
        let Some(up) = node.up.as_mut().filter(|_| node.life == life) else { return };
        let Some(request) = self.boot.stopped(up.host.core(), of) else { return };
        if up.host.request(request).is_err() {
            // Its queue is full: a detector that gave up would not be complete.
            return self.detect(index, peer);
        }
        self.counters.detections += 1;
        self.mark(11, (index as u64) << 32 | peer as u64);
        self.record_at(index, || What::Note(format!("is told that {of:?} has stopped")));
        self.arm(index);
    }

    /// Whether a node has stopped for good.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.nodes[self.index(node)].gone
    }

    fn slow_node(&mut self, node: NodeId, spread: Spread) {
        let index = self.index(node);
        self.nodes[index].turn = spread;
        self.counters.slow_nodes += 1;
    }

    fn harm_disk(&mut self, fault: &Fault) {
        let Some(node) = fault.node() else { return };
        let index = self.index(node);
        let node = &mut self.nodes[index];
        let running = node.up.is_some();
        let Some(on) = node.disk_mut() else { return };
        match fault {
            // A start whose sync fails is another matter: it has told nobody anything.
            Fault::FailSync(_) if !running => {}
            Fault::FailSync(_) => on.inject(disk::Fault::FailSync(0)),
            Fault::FullDisk(_) => {
                on.fill();
                self.counters.full_disks += 1;
            }
            Fault::BitRot(_, number) => {
                let Some((file, byte)) = on.place(number / 8) else { return };
                on.inject(disk::Fault::BitFlip { file, bit: byte * 8 + number % 8 });
                node.damage_expected = true;
                self.counters.flipped_bits += 1;
            }
            Fault::Misdirect(_, number) => {
                let Some((file, offset)) = on.place(*number) else { return };
                on.inject(disk::Fault::Misdirected { file, offset });
                node.damage_expected = true;
                self.counters.misdirected += 1;
            }
            _ => {}
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

    /// From here on nothing goes wrong by chance either and nothing takes long, what disks had still in store
    /// is called off, and [`Fault::HealAll`]: the time to demand progress.
    pub fn calm(&mut self) {
        let net = &mut self.config.net;
        (net.loss_ppm, net.duplicate_ppm, net.reorder_ppm, net.late_ppm) = (0, 0, 0, 0);
        // Progress is promised once the network is synchronous (Dwork, Lynch and Stockmeyer 1988): messages that
        // take longer than an election timeout may depose leaders for ever.
        for spread in [&mut net.delay, &mut self.config.disk.sync] {
            spread.slow_ppm = 0;
            spread.max = spread.max.min(SYNCHRONOUS).max(spread.min);
            spread.slow = spread.max;
        }
        self.config.disk.fail_ppm = 0;
        self.nodes.iter_mut().filter_map(Node::disk_mut).for_each(SimDisk::forget_faults);
        self.apply(&Fault::HealAll);
    }

    /// Ends all cuts, clogs and changes of links and disks; what links held back arrives now.
    pub fn heal(&mut self) {
        let usual = self.config.net;
        self.damage_ppm = 0;
        self.net.each(|link| {
            link.cut = false;
            link.clogged = false;
            link.config = usual;
        });
        for from in 0..self.nodes.len() {
            let node = &mut self.nodes[from];
            node.sync = self.config.disk.sync;
            node.turn = self.config.turn;
            node.omits = (0, 0);
            if let Some(liar) = &mut node.liar {
                liar.stop();
            }
            if let Some(on) = node.disk_mut() {
                on.make_room();
            }
            for to in 0..self.nodes.len() {
                self.let_through(from, to);
            }
        }
    }
}

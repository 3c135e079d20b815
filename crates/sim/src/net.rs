//! Directed links. A link keeps the order of what it carries, as a connection does, except where reordering is
//! drawn; what a cut or a clog meets is lost or held back.

use crate::NetConfig;
use crate::config::MILLION;
use crate::world::Packet;
use stdx::{Instant, Prng};

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: NetConfig,
    pub(crate) cut: bool,
    pub(crate) clogged: bool,
    /// Arrives when the link is released or healed.
    pub(crate) held: Vec<Packet>,
    /// When the last message that keeps its order arrives.
    last: Instant,
    /// Numbers what is sent, to notice reordering.
    sent: u64,
    /// The highest number delivered.
    seen: u64,
    /// Its own, so that what one link carries shifts nothing on another.
    prng: Prng,
}

/// When the copies of one message arrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Once(Instant),
    Twice(Instant, Instant),
}

#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    links: Vec<Link>,
    most_held: usize,
}

impl Network {
    pub(crate) fn new(nodes: usize, config: NetConfig, most_held: usize, prng: &Prng) -> Network {
        let link = |number: usize| Link {
            config,
            cut: false,
            clogged: false,
            held: Vec::new(),
            last: Instant(0),
            sent: 0,
            seen: 0,
            prng: prng.fork(number as u64),
        };
        Network { nodes, links: (0..nodes * nodes).map(link).collect(), most_held }
    }

    pub(crate) fn link(&mut self, from: usize, to: usize) -> &mut Link {
        assert!(from < self.nodes && to < self.nodes, "no link {from} to {to}");
        &mut self.links[from * self.nodes + to]
    }

    pub(crate) fn each(&mut self, change: impl FnMut(&mut Link)) {
        self.links.iter_mut().for_each(change);
    }

    /// Numbers a message and draws its fate.
    pub(crate) fn send(&mut self, from: usize, to: usize, now: Instant) -> (u64, Fate) {
        assert_ne!(from, to, "self-sends never touch the network");
        let link = &mut self.links[from * self.nodes + to];
        let prng = &mut link.prng;
        link.sent += 1;
        let chance = |prng: &mut Prng, ppm: u64| ppm > 0 && prng.chance(ppm, MILLION);
        if chance(prng, link.config.loss_ppm) {
            return (link.sent, Fate::Lost);
        }
        let mut at = now + link.config.delay.draw(prng);
        if !chance(prng, link.config.reorder_ppm) {
            at = at.max(link.last);
            link.last = at;
        }
        if chance(prng, link.config.duplicate_ppm) {
            let again = now + link.config.delay.draw(prng);
            return (link.sent, Fate::Twice(at, again));
        }
        (link.sent, Fate::Once(at))
    }

    /// Whether a message that a cut, a crash or a restart has met arrives all the same.
    pub(crate) fn late(&mut self, from: usize, to: usize) -> bool {
        let link = self.link(from, to);
        let ppm = link.config.late_ppm;
        ppm > 0 && link.prng.chance(ppm, MILLION)
    }

    pub(crate) fn coin(&mut self, from: usize, to: usize) -> bool {
        self.link(from, to).prng.chance(1, 2)
    }

    /// Notes an arrival; true if a later message came before it.
    pub(crate) fn arrived(&mut self, from: usize, to: usize, number: u64) -> bool {
        let link = self.link(from, to);
        let overtaken = number < link.seen;
        link.seen = link.seen.max(number);
        overtaken
    }

    /// Keeps a message for later; gives it back if the link holds too many.
    pub(crate) fn hold(&mut self, packet: Packet) -> Result<(), Packet> {
        let most = self.most_held;
        let link = self.link(packet.from, packet.to);
        if link.held.len() >= most {
            return Err(packet);
        }
        link.held.push(packet);
        Ok(())
    }
}

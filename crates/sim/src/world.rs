//! The world's public verbs.

use crate::byzantine::Liar;
use crate::clock::Clock;
use crate::net::Network;
use crate::queue::Queue;
use crate::{Counters, Fault, SimDisk, Spread, Trace, WorldConfig};
use protocol::{Action, Host, Protocol};
use std::collections::VecDeque;
use std::hash::Hasher;
use stdx::{Digest, Duration, Instant, NodeId, Now, Position, Prng};
use storage::Log;
use wire::Batch;

/// What a node is made from.
#[derive(Debug)]
pub struct Start {
    /// Which node.
    pub node: NodeId,
    /// How many times it was started before.
    pub starts: u64,
    /// Its disk, as the last crash left it.
    pub disk: SimDisk,
    /// What its clocks show.
    pub now: Now,
    /// A generator for this start alone.
    pub rng: Prng,
}

/// A node ready to run.
#[derive(Debug)]
pub struct Booted<P> {
    /// Recovered from `log`.
    pub core: P,
    /// Opened on the disk of [`Start`].
    pub log: Log<SimDisk>,
    /// Where the log ended when it was opened, before the boot wrote anything: what survived.
    pub recovered: Position,
    /// All of `log` is durable up to here (the boot's own records too), and here the next record goes.
    pub durable: Position,
}

/// A node that could not be made.
#[derive(Debug)]
pub struct BootFailed {
    /// Why.
    pub reason: String,
    /// The disk, if it is to be tried again.
    pub disk: Option<Box<SimDisk>>,
}

/// Makes nodes; the only thing a world knows of the system it runs.
pub trait Boot {
    /// What the nodes run.
    type Core: Protocol;
    /// Opens the log on `start.disk`, raises the life durably, recovers the core.
    fn boot(&mut self, start: Start) -> Result<Booted<Self::Core>, BootFailed>;
    /// A node has appended records to its log; durable once [`World::durable`] has passed them.
    fn wrote(&mut self, node: NodeId, batch: &Batch) {
        let _ = (node, batch);
    }
    /// The kind of a message, in a trace.
    fn kind(&self, message: &<Self::Core as Protocol>::Message) -> String {
        let _ = message;
        String::from("message")
    }
    /// The content of a message, in a trace.
    fn describe(&self, message: &<Self::Core as Protocol>::Message) -> String {
        let _ = message;
        String::from("message")
    }
    /// Flips one bit of what a message carries for others (not of what the protocol itself says in it), for
    /// [`crate::Fault::Damage`]; false if it carries nothing.
    fn damage(&self, message: &mut <Self::Core as Protocol>::Message, prng: &mut Prng) -> bool {
        let _ = (message, prng);
        false
    }
    /// What a node's host asks of its core once it knows that `peer` has stopped for good (fail-stop); none if
    /// the core listens to no detector.
    fn stopped(
        &self,
        core: &Self::Core,
        peer: NodeId,
    ) -> Option<<Self::Core as Protocol>::Request> {
        let _ = (core, peer);
        None
    }
    /// What a node holds, in a trace: one line, or none at all.
    fn state(&self, core: &Self::Core) -> String {
        let _ = core;
        String::new()
    }
}

/// Why a node is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It crashed.
    Crash,
    /// A sync or a write failed, which stops a node.
    DiskFailed,
    /// It could not be started: the reason.
    BootFailed(String),
}

/// What the user of a world gets to see.
pub enum Event<P: Protocol> {
    /// A host handed out an answer.
    Output {
        /// Whose.
        node: NodeId,
        /// What.
        output: P::Output,
    },
    /// A time asked for with [`World::at`] has come.
    Token(u64),
    /// A node stopped: everything it held in memory is gone.
    Down {
        /// Which.
        node: NodeId,
        /// Why.
        why: Why,
    },
    /// A node started (again).
    Up {
        /// Which.
        node: NodeId,
    },
}

impl<P: Protocol> std::fmt::Debug for Event<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Output { node, .. } => write!(f, "output of {node:?}"),
            Event::Token(token) => write!(f, "token {token}"),
            Event::Down { node, why } => write!(f, "{node:?} down: {why:?}"),
            Event::Up { node } => write!(f, "{node:?} up"),
        }
    }
}

/// What the agenda holds. `life` tells an appointment of a life that is gone.
#[derive(Debug)]
pub(crate) enum Agenda {
    Deliver(Packet),
    Wake {
        node: usize,
    },
    DiskDone {
        node: usize,
        life: u64,
    },
    Resume {
        node: usize,
        life: u64,
    },
    CrashNow {
        node: usize,
        life: u64,
    },
    Restart {
        node: usize,
    },
    Token(u64),
    Fault(Fault),
    /// `peer` has stopped for good.
    Told {
        node: usize,
        life: u64,
        peer: usize,
    },
    /// A wall clock is looked at.
    Correct {
        node: usize,
    },
}

/// A message under way.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: usize,
    /// Who its receiver takes for the sender: the same, unless that is a lie.
    pub(crate) claimed: usize,
    pub(crate) to: usize,
    pub(crate) lives: (u64, u64),
    pub(crate) number: u64,
    /// Names the message in a trace.
    pub(crate) id: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A node that is up.
pub(crate) struct Running<P: Protocol> {
    pub(crate) host: Host<P>,
    pub(crate) log: Log<SimDisk>,
    /// Handed out by the host, not yet carried out.
    pub(crate) actions: VecDeque<Action<P>>,
    /// The turn already arranged, by time and ticket.
    pub(crate) wake: Option<(Instant, u64)>,
    /// The end of the write whose sync is under way.
    pub(crate) syncing: Option<Position>,
    /// The disk's answer, kept while the node is paused.
    pub(crate) disk_answer: Option<Position>,
    /// Takes no turn before this.
    pub(crate) paused: Option<Instant>,
    /// After so many more actions, this befalls it.
    pub(crate) doom: Option<(u64, Doom)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Doom {
    Crash,
    /// After so many of a thousand parts of its next sync.
    CrashInSync(u32),
    Pause(Duration),
}

pub(crate) struct Node<P: Protocol> {
    pub(crate) id: NodeId,
    pub(crate) clock: Clock,
    /// Starts so far: names the current life.
    pub(crate) life: u64,
    pub(crate) up: Option<Running<P>>,
    /// Present while the node is down.
    pub(crate) disk: Option<SimDisk>,
    pub(crate) sync: Spread,
    /// From an input to the turn that takes it.
    pub(crate) turn: Spread,
    /// Send and receive omissions, in parts of a million.
    pub(crate) omits: (u64, u64),
    /// How it lies, if it is or was Byzantine.
    pub(crate) liar: Option<Liar>,
    /// It has told a lie.
    pub(crate) lied: bool,
    /// How often it started or took a turn.
    pub(crate) changes: u64,
    /// It has stopped for good.
    pub(crate) gone: bool,
    /// And all others are told.
    pub(crate) known_gone: bool,
    /// Appended up to here, durable or not.
    pub(crate) appended: Position,
    /// Reported durable up to here: must never be missing again.
    pub(crate) synced: Position,
    pub(crate) damage_expected: bool,
    /// How long its turns and syncs take: its own, so that what one node does shifts nothing on another.
    pub(crate) draw: Prng,
    /// What the trace last said of it.
    pub(crate) state: String,
}

impl<P: Protocol> Node<P> {
    /// Its disk, whether it is up or not.
    pub(crate) fn disk_mut(&mut self) -> Option<&mut SimDisk> {
        match &mut self.up {
            Some(up) => Some(up.log.disk_mut()),
            None => self.disk.as_mut(),
        }
    }
}

/// A deterministic world of nodes made by `B`.
pub struct World<B: Boot> {
    pub(crate) config: WorldConfig,
    pub(crate) boot: B,
    pub(crate) now: Instant,
    pub(crate) agenda: Queue<Agenda>,
    pub(crate) nodes: Vec<Node<B::Core>>,
    pub(crate) net: Network,
    pub(crate) seen: VecDeque<Event<B::Core>>,
    pub(crate) root: Prng,
    /// Omissions and detections.
    pub(crate) misfortune: Prng,
    /// Messages damaged on their way, in parts of a million.
    pub(crate) damage_ppm: u64,
    /// Measurements of clocks.
    pub(crate) clocks: Prng,
    pub(crate) counters: Counters,
    pub(crate) digest: Digest,
    pub(crate) trace: Option<Trace>,
    pub(crate) spare: Vec<Vec<u8>>,
}

impl<B: Boot> World<B> {
    /// A world of `config.nodes` nodes with ids from 1, all started at time zero on empty disks.
    pub fn new(seed: u64, config: WorldConfig, boot: B) -> World<B> {
        assert!((1..=64).contains(&config.nodes), "1 to 64 nodes, not {}", config.nodes);
        let root = Prng::new(seed);
        let mut clocks = root.fork(1);
        let nodes = (1..=config.nodes)
            .map(|id| Node {
                id: NodeId(id),
                clock: Clock::draw(&config.clock, &mut clocks),
                life: 0,
                up: None,
                disk: Some(SimDisk::new()),
                sync: config.disk.sync,
                turn: config.turn,
                omits: (0, 0),
                liar: None,
                lied: false,
                changes: 0,
                gone: false,
                known_gone: false,
                appended: Position(0),
                synced: Position(0),
                damage_expected: false,
                draw: root.fork(3).fork(id),
                state: String::new(),
            })
            .collect::<Vec<_>>();
        let mut world = World {
            net: Network::new(nodes.len(), config.net, config.held, &root.fork(2)),
            misfortune: root.fork(4),
            damage_ppm: 0,
            clocks: root.fork(5),
            root,
            boot,
            now: Instant(0),
            agenda: Queue::new(),
            nodes,
            seen: VecDeque::new(),
            counters: Counters::default(),
            digest: Digest::default(),
            trace: None,
            spare: Vec::new(),
            config,
        };
        for node in 0..world.nodes.len() {
            world.start(node);
            world.correct_next(node);
        }
        world
    }

    /// Runs until something is to be seen, or until `until` is reached (then `None`, and it is `until`).
    pub fn run_until(&mut self, until: Instant) -> Option<Event<B::Core>> {
        loop {
            if let Some(event) = self.seen.pop_front() {
                return Some(event);
            }
            if self.agenda.next_at().is_none_or(|at| at > until) {
                self.now = self.now.max(until);
                return None;
            }
            self.happen();
        }
    }

    /// Runs until something is to be seen; `None` once nothing can happen any more.
    pub fn step(&mut self) -> Option<Event<B::Core>> {
        loop {
            if let Some(event) = self.seen.pop_front() {
                return Some(event);
            }
            self.agenda.next_at()?;
            self.happen();
        }
    }

    /// True time. Nodes see their own clocks.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The ids of all nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// Hands a request to a node's host; gives it back if the node is down or its queue is full.
    pub fn request(
        &mut self,
        node: NodeId,
        request: <B::Core as Protocol>::Request,
    ) -> Result<(), <B::Core as Protocol>::Request> {
        let index = self.index(node);
        let Some(up) = &mut self.nodes[index].up else { return Err(request) };
        up.host.request(request)?;
        self.mark(10, index as u64);
        self.arm(index);
        Ok(())
    }

    /// [`Event::Token`] with `token` at `time` (at once if that is past).
    pub fn at(&mut self, time: Instant, token: u64) {
        self.agenda.push(time.max(self.now), Agenda::Token(token));
    }

    /// [`World::apply`] at `time`.
    pub fn schedule(&mut self, time: Instant, fault: Fault) {
        self.agenda.push(time.max(self.now), Agenda::Fault(fault));
    }

    /// The core of a node that is up.
    pub fn core(&self, node: NodeId) -> Option<&B::Core> {
        self.nodes[self.index(node)].up.as_ref().map(|up| up.host.core())
    }

    /// Whether a node is up (it may be paused).
    pub fn is_up(&self, node: NodeId) -> bool {
        self.nodes[self.index(node)].up.is_some()
    }

    /// Counts the starts and turns of a node: its core is as it was while this is.
    pub fn changes(&self, node: NodeId) -> u64 {
        self.nodes[self.index(node)].changes
    }

    /// What a node's clocks show.
    pub fn clock(&self, node: NodeId) -> Now {
        self.nodes[self.index(node)].clock.now(self.now)
    }

    /// The disk of a node: of its open log while it is up.
    pub fn disk(&self, node: NodeId) -> Option<&SimDisk> {
        let node = &self.nodes[self.index(node)];
        match &node.up {
            Some(up) => Some(up.log.disk()),
            None => node.disk.as_ref(),
        }
    }

    /// The disk of a node that is down, to damage it. From here on missing synced records are expected.
    pub fn damage(&mut self, node: NodeId) -> Option<&mut SimDisk> {
        let index = self.index(node);
        self.nodes[index].damage_expected = true;
        self.nodes[index].disk.as_mut()
    }

    /// Up to where a node's log was reported durable to its host, in this or an earlier life.
    pub fn durable(&self, node: NodeId) -> Position {
        self.nodes[self.index(node)].synced
    }

    /// What makes nodes, to read what it learned.
    pub fn boot(&self) -> &B {
        &self.boot
    }

    /// What makes nodes, to change what the next start is told.
    pub fn boot_mut(&mut self) -> &mut B {
        &mut self.boot
    }

    /// How often each thing happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Of everything that happened so far, in order. Equal runs have equal digests.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Mixes a word of the user's own into the digest (outputs have no form a world could read).
    pub fn note(&mut self, word: u64) {
        self.digest.write_u64(word);
    }

    pub(crate) fn index(&self, node: NodeId) -> usize {
        let index = usize::try_from(node.0).expect("small ids").wrapping_sub(1);
        assert!(index < self.nodes.len(), "no node {node} in this world");
        index
    }
}

impl<B: Boot> std::fmt::Debug for World<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("nodes", &self.nodes.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

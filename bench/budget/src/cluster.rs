//! Three nodes, wired by hand, so that each phase of a request can be told from the next.

use crate::Meter;
use node::{Config, ConnId, Member, Node, Output, Packet, Request};
use protocol::{Action, Host};
use std::collections::{BTreeMap, VecDeque};
use stdx::{Duration, Instant, NodeId, Now, Planted, Prng, WallClock};
use storage::{Disk, DiskError, Log, LogConfig};
use wire::Batch;
use wire::frame::FrameReader;
use wire::resp::{Limits, Parser};

/// Where time goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Parse,
    Propose,
    Send,
    Log,
    Receive,
    Follow,
    Apply,
}

pub(crate) const PHASES: [&str; 7] = [
    "parse (RESP)",
    "route, propose, append (leader's first turn)",
    "send (frames to both followers, and their answers)",
    "log (batch, checksum; three nodes, no disk)",
    "receive (frames of all nodes)",
    "follow (turns of both followers: append, acknowledge, apply)",
    "commit, apply, reply (leader's other turns)",
];

const LEADER: usize = 0;
const KEYS: u64 = 100_000;

/// Files that forget: nothing is read back, and what a kernel does with bytes is not counted here.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, u64>);

impl Disk for Files {
    fn list(&mut self) -> Result<Vec<(String, u64)>, DiskError> {
        Ok(self.0.iter().map(|(name, len)| (name.clone(), *len)).collect())
    }

    fn read_at(&mut self, file: &str, _: u64, _: &mut [u8]) -> Result<(), DiskError> {
        panic!("{file} is read")
    }

    fn write_at(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let end = offset + bytes.len() as u64;
        match self.0.get_mut(file) {
            Some(len) => *len = end.max(*len),
            None => drop(self.0.insert(file.to_owned(), end)),
        }
        Ok(())
    }

    fn sync(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn sync_folder(&mut self) -> Result<(), DiskError> {
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.0.remove(file);
        Ok(())
    }
}

struct Member3 {
    host: Host<Node>,
    log: Log<Files>,
    actions: VecDeque<Action<Node>>,
    /// Frames to each of the others.
    outbox: [Vec<u8>; 3],
    /// Frames from each of the others.
    frames: [FrameReader; 3],
    writes: Vec<Batch>,
}

pub(crate) struct Cluster {
    nodes: Vec<Member3>,
    parsers: Vec<Parser>,
    now: u64,
    answered: u64,
    rng: Prng,
    text: Vec<u8>,
}

fn config(node: u64) -> Config {
    let member = |n: u64| Member { node: NodeId(n), client: String::new() };
    // The first asks for votes long before the others would.
    let wait = Duration::from_millis(if node == 1 { 300 } else { 3_000_000 });
    Config {
        cluster: "budget".into(),
        node: NodeId(node),
        members: (1..=3).map(member).collect(),
        request_timeout: Duration::from_secs(5),
        requirepass: None,
        max_value: 16 << 20,
        election: (wait, wait * 2),
        heartbeat: Duration::from_millis(50),
        snapshot_bytes: 64 << 20,
        chunk_bytes: 256 << 10,
        misses: (0, 1),
        version: "budget",
        started: WallClock(0),
        planted: Planted::NONE,
    }
}

impl Cluster {
    pub(crate) fn new(connections: u64) -> Cluster {
        let now = Now { mono: Instant(1), wall: WallClock(1_000_000), ..Now::default() };
        let start = |n: u64| {
            let log = LogConfig::default();
            let opened = node::open(Files::default(), log, config(n), now, Prng::new(n));
            let opened = opened.expect("an empty disk");
            let (actions, outbox, writes) = Default::default();
            let frames = [(); 3].map(|()| FrameReader::new(64 << 20));
            Member3 { host: opened.host, log: opened.log, actions, outbox, frames, writes }
        };
        let nodes = (1..=3).map(start).collect();
        let parsers = (0..connections).map(|_| Parser::new(Limits::default())).collect();
        let (answered, rng, text) = (0, Prng::new(7), Vec::new());
        let mut cluster = Cluster { nodes, parsers, now: 1, answered, rng, text };
        for conn in 1..=connections {
            let open = Request::Open { conn: ConnId(conn), address: String::new() };
            cluster.nodes[LEADER].host.request(open).expect("room");
        }
        let mut meter = Meter::new();
        // Until the election is over.
        for _ in 0..2000 {
            cluster.now += 1_000_000;
            cluster.pass(&mut meter);
        }
        cluster
    }

    /// Every connection asks for `pipeline` commands; ends when all are answered.
    pub(crate) fn round(&mut self, meter: &mut Meter, set: bool, pipeline: u64, _round: u64) {
        let expected = self.answered + self.parsers.len() as u64 * pipeline;
        let value = [b'x'; 256];
        self.now += 500_000;
        for conn in 0..self.parsers.len() {
            self.text.clear();
            for _ in 0..pipeline {
                let key = format!("key:{:012}", self.rng.next_u64() % KEYS);
                if set {
                    self.text.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
                    self.text.extend_from_slice(key.as_bytes());
                    self.text.extend_from_slice(b"\r\n$256\r\n");
                    self.text.extend_from_slice(&value);
                } else {
                    self.text.extend_from_slice(b"*2\r\n$3\r\nGET\r\n$16\r\n");
                    self.text.extend_from_slice(key.as_bytes());
                }
                self.text.extend_from_slice(b"\r\n");
            }
            meter.start();
            let mut commands = Vec::new();
            self.parsers[conn].parse(&self.text, &mut commands).expect("well formed");
            let request = Request::Commands { conn: ConnId(conn as u64 + 1), commands };
            self.nodes[LEADER].host.request(request).expect("room");
            meter.took(Phase::Parse);
        }
        self.turn(meter, LEADER, Phase::Propose);
        for _ in 0..100 {
            if self.answered >= expected {
                break;
            }
            self.pass(meter);
        }
        assert_eq!(self.answered, expected, "everything asked is answered");
        // What is left of the round: followers hear what is committed.
        self.pass(meter);
    }

    /// Frames travel, disks write, everybody turns.
    fn pass(&mut self, meter: &mut Meter) {
        for n in 0..self.nodes.len() {
            self.write(meter, n);
            self.hear(meter, n);
        }
        self.turn(meter, LEADER, Phase::Apply);
        for n in 1..self.nodes.len() {
            self.turn(meter, n, Phase::Follow);
        }
    }

    fn write(&mut self, meter: &mut Meter, n: usize) {
        let phase = if n == LEADER { Phase::Apply } else { Phase::Follow };
        meter.start();
        let node = &mut self.nodes[n];
        for batch in core::mem::take(&mut node.writes) {
            node.log.append(&batch).expect("a good disk");
            let durable = node.log.sync().expect("a good disk");
            meter.took(Phase::Log);
            node.host.synced(durable, &mut node.actions);
            node.host.reuse(batch);
            meter.took(phase);
        }
        self.carry_out(meter, n);
    }

    fn hear(&mut self, meter: &mut Meter, n: usize) {
        for from in (0..self.nodes.len()).filter(|from| *from != n) {
            let mut bytes = core::mem::take(&mut self.nodes[from].outbox[n]);
            meter.start();
            let node = &mut self.nodes[n];
            node.frames[from].feed(&bytes);
            while let Some(frame) = node.frames[from].next().expect("good frames") {
                let packet = wire::decode_all::<Packet>(frame.body).expect("good packets");
                node.host.receive(NodeId(from as u64 + 1), packet);
            }
            meter.took(Phase::Receive);
            bytes.clear();
            self.nodes[from].outbox[n] = bytes;
        }
    }

    fn turn(&mut self, meter: &mut Meter, n: usize, phase: Phase) {
        let wall = WallClock(1_000_000 + self.now / 1000);
        let now = Now { mono: Instant(self.now), wall, ..Now::default() };
        meter.start();
        let node = &mut self.nodes[n];
        let due = node.host.deadline().is_some_and(|at| at <= now.mono);
        while node.host.ready() || due {
            node.host.turn(&mut || now, &mut node.actions);
            if !node.host.ready() {
                break;
            }
        }
        meter.took(phase);
        self.carry_out(meter, n);
    }

    fn carry_out(&mut self, meter: &mut Meter, n: usize) {
        let node = &mut self.nodes[n];
        let mut release = None;
        while let Some(action) = node.actions.pop_front() {
            match action {
                Action::Send { to, message } => {
                    let outbox = &mut node.outbox[to.0 as usize - 1];
                    meter.start();
                    wire::frame::put(1, |body| wire::Wire::encode(&message, body), outbox);
                    drop(message);
                    meter.took(Phase::Send);
                }
                Action::Output(Output::Reply { answered, .. }) => self.answered += answered as u64,
                Action::Output(_) => {}
                Action::Write(batch) => node.writes.push(batch),
                Action::Release(before) => release = Some(before),
            }
        }
        if let Some(before) = release {
            node.log.release(before);
        }
    }
}

//! What an earlier release has written opens with this code, and means the same. Of each release one file in
//! `testdata`: a node's disk in hexadecimal digits, and what its state was. How a format changes:
//! docs/formats.md.

use super::config;
use crate::{Config, ConnId, Node, Output, Request};
use alloc::collections::VecDeque;
use core::fmt::Write as _;
use protocol::{Action, Host};
use sim::disk::SimDisk;
use stdx::{Instant, Now, Prng, WallClock};
use storage::{Disk, Log, LogConfig};
use wire::resp::Args;

/// A cluster of one node.
struct Solo {
    host: Host<Node>,
    log: Log<SimDisk>,
    replies: String,
    now: u64,
}

fn at(now: u64) -> Now {
    Now { mono: Instant(now), wall: WallClock(1_000_000 + now / 1_000), ..Now::default() }
}

impl Solo {
    fn open(disk: SimDisk, now: u64) -> Result<Solo, crate::OpenError> {
        let mut config = Config { snapshot_bytes: 600, misses: (0, 1), ..config(1) };
        config.members.truncate(1);
        let log = LogConfig { segment_bytes: 4096, ..LogConfig::default() };
        let opened = crate::open(disk, log, config, at(now), Prng::new(now))?;
        assert_eq!(opened.events, Vec::new(), "nothing is amiss");
        let mut solo = Solo { host: opened.host, log: opened.log, replies: String::new(), now };
        solo.host.request(Request::Open { conn: ConnId(1), address: "10.0.0.1:1".into() }).unwrap();
        Ok(solo)
    }

    fn turn(&mut self) {
        self.now += 1_000_000;
        let now = at(self.now);
        let mut actions = VecDeque::new();
        self.host.turn(&mut || now, &mut actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Write(batch) => {
                    self.log.append(&batch).unwrap();
                    let durable = self.log.sync().unwrap();
                    self.host.synced(durable, &mut actions);
                }
                Action::Release(before) => self.log.release(before),
                Action::Output(Output::Reply { bytes, .. }) => {
                    self.replies += &String::from_utf8_lossy(&bytes).replace("\r\n", " ");
                }
                Action::Output(_) | Action::Send { .. } => {}
            }
        }
    }

    fn run(&mut self, line: &str) -> String {
        let commands = vec![line.split(' ').map(str::as_bytes).collect::<Args>()];
        self.replies.clear();
        self.host.request(Request::Commands { conn: ConnId(1), commands }).unwrap();
        for _ in 0..5_000 {
            self.turn();
            if !self.host.core().waits(ConnId(1)) {
                return self.replies.trim_end().into();
            }
        }
        panic!("no answer to {line}");
    }

    /// What an earlier release recorded of itself.
    fn state(&self) -> String {
        let mut text = String::new();
        for (id, group) in self.host.core().groups() {
            let (term, mark) = (group.raft.term(), group.raft.mark().index);
            let digest = match group.machine.as_catalog() {
                Some(catalog) => catalog.epoch,
                None => group.machine.keys().expect("a keyspace").db.digest(),
            };
            _ = writeln!(text, "group {id}: term {term} mark {mark} state {digest:016x}");
        }
        text
    }
}

/// Hexadecimal digits; of eight zeros and more, how many.
fn digits(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in bytes.chunk_by(|a, b| (*a == 0) == (*b == 0)) {
        if run[0] == 0 && run.len() >= 8 {
            _ = write!(text, ",0*{},", run.len());
        } else {
            run.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
        }
    }
    text.trim_matches(',').into()
}

/// A disk as text: a line a file, its length, and its bytes up to the last that is not zero.
fn dump(disk: &mut SimDisk) -> String {
    let mut text = String::new();
    for (file, len) in disk.list().unwrap() {
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        disk.read_at(&file, 0, &mut bytes).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1));
        _ = write!(text, "file {file} {len} ");
        text += &digits(&bytes);
        text.push('\n');
    }
    text
}

fn disk(text: &str) -> SimDisk {
    let mut disk = SimDisk::default();
    for line in text.lines().filter(|line| line.starts_with("file ")) {
        let [_, file, len, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let mut bytes = Vec::new();
        for part in hex.split(',') {
            match part.strip_prefix("0*") {
                Some(zeros) => bytes.resize(bytes.len() + zeros.parse::<usize>().unwrap(), 0),
                None => bytes.extend(
                    (0..part.len() / 2)
                        .map(|at| u8::from_str_radix(&part[2 * at..2 * at + 2], 16).unwrap()),
                ),
            }
        }
        bytes.resize(len.parse().unwrap(), 0);
        disk.write_at(file, 0, &bytes).unwrap();
        disk.sync(file).unwrap();
    }
    disk.sync_folder().unwrap();
    disk
}

const WRITTEN: u64 = 1_000_000_000;

/// Everything that this release can put on a disk: entries of every operation that a client causes, a transaction,
/// expiries, a declaration carried through and one refused, snapshots with sessions and entries after them.
#[test]
#[ignore = "writes testdata/release.txt: run once, at the commit of a release, and name the file after it"]
fn write_release() {
    let mut solo = Solo::open(SimDisk::default(), WRITTEN).unwrap();
    let lines = [
        "KEYSPACE CREATE account REPLICATION raft N=1",
        "SET account:1 one",
        "APPEND account:1 -more",
        "SET short x PX 5",
        "SET long y PXAT 4102444800000",
        "MSET a 1 b 2 c 3",
        "KEYSPACE CREATE long",
        "SET user:1 x",
        "KEYSPACE CREATE user",
        "MULTI",
        "INCR a",
        "DEL b",
        "EXEC",
        "SELECT 3",
        "SET third 3",
        "SELECT 0",
    ];
    lines.iter().for_each(|line| _ = solo.run(line));
    for number in 0..12 {
        solo.run(&format!("SET n{} value-{number}", number % 4));
        solo.run(&format!("INCR account:{}", number % 3 + 2));
    }
    (0..100).for_each(|_| solo.turn());
    let text = solo.state() + &dump(solo.log.disk_mut());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/release.txt");
    std::fs::write(file, text).unwrap();
}

fn recorded(text: &str) -> String {
    text.lines().filter(|line| line.starts_with("group ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_disk_of_release_0_1_opens_and_means_the_same() {
    let text = include_str!("../../testdata/release-0.1.txt");
    let mut solo = Solo::open(disk(text), 2 * WRITTEN).unwrap();
    let before = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" state").next().unwrap().into()).collect()
    };
    assert_eq!(before(&solo.state()), before(&recorded(text)), "terms and snapshots");
    // With a leader everything is applied that was.
    (0..2_000).for_each(|_| solo.turn());
    let after = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit(' ').next().unwrap().into()).collect()
    };
    assert_eq!(after(&solo.state()), after(&recorded(text)), "states");
    let expected = [
        ("GET account:1", "$8 one-more"),
        ("GET short", "$-1"),
        ("PEXPIRETIME long", ":4102444800000"),
        ("MGET a b c", "*3 $1 2 $-1 $1 3"),
        ("GET n3", "$8 value-11"),
        ("MGET account:2 account:3 account:4", "*3 $1 4 $1 4 $1 4"),
        ("KEYSPACE LIST", "*4 $7 account $3 db3 $7 default $4 long"),
        ("GET user:1", "$1 x"),
    ];
    for (line, reply) in expected {
        assert_eq!(solo.run(line), reply, "{line}");
    }
    assert_eq!(solo.run("SELECT 3"), "+OK");
    assert_eq!(solo.run("GET third"), "$1 3");
    assert_eq!(solo.run("SET account:1 again"), "+OK");
    assert_eq!(solo.run("GET account:1"), "$5 again");
}

/// A record under a version and a kind that nobody knows yet.
#[test]
fn what_a_later_release_wrote_is_refused_by_name() {
    let text = include_str!("../../testdata/release-0.1.txt");
    for (bytes, said) in
        [([77, 1], "unknown kind 77 of Record"), ([5, 2], "unknown version 2 of Record")]
    {
        let log = LogConfig { segment_bytes: 4096, ..LogConfig::default() };
        let (mut log, recovery) = Log::open(disk(text), log).unwrap();
        let mut batch = wire::Batch::new(recovery.next);
        batch.push(2, |out| out.extend_from_slice(&bytes));
        log.append(&batch).unwrap();
        log.sync().unwrap();
        let error = Solo::open(log.into_disk(), 2 * WRITTEN).err().expect("refused").to_string();
        let place = format!("record {} of the log: {said}", recovery.next.0);
        assert!(error.contains(&place) && error.contains("newer version"), "{error}");
    }
}

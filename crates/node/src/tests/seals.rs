//! What is damaged between two disks, or between a proposal and its log, is never applied.

use super::hostile::small;
use super::*;
use crate::message::Record;
use crate::{Content, DEFAULT_GROUP};
use protocol::Record as _;
use stdx::{Bytes, Mutant};

fn flipped(payload: &Bytes) -> Bytes {
    let mut bytes = payload.to_vec();
    // In the last bytes of a command is a value: what nobody but a checksum can find wrong.
    let at = bytes.len() - 2;
    bytes[at] ^= 1;
    Bytes::from(bytes)
}

/// Flips a bit of every command and every later chunk of the group in a record, as a node whose memory fails
/// would before its log adds a checksum.
fn lie(record: Record) -> Record {
    match record {
        Record::Raft { group: DEFAULT_GROUP, record: raft::Record::Entries { mut entries } } => {
            for entry in &mut entries {
                if let raft::Kind::Command(payload) = &mut entry.kind {
                    *payload = flipped(payload);
                }
            }
            Record::Raft { group: DEFAULT_GROUP, record: raft::Record::Entries { entries } }
        }
        Record::Chunk { group: DEFAULT_GROUP, index, seq, bytes } if seq > 0 => {
            Record::Chunk { group: DEFAULT_GROUP, index, seq, bytes: flipped(&bytes) }
        }
        record => record,
    }
}

/// The same records in a log of their own, some of them flipped, each under a checksum that holds.
fn rewritten(disk: SimDisk, config: LogConfig) -> SimDisk {
    let (mut old, _) = Log::open(disk, config).unwrap();
    let mut records = Vec::new();
    old.replay(&mut |at, _, bytes| {
        records.push((at, wire::decode_all::<Record>(bytes).unwrap()));
    })
    .unwrap();
    let (mut log, recovery) = Log::open(SimDisk::default(), config).unwrap();
    let mut batch = wire::Batch::new(recovery.next);
    for (_, record) in records {
        let record = lie(record);
        batch.push(record.group(), |out| wire::Wire::encode(&record, out));
    }
    log.append(&batch).unwrap();
    log.sync().unwrap();
    log.into_disk()
}

impl Trio {
    /// Restarts a node on what `change` makes of its disk; what it reports, and whether it starts at all.
    pub(super) fn restart_on(
        &mut self,
        n: usize,
        config: Config,
        change: fn(SimDisk, LogConfig) -> SimDisk,
    ) -> Vec<crate::Event> {
        let (_, log) = self.nodes.remove(n);
        let now = Now { mono: Instant(self.now), wall: WallClock(1_000_000), ..Now::default() };
        let log_config = LogConfig { segment_bytes: 256 << 10, ..LogConfig::default() };
        let disk = change(log.into_disk(), log_config);
        let opened = crate::open(disk, log_config, config, now, Prng::new(77)).unwrap();
        self.nodes.insert(n, (opened.host, opened.log));
        self.engines[n] = engine();
        for conn in 1..=2 {
            self.ask(n, Request::Open { conn: ConnId(conn), address: "10.0.0.1:9".into() });
        }
        opened.events
    }

    fn damaged(&self, n: usize) -> Option<String> {
        let status = self.nodes[n].0.core().status(Now::default());
        let of = |replica: &crate::ReplicaStatus| replica.keyspace == "default";
        status.replicas.into_iter().find(of).and_then(|replica| replica.damaged)
    }

    fn digests(&self) -> Vec<u64> {
        let digest = |n: usize| self.nodes[n].0.core().groups[&DEFAULT_GROUP].machine.digest();
        (0..3).map(digest).collect()
    }
}

#[test]
fn a_command_damaged_on_its_way_is_sent_again() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let mut damaged = 0;
    for i in 0..10 {
        trio.commands(0, 1, &[&format!("SET k{i} value-{i}")]);
        for turn in 0..400 {
            for (_, _, packet) in &mut trio.mail {
                // Two followers of two, for a while: nothing is committed from a damaged copy.
                if let Content::Raft { message: raft::Message::Append { entries, .. }, .. } =
                    &mut packet.content
                    && turn < 3
                {
                    for entry in entries {
                        if let raft::Kind::Command(payload) = &mut entry.kind {
                            *payload = flipped(payload);
                            damaged += 1;
                        }
                    }
                }
            }
            trio.turn();
        }
    }
    assert!(damaged >= 10, "{damaged} damaged");
    assert_eq!(trio.run(1, 1, &["GET k7"]), "$7 value-7");
    let digests = trio.digests();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:x?}");
    assert!((0..3).all(|n| trio.damaged(n).is_none()));
}

#[test]
fn a_replica_whose_log_lies_serves_no_more() {
    serves_no_more(config);
}

#[test]
fn nor_does_one_with_its_table_on_disk() {
    serves_no_more(|n| on_disk(config(n)));
}

fn serves_no_more(config: fn(u64) -> Config) {
    let mut trio = Trio::with(256 << 10, config);
    for i in 0..10 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{i} value-{i}")]), "+OK");
    }
    let n = trio.follower(DEFAULT_GROUP);
    assert_eq!(trio.restart_on(n, config(n as u64 + 1), rewritten), [], "the log itself is sound");
    let other = (n + 1) % 3;
    assert_eq!(trio.run(other, 1, &["SET more 1", "GET k3"]), "+OK $7 value-3");
    for _ in 0..2_000 {
        trio.turn();
    }
    let place = trio.damaged(n).expect("it found the first damaged entry, and serves no more");
    assert!(place.contains("of group 1: sealed with checksum"), "{place}");
    // Its clients are served by the others, through it.
    assert_eq!(trio.run(n, 1, &["GET k3"]), "$7 value-3");
    // And it stays so.
    let events = trio.restart_on(n, config(n as u64 + 1), |disk, _| disk);
    assert!(matches!(&events[..], [crate::Event::Damaged { .. }]), "{events:?}");
    assert_eq!(trio.damaged(n), Some(place));
}

/// The same with the check left out: the replica applies what nobody proposed.
#[test]
fn without_the_check_a_lying_log_is_believed() {
    let believing = |n: u64| Config { planted: Planted::one(Mutant::TrustSeals), ..config(n) };
    let mut trio = Trio::with(256 << 10, believing);
    for i in 0..10 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{i} value-{i}")]), "+OK");
    }
    let n = trio.follower(DEFAULT_GROUP);
    trio.restart_on(n, believing(n as u64 + 1), rewritten);
    for _ in 0..2_000 {
        trio.turn();
    }
    let digests = trio.digests();
    assert!(digests.iter().any(|digest| *digest != digests[0]), "{digests:x?}");
}

#[test]
fn a_snapshot_that_lies_is_not_recovered() {
    let mut trio = Trio::with(256 << 10, small(2048));
    let big = "v".repeat(300);
    for i in 0..60 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{} {big}", i % 7)]), "+OK");
    }
    let n = trio.follower(DEFAULT_GROUP);
    assert!(trio.nodes[n].0.core().groups[&DEFAULT_GROUP].raft.mark().index > 0);
    let events = trio.restart_on(n, small(2048)(n as u64 + 1), rewritten);
    let [crate::Event::Damaged { keyspace, place }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(keyspace, "default");
    assert!(place.contains("is not whole"), "{place}");
}

//! Interleavings that a hostile reviewer found, kept so that they stay found.

use super::*;
use crate::message::Content;

pub(super) fn small(snapshot_bytes: u64) -> impl Fn(u64) -> Config {
    move |n| Config { snapshot_bytes, chunk_bytes: 300, misses: (0, 1), ..config(n) }
}

impl Trio {
    /// A turn in which one node hears nothing new of the catalog.
    pub(super) fn starve(&mut self, lagging: usize) {
        self.mail.retain(|(_, to, packet)| {
            let news = matches!(
                packet.content,
                Content::Raft {
                    group: 0,
                    message: raft::Message::Append { .. } | raft::Message::Commit { .. },
                    ..
                }
            );
            to.0 as usize != lagging + 1 || !news
        });
        self.turn();
    }

    /// A node that does not lead the group.
    pub(super) fn follower(&self, group: u64) -> usize {
        let leads = |n: usize| self.nodes[n].0.core().groups[&group].raft.is_leading();
        (0..3).find(|n| !leads(*n)).unwrap()
    }

    pub(super) fn restart(&mut self, n: usize, config: Config) {
        let (_, log) = self.nodes.remove(n);
        let now = Now { mono: Instant(self.now), wall: WallClock(1_000_000), ..Now::default() };
        let log_config = LogConfig { segment_bytes: 64 << 10, ..LogConfig::default() };
        let opened = crate::open(log.into_disk(), log_config, config, now, Prng::new(77)).unwrap();
        assert_eq!(opened.events, [], "a clean start");
        self.nodes.insert(n, (opened.host, opened.log));
    }

    pub(super) fn places(&self, n: usize) -> Vec<(u64, u64, u64, u64)> {
        let groups = self.nodes[n].0.core().groups();
        groups
            .map(|(id, g)| (id, g.raft.mark().index, g.raft.last_index(), g.raft.term()))
            .collect()
    }

    pub(super) fn commands(&mut self, n: usize, conn: u64, lines: &[&str]) {
        let commands =
            lines.iter().map(|line| line.split(' ').map(str::as_bytes).collect()).collect();
        self.ask(n, Request::Commands { conn: ConnId(conn), commands });
    }
}

/// The log begins with chunks and marks that are older than its newest Base record.
#[test]
fn a_restart_after_records_were_released_forgets_nothing() {
    let mut trio = Trio::with(64 << 10, small(2048));
    let big = "v".repeat(300);
    for i in 0..400 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{} {big}", i % 5)]), "+OK");
    }
    for n in 0..3 {
        let before = trio.places(n);
        assert!(before.iter().all(|(_, mark, ..)| *mark > 0), "all snapshotted: {before:?}");
        trio.restart(n, small(2048)(n as u64 + 1));
        assert_eq!(trio.places(n), before, "node {}", n + 1);
    }
}

/// The catalog is idle nearly always, and must not keep every segment since its last change.
#[test]
fn an_idle_group_does_not_pin_the_log() {
    let mut trio = Trio::with(64 << 10, small(2048));
    let big = "v".repeat(300);
    for i in 0..1500 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{} {big}", i % 5)]), "+OK");
    }
    for (_, log) in &trio.nodes {
        assert!(log.live_bytes() < 200 << 10, "{} live bytes", log.live_bytes());
    }
}

/// A catalog read confirmed by the leader says nothing about the catalog here.
#[test]
fn a_lagging_catalog_does_not_answer_for_a_keyspace_it_does_not_know() {
    let mut trio = Trio::with(64 << 10, small(1 << 20));
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    for _ in 0..50 {
        trio.turn();
    }
    let lagging = trio.follower(0);
    let other = (lagging + 1) % 3;
    trio.commands(other, 1, &["SELECT 5", "SET a 5"]);
    while !trio.nodes[other].0.core().catalog().get("db5").is_some_and(|k| k.active)
        || trio.nodes[other].0.core().waits(ConnId(1))
    {
        trio.starve(lagging);
    }
    trio.replies.clear();
    trio.commands(lagging, 1, &["SELECT 5", "GET a"]);
    for _ in 0..200 {
        trio.starve(lagging);
    }
    assert_eq!(trio.replies.len(), 1, "only SELECT is answered: {:?}", trio.replies);
    assert_eq!(trio.run(lagging, 2, &["SELECT 5", "GET a"]), "+OK $1 5");
}

#[test]
fn a_failed_exec_ends_its_transaction() {
    let mut trio = Trio::with(64 << 10, small(1 << 20));
    assert_eq!(trio.run(0, 1, &["SET db5:x 1"]), "+OK");
    let refused = trio.run(0, 1, &["SELECT 5", "MULTI", "SET a 1", "EXEC"]);
    assert!(refused.contains("db5 is refused: 1 keys"), "{refused}");
    assert_eq!(trio.run(0, 1, &["PING"]), "+PONG");
    let nested = trio.run(0, 1, &["SELECT 0", "MULTI", "MULTI", "SET a 1", "EXEC"]);
    assert!(nested.ends_with("*1 +OK"), "{nested}");
}

/// Keys whose expiry is committed need no further entry before they are absent.
#[test]
fn many_keys_that_fall_due_at_once_cost_one_tick() {
    let mut trio = Trio::with(64 << 10, small(1 << 24));
    for i in 0..20 {
        let lines: Vec<String> =
            (0..200).map(|j| format!("SET k{} v PX 1000", i * 200 + j)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        trio.run(0, 1, &lines);
    }
    assert_eq!(trio.run(0, 1, &["SET last v PX 1001"]), "+OK");
    trio.now += 2_000_000_000;
    let last = |trio: &Trio| trio.nodes[0].0.core().groups[&1].raft.last_index();
    let before = last(&trio);
    assert_eq!(trio.run(0, 1, &["GET last", "DBSIZE"]), "$-1 :0");
    assert!(last(&trio) - before < 60, "{} entries", last(&trio) - before);
}

/// Snapshots written, sent and received while nodes restart and are cut off: all end at the same index.
#[test]
fn no_replica_is_wedged_by_snapshots() {
    for seed in 1..=3 {
        let mut rng = Prng::new(seed);
        let mut trio = Trio::with(64 << 10, small(3000));
        let mut cut = 3;
        trio.turn();
        for _ in 0..6000 {
            let n = rng.index(3);
            if !trio.nodes[n].0.core().waits(ConnId(1)) {
                let value = "v".repeat(rng.index(120) + 1);
                trio.commands(n, 1, &[&format!("SET k{} {value}", rng.below(40))]);
            }
            if rng.chance(1, 1000) {
                cut = rng.index(4);
            }
            let lossy = rng.chance(1, 30);
            let at = |node: &NodeId| node.0 as usize == cut + 1;
            trio.mail.retain(|(from, to, _)| !lossy && !at(from) && !at(to));
            trio.turn();
            if rng.chance(1, 800) {
                let n = rng.index(3);
                let before = trio.places(n);
                trio.restart(n, small(3000)(n as u64 + 1));
                assert_eq!(trio.places(n), before, "seed {seed} node {}", n + 1);
                trio.mail.clear();
                trio.ask(n, Request::Open { conn: ConnId(1), address: "again".into() });
                trio.turn();
            }
        }
        for _ in 0..20_000 {
            trio.turn();
        }
        for group in [0, 1] {
            let applied = |n: usize| trio.nodes[n].0.core().groups[&group].machine.applied();
            let all: Vec<u64> = (0..3).map(applied).collect();
            assert!(all.iter().all(|at| *at == all[0]), "seed {seed} group {group}: {all:?}");
        }
    }
}

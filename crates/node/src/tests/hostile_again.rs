//! What a second hostile reviewer found.

use super::hostile::small;
use super::*;
use crate::message::Content;
use crate::proposal::Outcome;
use sim::disk::Fault;

const MIB: usize = 1 << 20;

/// A report covers what was given when it was asked for; a client that is still behind needs another.
#[test]
fn a_slow_reader_is_served_to_the_end() {
    let mut trio = Trio::with(64 << 20, small(1 << 30));
    let big = "v".repeat(MIB);
    assert_eq!(trio.run(0, 1, &[&format!("SET k {big}")]), "+OK");
    trio.replies.clear();
    trio.commands(0, 1, &["GET k"; 40]);
    for _ in 0..500 {
        trio.turn();
    }
    let given = |trio: &Trio| trio.replies.iter().map(|(_, _, text)| text.len()).sum::<usize>();
    assert!(given(&trio) < 32 * MIB, "{} bytes for a client that reads nothing", given(&trio));
    for _ in 0..100 {
        trio.ask(0, Request::Written { conn: ConnId(1) });
        for _ in 0..10 {
            trio.turn();
        }
    }
    assert!(given(&trio) > 40 * MIB, "{} bytes, then nothing", given(&trio));
    assert!(!trio.nodes[0].0.core().waits(ConnId(1)));
}

#[test]
fn replies_made_here_count_as_well() {
    let mut trio = Trio::new();
    trio.turn();
    for conn in 100..2100 {
        trio.ask(0, Request::Open { conn: ConnId(conn), address: format!("10.0.0.1:{conn}") });
    }
    trio.commands(0, 1, &["CLIENT LIST"; 300]);
    for _ in 0..20 {
        trio.turn();
    }
    let longest = trio.replies.iter().map(|(_, _, text)| text.len()).max().unwrap();
    assert!(longest < 20 * MIB, "{longest} bytes at once");
}

#[test]
fn a_wait_for_the_catalog_has_its_deadline() {
    let mut trio = Trio::with(64 << 10, small(1 << 20));
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    for _ in 0..50 {
        trio.turn();
    }
    let lagging = trio.follower(0);
    trio.commands((lagging + 1) % 3, 1, &["SELECT 5", "SET a 5"]);
    for _ in 0..2000 {
        trio.starve(lagging);
    }
    trio.replies.clear();
    trio.commands(lagging, 1, &["SELECT 5", "GET a"]);
    for _ in 0..6000 {
        trio.starve(lagging);
    }
    let refused = trio.replies.iter().any(|(_, _, text)| text.contains("CLUSTERDOWN"));
    assert!(refused, "{:?}", trio.replies);
}

/// The only record that says that a replica exists is damaged; its votes and entries are not.
#[test]
fn a_replica_whose_creation_is_damaged_is_not_created_again() {
    let mut trio = Trio::with(64 << 10, small(1 << 20));
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    for _ in 0..50 {
        trio.turn();
    }
    assert_eq!(trio.run(0, 1, &["KEYSPACE CREATE user", "SET user:1 x"]), "+OK +OK");
    for _ in 0..500 {
        trio.turn();
    }
    let n = trio.follower(0);
    let (_, log) = trio.nodes.remove(n);
    let mut disk = log.into_disk();
    let name = b"\x04user";
    let (file, at) = (1..6)
        .find_map(|slot| {
            let file = format!("wal-{slot:06}");
            let content = disk.content(&file)?;
            let created = |window: &[u8]| window == name;
            // The catalog's own entry names it first; the replica's record comes after.
            let at = content.windows(name.len()).rposition(created)?;
            Some((file, at))
        })
        .unwrap();
    disk.inject(Fault::BitFlip { file, bit: (at * 8) as u64 });
    let now = Now { mono: Instant(trio.now), wall: WallClock(1_000_000), ..Now::default() };
    let log = LogConfig { segment_bytes: 64 << 10, ..LogConfig::default() };
    let opened = crate::open(disk, log, small(1 << 20)(n as u64 + 1), now, Prng::new(7)).unwrap();
    assert!(!opened.events.is_empty(), "the operator is told");
    trio.nodes.insert(n, (opened.host, opened.log));
    trio.mail.clear();
    for _ in 0..3000 {
        trio.turn();
    }
    let core = trio.nodes[n].0.core();
    assert!(core.group(2).is_none(), "a replica without its past");
    assert!(core.damaged.contains_key(&2));
    assert_eq!(trio.run((n + 1) % 3, 1, &["GET user:1"]), "$1 x");
}

/// One key falls due per millisecond, as in any cache of sessions.
#[test]
fn commands_over_all_keys_end_while_keys_fall_due() {
    let mut trio = Trio::with(64 << 10, small(1 << 24));
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let base = 1000 + trio.now / 1_000_000 + 4000;
    for i in 0..50 {
        let lines: Vec<String> = (0..200)
            .map(|j| format!("SET k{} v PXAT {}", i * 200 + j, base + i * 200 + j))
            .collect();
        trio.run(0, 1, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for _ in 0..4000 {
        trio.turn();
    }
    for line in ["DBSIZE", "KEYS a", "SCAN 0 COUNT 100000"] {
        let before = trio.now;
        let reply = trio.run(1, 1, &[line]);
        assert!(!reply.contains("CLUSTERDOWN"), "{line}: {reply}");
        assert!(trio.now - before < 500_000_000, "{line} took {} ns", trio.now - before);
    }
}

#[test]
fn an_empty_answer_of_a_peer_is_none() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let n = trio.follower(1);
    trio.commands(n, 1, &["GET a", "GET b"]);
    trio.turn();
    trio.turn();
    let life = trio.nodes[n].0.core().identity.life;
    let number = *trio.nodes[n].0.core().gateway.ops.keys().next().unwrap();
    let other = (n + 1) % 3;
    let outcome = Outcome::Done(Vec::new());
    let packet =
        trio.nodes[other].0.core().packet(Content::Answer { group: 1, number, life, outcome });
    trio.mail.push_back((NodeId(other as u64 + 1), NodeId(n as u64 + 1), packet));
    for _ in 0..6000 {
        trio.turn();
    }
    let text = &trio.replies.last().unwrap().2;
    assert!(text.contains("$1 1") || text.contains("CLUSTERDOWN"), "{text}");
}

/// `max-value` is one node's setting, but what APPEND may do is decided once, by the leader.
#[test]
fn replicas_agree_although_their_limits_differ() {
    let config = |n: u64| Config { max_value: n as usize * MIB, ..small(1 << 30)(n) };
    let mut trio = Trio::with(4 << 20, config);
    let big = "v".repeat(700 << 10);
    trio.run(0, 1, &[&format!("SET k {big}"), &format!("APPEND k {big}")]);
    for _ in 0..500 {
        trio.turn();
    }
    let digest = |n: usize| trio.nodes[n].0.core().groups[&1].machine.digest();
    assert_eq!([digest(1), digest(2)], [digest(0), digest(0)]);
}

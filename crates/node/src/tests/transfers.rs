//! Followers that are far behind: what they cost the others, and how fast they catch up.

use super::hostile::small;
use super::*;
use crate::message::Content;
use crate::{DEFAULT_GROUP, Event};
use raft::Message;
use stdx::Mutant;

impl Trio {
    /// Sets keys through `n` one after the other; the most milliseconds one took.
    fn sets(&mut self, n: usize, count: usize) -> u64 {
        let value = "v".repeat(300);
        let set = |trio: &mut Trio, i: usize| {
            let before = trio.now;
            assert_eq!(trio.run(n, 1, &[&format!("SET k{} {value}", i % 40)]), "+OK");
            (trio.now - before) / 1_000_000
        };
        (0..count).map(|i| set(self, i)).max().unwrap_or(0)
    }

    fn received(&self, n: usize) -> bool {
        let received = |event: &Event| matches!(event, Event::Snapshot { received: true, .. });
        self.events.iter().any(|(at, event)| *at == n && received(event))
    }

    fn applied(&self, n: usize) -> u64 {
        self.nodes[n].0.core().groups[&DEFAULT_GROUP].machine.applied()
    }
}

/// Bytes a second at which a follower that was cut off got its snapshot, and how long a write took meanwhile.
fn catches_up(transfer_rate: u64, planted: Planted) -> (u64, u64) {
    let limited = |n: u64| Config { transfer_rate, planted, ..small(2048)(n) };
    let mut trio = Trio::with(64 << 10, limited);
    trio.sets(0, 1);
    let leader = trio.led_by().expect("one leads");
    let lagging = (leader + 1) % 3;
    for i in 0..120 {
        let value = "v".repeat(300);
        trio.commands(leader, 1, &[&format!("SET k{} {value}", i % 40)]);
        loop {
            trio.mail.retain(|(_, to, _)| to.0 as usize != lagging + 1);
            trio.turn();
            if !trio.nodes[leader].0.core().waits(ConnId(1)) {
                break;
            }
        }
    }
    let (mut bytes, mut first, mut last, mut slowest) = (0, None, 0, 0);
    for i in 0..20_000 {
        if trio.received(lagging) {
            break;
        }
        if i % 200 == 0 && first.is_some() {
            trio.commands(leader, 2, &["SET small 1"]);
            slowest = slowest.max(1);
        }
        let waits = trio.nodes[leader].0.core().waits(ConnId(2));
        slowest = if waits { slowest + 1 } else { slowest };
        trio.turn();
        for (_, to, packet) in &trio.mail {
            if let Content::Raft { group: DEFAULT_GROUP, message, .. } = &packet.content
                && let Message::Chunk { bytes: chunk, .. } = message
                && to.0 as usize == lagging + 1
            {
                first.get_or_insert(trio.now);
                (bytes, last) = (bytes + chunk.len() as u64, trio.now);
            }
        }
    }
    let at = |n: usize| (trio.applied(n), trio.places(n));
    assert!(
        trio.received(lagging),
        "no snapshot: {bytes} {first:?} {last} {:?}",
        [at(0), at(1), at(2)]
    );
    trio.turns(1_000);
    assert_eq!(trio.applied(lagging), trio.applied(leader));
    assert!(bytes > 8_000, "{bytes} bytes are no test");
    (bytes * 1_000_000_000 / (last - first.expect("sent")).max(1), slowest)
}

#[test]
fn a_snapshot_leaves_no_faster_than_it_may() {
    const RATE: u64 = 10_000;
    let (rate, waited) = catches_up(RATE, Planted::NONE);
    assert!(rate <= RATE * 21 / 20, "{rate} bytes a second");
    assert!(rate >= RATE / 2, "{rate} bytes a second: it waits longer than it must");
    assert!(waited < 100, "writes waited {waited} ms in all");
    let (rate, _) = catches_up(RATE, Planted::one(Mutant::SendAtOnce));
    assert!(rate > 2 * RATE, "{rate} bytes a second without the bound");
    assert!(catches_up(0, Planted::NONE).0 > 2 * RATE);
}

/// How much longer than it may be the leader's log gets, in percent of the bound.
fn log_for_a_slow_follower(planted: Planted) -> usize {
    let mut trio = Trio::with(64 << 10, |n| Config { planted, ..small(4096)(n) });
    trio.sets(0, 40);
    let leader = trio.led_by().expect("one leads");
    let slow = (leader + 1) % 3;
    let usual = trio.sets(leader, 100);
    // From here on each of its syncs takes a hundred times as long as anybody else's.
    trio.stuck = Some(slow);
    let (mut worst, mut most, mut sent) = (0, 0, 0);
    for i in 0..600 {
        worst = worst.max(trio.sets(leader, 1));
        if i % 50 == 49 {
            trio.unstick();
            trio.stuck = Some(slow);
        }
        let group = &trio.nodes[leader].0.core().groups[&DEFAULT_GROUP];
        let log: usize = group.raft.entries().map(raft::Entry::bytes).sum();
        // What is kept behind the mark; what may outweigh the state; what comes while our snapshot is written.
        let bound = 4096 + 6 * group.machine.bytes().max(4096) as usize;
        most = most.max(100 * log / bound);
        let to = |(_, to, packet): &&(NodeId, NodeId, Packet)| {
            let raft = matches!(packet.content, Content::Raft { group: DEFAULT_GROUP, .. });
            to.0 as usize == slow + 1 && raft
        };
        sent += trio.mail.iter().filter(to).count();
    }
    assert_eq!(trio.led_by(), Some(leader), "it leads on");
    assert!(worst <= usual, "a write took {worst} ms, {usual} ms without the slow one");
    assert!(sent < 3_000, "{sent} messages to a follower that answers none");
    assert!(trio.applied(slow) < trio.applied(leader), "it is behind");
    trio.unstick();
    trio.turns(5_000);
    assert_eq!(trio.applied(slow), trio.applied(leader));
    assert!(trio.received(slow), "it came back by a snapshot");
    most
}

#[test]
fn a_slow_follower_costs_the_others_nothing() {
    let most = log_for_a_slow_follower(Planted::NONE);
    assert!(most < 100, "{most} % of what the log of a leader may weigh");
    let most = log_for_a_slow_follower(Planted::one(Mutant::KeepView));
    assert!(most > 100, "{most} %: the bound is not what keeps it short");
}

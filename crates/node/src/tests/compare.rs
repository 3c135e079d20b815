//! Replicas that differ are found within a period, kept from clients, and rebuilt.

use super::{Trio, config, on_disk};
use crate::compare::PERIOD;
use crate::message::Content;
use crate::{CATALOG_GROUP, Config, DEFAULT_GROUP, Event, GroupId, Machine};
use stdx::{Mutant, NodeId, Planted};

fn plant(on: u64, mutant: Mutant) -> impl Fn(u64) -> Config {
    move |n| {
        let planted = if n == on { Planted::one(mutant) } else { Planted::NONE };
        Config { planted, misses: (0, 1), ..config(n) }
    }
}

impl Trio {
    fn period(&mut self) {
        (0..PERIOD.as_millis() + 1_000).for_each(|_| self.turn());
    }

    fn machine(&self, n: usize, group: GroupId) -> &Machine {
        &self.nodes[n].0.core().group(group).unwrap().machine
    }

    fn told(&self, n: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(at, event)| *at == n && wanted(event)).count()
    }

    /// Another leader than `n`.
    pub(super) fn depose(&mut self, n: usize, group: GroupId) {
        while self.leader(group) == n {
            self.cut = Some(NodeId(n as u64 + 1));
            (0..2_000).for_each(|_| self.turn());
            self.cut = None;
            (0..200).for_each(|_| self.turn());
            assert_ne!(self.leaders(group), vec![n], "the others have elected one of them");
        }
    }

    fn leaders(&self, group: GroupId) -> Vec<usize> {
        let leads = |n: &usize| self.nodes[*n].0.core().group(group).unwrap().raft.is_leading();
        (0..3).filter(leads).collect()
    }
}

fn writes(trio: &mut Trio, count: usize) {
    for key in 0..count {
        trio.run(key % 3, 1, &[&format!("SET k{key} value-{key}"), &format!("DEL k{}", key / 2)]);
    }
}

const DIVERGED: fn(&Event) -> bool = |event| matches!(event, Event::Diverged { .. });
const REBUILT: fn(&Event) -> bool = |event| matches!(event, Event::Rebuilt { .. });

#[test]
fn a_follower_that_skips_a_command_is_found_and_rebuilt() {
    a_follower_is_rebuilt(plant(2, Mutant::SkipCommand));
}

/// The leader reads what it gives away from disk, and the follower fills a table of its own with it.
#[test]
fn a_follower_with_its_table_on_disk_is_rebuilt_too() {
    let plant = plant(2, Mutant::SkipCommand);
    a_follower_is_rebuilt(|n| on_disk(Config { chunk_bytes: 300, ..plant(n) }));
}

fn a_follower_is_rebuilt(config: impl Fn(u64) -> Config) {
    let mut trio = Trio::with(256 << 10, config);
    trio.run(0, 1, &["SET a 1"]);
    trio.depose(1, DEFAULT_GROUP);
    writes(&mut trio, 40);
    let digest = |trio: &Trio, n| trio.machine(n, DEFAULT_GROUP).digest();
    assert_ne!(digest(&trio, 1), digest(&trio, 0), "the bug has struck");
    trio.period();
    assert_eq!((trio.told(1, DIVERGED), trio.told(1, REBUILT)), (1, 1));
    assert_eq!([0, 2].map(|n| trio.told(n, DIVERGED)), [0, 0]);
    assert_eq!(digest(&trio, 1), digest(&trio, 0), "rebuilt");
    // It is a replica as any again.
    assert_eq!(trio.run(1, 1, &["SET b 2", "GET b"]), "+OK $1 2");
    trio.period();
    assert_eq!(digest(&trio, 1), digest(&trio, 0));
}

#[test]
fn a_leader_that_skips_a_command_leads_no_longer() {
    let mut trio = Trio::with(256 << 10, plant(2, Mutant::SkipCommand));
    trio.run(0, 1, &["SET a 1"]);
    for n in [0, 2] {
        trio.depose(n, DEFAULT_GROUP);
    }
    while trio.leader(DEFAULT_GROUP) != 1 {
        let leader = trio.leader(DEFAULT_GROUP);
        trio.depose(leader, DEFAULT_GROUP);
    }
    writes(&mut trio, 40);
    trio.period();
    trio.period();
    assert_eq!((trio.told(1, DIVERGED), trio.told(1, REBUILT)), (1, 1));
    assert_ne!(trio.leaders(DEFAULT_GROUP), vec![1]);
    let digest = |trio: &Trio, n| trio.machine(n, DEFAULT_GROUP).digest();
    assert_eq!(digest(&trio, 1), digest(&trio, 0));
    assert_eq!(trio.run(1, 1, &["SET b 2", "GET b"]), "+OK $1 2");
}

#[test]
fn equal_replicas_are_left_alone() {
    let mut trio = Trio::with(256 << 10, |n| Config { misses: (0, 1), ..config(n) });
    writes(&mut trio, 40);
    trio.period();
    writes(&mut trio, 40);
    trio.period();
    assert_eq!(trio.events.iter().filter(|(_, event)| DIVERGED(event)).count(), 0);
    let sums =
        trio.nodes.iter().map(|(host, _)| &host.core().group(DEFAULT_GROUP).unwrap().compared);
    assert!(sums.clone().any(|compared| compared.sums.len() == 3), "nothing was compared");
}

#[test]
fn without_a_majority_nobody_is_believed() {
    let bugs = [Mutant::SkipCommand, Mutant::ForgetSessions];
    let mut trio = Trio::with(256 << 10, |n| {
        let planted = bugs.get(n as usize - 1).map_or(Planted::NONE, |bug| Planted::one(*bug));
        Config { planted, misses: (0, 1), ..config(n) }
    });
    writes(&mut trio, 40);
    trio.period();
    let lost = |event: &Event| matches!(event, Event::NoMajority { .. });
    assert!((0..3).any(|n| trio.told(n, lost) > 0), "{:?}", trio.events);
    assert!((0..3).all(|n| trio.told(n, DIVERGED) == 0));
}

#[test]
fn a_catalog_that_differs_is_rebuilt_too() {
    let mut trio = Trio::with(256 << 10, plant(2, Mutant::SkipCommand));
    trio.run(0, 1, &["KEYSPACE LIST"]);
    trio.depose(1, CATALOG_GROUP);
    for number in 0..18 {
        assert_eq!(trio.run(0, 1, &[&format!("KEYSPACE CREATE k{number}")]), "+OK");
    }
    let digest = |trio: &Trio, n| trio.machine(n, CATALOG_GROUP).digest();
    assert_ne!(digest(&trio, 1), digest(&trio, 0), "the bug has struck");
    trio.period();
    let catalog =
        |event: &Event| matches!(event, Event::Rebuilt { keyspace, .. } if keyspace == "catalog");
    assert_eq!(trio.told(1, catalog), 1);
    assert_eq!(digest(&trio, 1), digest(&trio, 0));
    assert_eq!(trio.run(1, 1, &["SET k17:a 1", "GET k17:a"]), "+OK $1 1");
}

/// Its clients are answered by the leader meanwhile, also those that would be answered here.
#[test]
fn a_replica_in_quarantine_is_not_read() {
    let mut trio = Trio::with(256 << 10, plant(2, Mutant::SkipCommand));
    trio.run(0, 1, &["SET a 1"]);
    trio.depose(1, DEFAULT_GROUP);
    writes(&mut trio, 40);
    let keys: Vec<String> = (0..40).map(|key| format!("k{key}")).collect();
    let all = format!("MGET {}", keys.join(" "));
    let right = trio.run(0, 1, &[&all]);
    assert_ne!(trio.run(1, 1, &["READONLY", &all]), format!("+OK {right}"), "the bug shows");
    while trio.told(1, DIVERGED) == 0 {
        trio.turn();
    }
    assert_eq!(trio.run(1, 1, &[&all]), right);
    trio.period();
    assert_eq!(trio.told(1, REBUILT), 1);
}

#[test]
fn an_answer_about_another_index_is_not_counted() {
    let mut trio = Trio::with(256 << 10, |n| Config { misses: (0, 1), ..config(n) });
    writes(&mut trio, 4);
    trio.period();
    let (leader, follower) = (trio.leader(DEFAULT_GROUP), trio.follower(DEFAULT_GROUP));
    let index = trio.machine(leader, DEFAULT_GROUP).applied() - 1;
    let late = Content::Sum { group: DEFAULT_GROUP, index, sum: 1 };
    let packet = trio.nodes[follower].0.core().packet(late);
    let node = |n: usize| NodeId(n as u64 + 1);
    trio.nodes[leader].0.receive(node(follower), packet);
    (0..100).for_each(|_| trio.turn());
    assert_eq!(trio.told(follower, DIVERGED), 0);
}

/// Nobody writes, so nothing has changed since all were equal, but for what a restart made of the log.
#[test]
fn a_replica_that_comes_back_different_is_found_in_an_idle_group() {
    let mut trio = Trio::with(256 << 10, |n| Config { misses: (0, 1), ..config(n) });
    writes(&mut trio, 40);
    trio.period();
    let n = trio.follower(DEFAULT_GROUP);
    let buggy = plant(n as u64 + 1, Mutant::SkipCommand)(n as u64 + 1);
    trio.restart_on(n, buggy, |disk, _| disk);
    trio.period();
    trio.period();
    assert_eq!((trio.told(n, DIVERGED), trio.told(n, REBUILT)), (1, 1));
}

/// What is wrong must not become what a restart brings back.
#[test]
fn a_replica_in_quarantine_writes_no_snapshot_of_its_own_to_the_end() {
    let small = |n| Config { snapshot_bytes: 1024, chunk_bytes: 100, misses: (0, 1), ..config(n) };
    let mut trio = Trio::with(1 << 20, small);
    let writing = |trio: &Trio, leader: usize| {
        let writes = |n: &usize| trio.nodes[*n].0.core().groups[&DEFAULT_GROUP].view.is_some();
        (0..3).filter(|n| *n != leader).find(writes)
    };
    let begun = (0..500).find_map(|key| {
        trio.run(0, 1, &[&format!("SET k{key} {}", "v".repeat(60))]);
        let leader = trio.leader(DEFAULT_GROUP);
        writing(&trio, leader).map(|n| (n, leader))
    });
    let (n, leader) = begun.expect("a follower writes a snapshot");
    let index = trio.machine(n, DEFAULT_GROUP).applied();
    let mark = trio.nodes[n].0.core().groups[&DEFAULT_GROUP].raft.mark().index;
    let word =
        trio.nodes[leader].0.core().packet(Content::Diverged { group: DEFAULT_GROUP, index });
    trio.mail.push_back((NodeId(leader as u64 + 1), NodeId(n as u64 + 1), word));
    for _ in 0..2 * PERIOD.as_millis() {
        if trio.told(n, REBUILT) > 0 {
            break;
        }
        let group = &trio.nodes[n].0.core().groups[&DEFAULT_GROUP];
        assert_eq!(group.raft.mark().index, mark, "a snapshot of the wrong state is durable");
        trio.turn();
    }
    assert_eq!((trio.told(n, DIVERGED), trio.told(n, REBUILT)), (1, 1));
    assert_eq!(trio.run(n, 1, &["SET b 2", "GET b"]), "+OK $1 2");
}

//! A trace tells of each message from where to where, and changes nothing.

use crate::tests::{Ask, Toys, at};
use crate::*;
use std::collections::BTreeMap;
use stdx::{Duration, NodeId, Prng};

fn run(traced: bool) -> World<Toys> {
    let mut config = WorldConfig::rough(&mut Prng::new(3));
    (config.net.loss_ppm, config.net.duplicate_ppm) = (100_000, 100_000);
    let mut world = World::new(5, config, Toys(3));
    if traced {
        world.trace_on(100_000);
    }
    let ids: Vec<NodeId> = world.ids().collect();
    let nemesis = NemesisConfig {
        gap: (Duration::from_millis(5), Duration::from_millis(30)),
        lasts: (Duration::from_millis(5), Duration::from_millis(30)),
        ..NemesisConfig::default()
    };
    for (when, fault) in Nemesis::new(nemesis, ids, Prng::new(9)).plan(at(5), at(900)) {
        world.schedule(when, fault);
    }
    for n in 0..200 {
        world.at(at(n * 5), n);
    }
    while let Some(event) = world.run_until(at(2_000)) {
        if let Event::Token(n) = event {
            let _ = world.request(NodeId(n % 3 + 1), Ask::Store(n));
        }
    }
    world
}

#[test]
fn every_message_is_followed_from_its_sender_to_its_end() {
    let world = run(true);
    let trace = world.trace().expect("turned on");
    assert_eq!(trace.dropped(), 0);
    let mut copies: BTreeMap<u64, i64> = BTreeMap::new();
    let mut way: BTreeMap<u64, (NodeId, NodeId)> = BTreeMap::new();
    let mut sorts: BTreeMap<&str, u64> = BTreeMap::new();
    for moment in trace.moments() {
        let node = moment.node.unwrap_or(NodeId(0));
        let sort = match &moment.what {
            What::Sent { to, id, bytes, .. } => {
                assert!(*bytes > 0);
                assert!(way.insert(*id, (node, *to)).is_none(), "two messages {id}");
                copies.insert(*id, 1);
                "sent"
            }
            What::Duplicated { id } => {
                *copies.get_mut(id).expect("sent before") += 1;
                "duplicated"
            }
            What::Delivered { from, id } => {
                assert_eq!(way[id], (*from, node), "{moment}");
                *copies.get_mut(id).expect("sent before") -= 1;
                "delivered"
            }
            What::Dropped { id, .. } => {
                *copies.get_mut(id).expect("sent before") -= 1;
                "dropped"
            }
            What::Held { id } => {
                assert_eq!(way[id].1, node);
                "held"
            }
            What::Down(_) => "down",
            What::Up { .. } => "up",
            What::Fault { .. } => "fault",
            What::Paused(_) => "paused",
            What::Resumed => "resumed",
            What::Write { .. } => "write",
            What::Synced { .. } => "synced",
            What::Timer => "timer",
            other => panic!("nobody asked for {other:?}"),
        };
        *sorts.entry(sort).or_default() += 1;
    }
    assert!(copies.values().all(|left| *left >= 0), "a message arrived more often than it left");
    assert_eq!(sorts.len(), 13, "{sorts:?}");
    let count = world.counters();
    assert_eq!(sorts["sent"], count.sent);
    assert_eq!(sorts["delivered"], count.delivered);
    assert_eq!(sorts["dropped"], count.lost);
    assert_eq!(sorts["down"], count.crashes + count.boot_failures);
}

#[test]
fn a_trace_changes_nothing() {
    assert_eq!(run(true).digest(), run(false).digest());
}

#[test]
fn the_oldest_moments_go_first() {
    let mut world = World::new(1, WorldConfig::default(), Toys(3));
    world.trace_on(2);
    for n in 0..5 {
        world.tell(|| format!("line {n}"));
    }
    let trace = world.trace().expect("turned on");
    assert_eq!(trace.dropped(), 3);
    let lines: Vec<String> = trace.lines().collect();
    assert!(lines[0].ends_with("line 3") && lines[1].ends_with("line 4"), "{lines:?}");
}

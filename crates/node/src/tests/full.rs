//! The ceiling of memory: what is refused at it, what goes on, and that a refusal is an outcome like any other.

use super::*;
use crate::DEFAULT_GROUP;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

fn ceiling(bytes: u64) -> impl Fn(u64) -> Config {
    move |n| {
        let tables = TablesConfig { memory: bytes, ..TablesConfig::default() };
        Config { tables, ..config(n) }
    }
}

/// Fills `default` through node 0 until a write is refused; how many were not.
fn fill(trio: &mut Trio) -> usize {
    let value = "v".repeat(500);
    let full = (0..200).find(|i| {
        let reply = trio.run(0, 1, &[&format!("SET k{i} {value}")]);
        assert!(reply == "+OK" || reply == OOM, "{reply}");
        reply == OOM
    });
    full.expect("a ceiling that is reached")
}

#[test]
fn at_the_ceiling_what_adds_is_refused_and_all_else_goes_on() {
    let mut trio = Trio::with(1 << 20, ceiling(20_000));
    let kept = fill(&mut trio);
    assert!((10..40).contains(&kept), "{kept} keys of 500 bytes under 20,000");
    assert_eq!(trio.run(0, 1, &["APPEND k0 more"]), OOM);
    assert_eq!(trio.run(1, 1, &["INCR n"]), OOM, "whoever is asked");
    assert_eq!(trio.run(2, 1, &["EXISTS k0 k1 n"]), ":2", "reads go on, and nothing was added");
    assert_eq!(trio.run(0, 1, &["PEXPIRE k1 3600000"]), ":1");
    for i in 0..kept {
        assert_eq!(trio.run(0, 1, &[&format!("DEL k{i}")]), ":1", "deletes go on");
    }
    assert_eq!(trio.run(0, 1, &["SET k0 again"]), "+OK", "there is room again");
}

/// The leader decides and the log carries it: replicas with ceilings of their own hold the same all the same.
#[test]
fn a_refusal_is_replicated_and_not_judged_by_each_replica() {
    let mut trio = Trio::with(1 << 20, |n| ceiling(10_000 * n)(n));
    let value = "v".repeat(500);
    let mut refused = 0;
    for i in 0..100 {
        let reply = trio.run(0, 1, &[&format!("SET k{i} {value}")]);
        assert!(reply == "+OK" || reply == OOM, "{reply}");
        refused += usize::from(reply == OOM);
    }
    assert!(refused > 30, "{refused} of 100 refused");
    let applied =
        |trio: &Trio, n: usize| trio.nodes[n].0.core().groups[&DEFAULT_GROUP].machine.applied();
    while (1..3).any(|n| applied(&trio, n) != applied(&trio, 0)) {
        trio.turn();
    }
    let digest = |n: usize| trio.nodes[n].0.core().groups[&DEFAULT_GROUP].machine.digest();
    assert_eq!([digest(1), digest(2)], [digest(0), digest(0)]);
}

/// What a node that leads nothing has in memory is no reason to refuse what goes through it.
#[test]
fn whoever_leads_decides() {
    let mut trio = Trio::with(1 << 20, |n| ceiling(if n == 1 { 10_000 } else { 0 })(n));
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    trio.depose(0, DEFAULT_GROUP);
    let value = "v".repeat(500);
    for i in 0..60 {
        assert_eq!(trio.run(0, 1, &[&format!("SET k{i} {value}")]), "+OK");
    }
    assert!(trio.nodes[0].0.core().is_full());
    assert_eq!(trio.run(0, 1, &["CONFIG GET maxmemory"]), "*2 $9 maxmemory $5 10000");
}

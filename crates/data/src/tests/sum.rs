//! The sum that is kept is that of the entries, whatever changes them and wherever a scan is.

use crate::{Context, Db, execute};
use stdx::{Mutant, Planted, Prng};
use wire::resp::Args;

fn random(db: &mut Db, prng: &mut Prng, index: u64) {
    let key = prng.below(200);
    let line = match prng.below(8) {
        0 => format!("DEL k{key}"),
        1 => format!("SET k{key} v PX {}", 1 + prng.below(50)),
        2 if prng.chance(1, 60) => "FLUSHALL".into(),
        3 => format!("APPEND k{key} x"),
        _ => format!("SET k{key} {}", prng.below(1_000)),
    };
    let cx = Context { now_ms: index, committed_ms: index, index, seed: 0 };
    execute(db, cx, &line.split(' ').map(str::as_bytes).collect::<Args>());
    if prng.chance(1, 10) {
        db.expire_due(index, 4);
    }
}

/// Whether any scan finds the sum wrong.
fn wrong(planted: Planted, seed: u64) -> bool {
    let mut prng = Prng::new(seed);
    let mut db = Db::default();
    db.plant(planted);
    let (mut wrong, mut ends) = (false, 0);
    for index in 1..4_000 {
        random(&mut db, &mut prng, index);
        if prng.chance(1, 3) {
            let slice = 1 + prng.index(20);
            let end = db.check_sum(slice);
            ends += u64::from(end.is_some());
            wrong |= end == Some(false);
        }
    }
    assert!(ends > 10, "seed {seed}: the scans came to no end");
    wrong
}

#[test]
fn a_scan_amid_writes_agrees_with_the_sum() {
    for seed in 0..20 {
        assert!(!wrong(Planted::NONE, seed), "seed {seed}");
    }
}

#[test]
fn a_sum_that_skips_removals_is_found_by_the_scan() {
    for seed in 0..5 {
        assert!(wrong(Planted::one(Mutant::SumSkipsRemovals), seed), "seed {seed}");
    }
}

#[test]
fn equal_states_have_equal_sums_whatever_came_first() {
    let mut prng = Prng::new(3);
    let mut db = Db::default();
    (1..2_000).for_each(|index| random(&mut db, &mut prng, index));
    let mut chunks = Vec::new();
    db.freeze();
    while let storage::Lookup::Ready(Some(chunk)) = db.chunk(500) {
        chunks.push(chunk);
    }
    db.thaw();
    let mut other = Db::default();
    other.set_removals(db.removals().to_vec()).unwrap();
    chunks.iter().rev().for_each(|chunk| other.load_chunk(chunk).unwrap());
    assert_eq!((other.sum(), other.digest()), (db.sum(), db.digest()));
    execute(
        &mut other,
        Context { index: 5_000, ..Context::default() },
        &["SET", "k1", "?"].iter().collect(),
    );
    assert_ne!(other.sum(), db.sum());
}

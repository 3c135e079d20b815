//! Read committed and read atomic against their axioms, and what the causal tests share.

pub(crate) mod edit;
mod mutants;
mod planted;
pub(crate) mod replicas;
pub(crate) mod stories;
pub(crate) mod tiny;
pub(crate) mod twin;
mod worlds;

use super::*;
use crate::txn::Op;
use edit::edited;
use replicas::{Policy, Size, replicas};
use stdx::Prng;
use tiny::{Shape, tiny};
use twin::twin;

pub(crate) const SHAPES: [Shape; 6] = {
    let plain = Shape { single: false, lists: false, fates: false, cas: false, twice: false };
    [
        plain,
        Shape { single: true, ..plain },
        Shape { lists: true, ..plain },
        Shape { fates: true, ..plain },
        Shape { cas: true, ..plain },
        Shape { twice: true, ..plain },
    ]
};

/// How often a judgement was good, bad, and not given.
pub(crate) type Tally = [u32; 3];

/// Compares `find` with the definition over many tiny histories; the first seed where they differ is an error.
pub(crate) fn compare(level: Level, seeds: u64, find: Find) -> Result<Vec<Tally>, String> {
    let mut all = Vec::new();
    for shape in SHAPES {
        let mut tally = [0; 3];
        for seed in 0..seeds {
            let h = tiny(&mut Prng::new(seed), shape);
            let good = twin(&h, level);
            let judgement = decide(&h, level, &mut Budget::default(), find);
            let said = |what: &str| format!("seed {seed}, {shape:?}: {what}: {}", show(&h));
            match &judgement {
                Judgement::Holds if !good => return Err(said("holds, but there is no order")),
                Judgement::Fails(witness) if good => {
                    return Err(said(&format!("{witness:#?}, but there is an order")));
                }
                Judgement::Holds => tally[0] += 1,
                Judgement::Fails(_) => tally[1] += 1,
                Judgement::Unknown(_) if shape.cas || shape.twice => tally[2] += 1,
                other => return Err(said(&format!("{other:?}"))),
            }
        }
        all.push(tally);
    }
    for policy in Policy::ALL {
        let mut tally = [0; 3];
        for seed in 0..seeds {
            let h = damaged(&mut Prng::new(seed), policy);
            let good = twin(&h, level);
            let judgement = decide(&h, level, &mut Budget::default(), find);
            match &judgement {
                Judgement::Holds if good => tally[0] += 1,
                Judgement::Fails(_) if !good => tally[1] += 1,
                other => {
                    return Err(format!(
                        "seed {seed}, {policy:?}: {other:?}, {good}: {}",
                        show(&h)
                    ));
                }
            }
        }
        all.push(tally);
    }
    Ok(all)
}

/// A tiny history of a store, half of the time with a read that another took the place of.
pub(crate) fn damaged(prng: &mut Prng, policy: Policy) -> Transactions {
    let lists = prng.index(3);
    let txns = prng.index(4) + 4;
    let size = Size { processes: 3, txns, ops: prng.range(1, 4), registers: 2 - lists, lists };
    let h = replicas(prng, size, policy);
    if prng.chance(1, 2) { h } else { spoiled(prng, h) }
}

/// `h` with one read replaced by another of the same key.
pub(crate) fn spoiled(prng: &mut Prng, h: Transactions) -> Transactions {
    let ops = h.all_ops();
    let at = prng.index(ops.len());
    let reads = |op: &Op| matches!(op, Op::Read { .. } | Op::ReadList { .. });
    let same = |op: &&Op| op.key() == ops[at].key() && reads(op) && reads(&ops[at]);
    let others: Vec<Op> = ops.iter().filter(same).copied().collect();
    if others.is_empty() {
        return h;
    }
    let other = *prng.pick(&others);
    edited(&h, |txn, _, mut ops| {
        if h.range(txn).contains(&at) {
            ops[at - h.range(txn).start] = other;
        }
        Some(ops)
    })
}

pub(crate) fn show(h: &Transactions) -> String {
    let line = |n: usize| format!("\n  {n}: process {}: {}", h.txns[n].process, h.describe(n));
    (0..h.txns.len()).map(line).collect()
}

#[test]
fn as_the_axioms_say() {
    for level in [Level::ReadCommitted, Level::ReadAtomic] {
        let tallies =
            compare(level, 1_500, find).unwrap_or_else(|wrong| panic!("{level}: {wrong}"));
        let both = |tally: &Tally| tally[0] > 50 && tally[1] > 50;
        assert!(tallies.iter().all(both), "{level}: too much alike: {tallies:?}");
    }
}

//! Histories with a known verdict: a store that keeps a level, alone and with a story planted in it; and what
//! witnesses must be.

use super::edit::edited;
use super::replicas::{Policy, Size, replicas};
use super::stories::{LEVELS, history, judge, story_lines};
use super::{damaged, show, spoiled};
use crate::txn::{Op, Transactions, Value, ValueId};
use crate::{Judgement, Level};
use stdx::{Bytes, Prng};

/// Whether what holds at `above` holds at `below`.
pub(super) fn implies(above: Level, below: Level) -> bool {
    use Level::{CausalConsistency, CausalConvergence, CausalMemory, ReadAtomic, ReadCommitted};
    above == below
        || matches!(
            (above, below),
            (CausalConvergence, CausalConsistency | ReadAtomic | ReadCommitted)
                | (CausalMemory, CausalConsistency)
                | (ReadAtomic, ReadCommitted)
        )
}

fn store(prng: &mut Prng, policy: Policy, txns: usize) -> Transactions {
    // One order of versions of a list is more than replicas that hear of appends late can have.
    let lists = if matches!(policy, Policy::Serial | Policy::Delivered) { 2 } else { 0 };
    let size = Size {
        processes: prng.index(8) + 2,
        txns,
        ops: prng.range(1, 9),
        registers: prng.index(10) + 2,
        lists,
    };
    replicas(prng, size, policy)
}

#[test]
fn a_store_keeps_what_it_is_built_to_keep() {
    for (seed, policy) in (0..150).flat_map(|seed| Policy::ALL.map(|policy| (seed, policy))) {
        let h = store(&mut Prng::new(seed), policy, 120);
        for (_, level) in LEVELS {
            if policy.keeps().iter().any(|&above| implies(above, level)) {
                let judgement = judge(&h, level);
                assert_eq!(judgement, Judgement::Holds, "seed {seed}, {policy:?}, {level}");
            }
        }
    }
}

#[test]
fn a_store_without_a_level_is_found_out() {
    for (policy, level) in [
        (Policy::Delivered, Level::CausalConvergence),
        (Policy::Delivered, Level::ReadAtomic),
        (Policy::Clock, Level::CausalMemory),
        (Policy::Fickle, Level::CausalMemory),
        (Policy::Fickle, Level::CausalConvergence),
    ] {
        let bad = (0..20).filter(|&seed| {
            let h = store(&mut Prng::new(seed), policy, 120);
            matches!(judge(&h, level), Judgement::Fails(_))
        });
        let bad = bad.count();
        assert!(bad >= 5, "{policy:?} breaks {level} in {bad} of 20 histories only");
    }
}

/// `good` with the transactions of `bad` among its own, on keys, values and processes of their own.
fn planted(prng: &mut Prng, good: &Transactions, bad: &Transactions) -> Transactions {
    let mut h = edited(good, |_, _, ops| Some(ops));
    let shift = prng.below(good.txns.len() as u64);
    for (number, txn) in bad.txns.iter().enumerate() {
        let mut ops = bad.ops(number).to_vec();
        for op in &mut ops {
            renamed(bad, &mut h, op);
        }
        let times = (2 * shift + txn.invoked, txn.returned.saturating_add(2 * shift));
        h.push(txn.process + 1_000, times, txn.fate, txn.line, ops);
    }
    h.sort();
    h
}

fn renamed(bad: &Transactions, h: &mut Transactions, op: &mut Op) {
    let name = format!("planted {}", bad.key_name(op.key()));
    let new = h.key(&Bytes::from(name.as_bytes()));
    let mut value = |value: ValueId| match bad.name_of(value) {
        Value::Int(number) => h.value(&Value::Int(number + 1_000_000)),
        nil => h.value(nil),
    };
    match op {
        Op::Read { key, value: seen } => (*key, *seen) = (new, seen.map(value)),
        Op::Write { key, value: put } | Op::Append { key, value: put } => {
            (*key, *put) = (new, value(*put));
        }
        Op::Cas { key, from, to, .. } => (*key, *from, *to) = (new, value(*from), value(*to)),
        Op::ReadList { key, elements } => {
            let all = elements.map(|list| bad.elements(list)).unwrap_or_default();
            let all: Vec<ValueId> = all.iter().map(|v| value(*v)).collect();
            (*key, *elements) = (new, Some(h.list(all)));
        }
        other => panic!("{other:?} is in no story"),
    }
}

#[test]
fn a_planted_story_is_found_for_what_it_is() {
    for (seed, story) in story_lines().into_iter().enumerate() {
        let bad = history(story.iter().copied());
        for round in 0..5 {
            let prng = &mut Prng::new(seed as u64 * 100 + round);
            let good = store(prng, Policy::Serial, 150);
            let h = planted(prng, &good, &bad);
            for (_, level) in LEVELS {
                let (alone, among) = (judge(&bad, level), judge(&h, level));
                let said = || format!("{level}, round {round}, {story:?}: {alone:?} {among:?}");
                match (&alone, &among) {
                    (Judgement::Fails(alone), Judgement::Fails(among)) => {
                        assert_eq!(alone.anomaly, among.anomaly, "{}", said());
                        assert_eq!(alone.txns.len(), among.txns.len(), "{}", said());
                        let own = |&txn: &usize| h.txns[txn].process >= 1_000;
                        assert!(among.txns.iter().all(own), "{}", said());
                    }
                    (Judgement::Unknown(_), Judgement::Unknown(_)) => {}
                    (alone, among) => assert_eq!(alone, among, "{}", said()),
                }
            }
        }
    }
}

#[test]
fn what_holds_above_holds_below() {
    let mut failed = [0; 5];
    for (seed, policy) in (0..1_500).flat_map(|seed| Policy::ALL.map(|policy| (seed, policy))) {
        let h = damaged(&mut Prng::new(seed), policy);
        let all = LEVELS.map(|(_, level)| (level, judge(&h, level)));
        for ((above, over), (below, under)) in
            all.iter().flat_map(|a| all.iter().map(move |b| (a, b)))
        {
            if implies(*above, *below) && *over == Judgement::Holds {
                assert_eq!(*under, Judgement::Holds, "seed {seed}, {policy:?}: {above}, {below}");
            }
        }
        for (count, (_, judgement)) in failed.iter_mut().zip(&all) {
            *count += u32::from(*judgement != Judgement::Holds);
        }
    }
    assert!(failed.iter().all(|&count| count > 100), "{failed:?}");
}

/// What one read tells; where it is from is more than its witness says.
const MISREADS: [&str; 5] = ["ThinAirRead", "FutureRead", "G1a", "G1b", "internal"];

/// The transactions `txns` of `h`; what they read of others is not known.
fn part(h: &Transactions, txns: &[usize]) -> Transactions {
    let wrote = |value: ValueId| {
        let wrote = |op: &Op| matches!(op, Op::Write { value: put, .. } if *put == value);
        value == ValueId::NIL || txns.iter().any(|&txn| h.ops(txn).iter().any(wrote))
    };
    edited(h, |txn, _, mut ops| {
        for op in &mut ops {
            if let Op::Read { value, .. } = op {
                *value = value.filter(|value| wrote(*value));
            }
        }
        txns.contains(&txn).then_some(ops)
    })
}

#[test]
fn a_witness_is_bad_by_itself_and_nothing_in_it_is_idle() {
    let mut seen = [0; 5];
    for (seed, policy) in (0..150).flat_map(|seed| Policy::ALL.map(|policy| (seed, policy))) {
        let prng = &mut Prng::new(seed);
        let size = Size { processes: 4, txns: 40, ops: prng.range(1, 5), registers: 3, lists: 0 };
        let h = spoiled(prng, replicas(&mut Prng::new(seed), size, policy));
        for ((_, level), seen) in LEVELS.into_iter().zip(&mut seen) {
            let Judgement::Fails(witness) = judge(&h, level) else { continue };
            if MISREADS.contains(&witness.anomaly) {
                continue;
            }
            let said =
                |what| format!("seed {seed}, {policy:?}, {level}: {what}: {witness:?}{}", show(&h));
            let bad = |txns: &[usize]| matches!(judge(&part(&h, txns), level), Judgement::Fails(_));
            assert!(bad(&witness.txns), "{}", said("not bad by itself"));
            for idle in &witness.txns {
                let rest: Vec<usize> =
                    witness.txns.iter().copied().filter(|txn| txn != idle).collect();
                assert!(!bad(&rest), "{}", said("one is idle"));
            }
            let next = witness.cycle.iter().cycle().skip(1);
            for (edge, next) in witness.cycle.iter().zip(next) {
                assert_eq!(edge.to, next.from, "{}", said("no cycle"));
                assert!(witness.txns.contains(&edge.from), "{}", said("not in it"));
            }
            *seen += 1;
        }
    }
    assert!(seen.iter().all(|&seen| seen > 20), "{seen:?}");
}

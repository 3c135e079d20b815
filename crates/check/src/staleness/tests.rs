//! Zones against a twin that tries every order.

use super::*;
use crate::txn::{Value, ValueId};
use stdx::{Bytes, Prng};

/// A register's operations: process, times, fate, what is written or what was read.
#[derive(Clone, Debug)]
struct Call {
    invoked: i128,
    returned: i128,
    sure: bool,
    write: Option<ValueId>,
    read: Option<ValueId>,
}

fn calls(history: &Transactions, bound: u64) -> Vec<Call> {
    (0..history.txns.len())
        .map(|number| {
            let txn = &history.txns[number];
            let (write, read) = match history.ops(number)[0] {
                Op::Write { value, .. } => (Some(value), None),
                Op::Read { value, .. } => (None, value),
                _ => unreachable!("only registers are drawn"),
            };
            let moved = if read.is_some() { i128::from(bound) } else { 0 };
            let invoked = i128::from(txn.invoked) - moved;
            let sure = txn.fate == Fate::Committed;
            Call { invoked, returned: end(txn), sure, write, read }
        })
        .collect()
}

/// A rule that a wrong twin breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    ATieIsAnOrder,
    UnknownNeverHappens,
    WritesMayBeLate,
    NothingAtFirst,
}

fn any_order(left: &[Call], state: ValueId, slip: Option<Slip>) -> bool {
    if left.iter().all(|call| !call.sure) {
        return true;
    }
    (0..left.len()).any(|at| {
        let call = &left[at];
        let tie = i128::from(slip == Some(Slip::ATieIsAnOrder));
        let invoked = match (slip, call.write) {
            (Some(Slip::WritesMayBeLate), Some(_)) => call.invoked - 4,
            _ => call.invoked,
        };
        let mut rest = left.to_vec();
        rest.remove(at);
        let early = rest.iter().all(|other| !other.sure || other.returned >= invoked + tie);
        let any = slip == Some(Slip::NothingAtFirst) && state == ValueId::NIL;
        early
            && (call.sure || slip != Some(Slip::UnknownNeverHappens))
            && call.read.is_none_or(|value| value == state || any)
            && any_order(&rest, call.write.unwrap_or(state), slip)
    })
}

fn draw(seed: u64) -> Transactions {
    let mut prng = Prng::new(seed);
    let mut history = Transactions::new();
    let key = history.key(&Bytes::from(&b"x"[..]));
    let mut values = vec![ValueId::NIL];
    for process in 0..prng.range(3, 7) {
        let invoked = prng.below(20);
        let times = (invoked, invoked + prng.below(8));
        let unknown = prng.chance(1, 6);
        let write = unknown || prng.chance(1, 2);
        let op = if write {
            let value = history.value(&Value::Int(process as i64 + 1));
            values.push(value);
            Op::Write { key, value }
        } else {
            let value = if prng.chance(2, 3) {
                values.last()
            } else {
                values.get(prng.index(values.len()))
            };
            Op::Read { key, value: value.copied() }
        };
        let fate = if unknown { Fate::Unknown } else { Fate::Committed };
        history.push(process, times, fate, process as u32 + 1, [op]);
    }
    history.sort();
    history
}

#[test]
fn zones_agree_with_the_twin() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..8_000 {
        let history = draw(seed);
        for bound in [0, 4, 9] {
            let expected = any_order(&calls(&history, bound), ValueId::NIL, None);
            match judge(&history, bound, &mut Budget::default()) {
                Judgement::Holds => assert!(expected, "seed {seed}, {bound}: {history:#?}"),
                Judgement::Fails(witness) => {
                    assert!(!expected, "seed {seed}, {bound}: {witness:?} {history:#?}");
                    let all = calls(&history, bound);
                    let part: Vec<Call> =
                        witness.txns.iter().map(|number| all[*number].clone()).collect();
                    let again = any_order(&part, ValueId::NIL, None);
                    assert!(!again, "seed {seed}, {bound}: {witness:?} is no violation by itself");
                }
                other => panic!("seed {seed}, {bound}: {other:?}"),
            }
            if expected { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 3_000 && bad > 3_000, "{good} good, {bad} bad");
}

#[test]
fn each_rule_of_the_definition_counts() {
    let slips = [
        Slip::ATieIsAnOrder,
        Slip::UnknownNeverHappens,
        Slip::WritesMayBeLate,
        Slip::NothingAtFirst,
    ];
    for slip in slips {
        let wrong = |seed: u64| {
            let history = draw(seed);
            let expected = any_order(&calls(&history, 4), ValueId::NIL, Some(slip));
            (judge(&history, 4, &mut Budget::default()) == Judgement::Holds) != expected
        };
        assert!((0..8_000).any(wrong), "{slip:?} makes no difference");
    }
}

#[test]
fn a_longer_bound_only_forgives() {
    for seed in 0..3_000 {
        let history = draw(seed);
        let holds = |bound| judge(&history, bound, &mut Budget::default()) == Judgement::Holds;
        let all: Vec<bool> = [0, 2, 5, 9, 100].map(holds).to_vec();
        assert!(all.is_sorted(), "seed {seed}: {all:?}");
    }
}

//! Tiny histories at random, whose verdicts only the twin knows.

use crate::txn::{Fate, KeyId, Op, Transactions, Value, ValueId};
use stdx::{Bytes, Prng};

/// What may be in one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) single: bool,
    pub(crate) lists: bool,
    pub(crate) fates: bool,
    pub(crate) cas: bool,
    pub(crate) twice: bool,
}

/// Up to six transactions of up to three operations on two keys. Reads answer with what somebody wrote, mostly.
pub(crate) fn tiny(prng: &mut Prng, shape: Shape) -> Transactions {
    let mut h = Transactions::new();
    let keys: Vec<KeyId> =
        ["x", "y"].iter().map(|name| h.key(&Bytes::from(name.as_bytes()))).collect();
    let lists = [shape.lists, shape.lists && prng.chance(1, 2)];
    let processes = prng.range(1, 4);
    let count = prng.range(2, 7);
    let mut plans: Vec<(u64, Vec<Op>)> = Vec::new();
    let mut written: [Vec<ValueId>; 2] = [Vec::new(), Vec::new()];
    let mut fresh = 1;
    for _ in 0..count {
        let most = if shape.single { 1 } else { 3 };
        let ops = (0..prng.range(1, most + 1)).map(|_| {
            let at = prng.index(2);
            let key = keys[at];
            let mut value = |h: &mut Transactions, prng: &mut Prng| {
                let again = shape.twice && prng.chance(1, 3) && fresh > 1;
                let number = if again { prng.range(1, fresh) } else { fresh };
                fresh += u64::from(!again);
                let value = h.value(&Value::Int(i64::try_from(number).unwrap()));
                written[at].push(value);
                value
            };
            match (prng.chance(1, 2), lists[at]) {
                (true, false) if shape.cas && prng.chance(1, 3) => {
                    let to = value(&mut h, prng);
                    Op::Cas { key, from: ValueId::NIL, to, done: Some(prng.chance(2, 3)) }
                }
                (true, false) => Op::Write { key, value: value(&mut h, prng) },
                (true, true) => Op::Append { key, value: value(&mut h, prng) },
                (false, false) => Op::Read { key, value: None },
                (false, true) => Op::ReadList { key, elements: None },
            }
        });
        let ops: Vec<Op> = ops.collect();
        plans.push((prng.below(processes), ops));
    }
    // An order for each list that most reads take a beginning of.
    let mut orders = written.clone();
    orders.iter_mut().for_each(|order| prng.shuffle(order));
    for (at, (process, ops)) in plans.into_iter().enumerate() {
        let fate = match prng.below(8) {
            0 if shape.fates => Fate::Aborted,
            1 | 2 if shape.fates => Fate::Unknown,
            _ => Fate::Committed,
        };
        let mut answered = Vec::new();
        for op in ops {
            let at = usize::from(op.key() == keys[1]);
            let known = fate == Fate::Committed || prng.chance(1, 2);
            answered.push(match op {
                Op::Read { key, .. } if known => {
                    let any = written[at].is_empty() || prng.chance(1, 5);
                    let value = if any { ValueId::NIL } else { *prng.pick(&written[at]) };
                    Op::Read { key, value: Some(value) }
                }
                Op::Cas { key, to, done, .. } => {
                    let any = written[at].is_empty() || prng.chance(1, 3);
                    let from = if any { ValueId::NIL } else { *prng.pick(&written[at]) };
                    let done = if fate == Fate::Unknown { Some(true) } else { done };
                    Op::Cas { key, from, to, done }
                }
                Op::ReadList { key, .. } if known => {
                    let mut list = orders[at].clone();
                    if prng.chance(1, 10) {
                        prng.shuffle(&mut list);
                    }
                    list.truncate(prng.index(list.len() + 1));
                    Op::ReadList { key, elements: Some(h.list(list)) }
                }
                op => op,
            });
        }
        let time = at as u64;
        h.push(process, (2 * time, 2 * time + 1), fate, at as u32 + 1, answered);
    }
    h.sort();
    h
}

//! Against the definition, word for word, on pairs of reads.

use super::*;
use crate::txn::Value;
use stdx::{Bytes, Prng};

fn draw(seed: u64) -> Transactions {
    let mut prng = Prng::new(seed);
    let mut history = Transactions::new();
    let keys = ["x", "y"].map(|name| history.key(&Bytes::from(name.as_bytes())));
    for number in 0..prng.range(2, 9) {
        let key = keys[prng.index(2)];
        let value = history.value(&Value::Int(prng.below(2) as i64));
        let unknown = prng.chance(1, 12);
        let writes = unknown || prng.chance(1, 3);
        let op =
            if writes { Op::Write { key, value } } else { Op::Read { key, value: Some(value) } };
        let fate = match prng.below(8) {
            _ if unknown => Fate::Unknown,
            0 => Fate::Aborted,
            _ => Fate::Committed,
        };
        let invoked = number * 3 + prng.below(4);
        history.push(
            prng.below(3),
            (invoked, invoked + prng.below(5)),
            fate,
            number as u32 + 1,
            [op],
        );
    }
    history.sort();
    history
}

/// Whether the last reads differ; and whether there are two to compare.
fn twin(history: &Transactions, key: KeyId) -> (bool, bool, bool) {
    let all = || (0..history.txns.len()).filter(|n| history.ops(*n)[0].key() == key);
    let writes = |n: &usize| matches!(history.ops(*n)[0], Op::Write { .. });
    let fate = |n: &usize| history.txns[*n].fate;
    let quiet = |n: &usize| {
        let sure = all().filter(writes).filter(|w| fate(w) == Fate::Committed);
        sure.map(|w| history.txns[w].returned).all(|end| end < history.txns[*n].invoked)
    };
    let reads: Vec<usize> =
        all().filter(|n| !writes(n) && fate(n) == Fate::Committed && quiet(n)).collect();
    let process = |n: usize| history.txns[n].process;
    let last = |n: &&usize| reads.iter().all(|other| process(*other) != process(**n) || other <= n);
    let ends: Vec<usize> = reads.iter().filter(last).copied().collect();
    let value = |n: usize| match history.ops(n)[0] {
        Op::Read { value, .. } => value,
        _ => None,
    };
    let differ = ends.iter().any(|n| value(*n) != value(ends[0]));
    let open = all().filter(writes).any(|n| fate(&n) == Fate::Unknown);
    (differ, ends.len() > 1, open)
}

#[test]
fn agrees_with_the_definition() {
    let mut tally = [0; 3];
    for seed in 0..6_000 {
        let history = draw(seed);
        let keys: Vec<_> = [0, 1]
            .map(KeyId)
            .into_iter()
            .filter(|key| (key.0 as usize) < history.keys.len())
            .map(|key| twin(&history, key))
            .collect();
        let fails = keys.iter().any(|(differ, _, open)| *differ && !open);
        let blurred = keys.iter().any(|(differ, _, open)| *differ && *open);
        let compared = keys.iter().any(|(differ, several, _)| *several && !differ);
        match judge(&history, &mut Budget::default()) {
            Judgement::Fails(witness) => {
                assert!(fails, "seed {seed}: {witness:?} in {history:#?}");
                let mut part = history.clone();
                part.txns = witness.txns.iter().map(|n| history.txns[*n]).collect();
                let again = judge(&part, &mut Budget::default());
                assert!(
                    matches!(again, Judgement::Fails(_)),
                    "seed {seed}: {witness:?}: {again:?}"
                );
                tally[0] += 1;
            }
            Judgement::Holds => {
                assert!(!fails && !blurred && compared, "seed {seed}: {history:#?}");
                tally[1] += 1;
            }
            Judgement::Unknown(_) => {
                assert!(!fails && (blurred || !compared), "seed {seed}: {history:#?}");
                tally[2] += 1;
            }
            Judgement::NotApplicable(why) => panic!("seed {seed}: {why}"),
        }
    }
    assert!(tally.iter().all(|count| *count > 300), "{tally:?}");
}

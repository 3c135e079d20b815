//! No implication of the map is false: every level is judged by itself on generated histories, and whatever is below
//! one that holds may not fail.

use super::*;
use crate::generate::{Flaw, Kind, Shape, World, history, plant};
use crate::txn::{Fate, KeyId, Op, Value, ValueId};
use stdx::{Bytes, Prng};

const OPTIONS: Options = Options {
    staleness: Some(3),
    isolation: isolation::Options { linearizable_keys: false, sequential_keys: false },
};

fn alone(history: &Transactions) -> BTreeMap<Level, Judgement> {
    let budget = Budget { steps: 200_000, ..Budget::default() };
    Level::ALL.map(|level| (level, judge(history, level, &OPTIONS, budget))).into_iter().collect()
}

/// What was seen of an implication.
#[derive(Default)]
struct Seen {
    /// Both levels hold.
    hold: u64,
    /// Both fail.
    fail: u64,
    /// Where the first holds and the second fails.
    wrong: Vec<String>,
}

type Tally = BTreeMap<(Level, Level), Seen>;

fn check(history: &Transactions, told: &str, tally: &mut Tally) {
    let found = alone(history);
    for (above, below) in BELOW.iter().flat_map(|(a, all)| all.iter().map(move |b| (*a, *b))) {
        let seen = tally.entry((above, below)).or_default();
        match (&found[&above], &found[&below]) {
            (Judgement::Holds, Judgement::Holds) => seen.hold += 1,
            (Judgement::Fails(_), Judgement::Fails(_)) => seen.fail += 1,
            (Judgement::Holds, Judgement::Fails(witness)) => {
                let txns = (0..history.txns.len()).map(|number| {
                    let txn = &history.txns[number];
                    let (from, to) = (txn.invoked, txn.returned);
                    format!("{}: {from}..{to} {}", txn.process, history.describe(number))
                });
                let txns: Vec<_> = txns.collect();
                seen.wrong.push(format!("{told}: {}\n  {}", witness.reason, txns.join("\n  ")));
            }
            _ => {}
        }
    }
    if tally.values().any(|seen| !seen.wrong.is_empty()) {
        return;
    }
    let map = map(history, &OPTIONS, Budget { steps: 200_000, ..Budget::default() });
    for (level, place) in map.levels() {
        let single = &found[&level];
        let same = match (single, &place.judgement) {
            (Judgement::Holds, other) => *other == Judgement::Holds,
            (Judgement::Fails(_), other) => matches!(other, Judgement::Fails(_)),
            (Judgement::Unknown(_) | Judgement::NotApplicable(_), _) => true,
        };
        assert!(same, "{told}: {level} alone is {single:?}, on the map {place:?}");
    }
}

/// A few operations on one or two keys with whatever answers, so that all levels fail now and then.
fn wild(seed: u64) -> Transactions {
    let mut prng = Prng::new(seed);
    let mut history = Transactions::new();
    history.timed = prng.chance(3, 4);
    let lists = prng.chance(1, 2);
    let keys = ["x", "y"].map(|name| history.key(&Bytes::from(name.as_bytes())));
    let mut written: [Vec<ValueId>; 2] = [Vec::new(), Vec::new()];
    let mut free = [0; 3];
    let longest = prng.range(1, 2);
    for number in 0..prng.range(3, 8) {
        let process = prng.index(3);
        let mut ops = Vec::new();
        for part in 0..prng.range(1, longest) {
            let at = prng.index(2);
            let (key, all) = (keys[at], &mut written[at]);
            if prng.chance(1, 2) {
                let value = history.value(&Value::Int((number * 10 + part) as i64 + 1));
                all.push(value);
                ops.push(if lists { Op::Append { key, value } } else { Op::Write { key, value } });
                continue;
            }
            // What a transaction sees of a list after its own append is left out: isolation judges that by the lists
            // of all (incompatible-order), the causal levels by what was there before.
            if lists && ops.iter().any(|op| matches!(op, Op::Append { key: of, .. } if *of == key))
            {
                continue;
            }
            let mut shown = all[..prng.index(all.len() + 1)].to_vec();
            if prng.chance(1, 2) {
                shown.clone_from(all);
            }
            if prng.chance(1, 8) && shown.len() > 1 {
                shown.swap(0, 1);
            }
            ops.push(if lists {
                Op::ReadList { key, elements: Some(history.list(shown)) }
            } else {
                Op::Read { key, value: Some(shown.last().copied().unwrap_or(ValueId::NIL)) }
            });
        }
        let fate = match prng.below(12) {
            0 => Fate::Aborted,
            1 => Fate::Unknown,
            _ => Fate::Committed,
        };
        // Equal times happen: a process may be invoked again at the very moment of its return.
        let invoked = free[process] + prng.below(6);
        let returned = invoked + prng.below(6);
        free[process] = returned;
        history.push(process as u64, (invoked, returned), fate, number as u32 + 1, ops);
    }
    history.sort();
    history
}

#[test]
fn nothing_below_a_level_that_holds_fails() {
    let mut tally = Tally::new();
    for seed in 0..4_000 {
        check(&wild(seed), &format!("wild {seed}"), &mut tally);
    }
    for world in World::ALL {
        for kind in Kind::ALL.into_iter().filter(|kind| world.knows(*kind)) {
            for seed in 0..6 {
                let shape = Shape { clients: 3, keys: 2, unknown: 100, ..Shape::new(kind, 12) };
                let shape = if seed % 2 == 0 { shape.of(world) } else { Shape { world, ..shape } };
                let told = format!("{world:?} {kind:?} {seed}");
                let mut history = history(&shape, seed);
                check(&history, &told, &mut tally);
                let mut prng = Prng::new(seed);
                let flaw = Flaw::ALL[prng.index(Flaw::ALL.len())];
                if plant(&mut history, flaw, &mut prng).is_some() {
                    check(&history, &format!("{told} with {flaw:?}"), &mut tally);
                }
            }
        }
    }
    let mut bad = Vec::new();
    for ((above, below), seen) in &tally {
        let (hold, fail, wrong) = (seen.hold, seen.fail, seen.wrong.len());
        if wrong > 0 || hold < 20 || fail < 2 {
            let first = seen.wrong.iter().min_by_key(|text| text.len());
            let first = first.map_or("", String::as_str);
            bad.push(format!(
                "{above} => {below}: both hold {hold}, both fail {fail}, wrong {wrong}: {first}"
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn what_is_inferred_says_from_where() {
    let mut history = Transactions::new();
    let key = history.key(&Bytes::from(&b"x"[..]));
    let value = history.value(&Value::Int(1));
    history.push(1, (0, 1), Fate::Committed, 1, [Op::Write { key, value }]);
    history.push(2, (2, 3), Fate::Committed, 2, [Op::Read { key: KeyId(0), value: Some(value) }]);
    let map = map(&history, &Options::default(), Budget::default());
    for (level, place) in map.levels() {
        assert_eq!(place.judgement, Judgement::Holds, "{level}");
        if let Some(from) = place.from {
            assert_eq!(map.get(from).map(|place| place.from), Some(None), "{level} from {from}");
        }
    }
    assert!(map.levels().any(|(_, place)| place.from.is_some()));
    assert_eq!(map.strongest(), [Level::StrictSerializable]);
    assert_eq!(map.get(Level::BoundedStaleness), None);
}

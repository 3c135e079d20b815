//! The verdicts against a twin that tries every order, on thousands of small histories of every kind of object.

mod draw;
mod mutants;
mod needs;
mod plan;
mod stories;
mod twin;

use super::judge;
use crate::txn::{Op, Transactions};
use crate::{Budget, Judgement, Level, Witness};
use draw::{Kind, Shape, history};
use stdx::Prng;

const LEVELS: [Level; 4] =
    [Level::StrictSerializable, Level::Linearizable, Level::Sequential, Level::Serializable];

/// Judges at one level, and holds the judgement against the twin's.
fn against_the_twin(history: &Transactions, level: Level, seed: u64) -> Option<bool> {
    let found = judge(history, level, &mut Budget::default());
    let shown = || {
        let lines = (0..history.txns.len()).map(|number| {
            let txn = &history.txns[number];
            let (from, to, process) = (txn.invoked, txn.returned, txn.process);
            format!("{number}: process {process} {} [{from}, {to}]\n", history.describe(number))
        });
        format!("seed {seed}, {level}\n{}", lines.collect::<String>())
    };
    let all: Vec<usize> = (0..history.txns.len()).collect();
    match found {
        Judgement::NotApplicable(_) => None,
        Judgement::Holds => {
            assert!(twin::has_order(history, level, &all), "holds, but no order: {}", shown());
            Some(true)
        }
        Judgement::Fails(witness) => {
            assert!(
                !twin::has_order(history, level, &all),
                "{witness:?}, but an order: {}",
                shown()
            );
            let part = twin::has_order(history, level, &witness.txns);
            assert!(!part, "the part {witness:?} has an order: {}", shown());
            assert!(closed(history, level, &witness), "{witness:?} misses a write: {}", shown());
            assert!(witness.txns.is_sorted(), "{witness:?}");
            assert!(witness.stuck.is_none_or(|stuck| witness.txns.contains(&stuck)));
            assert!(witness.order.iter().all(|number| witness.txns.contains(number)));
            Some(false)
        }
        Judgement::Unknown(why) => panic!("{why}: {}", shown()),
    }
}

/// Whether a part has every write that its reads can have seen; if not, it may be a violation only for that.
fn closed(history: &Transactions, level: Level, witness: &Witness) -> bool {
    let real_time = matches!(level, Level::StrictSerializable | Level::Linearizable);
    let txns = &history.txns;
    if !witness.anomaly.starts_with("not-") && witness.anomaly != "stale-read" {
        return true;
    }
    let all_there = |reader: &usize, read: &Op| {
        let Op::Read { key, value: Some(seen) } = *read else { return true };
        let wrote =
            |op: &Op| matches!(*op, Op::Write { key: of, value } if of == key && value == seen);
        let missed = |other: usize| {
            txns[other].may_have_happened()
                && !(real_time && txns[other].invoked > txns[*reader].returned)
                && !witness.txns.contains(&other)
                && history.ops(other).iter().any(wrote)
        };
        !(0..txns.len()).any(missed)
    };
    witness.txns.iter().all(|reader| history.ops(*reader).iter().all(|op| all_there(reader, op)))
}

fn many(kind: Kind, shape: Shape, seeds: u64) {
    let mut found = [[0; 2]; 4];
    for seed in 0..seeds {
        let mut prng = Prng::new(seed);
        let history = history(&mut prng, kind, shape);
        for (level, found) in LEVELS.into_iter().zip(&mut found) {
            if let Some(good) = against_the_twin(&history, level, seed) {
                found[usize::from(good)] += 1;
            }
        }
    }
    for (level, [bad, good]) in LEVELS.into_iter().zip(found) {
        let applies = level != Level::Linearizable || shape == Shape::Single;
        // Without an order to respect, single operations on lists and sets nearly always have one.
        let least = if level == Level::Serializable { 0 } else { seeds / 40 };
        assert!(!applies || bad >= least && good > seeds / 40, "{level}: {bad} {good}");
    }
}

#[test]
fn registers() {
    many(Kind::Register, Shape::Single, 1_500);
    many(Kind::Register, Shape::Units, 1_500);
    many(Kind::Unique, Shape::Single, 1_500);
    many(Kind::Unique, Shape::Units, 1_500);
}

#[test]
fn compare_and_set_registers() {
    many(Kind::Cas, Shape::Single, 2_000);
    many(Kind::Cas, Shape::Units, 1_000);
    many(Kind::UniqueCas, Shape::Single, 3_000);
    many(Kind::UniqueCas, Shape::Units, 1_000);
}

#[test]
fn lists() {
    many(Kind::List, Shape::Single, 1_500);
    many(Kind::List, Shape::Units, 1_500);
}

#[test]
fn counters() {
    many(Kind::Counter, Shape::Single, 1_500);
    many(Kind::Counter, Shape::Units, 1_000);
}

#[test]
fn sets() {
    many(Kind::Set, Shape::Single, 1_500);
    many(Kind::Set, Shape::Units, 1_500);
}

#[test]
fn queues() {
    many(Kind::Queue, Shape::Single, 2_000);
    many(Kind::Queue, Shape::Units, 1_000);
}

#[test]
fn redis_commands() {
    many(Kind::Redis, Shape::Single, 2_000);
    many(Kind::Redis, Shape::Units, 1_000);
    many(Kind::Text, Shape::Single, 2_000);
    many(Kind::Text, Shape::Units, 1_000);
}

#[test]
fn strings_whose_values_name_their_order() {
    many(Kind::Tokens, Shape::Single, 4_000);
    many(Kind::Tokens, Shape::Units, 2_000);
}

#[test]
fn objects_of_every_kind_together() {
    many(Kind::Mixed, Shape::Units, 1_500);
}

/// Of operations on one key each, one order for all keys exists if and only if one for each key does.
#[test]
fn locality() {
    for seed in 0..2_000 {
        let history = history(&mut Prng::new(seed), Kind::Mixed, Shape::Single);
        let strict = judge(&history, Level::StrictSerializable, &mut Budget::default());
        let linear = judge(&history, Level::Linearizable, &mut Budget::default());
        let holds = |judgement: &Judgement| *judgement == Judgement::Holds;
        assert!(strict.is_decided() && linear.is_decided(), "seed {seed}");
        assert_eq!(holds(&strict), holds(&linear), "seed {seed}");
    }
}

/// Parts that are small ask for nothing by themselves.
#[test]
fn the_budget_is_asked_between_parts() {
    let line = |i: usize| {
        let (from, to) = (2 * i, 2 * i + 1);
        let what = format!(r#""op":["set","k{i}","1"],"ok":"done""#);
        format!(r#"{{"process":1,"invoked":{from},"returned":{to},{what}}}"#)
    };
    let text: Vec<String> = (0..5_000).map(line).collect();
    let loaded = crate::format::read(text.join("\n").as_bytes(), &Default::default());
    let history = loaded.expect("a history").history;
    assert_eq!(judge(&history, Level::Linearizable, &mut Budget::default()), Judgement::Holds);
    let mut late = Budget { expired: || true, ..Budget::default() };
    let found = judge(&history, Level::Linearizable, &mut late);
    let Judgement::Unknown(why) = found else { panic!("{found:?}") };
    assert!(why.ends_with("of 5000 transactions are in order; the time was up"), "{why}");
}

//! The likely order is followed without coming back, and no verdict rests on it.

use super::draw::{Kind, Shape, history};
use super::{LEVELS, against_the_twin};
use crate::generate::{self, Flaw, plant};
use crate::order::compile::compile;
use crate::order::judge;
use crate::order::parts::parts;
use crate::order::plan::{self, Plan};
use crate::planted::{self, Bug};
use crate::search::Precedence;
use crate::txn::{Fate, Op, Transactions, ValueId};
use crate::{Budget, Judgement, Level};
use stdx::Prng;

const LONG: [generate::Kind; 4] = [
    generate::Kind::Register,
    generate::Kind::CasRegister,
    generate::Kind::Queue,
    generate::Kind::Text,
];

fn shape(kind: generate::Kind) -> generate::Shape {
    generate::Shape { clients: 10, unknown: 200, puts: 200, ..generate::Shape::new(kind, 400) }
}

/// Whether there is a likely order of every key.
fn is_planned(history: &Transactions) -> bool {
    parts(history, Precedence::RealTime).iter().all(|part| {
        let compiled = compile(history, part, Precedence::RealTime).expect("a good history");
        matches!(plan::plan(&compiled.board, &compiled.spans, Precedence::RealTime), Plan::Order(_))
    })
}

/// The first seed that has no likely order, or of which the search comes back more than now and then.
fn not_followed(kind: generate::Kind) -> Option<u64> {
    (0..40).find(|seed| {
        let history = generate::history(&shape(kind), *seed);
        if !is_planned(&history) {
            return true;
        }
        let mut budget = Budget { steps: 450, ..Budget::default() };
        judge(&history, Level::Linearizable, &mut budget) != Judgement::Holds
    })
}

#[test]
fn a_likely_order_is_followed() {
    for kind in LONG {
        assert_eq!(not_followed(kind), None, "{kind:?}");
    }
}

#[test]
fn a_plan_that_is_no_order_is_not_followed() {
    let bugs = [
        (Bug::ZonesByReturn, generate::Kind::CasRegister),
        (Bug::FirstCame, generate::Kind::Queue),
        (Bug::NothingTaken, generate::Kind::Queue),
    ];
    for (bug, kind) in bugs {
        let found = planted::with(bug, || not_followed(kind));
        assert!(found.is_some(), "{bug:?} was not found");
    }
}

#[test]
fn no_verdict_rests_on_a_plan() {
    let kinds = [Kind::Unique, Kind::Cas, Kind::Queue, Kind::Tokens];
    for seed in 0..2_000 {
        for kind in kinds {
            let history = history(&mut Prng::new(seed), kind, Shape::Single);
            planted::with(Bug::WrongGuide, || {
                for level in LEVELS {
                    against_the_twin(&history, level, seed);
                }
            });
        }
    }
}

/// It is a violation that few steps find.
fn fails_at_once(history: &Transactions, named: &str) {
    let mut budget = Budget { steps: 20_000, ..Budget::default() };
    let found = judge(history, Level::Linearizable, &mut budget);
    assert!(matches!(found, Judgement::Fails(_)), "{named}: {found:?}");
}

#[test]
fn what_has_no_order_is_found_at_once() {
    for kind in LONG {
        let mut bad = 0;
        for seed in 0..20 {
            let mut history = generate::history(&shape(kind), seed);
            for flaw in [Flaw::StaleRead, Flaw::LostUpdate, Flaw::Duplicate] {
                if plant(&mut history, flaw, &mut Prng::new(seed)).is_none() {
                    continue;
                }
                bad += 1;
                fails_at_once(&history, &format!("{kind:?} {flaw:?} seed {seed}"));
            }
        }
        assert!(bad > 10, "{kind:?}: {bad}");
    }
}

/// Two elements leave a queue in the wrong order, one after another.
fn out_of_turn(history: &mut Transactions, seed: u64) -> bool {
    let took = |number: usize, history: &Transactions| match *history.ops(number) {
        [op @ Op::Dequeue { key, value: Some(value) }] if value != ValueId::NIL => {
            Some((key, value, op)).filter(|_| history.txns[number].fate == Fate::Committed)
        }
        _ => None,
    };
    let came = |key, value, history: &Transactions| {
        let enqueued = Op::Enqueue { key, value };
        (0..history.txns.len()).find(|number| history.ops(*number).contains(&enqueued))
    };
    let before = |one: usize, other: usize, history: &Transactions| {
        history.txns[one].returned < history.txns[other].invoked
    };
    let all: Vec<usize> =
        (0..history.txns.len()).filter(|number| took(*number, history).is_some()).collect();
    let start = Prng::new(seed).index(all.len());
    for (at, one) in all.iter().copied().enumerate().skip(start) {
        for other in all[at + 1..].iter().copied() {
            let (first, second) = (took(one, history), took(other, history));
            let (Some((key, a, first)), Some((of, b, second))) = (first, second) else { continue };
            let enqueued = came(key, a, history).zip(came(of, b, history));
            if key == of
                && before(one, other, history)
                && enqueued.is_some_and(|(a, b)| before(a, b, history))
            {
                let places = [one, other].map(|number| history.range(number).start);
                history.change(places[0], second);
                history.change(places[1], first);
                return true;
            }
        }
    }
    false
}

#[test]
fn elements_out_of_turn_are_found_at_once() {
    for unknown in [0, 10, 200] {
        let mut bad = 0;
        for seed in 0..20 {
            let shape = generate::Shape { unknown, ..shape(generate::Kind::Queue) };
            let mut history = generate::history(&shape, seed);
            if !out_of_turn(&mut history, seed) {
                continue;
            }
            bad += 1;
            fails_at_once(&history, &format!("{unknown} unknown, seed {seed}"));
        }
        assert!(bad > 10, "{unknown}: {bad}");
    }
}

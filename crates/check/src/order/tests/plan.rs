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
use crate::txn::Transactions;
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
        matches!(plan::plan(&compiled.board, &compiled.spans), Plan::Order(_))
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
                let mut budget = Budget { steps: 20_000, ..Budget::default() };
                let found = judge(&history, Level::Linearizable, &mut budget);
                assert!(matches!(found, Judgement::Fails(_)), "{kind:?} {flaw:?} seed {seed}");
            }
        }
        assert!(bad > 10, "{kind:?}: {bad}");
    }
}

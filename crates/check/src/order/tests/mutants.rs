//! Planted bugs: the twin must find each of them.

use super::draw::{Kind, Shape, history};
use super::stories::stories;
use super::{LEVELS, closed, twin};
use crate::planted::{self, Bug};
use crate::txn::Transactions;
use crate::{Budget, Judgement, Level, order};
use std::panic::{AssertUnwindSafe, catch_unwind};
use stdx::Prng;

const BUGS: [Bug; 19] = [
    Bug::TouchIsOrder,
    Bug::ProcessMayTouch,
    Bug::NoProcess,
    Bug::UnknownFailed,
    Bug::UnknownHappened,
    Bug::SeenIsCertain,
    Bug::MemoWithoutPlaced,
    Bug::MemoWithoutState,
    Bug::MemoWithoutUsed,
    Bug::FailedSaysNothing,
    Bug::NothingComesBack,
    Bug::LaterStands,
    Bug::QueueTouches,
    Bug::IdleNever,
    Bug::OnlyGuide,
    Bug::TokensBegin,
    Bug::FirstPlace,
    Bug::ShrinkAnything,
    Bug::KeysApart,
];

const KINDS: [(Kind, Shape); 8] = [
    (Kind::Cas, Shape::Single),
    (Kind::Register, Shape::Units),
    (Kind::Queue, Shape::Single),
    (Kind::Counter, Shape::Single),
    (Kind::Unique, Shape::Single),
    (Kind::Mixed, Shape::Units),
    (Kind::Tokens, Shape::Single),
    (Kind::UniqueCas, Shape::Single),
];

/// Whether the judgement is not the twin's, or comes with a part that is none.
fn is_wrong(history: &Transactions, level: Level) -> bool {
    let judge = || order::judge(history, level, &mut Budget::default());
    let all: Vec<usize> = (0..history.txns.len()).collect();
    match judge() {
        Judgement::Holds => !twin::has_order(history, level, &all),
        Judgement::Fails(witness) => {
            twin::has_order(history, level, &all)
                || twin::has_order(history, level, &witness.txns)
                || !closed(history, level, &witness)
        }
        Judgement::Unknown(_) => true,
        Judgement::NotApplicable(_) => false,
    }
}

#[test]
fn every_planted_bug_is_found() {
    let wrong = |history: &Transactions| LEVELS.iter().any(|level| is_wrong(history, *level));
    let told: Vec<_> = stories().filter(|(.., history)| wrong(history)).map(|it| it.0).collect();
    assert!(told.is_empty(), "judged wrongly without any bug: {told:?}");
    for bug in BUGS {
        let found = (0..8_000).find(|seed| {
            let (kind, shape) = KINDS[usize::try_from(seed % 8).unwrap()];
            let history = history(&mut Prng::new(*seed), kind, shape);
            let fails = |level| catch_unwind(AssertUnwindSafe(|| is_wrong(&history, level)));
            // A panic is a find as well.
            planted::with(bug, || LEVELS.into_iter().any(|level| fails(level).unwrap_or(true)))
        });
        let told = || planted::with(bug, || stories().any(|(.., history)| wrong(&history)));
        assert!(found.is_some() || told(), "{bug:?} was not found");
    }
}

//! What may be left out of a good history leaves a good one.

use super::draw::{Kind, Shape, history};
use super::twin;
use crate::order::needs::Needs;
use crate::planted::{self, Bug};
use crate::search::Precedence;
use crate::{Fate, Level};
use stdx::Prng;

const KINDS: [Kind; 9] = [
    Kind::Register,
    Kind::Cas,
    Kind::UniqueCas,
    Kind::List,
    Kind::Counter,
    Kind::Set,
    Kind::Queue,
    Kind::Tokens,
    Kind::Mixed,
];

/// The first seed of a good history that has a bad part.
fn spoilt(seeds: u64) -> Option<u64> {
    (0..seeds).find(|seed| {
        let prng = &mut Prng::new(*seed);
        let kind = *prng.pick(&KINDS);
        let shape = if prng.chance(2, 3) { Shape::Single } else { Shape::Units };
        let history = history(prng, kind, shape);
        let levels = [
            (Precedence::RealTime, Level::StrictSerializable),
            (Precedence::Process, Level::Sequential),
        ];
        let may = |number: &usize| history.txns[*number].fate != Fate::Aborted;
        let all: Vec<usize> = (0..history.txns.len()).filter(may).collect();
        levels.into_iter().any(|(precedence, level)| {
            let needs = Needs::new(&history, &all, precedence);
            twin::has_order(&history, level, &all)
                && (0..4).any(|_| {
                    let kept = all.iter().copied().filter(|_| prng.chance(2, 3)).collect();
                    !twin::has_order(&history, level, &needs.closed(kept))
                })
        })
    })
}

#[test]
fn a_part_of_a_good_history_is_good() {
    assert_eq!(spoilt(15_000), None);
    for bug in [Bug::ShrinkAnything, Bug::BlindTakesNone] {
        let found = planted::with(bug, || spoilt(15_000));
        assert!(found.is_some(), "{bug:?} was not found");
    }
}

//! Every checker on histories whose verdict is known: what a world promises holds, what a flaw breaks fails.

use super::*;
use crate::map::{self, BELOW, Options};
use crate::planted::{self, Bug};
use crate::{Judgement, Level, order};
use std::collections::BTreeSet;

const SEEDS: u64 = 5;
/// Enough for nearly all of them, and nothing that takes long.
const BUDGET: Budget = Budget { steps: 20_000, memory: 10_000, expired: || false };

/// These levels, and all that is on that side of them.
fn closure(levels: &[Level], above: bool) -> BTreeSet<Level> {
    let mut all: BTreeSet<Level> = levels.iter().copied().collect();
    loop {
        let next = BELOW.iter().flat_map(|(up, downs)| downs.iter().map(move |down| (*up, *down)));
        let next = next.map(|(up, down)| if above { (down, up) } else { (up, down) });
        let found: Vec<_> = next.filter(|(from, _)| all.contains(from)).map(|(_, to)| to).collect();
        let before = all.len();
        all.extend(found);
        if all.len() == before {
            return all;
        }
    }
}

fn options() -> Options {
    Options { staleness: Some(0), ..Options::default() }
}

#[test]
fn what_a_world_promises_holds() {
    let mut decided = BTreeSet::new();
    for mut shape in shapes() {
        (shape.txns, shape.unknown) = (50, 50);
        let promised = closure(shape.world.promises(), false);
        for seed in 0..SEEDS {
            let history = history(&shape, seed);
            let map = map::map(&history, &options(), BUDGET);
            for (level, place) in map.levels().filter(|(level, _)| promised.contains(level)) {
                let judgement = &place.judgement;
                let failed = matches!(judgement, Judgement::Fails(_));
                assert!(
                    !failed,
                    "{shape:?} seed {seed}: {level}: {judgement:?}\n{}",
                    written(&history)
                );
                if *judgement == Judgement::Holds {
                    decided.insert((shape.world, level));
                }
            }
        }
    }
    for world in World::ALL {
        for level in world.promises() {
            assert!(
                decided.contains(&(world, *level)),
                "nobody says that {level} holds of {world:?}"
            );
        }
    }
}

#[test]
fn what_a_flaw_breaks_fails() {
    let mut shapes: Vec<_> = Kind::ALL.map(|kind| Shape::new(kind, 80)).into();
    for kind in [Kind::Register, Kind::List] {
        shapes.push(Shape::new(kind, 80).of(World::Serial));
    }
    let mut found = BTreeSet::new();
    for (shape, flaw) in shapes.iter().flat_map(|shape| Flaw::ALL.map(|flaw| (shape, flaw))) {
        let broken = closure(flaw.breaks(), true);
        for seed in 0..SEEDS {
            let mut history = history(shape, seed);
            let Some(at) = plant(&mut history, flaw, &mut Prng::new(seed)) else { continue };
            let map = map::map(&history, &Options::default(), BUDGET);
            for (level, place) in map.levels().filter(|(level, _)| broken.contains(level)) {
                let judgement = &place.judgement;
                let text = || format!("{flaw:?} at {at} of {shape:?} seed {seed}: {level}");
                assert!(*judgement != Judgement::Holds, "{}\n{}", text(), written(&history));
                if matches!(judgement, Judgement::Fails(_)) {
                    found.insert((flaw, level));
                }
            }
        }
    }
    for flaw in Flaw::ALL {
        for level in flaw.breaks() {
            assert!(found.contains(&(flaw, *level)), "nobody says that {flaw:?} breaks {level}");
        }
    }
}

/// Few values, so that many operations of unknown outcome could explain the same read.
#[test]
fn unknown_writes_of_few_values_explain_all() {
    let fails = |seeds: std::ops::Range<u64>| {
        seeds.into_iter().find(|seed| {
            let shape = Shape {
                keys: 1,
                reads: 333,
                unknown: 200,
                failed: 0,
                values: Some(4),
                ..Shape::new(Kind::CasRegister, 60)
            };
            let found =
                order::judge(&history(&shape, *seed), Level::Linearizable, &mut BUDGET.clone());
            matches!(found, Judgement::Fails(_))
        })
    };
    assert_eq!(fails(0..600), None, "a serial history is judged not linearizable");
    let found = planted::with(Bug::FadedFailsAll, || fails(534..535));
    assert_eq!(found, Some(534), "the planted bug shows no more in this seed");
}

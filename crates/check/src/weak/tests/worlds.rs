//! Histories of `generate`: what a world promises holds, and what a flaw breaks does not.

use super::planted::implies;
use super::stories::{LEVELS, judge};
use crate::generate::{Flaw, Kind, Shape, World, history, plant};
use crate::{Judgement, Level};
use stdx::Prng;

/// Among ours, what follows from a promise of a world.
fn promised(world: World, level: Level) -> bool {
    world.promises().iter().any(|&above| {
        matches!(above, Level::StrictSerializable | Level::Sequential) || implies(above, level)
    })
}

fn shape(prng: &mut Prng, kind: Kind, world: World) -> Shape {
    Shape {
        clients: prng.range(2, 9),
        keys: prng.range(1, 7),
        unknown: prng.below(60),
        failed: prng.below(60),
        ..Shape::new(kind, 200).of(world)
    }
}

#[test]
fn what_a_world_promises_holds() {
    let mut seen = 0;
    for seed in 0..40 {
        for (world, kind) in World::ALL.into_iter().flat_map(|world| {
            let kinds = [Kind::Register, Kind::List, Kind::CasRegister];
            kinds.into_iter().filter(move |kind| world.knows(*kind)).map(move |kind| (world, kind))
        }) {
            let h = history(&shape(&mut Prng::new(seed), kind, world), seed);
            for (_, level) in LEVELS.into_iter().filter(|(_, level)| promised(world, *level)) {
                match judge(&h, level) {
                    Judgement::Holds => seen += 1,
                    // A compare-and-set that failed tells too little.
                    Judgement::Unknown(_) if kind == Kind::CasRegister => {}
                    other => panic!("seed {seed}, {world:?}, {kind:?}, {level}: {other:?}"),
                }
            }
        }
    }
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn what_a_flaw_breaks_does_not_hold() {
    let mut seen = 0;
    for (seed, flaw) in (0..20).flat_map(|seed| Flaw::ALL.map(|flaw| (seed, flaw))) {
        for kind in [Kind::Register, Kind::List] {
            let prng = &mut Prng::new(seed);
            let mut h = history(&shape(prng, kind, World::Serial), seed);
            if plant(&mut h, flaw, prng).is_none() {
                continue;
            }
            for (_, level) in LEVELS {
                let breaks = |below: &Level| implies(level, *below);
                if flaw.breaks().iter().any(breaks) {
                    let judgement = judge(&h, level);
                    let bad = matches!(judgement, Judgement::Fails(_));
                    assert!(bad, "seed {seed}, {flaw:?}, {kind:?}, {level}: {judgement:?}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

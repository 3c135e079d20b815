//! Each planted bug is found by the checks of [`super::world`], which name none of them, while worlds without faults
//! stay green with it.

use super::world::{self, Sort};
use protocol::{Mutant, Planted};
use std::boxed::Box;
use std::cell::Cell;
use std::panic;
use std::vec::Vec;

std::thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The most seeds any of them may need.
const BUDGET: u64 = 500;

fn found(seed: u64, faults: bool, (mutant, changes): (Mutant, bool)) -> bool {
    let sort = Sort { faults, changes };
    panic::catch_unwind(|| world::run(seed, sort, Planted::one(mutant))).is_err()
}

#[test]
#[expect(clippy::print_stdout, reason = "the seeds needed are the result")]
fn each_planted_bug_is_found() {
    // Expected panics are not printed; those of other tests at the same time are.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !EXPECTED.get() {
            hook(info);
        }
    }));
    EXPECTED.set(true);
    let needed: Vec<(Mutant, Option<u64>)> = world::MUTANTS
        .into_iter()
        .map(|mutant| (mutant.0, (0..BUDGET).find(|seed| found(1000 + seed, true, mutant))))
        .collect();
    let quiet: Vec<(Mutant, Vec<u64>)> = world::MUTANTS
        .into_iter()
        .map(|mutant| (mutant.0, (0..20).filter(|seed| found(*seed, false, mutant)).collect()))
        .collect();
    EXPECTED.set(false);
    for (mutant, seeds) in &needed {
        std::println!("{mutant:?}: seeds needed {:?}", seeds.map(|seeds| seeds + 1));
    }
    assert!(needed.iter().all(|(_, seeds)| seeds.is_some()), "not found: {needed:?}");
    assert!(quiet.iter().all(|(_, found)| found.is_empty()), "found without faults: {quiet:?}");
}

//! Each planted bug is found by the checks of [`super::world`] or [`super::leases`], which name none of them, while
//! worlds without faults stay green with it.

use super::world::Sort;
use super::{leases, world};
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

/// Runs one seed with a planted bug; it panics if a check finds something.
type World = fn(u64, bool, Planted);

fn found(world: World, seed: u64, faults: bool, mutant: Mutant) -> bool {
    panic::catch_unwind(|| world(seed, faults, Planted::one(mutant))).is_err()
}

#[test]
fn each_planted_bug_is_found() {
    all_found(&world::MUTANTS, |seed, faults, planted| {
        world::run(seed, Sort { faults, changes: false }, planted);
    });
}

#[test]
fn each_planted_bug_of_changes_is_found() {
    all_found(&world::CHANGE_MUTANTS, |seed, faults, planted| {
        world::run(seed, Sort { faults, changes: true }, planted);
    });
}

#[test]
fn each_planted_bug_of_reads_is_found() {
    all_found(&leases::MUTANTS, |seed, faults, planted| {
        leases::run(seed, faults, planted);
    });
}

#[test]
fn each_planted_bug_of_quiet_groups_is_found() {
    all_found(&leases::QUIET_MUTANTS, |seed, faults, planted| {
        leases::run_quiet(seed, faults, planted);
    });
}

#[test]
fn each_planted_bug_of_everything_at_once_is_found() {
    all_found(&leases::ALL_MUTANTS, |seed, faults, planted| {
        leases::run_all(seed, faults, planted);
    });
}

#[expect(clippy::print_stdout, reason = "the seeds needed are the result")]
fn all_found(mutants: &[Mutant], world: World) {
    // Expected panics are not printed; those of other tests at the same time are.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !EXPECTED.get() {
            hook(info);
        }
    }));
    EXPECTED.set(true);
    let first = |mutant| (0..BUDGET).find(|seed| found(world, 1000 + seed, true, mutant));
    let needed: Vec<(Mutant, Option<u64>)> =
        mutants.iter().map(|mutant| (*mutant, first(*mutant))).collect();
    let calm = |mutant| (0..20).filter(|seed| found(world, *seed, false, mutant)).collect();
    let quiet: Vec<(Mutant, Vec<u64>)> =
        mutants.iter().map(|mutant| (*mutant, calm(*mutant))).collect();
    EXPECTED.set(false);
    for (mutant, seeds) in &needed {
        std::println!("{mutant:?}: seeds needed {:?}", seeds.map(|seeds| seeds + 1));
    }
    assert!(needed.iter().all(|(_, seeds)| seeds.is_some()), "not found: {needed:?}");
    assert!(quiet.iter().all(|(_, found)| found.is_empty()), "found without faults: {quiet:?}");
}

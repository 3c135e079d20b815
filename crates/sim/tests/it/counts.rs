//! How many states there are, different and generated: those of Stateright's runs of the same worlds
//! (`oracles/explore`).

use crate::{paxos, two_phase};
use protocol::{Mutant, Planted};
use sim::explore::{Bound, End, Limits, Model, Network, Report, Scope, explore};

pub(crate) fn all<M: Model>(model: &M, scope: &Scope) -> Report {
    explore(model, scope, &Limits::states(1 << 20), &mut |_| false)
}

/// Messages are facts that stay, as in TLA+.
pub(crate) fn facts() -> Scope {
    Scope { network: Network::Set, idle_steps: false, ..Scope::calm() }
}

/// Writes take time, and so many nodes crash.
pub(crate) fn crashes(crashes: u8, scope: Scope) -> Scope {
    Scope { slow_disk: true, crashes: Some(crashes), ..scope }
}

fn exhausted(report: &Report) -> (u64, u64) {
    assert!(matches!(report.end, End::Exhausted), "{report}");
    let missed = report.marks.iter().find(|mark| mark.depth.is_none());
    assert!(missed.is_none_or(|mark| mark.name == two_phase::HALF_SAID), "{report}");
    assert_eq!(report.progress.expanded, report.progress.unique, "{report}");
    (report.progress.unique, report.progress.generated)
}

#[test]
fn two_phase_commit_has_as_many_states_as_under_stateright() {
    // Its own example hears messages again that change nothing: as many states, more generated.
    for (resources, states) in [(3, (288, 762)), (5, (8_832, 37_346))] {
        assert_eq!(exhausted(&all(&two_phase::World::of(resources), &facts())), states);
    }
}

#[test]
fn two_phase_commit_with_a_crash_has_as_many_states_as_under_stateright() {
    for (resources, states) in [(2, (755, 2_354)), (3, (7_372, 30_672)), (4, (78_589, 409_218))] {
        let report = all(&two_phase::World::of(resources), &crashes(1, facts()));
        assert_eq!(exhausted(&report), states);
    }
}

#[test]
fn paxos_has_as_many_states_as_under_stateright() {
    let scope = Scope { idle_steps: false, ..Scope::calm() };
    for watched in [true, false] {
        let world = paxos::World { servers: 3, clients: 2, watched, bug: paxos::Bug::None };
        assert_eq!(exhausted(&all(&world, &scope)), (16_668, 32_971));
    }
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let world = two_phase::World::of(5);
    let stopped = |limits: Limits, late: bool| {
        let report = explore(&world, &facts(), &limits, &mut |_| late);
        assert!(!report.to_string().contains("exhausted"), "{report}");
        let End::Bounded(bound) = report.end else { panic!("{report}") };
        (bound, report.progress.unique)
    };
    assert_eq!(stopped(Limits::states(8_831), false), (Bound::States, 8_831));
    let depth = stopped(Limits { depth: 16, ..Limits::states(u64::MAX) }, false);
    assert_eq!(depth.0, Bound::Depth);
    let memory = stopped(Limits { memory: 1 << 10, ..Limits::states(u64::MAX) }, false);
    assert_eq!(memory.0, Bound::Memory);
    assert_eq!(stopped(Limits::states(u64::MAX), true).0, Bound::Caller);
    assert!(matches!(all(&world, &facts()).end, End::Exhausted));
}

#[test]
fn counting_states_finds_a_fingerprint_that_forgets_the_network() {
    let blind = Scope { planted: Planted::one(Mutant::ForgetFlight), ..facts() };
    let report = all(&two_phase::World::of(3), &blind);
    assert!(report.progress.unique < 288, "{report}");
}

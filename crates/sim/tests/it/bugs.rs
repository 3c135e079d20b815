//! Bugs of one line in the small protocols: each is found, and the shortest schedule that shows it reads as a story.

use crate::counts::{all, crashes, facts};
use crate::{paxos, two_phase};
use protocol::{Mutant, Planted};
use sim::explore::{End, Model, Network, Scope, Violation};

fn found<M: Model>(model: &M, scope: &Scope) -> Violation {
    let report = all(model, scope);
    let End::Violated(violation) = report.end else { panic!("not found: {report}") };
    *violation
}

fn commit(bug: two_phase::Bug) -> two_phase::World {
    two_phase::World { resources: 2, bug }
}

fn register(bug: paxos::Bug) -> paxos::World {
    paxos::World { servers: 3, clients: 2, watched: true, bug }
}

#[test]
fn a_vote_before_its_sync_is_found_by_a_crash_and_told() {
    let world = commit(two_phase::Bug::PreparedEarly);
    assert!(matches!(all(&world, &crashes(0, facts())).end, End::Exhausted), "needs a crash");
    let violation = found(&world, &crashes(1, facts()));
    let story = format!("{}\n{}", violation.what, violation.schedule);
    let golden = include_str!("../../testdata/prepared-early.explore");
    assert_eq!(story, golden, "\n{story}");
}

#[test]
fn a_decision_before_its_sync_is_found_by_a_crash() {
    let world = commit(two_phase::Bug::DecisionEarly);
    assert!(matches!(all(&world, &crashes(0, facts())).end, End::Exhausted), "needs a crash");
    found(&world, &crashes(1, facts()));
}

#[test]
fn a_missing_vote_is_found_without_faults() {
    found(&commit(two_phase::Bug::OneMissing), &facts());
}

#[test]
fn bugs_of_paxos_are_found() {
    let calm = Scope { idle_steps: false, ..Scope::calm() };
    found(&register(paxos::Bug::IgnoreAccepted), &calm);
    for bug in [paxos::Bug::ForgetPromise, paxos::Bug::AcceptedEarly] {
        let clean = all(&register(bug), &Scope { slow_disk: false, ..calm }).end;
        assert!(matches!(clean, End::Exhausted), "{bug:?} needs a crash");
        found(&register(bug), &crashes(1, calm));
    }
}

#[test]
fn an_explorer_whose_crashes_lose_nothing_misses_them() {
    let kind = Scope { planted: Planted::one(Mutant::CrashKeepsWrite), ..crashes(1, facts()) };
    for bug in [two_phase::Bug::PreparedEarly, two_phase::Bug::DecisionEarly] {
        assert!(matches!(all(&commit(bug), &kind).end, End::Exhausted), "{bug:?}");
    }
}

#[test]
fn a_crash_falls_within_a_step_if_it_may() {
    let scope = crashes(1, Scope { network: Network::Set, ..Scope::calm() });
    let half = |torn_steps| {
        let report = all(&commit(two_phase::Bug::None), &Scope { torn_steps, ..scope });
        assert!(matches!(report.end, End::Exhausted), "{report}");
        report.marks.iter().find(|mark| mark.name == two_phase::HALF_SAID).expect("a mark").depth
    };
    assert_eq!(half(false), None);
    // Abort is asked; its record is durable, and the crash comes between the two messages that waited for it.
    assert_eq!(half(true), Some(2));
}

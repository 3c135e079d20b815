//! Raft's cores under the explorer: small worlds whole, the one of the issue in part, and planted bugs.

use sim::explore::{End, Limits, Network, Report, Scope};
use stdx::{Mutant, Planted};
use swarm::explore::{RaftWorld, explore_raft};

/// Links in order, slow disks, and as often as given: requests, timeouts, crashes, losses.
fn scope([requests, timeouts, crashes, losses]: [u8; 4]) -> Scope {
    Scope {
        network: Network::Fifo,
        slow_disk: true,
        idle_steps: false,
        torn_steps: true,
        requests: Some(requests),
        timeouts: Some(timeouts),
        crashes: Some(crashes),
        losses: Some(losses),
        ..Scope::calm()
    }
}

fn run(scope: &Scope, planted: Planted, reads: bool, states: u64) -> Report {
    let world = RaftWorld { nodes: 3, reads, changes: false, planted };
    explore_raft(&world, scope, &Limits::states(states), &mut |_| false)
}

fn reached(report: &Report, name: &str) -> bool {
    report.marks.iter().any(|mark| mark.name == name && mark.depth.is_some())
}

#[test]
fn one_term_is_safe_in_every_schedule_with_a_crash_and_a_loss() {
    let report = run(&scope([1, 1, 1, 1]), Planted::NONE, true, u64::MAX);
    assert!(matches!(report.end, End::Exhausted), "{report}");
    assert!(reached(&report, "a command is committed"), "{report}");
}

#[test]
fn one_term_is_safe_in_every_order_of_arrival() {
    let scope = Scope { network: Network::Bag, ..scope([1, 1, 0, 0]) };
    let report = run(&scope, Planted::NONE, false, u64::MAX);
    assert!(matches!(report.end, End::Exhausted), "{report}");
    assert!(reached(&report, "a command is committed"), "{report}");
}

#[test]
fn two_terms_a_crash_and_a_loss_are_safe_as_far_as_a_short_search_goes() {
    let report = run(&scope([2, 2, 1, 1]), Planted::NONE, false, 200_000);
    assert!(matches!(report.end, End::Bounded(_)), "{report}");
    assert!(report.to_string().starts_with("bounded"), "{report}");
}

/// From three members to four to three. The whole is a matter of hours (docs/explorer.md); this much is for each run.
#[test]
fn members_that_change_are_safe_as_far_as_a_short_search_goes() {
    let world = RaftWorld { nodes: 4, reads: false, changes: true, planted: Planted::NONE };
    let scope = Scope { slow_disk: false, torn_steps: false, ..scope([3, 2, 1, 0]) };
    let report = explore_raft(&world, &scope, &Limits::states(200_000), &mut |_| false);
    assert!(!matches!(report.end, End::Violated(_)), "{report}");
    println!("{report}");
}

/// What the checks say of a planted bug.
fn found(mutant: Mutant, reads: bool, scope: &Scope) -> String {
    crate::quiet();
    let report = run(scope, Planted::one(mutant), reads, 2_000_000);
    println!("{mutant:?}: {} unique, {}", report.progress.unique, report.progress.generated);
    let End::Violated(violation) = report.end else { panic!("{mutant:?} hides: {report}") };
    violation.what
}

#[test]
fn planted_bugs_are_found() {
    let said = found(Mutant::VoteTwice, false, &scope([0, 2, 0, 0]));
    assert!(said.starts_with("election safety"), "{said}");
    let said = found(Mutant::ForgetVote, false, &scope([0, 2, 1, 0]));
    assert!(said.starts_with("an entry of term 1 in term 0"), "{said}");
    let said = found(Mutant::AckBeforeSync, false, &scope([0, 2, 1, 0]));
    assert!(said.starts_with("leader completeness"), "{said}");
    let quick = Scope { slow_disk: false, ..scope([1, 2, 0, 0]) };
    let said = found(Mutant::ReadWithoutQuorum, true, &quick);
    assert!(said.starts_with("a stale read"), "{said}");
    let said = found(Mutant::ReadBeforeNoop, true, &quick);
    assert!(said.starts_with("a stale read"), "{said}");
    // It takes an AppendEntries that a later one has overtaken.
    let any_order = Scope { network: Network::Bag, ..quick };
    let said = found(Mutant::TruncateCommitted, false, &any_order);
    assert!(said.starts_with("commit"), "{said}");
}

#[test]
fn bugs_that_need_two_terms_hide_in_one() {
    crate::quiet();
    for mutant in [Mutant::VoteTwice, Mutant::ReadWithoutQuorum, Mutant::ReadBeforeNoop] {
        let report = run(&scope([1, 1, 0, 0]), Planted::one(mutant), true, u64::MAX);
        assert!(matches!(report.end, End::Exhausted), "{mutant:?}: {report}");
    }
}

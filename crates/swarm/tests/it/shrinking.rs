//! A run is its plan; a plan that fails is cut down to what still fails.

use stdx::{Mutant, Planted};
use swarm::{Options, Plan, Profile, Verdict, Workload, run_plan, run_seed, shrink, story};

fn options(mutant: Mutant) -> Options {
    let (profile, workload) = match mutant {
        Mutant::NowBeforeBatch => (Some(Profile::Clocks), Some(Workload::Expiry)),
        _ => (None, None),
    };
    let planted = Planted::one(mutant);
    Options { planted, witness: false, profile, workload, ..Options::default() }
}

/// The plan of the first seed that finds a bug.
fn failing(mutant: Mutant) -> Plan {
    let mut plans = (0..500).map(|seed| Plan::of(seed, &options(mutant)));
    let found = plans.find(|plan| !run_plan(plan, 0).verdict.is_ok());
    found.unwrap_or_else(|| panic!("{mutant:?} hides in 500 seeds"))
}

#[test]
fn a_plan_gives_the_run_of_its_seed_and_the_same_each_time() {
    crate::quiet();
    for seed in 0..10 {
        let plan = Plan::of(seed, &Options::default());
        let report = run_seed(seed, Options::default());
        assert_eq!(run_plan(&plan, 0), report, "seed {seed}");
        assert_eq!(run_plan(&plan, 0), report, "seed {seed}, again");
        // Whether it is watched changes nothing.
        assert_eq!(run_plan(&plan, 1_000).digest, report.digest, "seed {seed}, with moments");
    }
}

#[test]
fn leaving_one_thing_out_changes_nothing_before_it() {
    crate::quiet();
    let before = |plan: &Plan, at| {
        let moments = run_plan(plan, usize::MAX).moments.into_iter();
        let end = stdx::Instant(0) + at;
        moments.take_while(|moment| moment.at < end).collect::<Vec<_>>()
    };
    for seed in 0..6 {
        let plan = Plan::of(seed, &Options::default());
        let mut fewer = plan.clone();
        let left_out = fewer.requests.remove(plan.requests.len() / 2);
        assert_eq!(before(&plan, left_out.at), before(&fewer, left_out.at), "seed {seed}: request");
        if plan.faults.is_empty() {
            continue;
        }
        let mut fewer = plan.clone();
        let (at, _) = fewer.faults.remove(plan.faults.len() / 2);
        assert_eq!(before(&plan, at), before(&fewer, at), "seed {seed}: fault");
    }
}

/// The plan shrinks to a handful, fails in the same way each time, and not without the bug.
fn shrinks(mutant: Mutant, most_faults: usize, most_requests: usize) {
    crate::quiet();
    let plan = failing(mutant);
    let first = run_plan(&plan, 0);
    let shrunk = shrink(&plan, 1_000, &mut |_| {}).expect("it fails");
    let small = shrunk.plan;
    let (faults, requests) = (small.faults.len(), small.requests.len());
    assert!(faults <= most_faults, "{mutant:?}: {faults} of {} faults", plan.faults.len());
    assert!(
        requests <= most_requests,
        "{mutant:?}: {requests} of {} requests",
        plan.requests.len()
    );
    assert!(small.setup.world.nodes <= plan.setup.world.nodes);
    let report = run_plan(&small, usize::MAX);
    assert_eq!(report.verdict.sort(), first.verdict.sort(), "{mutant:?}");
    assert_eq!(report, run_plan(&small, usize::MAX), "{mutant:?}: ran differently the second time");
    let told = story(&small, &report);
    assert!(told.len() <= 60, "{mutant:?}: a story of {} lines", told.len());
    assert!(told.iter().any(|line| line.starts_with("verdict: safety: ")), "{told:?}");
    let mut sound = small.clone();
    sound.plant(Planted::NONE);
    let verdict = run_plan(&sound, 0).verdict;
    assert!(verdict.is_ok(), "{mutant:?}: the small plan fails without the bug: {verdict}");
}

#[test]
fn a_read_from_a_follower_shrinks() {
    // A race, whose timing hangs on what else is asked.
    shrinks(Mutant::ReadAtFollower, 4, 80);
}

#[test]
fn a_time_from_before_the_batch_shrinks() {
    shrinks(Mutant::NowBeforeBatch, 4, 24);
}

#[test]
fn sessions_left_out_of_snapshots_shrink() {
    // A log must grow first until a snapshot of it is written.
    shrinks(Mutant::SnapshotWithoutSessions, 4, 120);
}

#[test]
fn a_forgotten_vote_shrinks() {
    shrinks(Mutant::ForgetVote, 8, 24);
}

#[test]
fn a_plan_that_does_not_fail_is_not_shrunk() {
    crate::quiet();
    let plan = Plan::of(3, &Options { faults: false, ..Options::default() });
    assert!(shrink(&plan, 10, &mut |_| {}).is_none());
}

#[test]
fn failures_of_one_sort_differ_in_numbers_only() {
    let broken = |text: &str| Verdict::Unsafe(text.into()).sort();
    let two = "group 1 has two leaders in term 2: 3 and 1";
    assert_eq!(broken(two), broken("group 12 has two leaders in term 40: 2 and 3"));
    assert_ne!(broken(two), broken("nodes 1 and 2 differ although both applied 7 of group 2"));
    assert_ne!(broken(two), Verdict::Stuck(two.into()).sort());
    let lost = "not linearizable: operation 7 was acknowledged, and is lost";
    assert_eq!(broken(lost), broken("not linearizable: no order of these allows client 2"));
    assert_eq!(broken("durable only on [n1]"), broken("durable only on [n2, n3]"));
    assert_eq!(broken("a gap\n left: 3"), broken("a gap\n left: 4, right: 9"));
}

use stdx::{Mutant, Planted};
use swarm::{Options, Plan, Profile, Workload, run_plan, shrink};

fn options(mutant: Mutant) -> Options {
    let (profile, workload) = match mutant {
        Mutant::OvertakeSync => (Some(Profile::Power), None),
        Mutant::NowBeforeBatch => (Some(Profile::Clocks), Some(Workload::Expiry)),
        _ => (None, None),
    };
    let planted = Planted::one(mutant);
    Options { planted, witness: false, profile, workload, ..Options::default() }
}

#[test]
fn tryout() {
    crate::quiet();
    for mutant in [
        Mutant::VoteTwice,
        Mutant::ForgetVote,
        Mutant::AckBeforeSync,
        Mutant::ReadWithoutQuorum,
        Mutant::ReadBeforeNoop,
        Mutant::TruncateCommitted,
        Mutant::OvertakeSync,
        Mutant::NowBeforeBatch,
        Mutant::NoQuorumOnTimeout,
        Mutant::ForgetSessions,
        Mutant::SnapshotWithoutSessions,
        Mutant::ReadBeforeApply,
        Mutant::ReadAtFollower,
        Mutant::ReleaseEarly,
    ] {
        let mut plans = (0..500).map(|seed| Plan::of(seed, &options(mutant)));
        let Some(plan) = plans.find(|plan| !run_plan(plan, 0).verdict.is_ok()) else { continue };
        let clock = std::time::Instant::now();
        let s = shrink(&plan, 1000, &mut |_| {}).unwrap();
        println!(
            "{mutant:?} seed {} {}: faults {} -> {}, requests {} -> {}, nodes {} -> {}, length {:?} -> {:?}, runs {} finished {} in {:?}",
            plan.seed,
            s.report.verdict.sort(),
            plan.faults.len(),
            s.plan.faults.len(),
            plan.requests.len(),
            s.plan.requests.len(),
            plan.setup.world.nodes,
            s.plan.setup.world.nodes,
            plan.setup.length,
            s.plan.setup.length,
            s.runs,
            s.finished,
            clock.elapsed()
        );
        let report = run_plan(&s.plan, usize::MAX);
        for line in swarm::story(&s.plan, &report) {
            println!("   {line}");
        }
    }
}

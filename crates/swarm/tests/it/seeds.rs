//! Seeds that every change must pass, each run twice: safety, then progress, and the same run both times.

use std::ops::Range;
use stdx::{Mutant, Planted};
use swarm::{Counters, Options, Profile, REQUIRED, run_seed};

/// What so many seeds in a row have met.
fn pass(seeds: Range<u64>) -> (u64, Counters) {
    crate::quiet();
    let (mut covering, mut counters) = (0, Counters::default());
    for seed in seeds {
        let report = run_seed(seed, Options::default());
        let replay = format!("SEED={seed} cargo test -p swarm story -- --nocapture");
        let (profile, workload) = (report.profile, report.workload);
        assert!(
            report.verdict.is_ok(),
            "seed {seed} ({profile:?}, {workload:?}): {}\nreplay: {replay}",
            report.verdict
        );
        let again = run_seed(seed, Options::default());
        assert_eq!(report.digest, again.digest, "seed {seed} ran differently the second time");
        assert_eq!(report, again, "seed {seed} was judged differently the second time");
        covering += u64::from(report.covers);
        counters.merge(&report.counters);
    }
    (covering, counters)
}

#[test]
fn seeds_0_to_100() {
    let (covering, counters) = pass(0..100);
    assert!(covering >= 80, "only {covering} of 100 seeds have enough operations");
    for name in REQUIRED {
        assert!(counters.get(name) > 0, "{name} never happened, so it was not tested");
    }
}

#[test]
fn seeds_100_to_200() {
    pass(100..200);
}

#[test]
fn seeds_200_to_300() {
    pass(200..300);
}

#[test]
fn a_calm_cluster_answers_everything() {
    crate::quiet();
    for seed in 0..12 {
        let report = run_seed(seed, Options { faults: false, ..Options::default() });
        assert!(report.verdict.is_ok(), "calm seed {seed}: {}", report.verdict);
        let failed = report.counters.get("deadlines that expired");
        assert_eq!(failed, 0, "calm seed {seed}: {failed} requests without an answer");
        assert!(report.counters.get("operations") >= 200, "calm seed {seed} did too little");
    }
}

/// One seed with its story: `SEED=7 cargo test -p swarm story -- --nocapture`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a person says which seed")]
fn story() {
    let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    crate::quiet();
    let report = run_seed(seed, Options { story: 1_000_000, ..Options::default() });
    report.lines().for_each(|line| println!("{line}"));
    report.counters.rows().for_each(|(name, times)| println!("{name}: {times}"));
    println!("{:?}, {:?}: {}", report.profile, report.workload, report.verdict);
}

/// Leases and reads at followers, in the world made for them; and there a leader that asks nobody is found.
#[test]
fn leases_hold_while_clocks_keep_to_the_bound() {
    crate::quiet();
    let profile = Some(Profile::Leases);
    for seed in 0..40 {
        let report = run_seed(seed, Options { profile, ..Options::default() });
        assert!(report.verdict.is_ok(), "seed {seed}: {}", report.verdict);
    }
    let planted = Planted::one(Mutant::ReadWithoutQuorum);
    let options = Options { planted, profile, witness: false, ..Options::default() };
    let found = (0..40).filter(|seed| !run_seed(*seed, options).verdict.is_ok()).count();
    assert!(found > 4, "a leader that asks nobody was found in {found} of 40 seeds only");
}

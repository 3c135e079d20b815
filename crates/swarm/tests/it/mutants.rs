//! Planted bugs: each must be found by a check that does not name it, and only where something goes wrong.

use stdx::{Mutant, Planted};
use swarm::{Options, Profile, Report, Verdict, Workload, run_seed};

/// How many seeds a bug may hide in.
const SEEDS: u64 = 500;

/// A bug and the first seed known to find it. Three are missing; docs/proof.md says why: `KeepPastTail`,
/// `CommitEarlierTerm`, `CountStaleAck`.
const FOUND: &[(Mutant, u64)] = &[
    (Mutant::VoteTwice, 0),
    (Mutant::ForgetVote, 0),
    (Mutant::AckBeforeSync, 1),
    (Mutant::ReadWithoutQuorum, 0),
    (Mutant::ReadBeforeNoop, 0),
    (Mutant::TruncateCommitted, 1),
    (Mutant::OvertakeSync, 6),
    (Mutant::NowBeforeBatch, 0),
    (Mutant::NoQuorumOnTimeout, 12),
    (Mutant::ForgetSessions, 0),
    (Mutant::SnapshotWithoutSessions, 0),
    (Mutant::ReadBeforeApply, 9),
    (Mutant::ReadAtFollower, 0),
    (Mutant::ReleaseEarly, 0),
    (Mutant::ReadAfterStepDown, 6),
    (Mutant::ReadBeforeExpiry, 3),
    (Mutant::InstallPart, 10),
    (Mutant::AnswerOfEarlierLife, 0),
    (Mutant::SameLife, 0),
    (Mutant::ForgetLastRecord, 2),
    (Mutant::CountTorn, 0),
    (Mutant::SkipSettle, 8),
    (Mutant::SkipFolderSync, 0),
    (Mutant::SkipFence, 13),
    (Mutant::TrustMessages, 0),
    (Mutant::TrustSeals, 0),
];

fn run(mutant: Mutant, seed: u64) -> Report {
    crate::quiet();
    // Some need a coincidence that only one kind of fault or load brings about: they are looked for there.
    let (profile, workload) = match mutant {
        Mutant::OvertakeSync => (Some(Profile::Power), None),
        Mutant::NowBeforeBatch => (Some(Profile::Clocks), Some(Workload::Expiry)),
        Mutant::ReadAfterStepDown => (Some(Profile::Churn), Some(Workload::Append)),
        Mutant::ReadBeforeExpiry => (None, Some(Workload::Expiry)),
        Mutant::TrustMessages | Mutant::TrustSeals => (Some(Profile::Damaged), None),
        Mutant::ForgetSessions => (None, Some(Workload::Counters)),
        _ => (None, None),
    };
    let planted = Planted::one(mutant);
    run_seed(seed, Options { planted, witness: false, profile, workload, ..Options::default() })
}

/// Whether a check has found something. One that gave up has not.
fn fails(report: &Report) -> bool {
    !matches!(report.verdict, Verdict::Ok | Verdict::Undecided(_))
}

/// The first of `seeds` that finds the bug.
fn search(mutant: Mutant, seeds: std::ops::Range<u64>) -> Option<u64> {
    seeds.into_iter().find(|seed| fails(&run(mutant, *seed)))
}

/// All bugs whose place in the table is `share` modulo the number of tests, which run at the same time.
fn still_found(share: usize) {
    for (mutant, seed) in FOUND.iter().skip(share).step_by(3) {
        if fails(&run(*mutant, *seed)) {
            continue;
        }
        let found = search(*mutant, 0..SEEDS);
        assert!(found.is_some(), "{mutant:?} hides in all of {SEEDS} seeds");
        println!("{mutant:?}: seed {seed} no longer finds it, seed {found:?} does");
    }
}

#[test]
fn every_mutant_is_found_a() {
    still_found(0);
}

#[test]
fn every_mutant_is_found_b() {
    still_found(1);
}

#[test]
fn every_mutant_is_found_c() {
    still_found(2);
}

#[test]
fn without_faults_no_mutant_shows() {
    crate::quiet();
    for (mutant, _) in FOUND {
        for seed in 0..3 {
            let planted = Planted::one(*mutant);
            let report = run_seed(
                seed,
                Options { planted, witness: false, faults: false, ..Options::default() },
            );
            assert!(report.verdict.is_ok(), "{mutant:?}, calm seed {seed}: {}", report.verdict);
        }
    }
}

/// Bugs of tables on disk show without any fault, as soon as little enough is in memory: so they have no place
/// in the table above. The checks find them all the same, and none of them knows of tables.
#[test]
fn bugs_of_tables_on_disk_are_found() {
    crate::quiet();
    for mutant in [Mutant::EvictUnwritten, Mutant::LoadBeforeOverwrite, Mutant::FreezeSeesLater] {
        let found = search(mutant, 0..SEEDS);
        assert!(found.is_some(), "{mutant:?} hides in all of {SEEDS} seeds");
        println!("{mutant:?}: found by seed {found:?}");
    }
}

/// "No reply precedes the sync of its record on a majority" has teeth: the onlooker sees the first
/// acknowledgement that is early, whether or not anything is lost by it.
#[test]
fn the_onlooker_sees_every_early_acknowledgement() {
    crate::quiet();
    for mutant in [Mutant::AckBeforeSync, Mutant::OvertakeSync] {
        let planted = Planted::one(mutant);
        let found = (0..20).find(|seed| {
            let report = run_seed(*seed, Options { planted, ..Options::default() });
            report.verdict.to_string().contains("durable only on")
        });
        assert!(found.is_some(), "{mutant:?}: nobody saw that what is applied is not durable");
    }
}

/// The bugs of the table, or those that `MUTANTS` names.
#[expect(clippy::disallowed_methods, reason = "a person says which bugs")]
fn asked() -> Vec<Mutant> {
    let names = std::env::var("MUTANTS").unwrap_or_default();
    let named = |mutant: &Mutant| {
        names.is_empty() || names.split(',').any(|name| name == format!("{mutant:?}"))
    };
    FOUND.iter().map(|(mutant, _)| *mutant).filter(named).collect()
}

/// `cargo xtask campaign --mutants`: the median of the seeds needed over 20 disjoint ranges.
#[test]
#[ignore = "minutes: cargo xtask campaign --mutants"]
fn seeds_needed() {
    for mutant in asked() {
        let mut by = None;
        let mut needed: Vec<Option<u64>> = (0..20)
            .map(|range| {
                let from = 10_000 + range * SEEDS;
                let seed = search(mutant, from..from + SEEDS)?;
                by.get_or_insert(seed);
                Some(seed - from + 1)
            })
            .collect();
        let found = needed.iter().flatten().count();
        // A range in which it was not found counts as the longest.
        needed.sort_unstable_by_key(|needed| needed.unwrap_or(u64::MAX));
        let median = needed[9].map_or_else(|| format!("> {SEEDS}"), |median| median.to_string());
        let verdict = by.map(|seed| run(mutant, seed).verdict.to_string()).unwrap_or_default();
        let by: String = verdict.lines().next().unwrap_or_default().chars().take(90).collect();
        println!("MUTANT | {mutant:?} | {median} | {found} of 20 | {by} |");
    }
}

/// The first seed that finds each bug, as rows of the table above: after a change that moves runs,
/// `cargo test -p swarm first_seeds -- --ignored --nocapture`.
#[test]
#[ignore = "minutes: for writing the table"]
fn first_seeds() {
    for mutant in asked() {
        let found = search(mutant, 0..SEEDS);
        let verdict = found.map(|seed| run(mutant, seed).verdict.to_string()).unwrap_or_default();
        let text: String = verdict.lines().next().unwrap_or_default().chars().take(110).collect();
        let seed = found.map_or_else(|| "none".into(), |seed| seed.to_string());
        println!("    (Mutant::{mutant:?}, {seed}), // {text}");
    }
}

/// How many of 40 seeds of each profile find each bug: what to look at before the mix of faults is changed.
#[test]
#[ignore = "minutes: for tuning the mix of faults"]
fn found_by_profile() {
    for mutant in asked() {
        for profile in Profile::FAULTY {
            let planted = Planted::one(mutant);
            let options = Options { planted, witness: false, ..Options::default() };
            let options = Options { profile: Some(profile), ..options };
            let found = (20_000..20_040).filter(|seed| fails(&run_seed(*seed, options))).count();
            println!("{mutant:?} {profile:?} {found} of 40");
        }
    }
}

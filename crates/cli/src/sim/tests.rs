use super::campaign::heading;
use super::merge::merge;
use super::shard::{self, Heading, Row};
use super::{End, progress};
use crate::args::SimRun;
use std::collections::BTreeMap;
use std::time::Duration;

fn args(shard: Option<(u64, u64)>) -> SimRun {
    SimRun {
        seeds: (0, 10),
        seed: None,
        jobs: 1,
        out: None,
        no_shrink: false,
        shrink_runs: 1_000,
        shard,
    }
}

fn row(seed: u64, verdict: &str) -> Row {
    Row {
        seed,
        verdict: verdict.into(),
        why: String::new(),
        profile: "Mixed".into(),
        workload: "Append".into(),
        digest: "00".into(),
        covers: true,
        counters: BTreeMap::from([("elections".to_string(), 2)]),
    }
}

#[test]
fn a_shard_is_given_or_found_in_the_array_job() {
    let none = |_: &str| None;
    let place = |h: Heading| (h.shard, h.of);
    assert_eq!(place(heading(&args(None), &none).unwrap()), (0, 1));
    assert_eq!(place(heading(&args(Some((2, 5))), &none).unwrap()), (2, 5));
    let slurm = |name: &str| match name {
        "SLURM_ARRAY_TASK_ID" => Some("7".to_string()),
        "SLURM_ARRAY_TASK_MIN" => Some("1".to_string()),
        "SLURM_ARRAY_TASK_STEP" => Some("2".to_string()),
        "SLURM_ARRAY_TASK_COUNT" => Some("4".to_string()),
        _ => None,
    };
    assert_eq!(place(heading(&args(None), &slurm).unwrap()), (3, 4));
    let job = |name: &str| match name {
        "JOB_COMPLETION_INDEX" => Some("1".to_string()),
        "JOB_COMPLETIONS" => Some("3".to_string()),
        _ => None,
    };
    assert_eq!(place(heading(&args(None), &job).unwrap()), (1, 3));
    let half = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "1".to_string());
    assert!(heading(&args(None), &half).unwrap_err().contains("JOB_COMPLETIONS"));
    let odd = |name: &str| (name == "SLURM_ARRAY_TASK_ID").then(|| "x".to_string());
    assert!(heading(&args(None), &odd).unwrap_err().contains("SLURM_ARRAY_TASK_ID=x"));
}

#[test]
fn shards_share_all_seeds_and_none_twice() {
    let heading = |shard| Heading { from: 3, to: 20, shard, of: 4, version: "v".into() };
    let mut seeds: Vec<u64> = (0..4).flat_map(|shard| heading(shard).seeds()).collect();
    seeds.sort_unstable();
    assert_eq!(seeds, (3..20).collect::<Vec<_>>());
}

#[test]
fn merging_names_what_is_missing_and_is_idempotent() {
    let dir = tempfile::tempdir().unwrap();
    let heading = |shard| Heading { from: 0, to: 6, shard, of: 2, version: "v".into() };
    let rows = |shard: u64| heading(shard).seeds().map(|seed| row(seed, "ok")).collect::<Vec<_>>();
    shard::write(dir.path(), &heading(0), &rows(0)).unwrap();
    let merged = merge(dir.path()).unwrap();
    assert!(merged.text.contains("Missing: shard 1/2: 3 seeds from 1."), "{}", merged.text);
    assert_eq!(format!("{:?}", merged.code), format!("{:?}", End::Incomplete.code()));
    let mut second = rows(1);
    second[1] = row(3, "no progress");
    shard::write(dir.path(), &heading(1), &second).unwrap();
    let merged = merge(dir.path()).unwrap();
    assert_eq!(format!("{:?}", merged.code), format!("{:?}", End::NoProgress.code()));
    assert!(merged.text.contains("| elections | 12 |"), "{}", merged.text);
    assert_eq!(merge(dir.path()).unwrap().text, merged.text);
    assert_eq!(std::fs::read_to_string(dir.path().join("summary.md")).unwrap(), merged.text);
}

#[test]
fn merging_refuses_what_does_not_belong() {
    let dir = tempfile::tempdir().unwrap();
    assert!(merge(dir.path()).unwrap_err().contains("no shard"));
    let heading = |shard, to| Heading { from: 0, to, shard, of: 2, version: "v".into() };
    shard::write(dir.path(), &heading(0, 6), &[row(0, "ok")]).unwrap();
    shard::write(dir.path(), &heading(1, 8), &[row(1, "ok")]).unwrap();
    assert!(merge(dir.path()).unwrap_err().contains("of another campaign"));
    shard::write(dir.path(), &heading(1, 6), &[row(2, "ok")]).unwrap();
    assert!(merge(dir.path()).unwrap_err().contains("seed 2 is not of this shard"));
    std::fs::write(heading(1, 6).path(dir.path()), "{\"from\":0,").unwrap();
    assert!(merge(dir.path()).unwrap_err().contains("line 1"));
}

#[test]
fn the_worst_verdict_wins() {
    assert!(End::of("unsafe") > End::of("no progress"));
    assert!(End::of("no progress") > End::of("undecided"));
    assert!(End::of("undecided") > End::Incomplete);
    assert!(End::Incomplete > End::of("ok"));
}

#[test]
fn progress_says_when_it_will_be_over() {
    let line = progress::line(25, 100, 1, Duration::from_secs(5));
    assert_eq!(line, "[#######.......................] 25/100 seeds  5.0/s  1 failed  ETA 15 s");
}

#[test]
fn a_shard_that_is_there_answers_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let heading =
        Heading { from: 0, to: 10, shard: 1, of: 4, version: crate::nodes::VERSION.into() };
    let rows: Vec<Row> = heading.seeds().map(|seed| row(seed, "no progress")).collect();
    shard::write(dir.path(), &heading, &rows).unwrap();
    let again = SimRun { out: Some(dir.path().into()), ..args(Some((1, 4))) };
    let code = super::campaign::run(&again).unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", End::NoProgress.code()));
    let other = SimRun { seeds: (0, 12), ..again };
    assert!(super::campaign::run(&other).unwrap_err().contains("of another campaign"));
}

#[test]
fn the_page_names_every_failure_model_and_profile() {
    let page = include_str!("../../../../docs/simulator.md");
    for model in sim::Model::ALL {
        let row = format!("\n| {} |", model.name());
        assert!(page.contains(&row), "docs/simulator.md has no row for {}", model.name());
    }
    for profile in swarm::Profile::FAULTY.into_iter().chain([swarm::Profile::Calm]) {
        assert!(page.contains(&format!("\n| {profile:?} |")), "docs/simulator.md: {profile:?}?");
    }
}

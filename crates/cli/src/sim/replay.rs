//! A failing seed, shrunk, saved and told; and `atoll sim replay`, which runs it again.

use super::campaign::speed;
use super::stopwatch::Stopwatch;
use super::{End, diagram, file, progress, shard, step};
use crate::args::{Replay, SimRun};
use crate::whole::write_whole;
use crate::{Failure, nodes, out};
use std::path::Path;
use std::process::ExitCode;
use swarm::{Options, Plan, Report, run_plan, shrink, story};

/// The exit code of a file that cannot be read (EX_DATAERR of sysexits.h): the small ones are verdicts.
const UNREADABLE: u8 = 65;

/// All moments of a run are kept.
const ALL: usize = usize::MAX;

/// Shrinks a failing seed, writes `seed-N.replay` and tells its story.
pub(crate) fn save(seed: u64, args: &SimRun) -> Result<(), Failure> {
    let whole = Plan::of(seed, &Options::default());
    let mut plan = whole.clone();
    if !args.no_shrink {
        let runs = args.shrink_runs;
        let shrunk = shrink(&whole, runs, &mut |done| progress::shrinking(done, runs));
        progress::shrunk();
        match shrunk {
            Some(shrunk) => {
                out::line(format_args!("\nseed {seed}: {}", cut_down(&whole, &shrunk)));
                plan = shrunk.plan;
            }
            None => out::line(format_args!("\nseed {seed}: not cut down, as nothing failed")),
        }
    }
    let report = tell(&plan);
    let dir = args.out.as_deref().unwrap_or(Path::new("."));
    let path = dir.join(format!("seed-{seed}.replay"));
    write_whole(&path, file::text(&plan, &report).as_bytes())?;
    out::line(format_args!("saved: atoll sim replay {}", path.display()));
    Ok(())
}

fn cut_down(whole: &Plan, shrunk: &swarm::Shrunk) -> String {
    let plan = &shrunk.plan;
    format!(
        "shrunk in {} runs from {} to {} faults, from {} to {} requests, from {} to {} nodes{}",
        shrunk.runs,
        whole.faults.len(),
        plan.faults.len(),
        whole.requests.len(),
        plan.requests.len(),
        whole.setup.world.nodes,
        plan.setup.world.nodes,
        if shrunk.finished { "" } else { "; there may be less (--shrink-runs)" },
    )
}

/// Runs a plan and tells what happened.
fn tell(plan: &Plan) -> Report {
    // Keeping moments takes time that a run does not need.
    let watch = Stopwatch::start();
    let bare = run_plan(plan, 0);
    let took = watch.elapsed();
    let report = run_plan(plan, ALL);
    story(plan, &report).iter().for_each(|line| out::line(format_args!("{line}")));
    let (millis, delivered) =
        (bare.counters.get("simulated milliseconds"), bare.counters.get("delivered"));
    out::line(format_args!("{}", speed(millis, delivered, took)));
    report
}

/// `atoll sim replay`
pub(crate) fn run(args: &Replay) -> ExitCode {
    match replayed(args) {
        Ok(end) => end.code(),
        Err(failure) => {
            out::error(&failure);
            ExitCode::from(UNREADABLE)
        }
    }
}

fn replayed(args: &Replay) -> Result<End, Failure> {
    let read = file::read(&args.file)?;
    let report = tell(&read.plan);
    let digest = format!("{:016x}", report.digest);
    if digest == read.head.digest {
        out::line(format_args!("the same run as when it was saved: digest {digest}"));
    } else {
        let (was, by) = (&read.head.digest, &read.head.atoll);
        out::line(format_args!(
            "another run than when it was saved: digest {digest}, not {was} (by atoll {by}, this is {}): the \
             code or the file has changed; the verdict then: {}",
            nodes::VERSION,
            read.head.verdict.lines().next().unwrap_or_default(),
        ));
    }
    if let Some(path) = &args.html {
        let html = draw::space_time(&diagram::of(&read.plan, &report));
        write_whole(path, html.as_bytes())?;
        out::line(format_args!("drawn in {}", path.display()));
    }
    if args.step {
        step::walk(&report);
    }
    Ok(End::of(&shard::Row::new(&report).verdict))
}

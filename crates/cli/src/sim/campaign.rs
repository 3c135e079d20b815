//! `atoll sim run`: many seeds, each twice, on so many threads; one file per shard.

use super::End;
use super::progress::Progress;
use super::replay;
use super::shard::{self, Heading, Row};
use super::stopwatch::Stopwatch;
use crate::args::SimRun;
use crate::{Failure, nodes, out};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use swarm::{Options, Report, Verdict, run_seed};

/// So many failing seeds of a campaign are shrunk and saved.
const SAVED: usize = 3;

/// One seed, run twice.
struct Ran {
    report: Report,
    /// Of both runs, on one core, while they had it.
    took: Duration,
}

pub(crate) fn run(args: &SimRun) -> Result<ExitCode, Failure> {
    let heading = heading(args, &|name| std::env::var(name).ok())?;
    if let Some(dir) = &args.out
        && heading.path(dir).exists()
    {
        let path = heading.path(dir);
        let (there, rows) = shard::read(&path)?;
        if there == heading {
            out::line(format_args!("{} is there already: nothing to do", path.display()));
            return Ok(end(&rows).code());
        }
        return Err(format!("{}: of another campaign: {there:?}", path.display()));
    }
    let ran = all(&heading, args.jobs);
    let rows: Vec<Row> = ran.iter().map(|ran| Row::new(&ran.report)).collect();
    figures(&ran);
    for row in rows.iter().filter(|row| row.verdict != "ok") {
        // All of it is in the shard's file, and a smaller failure follows.
        let why = row.why.lines().next().unwrap_or_default();
        out::line(format_args!("seed {}: {}: {why}", row.seed, row.verdict));
    }
    if let Some(dir) = &args.out {
        let path = shard::write(dir, &heading, &rows)?;
        out::line(format_args!("written to {}", path.display()));
    }
    let failed: Vec<u64> =
        rows.iter().filter(|row| row.verdict != "ok").map(|row| row.seed).collect();
    for (number, seed) in failed.iter().enumerate() {
        if number == SAVED {
            let left = failed.len() - SAVED;
            out::line(format_args!(
                "the other {left} failing seeds are not saved: `atoll sim run --seed N` does it"
            ));
            break;
        }
        replay::save(*seed, args)?;
    }
    Ok(end(&rows).code())
}

/// The worst of a shard's seeds.
fn end(rows: &[Row]) -> End {
    rows.iter().map(|row| End::of(&row.verdict)).max().unwrap_or(End::Ok)
}

/// What to run: from the command line, else from the array job one is part of.
pub(crate) fn heading(
    args: &SimRun,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Heading, Failure> {
    let (from, to) = match args.seed {
        Some(seed) => (seed, seed.saturating_add(1)),
        None => args.seeds,
    };
    let (shard, of) = match args.shard {
        Some(shard) => shard,
        None if args.seed.is_some() => (0, 1),
        None => array_job(variable)?.unwrap_or((0, 1)),
    };
    Ok(Heading { from, to, shard, of, version: nodes::VERSION.into() })
}

/// The place in a Slurm array (`sbatch --array`) or in a Kubernetes Indexed Job.
fn array_job(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<(u64, u64)>, Failure> {
    let number = |name: &str| -> Result<Option<u64>, Failure> {
        let Some(text) = variable(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| format!("{name}={text}: expected a number"))?;
        Ok(Some(number))
    };
    let place = |index: u64, of: u64| {
        if index < of { Ok(Some((index, of))) } else { Err(format!("no shard {index} of {of}")) }
    };
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let least = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let of = number("SLURM_ARRAY_TASK_COUNT")?
            .ok_or("SLURM_ARRAY_TASK_ID is set and SLURM_ARRAY_TASK_COUNT is not: give --shard")?;
        return place(id.saturating_sub(least) / step, of);
    }
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        let of = number("JOB_COMPLETIONS")?.ok_or(
            "JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not: set it in the job, or give --shard",
        )?;
        return place(index, of);
    }
    Ok(None)
}

fn all(heading: &Heading, jobs: usize) -> Vec<Ran> {
    let seeds: Vec<u64> = heading.seeds().collect();
    let next = AtomicUsize::new(0);
    let (send, done) = channel();
    let mut progress = Progress::new(seeds.len() as u64);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (send, next, seeds) = (send.clone(), &next, &seeds);
            scope.spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = send.send(twice(*seed));
                }
            });
        }
        drop(send);
        let mut ran: Vec<Ran> = done
            .into_iter()
            .inspect(|ran: &Ran| progress.tick(!ran.report.verdict.is_ok()))
            .collect();
        ran.sort_by_key(|ran| ran.report.seed);
        ran
    })
}

fn twice(seed: u64) -> Ran {
    let watch = Stopwatch::start();
    let mut report = run_seed(seed, Options::default());
    let again = run_seed(seed, Options::default());
    if again != report {
        let text = format!("two runs differ: {:x} and {:x}", report.digest, again.digest);
        report.verdict = Verdict::Unsafe(text);
    }
    Ran { report, took: watch.elapsed() }
}

/// What a campaign says at its end.
fn figures(ran: &[Ran]) {
    let sum = |name: &str| 2 * ran.iter().map(|ran| ran.report.counters.get(name)).sum::<u64>();
    let took: Duration = ran.iter().map(|ran| ran.took).sum();
    let failed = ran.iter().filter(|ran| !ran.report.verdict.is_ok()).count();
    let speed = speed(sum("simulated milliseconds"), sum("delivered"), took);
    let seeds = ran.len();
    out::line(format_args!("{seeds} seeds, each run twice and compared: {failed} failed; {speed}"));
}

/// What every run prints of its own speed.
pub(crate) fn speed(simulated_millis: u64, delivered: u64, took: Duration) -> String {
    let took = took.as_secs_f64().max(1e-9);
    format!(
        "{:.0} times faster than real time, {:.0} delivered messages/s a core",
        simulated_millis as f64 / 1e3 / took,
        delivered as f64 / took,
    )
}

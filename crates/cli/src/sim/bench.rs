//! `atoll sim bench`: two clusters that are not drawn, and how fast one core runs them.

use super::End;
use super::shard::Row;
use super::stopwatch::Stopwatch;
use crate::{Failure, out};
use std::process::ExitCode;
use swarm::{Options, Pace, Plan, run_plan_telling};

pub(crate) fn run(runs: u64) -> Result<ExitCode, Failure> {
    let mut end = End::Ok;
    for pace in [Pace::Steady, Pace::Saturated] {
        end = end.max(measure(pace, runs));
    }
    Ok(end.code())
}

fn measure(pace: Pace, runs: u64) -> End {
    let mut end = End::Ok;
    let (mut took, mut simulated, mut delivered, mut operations) = (0.0, 0.0, 0.0, 0.0);
    let mut with_judgement = 0.0;
    for seed in 0..runs {
        let watch = Stopwatch::start();
        let plan = Plan::of(seed, &Options { pace: Some(pace), ..Options::default() });
        let drawn = watch.elapsed().as_secs_f64();
        let mut over = drawn;
        let report = run_plan_telling(&plan, &mut || over = watch.elapsed().as_secs_f64());
        took += over - drawn;
        with_judgement += watch.elapsed().as_secs_f64();
        let counted = |name| report.counters.get(name) as f64;
        simulated += counted("simulated milliseconds") / 1e3;
        delivered += counted("delivered");
        operations += counted("operations");
        if !report.verdict.is_ok() {
            out::line(format_args!("{pace:?}, seed {seed}: {}", report.verdict));
            end = end.max(End::of(&Row::new(&report).verdict));
        }
    }
    out::line(format_args!(
        "{}: {runs} runs, {simulated:.0} simulated seconds in {took:.2} s of one core: {:.0} times faster than real \
         time, {:.0} delivered messages/s ({:.0} operations and {:.0} messages a simulated second); with the drawing \
         of the plan and the judgement of the history {:.0} times, {:.0} messages/s",
        about(pace),
        simulated / took,
        delivered / took,
        operations / simulated,
        delivered / simulated,
        simulated / with_judgement,
        delivered / with_judgement,
    ));
    end
}

fn about(pace: Pace) -> &'static str {
    match pace {
        Pace::Steady => "steady, faults on",
        Pace::Saturated => "saturated",
    }
}

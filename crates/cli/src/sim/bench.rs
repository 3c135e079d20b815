//! `atoll sim bench`: two clusters that are not drawn, and how fast one core runs them.

use super::End;
use super::shard::Row;
use super::stopwatch::Stopwatch;
use crate::{Failure, out};
use std::process::ExitCode;
use swarm::{Options, Pace, run_seed};

pub(crate) fn run(runs: u64, w: Option<usize>) -> Result<ExitCode, Failure> {
    let mut end = End::Ok;
    for pace in [Pace::Steady, Pace::Saturated] {
        end = end.max(measure(pace, runs, w));
    }
    Ok(end.code())
}

fn measure(pace: Pace, runs: u64, w: Option<usize>) -> End {
    let mut end = End::Ok;
    let (mut took, mut simulated, mut delivered, mut operations) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..runs {
        let watch = Stopwatch::start();
        let report = run_seed(
            seed,
            Options {
                pace: Some(pace),
                workload: w.map(|w| swarm::Workload::ALL[w]),
                ..Options::default()
            },
        );
        took += watch.elapsed().as_secs_f64();
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
        "{pace:?}: {runs} runs of {:.0} simulated seconds, {:.0} operations and {:.0} delivered messages a \
         simulated second; {:.2} s on one core, faults, RESP, codec, log and checks included: {:.0} times faster \
         than real time, {:.0} delivered messages/s",
        simulated / runs.max(1) as f64,
        operations / simulated,
        delivered / simulated,
        took,
        simulated / took,
        delivered / took,
    ));
    end
}

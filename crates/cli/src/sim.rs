//! `atoll sim`: the same node code in a deterministic world, from seeds (docs/simulator.md).

mod bench;
mod campaign;
mod diagram;
pub(crate) mod explore;
mod file;
mod merge;
mod progress;
mod replay;
mod shard;
mod step;
pub(crate) mod stopwatch;
mod words;

use crate::args::{Sim, SimVerb};
use crate::{Failure, out};
use std::process::ExitCode;

pub(crate) fn run(args: &Sim) -> Result<ExitCode, Failure> {
    match &args.verb {
        SimVerb::Run(args) => campaign::run(args),
        SimVerb::Bench { runs } => bench::run(*runs),
        SimVerb::Explore(args) => explore::run(args),
        SimVerb::Replay(args) => Ok(replay::run(args)),
        SimVerb::Merge { dir } => {
            let merged = merge::merge(dir)?;
            out::line(format_args!("{}", merged.text));
            Ok(merged.code)
        }
    }
}

/// What a campaign ends with. The worst wins: a broken promise, then a cluster that stands still, then a
/// checker that gave up, then seeds that were not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Ok,
    Incomplete,
    Undecided,
    NoProgress,
    Unsafe,
}

impl End {
    pub(crate) fn of(verdict: &str) -> End {
        match verdict {
            "ok" => End::Ok,
            "undecided" => End::Undecided,
            "no progress" => End::NoProgress,
            _ => End::Unsafe,
        }
    }

    /// 0 ok, 1 unsafe, 2 undecided, 3 no progress, 4 incomplete.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            End::Ok => 0,
            End::Unsafe => 1,
            End::Undecided => 2,
            End::NoProgress => 3,
            End::Incomplete => 4,
        })
    }
}

#[cfg(test)]
mod tests;

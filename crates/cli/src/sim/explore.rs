//! `atoll sim explore`: every schedule of a small group of bare cores (docs/explorer.md).

use super::End;
use crate::{Failure, out};
use sim::explore::{End as Ended, Limits, Network, Progress, Report, Scope};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stdx::Planted;
use swarm::explore::{RaftWorld, explore_raft};

/// `atoll sim explore`
#[derive(Debug, clap::Args)]
pub(crate) struct Explore {
    /// Which protocol
    core: Core,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Proposals to leaders in one schedule, at most
    #[arg(long, default_value_t = 2, value_parser = times())]
    requests: u8,
    /// Deadlines that fire in one schedule, at most
    #[arg(long, default_value_t = 2, value_parser = times())]
    timeouts: u8,
    /// Crashes in one schedule, at most; unsynced records are lost
    #[arg(long, default_value_t = 1, value_parser = times())]
    crashes: u8,
    /// Messages lost in one schedule, at most
    #[arg(long, default_value_t = 1, value_parser = times())]
    losses: u8,
    /// Messages that arrive twice in one schedule, at most
    #[arg(long, default_value_t = 0, value_parser = times())]
    duplicates: u8,
    /// Whether a request may be a read as well
    #[arg(long)]
    reads: bool,
    /// Requests are changes of the members instead: the last node joins, becomes a voter, and node 1 is removed
    #[arg(long, conflicts_with = "reads")]
    changes: bool,
    /// How messages travel: in order on each link, or in any order (many more states)
    #[arg(long, default_value = "fifo")]
    network: Travel,
    /// Stop after so many different states
    #[arg(long, default_value_t = 10_000_000)]
    states: u64,
    /// Stop at schedules of so many steps
    #[arg(long)]
    depth: Option<u32>,
    /// Stop when the explorer's tables have so many MiB
    #[arg(long, default_value_t = 4096)]
    memory: usize,
    /// Stop after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Core {
    /// Raft, as the clusters run it
    Raft,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Travel {
    Fifo,
    Any,
}

fn times() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(sim::explore::MOST))
}

pub(crate) fn run(args: &Explore) -> Result<ExitCode, Failure> {
    let Core::Raft = args.core;
    let Explore { nodes, reads, changes, .. } = *args;
    let world = RaftWorld { nodes, reads, changes, planted: Planted::NONE };
    let limits = Limits {
        states: args.states,
        depth: args.depth.unwrap_or(u32::MAX),
        memory: args.memory << 20,
    };
    let mut watch = Watch::new(args.seconds.map(Duration::from_secs));
    let report = explore_raft(&world, &scope(args), &limits, &mut |come| watch.late(come));
    watch.end();
    out::line(format_args!("{}", words(args, &report, watch.began.elapsed())));
    Ok(code(&report).code())
}

fn scope(args: &Explore) -> Scope {
    Scope {
        network: match args.network {
            Travel::Fifo => Network::Fifo,
            Travel::Any => Network::Bag,
        },
        slow_disk: true,
        idle_steps: false,
        torn_steps: true,
        requests: Some(args.requests),
        timeouts: Some(args.timeouts),
        crashes: Some(args.crashes),
        losses: Some(args.losses),
        duplicates: Some(args.duplicates),
        planted: Planted::NONE,
    }
}

/// What was explored, what came of it, and how fast.
fn words(args: &Explore, report: &Report, spent: Duration) -> String {
    let Explore { nodes, requests, timeouts, crashes, losses, duplicates, .. } = args;
    let rate = report.progress.generated as f64 / spent.as_secs_f64().max(1e-9);
    format!(
        "raft: {nodes} nodes; in one schedule at most {requests} requests, {timeouts} timeouts, \
         {crashes} crashes, {losses} losses, {duplicates} duplicates\n{report}\n\
         {:.1} s, {rate:.0} generated/s, {} MiB of tables",
        spent.as_secs_f64(),
        report.progress.memory >> 20,
    )
}

/// A search that was stopped has not judged: it is undecided, never ok.
fn code(report: &Report) -> End {
    match report.end {
        Ended::Exhausted => End::Ok,
        Ended::Bounded(_) => End::Undecided,
        Ended::Violated(_) => End::Unsafe,
    }
}

/// Tells how far the search is, on stderr, and when its time is over.
struct Watch {
    began: Instant,
    most: Option<Duration>,
    shown: Instant,
    terminal: bool,
}

impl Watch {
    fn new(most: Option<Duration>) -> Watch {
        let began = Instant::now();
        Watch { began, most, shown: began, terminal: std::io::stderr().is_terminal() }
    }

    fn late(&mut self, come: &Progress) -> bool {
        let pause = Duration::from_millis(if self.terminal { 200 } else { 10_000 });
        if self.shown.elapsed() >= pause {
            self.shown = Instant::now();
            let rate = come.generated as f64 / self.began.elapsed().as_secs_f64();
            let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            let mut to = std::io::stderr().lock();
            let _ = write!(
                to,
                "{start}{} unique, {} generated, {rate:.0}/s, depth {}, {} MiB{end}",
                come.unique,
                come.generated,
                come.depth,
                come.memory >> 20
            )
            .and_then(|()| to.flush());
        }
        self.most.is_some_and(|most| self.began.elapsed() >= most)
    }

    fn end(&self) {
        if self.terminal {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests;

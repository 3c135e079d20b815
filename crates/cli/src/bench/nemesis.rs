//! What goes wrong in a cluster of real processes: one thing at a time, to one node at a time.

use super::args::Trouble;
use super::cluster::Cluster;
use crate::client::Client;
use crate::{Failure, out};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use stdx::Prng;

const SIGABRT: i32 = 6;

/// Between two troubles.
const REST: Duration = Duration::from_millis(1_500);
/// Longer than an election: others take over meanwhile.
const LASTS: Duration = Duration::from_millis(1_500);

/// What is done to a leader on purpose lasts longer than its clients' request timeout.
const LASTS_LONG: Duration = Duration::from_secs(10);
/// A disk is full after so long at most, or something is wrong.
const FILLS: Duration = Duration::from_secs(60);
/// What each sync of a slow disk takes longer, in milliseconds.
const SLOWER: &str = "200";
/// Long values bring a log to its next segment, which a full disk cannot hold.
const FILLER: usize = 64 << 10;

/// One thing that was done, in nanoseconds from the start of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) what: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// When to do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) troubles: &'a [Trouble],
    pub(crate) seed: u64,
    pub(crate) origin: Instant,
    pub(crate) until: Instant,
}

fn lasts(trouble: Trouble) -> Duration {
    match trouble {
        Trouble::Kill | Trouble::Pause | Trouble::Partition | Trouble::KillLeader => LASTS,
        Trouble::PauseLeader | Trouble::SlowDisk => LASTS_LONG,
        Trouble::FullDisk => LASTS_LONG,
    }
}

/// Until it is over; the cluster is whole again afterwards.
pub(crate) fn run(cluster: &mut Cluster, program: Program<'_>) -> Result<Vec<Done>, Failure> {
    let Program { troubles, seed, origin, until } = program;
    let now = || u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut prng = Prng::new(seed).fork(99);
    let mut done = Vec::new();
    while !troubles.is_empty() {
        let trouble = *prng.pick(troubles);
        if Instant::now() + REST + lasts(trouble) >= until {
            break;
        }
        std::thread::sleep(REST);
        let node = match trouble {
            Trouble::Kill | Trouble::Pause | Trouble::Partition => prng.index(cluster.len()),
            _ => cluster.leader()?,
        };
        let what = format!("node {}: {}", node + 1, trouble.name());
        out::line(format_args!("  {what}"));
        let from = now();
        afflict(cluster, trouble, node)?;
        cluster.wait_ready(node)?;
        done.push(Done { what, from, to: now() });
    }
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    Ok(done)
}

fn afflict(cluster: &mut Cluster, trouble: Trouble, node: usize) -> Result<(), Failure> {
    match trouble {
        Trouble::Kill | Trouble::KillLeader => cluster.kill(node)?,
        Trouble::Pause | Trouble::PauseLeader => cluster.pause(node, true)?,
        Trouble::Partition => cluster.isolate(node, true),
        Trouble::SlowDisk => cluster.brake(node, Some(SLOWER))?,
        Trouble::FullDisk => {
            cluster.fill(node, true)?;
            end_by_full_disk(cluster, node)?;
        }
    }
    std::thread::sleep(lasts(trouble));
    match trouble {
        Trouble::Kill | Trouble::KillLeader => cluster.launch(node),
        Trouble::Pause | Trouble::PauseLeader => cluster.pause(node, false),
        Trouble::Partition => {
            cluster.isolate(node, false);
            Ok(())
        }
        Trouble::SlowDisk => cluster.brake(node, None),
        Trouble::FullDisk => {
            cluster.fill(node, false)?;
            cluster.launch(node)
        }
    }
}

/// Writes long values until the node has ended, which must be by SIGABRT, after a line that names file and reason.
fn end_by_full_disk(cluster: &mut Cluster, node: usize) -> Result<(), Failure> {
    let until = Instant::now() + FILLS;
    let other = (node + 1) % cluster.len();
    let address = cluster.addresses()[other].clone();
    let value = vec![b'x'; FILLER];
    let mut client = Client::connect(&address, None)?;
    let ended = loop {
        if let Some(ended) = cluster.ended(node)? {
            break ended;
        }
        if Instant::now() > until {
            return Err(format!("node {} goes on with a full disk for {FILLS:?}", node + 1));
        }
        // Some fail while the leader changes: only what is written counts.
        if client.answer(&[b"SET", b"filler", &value]).is_err() {
            client = Client::connect(&address, None)?;
        }
    };
    let said = cluster.said(node);
    let last = said.lines().rev().find(|line| line.contains("No space left"));
    let Some(last) = last.filter(|_| ended.signal() == Some(SIGABRT)) else {
        return Err(format!(
            "node {} ended with {ended}, expected SIGABRT and why; it said:\n{said}",
            node + 1
        ));
    };
    out::line(format_args!("  node {} ended by SIGABRT and said: {last}", node + 1));
    Ok(())
}

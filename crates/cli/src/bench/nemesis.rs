//! What goes wrong in a cluster of real processes: one thing at a time, to one node at a time.

use super::args::Trouble;
use super::cluster::Cluster;
use crate::{Failure, out};
use std::time::{Duration, Instant};
use stdx::Prng;

/// Between two troubles.
const REST: Duration = Duration::from_millis(800);
/// Longer than an election: others take over meanwhile.
const LASTS: Duration = Duration::from_millis(1_500);

/// Until it is over; the cluster is whole again afterwards.
pub(crate) fn run(
    cluster: &mut Cluster,
    troubles: &[Trouble],
    seed: u64,
    until: Instant,
) -> Result<(), Failure> {
    let mut prng = Prng::new(seed).fork(99);
    while !troubles.is_empty() && Instant::now() + REST + LASTS < until {
        std::thread::sleep(REST);
        let node = prng.index(cluster.len());
        let trouble = *prng.pick(troubles);
        out::line(format_args!("  node {}: {}", node + 1, trouble.name()));
        match trouble {
            Trouble::Kill => cluster.kill(node)?,
            Trouble::Pause => cluster.pause(node, true)?,
            Trouble::Partition => cluster.isolate(node, true),
        }
        std::thread::sleep(LASTS);
        match trouble {
            Trouble::Kill => cluster.launch(node)?,
            Trouble::Pause => cluster.pause(node, false)?,
            Trouble::Partition => cluster.isolate(node, false),
        }
        cluster.wait_ready(node)?;
    }
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    Ok(())
}

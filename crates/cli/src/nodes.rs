//! What `dev` and `serve` share.

use crate::{Failure, out};
use server::NodeHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stdx::{NodeId, Planted, WallClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Raft's election timeouts and heartbeat (architecture.md section 4).
const ELECTION: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(600));
const HEARTBEAT: Duration = Duration::from_millis(50);
/// How long a request may take unless the configuration says otherwise.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest value unless the configuration says otherwise.
pub(crate) const MAX_VALUE: usize = 16 << 20;
/// Restart replays at most about this much log per group.
pub(crate) const SNAPSHOT_BYTES: u64 = 64 << 20;
/// A quarter or less of what a usual disk writes in order, so that commits have the rest.
pub(crate) const TRANSFER_RATE: u64 = 64 << 20;
/// Small enough that a chunk between two AppendEntries does not delay a heartbeat.
const CHUNK_BYTES: usize = 256 << 10;

/// A node's core with the usual settings.
pub(crate) fn config(cluster: &str, node: NodeId, members: Vec<node::Member>) -> node::Config {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    node::Config {
        cluster: cluster.to_owned(),
        node,
        members,
        default_contract: None,
        request_timeout: REQUEST_TIMEOUT,
        requirepass: None,
        max_value: MAX_VALUE,
        election: ELECTION,
        heartbeat: HEARTBEAT,
        snapshot_bytes: SNAPSHOT_BYTES,
        transfer_rate: TRANSFER_RATE,
        chunk_bytes: CHUNK_BYTES,
        misses: (0, 1),
        tables: node::TablesConfig::default(),
        version: VERSION,
        started: WallClock(u64::try_from(started.as_micros()).unwrap_or(u64::MAX)),
        planted: Planted::NONE,
    }
}

/// What `memory` in node.toml means: tables in memory take all of it at most, of which those on disk may have half.
/// Without it the first have no limit, and the others keep 256 MiB.
pub(crate) fn tables(memory: u64) -> node::TablesConfig {
    let usual = node::TablesConfig::default();
    let cache = if memory > 0 { memory / 2 } else { usual.cache };
    node::TablesConfig { memory, cache }
}

/// What an even number of nodes buys: nothing. `None` for odd numbers above one.
pub(crate) fn advice(nodes: usize) -> Option<String> {
    let majority = nodes / 2 + 1;
    let survives = nodes - majority;
    if nodes == 1 {
        return Some("1 node survives 0 failures: every failure stops it".to_owned());
    }
    let fewer = nodes - 1;
    nodes.is_multiple_of(2).then(|| {
        format!(
            "{nodes} nodes need {majority} for a majority and survive {survives} failure{}, as \
             {fewer} would: the extra one adds cost and no safety; use {fewer} or {}",
            if survives == 1 { "" } else { "s" },
            nodes + 1
        )
    })
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals(Signal, Signal);

impl Signals {
    pub(crate) fn listen() -> Result<Signals, Failure> {
        let on = |kind| signal(kind).map_err(|e| format!("cannot listen for signals: {e}"));
        Ok(Signals(on(SignalKind::interrupt())?, on(SignalKind::terminate())?))
    }

    /// The name of the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.0.recv() => "SIGINT",
            _ = self.1.recv() => "SIGTERM",
        }
    }
}

/// The runtime of the main thread, which only waits.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start a runtime: {e}"))
}

/// Drains all nodes at once and waits for them; the first failure among them, if any.
pub(crate) fn stop(handles: Vec<NodeHandle>) -> Result<(), Failure> {
    handles.iter().for_each(NodeHandle::stop);
    let ends: Vec<_> = handles.into_iter().map(NodeHandle::join).collect();
    let failures: Vec<String> =
        ends.into_iter().filter_map(|e| Some(e.err()?.to_string())).collect();
    let (first, others) = match failures.split_first() {
        None => return Ok(()),
        Some(split) => split,
    };
    others.iter().for_each(|failure| out::error(failure));
    Err(first.clone())
}

#[cfg(test)]
mod tests;

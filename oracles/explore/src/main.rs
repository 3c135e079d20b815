//! The worlds of `crates/sim/tests/it` under Stateright, breadth first on one thread: state counts and speed to compare
//! with `cargo run --release -p sim --example explore`. One argument limits the run to worlds whose name has it.

mod crashes;
mod paxos;
mod two_phase;

use stateright::{Checker, Model};
use std::fmt::Debug;
use std::hash::Hash;

fn run<M>(name: &str, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let before = cpu_seconds();
    let checker = model.checker().threads(1).spawn_bfs().join();
    let spent = (cpu_seconds() - before).max(0.01);
    checker.assert_properties();
    let (unique, generated) = (checker.unique_state_count(), checker.state_count());
    let (depth, rate) = (checker.max_depth(), generated as f64 / spent);
    println!("{name}: {unique} unique states, {generated} generated, depth {depth}");
    println!("    {spent:.2} s of CPU, {rate:.0} generated/s, peak {} MiB", peak_mib());
}

/// Seconds of processor time that this process has had, as Linux counts them.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory this process has had, as Linux counts it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn main() {
    for resources in [3, 5, 7, 9] {
        let model = |idle| two_phase::Commit { resources, idle };
        run(&format!("2PC, {resources} participants"), model(false));
        run(&format!("2PC idle, {resources} participants"), model(true));
    }
    for resources in [2, 3, 4, 5] {
        let model = crashes::Commit { resources, crashes: 1 };
        run(&format!("2PC, {resources} participants, 1 crash"), model);
    }
    for clients in [2, 3] {
        run(&format!("Paxos, 3 servers, {clients} clients"), paxos::model(clients));
    }
    for clients in [2, 3] {
        run(&format!("Paxos unwatched, 3 servers, {clients} clients"), paxos::unwatched(clients));
    }
}

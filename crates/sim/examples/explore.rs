//! The explorer's speed on small protocols (docs/explorer.md): `cargo run --release -p sim --example explore`.
#![expect(clippy::print_stdout, reason = "a measurement: figures on stdout")]

extern crate alloc;

#[path = "../tests/it/paxos.rs"]
mod paxos;
#[path = "../tests/it/register.rs"]
mod register;
#[path = "../tests/it/two_phase.rs"]
mod two_phase;

use sim::explore::{Limits, Model, Network, Scope, explore};
/// Seconds of processor time that this process has had, as Linux counts them: other work on the machine does not
/// show in it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn run<M: Model>(name: &str, model: &M, scope: &Scope) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let before = cpu_seconds();
    let report = explore(model, scope, &Limits::states(u64::MAX), &mut |_| false);
    let spent = (cpu_seconds() - before).max(0.01);
    let rate = report.progress.generated as f64 / spent;
    println!("{name}: {report}");
    let memory = report.progress.memory >> 20;
    println!("{spent:.2} s of CPU, {rate:.0} generated/s, {memory} MiB of tables\n");
}

fn main() {
    let facts = Scope { network: Network::Set, idle_steps: false, ..Scope::calm() };
    for resources in [3, 5, 7, 9] {
        let world = two_phase::World::of(resources);
        run(&format!("2PC, {resources} participants"), &world, &facts);
    }
    let crash = Scope { slow_disk: true, crashes: Some(1), ..facts };
    for resources in [2, 3, 4, 5] {
        let world = two_phase::World::of(resources);
        run(&format!("2PC, {resources} participants, 1 crash"), &world, &crash);
    }
    let letters = Scope { idle_steps: false, ..Scope::calm() };
    for (watched, clients) in [(true, 2), (true, 3), (false, 2), (false, 3)] {
        let world = paxos::World { servers: 3, clients, watched, bug: paxos::Bug::None };
        let watched = if watched { "" } else { " unwatched" };
        run(&format!("Paxos{watched}, 3 servers, {clients} clients"), &world, &letters);
    }
}

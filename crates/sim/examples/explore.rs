//! The explorer's speed on small protocols (docs/explorer.md): `cargo run --release -p sim --example explore`.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement: real time, and figures on stdout"
)]

extern crate alloc;

#[path = "../tests/it/paxos.rs"]
mod paxos;
#[path = "../tests/it/register.rs"]
mod register;
#[path = "../tests/it/two_phase.rs"]
mod two_phase;

use sim::explore::{Limits, Model, Network, Scope, explore};
use std::time::Instant;

fn run<M: Model>(name: &str, model: &M, scope: &Scope) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let start = Instant::now();
    let report = explore(model, scope, &Limits::states(1 << 28), &mut |_| false);
    let spent = start.elapsed().as_secs_f64();
    let rate = report.progress.generated as f64 / spent;
    println!("{name}: {report}");
    println!("{spent:.2} s, {rate:.0} generated/s, {} MiB\n", report.progress.memory >> 20);
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

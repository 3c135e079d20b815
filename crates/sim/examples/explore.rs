//! The explorer's speed on small protocols (docs/explorer.md): `cargo run --release -p sim --example explore`.

extern crate alloc;

#[path = "../tests/it/two_phase.rs"]
mod two_phase;

use sim::explore::{Limits, Model, Network, Scope, explore};
use std::time::Instant;

fn run<M: Model>(name: &str, model: &M, scope: &Scope) {
    let start = Instant::now();
    let report = explore(model, scope, &Limits::states(1 << 28), &mut |_| false);
    let spent = start.elapsed().as_secs_f64();
    let rate = report.progress.generated as f64 / spent;
    println!("{name}: {report}");
    println!("{spent:.2} s, {rate:.0} generated/s, {} MiB\n", report.progress.memory >> 20);
}

fn main() {
    let scope = Scope { network: Network::Set, idle_steps: false, ..Scope::calm() };
    run("2PC, 7 participants", &two_phase::World::of(7), &scope);
    run("2PC, 9 participants", &two_phase::World::of(9), &scope);
}

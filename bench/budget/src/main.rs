//! The budget of a request, without kernel: three nodes of the product in one process and one thread, a network of
//! vectors, disks that forget, the codecs of the wire and of the log in between. Same inputs, same steps: allocations
//! are exact, times are those of the processor at hand.
//!
//! `budget [ROUNDS]`: 50 connections, each with 16 (then 1) commands under way; prints a table of Markdown.

mod cluster;
mod count;

use cluster::{Cluster, PHASES, Phase};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

const CONNECTIONS: u64 = 50;
/// Rounds before the first that counts: the table has its keys and the buffers their size by then.
const WARM: u64 = 300;

/// What a phase took, over all rounds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    nanos: u64,
    allocations: u64,
    bytes: u64,
}

/// Adds what happens between two calls to a phase.
pub(crate) struct Meter {
    spent: [Spent; PHASES.len()],
    since: Instant,
    before: (u64, u64),
}

impl Meter {
    fn new() -> Meter {
        Meter { spent: Default::default(), since: Instant::now(), before: count::so_far() }
    }

    /// What follows is counted from here.
    pub(crate) fn start(&mut self) {
        self.before = count::so_far();
        self.since = Instant::now();
    }

    /// What happened since the last call belongs to `phase`.
    pub(crate) fn took(&mut self, phase: Phase) {
        let nanos = self.since.elapsed().as_nanos() as u64;
        let (allocations, bytes) = count::so_far();
        let spent = &mut self.spent[phase as usize];
        spent.nanos += nanos;
        spent.allocations += allocations - self.before.0;
        spent.bytes += bytes - self.before.1;
        self.start();
    }
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2000);
    println!(
        "| load | phase | ns a command | allocations | bytes allocated |\n| --- | --- | --- | --- | --- |"
    );
    for pipeline in [16, 1] {
        for set in [true, false] {
            let name = format!("{} -P {pipeline}", if set { "SET" } else { "GET" });
            run(&name, set, pipeline, rounds);
        }
    }
}

fn run(name: &str, set: bool, pipeline: u64, rounds: u64) {
    let mut cluster = Cluster::new(CONNECTIONS);
    let mut meter = Meter::new();
    // Reads find what writes left.
    for round in 0..WARM {
        cluster.round(&mut meter, true, 16, round);
    }
    for round in 0..WARM / 2 {
        cluster.round(&mut meter, set, pipeline, round);
    }
    meter = Meter::new();
    for round in 0..rounds {
        cluster.round(&mut meter, set, pipeline, round);
    }
    let commands = (rounds * CONNECTIONS * pipeline) as f64;
    let mut sum = Spent::default();
    for (phase, spent) in PHASES.iter().zip(meter.spent) {
        line(name, phase, spent, commands);
        sum.nanos += spent.nanos;
        sum.allocations += spent.allocations;
        sum.bytes += spent.bytes;
    }
    line(name, "**all**", sum, commands);
}

fn line(name: &str, phase: &str, spent: Spent, commands: f64) {
    let each = |value: u64| value as f64 / commands;
    let (nanos, allocations, bytes) = (each(spent.nanos), each(spent.allocations), each(spent.bytes));
    println!("| {name} | {phase} | {nanos:.0} | {allocations:.2} | {bytes:.0} |");
}

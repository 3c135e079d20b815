//! `atoll`, the binary: a linearizable, durable, Redis-speaking cluster.
//!
//! | file | what |
//! | --- | --- |
//! | `args` | the command line |
//! | `dev` | `atoll dev`: a whole cluster in this process |
//! | `serve` | `atoll serve`: one node of a real cluster |
//! | `config` | `node.toml`, and its errors |
//! | `keyspace` | `atoll keyspace`: declare and show |
//! | `backup`, `restore` | `atoll backup`, `atoll restore`: a keyspace into a folder, and back |
//! | `bench` | `atoll bench`: load on a server, latencies, or a history of it |
//! | `check` | `atoll check`: the verdict on a recorded history |
//! | `sim` | `atoll sim`: campaigns of simulated clusters |
//! | `client` | a blocking RESP client of a few lines |
//! | `nodes` | what `dev` and `serve` share: defaults, warnings, waiting for signals |
//! | `logging` | structured logs on stderr |
//! | `out` | text for people, on stdout |
//! | `memory` | the allocator, and how long it keeps what is free |
//! | `whole` | files that are there whole or not at all |
//!
//! Exit codes: 0 done, 1 failed, 2 the command line is wrong; `check` and `sim` have their own (`--help`).
#![deny(unsafe_code)]

mod args;
mod backup;
mod bench;
mod check;
mod client;
mod config;
mod dev;
mod keyspace;
mod logging;
mod memory;
mod nodes;
mod out;
mod restore;
mod serve;
mod sim;
mod whole;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

/// Why a command failed, as one text for people.
pub(crate) type Failure = String;

fn main() -> ExitCode {
    stop_at_a_failed_invariant();
    memory::keep_what_is_free();
    let done = |()| ExitCode::SUCCESS;
    let result = match arguments().command {
        Command::Dev(args) => dev::run(&args).map(done),
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Keyspace(args) => keyspace::run(&args).map(done),
        Command::Backup(args) => backup::run(&args).map(done),
        Command::Restore(args) => restore::run(&args).map(done),
        Command::Bench(args) => bench::run(&args).map(done),
        Command::Check(args) => return check::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Version => {
            out::line(format_args!("atoll {}", nodes::VERSION));
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|failure| {
        out::error(&failure);
        ExitCode::FAILURE
    })
}

/// The command line; `atoll check` answers a wrong one with 64, as its exit codes below are verdicts.
fn arguments() -> Args {
    Args::try_parse().unwrap_or_else(|error| {
        let checks = std::env::args_os().nth(1).is_some_and(|word| word == "check");
        if checks && error.use_stderr() {
            let _ = error.print();
            std::process::exit(check::USAGE.into());
        }
        error.exit()
    })
}

/// A panicked replica must stop, not limp: the process ends where it panicked. Only a simulated node's panic
/// is a verdict, and unwinds to whoever runs the seed (docs/decisions/2026-11-24-panics-unwind.md).
fn stop_at_a_failed_invariant() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !swarm::running() {
            say(info);
            std::process::abort();
        }
    }));
}

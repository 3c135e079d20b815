//! `atoll`, the binary: a linearizable, durable, Redis-speaking cluster.
//!
//! | file | what |
//! | --- | --- |
//! | `args` | the command line |
//! | `dev` | `atoll dev`: a whole cluster in this process |
//! | `serve` | `atoll serve`: one node of a real cluster |
//! | `config` | `node.toml`, and its errors |
//! | `keyspace` | `atoll keyspace`: declare and show |
//! | `client` | a blocking RESP client of a few lines |
//! | `nodes` | what `dev` and `serve` share: defaults, warnings, waiting for signals |
//! | `logging` | structured logs on stderr |
//! | `out` | text for people, on stdout |
//!
//! Exit codes: 0 done, 1 failed, 2 the command line is wrong.
#![forbid(unsafe_code)]

mod args;
mod client;
mod config;
mod dev;
mod keyspace;
mod logging;
mod nodes;
mod out;
mod serve;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

// Replies, records and messages are many small blocks, freed on the thread that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a command failed, as one text for people.
pub(crate) type Failure = String;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Dev(args) => dev::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Keyspace(args) => keyspace::run(&args),
        Command::Version => {
            out::line(format_args!("atoll {}", nodes::VERSION));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::error(&failure);
            ExitCode::FAILURE
        }
    }
}

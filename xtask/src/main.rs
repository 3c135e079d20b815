//! Development commands, few and for ever: `cargo xtask`.
//!
//! A command is one file with a `run`, and one row in [`COMMANDS`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]
#![forbid(unsafe_code)]

mod campaign;
mod checkers;
mod ci;
mod help;
mod measure;
mod peers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a command gets to work with.
struct Context {
    /// The root of the repository.
    root: PathBuf,
    /// The words after the command's name.
    arguments: Vec<String>,
}

/// Why a command failed, for whoever typed it.
type Outcome = Result<(), String>;

struct Command {
    name: &'static str,
    /// One line of `cargo xtask help`.
    about: &'static str,
    run: fn(&Context) -> Outcome,
}

/// All there are, in the order in which `help` lists them.
const COMMANDS: &[Command] = &[
    Command {
        name: "bench-peers",
        about: "ours beside etcd, Redis and the bare lower bound: --reps, --secs, --systems A,B, --rows WORD",
        run: peers::run,
    },
    Command {
        name: "campaign",
        about: "swarm seeds: --seeds FROM..TO, --jobs N, --mutants; --seed N replays one",
        run: campaign::run,
    },
    Command {
        name: "checkers",
        about: "[PART]: time and memory of each checker over generated histories, to docs/measurements/",
        run: checkers::run,
    },
    Command {
        name: "ci",
        about: "format check, lints as errors, tests: what .ci/run does",
        run: ci::run,
    },
    Command {
        name: "measure",
        about: "[kills]: real-time figures of the release binary, to docs/measurements/",
        run: measure::run,
    },
    Command { name: "help", about: "this list", run: help::run },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "help".to_string());
    let known = COMMANDS.iter().find(|command| command.name == name);
    let Some(command) = known else {
        eprintln!("error: no command `{name}`\n\n{}", help::text());
        return ExitCode::from(2);
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let context = Context { root, arguments: words.collect() };
    match (command.run)(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: cargo xtask {name}: {reason}");
            ExitCode::FAILURE
        }
    }
}

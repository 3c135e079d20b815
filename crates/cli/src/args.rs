//! The command line. What is not built is not here.

use crate::logging::{Format, Level};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A key-value store in which every keyspace declares its guarantee.
#[derive(Debug, Parser)]
#[command(name = "atoll", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole cluster in this process, to try things out
    Dev(Dev),
    /// Run one node of a cluster
    Serve(Serve),
    /// Declare keyspaces and show them
    Keyspace(Keyspace),
    /// Write a keyspace into a folder while it is served, and later what was committed since
    Backup(crate::backup::Backup),
    /// Fill a new keyspace from a backup, as of any log position in it
    Restore(crate::restore::Restore),
    /// Judge a recorded history: which consistency levels hold, and what breaks the others
    ///
    /// Exits with 0 if what was asked for holds (without --model: every level that speaks of the history), 1 on a
    /// violation, 2 if nobody knows, 64 on a wrong command line, 65 if the history cannot be read (docs/checking.md).
    Check(Check),
    /// Put load on a server: throughput and latencies, in words, as data and as a page
    ///
    /// YCSB's workloads and free mixes; closed loop, or arrivals at a fixed rate; two runs compared; or, with
    /// --history, what was asked and answered, for `check` (docs/load.md).
    Bench(Box<crate::bench::args::Bench>),
    /// Run whole clusters in a deterministic simulator, under faults, from seeds
    Sim(Sim),
    /// Print the version
    Version,
}

/// `atoll dev`
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(crate) nodes: u16,
    /// Where the data lives; without it in a temporary folder, removed at the end
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// The first node's port for clients; the others follow, peers at +100, http at +200
    #[arg(long, default_value_t = 7001, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub(crate) port: u16,
    /// What the keyspace `default` promises, in the words of docs/contract.md; part of the cluster from its first start
    #[arg(long, value_name = "CLAUSES")]
    pub(crate) default_contract: Option<String>,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// `atoll serve`
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The node's configuration (docs/configuration.md)
    #[arg(long)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// How to log, over what the configuration says.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Log {
    /// How much to log, to stderr
    #[arg(long)]
    pub(crate) log_level: Option<Level>,
    /// How to write the log
    #[arg(long)]
    pub(crate) log_format: Option<Format>,
}

/// `atoll keyspace`
#[derive(Debug, clap::Args)]
pub(crate) struct Keyspace {
    /// Any node's address for clients
    #[arg(long, global = true, default_value = "127.0.0.1:7001")]
    pub(crate) addr: String,
    /// The cluster's password
    #[arg(long, global = true)]
    pub(crate) password: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: KeyspaceVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyspaceVerb {
    /// Declare a keyspace: its keys are those that begin with `NAME:`
    Create {
        /// A letter, then up to 63 letters, digits, `_`, `.` or `-`
        name: String,
        /// The contract's clauses (docs/contract.md); without any: linearizable, by Raft
        contract: Vec<String>,
    },
    /// Name all keyspaces
    List,
    /// Show a keyspace's contract, replicas, leader and CAP and PACELC classes
    Show {
        /// Its name
        name: String,
    },
}

/// `atoll check`
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The history; `-` is standard input
    pub(crate) file: PathBuf,
    /// Judge this level only, by itself; without it, the map of all levels is printed
    #[arg(long, value_name = "LEVEL")]
    pub(crate) model: Option<check::Level>,
    /// What the file is; without it, its content tells
    #[arg(long, value_parser = format)]
    pub(crate) format: Option<check::format::Format>,
    /// What an answer of nil means; without it, what it means to the file's source
    #[arg(long)]
    pub(crate) nil: Option<Nil>,
    /// What a failed compare-and-set means; without it, what it means to the file's source
    #[arg(long)]
    pub(crate) failed_cas: Option<FailedCas>,
    /// What a Jepsen history is about, where its words do not tell: register, counter, set, list, queue
    #[arg(long, value_parser = object)]
    pub(crate) object: Option<check::format::Object>,
    /// By how much a read may lag: nanoseconds in what `bench` writes; events in files whose clock is their order
    #[arg(long, value_name = "TIME")]
    pub(crate) staleness: Option<u64>,
    /// Seconds after which the verdict is `unknown`
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) time: u64,
    /// MiB of memory beyond which the verdict is `unknown`
    #[arg(long, value_name = "MIB", default_value_t = 4_096)]
    pub(crate) memory: u64,
    /// Draw a violation into this HTML file: that of the strongest level which tells the operation at fault
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Nil {
    /// Nothing was there
    Absent,
    /// Not known
    Unknown,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum FailedCas {
    /// It did nothing
    NoEffect,
    /// It did nothing and saw another value
    Observed,
}

fn format(text: &str) -> Result<check::format::Format, String> {
    use check::format::Format;
    let names = || Format::ALL.map(Format::name).join(", ");
    Format::from_name(text).ok_or_else(|| format!("expected one of {}", names()))
}

fn object(text: &str) -> Result<check::format::Object, String> {
    use check::format::Object;
    let names = || Object::ALL.map(Object::name).join(", ");
    Object::from_name(text).ok_or_else(|| format!("expected one of {}", names()))
}

/// `atoll sim`
#[derive(Debug, clap::Args)]
pub(crate) struct Sim {
    #[command(subcommand)]
    pub(crate) verb: SimVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimVerb {
    /// Run many seeds, each twice
    ///
    /// Exits with 0 if all held, 1 if a promise was broken, 2 if a checker gave up, 3 if a healed cluster made
    /// no progress.
    ///
    /// A seed that fails is shrunk to the fewest faults, requests and nodes that still fail, saved as a file for
    /// `replay`, and told in words.
    Run(SimRun),
    /// Measure how fast the simulator itself is, on one core
    Bench {
        /// How many runs of each kind
        #[arg(long, default_value_t = 6)]
        runs: u64,
    },
    /// Take every schedule of a small group of bare cores
    ///
    /// Exits with 0 if all schedules within the bounds were taken and all held, 1 if something was violated, 2 if
    /// a limit stopped the search.
    Explore(crate::sim::explore::Explore),
    /// Run a saved failure again: its verdict and its story
    ///
    /// Exits as `run` does, and with 65 if the file cannot be read.
    Replay(Replay),
    /// Sum up the shards of a campaign; says what is missing (exit code 4)
    Merge {
        /// The folder that `run --out` wrote to
        dir: PathBuf,
    },
}

/// `atoll sim run`
#[derive(Debug, clap::Args)]
pub(crate) struct SimRun {
    /// Which seeds: from the first up to, not including, the last
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..100")]
    pub(crate) seeds: (u64, u64),
    /// This one alone
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "shard"])]
    pub(crate) seed: Option<u64>,
    /// How many at a time
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    pub(crate) jobs: usize,
    /// Where the shard's file goes; without it nothing is written
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Save a failing seed as it is
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// How many runs the search for a smaller failure may take
    #[arg(long, value_name = "RUNS", default_value_t = 1_000, conflicts_with = "no_shrink")]
    pub(crate) shrink_runs: usize,
    /// Only every n-th seed, from the i-th on; in a Slurm array or a Kubernetes Indexed Job, its place there
    #[arg(long, value_name = "i/n", value_parser = shard)]
    pub(crate) shard: Option<(u64, u64)>,
}

/// `atoll sim replay`
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// What `run` has saved
    pub(crate) file: PathBuf,
    /// Go through it step by step: Enter for the next, a number for so many, q to leave
    #[arg(long)]
    pub(crate) step: bool,
    /// Draw it as a space-time diagram into this HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let pair = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    pair.filter(|(from, to)| from < to).ok_or("expected A..B, A below B, such as 0..1000".into())
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let pair = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    pair.filter(|(i, n)| i < n).ok_or("expected i/n, i from 0 up to n - 1, such as 0/8".into())
}

#[cfg(test)]
mod tests;

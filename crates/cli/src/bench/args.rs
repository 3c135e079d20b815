//! `atoll bench`, as typed.

use super::load::choice::Distribution;
use super::load::workload::Ycsb;
use clap::value_parser;
use std::path::PathBuf;

/// `atoll bench`
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Any Redis server, or a node of a cluster; again for more. Without it a cluster of its own is started
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) addr: Vec<String>,
    /// The server's password
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// How many nodes the cluster of its own has
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..=7))]
    pub(crate) nodes: u16,
    /// What `default` promises there, such as "READS lease DRIFT=500ppm" [default: the standard contract]
    #[arg(long, value_name = "CLAUSES", conflicts_with = "addr")]
    pub(crate) default_contract: Option<String>,
    /// How many connections [default: 50; 6 with --history]
    #[arg(long, value_parser = value_parser!(u64).range(1..=10_000))]
    pub(crate) clients: Option<u64>,
    /// How many keys [default: 100000; 3 with --history]
    #[arg(long, value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) keys: Option<u64>,
    /// For how long, the warm-up not included [default: 10]
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
    /// How many seconds a client waits for an answer; then it is unknown
    #[arg(long, default_value_t = 6, value_parser = value_parser!(u64).range(1..))]
    pub(crate) patience: u64,
    /// What is drawn is drawn from this
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// One of YCSB's core workloads; --keys-by and --value change its choice of keys and its values
    #[arg(long, value_enum, help_heading = "Load", conflicts_with = "mix")]
    pub(crate) workload: Option<Ycsb>,
    /// Operations and their shares, of get, set, insert, incr, del, scan, rmw [default: get=90,set=10]; with
    /// --history one of registers, counters, appends
    #[arg(long, help_heading = "Load", value_name = "KIND=SHARE,...")]
    pub(crate) mix: Option<String>,
    /// How keys are chosen [default: uniform, or what the workload says]
    #[arg(long, value_enum, help_heading = "Load")]
    pub(crate) keys_by: Option<Distribution>,
    /// Bytes of a value: N, FROM..TO, or a list N,N or N=SHARE,N=SHARE [default: 256; 1000 with --workload]
    #[arg(long, help_heading = "Load", value_name = "BYTES")]
    pub(crate) value: Option<String>,
    /// What every key begins with; NAME: for those of a keyspace
    #[arg(long, help_heading = "Load", default_value = "bench-")]
    pub(crate) prefix: String,
    /// Set all keys before the run
    #[arg(long, help_heading = "Load")]
    pub(crate) load: bool,
    /// Commands under way per connection
    #[arg(long, short = 'P', help_heading = "Load", default_value_t = 1,
        value_parser = value_parser!(u64).range(1..=10_000))]
    pub(crate) pipeline: u64,
    /// Threads that send and receive
    #[arg(long, help_heading = "Load", default_value_t = 1, value_parser = value_parser!(u64).range(1..=64))]
    pub(crate) threads: u64,
    /// Open loop: so many operations a second over all clients, each timed from when it was meant to start.
    /// Without it the loop is closed: a client asks again when it was answered
    #[arg(long, help_heading = "Load", value_name = "PER_SECOND",
        value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) rate: Option<u64>,
    /// With --rate: an operation that found no free client for so many seconds is given up and counted as such
    #[arg(long, help_heading = "Load", value_name = "SECONDS", default_value_t = 10, requires = "rate",
        value_parser = value_parser!(u64).range(1..=3_600))]
    pub(crate) backlog: u64,
    /// Until so many operations are over, instead of for a time
    #[arg(long, help_heading = "Load", conflicts_with = "seconds", value_parser = value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Seconds before anything is counted
    #[arg(long, help_heading = "Load", value_name = "SECONDS", default_value_t = 2)]
    pub(crate) warm_up: u64,

    /// Write the run as data, for --compare
    #[arg(long, help_heading = "Reports", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as a page with plots
    #[arg(long, help_heading = "Reports", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Compare two runs written by --json, the second to the first; runs nothing
    #[arg(long, help_heading = "Reports", num_args = 2, value_names = ["FILE", "FILE"],
        conflicts_with_all = ["addr", "json", "history", "workload", "mix", "load", "rate"])]
    pub(crate) compare: Vec<PathBuf>,

    /// Instead of measuring, record a history for `atoll check`: a JSON line per operation
    #[arg(long, help_heading = "Histories", value_name = "FILE",
        conflicts_with_all = ["workload", "keys_by", "value", "load", "rate", "requests", "json"])]
    pub(crate) history: Option<PathBuf>,
    /// What is done to single nodes of the cluster of its own
    #[arg(long, help_heading = "Histories", value_delimiter = ',', requires = "history")]
    pub(crate) nemesis: Vec<Trouble>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Trouble {
    /// `kill -9`, and a start a little later
    Kill,
    /// SIGSTOP, and SIGCONT a little later
    Pause,
    /// Nothing passes between a node and the others
    Partition,
    /// `kill -9` of the leader of `default`
    KillLeader,
    /// SIGSTOP of that leader, for 10 s
    PauseLeader,
    /// The leader's disk takes 200 ms more for each sync, for 10 s
    SlowDisk,
    /// The leader's disk (a tmpfs of its own: needs root) is full until the node has ended by it
    FullDisk,
}

impl Trouble {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Trouble::Kill => "kill -9",
            Trouble::Pause => "paused",
            Trouble::Partition => "partitioned from the others",
            Trouble::KillLeader => "kill -9, as leader",
            Trouble::PauseLeader => "paused for 10 s, as leader",
            Trouble::SlowDisk => "a disk slowed by 200 ms a sync, as leader",
            Trouble::FullDisk => "a full disk, as leader",
        }
    }
}

/// What clients of a history ask, besides GET.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum HistoryMix {
    /// SET of unique values
    Registers,
    /// INCRBY 1
    Counters,
    /// APPEND of unique words
    Appends,
}

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

#[cfg(test)]
mod tests;

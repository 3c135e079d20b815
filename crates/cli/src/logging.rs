//! Structured logs, on stderr: stdout is for people and pipes.

use crate::args::Log;
use clap::ValueEnum;
use serde::Deserialize;
use std::io::IsTerminal;
use tracing_subscriber::filter::LevelFilter;

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What needs an operator now.
    Error,
    /// What an operator should look at.
    Warn,
    /// Elections, links, snapshots.
    Info,
    /// Every link and client that comes or goes.
    Debug,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging: flags win over `level` and `format`.
pub(crate) fn start(flags: Log, level: Level, format: Format) {
    let filter = match flags.log_level.unwrap_or(level) {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(std::io::stderr)
        .with_thread_names(true)
        .with_target(false);
    match flags.log_format.unwrap_or(format) {
        Format::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        Format::Json => log.json().init(),
    }
}

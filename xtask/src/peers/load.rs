//! One measurement: a load on a running system, and what it showed.

use super::system::System;
use super::tools::Tools;
use crate::measure::tell;
use std::fmt;
use std::fs;
use std::process::Command;

/// Before each window of kvload, in seconds.
const WARM: &str = "0.3";
const KEYS: &str = "10000";
/// redis-benchmark's keys; connections and value size are those of the baselines.
const RANDOM: &str = "100000";
/// Of the kernel's times in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a system is asked to do. All values have 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// kvload: writes, so many clients, each waiting for its answer, at the leader.
    Put(usize),
    /// The same at another node, which forwards.
    Away(usize),
    /// kvload: linearizable reads.
    Get(usize),
    /// redis-benchmark, 50 connections: its test and how many requests each sends at once.
    Bench(&'static str, usize),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Put(clients) => write!(f, "SET, {clients} clients"),
            Load::Away(clients) => write!(f, "SET through a follower, {clients} clients"),
            Load::Get(clients) => write!(f, "GET, {clients} clients"),
            Load::Bench(test, pipeline) => write!(f, "{} -P {pipeline}", test.to_uppercase()),
        }
    }
}

/// What each system is asked, in this order: reads find what writes before them left.
pub(crate) fn loads(system: &str) -> Vec<Load> {
    let puts = [1, 16, 64, 256].map(Load::Put).to_vec();
    let bench = |tests: &[(&'static str, usize)]| -> Vec<Load> {
        tests.iter().map(|(test, pipeline)| Load::Bench(test, *pipeline)).collect()
    };
    let all = bench(&[("set", 16), ("get", 16), ("set", 1), ("get", 1)]);
    match system {
        "atoll" => [puts, vec![Load::Away(64), Load::Get(64)], all].concat(),
        "atoll-lease" => {
            [vec![Load::Get(64)], bench(&[("set", 16), ("get", 16), ("get", 1)])].concat()
        }
        "floor" => [puts, vec![Load::Get(64)], all].concat(),
        "redis-memory" => bench(&[("set", 16), ("get", 1)]),
        "redis-cluster" => bench(&[("set", 16), ("get", 16)]),
        "redis-wait" => puts,
        "etcd" => [puts, vec![Load::Get(64)]].concat(),
        _ => vec![Load::Put(64)],
    }
}

/// What one load showed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// In microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Processor time of all servers, and of the client, for one operation, in microseconds.
    pub(crate) servers: f64,
    pub(crate) client: f64,
}

/// Puts every key there.
pub(crate) fn fill(tools: &Tools, system: &System) -> Result<(), String> {
    let mut command = kvload(tools, system, false);
    tell(command.args(["--fill", "--clients", "64"])).map(|_| ())
}

fn kvload(tools: &Tools, system: &System, away: bool) -> Command {
    let mut addresses: Vec<String> = system.addresses.iter().map(ToString::to_string).collect();
    if away {
        addresses.rotate_left(1);
    }
    let mut command = Command::new(&tools.kvload);
    command.args(["--backend", system.backend, "--addrs", &addresses.join(",")]);
    command.args(["--keys", KEYS]).args(system.load);
    command
}

/// Runs one load for about `secs` seconds.
pub(crate) fn run(tools: &Tools, system: &System, load: Load, secs: f64) -> Result<Sample, String> {
    let (op, clients) = match load {
        Load::Bench(test, pipeline) => return bench(system, test, pipeline, secs),
        Load::Put(clients) | Load::Away(clients) => ("put", clients),
        Load::Get(clients) => ("get", clients),
    };
    let mut command = kvload(tools, system, matches!(load, Load::Away(_)));
    let pids: Vec<String> = system.pids.iter().map(ToString::to_string).collect();
    command.args(["--op", op, "--clients", &clients.to_string(), "--warm", WARM]);
    command.args(["--secs", &secs.to_string(), "--pids", &pids.join(",")]);
    let line = tell(&mut command)?;
    let field = |name: &str| -> Result<f64, String> {
        let found = line.split('\t').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|text| text.parse().ok()).ok_or(format!("no {name} in `{line}`"))
    };
    if field("errs")? > 0.0 {
        return Err(format!("{} under {load}: errors: {line}", system.name));
    }
    let per_second = field("ops/s")?;
    let each = |cores: f64| cores * 1e6 / per_second.max(1.0);
    let (servers, client) = (each(field("srvcpu")?), each(field("clicpu")?));
    Ok(Sample { per_second, p50: field("p50us")?, p99: field("p99us")?, servers, client })
}

/// As many requests as take about `secs` seconds on a machine like the baselines'.
fn count(test: &str, pipeline: usize, secs: f64) -> usize {
    let per_second = match (test, pipeline) {
        ("set", 1) => 35_000.0,
        ("get", 1) => 85_000.0,
        ("set", _) => 250_000.0,
        _ => 600_000.0,
    };
    (per_second * secs) as usize
}

fn bench(system: &System, test: &str, pipeline: usize, secs: f64) -> Result<Sample, String> {
    let requests = count(test, pipeline, secs);
    let (host, port) =
        (system.addresses[0].ip().to_string(), system.addresses[0].port().to_string());
    let before = busy(&system.pids);
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &host, "-p", &port, "-t", test, "-d", "256", "-c", "50", "-r", RANDOM]);
    command.args(["-n", &requests.to_string(), "-P", &pipeline.to_string(), "--csv"]);
    let told = tell(command.args(system.bench))?;
    let servers = (busy(&system.pids) - before) * 1e6 / requests as f64;
    // "SET","requests/s","mean","min","p50","p95","p99","max", in milliseconds.
    let quoted = format!("\"{}\"", test.to_uppercase());
    let line = told.lines().find(|line| line.starts_with(&quoted));
    let cells = line.ok_or(format!("redis-benchmark on {}: `{told}`", system.name))?.split(',');
    let cells = cells.map(|cell| cell.trim_matches('"').parse::<f64>().unwrap_or(f64::NAN));
    let cells: Vec<f64> = cells.collect();
    let [_, per_second, _, _, p50, _, p99, ..] = cells[..] else {
        return Err(format!("redis-benchmark on {}: `{told}`", system.name));
    };
    let (p50, p99) = (p50 * 1e3, p99 * 1e3);
    Ok(Sample { per_second, p50, p99, servers, client: f64::NAN })
}

/// Processor seconds that these processes have used.
fn busy(pids: &[u32]) -> f64 {
    let one = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name in parentheses: utime and stime are the 12th and 13th.
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let times = after.split_whitespace().skip(11).take(2);
        times.filter_map(|time| time.parse::<f64>().ok()).sum::<f64>()
    };
    pids.iter().map(one).sum::<f64>() / TICKS_PER_SECOND
}

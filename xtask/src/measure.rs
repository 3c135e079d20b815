//! `cargo xtask measure [KILLS]`: real-time figures of the release binary on this machine, as processes.
//!
//! Writes docs/measurements/<date>.md. `ATOLL` names a binary; without it a release build is made. Figures of
//! one machine in one hour: compare only what was measured in the same run.

pub(crate) mod cluster;

use crate::{Context, Outcome};
use cluster::{Client, Cluster, Node};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const STARTS: usize = 10;
const KILLS: usize = 100;
const REQUESTS: usize = 3000;
const WARM_UP: usize = 300;
/// Of each value that fills the cluster.
const VALUE: usize = 1024;
const SIZES_MIB: [usize; 4] = [0, 10, 100, 400];
/// Two maximum election timeouts (docs/configuration.md): the goal for recovery.
const GOAL: Duration = Duration::from_millis(1200);

pub(crate) fn run(context: &Context) -> Outcome {
    let kills = match context.arguments.as_slice() {
        [] => KILLS,
        [count] => count.parse().map_err(|_| format!("expected a number of kills: `{count}`"))?,
        [_, extra, ..] => return Err(format!("unexpected `{extra}`")),
    };
    let root = context.root.canonicalize().map_err(|e| e.to_string())?;
    let binary = binary(&root)?;
    let folder = tell(Command::new("mktemp").args(["-d", "-t", "atoll-measure-XXXXXX"]))?;
    let folder = Folder(PathBuf::from(folder));
    let date = tell(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let head = head(&root, &binary, &folder.0, &format!("measure {kills}"));
    let mut page = format!("# Measured on {date}\n\n{head}");
    page.push_str(&starts(&binary, &folder.0)?);
    page.push_str(&latencies(&binary, &folder.0.join("latency"))?);
    page.push_str(&recoveries(&binary, &folder.0.join("kills"), kills)?);
    page.push_str(&restarts(&binary, &folder.0.join("restarts"))?);
    let target = root.join("docs/measurements");
    fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
    let target = target.join(format!("{date}.md"));
    fs::write(&target, page).map_err(|e| format!("{}: {e}", target.display()))?;
    println!("wrote {}", target.display());
    Ok(())
}

/// Removed at the end, also after a failure.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the folder for temporary things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command prints, on one line.
pub(crate) fn tell(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn binary(root: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ATOLL") {
        return Ok(PathBuf::from(path));
    }
    let build = ["build", "--release", "-p", "cli"];
    let built = Command::new("cargo").args(build).current_dir(root).status();
    if !built.map_err(|e| format!("cargo: {e}"))?.success() {
        return Err("the release build failed".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok(target.join("release/atoll"))
}

/// What was measured where: the first lines of a page of figures.
pub(crate) fn head(root: &Path, binary: &Path, folder: &Path, command: &str) -> String {
    let or = |found: Result<String, String>| found.unwrap_or_else(|_| "unknown".to_owned());
    let git = |words: &[&str]| or(tell(Command::new("git").arg("-C").arg(root).args(words)));
    let dirty = git(&["status", "--porcelain", "crates", "xtask"]);
    let changed = dirty.lines().count();
    let changed =
        if changed == 0 { String::new() } else { format!(", {changed} files changed since") };
    let first = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("unknown");
        line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let disk = or(tell(Command::new("findmnt").args(["-no", "FSTYPE,SOURCE", "-T"]).arg(folder)));
    let version = or(tell(Command::new(binary).arg("--version")));
    format!(
        "- command: `cargo xtask {command}` (clients and all nodes share the machine)\n\
         - commit: {}{changed}; {version}\n\
         - machine: {}, {cores} cores, {} memory, {}, {disk}\n\
         - load average before: {}\n",
        git(&["rev-parse", "--short", "HEAD"]),
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        or(tell(Command::new("uname").arg("-sr"))),
        fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    )
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// The value that `part` of 100 samples do not exceed.
fn percentile(sorted: &[Duration], part: usize) -> Duration {
    assert!(!sorted.is_empty(), "no samples");
    let rank = (sorted.len() * part).div_ceil(100).max(1);
    sorted[rank - 1]
}

/// Minimum, median, 99th percentile and maximum in milliseconds, as cells of a table.
fn cells(mut samples: Vec<Duration>) -> String {
    samples.sort();
    let ranks = [0, 50, 99, 100].map(|part| millis(percentile(&samples, part)));
    format!("{} | {}", samples.len(), ranks.join(" | "))
}

const COLUMNS: &str =
    "| samples | min | p50 | p99 | max |\n| --- | --- | --- | --- | --- | --- |\n";

fn starts(binary: &Path, folder: &Path) -> Result<String, String> {
    let (mut dev, mut serve) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let dir = folder.join(format!("dev-{number}"));
        dev.push(Node::dev(binary, &dir)?);
        let started = Instant::now();
        let cluster = Cluster::start(binary, &folder.join(format!("serve-{number}")))?;
        serve.push(started.elapsed());
        drop(cluster);
    }
    Ok(format!(
        "\n## From start to ready, fresh folders (ms)\n\n| what {COLUMNS}\
         | `atoll dev`: until it says ready | {} |\n\
         | three `atoll serve`: until `/readyz` of all is 200 | {} |\n",
        cells(dev),
        cells(serve)
    ))
}

fn latencies(binary: &Path, folder: &Path) -> Result<String, String> {
    let cluster = Cluster::start(binary, folder)?;
    let leader = cluster.leader()?;
    let mut rows = String::new();
    for (place, node) in [("the leader", leader), ("a follower", (leader + 1) % 3)] {
        let mut client = Client::connect(cluster.clients[node])?;
        for name in ["SET", "GET"] {
            let mut samples = Vec::new();
            for number in 0..REQUESTS + WARM_UP {
                let key = format!("latency{}", number % 100);
                let asked = Instant::now();
                if name == "SET" {
                    client.call(&["SET", &key, "sixteen bytes ok"])?;
                } else {
                    client.call(&["GET", &key])?;
                }
                if number >= WARM_UP {
                    samples.push(asked.elapsed());
                }
            }
            samples.sort();
            let [p50, p99, max] = [50, 99, 100].map(|part| percentile(&samples, part).as_micros());
            writeln!(rows, "| {name} through {place} | {REQUESTS} | {p50} | {p99} | {max} |")
                .expect("writing to a string cannot fail");
        }
    }
    Ok(format!(
        "\n## One client, one request at a time (us)\n\n| what | samples | p50 | p99 | max |\n\
         | --- | --- | --- | --- | --- |\n{rows}"
    ))
}

/// From `kill -9` of the leader to the next acknowledged write of a client that goes on with other nodes.
fn recoveries(binary: &Path, folder: &Path, kills: usize) -> Result<String, String> {
    let mut cluster = Cluster::start(binary, folder)?;
    let mut samples = Vec::new();
    for number in 0..kills {
        let leader = cluster.leader()?;
        let mut client = Client::connect(cluster.clients[leader])?;
        client.call(&["SET", "before", &number.to_string()])?;
        cluster.kill(leader)?;
        let killed = Instant::now();
        let mut at = leader;
        loop {
            if client.call(&["SET", "after", &number.to_string()]).is_ok() {
                break;
            }
            at = (at + 1) % 3;
            if killed.elapsed() > Duration::from_secs(30) {
                return Err(format!("no write succeeds after kill {number}"));
            }
            if let Ok(next) = Client::connect(cluster.clients[at]) {
                client = next;
            }
        }
        samples.push(killed.elapsed());
        cluster.launch(leader)?;
        cluster.wait_ready()?;
    }
    let late = samples.iter().filter(|time| **time > GOAL).count();
    Ok(format!(
        "\n## From `kill -9` of the leader to the next acknowledged write (ms)\n\n\
         The client was connected to the killed node and goes on with the next. Goal: the median within two \
         maximum election timeouts ({} ms); {late} of {kills} kills took longer than that.\n\n\
         | what {COLUMNS}| recovery | {} |\n",
        GOAL.as_millis(),
        cells(samples)
    ))
}

fn restarts(binary: &Path, folder: &Path) -> Result<String, String> {
    let mut rows = String::new();
    for mib in SIZES_MIB {
        let dir = folder.join(mib.to_string());
        let mut cluster = Cluster::start(binary, &dir)?;
        let filled = Instant::now();
        Client::connect(cluster.clients[cluster.leader()?])?.fill(mib << 20, VALUE)?;
        let filled = filled.elapsed();
        cluster.wait_applied()?;
        let mut times = Vec::new();
        for gently in [true, false] {
            for node in 0..3 {
                if gently {
                    cluster.terminate(node)?;
                } else {
                    cluster.kill(node)?;
                }
            }
            let started = Instant::now();
            for node in 0..3 {
                cluster.launch(node)?;
            }
            cluster.wait_ready()?;
            let ready = started.elapsed();
            let keys = Client::connect(cluster.clients[0])?.call(&["DBSIZE"])?;
            let expected = format!(":{}", (mib << 20) / VALUE);
            if keys != expected {
                return Err(format!("after a restart DBSIZE is {keys}, expected {expected}"));
            }
            times.push(millis(ready));
        }
        let disk = tell(Command::new("du").args(["-sm"]).arg(dir.join("node-0")))?;
        let disk = disk.split_whitespace().next().unwrap_or("?").to_owned();
        let (fill, times) = (millis(filled), times.join(" | "));
        writeln!(rows, "| {mib} | {disk} | {fill} | {times} |").expect("a string");
        drop(cluster);
        fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    Ok(format!(
        "\n## Restart of all three nodes against the size of the data (values of {VALUE} bytes)\n\n\
         | data MiB | disk MiB a node | filled in ms | ready after SIGTERM, ms | ready after `kill -9`, ms |\n\
         | --- | --- | --- | --- | --- |\n{rows}"
    ))
}

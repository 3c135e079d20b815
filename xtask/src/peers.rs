//! `cargo xtask bench-peers`: ours beside its peers and beside the bare lower bound, on this machine.
//!
//! Systems take turns inside each repeat, since ratios of one run mean something and absolute figures of a shared
//! machine do not: `--reps N` (5), `--secs S` for each window (1.2), `--systems A,B` of [`system::NAMES`], `--rows
//! WORD` for the rows that contain it. Prints Markdown; `ATOLL` names a binary, else a release build is made.
//! `bench/install.sh` installs the peers. Data goes below `DATA` (/var/tmp): it must be on the disk to be measured.

mod limits;
mod load;
mod page;
mod rows;
mod system;
mod tools;

use crate::measure::{Folder, head, tell};
use crate::{Context, Outcome};
use load::{Load, Sample};
use rows::Figures;
use std::path::PathBuf;
use std::process::Command;

/// Set in the process that runs apart from the scheduler's group of its caller.
const APART: &str = "ATOLL_BENCH_APART";

struct Options {
    reps: usize,
    secs: f64,
    systems: Vec<&'static str>,
    rows: String,
}

pub(crate) fn run(context: &Context) -> Outcome {
    if let [flag, path] = context.arguments.as_slice()
        && flag == "--sync"
    {
        println!("{}", limits::sync(path.as_ref())?);
        return Ok(());
    }
    let options = parse(&context.arguments)?;
    if std::env::var_os(APART).is_none() {
        return apart(context);
    }
    // Group scheduling gives each session an equal share whatever its niceness: this one asks for a larger one.
    // Without the right to, the figures are noisier, and the page says how busy the machine was.
    let _ = std::fs::write("/proc/self/autogroup", "-20");
    let root = context.root.canonicalize().map_err(|e| e.to_string())?;
    let tools = tools::prepare(&root, &options.systems)?;
    let data = std::env::var_os("DATA").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let folder = tell(Command::new("mktemp").arg("-d").arg(data.join("atoll-peers-XXXXXX")))?;
    let folder = Folder(PathBuf::from(folder));
    let command = format!("bench-peers {}", context.arguments.join(" "));
    let head = head(&root, &tools.atoll, &folder.0, command.trim());
    let mut figures = Figures::default();
    for rep in 0..options.reps {
        figures.limits.push(limits::measure(&folder.0)?);
        for name in &options.systems {
            eprintln!("repeat {} of {}: {name}", rep + 1, options.reps);
            match one(name, &tools, &folder.0, &options) {
                Ok(samples) => {
                    samples.into_iter().for_each(|(load, sample)| figures.add(name, load, sample));
                }
                // The others' figures stand: an hour of a quiet machine is dear.
                Err(reason) => {
                    eprintln!("{name}: {reason}");
                    let _ = std::fs::remove_dir_all(folder.0.join(name));
                    figures.failed.push((name, reason));
                }
            }
        }
    }
    println!("{}", page::markdown(&head, &figures, options.reps));
    Ok(())
}

/// Starts, measures and stops one system.
fn one(
    name: &'static str,
    tools: &tools::Tools,
    folder: &std::path::Path,
    options: &Options,
) -> Result<Vec<(Load, Sample)>, String> {
    let loads = load::loads(name).into_iter();
    let loads: Vec<Load> = loads.filter(|load| options.wants(*load)).collect();
    let mut samples = Vec::new();
    if loads.is_empty() {
        return Ok(samples);
    }
    let system = system::start(name, tools, folder)?;
    load::fill(tools, &system)?;
    for load in loads {
        samples.push((load, load::run(tools, &system, load, options.secs)?));
    }
    drop(system);
    let folder = folder.join(name);
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(samples)
}

impl Options {
    /// Loads that fill what others read are wanted with them.
    fn wants(&self, load: Load) -> bool {
        let named = |load: Load| load.to_string().to_lowercase().contains(&self.rows);
        named(load) || (load == Load::Bench("set", 16) && named(Load::Bench("get", 16)))
    }
}

/// Runs the same command in a session of its own.
fn apart(context: &Context) -> Outcome {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("setsid");
    command.arg("-w").arg(program).arg("bench-peers").args(&context.arguments).env(APART, "1");
    let status = command.status().map_err(|e| format!("setsid: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

fn parse(words: &[String]) -> Result<Options, String> {
    let every = system::NAMES.to_vec();
    let mut options = Options { reps: 5, secs: 1.2, systems: every, rows: String::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let bad = || format!("{word}: `{value}` is no number");
        match word.as_str() {
            "--reps" => options.reps = value.parse::<usize>().map_err(|_| bad())?.max(1),
            "--secs" => options.secs = value.parse().map_err(|_| bad())?,
            "--rows" => options.rows = value.to_lowercase(),
            "--systems" => {
                let known = |name: &str| system::NAMES.into_iter().find(|known| *known == name);
                let all = value.split(',').map(|name| {
                    known(name).ok_or(format!("`{name}`: one of {}", system::NAMES.join(", ")))
                });
                options.systems = all.collect::<Result<Vec<&str>, String>>()?;
            }
            _ => return Err(format!("unexpected `{word}`")),
        }
    }
    Ok(options)
}

//! `atoll bench`: load on a server, and how it bore it.
//!
//! | file | what |
//! | --- | --- |
//! | `plan` | the command line, checked |
//! | `workload` | kinds of operations, their mixes, YCSB's six, sizes of values |
//! | `choice` | which key: uniform, zipfian, latest |
//! | `pace` | when the next operation starts: closed loop, or arrivals at a fixed rate |
//! | `source` | draws operations and writes them as commands |
//! | `driver` | the load of one thread as a value: time and bytes in, bytes out |
//! | `answer`, `tally` | what an answer says, and what is counted |
//! | `sockets`, `threads` | the machine around it: epoll, one thread or more |
//! | `record` | a run as data: `--json` |
//! | `report`, `page` | a run in words, and as a page with plots |
//! | `compare` | two runs beside each other, and what is noise |
//! | `progress` | how far it has come, on a terminal |
//!
//! Invariants: no error is counted as a success, nor the other way round; in an open loop an operation counts from
//! when it was meant to start, whenever it was sent, and one that was never sent is counted as such.

pub(crate) mod answer;
pub(crate) mod choice;
mod compare;
mod driver;
mod pace;
mod page;
mod plan;
mod progress;
mod record;
pub(super) mod report;
mod sockets;
mod source;
mod tally;
mod threads;
pub(crate) mod workload;

use super::args::Bench;
use super::cluster::{Cluster, Disks, Wires};
use crate::client::Client;
use crate::whole::write_whole;
use crate::{Failure, out};
use plan::Plan;
use progress::Progress;
use record::Run;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn run(args: &Bench) -> Result<(), Failure> {
    if let [a, b] = args.compare.as_slice() {
        return compare(a, b, args.html.as_deref());
    }
    let plan = Plan::of(args)?;
    let mut cluster = None;
    let names = if args.addr.is_empty() {
        let started = Cluster::start(args, Wires::Direct, Disks::Shared)?;
        let addresses = started.addresses();
        out::line(format_args!("{} nodes are up, in processes of their own", args.nodes));
        cluster = Some(started);
        addresses
    } else {
        args.addr.clone()
    };
    let run = measured(&plan, &names)?;
    out::line(format_args!("{}", report::text(&run).trim_end()));
    if let Some(path) = &args.json {
        write_whole(path, run.to_json().as_bytes())?;
    }
    if let Some(path) = &args.html {
        write_whole(path, page::page(&run).as_bytes())?;
    }
    cluster.map_or(Ok(()), Cluster::stop)
}

/// Loads if asked to, and runs.
fn measured(plan: &Plan, names: &[String]) -> Result<Run, Failure> {
    let addresses = plan::resolve(names)?;
    reachable(plan, names)?;
    let mut loaded = None;
    if plan.load {
        let mut progress = Progress::new("loading", None);
        let counted =
            threads::load(plan, &addresses, |number, second| progress.second(number, second))?;
        progress.end();
        let errors: u64 = counted.tally.kinds.values().map(|kind| kind.errors.sum()).sum();
        if errors > 0 {
            let first = counted.tally.texts.values().next().map_or("", String::as_str);
            return Err(format!(
                "{errors} of {} keys could not be set; the first: {first}",
                plan.keys
            ));
        }
        loaded = Some(counted.length);
    }
    let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut progress = Progress::new("running", Some(plan));
    let counted =
        threads::measure(plan, &addresses, |number, second| progress.second(number, second))?;
    progress.end();
    let run = Run::of(plan, &counted, began, loaded);
    if run.succeeded() + run.errors().sum() == 0 {
        return Err(format!("nothing was answered; is a server at {}?", names.join(", ")));
    }
    Ok(run)
}

/// At least one of them answers, and takes the password.
fn reachable(plan: &Plan, names: &[String]) -> Result<(), Failure> {
    let mut first = None;
    for name in names {
        match Client::within(name, plan.password.as_deref(), plan.patience) {
            Ok(_) => return Ok(()),
            Err(why) => first = first.or(Some(why)),
        }
    }
    first.map_or(Ok(()), Err)
}

fn compare(a: &Path, b: &Path, html: Option<&Path>) -> Result<(), Failure> {
    let read = |path: &Path| {
        let failed = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        Run::from_json(&text).map_err(failed)
    };
    let (first, second) = (read(a)?, read(b)?);
    let names = [a.display().to_string(), b.display().to_string()];
    let names = [names[0].as_str(), names[1].as_str()];
    out::line(format_args!("{}", compare::text(&first, &second, names).trim_end()));
    html.map_or(Ok(()), |path| {
        write_whole(path, page::comparison(&first, &second, names).as_bytes())
    })
}

#[cfg(test)]
mod tests;

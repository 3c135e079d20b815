//! `atoll bench --history`: clients that write down what they asked and what they got, for `atoll check`.
//! Against any Redis server, or against a cluster of its own in which things are made to go wrong.

use super::args::{Bench, Trouble};
use super::cluster::{Cluster, Disks, Wires};
use super::course;
use super::nemesis::{self, Program};
use super::recorder::Recorder;
use crate::whole::write_whole;
use crate::{Failure, out};
use check::kv::{KvOp, Reply};
use check::{History, Outcome};
use std::fmt::Write as _;
use std::path::Path;

pub(crate) fn run(args: &Bench, path: &Path) -> Result<(), Failure> {
    let mut cluster = None;
    let addresses = if args.addr.is_empty() {
        let started = Cluster::start(args, wires(args), disks(args))?;
        out::line(format_args!("{} nodes are up, in processes of their own", args.nodes));
        let addresses = started.addresses();
        cluster = Some(started);
        addresses
    } else if args.nemesis.is_empty() {
        args.addr.clone()
    } else {
        return Err("--nemesis acts on a cluster of its own: leave --addr out".into());
    };
    let recorder = Recorder::new(args, addresses)?;
    let (origin, until) = recorder.times();
    let program = Program { troubles: &args.nemesis, seed: args.seed, origin, until };
    let ((history, errors), done) = match &mut cluster {
        Some(cluster) => recorder.run(|| nemesis::run(cluster, program)),
        None => recorder.run(|| Ok(Vec::new())),
    }?;
    let mut text = String::new();
    for operation in &history.operations {
        let _ = writeln!(text, "{}", check::text::write_operation(operation));
    }
    write_whole(path, text.as_bytes())?;
    summary(path, &history);
    let course = course::Course::of(&history, &errors, &done);
    out::line(format_args!("{}", course.text().trim_end()));
    if let Some(page) = &args.html {
        write_whole(page, course.page().as_bytes())?;
    }
    cluster.map_or(Ok(()), Cluster::stop)
}

/// Links cost time: only what cuts them needs them.
fn wires(args: &Bench) -> Wires {
    let cut = args.nemesis.iter().any(|trouble| matches!(trouble, Trouble::Partition));
    if cut { Wires::Links } else { Wires::Direct }
}

fn disks(args: &Bench) -> Disks {
    let full = args.nemesis.iter().any(|trouble| matches!(trouble, Trouble::FullDisk));
    if full { Disks::Small } else { Disks::Shared }
}

fn summary(path: &Path, history: &History<KvOp, Reply>) {
    let count = |what: fn(&Outcome<Reply>) -> bool| {
        history.operations.iter().filter(|op| what(&op.outcome)).count()
    };
    let path = path.display();
    out::line(format_args!(
        "{} operations: {} answered, {} refused, {} of unknown outcome; written to {path}\n\
         judge them:  atoll check {path}",
        history.len(),
        history.answered(),
        count(|outcome| *outcome == Outcome::Failed),
        count(|outcome| *outcome == Outcome::Unknown),
    ));
}

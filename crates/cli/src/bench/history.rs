//! `atoll bench --history`: clients that write down what they asked and what they got, for `atoll check`.
//! Against any Redis server, or against a cluster of its own in which things are made to go wrong.

use super::args::Bench;
use super::cluster::{Cluster, Wires};
use super::nemesis;
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
        let started = Cluster::start(args.nodes, Wires::Links)?;
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
    let history = match &mut cluster {
        Some(cluster) => {
            recorder.run(|until| nemesis::run(cluster, &args.nemesis, args.seed, until))
        }
        None => recorder.run(|_| Ok(())),
    }?;
    let mut text = String::new();
    for operation in &history.operations {
        let _ = writeln!(text, "{}", check::text::write_operation(operation));
    }
    write_whole(path, text.as_bytes())?;
    summary(path, &history);
    cluster.map_or(Ok(()), Cluster::stop)
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

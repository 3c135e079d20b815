//! A cycle or another anomaly in words, after Elle's: "T1 < T2, because ... However, T2 < T1, because ...".

use super::Scan;
use super::cycle::{Step, name};
use super::facts::{Facts, Shape};
use super::sink::{Anomaly, Dependency, Reader, Sink, Writer};
use crate::level::{Edge, EdgeKind, Witness};
use crate::txn::{KeyId, Transactions, ValueId};

/// A witness that is no cycle.
pub(super) fn anomaly(
    history: &Transactions,
    anomaly: Anomaly,
    (txns, reason): &(Vec<u32>, String),
) -> Witness {
    let mut names: Vec<u32> = Vec::new();
    for txn in txns {
        if !names.contains(txn) {
            names.push(*txn);
        }
    }
    let reason = format!("{}: {reason}.", introduce(history, &names));
    witness(anomaly.name(), reason, &names, Vec::new())
}

/// A witness that is a cycle.
pub(super) fn cycle(facts: &Facts<'_>, scan: &mut Scan, steps: &[Step]) -> Witness {
    let steps = rotated(steps);
    let mut names: Vec<u32> = Vec::new();
    for step in &steps {
        if !names.contains(&step.from) {
            names.push(step.from);
        }
    }
    let called = |txn: u32| {
        let at = names.iter().position(|other| *other == txn).expect("every end is a beginning");
        format!("T{}", at + 1)
    };
    let (mut edges, mut words) = (Vec::new(), String::new());
    for (at, step) in steps.iter().enumerate() {
        let (from, to) = (called(step.from), called(step.to));
        let found = Finder::find(facts, scan, *step);
        let why = because(facts, *step, found, &from, &to);
        let last = at + 1 == steps.len();
        let lead = if last { " However, " } else { " " };
        let end = if last { ": a contradiction." } else { ";" };
        words.push_str(&format!("{lead}{from} < {to}, because {why}{end}"));
        edges.push(Edge {
            from: step.from as usize,
            to: step.to as usize,
            kind: step.kind,
            key: found.map(|found| found.key),
            value: found.map(|found| found.value),
            next: found.map(|found| found.next),
        });
    }
    let words = words.replace("; However", ". However");
    let reason = format!("{}.{words}", introduce(facts.history, &names));
    witness(name(&steps), reason, &names, edges)
}

fn witness(anomaly: &'static str, reason: String, names: &[u32], cycle: Vec<Edge>) -> Witness {
    let mut txns: Vec<usize> = names.iter().map(|txn| *txn as usize).collect();
    txns.sort_unstable();
    Witness { anomaly, reason, txns, stuck: None, order: Vec::new(), cycle }
}

/// A cycle that begins with its earliest transaction.
fn rotated(steps: &[Step]) -> Vec<Step> {
    let mut steps = steps.to_vec();
    let first = (0..steps.len()).min_by_key(|at| steps[*at].from).expect("a cycle has steps");
    steps.rotate_left(first);
    steps
}

/// Who is meant by T1, T2 and so on.
fn introduce(history: &Transactions, names: &[u32]) -> String {
    let mut all = Vec::new();
    for (at, txn) in names.iter().enumerate() {
        let known = &history.txns[*txn as usize];
        let what = history.describe(*txn as usize);
        let (process, line) = (known.process, known.line);
        all.push(format!("T{} = {what} of process {process}, line {line}", at + 1));
    }
    all.join("; ")
}

fn because(
    facts: &Facts<'_>,
    step: Step,
    found: Option<Dependency>,
    from: &str,
    to: &str,
) -> String {
    let Some(Dependency { key, value, next, .. }) = found else {
        return match step.kind {
            EdgeKind::RealTime => format!("{from} had returned before {to} was invoked"),
            EdgeKind::Process => {
                let process = facts.history.txns[step.from as usize].process;
                format!("process {process} did {from} before {to}")
            }
            kind => format!("of a {} dependency", kind.name()),
        };
    };
    let (x, u, v) =
        (facts.history.key_name(key), facts.history.shown(value), facts.history.shown(next));
    match (facts.shape(key), step.kind) {
        (Some(Shape::List), EdgeKind::Ww) => {
            format!("{to} appended {v} to {x} after {from} had appended {u}")
        }
        (Some(Shape::List), EdgeKind::Wr) => format!("{to} saw {u} in {x}, which {from} appended"),
        (_, EdgeKind::Derived) => {
            format!("{from} did not see {v} in {x}, which {to} wrote, and both wrote one key")
        }
        (Some(Shape::List), _) => format!("{from} did not see {v} in {x}, which {to} appended"),
        (_, EdgeKind::Ww) => format!("{to} set {x} to {v} after {from} had set it to {u}"),
        (_, EdgeKind::Wr) => format!("{to} read {x} = {u}, which {from} wrote"),
        (_, _) => format!("{from} found or left {x} = {u}, which {to} overwrote with {v}"),
    }
}

/// Finds the key and the versions behind a step.
struct Finder {
    step: Step,
    found: Option<Dependency>,
}

impl Finder {
    fn find(facts: &Facts<'_>, scan: &mut Scan, step: Step) -> Option<Dependency> {
        if matches!(step.kind, EdgeKind::Process | EdgeKind::RealTime) {
            return None;
        }
        let mut keys: Vec<KeyId> =
            facts.history.ops(step.from as usize).iter().map(|op| op.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        let both =
            |key: &KeyId| facts.history.ops(step.to as usize).iter().any(|op| op.key() == *key);
        let mut finder = Finder { step, found: None };
        for key in keys.into_iter().filter(both) {
            if finder.found.is_none() {
                scan.key(facts, key, &mut finder);
            }
        }
        finder.found
    }
}

impl Sink for Finder {
    fn dependency(&mut self, dependency: Dependency) {
        let found = Step { from: dependency.from, to: dependency.to, kind: dependency.kind };
        if self.found.is_none() && found == self.step {
            self.found = Some(dependency);
        }
    }

    fn overwritten(&mut self, key: KeyId, value: ValueId, readers: &[Reader], writers: &[Writer]) {
        let Step { from, to, kind } = self.step;
        if !matches!(kind, EdgeKind::Rw | EdgeKind::Derived)
            || !readers.iter().any(|reader| reader.txn == from)
        {
            return;
        }
        let writer = writers.iter().find(|writer| writer.txn == to);
        if let Some(next) = writer.map(|writer| writer.value).filter(|_| self.found.is_none()) {
            self.found = Some(Dependency { kind, key, from, to, value, next });
        }
    }

    fn anomaly(&mut self, _: Anomaly, _: &[u32], _: &dyn Fn() -> String) {}

    fn obscure(&mut self, _: KeyId, _: &dyn Fn() -> String) {}

    fn source(&mut self, _: u32, _: Option<u32>) {}
}

//! Bugs on purpose, each between what is found of a key and who listens: the twin and the stories find them all.

use super::sink::{Anomaly, Dependency, Reader, Writer};
use super::stories::{options, row, stories};
use super::twin::{compare, tiny};
use super::*;
use crate::format;
use crate::txn::ValueId;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// Dependencies of a kind are lost.
    Lose(EdgeKind),
    /// They point the other way.
    Turn(EdgeKind),
    /// Anti-dependencies reach only the first of several writers.
    OneWriter,
    /// Only the first of several readers has an anti-dependency.
    OneReader,
    /// Readers that write as well have none.
    NoUpdates,
    /// An anomaly is not reported.
    Silent(Anomaly),
    /// A key of which nothing is known passes for one that is clear.
    Clear,
    /// Every dependency is taken for one of write on write.
    AllWrites,
}

struct Planted<'s, S> {
    sink: &'s mut S,
    bug: Bug,
}

impl<S: Sink> Sink for Planted<'_, S> {
    fn dependency(&mut self, mut dependency: Dependency) {
        if self.bug == Bug::Lose(dependency.kind) {
            return;
        }
        if self.bug == Bug::Turn(dependency.kind) {
            (dependency.from, dependency.to) = (dependency.to, dependency.from);
        }
        if self.bug == Bug::AllWrites {
            dependency.kind = EdgeKind::Ww;
        }
        self.sink.dependency(dependency);
    }

    fn overwritten(&mut self, key: KeyId, value: ValueId, readers: &[Reader], writers: &[Writer]) {
        match self.bug {
            Bug::Lose(EdgeKind::Rw) => {}
            Bug::OneWriter => self.sink.overwritten(key, value, readers, &writers[..1]),
            Bug::OneReader => self.sink.overwritten(key, value, &readers[..1], writers),
            Bug::NoUpdates => {
                let pure = readers.iter().filter(|reader| !reader.wrote);
                let pure: Vec<Reader> = pure.copied().collect();
                self.sink.overwritten(key, value, &pure, writers);
            }
            _ => self.sink.overwritten(key, value, readers, writers),
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly, txns: &[u32], reason: &dyn Fn() -> String) {
        if self.bug != Bug::Silent(anomaly) {
            self.sink.anomaly(anomaly, txns, reason);
        }
    }

    fn obscure(&mut self, key: KeyId, reason: &dyn Fn() -> String) {
        if self.bug != Bug::Clear {
            self.sink.obscure(key, reason);
        }
    }

    fn source(&mut self, read: u32, write: Option<u32>) {
        self.sink.source(read, write);
    }
}

fn judge_with(bug: Bug, history: &Transactions, options: &Options) -> BTreeMap<Level, Judgement> {
    let mut scan = Scan::new(history, Assumed { options: *options, chains: false });
    let mut facts = Facts::of(history);
    facts.settle(&mut scan.slots);
    let mut builder = graph::Builder::of(&facts);
    let mut budget = Budget::default();
    let planted = &mut Planted { sink: &mut builder, bug };
    scan.all(&facts, planted, &budget).expect("there is time");
    let (mut graph, findings) = builder.build();
    let case = verdict::Case { facts: &facts, graph: &mut graph, findings: &findings, scan };
    case.judge(&mut budget).into_iter().collect()
}

/// Whether a story or a random history shows it.
fn is_found(bug: Bug) -> bool {
    let story = |(title, text, expected): (&str, &str, &str)| {
        let loaded = format::read(text.as_bytes(), &format::Options::default());
        let history = loaded.expect("readable").history;
        row(&judge_with(bug, &history, &options(title))) != expected
    };
    // A proof by replay keeps most bugs from being worse than a question left open, which a list never is.
    let random = |seed: u64| {
        let (history, lists) = (tiny(seed / 2, seed.is_multiple_of(2)), seed.is_multiple_of(2));
        let found = judge_with(bug, &history, &Options::default());
        let open = lists && !found[&Level::Serializable].is_decided();
        open || compare(&history, &found).is_err()
    };
    stories().into_iter().any(story) || (0..8000).any(random)
}

#[test]
fn every_bug_is_found() {
    let kinds = [EdgeKind::Ww, EdgeKind::Wr];
    let bugs = kinds.into_iter().flat_map(|kind| [Bug::Lose(kind), Bug::Turn(kind)]);
    let bugs = bugs.chain([Bug::Lose(EdgeKind::Rw), Bug::OneWriter, Bug::OneReader]);
    let bugs = bugs.chain([Bug::NoUpdates, Bug::Clear, Bug::AllWrites]);
    let bugs = bugs.chain(Anomaly::ALL.map(Bug::Silent));
    let missed: Vec<Bug> = bugs.filter(|bug| !is_found(*bug)).collect();
    assert!(missed.is_empty(), "nothing shows {missed:?}");
}

//! From what was found to a judgement of each level.

use super::cycle::{self, components, shortest};
use super::facts::Facts;
use super::graph::{Builder, Findings, Graph, PROCESS, RW, Space, WR, WW};
use super::serial::{self, Outcome, Respect};
use super::sink::Anomaly;
use super::{Assumed, Options, Scan, explain, replay, snapshot};
use crate::meter::{Meter, Spent};
use crate::{Budget, Judgement, Level, Witness};

/// All there is to judge by.
pub(super) struct Case<'c> {
    pub(super) facts: &'c Facts<'c>,
    pub(super) graph: &'c mut Graph,
    pub(super) findings: &'c Findings,
    pub(super) scan: Scan,
}

/// What is known of one level: a violation, a proof, or why neither.
#[derive(Clone, Debug)]
enum Known {
    Broken(Box<Witness>),
    Good,
    Open(String),
}

impl Known {
    fn judgement(self) -> Judgement {
        match self {
            Known::Broken(witness) => Judgement::Fails(witness),
            Known::Good => Judgement::Holds,
            Known::Open(why) => Judgement::Unknown(why),
        }
    }

    /// What breaks a level breaks those above.
    fn or(&self, above: impl FnOnce() -> Known) -> Known {
        if let Known::Broken(_) = self { self.clone() } else { above() }
    }
}

/// Anomalies that break read uncommitted; then read committed, read atomic, snapshot isolation.
const UNCOMMITTED: [Anomaly; 2] = [Anomaly::DuplicateElements, Anomaly::CyclicVersions];
const COMMITTED: [Anomaly; 6] = [
    Anomaly::DirtyUpdate,
    Anomaly::G1a,
    Anomaly::GarbageRead,
    Anomaly::G1b,
    Anomaly::IncompatibleOrder,
    Anomaly::FutureRead,
];
const ATOMIC: [Anomaly; 1] = [Anomaly::Internal];
const SNAPSHOT: [Anomaly; 1] = [Anomaly::LostUpdate];

impl Case<'_> {
    pub(super) fn judge(mut self, budget: &mut Budget) -> Vec<(Level, Judgement)> {
        // From above: an order that respects more is good for what respects less.
        let strict = self.facts.history.timed.then(|| self.serial(Respect::Time, budget));
        let sequential = match &strict {
            Some(Known::Good) => Known::Good,
            _ => self.serial(Respect::Process, budget),
        };
        let serializable = match sequential {
            Known::Good => Known::Good,
            _ => self.serial(Respect::Nothing, budget),
        };
        // From below: what breaks a level breaks those above.
        let mut ladder = match serializable {
            Known::Good => Ladder::good(),
            _ => self.ladder(budget),
        };
        let snapshot = ladder.snapshot;
        let serializable = self.above(&snapshot, serializable, Space::of(&[WW, WR, RW]));
        let process = Space::of(&[WW, WR, RW, PROCESS]);
        let sequential = self.above(&serializable, sequential, process);
        let sequential = self.assuming(sequential, Respect::Process, budget);
        let strict = match strict {
            Some(strict) => {
                let strict = self.above(&sequential, strict, Space::STRICT);
                self.assuming(strict, Respect::Time, budget).judgement()
            }
            None => Judgement::NotApplicable("the history does not say when".into()),
        };
        if let Known::Good = sequential {
            (ladder.committed, ladder.atomic) = (Some(Known::Good), Some(Known::Good));
        }
        let mut all = vec![
            (Level::StrictSerializable, strict),
            (Level::Serializable, serializable.clone().judgement()),
            (Level::SnapshotIsolation, snapshot.judgement()),
            (Level::RepeatableRead, serializable.judgement()),
            (Level::ReadUncommitted, ladder.uncommitted.judgement()),
        ];
        // Others judge these as well, and may know more.
        let sequential = Some(sequential).filter(|known| !matches!(known, Known::Open(_)));
        let more = [
            (Level::Sequential, sequential),
            (Level::ReadAtomic, ladder.atomic),
            (Level::ReadCommitted, ladder.committed),
        ];
        let more = more.into_iter().filter_map(|(level, known)| Some((level, known?.judgement())));
        all.extend(more);
        all
    }

    /// A level that has more edges than the one below it.
    fn above(&mut self, below: &Known, found: Known, space: Space) -> Known {
        below.or(|| match found {
            Known::Open(why) => self.cycle(space).map_or(Known::Open(why), Known::Broken),
            known => known,
        })
    }

    /// What an open level is once its promise is used: to a strict history each register is linearizable, to a
    /// sequential one it is sequential, which orders more versions.
    fn assuming(&mut self, found: Known, respect: Respect, budget: &mut Budget) -> Known {
        let Known::Open(_) = found else { return found };
        let timed = respect == Respect::Time;
        let options = Options { linearizable_keys: timed, sequential_keys: true };
        if self.findings.sources.is_empty() {
            return found;
        }
        let mut scan = Scan::new(self.facts.history, Assumed { options, chains: true });
        let mut builder = Builder::of(self.facts);
        if scan.all(self.facts, &mut builder, budget).is_err() {
            return found;
        }
        let (mut graph, findings) = builder.build();
        let space = if timed { Space::STRICT } else { Space::of(&[WW, WR, RW, PROCESS]) };
        let mut case = Case { facts: self.facts, graph: &mut graph, findings: &findings, scan };
        let broken = case.anomaly(&UNCOMMITTED).or_else(|| case.cycle(space));
        match (broken, case.serial(respect, budget)) {
            (Some(mut witness), _) => {
                witness.anomaly = cycle::stronger(witness.anomaly, timed);
                Known::Broken(witness)
            }
            (None, Known::Good) => Known::Good,
            (None, _) => found,
        }
    }

    /// The first of some anomalies that was found.
    fn anomaly(&self, of: &[Anomaly]) -> Option<Box<Witness>> {
        let found = |anomaly: &Anomaly| {
            let found = self.findings.anomalies[*anomaly as usize].as_ref()?;
            Some(Box::new(explain::anomaly(self.facts.history, *anomaly, found)))
        };
        of.iter().find_map(found)
    }

    fn roots(&self) -> impl Iterator<Item = u32> {
        (0..self.graph.txns as u32).filter(|txn| self.facts.happened[*txn as usize])
    }

    /// A short cycle.
    fn cycle(&mut self, space: Space) -> Option<Box<Witness>> {
        let components = components(self.graph, space, self.roots());
        let steps = shortest(self.graph, space, &components)?;
        Some(Box::new(explain::cycle(self.facts, &mut self.scan, &steps)))
    }

    /// A serial order that has been run, or why there is none yet.
    fn serial(&self, respect: Respect, budget: &mut Budget) -> Known {
        if self.findings.anomalies.iter().any(Option::is_some) {
            return Known::Open("an anomaly was found".into());
        }
        if (budget.expired)() {
            return Known::Open("the time was up before the search for an order".into());
        }
        match serial::order(self.facts, self.graph, self.findings, respect, budget) {
            Outcome::Order(order) if replay::serial(self.facts, &order, respect) => Known::Good,
            Outcome::Expired(why) => Known::Open(format!("the search for an order {why}")),
            Outcome::Stuck(stuck) => {
                let of = self.facts.happened.len();
                Known::Open(self.open(&format!("{stuck} of {of} transactions found no place")))
            }
            Outcome::Order(_) => Known::Open(self.open("the one order tried does not do")),
        }
    }

    /// Why nothing is certain.
    fn open(&self, how_far: &str) -> String {
        match &self.findings.obscure {
            Some(why) => format!("{why}; {how_far}"),
            None => format!("the order of versions is known in part only; {how_far}"),
        }
    }

    /// The levels below serializable, when that is not known to hold.
    fn ladder(&mut self, budget: &mut Budget) -> Ladder {
        let broken = |found: Option<Box<Witness>>| found.map(Known::Broken);
        // Every cycle is in here, so if there is none there is no other.
        let all = components(self.graph, Space::of(&[WW, WR, RW]), self.roots());
        let cyclic = !all.is_empty();
        self.graph.keep_apart(self.facts);
        let cycle = |case: &mut Self, space| if cyclic { case.cycle(space) } else { None };
        let uncommitted = self.anomaly(&UNCOMMITTED).or_else(|| cycle(self, Space::of(&[WW])));
        let committed = uncommitted.clone().or_else(|| self.anomaly(&COMMITTED));
        let committed = committed.or_else(|| cycle(self, Space::of(&[WW, WR])));
        let atomic = committed.clone().or_else(|| self.anomaly(&ATOMIC));
        let snapshot = atomic.clone().or_else(|| self.anomaly(&SNAPSHOT));
        let snapshot = snapshot.or_else(|| cycle(self, Space::Snapshot));
        let snapshot = broken(snapshot).unwrap_or_else(|| self.snapshot(budget));
        let uncommitted = match (broken(uncommitted), &self.findings.obscure_list) {
            (Some(broken), _) => broken,
            (None, Some(why)) => Known::Open(why.clone()),
            (None, None) => Known::Good,
        };
        let (committed, atomic) = (broken(committed), broken(atomic));
        Ladder { uncommitted, committed, atomic, snapshot }
    }

    fn snapshot(&self, budget: &mut Budget) -> Known {
        match snapshot::order(self.facts, self.graph, &mut Meter::new(budget)) {
            Ok(Some(order)) if replay::snapshot(self.facts, &order) => Known::Good,
            Ok(_) => {
                let why = "the orders of starts and commits that were tried do not do";
                Known::Open(self.open(why))
            }
            Err(Spent(why)) => Known::Open(why),
        }
    }
}

/// The levels below serializable.
struct Ladder {
    uncommitted: Known,
    /// `None`: not broken.
    committed: Option<Known>,
    atomic: Option<Known>,
    snapshot: Known,
}

impl Ladder {
    /// Of what is serializable. Read committed and read atomic say more than that.
    fn good() -> Ladder {
        Ladder { uncommitted: Known::Good, committed: None, atomic: None, snapshot: Known::Good }
    }
}

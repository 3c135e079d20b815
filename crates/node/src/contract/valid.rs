//! The rules: what no system could keep, or what contradicts itself. Each violation carries one step towards
//! a valid contract; [`refusal`] follows the steps to the nearest one.
//!
//! A step keeps the promise (consistency, faults) and changes the means where it can, so that the nearest
//! contract never promises less than was asked without the message saying so.

use super::{
    Acks, Clause, Code, Conflict, Consistency, Contract, ContractError, Faults, QuorumMode, Reads,
    Replication, Session, Staleness,
};
use stdx::Duration;

/// More replicas of one partition than anyone runs.
const MAX_REPLICAS: u16 = 64;
/// PBFT's f at that many replicas.
const MAX_F: u16 = (MAX_REPLICAS - 1) / 3;
const MAX_PARTITIONS: u32 = 65_536;
/// Clocks that gain or lose more than a tenth are broken, and a lease that allows for it would hardly last.
const MAX_DRIFT_PPM: u32 = 100_000;
/// The bound proposed to who asked for bounded reads without one.
const PROPOSED_AGE: Staleness = Staleness::Age(Duration::from_secs(5));
/// More steps than any contract needs; `tests` walk them all.
const MAX_STEPS: usize = 16;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The clause to change.
    pub clause: Clause,
    /// Why, with the arithmetic.
    pub message: String,
    /// One step towards a valid contract.
    pub step: Contract,
}

/// The error for a violation, with the nearest valid contract.
pub(super) fn refusal(violation: Violation) -> ContractError {
    let Violation { clause, message, step: mut contract } = violation;
    let mut steps = 0;
    while let Some(next) = contract.violation() {
        steps += 1;
        assert!(steps <= MAX_STEPS, "the rules lead in a circle at `{contract}`");
        contract = next.step;
    }
    let nearest = Some(contract.to_string());
    ContractError { code: Code::Invalid, clause, message, nearest }
}

/// READS lease, and not a word of the clocks. No bound is proposed: it would be ours, of clocks that are theirs.
pub(super) fn lease_without_bound(contract: &Contract) -> Violation {
    let message = "a lease rests on a bound on the drift of clocks, and there is no default for that: say \
                   READS lease DRIFT=500ppm if no node's clock gains or loses more";
    Violation { clause: Clause::Reads, message: message.into(), step: contract.clone() }
}

/// CAS demanded of a contract that cannot offer it.
pub(super) fn cas_violation(contract: &Contract) -> Option<Violation> {
    if contract.replication.one_log() {
        return None;
    }
    let why = match (&contract.conflict, contract.replication) {
        (Some(Conflict::Lww), _) => {
            "last write wins keeps the highest clock whatever it was compared with: of two concurrent \
             compare-and-sets both would succeed and one be lost"
        }
        (_, Replication::Abd { .. }) => {
            "a register offers read and write only; compare-and-set needs consensus (Herlihy 1991)"
        }
        _ => {
            "concurrent writes are merged, not ordered: of two compare-and-sets both would succeed"
        }
    };
    let n = contract.replication.replicas();
    let step = Contract {
        consistency: Consistency::Linearizable,
        replication: Replication::Raft { n },
        conflict: None,
        staleness: None,
        session: Session::NONE,
        ..contract.clone()
    };
    Some(Violation { clause: Clause::Cas, message: why.into(), step })
}

impl Contract {
    /// The first rule this contract breaks, if any. [`super::parse`] answers none that breaks one.
    pub fn violation(&self) -> Option<Violation> {
        self.counts()
            .or_else(|| self.fault_model())
            .or_else(|| self.kept_by_replication())
            .or_else(|| self.quorums())
            .or_else(|| self.leases())
            .or_else(|| self.bound())
            .or_else(|| self.redundant_session())
            .or_else(|| self.merging())
    }

    fn broken(
        &self,
        clause: Clause,
        message: String,
        change: impl FnOnce(&mut Contract),
    ) -> Violation {
        let mut step = self.clone();
        change(&mut step);
        assert_ne!(step, *self, "a step that changes nothing: {message}");
        Violation { clause, message, step }
    }

    fn replicate(&self, message: String, replication: Replication) -> Option<Violation> {
        Some(self.broken(Clause::Replication, message, |step| step.replication = replication))
    }

    fn counts(&self) -> Option<Violation> {
        let n = self.replication.replicas();
        if n == 0 || n > MAX_REPLICAS {
            let fit = n.clamp(1, MAX_REPLICAS);
            let message = format!("N={n} is not in 1..={MAX_REPLICAS}");
            return self.replicate(message, self.replication.with_replicas(fit));
        }
        if self.partitions == 0 || self.partitions > MAX_PARTITIONS {
            let message = format!("{} is not in 1..={MAX_PARTITIONS}", self.partitions);
            let fit = self.partitions.clamp(1, MAX_PARTITIONS);
            return Some(self.broken(Clause::Partitions, message, |step| step.partitions = fit));
        }
        match self.replication {
            Replication::Quorum { r, w, .. } | Replication::Abd { r, w, .. }
                if !(1..=n).contains(&r) || !(1..=n).contains(&w) =>
            {
                let message = format!("R={r} and W={w} must be in 1..=N={n}");
                self.replicate(message, self.replication.with_quorums(r.clamp(1, n), w.clamp(1, n)))
            }
            Replication::Leader { acks: Acks::Semisync(0), .. } => self.replicate(
                "semisync 0 waits for nobody: that is async".into(),
                Replication::Leader { n, acks: Acks::Async },
            ),
            Replication::Leader { acks: Acks::Semisync(k), .. } if k >= n - 1 => self.replicate(
                format!("semisync {k} of {} followers is sync", n - 1),
                Replication::Leader { n, acks: Acks::Sync },
            ),
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. }
            | Replication::Multileader { .. }
            | Replication::Quorum { .. }
            | Replication::Abd { .. } => None,
        }
    }

    fn fault_model(&self) -> Option<Violation> {
        let fault = |message, faults| {
            Some(self.broken(Clause::Faults, message, |step| step.faults = faults))
        };
        match (self.faults, self.replication) {
            (Faults::Byzantine { f }, _) if f == 0 || f > MAX_F => {
                let fit = f.clamp(1, MAX_F);
                fault(format!("f={f} is not in 1..={MAX_F}"), Faults::Byzantine { f: fit })
            }
            (Faults::Byzantine { f }, Replication::Pbft { n }) if n < 3 * f + 1 => {
                let needed = 3 * f + 1;
                let message =
                    format!("N={n} < 3f+1 = {needed} with f={f}: f liars could not be outvoted");
                self.replicate(message, Replication::Pbft { n: needed })
            }
            (Faults::Byzantine { .. }, Replication::Pbft { .. }) => None,
            (Faults::Byzantine { f }, _) => {
                let message = "tolerates crashes only: a lying replica breaks it; pbft needs 3f+1";
                self.replicate(message.into(), Replication::Pbft { n: 3 * f + 1 })
            }
            (Faults::Crash, Replication::Pbft { n }) => {
                let f = (n.saturating_sub(1) / 3).max(1);
                let message = "pbft pays for Byzantine faults: say how many, or use raft";
                fault(message.into(), Faults::Byzantine { f })
            }
            (Faults::Crash, _) => None,
        }
    }

    fn kept_by_replication(&self) -> Option<Violation> {
        use Consistency::{Bounded, Causal, Linearizable, Sequential};
        let n = self.replication.replicas();
        let raft = Replication::Raft { n };
        match (self.consistency, self.replication) {
            (Linearizable, Replication::Quorum { r, w, .. }) => {
                let message = match u32::from(r) + u32::from(w) {
                    sum if sum <= u32::from(n) => format!(
                        "R+W={sum} <= N={n}: a read may miss every replica of the newest write; \
                         abd is linearizable over quorums"
                    ),
                    _ => "reads that do not write back may go back in time even with R+W > N; abd is \
                          linearizable over quorums"
                        .into(),
                };
                self.replicate(message, Replication::Abd { n, r, w })
            }
            (Sequential, Replication::Quorum { .. }) => {
                self.replicate("quorums give no total order of writes".into(), raft)
            }
            (Linearizable | Sequential, Replication::Multileader { .. }) => {
                let message = "several leaders accept writes at once: no one order exists";
                self.replicate(message.into(), raft)
            }
            (Linearizable | Sequential, Replication::Leader { acks, .. }) if acks != Acks::Sync => {
                let message =
                    "a failover may lose an acknowledged write unless every follower has it";
                self.replicate(message.into(), Replication::Leader { n, acks: Acks::Sync })
            }
            (Causal, Replication::Leader { acks: Acks::Async, .. }) => {
                let acks = if n > 2 { Acks::Semisync(1) } else { Acks::Sync };
                let message = "a failover may lose a write that others already depend on";
                self.replicate(message.into(), Replication::Leader { n, acks })
            }
            (Causal, Replication::Quorum { .. }) => self.replicate(
                "quorum replicas apply writes in any order; multileader delivers causally".into(),
                Replication::Multileader { n },
            ),
            (Bounded, Replication::Quorum { r, w, mode, .. }) if mode != QuorumMode::Strict => {
                let message = "without overlapping quorums nothing bounds how old a read is";
                self.replicate(
                    message.into(),
                    Replication::Quorum { n, r, w, mode: QuorumMode::Strict },
                )
            }
            (consistency, Replication::Abd { .. }) if consistency != Linearizable => {
                let message =
                    "abd reads are linearizable and pay for it; a weaker level gains nothing";
                Some(self.broken(Clause::Consistency, message.into(), |step| {
                    step.consistency = Linearizable;
                }))
            }
            _ => None,
        }
    }

    fn quorums(&self) -> Option<Violation> {
        let (n, r, w, mode) = match self.replication {
            Replication::Quorum { n, r, w, mode } => (n, r, w, mode),
            Replication::Abd { n, r, w } => (n, r, w, QuorumMode::Strict),
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. }
            | Replication::Multileader { .. } => return None,
        };
        let (writes_meet, reads_meet) = (2 * w > n, r + w > n);
        let strict = w.max(n / 2 + 1);
        let overlapping = self.replication.with_quorums(r.max(n + 1 - strict), strict);
        match mode {
            QuorumMode::Strict if !reads_meet && 2 * w < n => {
                let sum = r + w;
                let message = format!(
                    "R+W={sum} <= N={n}: a read may miss the newest write, and 2W={} <= N: two writes may \
                     miss each other; PARTIAL says so",
                    2 * w
                );
                self.replicate(message, overlapping)
            }
            QuorumMode::Strict if 2 * w == n => {
                let message = format!(
                    "W={w} is half of N={n}, and half of an even N is not a majority: two writes may meet \
                     in no replica; W={} is, or PARTIAL says so",
                    n / 2 + 1
                );
                self.replicate(message, overlapping)
            }
            QuorumMode::Strict if !writes_meet => {
                let message = format!("2W={} <= N={n}: two writes may miss each other", 2 * w);
                self.replicate(message, overlapping)
            }
            QuorumMode::Strict if !reads_meet => {
                let message = format!("R+W={} <= N={n}: a read may miss the newest write", r + w);
                self.replicate(message, overlapping)
            }
            QuorumMode::Partial if writes_meet && reads_meet => {
                let message =
                    format!("R+W={} > N={n} and 2W={} > N overlap: that is STRICT", r + w, 2 * w);
                self.replicate(message, Replication::Quorum { n, r, w, mode: QuorumMode::Strict })
            }
            QuorumMode::Strict | QuorumMode::Sloppy | QuorumMode::Partial => None,
        }
    }

    fn leases(&self) -> Option<Violation> {
        let Reads::Lease { drift_ppm } = self.reads else { return None };
        let index = |message: String| {
            Some(self.broken(Clause::Reads, message, |step| step.reads = Reads::Index))
        };
        let leads =
            matches!(self.replication, Replication::Raft { .. } | Replication::Paxos { .. });
        if !leads || self.consistency != Consistency::Linearizable {
            return index(
                "a lease serves the linearizable reads of raft's or paxos' leader".into(),
            );
        }
        if drift_ppm == 0 {
            return index("DRIFT=0ppm says that all clocks run alike: none do".into());
        }
        if drift_ppm > MAX_DRIFT_PPM {
            return index(format!("DRIFT={drift_ppm}ppm is more than {MAX_DRIFT_PPM}ppm"));
        }
        None
    }

    fn bound(&self) -> Option<Violation> {
        let restate = |message: &str, staleness| {
            let change = |step: &mut Contract| step.staleness = staleness;
            Some(self.broken(Clause::Staleness, message.into(), change))
        };
        let ordered = self.replication.one_log();
        match (self.consistency, self.staleness) {
            (Consistency::Bounded, None) => {
                restate("bounded needs a bound: STALENESS 5s, or 10 VERSIONS", Some(PROPOSED_AGE))
            }
            (
                Consistency::Bounded,
                Some(Staleness::Versions(0) | Staleness::Age(Duration::ZERO)),
            ) => {
                let message = "a bound of nothing is linearizable: say so";
                Some(self.broken(Clause::Staleness, message.into(), |step| {
                    step.consistency = Consistency::Linearizable;
                    step.staleness = None;
                }))
            }
            (Consistency::Bounded, Some(Staleness::Versions(_))) if !ordered => restate(
                "versions of concurrent writers are not in one line to count along",
                Some(PROPOSED_AGE),
            ),
            (Consistency::Bounded, Some(_)) | (_, None) => None,
            (Consistency::Causal | Consistency::Eventual, Some(_)) => {
                let message = "only CONSISTENCY bounded bounds how old a read is";
                Some(self.broken(Clause::Staleness, message.into(), |step| {
                    step.consistency = Consistency::Bounded;
                }))
            }
            (Consistency::Linearizable | Consistency::Sequential, Some(_)) => {
                restate("only CONSISTENCY bounded has a bound; this one promises an order", None)
            }
        }
    }

    fn redundant_session(&self) -> Option<Violation> {
        let implied = match self.consistency {
            Consistency::Linearizable | Consistency::Sequential | Consistency::Causal => true,
            Consistency::Bounded | Consistency::Eventual => false,
        };
        if !implied || self.session == Session::NONE {
            return None;
        }
        let message = "redundant: this consistency already gives every session all four guarantees";
        Some(self.broken(Clause::Session, message.into(), |step| step.session = Session::NONE))
    }

    fn merging(&self) -> Option<Violation> {
        let merges = matches!(
            self.replication,
            Replication::Quorum { .. } | Replication::Multileader { .. }
        );
        let (message, conflict) = match (merges, &self.conflict) {
            (true, None) => (
                "concurrent writes happen here: say what becomes of them",
                Some(Conflict::Siblings),
            ),
            (false, Some(_)) => ("writes have one order here: none conflict", None),
            (true, Some(_)) | (false, None) => return None,
        };
        Some(self.broken(Clause::Conflict, message.into(), |step| step.conflict = conflict))
    }
}

impl Replication {
    fn with_replicas(self, n: u16) -> Replication {
        match self {
            Replication::Raft { .. } => Replication::Raft { n },
            Replication::Paxos { .. } => Replication::Paxos { n },
            Replication::Pbft { .. } => Replication::Pbft { n },
            Replication::Leader { acks, .. } => Replication::Leader { n, acks },
            Replication::Multileader { .. } => Replication::Multileader { n },
            Replication::Quorum { r, w, mode, .. } => Replication::Quorum { n, r, w, mode },
            Replication::Abd { r, w, .. } => Replication::Abd { n, r, w },
        }
    }

    fn with_quorums(self, r: u16, w: u16) -> Replication {
        match self {
            Replication::Quorum { n, mode, .. } => Replication::Quorum { n, r, w, mode },
            Replication::Abd { n, .. } => Replication::Abd { n, r, w },
            Replication::Raft { .. }
            | Replication::Paxos { .. }
            | Replication::Pbft { .. }
            | Replication::Leader { .. }
            | Replication::Multileader { .. } => self,
        }
    }
}

//! Words to a contract. Pure; what it answers has no violation.

use super::text::{CONSISTENCIES, PARTITIONINGS, QUORUM_MODES, SESSIONS, TABLES, UNITS, Words};
use super::valid::{cas_violation, lease_without_bound, refusal};
use super::{
    Acks, Clause, Code, Conflict, Consistency, Contract, ContractError, Faults, PartitionBy,
    QuorumMode, Reads, Replication, Session, Staleness, TableKind,
};
use stdx::Duration;

/// More words than any contract has.
const MAX_WORDS: usize = 64;
/// Longer than any word of a contract.
const MAX_WORD: usize = 64;

/// How many replicas a keyspace gets in a cluster of `members` nodes when its contract names none.
pub fn default_replicas(members: u16) -> u16 {
    members.clamp(1, 3)
}

/// The contract that `words` declare in a cluster of `members` nodes (which only sets the default of N).
/// Keywords are of any case; a word with spaces counts as several.
pub fn parse<W: AsRef<[u8]>>(words: &[W], members: u16) -> Result<Contract, ContractError> {
    let mut rest = Tokens::new(words)?;
    let mut draft = Draft::default();
    while let Some(word) = rest.take() {
        draft.clause(&word, &mut rest)?;
    }
    let demands_cas = draft.cas.is_some();
    let unbounded = draft.reads == Some(Said::Lease(None));
    let contract = draft.finish(default_replicas(members));
    if let Some(violation) = contract.violation() {
        return Err(refusal(violation));
    }
    if unbounded {
        return Err(refusal(lease_without_bound(&contract)));
    }
    match cas_violation(&contract) {
        Some(violation) if demands_cas => Err(refusal(violation)),
        _ => Ok(contract),
    }
}

fn syntax(clause: Clause, message: String) -> ContractError {
    ContractError { code: Code::Syntax, clause, message, nearest: None }
}

/// The words not yet read.
struct Tokens(std::collections::VecDeque<String>);

impl Tokens {
    fn new<W: AsRef<[u8]>>(words: &[W]) -> Result<Tokens, ContractError> {
        let mut tokens = std::collections::VecDeque::new();
        for word in words {
            let Ok(text) = std::str::from_utf8(word.as_ref()) else {
                return Err(syntax(Clause::Whole, "a word is not UTF-8".into()));
            };
            for token in text.split_ascii_whitespace() {
                if token.len() > MAX_WORD || tokens.len() == MAX_WORDS {
                    let message = format!("more than {MAX_WORDS} words of {MAX_WORD} bytes");
                    return Err(syntax(Clause::Whole, message));
                }
                tokens.push_back(token.to_string());
            }
        }
        Ok(Tokens(tokens))
    }

    fn take(&mut self) -> Option<String> {
        self.0.pop_front()
    }

    /// The next word if it does not open a clause.
    fn argument(&mut self) -> Option<String> {
        let opens = self.0.front().is_none_or(|word| clause_named(word).is_some());
        if opens { None } else { self.0.pop_front() }
    }

    /// Takes the next word if it is `word`.
    fn skip(&mut self, word: &str) -> bool {
        let there = self.0.front().is_some_and(|next| next.eq_ignore_ascii_case(word));
        if there {
            self.0.pop_front();
        }
        there
    }

    fn expect(&mut self, clause: Clause, wanted: &str) -> Result<String, ContractError> {
        self.argument().ok_or_else(|| syntax(clause, format!("expected {wanted}, found nothing")))
    }
}

fn clause_named(word: &str) -> Option<Clause> {
    let clauses = [
        ("CONSISTENCY", Clause::Consistency),
        ("REPLICATION", Clause::Replication),
        ("PARTITIONS", Clause::Partitions),
        ("PARTITION", Clause::PartitionBy),
        ("TABLE", Clause::Table),
        ("READS", Clause::Reads),
        ("SESSION", Clause::Session),
        ("STALENESS", Clause::Staleness),
        ("CONFLICT", Clause::Conflict),
        ("CAS", Clause::Cas),
        ("FAULTS", Clause::Faults),
    ];
    let named = |(name, _): &(&str, Clause)| word.eq_ignore_ascii_case(name);
    clauses.into_iter().find(named).map(|(_, clause)| clause)
}

fn one_of<T: Copy>(clause: Clause, among: Words<T>, rest: &mut Tokens) -> Result<T, ContractError> {
    let names: Vec<&str> = among.iter().map(|(name, _)| *name).collect();
    let wanted = names.join(" | ");
    let word = rest.expect(clause, &wanted)?;
    let found = among.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value).ok_or_else(|| unexpected(clause, &word, &wanted))
}

fn unexpected(clause: Clause, word: &str, wanted: &str) -> ContractError {
    syntax(clause, format!("expected {wanted}, found `{}`", word.escape_debug()))
}

fn number<T: std::str::FromStr>(clause: Clause, text: &str) -> Result<T, ContractError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok() } else { None };
    parsed.ok_or_else(|| unexpected(clause, text, "a number in range"))
}

/// The value of `name=value` if `word` is one.
fn assigned<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (left, right) = word.split_once('=')?;
    left.eq_ignore_ascii_case(name).then_some(right)
}

/// What was said, clause by clause; what was not gets its default at the end, when all is known.
#[derive(Default)]
struct Draft {
    consistency: Option<Consistency>,
    replication: Option<Copies>,
    partitions: Option<u32>,
    partition_by: Option<PartitionBy>,
    table: Option<TableKind>,
    reads: Option<Said>,
    session: Option<Session>,
    staleness: Option<Staleness>,
    conflict: Option<Conflict>,
    cas: Option<()>,
    faults: Option<Faults>,
}

/// READS as written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Index,
    /// With or without DRIFT.
    Lease(Option<u32>),
}

/// REPLICATION as written.
struct Copies {
    kind: Kind,
    n: Option<u16>,
    r: Option<u16>,
    w: Option<u16>,
    mode: Option<QuorumMode>,
    acks: Option<Acks>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raft,
    Paxos,
    Pbft,
    Leader,
    Multileader,
    Quorum,
    Abd,
}

const KINDS: Words<Kind> = &[
    ("raft", Kind::Raft),
    ("paxos", Kind::Paxos),
    ("pbft", Kind::Pbft),
    ("leader", Kind::Leader),
    ("multileader", Kind::Multileader),
    ("quorum", Kind::Quorum),
    ("abd", Kind::Abd),
];

fn once<T>(slot: &mut Option<T>, clause: Clause, value: T) -> Result<(), ContractError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax(clause, "said twice".into())),
    }
}

impl Draft {
    fn clause(&mut self, word: &str, rest: &mut Tokens) -> Result<(), ContractError> {
        let Some(clause) = clause_named(word) else {
            let wanted = "CONSISTENCY, REPLICATION, PARTITIONS, PARTITION BY, TABLE, READS, \
                          SESSION, STALENESS, CONFLICT, CAS or FAULTS";
            return Err(unexpected(Clause::Whole, word, wanted));
        };
        match clause {
            Clause::Whole => unreachable!("no word names the whole"),
            Clause::Consistency => {
                once(&mut self.consistency, clause, one_of(clause, CONSISTENCIES, rest)?)
            }
            Clause::Replication => once(&mut self.replication, clause, Copies::read(rest)?),
            Clause::Partitions => {
                let word = rest.expect(clause, "a number")?;
                once(&mut self.partitions, clause, number(clause, &word)?)
            }
            Clause::PartitionBy => {
                if !rest.skip("BY") {
                    return Err(syntax(clause, "expected BY after PARTITION".into()));
                }
                once(&mut self.partition_by, clause, one_of(clause, PARTITIONINGS, rest)?)
            }
            Clause::Table => once(&mut self.table, clause, one_of(clause, TABLES, rest)?),
            Clause::Reads => once(&mut self.reads, clause, reads(rest)?),
            Clause::Session => once(&mut self.session, clause, session(rest)?),
            Clause::Staleness => once(&mut self.staleness, clause, staleness(rest)?),
            Clause::Conflict => once(&mut self.conflict, clause, conflict(rest)?),
            Clause::Cas => once(&mut self.cas, clause, ()),
            Clause::Faults => once(&mut self.faults, clause, faults(rest)?),
        }
    }

    fn finish(self, replicas: u16) -> Contract {
        let faults = self.faults;
        let replication = match (self.replication, self.consistency, faults) {
            (Some(copies), _, _) => copies.finish(replicas, faults),
            (None, _, Some(Faults::Byzantine { f })) => {
                Replication::Pbft { n: f.saturating_mul(3).saturating_add(1) }
            }
            (None, Some(Consistency::Causal), _) => Replication::Multileader { n: replicas },
            (None, Some(Consistency::Eventual), _) => {
                let majority = replicas / 2 + 1;
                let mode = QuorumMode::Strict;
                Replication::Quorum { n: replicas, r: majority, w: majority, mode }
            }
            (None, _, _) => Replication::Raft { n: replicas },
        };
        let byzantine =
            Faults::Byzantine { f: (replication.replicas().saturating_sub(1) / 3).max(1) };
        let pbft = matches!(replication, Replication::Pbft { .. });
        let bounded = self.staleness.map(|_| Consistency::Bounded);
        let ring = matches!(replication, Replication::Quorum { .. } | Replication::Abd { .. });
        let merges =
            matches!(replication, Replication::Quorum { .. } | Replication::Multileader { .. });
        Contract {
            consistency: self.consistency.or(bounded).unwrap_or(strongest(replication)),
            replication,
            partitions: self.partitions.unwrap_or(1),
            partition_by: self.partition_by.unwrap_or(if ring {
                PartitionBy::Ring
            } else {
                PartitionBy::Modulo
            }),
            table: self.table.unwrap_or(TableKind::Memory),
            reads: match self.reads {
                Some(Said::Lease(Some(drift_ppm))) => Reads::Lease { drift_ppm },
                Some(Said::Lease(None) | Said::Index) | None => Reads::Index,
            },
            session: self.session.unwrap_or_default(),
            staleness: self.staleness,
            conflict: self.conflict.or(merges.then_some(Conflict::Siblings)),
            faults: faults.unwrap_or(if pbft { byzantine } else { Faults::Crash }),
        }
    }
}

/// The strongest consistency a replication keeps: the default, so that nobody silently gets less.
fn strongest(replication: Replication) -> Consistency {
    match replication {
        Replication::Raft { .. }
        | Replication::Paxos { .. }
        | Replication::Pbft { .. }
        | Replication::Abd { .. }
        | Replication::Leader { acks: Acks::Sync, .. } => Consistency::Linearizable,
        Replication::Leader { acks: Acks::Semisync(_), .. } | Replication::Multileader { .. } => {
            Consistency::Causal
        }
        Replication::Leader { acks: Acks::Async, .. } | Replication::Quorum { .. } => {
            Consistency::Eventual
        }
    }
}

impl Copies {
    fn read(rest: &mut Tokens) -> Result<Copies, ContractError> {
        let clause = Clause::Replication;
        let kind = one_of(clause, KINDS, rest)?;
        let mut copies = Copies { kind, n: None, r: None, w: None, mode: None, acks: None };
        while let Some(word) = rest.argument() {
            copies.setting(&word, rest)?;
        }
        Ok(copies)
    }

    fn setting(&mut self, word: &str, rest: &mut Tokens) -> Result<(), ContractError> {
        let clause = Clause::Replication;
        let quorums = matches!(self.kind, Kind::Quorum | Kind::Abd);
        if let Some(value) = assigned(word, "N") {
            return once(&mut self.n, clause, number(clause, value)?);
        }
        if quorums && let Some(value) = assigned(word, "R") {
            return once(&mut self.r, clause, number(clause, value)?);
        }
        if quorums && let Some(value) = assigned(word, "W") {
            return once(&mut self.w, clause, number(clause, value)?);
        }
        let mode = QUORUM_MODES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        if let (Kind::Quorum, Some((_, mode))) = (self.kind, mode) {
            return once(&mut self.mode, clause, *mode);
        }
        let acks = match word.to_ascii_lowercase().as_str() {
            "async" => Some(Acks::Async),
            "sync" => Some(Acks::Sync),
            "semisync" => {
                let followers = rest.expect(clause, "how many followers")?;
                Some(Acks::Semisync(number(clause, &followers)?))
            }
            _ => None,
        };
        match (self.kind, acks) {
            (Kind::Leader, Some(acks)) => once(&mut self.acks, clause, acks),
            _ => {
                let wanted = match self.kind {
                    Kind::Leader => "async | semisync k | sync | N=",
                    Kind::Quorum => "N= | R= | W= | STRICT | SLOPPY | PARTIAL",
                    Kind::Abd => "N= | R= | W=",
                    Kind::Raft | Kind::Paxos | Kind::Pbft | Kind::Multileader => "N=",
                };
                Err(unexpected(clause, word, wanted))
            }
        }
    }

    fn finish(self, replicas: u16, faults: Option<Faults>) -> Replication {
        let byzantine = match faults {
            Some(Faults::Byzantine { f }) => f.saturating_mul(3).saturating_add(1),
            Some(Faults::Crash) | None => 4,
        };
        let default = if self.kind == Kind::Pbft { byzantine } else { replicas };
        let n = self.n.unwrap_or(default);
        let majority = n / 2 + 1;
        let (r, w) = (self.r.unwrap_or(majority), self.w.unwrap_or(majority));
        match self.kind {
            Kind::Raft => Replication::Raft { n },
            Kind::Paxos => Replication::Paxos { n },
            Kind::Pbft => Replication::Pbft { n },
            Kind::Leader => Replication::Leader { n, acks: self.acks.unwrap_or(Acks::Async) },
            Kind::Multileader => Replication::Multileader { n },
            Kind::Quorum => {
                Replication::Quorum { n, r, w, mode: self.mode.unwrap_or(QuorumMode::Strict) }
            }
            Kind::Abd => Replication::Abd { n, r, w },
        }
    }
}

fn reads(rest: &mut Tokens) -> Result<Said, ContractError> {
    let clause = Clause::Reads;
    let wanted = "index | lease DRIFT=<number>ppm";
    let word = rest.expect(clause, wanted)?;
    match word.to_ascii_lowercase().as_str() {
        "index" => Ok(Said::Index),
        "lease" => {
            let Some(setting) = rest.argument() else { return Ok(Said::Lease(None)) };
            let lower = setting.to_ascii_lowercase();
            match assigned(&lower, "drift").and_then(|value| value.strip_suffix("ppm")) {
                Some(digits) => Ok(Said::Lease(Some(number(clause, digits)?))),
                None => {
                    Err(unexpected(clause, &setting, "DRIFT=<number>ppm, such as DRIFT=500ppm"))
                }
            }
        }
        _ => Err(unexpected(clause, &word, wanted)),
    }
}

fn session(rest: &mut Tokens) -> Result<Session, ContractError> {
    let wanted = "none | all | some of ryw, mr, mw, wfr";
    let first = rest.expect(Clause::Session, wanted)?;
    let mut words = vec![first];
    words.extend(std::iter::from_fn(|| rest.argument()));
    let text = words.join(",").to_ascii_lowercase();
    match text.as_str() {
        "none" => return Ok(Session::NONE),
        "all" => return Ok(Session::ALL),
        _ => {}
    }
    let mut session = Session::NONE;
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let found = SESSIONS.iter().find(|(name, _)| *name == word);
        let (_, guarantee) = found.ok_or_else(|| unexpected(Clause::Session, word, wanted))?;
        session = session.with(*guarantee);
    }
    if session == Session::NONE {
        Err(unexpected(Clause::Session, &text, wanted))
    } else {
        Ok(session)
    }
}

fn staleness(rest: &mut Tokens) -> Result<Staleness, ContractError> {
    let clause = Clause::Staleness;
    let wanted = "an age such as 5s or 200ms, or a number and VERSIONS";
    let word = rest.expect(clause, wanted)?;
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (amount, unit) = word.split_at(digits);
    let count: u64 = number(clause, amount).map_err(|_| unexpected(clause, &word, wanted))?;
    let counted =
        |unit: &str| ["versions", "version"].contains(&unit.to_ascii_lowercase().as_str());
    if counted(unit) || unit.is_empty() && rest.argument().is_some_and(|next| counted(&next)) {
        return Ok(Staleness::Versions(count));
    }
    let size = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
    let nanos = size.and_then(|(_, size)| count.checked_mul(*size));
    nanos
        .map(|nanos| Staleness::Age(Duration::from_nanos(nanos)))
        .ok_or_else(|| unexpected(clause, &word, wanted))
}

fn conflict(rest: &mut Tokens) -> Result<Conflict, ContractError> {
    let clause = Clause::Conflict;
    let wanted = "lww | siblings | crdt | merge NAME";
    let word = rest.expect(clause, wanted)?;
    match word.to_ascii_lowercase().as_str() {
        "lww" => Ok(Conflict::Lww),
        "siblings" => Ok(Conflict::Siblings),
        "crdt" => Ok(Conflict::Crdt),
        "merge" => {
            let name = rest.expect(clause, "the name of a merge function")?;
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if name.bytes().all(inner) {
                Ok(Conflict::Merge(name))
            } else {
                Err(unexpected(clause, &name, "a name of letters, digits, `_`, `.` and `-`"))
            }
        }
        _ => Err(unexpected(clause, &word, wanted)),
    }
}

fn faults(rest: &mut Tokens) -> Result<Faults, ContractError> {
    let clause = Clause::Faults;
    let word = rest.expect(clause, "crash | byzantine f=F")?;
    match word.to_ascii_lowercase().as_str() {
        "crash" => Ok(Faults::Crash),
        "byzantine" => {
            let Some(setting) = rest.argument() else { return Ok(Faults::Byzantine { f: 1 }) };
            match assigned(&setting, "f") {
                Some(value) => Ok(Faults::Byzantine { f: number(clause, value)? }),
                None => Err(unexpected(clause, &setting, "f=F")),
            }
        }
        _ => Err(unexpected(clause, &word, "crash | byzantine f=F")),
    }
}

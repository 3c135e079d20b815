//! What was found, in words and as a witness.

use super::Found;
use super::graph::{Arc, Graph, LISTED, Why};
use super::resolved::{INIT, Resolved, SEEN};
use super::writers::written;
use crate::txn::{KeyId, Transactions, ValueId};
use crate::{Edge, EdgeKind, Level, Witness};

/// More steps than this are not for reading.
const MOST: usize = 6;

/// A transaction, by its process and what it is or where it begins.
pub(crate) fn who(h: &Transactions, number: usize) -> String {
    let txn = &h.txns[number];
    match h.ops(number).len() {
        0..=2 => format!("process {}'s `{}`", txn.process, h.describe(number)),
        _ => format!("process {}'s transaction of line {}", txn.process, txn.line),
    }
}

/// What `found` is, in the part that it was found in.
pub(super) fn witness(h: &Transactions, part: &Resolved, found: &Found, level: Level) -> Witness {
    let speaker = Speaker { h, part, level };
    let cyclic = found.arcs.iter().all(|arc| arc.to != INIT);
    let arcs = found.arcs.iter().filter(|_| cyclic);
    let mut txns: Vec<usize> = part.txn.iter().map(|&txn| txn as usize).collect();
    txns.sort_unstable();
    Witness {
        anomaly: speaker.name(&found.arcs),
        reason: speaker.reason(&found.arcs),
        txns,
        stuck: None,
        order: Vec::new(),
        cycle: arcs.map(|arc| speaker.edge(arc)).collect(),
    }
}

struct Speaker<'a> {
    h: &'a Transactions,
    part: &'a Resolved,
    level: Level,
}

/// The key and the reader of an arc that a level derives, if a read made it.
fn known(arc: &Arc) -> Option<(u32, u32)> {
    match arc.why {
        Why::Derived { by, key } if key & LISTED == 0 => Some((by, key)),
        _ => None,
    }
}

/// The key of an arc that a list tells.
fn listed(arc: &Arc) -> Option<u32> {
    match arc.why {
        Why::Derived { key, .. } if key & LISTED != 0 => Some(key & !LISTED),
        _ => None,
    }
}

impl Speaker<'_> {
    /// Bouajjani et al., POPL 2017, name the patterns of the causal levels; Adya and Elle the cycles of arcs that
    /// can be seen.
    fn name(&self, arcs: &[Arc]) -> &'static str {
        let count = |what: fn(&Arc) -> bool| arcs.iter().filter(|arc| what(arc)).count();
        let (derived, versions) =
            (count(|arc| known(arc).is_some()), count(|arc| listed(arc).is_some()));
        let initial = arcs.iter().any(|arc| arc.to == INIT);
        // Whether the one thing derived follows from causes alone.
        let causal = || arcs.iter().filter_map(|arc| Some((arc.from, known(arc)?.0)));
        let causal = || causal().all(|(from, by)| self.how(from, by).is_some());
        let weak = matches!(self.level, Level::ReadCommitted | Level::ReadAtomic);
        match self.level {
            _ if weak && derived == 0 && versions == arcs.len() => {
                let same = arcs.iter().all(|arc| listed(arc) == listed(&arcs[0]));
                if same { "incompatible-order" } else { "G0" }
            }
            _ if weak && derived == 0 => {
                let session = arcs.iter().any(|arc| arc.why == Why::Session);
                if session { "G1c-process" } else { "G1c" }
            }
            Level::ReadCommitted => "non-monotonic-read",
            Level::ReadAtomic => {
                let twice = derived == 2 && arcs.len() == 2 && known(&arcs[0]) == known(&arcs[1]);
                if twice { "non-repeatable-read" } else { "fractured-read" }
            }
            _ if derived + versions == 0 => "CyclicCO",
            _ if initial && causal() => "WriteCOInitRead",
            _ if initial => "WriteHBInitRead",
            _ if derived == 1 && versions == 0 && causal() => "WriteCORead",
            Level::CausalMemory => "CyclicHB",
            Level::CausalConvergence => "CyclicCF",
            _ => "fractured-read",
        }
    }

    /// How `by` knew of `from`, if by causes alone.
    fn how(&self, from: u32, by: u32) -> Option<String> {
        let graph = Graph::new(self.part, &[]);
        let path = graph.path(from, by, |_| true)?;
        Some(match path[..] {
            [Arc { why: Why::Session, .. }] => "earlier in the same process".into(),
            [Arc { why: Why::Reads(SEEN), .. }] => "whose append it saw".into(),
            [Arc { why: Why::Reads(key), .. }] => format!("from which it read `{}`", self.key(key)),
            _ => "in its causal past".into(),
        })
    }

    fn reason(&self, arcs: &[Arc]) -> String {
        let told: Vec<String> = arcs.iter().take(MOST).map(|arc| self.tell(arc)).collect();
        let more = match arcs.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!("; and {more} more such steps"),
        };
        let what = if arcs.iter().any(|arc| arc.to == INIT) { "" } else { "These make a cycle: " };
        format!("{what}{}{more}", told.join("; "))
    }

    fn tell(&self, arc: &Arc) -> String {
        let (from, to) = (self.who(arc.from), self.who(arc.to));
        match arc.why {
            Why::Session => format!("{to} follows {from}"),
            Why::Reads(SEEN) => format!("{to} saw what {from} appended"),
            Why::Reads(key) => format!("{to} read `{}` from {from}", self.key(key)),
            Why::Derived { by, key } if key & LISTED != 0 => {
                let (by, key) = (self.who(by), self.key(key & !LISTED));
                format!("in `{key}` as {by} read it, {from} comes before {to}")
            }
            Why::Derived { by, key } => {
                let how =
                    self.how(arc.from, by).unwrap_or("before it as its process must see it".into());
                let (by, key) = (self.who(by), self.key(key));
                if arc.to == INIT {
                    return format!(
                        "{by} found `{key}` as it was at first, but {from} wrote it, {how}"
                    );
                }
                format!("{by} read `{key}` from {to}, so that {from}, {how}, must come before that")
            }
        }
    }

    fn who(&self, node: u32) -> String {
        let number = self.part.txn.get(node as usize);
        number.map_or("the initial state".into(), |&number| who(self.h, number as usize))
    }

    fn key(&self, key: u32) -> String {
        self.h.key_name(self.id(key))
    }

    fn id(&self, key: u32) -> KeyId {
        KeyId(self.part.keys[key as usize])
    }

    /// What `node` wrote to `key`, last.
    fn wrote(&self, node: u32, key: KeyId) -> Option<ValueId> {
        let ops = self.h.ops(self.part.txn[node as usize] as usize);
        let all = ops.iter().rev().filter_map(written);
        all.filter(|(of, _)| *of == key).map(|(_, value)| value).next()
    }

    fn edge(&self, arc: &Arc) -> Edge {
        let number = |node: u32| self.part.txn[node as usize] as usize;
        let key = match arc.why {
            Why::Session | Why::Reads(SEEN) => None,
            Why::Reads(key) => Some(self.id(key)),
            Why::Derived { key, .. } => Some(self.id(key & !LISTED)),
        };
        let kind = match arc.why {
            Why::Session => EdgeKind::Process,
            Why::Reads(_) => EdgeKind::Wr,
            Why::Derived { .. } if listed(arc).is_some() => EdgeKind::Ww,
            Why::Derived { .. } => EdgeKind::Derived,
        };
        let value = key.and_then(|key| self.wrote(arc.from, key));
        let next = match kind {
            EdgeKind::Wr => value,
            _ => key.and_then(|key| self.wrote(arc.to, key)),
        };
        Edge { from: number(arc.from), to: number(arc.to), kind, key, value, next }
    }
}

//! From a history to who read from whom, or to the read that no weak level allows.
//!
//! A transaction of unknown outcome that nobody read from is taken not to have happened: leaving it out takes
//! away constraints and adds none. One that was read from did happen, at any time after its invocation, so that
//! what its process did later need not come after it.

use super::look::{Look, Seen};
use super::resolved::{AFTER, INIT, Read, Resolved};
use super::words::who;
use super::writers::{Source, Writers};
use crate::names::Table;
use crate::planted::{self, Bug};
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};
use crate::{Judgement, Level, Witness};

/// A read that no order can explain.
pub(crate) struct Misread {
    /// By the names of Plume (Liu et al., OOPSLA 2024) and of Adya.
    pub(crate) anomaly: &'static str,
    pub(crate) reason: String,
    pub(crate) txns: Vec<usize>,
}

pub(super) struct Builder<'a> {
    pub(super) history: &'a Transactions,
    pub(super) writers: Writers,
    look: Look,
    /// By transaction.
    pub(super) node_of: Vec<u32>,
    pub(super) resolved: Resolved,
    /// Kept for its memory.
    pub(super) sorted: Vec<ValueId>,
}

/// Who read from whom in `history`, or at once its judgement at `level`.
pub(crate) fn resolve(history: &Transactions, level: Level) -> Result<Resolved, Judgement> {
    if let Some(op) = history.all_ops().iter().find(|op| !speaks_of(op)) {
        let what = history.describe_op(op);
        let reason = format!("{level} is judged over registers and lists, and there is {what}");
        return Err(Judgement::NotApplicable(reason));
    }
    let mut builder = Builder {
        history,
        writers: Writers::new(history),
        look: Look::new(history.keys.len()),
        node_of: Vec::new(),
        resolved: Resolved::default(),
        sorted: Vec::new(),
    };
    builder.run().map_err(|misread| {
        let Misread { anomaly, reason, mut txns } = misread;
        txns.sort_unstable();
        txns.dedup();
        let (stuck, order, cycle) = (None, Vec::new(), Vec::new());
        Judgement::Fails(Box::new(Witness { anomaly, reason, txns, stuck, order, cycle }))
    })?;
    Ok(builder.resolved)
}

fn speaks_of(op: &Op) -> bool {
    match op {
        Op::Read { .. }
        | Op::Write { .. }
        | Op::Cas { .. }
        | Op::Append { .. }
        | Op::ReadList { .. } => true,
        Op::Add { .. }
        | Op::Count { .. }
        | Op::Insert { .. }
        | Op::ReadSet { .. }
        | Op::Enqueue { .. }
        | Op::Dequeue { .. }
        | Op::Redis { .. } => false,
    }
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Misread> {
        let happened = self.happened()?;
        let after = self.number(&happened);
        self.resolved.reads_at.push(0);
        self.resolved.writes_at.push(0);
        for node in self.resolved.nodes() {
            self.node(node, &after)?;
        }
        let doubt = self.look.doubt.take();
        self.resolved.doubt = self.resolved.doubt.take().or(doubt);
        Ok(())
    }

    /// Which transactions happened: those that committed, and those of unknown outcome that were read from.
    fn happened(&mut self) -> Result<Vec<bool>, Misread> {
        let txns = &self.history.txns;
        let mut happened: Vec<bool> = txns.iter().map(|txn| txn.fate == Fate::Committed).collect();
        if !txns.iter().any(|txn| txn.fate == Fate::Unknown) {
            return Ok(happened);
        }
        let mut waiting: Vec<usize> = (0..txns.len()).filter(|&txn| happened[txn]).rev().collect();
        while let Some(txn) = waiting.pop() {
            self.look.at(self.history, &self.writers, txn)?;
            for seen in &self.look.seen {
                let (key, values) = match seen {
                    Seen::Register(key, value) => (*key, std::slice::from_ref(value)),
                    Seen::List(key, list, len) => (*key, &self.history.elements(*list)[..*len]),
                };
                for &value in values {
                    let source = self.writers.source(self.history, (key, value), txn as u32);
                    if let Source::One { txn: from, .. } = source
                        && !std::mem::replace(&mut happened[from as usize], true)
                    {
                        waiting.push(from as usize);
                    }
                }
            }
        }
        Ok(happened)
    }

    /// Numbers those that happened, session by session. A transaction of unknown outcome that its process did
    /// not end with is a session of its own: the answer says after which node each of those comes.
    fn number(&mut self, happened: &[bool]) -> Table<u32, u32> {
        let txns = &self.history.txns;
        let those = || txns.iter().enumerate().filter(|(number, _)| happened[*number]);
        let mut links: Table<u64, (u32, usize)> = Table::default();
        for (number, txn) in those() {
            let fresh = links.len() as u32;
            links.entry(txn.process).or_insert((fresh, number)).1 = number;
        }
        let mut sizes = vec![0_u32; links.len()];
        let mut session_of = vec![u32::MAX; txns.len()];
        for (number, txn) in those() {
            let (session, end) = links[&txn.process];
            let alone = txn.fate == Fate::Unknown && end != number && !planted::is(Bug::ForkIsLink);
            session_of[number] = if alone { sizes.len() as u32 } else { session };
            if alone {
                sizes.push(0);
            }
            sizes[session_of[number] as usize] += 1;
        }
        let resolved = &mut self.resolved;
        resolved.starts.push(0);
        resolved.starts.extend(sizes.iter().scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        }));
        let mut next = resolved.starts.clone();
        let count = next[sizes.len()] as usize;
        (resolved.txn, resolved.session) = (vec![0; count], vec![0; count]);
        self.node_of = vec![INIT; txns.len()];
        let mut after = Table::default();
        for (number, txn) in those() {
            let session = session_of[number] as usize;
            let node = next[session];
            next[session] += 1;
            self.node_of[number] = node;
            resolved.txn[node as usize] = number as u32;
            resolved.session[node as usize] = session as u32;
            let link = links[&txn.process].0 as usize;
            if link != session && resolved.starts[link] < next[link] {
                after.insert(node, next[link] - 1);
            }
        }
        after
    }

    /// The reads and writes of `node`, after those of the nodes before it.
    fn node(&mut self, node: u32, after: &Table<u32, u32>) -> Result<(), Misread> {
        let txn = self.resolved.txn[node as usize];
        if let Some(&from) = after.get(&node) {
            self.resolved.reads.push(Read { key: AFTER, from });
        }
        self.look.at(self.history, &self.writers, txn as usize)?;
        let seen = std::mem::take(&mut self.look.seen);
        for seen in &seen {
            match *seen {
                Seen::Register(key, value) => self.register(txn, key, value)?,
                Seen::List(key, list, len) => self.list(node, key, list, len)?,
            }
        }
        self.look.seen = seen;
        self.look.keys.sort_unstable();
        self.look.keys.dedup();
        let resolved = &mut self.resolved;
        resolved.writes.extend_from_slice(&self.look.keys);
        resolved.reads_at.push(resolved.reads.len() as u32);
        resolved.writes_at.push(resolved.writes.len() as u32);
        Ok(())
    }

    fn register(&mut self, txn: u32, key: KeyId, value: ValueId) -> Result<(), Misread> {
        let nil = value == ValueId::NIL;
        let from = match self.writers.source(self.history, (key, value), txn) {
            Source::Nobody | Source::Aborted(_) | Source::Reader if nil => INIT,
            Source::One { txn, last: true, .. } if !nil => self.node_of[txn as usize],
            Source::Several | Source::One { .. } if nil => {
                let key = self.history.key_name(key);
                self.doubt(format!("nil is written to `{key}`, and also its initial value"));
                return Ok(());
            }
            Source::Several => {
                let (key, value) = (self.history.key_name(key), self.history.shown(value));
                self.doubt(format!("{value} is written to `{key}` more than once, and read"));
                return Ok(());
            }
            source => return Err(self.misread(txn, key, value, source)),
        };
        self.resolved.reads.push(Read { key: key.0, from });
        Ok(())
    }

    /// Keeps the first reason why a history in which nothing is found may be bad all the same.
    pub(super) fn doubt(&mut self, reason: String) {
        self.resolved.doubt.get_or_insert(reason);
    }

    /// The error of a read of `value` by `txn`.
    pub(super) fn misread(&self, txn: u32, key: KeyId, value: ValueId, source: Source) -> Misread {
        let (h, reader) = (self.history, who(self.history, txn as usize));
        let what = format!("{reader} read {} from `{}`", h.shown(value), h.key_name(key));
        let (anomaly, other, why) = match source {
            Source::Nobody => ("ThinAirRead", txn, "which nobody wrote".into()),
            Source::Reader => ("FutureRead", txn, "which it wrote itself only later".into()),
            Source::Aborted(other) => {
                let other_name = who(h, other as usize);
                ("G1a", other, format!("which only {other_name} wrote, and that was aborted"))
            }
            Source::One { txn: other, .. } => {
                let other_name = who(h, other as usize);
                ("G1b", other, format!("which {other_name} overwrote before it ended"))
            }
            Source::Several => unreachable!("several writers are no error"),
        };
        let txns = vec![txn as usize, other as usize];
        Misread { anomaly, reason: format!("{what}, {why}"), txns }
    }
}

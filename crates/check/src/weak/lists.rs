//! Lists that were read, as who appended their elements.
//!
//! A list is the version that its last element made, and shows every append before it. The appends of one
//! transaction are one unit: a list has all of them, together and in their order, or none.

use super::build::{Builder, Misread};
use super::resolved::{INIT, ListRead, Read, SEEN};
use super::words::who;
use super::writers::Source;
use crate::planted::{self, Bug};
use crate::txn::{Elements, KeyId, Op, ValueId};

impl Builder<'_> {
    /// Notes that `node` read the first `len` of `elements`.
    pub(super) fn list(
        &mut self,
        node: u32,
        key: KeyId,
        elements: Elements,
        len: usize,
    ) -> Result<(), Misread> {
        let txn = self.resolved.txn[node as usize];
        let elements = &self.history.elements(elements)[..len];
        let from = self.resolved.elements.len();
        let (mut at, mut sure) = (0, true);
        while at < len {
            let value = elements[at];
            at += match self.writers.source(self.history, (key, value), txn) {
                Source::One { txn: other, first, last } => {
                    let whole = first && last || planted::is(Bug::TornLists);
                    let run =
                        if whole { 1 } else { self.appended(txn, other, key, &elements[at..])? };
                    self.resolved.elements.push(self.node_of[other as usize]);
                    run
                }
                Source::Several => {
                    let (name, value) = (self.history.key_name(key), self.history.shown(value));
                    self.doubt(format!("{value} is appended to `{name}` more than once, and read"));
                    sure = false;
                    1
                }
                source => return Err(self.misread(txn, key, value, source)),
            };
        }
        self.once(txn, key, elements)?;
        let resolved = &mut self.resolved;
        let nodes = &resolved.elements[from..];
        let seen = |&from: &u32| Read { key: SEEN, from };
        if !sure {
            resolved.reads.extend(nodes.iter().map(seen));
            resolved.elements.truncate(from);
            return Ok(());
        }
        let version = nodes.last().copied();
        let before = nodes.len().saturating_sub(1);
        resolved.reads.extend(nodes[..before].iter().map(seen));
        resolved.reads.push(Read { key: key.0, from: version.unwrap_or(INIT) });
        let len = nodes.len() as u32;
        resolved.lists.push(ListRead { node, key: key.0, from: from as u32, len });
        Ok(())
    }

    /// How many of `elements`, from the first, are the appends of `other`: all it made to `key`.
    fn appended(
        &self,
        txn: u32,
        other: u32,
        key: KeyId,
        elements: &[ValueId],
    ) -> Result<usize, Misread> {
        let h = self.history;
        let mut run = 0;
        for op in h.ops(other as usize) {
            let Op::Append { key: of, value } = *op else { continue };
            if of != key {
                continue;
            }
            if elements.get(run) != Some(&value) {
                let torn = elements.contains(&value);
                let (reader, writer) = (who(h, txn as usize), who(h, other as usize));
                let how = if torn { "apart" } else { "in part" };
                let name = h.key_name(key);
                let reason = format!("{reader} saw what {writer} appended to `{name}` {how}");
                let anomaly = if torn { "G0" } else { "G1b" };
                return Err(Misread { anomaly, reason, txns: vec![txn as usize, other as usize] });
            }
            run += 1;
        }
        Ok(run)
    }

    /// What was appended once is in a list once.
    fn once(&mut self, txn: u32, key: KeyId, elements: &[ValueId]) -> Result<(), Misread> {
        if elements.is_sorted_by(|one, next| one < next) {
            return Ok(());
        }
        self.sorted.clear();
        self.sorted.extend_from_slice(elements);
        self.sorted.sort_unstable();
        let mut pairs = self.sorted.windows(2).filter(|pair| pair[0] == pair[1]);
        let twice = pairs.find(|pair| self.writers.times(key, pair[0]) == 1);
        let Some(&[value, _]) = twice else { return Ok(()) };
        let h = self.history;
        let (reader, name) = (who(h, txn as usize), h.key_name(key));
        let reason = format!("{reader} found {} twice in `{name}`", h.shown(value));
        Err(Misread { anomaly: "duplicate-elements", reason, txns: vec![txn as usize] })
    }
}

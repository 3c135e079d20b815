//! What each node has written about each group, read from the very bytes that go to its log: the independent
//! witness of "durable on a majority before it is acknowledged".

use node::{GroupId, Record};
use std::collections::BTreeMap;
use stdx::{NodeId, Position};

/// The entries and snapshots in the logs of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    replicas: BTreeMap<(NodeId, GroupId), Written>,
    /// Entries that other entries have replaced.
    pub(crate) truncated: u64,
}

#[derive(Debug, Default)]
struct Written {
    /// By index: the term of the entry and where it stands.
    entries: BTreeMap<u64, (u64, Position)>,
    /// Snapshots: up to which index, and where the mark stands.
    marks: Vec<(u64, Position)>,
}

impl Written {
    /// The entries from `first` on are gone: how many.
    fn cut(&mut self, first: u64) -> u64 {
        let mut gone = 0;
        while self.entries.last_key_value().is_some_and(|(index, _)| *index >= first) {
            self.entries.pop_last();
            gone += 1;
        }
        gone
    }
}

impl Shadow {
    /// A node starts again: what it has is what its log gives back.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.replicas.retain(|(of, _), _| *of != node);
    }

    /// A record was written, or read back at a start.
    pub(crate) fn record(&mut self, node: NodeId, at: Position, record: &Record) {
        let Record::Raft { group, record } = record else { return };
        let written = self.replicas.entry((node, *group)).or_default();
        match record {
            raft::Record::Hard { .. } => {}
            raft::Record::Entries { entries } => {
                let first = entries.first().map_or(u64::MAX, |entry| entry.index);
                self.truncated += written.cut(first);
                written.entries.extend(entries.iter().map(|e| (e.index, (e.term, at))));
            }
            raft::Record::Mark { mark, keeps_suffix, .. } => {
                if !*keeps_suffix {
                    written.cut(mark.index + 1);
                }
                written.marks.push((mark.index, at));
            }
        }
    }

    /// Whether `node` would still have the entry after a power cut, its log being durable up to `durable`.
    pub(crate) fn covers(
        &self,
        (node, durable): (NodeId, Position),
        group: GroupId,
        (index, term): (u64, Option<u64>),
    ) -> bool {
        let Some(written) = self.replicas.get(&(node, group)) else { return false };
        let entry = written.entries.get(&index);
        entry.is_some_and(|(of, at)| *at < durable && term.is_none_or(|term| term == *of))
            || written.marks.iter().any(|(upto, at)| *upto >= index && *at < durable)
    }
}

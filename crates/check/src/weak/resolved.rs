//! A history in which every read knows the transaction it read from: nodes, session order and reads-from, flat.

use std::ops::Range;

/// No node: the initial state of every key.
pub(crate) const INIT: u32 = u32::MAX;

/// What a node knows of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The key whose version was read, or [`SEEN`], or [`AFTER`].
    pub(crate) key: u32,
    /// The node that wrote that version, or [`INIT`].
    pub(crate) from: u32,
}

/// In place of a key: an element before the last of a list that was read. It was seen, but is not the version.
pub(crate) const SEEN: u32 = u32::MAX;
/// In place of a key: the session order, for a transaction of unknown outcome that is no link of its session: it
/// comes after what its process had done, and nothing that the process did later need come after it.
pub(crate) const AFTER: u32 = u32::MAX - 1;

/// A list that was read, as the nodes that appended its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListRead {
    pub(crate) node: u32,
    pub(crate) key: u32,
    pub(crate) from: u32,
    pub(crate) len: u32,
}

/// The transactions that happened, as nodes: those of a session are consecutive, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    /// The number of each in the history.
    pub(crate) txn: Vec<u32>,
    pub(crate) session: Vec<u32>,
    /// Where each session begins, and the end of the last.
    pub(crate) starts: Vec<u32>,
    /// Where the reads of each node begin, and the end of the last.
    pub(crate) reads_at: Vec<u32>,
    /// In the order of the program; reads of what the node itself had written are left out.
    pub(crate) reads: Vec<Read>,
    pub(crate) writes_at: Vec<u32>,
    /// The keys each node writes, ascending, each once.
    pub(crate) writes: Vec<u32>,
    /// By node.
    pub(crate) lists: Vec<ListRead>,
    pub(crate) elements: Vec<u32>,
    /// Keys by their numbers in the history, where they are not the same.
    pub(crate) keys: Vec<u32>,
    /// Why a history in which nothing is found may still be bad.
    pub(crate) doubt: Option<String>,
}

impl Resolved {
    pub(crate) fn len(&self) -> usize {
        self.txn.len()
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> Range<u32> {
        0..u32::try_from(self.len()).expect("nodes are numbered by u32")
    }

    /// All sessions.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Range<u32>> {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// What `node` read, in its order.
    pub(crate) fn reads(&self, node: u32) -> &[Read] {
        let at = node as usize;
        &self.reads[self.reads_at[at] as usize..self.reads_at[at + 1] as usize]
    }

    /// The keys `node` wrote, ascending.
    pub(crate) fn writes(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.writes[self.writes_at[at] as usize..self.writes_at[at + 1] as usize]
    }

    /// The nodes that appended what was read.
    pub(crate) fn elements(&self, list: &ListRead) -> &[u32] {
        &self.elements[list.from as usize..][..list.len as usize]
    }

    /// The one before `node` in its session.
    pub(crate) fn previous(&self, node: u32) -> Option<u32> {
        (self.starts[self.session[node as usize] as usize] < node).then(|| node - 1)
    }

    /// Where `node` stands in its session, from 1.
    pub(crate) fn place(&self, node: u32) -> u32 {
        node - self.starts[self.session[node as usize] as usize] + 1
    }

    /// The part that consists of `nodes`, which ascend. What was read from others is forgotten.
    pub(crate) fn part(&self, nodes: &[u32]) -> Resolved {
        let local = |node: u32| nodes.binary_search(&node).ok().map_or(INIT, |at| at as u32);
        let mut keys: Vec<u32> = nodes.iter().flat_map(|&node| self.touched(node)).collect();
        keys.sort_unstable();
        keys.dedup();
        let name = |key: u32| match key {
            SEEN | AFTER => key,
            key => keys.binary_search(&key).map_or(SEEN, |at| at as u32),
        };
        let mut part = Resolved { starts: vec![0], ..Resolved::default() };
        (part.reads_at, part.writes_at) = (vec![0], vec![0]);
        for (at, &node) in nodes.iter().enumerate() {
            let session = self.session[node as usize];
            if at > 0 && self.session[nodes[at - 1] as usize] != session {
                part.starts.push(at as u32);
            }
            part.txn.push(self.txn[node as usize]);
            part.session.push(part.starts.len() as u32 - 1);
            for read in self.reads(node) {
                let from = match read {
                    Read { from: INIT, .. } => Some(INIT),
                    Read { key: AFTER, from } => self.kept(nodes, *from),
                    Read { from, .. } => Some(local(*from)).filter(|&from| from != INIT),
                };
                part.reads.extend(from.map(|from| Read { key: name(read.key), from }));
            }
            part.writes.extend(self.writes(node).iter().map(|&key| name(key)));
            part.reads_at.push(part.reads.len() as u32);
            part.writes_at.push(part.writes.len() as u32);
        }
        part.starts.push(nodes.len() as u32);
        for list in self.lists.iter().filter(|list| local(list.node) != INIT) {
            let from = part.elements.len();
            let kept = self.elements(list).iter().map(|&node| local(node));
            part.elements.extend(kept.filter(|&node| node != INIT));
            let len = part.elements.len() - from;
            let (node, key) = (local(list.node), name(list.key));
            part.lists.push(ListRead { node, key, from: from as u32, len: len as u32 });
        }
        let global = |&key: &u32| self.keys.get(key as usize).copied().unwrap_or(key);
        part.keys = keys.iter().map(global).collect();
        part
    }

    /// The place in `nodes` of the last one up to `from` in its session.
    fn kept(&self, nodes: &[u32], from: u32) -> Option<u32> {
        let at = nodes.partition_point(|&node| node <= from).checked_sub(1)?;
        let same = self.session[nodes[at] as usize] == self.session[from as usize];
        same.then_some(at as u32)
    }

    fn touched(&self, node: u32) -> impl Iterator<Item = u32> {
        let read = self.reads(node).iter().map(|read| read.key);
        read.filter(|&key| key < AFTER).chain(self.writes(node).iter().copied())
    }
}

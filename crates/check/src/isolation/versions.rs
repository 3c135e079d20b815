//! Orders of the versions of a register that are assumed, not shown.

use super::components::Components;
use super::facts::Facts;
use crate::names::Table;
use crate::txn::Fate;

/// A transaction that touched a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) txn: u32,
    /// The version it read before it wrote, or else wrote.
    pub(super) first: u32,
    /// The version it wrote, or else read.
    pub(super) last: u32,
}

/// Versions that follow each other because each was read by the transaction that wrote the next.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// The next in the chain; 0 if there is none.
    after: Vec<u32>,
    /// The first of its chain, and its last.
    root: Vec<u32>,
    end: Vec<u32>,
}

impl Chains {
    /// Of `count` versions, where each of `pairs` follow each other.
    pub(super) fn find(&mut self, count: usize, pairs: &[(u32, u32)]) {
        self.after.clear();
        self.after.resize(count, 0);
        self.root.clear();
        self.root.extend(0..count as u32);
        self.end.clone_from(&self.root);
        for (version, next) in pairs {
            // What has two successors is a lost update, and the second one belongs nowhere.
            if self.after[*version as usize] == 0 {
                self.after[*version as usize] = *next;
            }
            self.root[*next as usize] = 0;
        }
        for root in 0..count as u32 {
            if self.root[root as usize] != root {
                continue;
            }
            let mut end = root;
            while self.after[end as usize] != 0 {
                end = self.after[end as usize];
                self.root[end as usize] = root;
            }
            self.end[root as usize] = end;
        }
    }

    /// The last version of the chain of `version`.
    pub(super) fn end(&self, version: u32) -> u32 {
        self.end[self.root[version as usize] as usize]
    }

    /// Whether it begins a chain, and not with the initial version.
    pub(super) fn is_other(&self, version: u32) -> bool {
        self.root[version as usize] == version
    }

    /// An access of versions as one of chains.
    pub(super) fn block(&self, access: Access) -> Access {
        let root = |version: u32| self.root[version as usize];
        Access { first: root(access.first), last: root(access.last), ..access }
    }
}

/// Of one process, a later access has a later version.
pub(super) fn by_process(facts: &Facts<'_>, accesses: &[Access], pairs: &mut Vec<(u32, u32)>) {
    let mut last: Table<u64, u32> = Table::default();
    for access in accesses {
        let txn = &facts.history.txns[access.txn as usize];
        // What is unknown may happen later than what its process did next.
        let before = match txn.fate {
            Fate::Committed => last.insert(txn.process, access.last),
            Fate::Aborted | Fate::Unknown => last.get(&txn.process).copied(),
        };
        if let Some(before) = before.filter(|before| *before != access.first) {
            pairs.push((before, access.first));
        }
    }
}

/// An access that begins after another has returned has a later version, of `count`.
///
/// Most pairs that follow from others are left out: about as many are left for a version as there are accesses at
/// a time.
pub(super) fn by_time(
    facts: &Facts<'_>,
    accesses: &[Access],
    count: usize,
    pairs: &mut Vec<(u32, u32)>,
) {
    // When a version was certainly there, and when it may still not have been overwritten.
    let (mut there, mut still) = (vec![u64::MAX; count], vec![None; count]);
    for access in accesses {
        let txn = &facts.history.txns[access.txn as usize];
        let returned = &mut there[access.last as usize];
        *returned = txn.returned.min(*returned);
        let invoked = &mut still[access.first as usize];
        *invoked = Some(txn.invoked).max(*invoked);
    }
    let calls = (0..).zip(&still).filter_map(|(version, at)| Some(((*at)?, version)));
    let mut calls: Vec<(u64, u32)> = calls.collect();
    calls.sort_unstable();
    for (before, returned) in (0..).zip(&there) {
        let from = calls.partition_point(|(at, _)| at <= returned);
        let mut bound = u64::MAX;
        for (at, after) in &calls[from..] {
            if *at > bound {
                break;
            }
            if *after != before {
                pairs.push((before, *after));
                // What begins after that one was there follows from it.
                bound = bound.min(there[*after as usize]);
            }
        }
    }
}

/// Versions each of which comes before the others; none if there are no such.
pub(super) fn circle(count: usize, pairs: &[(u32, u32)]) -> Vec<u32> {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let next = |version: u32, cursor: &mut u32| {
        let from = sorted.partition_point(|pair| pair.0 < version);
        let pair = sorted.get(from + *cursor as usize).filter(|pair| pair.0 == version)?;
        *cursor += 1;
        Some(pair.1)
    };
    let mut found = Components::default().find(count, 0..count as u32, next);
    found.sort_unstable_by_key(Vec::len);
    found.into_iter().next().unwrap_or_default()
}

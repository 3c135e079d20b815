//! The part of the replicated log that is in memory: the entries after the snapshot mark and, behind it, as
//! many as the configuration keeps for followers that are a little slow.

use crate::{Configuration, Entry, Kind, LogId, Mark};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use protocol::{Mutant, Planted};

/// Contiguous entries after `base`. `base.index <= mark.index <= last.index`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// The entry before the first one kept.
    base: LogId,
    entries: VecDeque<Entry>,
    mark: Mark,
    /// The configurations after the mark's, by the index of their entries.
    configurations: VecDeque<(u64, Configuration)>,
    /// Bytes of the entries at or before the mark.
    bytes_behind: usize,
    /// Bytes of the entries after the mark.
    bytes_after: usize,
}

impl Log {
    /// An empty log that starts after `mark`.
    pub(crate) fn new(mark: Mark) -> Log {
        let base = LogId { term: mark.term, index: mark.index };
        let (entries, configurations) = (VecDeque::new(), VecDeque::new());
        Log { base, entries, mark, configurations, bytes_behind: 0, bytes_after: 0 }
    }

    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(crate) fn base(&self) -> LogId {
        self.base
    }

    pub(crate) fn last(&self) -> LogId {
        self.entries.back().map_or(self.base, |e| LogId { term: e.term, index: e.index })
    }

    /// The latest configuration in the log, committed or not, and the index from which it is in force.
    pub(crate) fn configuration(&self) -> (u64, &Configuration) {
        let latest = self.configurations.back().map(|(index, latest)| (*index, latest));
        latest.unwrap_or((self.mark.index, &self.mark.configuration))
    }

    /// The configurations in force at `index` and after it, in order. Nothing is known of those before the mark's.
    pub(crate) fn configurations_from(&self, index: u64) -> impl Iterator<Item = &Configuration> {
        let past = self.configurations.partition_point(|(at, _)| *at <= index);
        let first = past.checked_sub(1).map_or(&self.mark.configuration, |at| {
            let (_, in_force) = &self.configurations[at];
            in_force
        });
        core::iter::once(first).chain(self.configurations.range(past..).map(|(_, later)| later))
    }

    /// The configuration as of the entry at `index`, which is not before the mark.
    pub(crate) fn configuration_at(&self, index: u64) -> &Configuration {
        assert!(index >= self.mark.index, "{index} is before the mark {}", self.mark.index);
        self.configurations_from(index).next().expect("at least the mark's")
    }

    pub(crate) fn bytes_after_mark(&self) -> usize {
        self.bytes_after
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The place of `index` in `entries`, if it is there.
    fn at(&self, index: u64) -> Option<usize> {
        let at = usize::try_from(index.checked_sub(self.base.index + 1)?).ok()?;
        (at < self.entries.len()).then_some(at)
    }

    /// The term of the entry at `index`, as far as it is known here.
    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.at(index).map(|at| self.entries[at].term)
    }

    /// Whether the log holds this very entry.
    pub(crate) fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The entries from `from` on: at least one if there is one, no more than `max_bytes` otherwise.
    pub(crate) fn from(&self, from: u64, max_bytes: usize) -> Vec<Entry> {
        let Some(at) = self.at(from) else { return Vec::new() };
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let first = bytes == 0;
            bytes += entry.bytes();
            first || bytes <= max_bytes
        };
        self.entries.range(at..).take_while(fits).cloned().collect()
    }

    /// The entries after `after` up to and including `upto`, all of which must be here.
    pub(crate) fn between(&self, after: u64, upto: u64) -> Vec<Entry> {
        let (first, last) = (self.at(after + 1), self.at(upto));
        let (Some(first), Some(last)) = (first, last) else {
            panic!("entries {after}..{upto} asked of a log with {:?}..{:?}", self.base, self.last())
        };
        self.entries.range(first..=last).cloned().collect()
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        let last = self.last();
        assert_eq!(entry.index, last.index + 1, "a gap in the log");
        assert!(entry.term >= last.term, "terms fall: {} after {last:?}", entry.term);
        self.bytes_after += entry.bytes();
        if let Kind::Config(configuration) = &entry.kind {
            self.configurations.push_back((entry.index, configuration.clone()));
        }
        self.entries.push_back(entry);
    }

    /// Removes the entries from `index` on, and the configurations they brought (section 4.1).
    pub(crate) fn truncate_from(&mut self, index: u64, planted: Planted) {
        assert!(index > self.mark.index, "{index} is in the snapshot up to {}", self.mark.index);
        while self.last().index >= index {
            let entry = self.entries.pop_back().expect("the base is before the mark");
            self.bytes_after -= entry.bytes();
        }
        let keeps = planted.is(Mutant::KeepTruncatedConfiguration);
        while !keeps && self.configurations.back().is_some_and(|(at, _)| *at >= index) {
            self.configurations.pop_back();
        }
    }

    /// Moves the mark forward to an entry this log holds, keeping what follows and `keep_bytes` before it.
    pub(crate) fn compact(&mut self, mark: Mark, keep_bytes: usize) {
        assert!(mark.index >= self.mark.index, "the mark goes back to {}", mark.index);
        assert_eq!(self.term_at(mark.index), Some(mark.term), "not an entry of this log");
        let from = self.at(self.mark.index + 1).unwrap_or(self.entries.len());
        let upto = self.at(mark.index).map_or(from, |at| at + 1);
        let moved: usize = self.entries.range(from..upto).map(Entry::bytes).sum();
        self.bytes_after -= moved;
        self.bytes_behind += moved;
        self.mark = mark;
        while self.configurations.front().is_some_and(|(at, _)| *at <= self.mark.index) {
            self.configurations.pop_front();
        }
        while self.bytes_behind > keep_bytes {
            let entry = self.entries.pop_front().expect("bytes have entries");
            self.bytes_behind -= entry.bytes();
            self.base = LogId { term: entry.term, index: entry.index };
        }
        assert!(self.base.index <= self.mark.index, "an entry after the mark was dropped");
    }

    /// Where a leader should look next, given the follower's first entry of the term that conflicts.
    pub(crate) fn first_of_term_at(&self, index: u64) -> Option<LogId> {
        let term = self.term_at(index)?;
        let before = self.entries.partition_point(|e| e.term < term) as u64;
        Some(LogId { term, index: self.base.index + 1 + before.min(index - self.base.index) })
    }

    /// The last entry of `term` here, if there is one.
    pub(crate) fn last_of_term(&self, term: u64) -> Option<u64> {
        let upto = self.entries.partition_point(|e| e.term <= term);
        let last = self.entries.get(upto.checked_sub(1)?)?;
        (last.term == term).then_some(last.index)
    }

    /// Everything `check` can afford only now and then.
    pub(crate) fn check_deep(&self) {
        let mut before = self.base;
        let (mut behind, mut after) = (0, 0);
        for entry in &self.entries {
            assert_eq!(entry.index, before.index + 1, "a gap in the log");
            assert!(entry.term >= before.term, "terms fall at {}", entry.index);
            *(if entry.index <= self.mark.index { &mut behind } else { &mut after }) +=
                entry.bytes();
            before = LogId { term: entry.term, index: entry.index };
        }
        let after_mark = self.entries.iter().filter(|entry| entry.index > self.mark.index);
        let brought = after_mark.filter_map(|entry| match &entry.kind {
            Kind::Config(configuration) => Some((entry.index, configuration)),
            Kind::Noop | Kind::Command(_) => None,
        });
        assert!(
            self.configurations.iter().map(|(at, brought)| (*at, brought)).eq(brought),
            "configurations that the log does not hold"
        );
        assert_eq!((behind, after), (self.bytes_behind, self.bytes_after), "bytes miscounted");
    }
}

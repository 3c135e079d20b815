//! What is on disk, where it stands there, and how a replica comes back from it.

use crate::log::Log;
use crate::{Config, Configuration, Entry, Mark, Raft, Record};
use alloc::collections::VecDeque;
use protocol::{Instant, NodeId, Position, Prng};

/// The hard state last persisted, and the positions of the records that a recovery would need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) term: u64,
    pub(crate) vote: Option<NodeId>,
    hard_at: Option<Position>,
    mark_at: Option<Position>,
    /// Position, first and last entry of records that hold entries of the log after the mark.
    entries: VecDeque<(Position, u64, u64)>,
}

impl Kept {
    pub(crate) fn hard(&mut self, at: Position, term: u64, vote: Option<NodeId>) {
        assert!(term >= self.term, "the term goes back from {} to {term}", self.term);
        assert!(self.hard_at.is_none_or(|before| before <= at), "hard state before the last one");
        self.set_hard(term, vote);
        self.hard_at = Some(at);
    }

    /// Hard state whose record a planted bug left out.
    pub(crate) fn set_hard(&mut self, term: u64, vote: Option<NodeId>) {
        (self.term, self.vote) = (term, vote);
    }

    pub(crate) fn entries(&mut self, at: Position, first: u64, last: u64) {
        assert!(first <= last, "no entries from {first} to {last}");
        self.truncate_from(first);
        let before = self.entries.back();
        assert!(before.is_none_or(|(before, _, _)| *before < at), "a record before the last one");
        self.entries.push_back((at, first, last));
    }

    fn truncate_from(&mut self, first: u64) {
        while self.entries.back().is_some_and(|(_, from, _)| *from >= first) {
            self.entries.pop_back();
        }
        if let Some((_, _, last)) = self.entries.back_mut() {
            *last = (*last).min(first - 1);
        }
    }

    pub(crate) fn mark(&mut self, at: Position, index: u64, keeps_suffix: bool) {
        assert!(self.mark_at.is_none_or(|before| before < at), "a mark before the last one");
        self.mark_at = Some(at);
        self.hard_at = Some(at);
        if !keeps_suffix {
            self.entries.clear();
        }
        while self.entries.front().is_some_and(|(_, _, last)| *last <= index) {
            self.entries.pop_front();
        }
    }

    pub(crate) fn oldest(&self) -> Option<Position> {
        let first = self.entries.front().map(|(at, _, _)| *at);
        [first, self.mark_at, self.hard_at].into_iter().flatten().min()
    }
}

impl Raft {
    /// Replays records in the order they were persisted. The first ones may hold entries whose predecessors
    /// were released: the mark that made them needless comes later.
    pub(crate) fn replay(
        config: Config,
        now: Instant,
        prng: Prng,
        records: impl Iterator<Item = (Position, Record)>,
    ) -> Raft {
        let mut kept = Kept::default();
        let founding = Configuration::of(config.voters.clone());
        let mut mark = Mark { index: 0, term: 0, configuration: founding };
        let mut entries: VecDeque<Entry> = VecDeque::new();
        for (at, record) in records {
            match record {
                Record::Hard { term, vote } => kept.hard(at, term, vote),
                Record::Entries { entries: new } => {
                    let (Some(first), Some(last)) = (new.first(), new.last()) else { continue };
                    kept.entries(at, first.index, last.index);
                    while entries.back().is_some_and(|e| e.index >= first.index) {
                        entries.pop_back();
                    }
                    entries.extend(new);
                }
                Record::Mark { mark: new, term, vote, keeps_suffix } => {
                    kept.hard(at, term, vote);
                    kept.mark(at, new.index, keeps_suffix);
                    while entries.front().is_some_and(|e| !keeps_suffix || e.index <= new.index) {
                        entries.pop_front();
                    }
                    mark = new;
                }
            }
        }
        let mut log = Log::new(mark);
        for entry in entries {
            log.append(entry); // asserts that none is missing: promises stand on it
        }
        Raft::new(config, log, kept, now, prng)
    }
}

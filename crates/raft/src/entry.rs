//! What the replicated log holds, and what must outlive a crash.

use crate::Configuration;
use alloc::vec::Vec;
use protocol::NodeId;
use stdx::Bytes;
use wire::{wire_enum, wire_struct};

/// One entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, counted from 1 without gaps.
    pub index: u64,
    /// The term of the leader that created it.
    pub term: u64,
    /// What it holds.
    pub kind: Kind,
}
wire_struct!(Entry { index, term, kind });

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Written by each new leader, so that it can commit what its predecessors left (section 6.4).
    Noop,
    /// A command of the state machine, opaque here.
    Command(Bytes),
    /// The members from this entry on, committed or not (section 4.1).
    Config(Configuration),
}
wire_enum!(Kind, version 1 { 1 => Noop, 2 => Command(payload), 3 => Config(configuration) });

impl Entry {
    /// What it counts for in byte limits.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 32;
        const MEMBER: usize = 8;
        match &self.kind {
            Kind::Noop => FIXED,
            Kind::Command(payload) => FIXED + payload.len(),
            Kind::Config(Configuration { voters, outgoing, learners }) => {
                FIXED + MEMBER * (voters.len() + outgoing.len() + learners.len())
            }
        }
    }
}

/// Up to where a snapshot reaches: everything up to `index` is in it and may be gone from the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The last entry the snapshot includes; 0 before the first snapshot.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The members as of that entry.
    pub configuration: Configuration,
}
wire_struct!(Mark { index, term, configuration });

/// A mark whose configuration is plain, as release 0.1 writes and reads it.
pub(crate) mod plain {
    use super::Mark;
    use crate::Configuration;
    use alloc::vec::Vec;
    use wire::{Reader, Wire, WireError};

    pub(crate) fn encode(mark: &Mark, out: &mut Vec<u8>) {
        assert!(mark.configuration.is_plain(), "members would be lost in this kind");
        mark.index.encode(out);
        mark.term.encode(out);
        mark.configuration.voters.encode(out);
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Mark, WireError> {
        let (index, term) = (Wire::decode(from)?, Wire::decode(from)?);
        let configuration = Configuration::of(Wire::decode(from)?);
        Ok(Mark { index, term, configuration })
    }
}

/// Where a log ends, or a place within it: compared to decide whose log is newer (section 3.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Compared first.
    pub term: u64,
    /// Compared second.
    pub index: u64,
}
wire_struct!(LogId { term, index });

/// What must outlive a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// currentTerm and votedFor.
    Hard {
        /// The current term.
        term: u64,
        /// Whom this replica voted for in it.
        vote: Option<NodeId>,
    },
    /// Entries, contiguous; from the first one's index on they replace what the log held.
    Entries {
        /// Never empty.
        entries: Vec<Entry>,
    },
    /// The log starts after `mark`. Repeats the hard state, so that every older record can be released.
    Mark {
        /// Where the snapshot reaches.
        mark: Mark,
        /// The current term.
        term: u64,
        /// Whom this replica voted for in it.
        vote: Option<NodeId>,
        /// Whether entries after the mark in earlier records still stand.
        keeps_suffix: bool,
    },
}
wire_enum!(Record, version 1 {
    1 => Hard { term, vote },
    2 => Entries { entries },
    4 => Mark { mark, term, vote, keeps_suffix } if !mark.configuration.is_plain(),
    3 => Mark { mark: plain, term, vote, keeps_suffix },
});

impl protocol::Record for Record {}

//! Everything a core says and hears: one variant per arrow of the paper, requests and outputs at the host's
//! side, and what must outlive a crash.

use crate::Drift;
use alloc::vec::Vec;
use protocol::{NodeId, NodeSet};
use stdx::{Bytes, Duration, Planted};
use wire::{wire_enum, wire_struct};

/// What a replica is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The group's voters when the log was created; a recovered [`Mark`] overrides it.
    pub voters: NodeSet,
    /// Shortest and longest election timeout; each wait is drawn between them.
    pub election: (Duration, Duration),
    /// How often a leader that has nothing to say says so. Well below the shortest election timeout.
    pub heartbeat: Duration,
    /// Bytes of entries in one AppendEntries (a single larger entry still goes, alone).
    pub max_append_bytes: usize,
    /// What may be on its way to one follower, unacknowledged.
    pub max_inflight: Inflight,
    /// Bytes of entries kept in memory behind a snapshot mark, for followers that are a little slow.
    pub keep_bytes: usize,
    /// Whether a leader may answer reads by a lease, and the bound on clocks that this rests on.
    pub lease: Option<Drift>,
    /// At most this many reads wait for a leader's confirmation; more are refused.
    pub max_reads: usize,
    /// A named bug, for tests.
    pub planted: Planted,
}

/// Bounds on unacknowledged AppendEntries per follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflight {
    /// Messages.
    pub messages: usize,
    /// Bytes of entries.
    pub bytes: usize,
}

impl Config {
    /// The defaults of the product: timeouts of 300 to 600 ms, heartbeats every 50 ms.
    pub fn new(id: NodeId, voters: NodeSet) -> Config {
        Config {
            id,
            voters,
            election: (Duration::from_millis(300), Duration::from_millis(600)),
            heartbeat: Duration::from_millis(50),
            max_append_bytes: 1 << 20,
            max_inflight: Inflight { messages: 16, bytes: 8 << 20 },
            keep_bytes: 16 << 20,
            lease: None,
            max_reads: 65_536,
            planted: Planted::NONE,
        }
    }
}

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
}
wire_enum!(Kind, version 1 { 1 => Noop, 2 => Command(payload) });

impl Entry {
    /// What it counts for in byte limits.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 32;
        match &self.kind {
            Kind::Noop => FIXED,
            Kind::Command(payload) => FIXED + payload.len(),
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
    /// The voters as of that entry.
    pub voters: NodeSet,
}
wire_struct!(Mark { index, term, voters });

/// Where a log ends, or a place within it: compared to decide whose log is newer (section 3.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Compared first.
    pub term: u64,
    /// Compared second.
    pub index: u64,
}
wire_struct!(LogId { term, index });

/// Between replicas. Every message names the term of its sender; [`Message::PreVote`] the one it would start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Would you vote for me in `term`? Changes nothing at either side (section 9.6).
    PreVote {
        /// The term the sender would start.
        term: u64,
        /// Where its log ends.
        last: LogId,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// The term asked about if granted, else the voter's own.
        term: u64,
        /// Whether it would.
        granted: bool,
    },
    /// RequestVote.
    Vote {
        /// The candidate's term.
        term: u64,
        /// Where its log ends.
        last: LogId,
    },
    /// The answer to RequestVote; a grant is durable.
    VoteReply {
        /// The voter's term.
        term: u64,
        /// Whether it did.
        granted: bool,
    },
    /// AppendEntries with entries, or a probe for where the logs agree.
    Append {
        /// The leader's term.
        term: u64,
        /// The entry before the first one here.
        prev: LogId,
        /// Contiguous from `prev.index + 1`.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: u64,
    },
    /// AppendEntries succeeded: the follower's log is durable and equal to the leader's up to `matched`.
    AppendAck {
        /// The follower's term.
        term: u64,
        /// The last index known to be equal and durable.
        matched: u64,
    },
    /// AppendEntries failed: the follower has no entry `prev`.
    AppendReject {
        /// The follower's term; if higher than the leader's, the leader steps down.
        term: u64,
        /// The index of the `prev` that was refused.
        prev: u64,
        /// The first entry of the conflicting term, or with term 0 where the follower's log ends, plus one.
        hint: LogId,
    },
    /// AppendEntries without entries: keeps followers from standing, and asks "am I still the leader?"
    Heartbeat {
        /// The leader's term.
        term: u64,
        /// Its commit index, no further than the receiver is known to match.
        commit: u64,
        /// Counts the leader's rounds, so that reads know which answers count.
        round: u64,
    },
    /// The answer to a heartbeat.
    HeartbeatAck {
        /// The follower's term.
        term: u64,
        /// The round answered.
        round: u64,
    },
    /// The commit index, when there is nothing else to carry it. Not answered.
    Commit {
        /// The leader's term.
        term: u64,
        /// Its commit index, no further than the receiver is known to match.
        commit: u64,
    },
    /// InstallSnapshot, one chunk of it (figure 5.3).
    Chunk {
        /// The leader's term.
        term: u64,
        /// Which of the leader's transfers; a new one starts over.
        transfer: u64,
        /// What the whole snapshot reaches up to.
        mark: Mark,
        /// Counts from 0.
        seq: u64,
        /// The chunk.
        bytes: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// The answer to a chunk. A whole snapshot, installed, is answered by [`Message::AppendAck`].
    ChunkAck {
        /// The follower's term.
        term: u64,
        /// The transfer answered.
        transfer: u64,
        /// The chunk expected next; 0 if the follower has lost the transfer and it must start over.
        next: u64,
    },
    /// A follower asks up to where it must have applied for a linearizable read (section 6.4).
    ReadIndex {
        /// The follower's term.
        term: u64,
        /// Names the question; no life of the follower uses another's.
        ticket: u64,
    },
    /// The answer: whatever was committed when the question was asked is at or below `index`.
    ReadIndexReply {
        /// The leader's term.
        term: u64,
        /// Which question.
        ticket: u64,
        /// What must be applied.
        index: u64,
    },
    /// Nothing is to be done and nothing will be said until something is: the receiver needs no deadline.
    Quiet {
        /// The leader's term.
        term: u64,
        /// Where its log and the receiver's end; all of it is committed.
        index: u64,
    },
    /// The follower has no deadline any more.
    QuietAck {
        /// The follower's term.
        term: u64,
        /// As told.
        index: u64,
    },
    /// To oneself: the entries up to `index` are durable here.
    Durable {
        /// The term in which they were appended.
        term: u64,
        /// The last of them.
        index: u64,
    },
    /// To oneself: the vote for oneself in `term` is durable.
    Voted {
        /// The term.
        term: u64,
    },
}
wire_enum!(Message, version 1 {
    1 => PreVote { term, last },
    2 => PreVoteReply { term, granted },
    3 => Vote { term, last },
    4 => VoteReply { term, granted },
    5 => Append { term, prev, entries, commit },
    6 => AppendAck { term, matched },
    7 => AppendReject { term, prev, hint },
    8 => Heartbeat { term, commit, round },
    9 => HeartbeatAck { term, round },
    10 => Commit { term, commit },
    11 => Chunk { term, transfer, mark, seq, bytes, last },
    12 => ChunkAck { term, transfer, next },
    13 => Durable { term, index },
    14 => Voted { term },
    40 => ReadIndex { term, ticket },
    41 => ReadIndexReply { term, ticket, index },
    42 => Quiet { term, index },
    43 => QuietAck { term, index },
});

/// From the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Append a command. Answered by [`Output::Appended`] or [`Output::Refused`] in the same step.
    Propose {
        /// The host's name for it.
        context: u64,
        /// The command.
        payload: Bytes,
    },
    /// A linearizable read (section 6.4). Answered by [`Output::ReadReady`] or [`Output::ReadRefused`].
    Read {
        /// The host's name for it.
        context: u64,
    },
    /// As [`Request::Read`], but a follower asks its leader and answers the read here.
    ReadHere {
        /// The host's name for it.
        context: u64,
    },
    /// The host has a snapshot of the applied state up to `mark`, whose records precede in the log whatever
    /// is persisted from now on. Entries up to it are dropped.
    Compact {
        /// Where it reaches.
        mark: Mark,
    },
    /// The answer to [`Output::NeedChunk`].
    Chunk {
        /// As asked.
        to: NodeId,
        /// As asked.
        transfer: u64,
        /// What the whole snapshot reaches up to; the same for all chunks of a transfer.
        mark: Mark,
        /// As asked.
        seq: u64,
        /// The chunk, bounded by the host.
        bytes: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// The host has staged the whole snapshot received; its records precede in the log whatever is persisted
    /// from now on. Answered by [`Output::Install`] or [`Output::Discard`] in the same step.
    Installed {
        /// Where it reaches.
        mark: Mark,
    },
    /// A heartbeat is due, and all hosts of the group understand [`Message::Quiet`]: a leader without anything to do
    /// says that instead.
    GoQuiet,
    /// The peer's node has been silent for the shortest election timeout, or was started again.
    PeerDown {
        /// The peer.
        peer: NodeId,
    },
    /// The peer's node is heard again, or was started again.
    PeerUp {
        /// The peer.
        peer: NodeId,
    },
    /// The host has lost its connection to a peer: what was in flight to it may be gone.
    Unreachable {
        /// The peer.
        peer: NodeId,
    },
}

/// To the host. All of them leave early: none depends on what this replica has not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The proposal has this place in the leader's log. It may still be replaced by another leader's entry:
    /// what counts is which term [`Output::Committed`] shows at `index`.
    Appended {
        /// The host's name for it.
        context: u64,
        /// Its term.
        term: u64,
        /// Its place.
        index: u64,
    },
    /// The proposal was not appended: this replica does not lead.
    Refused {
        /// The host's name for it.
        context: u64,
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// Entries to apply, in order, each index once per life, starting after the snapshot mark.
    Committed {
        /// Never empty.
        entries: Vec<Entry>,
    },
    /// The read may be answered from a state that has applied `index`.
    ReadReady {
        /// The host's name for it.
        context: u64,
        /// What must have been applied.
        index: u64,
    },
    /// The read was not confirmed: this replica does not lead, or has too many reads waiting.
    ReadRefused {
        /// The host's name for it.
        context: u64,
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// The leader needs a chunk of a snapshot for a follower; chunk 0 (of a new transfer) freezes a new view.
    NeedChunk {
        /// The follower.
        to: NodeId,
        /// Names the transfer; an older one for the same follower is over.
        transfer: u64,
        /// Which chunk.
        seq: u64,
    },
    /// The transfer is over, done or given up: the host can drop its frozen view.
    TransferOver {
        /// The follower.
        to: NodeId,
        /// The transfer.
        transfer: u64,
    },
    /// The follower received a chunk, in order; chunk 0 starts over whatever was staged before. After the last
    /// one the host answers [`Request::Installed`].
    Chunk {
        /// The leader.
        from: NodeId,
        /// What the whole snapshot reaches up to.
        mark: Mark,
        /// Counts from 0.
        seq: u64,
        /// The chunk.
        bytes: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// The log now starts after `mark`: the host replaces its state by the staged snapshot.
    Install {
        /// Where it reaches.
        mark: Mark,
    },
    /// The staged snapshot came too late, the state is ahead of it: the host drops it.
    Discard {
        /// Where it reaches.
        mark: Mark,
    },
    /// Term, leader or this replica's role changed.
    Leader {
        /// The current term.
        term: u64,
        /// Who leads it, if known.
        leader: Option<NodeId>,
        /// Whether it is this replica.
        leading: bool,
    },
}

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
    3 => Mark { mark, term, vote, keeps_suffix },
});

impl protocol::Record for Record {}

impl Message {
    /// The term it names.
    pub fn term(&self) -> u64 {
        match self {
            Message::PreVote { term, .. }
            | Message::PreVoteReply { term, .. }
            | Message::Vote { term, .. }
            | Message::VoteReply { term, .. }
            | Message::Append { term, .. }
            | Message::AppendAck { term, .. }
            | Message::AppendReject { term, .. }
            | Message::Heartbeat { term, .. }
            | Message::HeartbeatAck { term, .. }
            | Message::Commit { term, .. }
            | Message::Chunk { term, .. }
            | Message::ChunkAck { term, .. }
            | Message::ReadIndex { term, .. }
            | Message::ReadIndexReply { term, .. }
            | Message::Quiet { term, .. }
            | Message::QuietAck { term, .. }
            | Message::Durable { term, .. }
            | Message::Voted { term } => *term,
        }
    }
}

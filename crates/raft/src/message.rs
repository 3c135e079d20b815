//! Everything a core says and hears: one variant per arrow of the paper, requests and outputs at the host's side.

use crate::entry::plain;
use crate::{Entry, LogId, Mark};
use alloc::vec::Vec;
use protocol::{NodeId, NodeSet};
use stdx::Bytes;
use wire::{absent, wire_enum};

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
        /// Whether the leader itself asked it to stand (section 3.10): that it is alive is no reason to refuse.
        transfer: bool,
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
        /// How much the follower is wanted as a leader ([`Config::priority`]).
        priority: u8,
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
    /// Stand at once (section 3.10): the receiver holds all that its leader has.
    TimeoutNow {
        /// The leader's term.
        term: u64,
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
    16 => Vote { term, last, transfer } if *transfer,
    3 => Vote { term, last, transfer: absent },
    4 => VoteReply { term, granted },
    5 => Append { term, prev, entries, commit },
    6 => AppendAck { term, matched },
    7 => AppendReject { term, prev, hint },
    8 => Heartbeat { term, commit, round },
    17 => HeartbeatAck { term, round, priority } if *priority > 0,
    9 => HeartbeatAck { term, round, priority: absent },
    10 => Commit { term, commit },
    18 => Chunk { term, transfer, mark, seq, bytes, last } if !mark.configuration.is_plain(),
    11 => Chunk { term, transfer, mark: plain, seq, bytes, last },
    12 => ChunkAck { term, transfer, next },
    13 => Durable { term, index },
    14 => Voted { term },
    15 => TimeoutNow { term },
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
    /// Make these the members: any number of changes in one step (section 4.3). Answered by [`Output::Appended`] of
    /// the entry that begins it, or [`Output::ChangeRefused`], in the same step. It is done when a configuration that
    /// is not joint is committed; whoever leads goes on with it.
    Change {
        /// The host's name for it.
        context: u64,
        /// Who shall vote. Those that do not yet must be learners that have caught up.
        voters: NodeSet,
        /// Who shall receive the log without a vote.
        learners: NodeSet,
    },
    /// Hand leadership to a voter (section 3.10). It is over when another leads, or after an election timeout, when
    /// this replica goes on. Until then no proposals are taken.
    Transfer {
        /// Who shall lead.
        to: NodeId,
    },
    /// This replica should not lead: its disk crawls, or fails. Hands over to the best follower if there is one, and
    /// leads no more after an election timeout in any case. For a while it counts as of no priority.
    StepDown,
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
    /// The proposal was not appended: this replica does not lead, or is handing over.
    Refused {
        /// The host's name for it.
        context: u64,
        /// Who leads, if known, or is about to.
        leader: Option<NodeId>,
    },
    /// The change of members was not begun.
    ChangeRefused {
        /// The host's name for it.
        context: u64,
        /// Why.
        reason: Refusal,
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

/// Why a change of members was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This replica does not lead; who does, if known.
    NotLeading(Option<NodeId>),
    /// It leads, but has not committed an entry of its own term yet: a change that an earlier leader began may be
    /// unknown to it, or may still be replaced.
    TermNotCommitted,
    /// The last change has not ended.
    Underway,
    /// It is handing leadership over.
    HandingOver,
    /// A new voter must be a learner that has caught up (section 4.2.1): this one is not.
    NotCaughtUp(NodeId),
    /// Somebody must vote.
    NoVoters,
    /// A voter and a learner at once.
    VoterAndLearner(NodeId),
    /// The members are these already.
    Unchanged,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Refusal::NotLeading(Some(leader)) => write!(f, "{leader} leads"),
            Refusal::NotLeading(None) => write!(f, "it does not lead"),
            Refusal::TermNotCommitted => write!(f, "nothing of its term is committed"),
            Refusal::Underway => write!(f, "a change is under way"),
            Refusal::HandingOver => write!(f, "it is handing over"),
            Refusal::NotCaughtUp(id) => write!(f, "{id} is no learner that has caught up"),
            Refusal::NoVoters => write!(f, "nobody would vote"),
            Refusal::VoterAndLearner(id) => write!(f, "{id} is a voter and a learner"),
            Refusal::Unchanged => write!(f, "the members are these"),
        }
    }
}

impl Message {
    /// Whether it answers a question: only who could have been asked is heard.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Message::PreVoteReply { .. }
            | Message::VoteReply { .. }
            | Message::AppendAck { .. }
            | Message::AppendReject { .. }
            | Message::HeartbeatAck { .. }
            | Message::QuietAck { .. }
            | Message::ChunkAck { .. } => true,
            Message::PreVote { .. }
            | Message::Vote { .. }
            | Message::Append { .. }
            | Message::Heartbeat { .. }
            | Message::Commit { .. }
            | Message::Chunk { .. }
            | Message::ReadIndex { .. }
            | Message::ReadIndexReply { .. }
            | Message::Quiet { .. }
            | Message::TimeoutNow { .. }
            | Message::Durable { .. }
            | Message::Voted { .. } => false,
        }
    }

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
            | Message::TimeoutNow { term }
            | Message::Durable { term, .. }
            | Message::Voted { term } => *term,
        }
    }
}

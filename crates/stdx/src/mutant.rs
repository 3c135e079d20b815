//! Named bugs. A simulator finds only what a check states: each of these must be found by a check that does
//! not name it, and fault-free seeds must stay green with it. Planted through configuration by tests;
//! compiled out without the feature `mutants`.

/// A bug on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// raft: a voter grants every candidate of its term.
    VoteTwice,
    /// raft: a grant leaves before the vote is durable (the vote is not persisted at all).
    ForgetVote,
    /// raft: a follower acknowledges entries before they are durable.
    AckBeforeSync,
    /// raft: an entry of an earlier term is committed by counting replicas (figure 8).
    CommitEarlierTerm,
    /// raft: a leader answers a read without a quorum round.
    ReadWithoutQuorum,
    /// raft: a read is served at the commit index before the leader's no-op of this term is committed.
    ReadBeforeNoop,
    /// raft: a conflicting or shorter append truncates whatever follows, committed or not.
    TruncateCommitted,
    /// raft: a leader counts an acknowledgement of an earlier term.
    CountStaleAck,
    /// raft: a lease is judged by the time of the newest round, whatever time has passed since.
    LeaseAcrossPause,
    /// raft: a lease runs from when a round was answered, not from when it was sent.
    LeaseFromAnswer,
    /// raft: a lease lasts as long as followers promise, as if all clocks ran alike.
    LeaseIgnoresDrift,
    /// raft: a lease goes on although another was let to stand before its time.
    LeaseKeptInTransfer,
    /// raft: a follower that adopts a term forgets that it has just promised its leader some time.
    PromiseEndsWithTerm,
    /// raft: a replica that starts again does not act as if it had just heard a leader.
    ForgetPromise,
    /// raft: a read is confirmed by a round that began before it.
    ReadRidesOnEarlierRound,
    /// raft: a follower takes the answer to another of its questions for this one's.
    AnswerToAnotherRead,
    /// raft: a quiet follower is not woken when its leader's node is silent or in a new life.
    PeerDownUnheard,
    /// raft: a leader that its configuration has removed counts itself.
    CountItselfRemoved,
    /// raft: in a joint configuration a majority of the new half is enough.
    CountNewHalfOnly,
    /// raft: a configuration is in force only once it is committed.
    ConfigurationWhenCommitted,
    /// raft: truncation leaves a configuration in force whose entry it removed.
    KeepTruncatedConfiguration,
    /// raft: a learner's acknowledgement counts.
    CountLearners,
    /// raft: a leader that its configuration has removed counts its own answer to its rounds.
    RoundCountsItselfRemoved,
    /// raft: a leader that hands over goes quiet if it had asked its followers to be so before.
    RestInHandover,
    /// raft: a vote counts whoever gave it.
    CountStrangersVote,
    /// raft: the target of a transfer is told to stand before it holds the leader's log.
    TransferWithoutLog,
    /// raft: a joint configuration is left before it is committed.
    LeaveJointEarly,
    /// host: a batch that persisted nothing does not wait for the sync of the batch before it.
    OvertakeSync,
    /// host: `now` is the time from before the batch was taken.
    NowBeforeBatch,
    /// node: a write whose commit timed out is answered `no quorum` (safe to retry).
    NoQuorumOnTimeout,
    /// node: a retried proposal is executed again.
    ForgetSessions,
    /// node: sessions are left out of snapshots.
    SnapshotWithoutSessions,
    /// node: a confirmed read is served before the state has reached its index.
    ReadBeforeApply,
    /// node: a follower answers reads from its own state.
    ReadAtFollower,
    /// raft: a leader that gives up answers the reads whose round was not confirmed.
    ReadAfterStepDown,
    /// node: a read of a key that is due does not wait until its expiry is committed.
    ReadBeforeExpiry,
    /// node: keys whose prefix became a keyspace are not fenced.
    SkipFence,
    /// node: a snapshot is installed once its first chunk is there.
    InstallPart,
    /// node: an answer to a request of an earlier life is taken for one of this life.
    AnswerOfEarlierLife,
    /// node: a node starts again in the life it had.
    SameLife,
    /// node: a start does not read the last record of its log.
    ForgetLastRecord,
    /// node: a chunk of a backup shows its keys as they are now.
    BackupTorn,
    /// node: a backup ends with its first chunk of keys.
    BackupEndsEarly,
    /// node: entries added to a backup begin one too late.
    BackupSkipsEntry,
    /// node: a keyspace is served while it is being restored.
    ServePartial,
    /// data: what is removed stays in the sum of all entries.
    SumSkipsRemovals,
    /// node: one command of many is not executed.
    SkipCommand,
    /// cli: a chunk of a backup is taken for whole whatever its checksum.
    BackupUnchecked,
    /// storage: recovery counts the records of a batch that is not whole.
    CountTorn,
    /// storage: what only the page cache holds after a kill is not written again.
    SkipSettle,
    /// storage: the name of a new segment is not made durable.
    SkipFolderSync,
    /// storage: recovery does not erase what lies past a torn tail.
    KeepPastTail,
    /// storage: the log forgets a snapshot's predecessor before the snapshot is durable.
    ReleaseEarly,
    /// raft: a leader leads on although its own disk has taken nothing for long.
    LeadWithoutDisk,
    /// node: chunks of snapshots leave as fast as they are asked for.
    SendAtOnce,
    /// node: a slow transfer keeps its view, whatever the log weighs meanwhile.
    KeepView,
    /// node: what a peer sends is taken in without verifying its seal.
    TrustMessages,
    /// node: a seal is never found broken.
    TrustSeals,
    /// storage: the cache of a table on disk forgets an entry that was not written.
    EvictUnwritten,
    /// storage: a load that comes back replaces what was written since it was asked for.
    LoadBeforeOverwrite,
    /// storage: the frozen view of a table on disk shows what was written later.
    FreezeSeesLater,
    /// explorer: states that differ only in what is in flight count as one.
    ForgetFlight,
    /// explorer: a crash keeps the write that was under way.
    CrashKeepsWrite,
}

/// Which mutant is planted, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted(Option<Mutant>);

impl Planted {
    /// No bug.
    pub const NONE: Planted = Planted(None);

    /// Plants one bug; without the feature `mutants` it stays out.
    pub const fn one(mutant: Mutant) -> Planted {
        Planted(Some(mutant))
    }

    /// Whether `mutant` is planted: a constant `false` without the feature.
    #[inline]
    pub fn is(self, mutant: Mutant) -> bool {
        cfg!(feature = "mutants") && self.0 == Some(mutant)
    }
}

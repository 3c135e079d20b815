//! One replica: what it remembers, which role it plays, and what must always hold.

use crate::follower_read::Questions;
use crate::lease::Lease;
use crate::log::Log;
use crate::quiet::Rest;
use crate::recover::Kept;
use crate::{Config, LogId, Mark, Output};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use protocol::{Effects, Instant, Mutant, NodeId, NodeSet, Position, Prng};
use stdx::Bytes;

/// A Raft replica.
#[derive(Clone, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    /// currentTerm, persisted before anything that names it is sent.
    pub(crate) term: u64,
    /// votedFor in `term`, persisted before the vote is sent.
    pub(crate) vote: Option<NodeId>,
    pub(crate) log: Log,
    /// Everything up to here is committed and was handed to the host (or is in its snapshot).
    pub(crate) commit: u64,
    pub(crate) role: Role,
    /// Election timeout, or the leader's next heartbeat.
    pub(crate) deadline: Instant,
    /// When this replica last heard from a leader, of whatever term: it promised then to let nobody else lead for
    /// the shortest election timeout, and an adopted term takes nothing back. At first, when it was recovered.
    pub(crate) heard: Option<Instant>,
    pub(crate) rest: Rest,
    /// Reads of this follower that ask its leader.
    pub(crate) questions: Questions,
    /// From when on it looks for a leader of a higher priority.
    pub(crate) prefers_from: Instant,
    /// Until when it does not ask for leadership by its priority: its host asked it to step down.
    pub(crate) rests_until: Instant,
    pub(crate) prng: Prng,
    /// Where the records still needed stand in the node's log.
    pub(crate) kept: Kept,
    /// What the host was last told about leadership.
    told: (u64, Option<NodeId>, bool),
    pub(crate) ignored: Option<Ignored>,
    steps: u64,
}

/// What a replica is doing; each role owns the data only it needs.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Entered on every new term, and by a leader that no longer hears a majority. Waits for a leader.
    Follower {
        /// Whom it heard from in this term.
        leader: Option<NodeId>,
        /// A snapshot on its way here.
        incoming: Option<Incoming>,
    },
    /// Entered when the election timeout passes. Asks whether it would win, before it disturbs anyone with a
    /// new term (section 9.6).
    PreCandidate { granted: NodeSet },
    /// Entered when a majority would vote. Has voted for itself; counts that vote once it is durable.
    Candidate { granted: NodeSet },
    /// Entered when a majority has voted.
    Leader(Leader),
}

/// The receiving side of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) transfer: u64,
    pub(crate) mark: Mark,
    /// The chunk expected next.
    pub(crate) next: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Leader {
    pub(crate) followers: BTreeMap<NodeId, Progress>,
    /// How far its own disk is.
    pub(crate) own: u64,
    /// How far it was at some heartbeat, and when that was first seen or nothing was owed.
    pub(crate) disk: (u64, Instant),
    /// The entry that opened its term: until it is committed, the commit index may be stale (section 6.4).
    pub(crate) noop: u64,
    pub(crate) reads: Reads,
    pub(crate) lease: Lease,
    pub(crate) transfers: u64,
    /// Leadership on its way to another (section 3.10).
    pub(crate) handover: Option<Handover>,
}

/// Leadership on its way to another. Left when a later term is seen, or given up at `until`.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    pub(crate) to: NodeId,
    pub(crate) until: Instant,
    /// Whether the target was told to stand.
    pub(crate) told: bool,
    /// Whether this replica leads no more when it is given up.
    pub(crate) leaves: bool,
}

/// A round of catching up (section 4.2.1).
#[derive(Clone, Debug)]
pub(crate) struct CatchUp {
    /// Where the leader's log ended when the round began.
    pub(crate) goal: u64,
    pub(crate) since: Instant,
    /// Whether the round before it was short enough.
    pub(crate) quick: bool,
}

/// What a leader knows about one follower.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// matchIndex: durable there and equal to the leader's log.
    pub(crate) matched: u64,
    pub(crate) flow: Flow,
    /// When it last answered.
    pub(crate) heard: Instant,
    /// The latest heartbeat round it answered.
    pub(crate) round: u64,
    /// The commit index it was last told.
    pub(crate) told: u64,
    /// How much it is wanted as a leader, by its last answer.
    pub(crate) priority: u8,
    pub(crate) catch_up: CatchUp,
}

/// How entries go to a follower.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    /// The logs are not known to agree at `next - 1`: one AppendEntries at a time. Left by an acknowledgement.
    Probe { next: u64, asked: Option<Instant> },
    /// They agree: `next` advances as messages leave, within the limits on what is in flight. Left when one is
    /// refused, or when nothing moves for an election timeout.
    Replicate { next: u64, inflight: VecDeque<(u64, usize)>, moved: Instant },
    /// The follower needs entries that are gone. Left when it acknowledges the snapshot, or more.
    Snapshot(Transfer),
}

/// The sending side of a snapshot: one chunk at a time.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) id: u64,
    /// Chosen by the host with chunk 0.
    pub(crate) mark: Option<Mark>,
    pub(crate) seq: u64,
    /// The chunk in flight, or none while the host is asked for it; and whether it is the last.
    pub(crate) chunk: Option<(Bytes, bool)>,
    /// When something of this transfer last moved.
    pub(crate) sent: Instant,
    /// How often that was waited for in vain.
    pub(crate) tries: u32,
}

/// Reads waiting for proof that this replica still led when they arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// The latest heartbeat round.
    pub(crate) round: u64,
    /// Not yet in any round.
    pub(crate) waiting: Vec<Reader>,
    /// In a round: its number, the commit index when it began, and who asked.
    pub(crate) asked: VecDeque<(u64, u64, Vec<Reader>)>,
}

/// Whom a leader's read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reader {
    /// Its own host, by the host's name for it.
    Host(u64),
    /// A follower's question, by its ticket.
    Follower(NodeId, u64),
}

/// Why an input changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The sender of an answer is no member of this group.
    NotAMember,
    /// Who should lead or stand does not vote.
    NotAVoter,
    /// No honest replica counts this far.
    ImplausibleTerm,
    /// Of an earlier term; a stale leader or candidate is told so.
    StaleTerm,
    /// A leader is alive: nobody needs an election (section 4.2.3).
    LeaderAlive,
    /// An answer to something no longer asked.
    StaleReply,
    /// A copy of what was already received.
    Duplicate,
    /// This replica is handing leadership to another.
    HandingOver,
    /// A message for another role than this replica's.
    WrongRole,
    /// Somebody else claims to lead the term this replica leads.
    SecondLeader,
    /// The content contradicts itself.
    Malformed,
    /// It would replace a committed entry.
    ConflictsWithCommitted,
    /// A mark that is behind, ahead of what is committed, or not of this log.
    UselessMark,
    /// It has something to do.
    Busy,
    /// No room for more; who asked will ask again.
    TooMany,
    /// A change of members that may not begin now; the output says why.
    ChangeRefused,
    /// The deadline moved on.
    EarlyDeadline,
}

impl core::fmt::Display for Ignored {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Ignored::NotAMember => "the sender is no member",
            Ignored::NotAVoter => "no voter",
            Ignored::ImplausibleTerm => "implausible term",
            Ignored::StaleTerm => "stale term",
            Ignored::LeaderAlive => "a leader is alive",
            Ignored::StaleReply => "stale reply",
            Ignored::Duplicate => "duplicate",
            Ignored::HandingOver => "it is handing over",
            Ignored::WrongRole => "wrong role",
            Ignored::SecondLeader => "a second leader in one term",
            Ignored::Malformed => "malformed",
            Ignored::ConflictsWithCommitted => "conflicts with a committed entry",
            Ignored::UselessMark => "useless mark",
            Ignored::Busy => "busy",
            Ignored::TooMany => "too many",
            Ignored::ChangeRefused => "change refused",
            Ignored::EarlyDeadline => "early deadline",
        })
    }
}

impl Raft {
    pub(crate) fn new(config: Config, log: Log, kept: Kept, now: Instant, prng: Prng) -> Raft {
        assert!(config.election.0 <= config.election.1, "election timeouts {:?}", config.election);
        assert!(config.heartbeat < config.election.0, "heartbeats rarer than elections");
        let mut raft = Raft {
            term: kept.term,
            vote: kept.vote,
            commit: log.mark().index,
            log,
            role: Role::Follower { leader: None, incoming: None },
            deadline: now,
            // A lease it helped to give before the crash may still run: it acts as if it had just heard.
            // Who never knew a term has helped nobody.
            heard: (kept.term > 0 && !config.planted.is(Mutant::ForgetPromise)).then_some(now),
            rest: Rest::default(),
            questions: Questions::new(&prng),
            prefers_from: now,
            rests_until: now,
            prng,
            told: (kept.term, None, false),
            kept,
            ignored: None,
            steps: 0,
            config,
        };
        raft.arm_election(now);
        raft
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Who leads this term, if known.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader, .. } => *leader,
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// Whether this replica leads its term. Another may lead a later one already.
    pub fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// What a leader has; nothing if this replica does not lead.
    pub(crate) fn leads(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } | Role::PreCandidate { .. } | Role::Candidate { .. } => None,
        }
    }

    /// The index of the last entry in the log.
    pub fn last_index(&self) -> u64 {
        self.log.last().index
    }

    /// The index up to which entries are known to be committed.
    pub fn commit_index(&self) -> u64 {
        self.commit
    }

    /// Where the snapshot before the log ends.
    pub fn mark(&self) -> &Mark {
        self.log.mark()
    }

    /// The term of the entry at `index`, as far as the log still reaches.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        self.log.term_at(index)
    }

    /// The entries that the log still reaches, in order.
    pub fn entries(&self) -> impl Iterator<Item = &crate::Entry> {
        self.log.entries()
    }

    /// Bytes of the entries after the mark: what a snapshot would save.
    pub fn log_bytes(&self) -> usize {
        self.log.bytes_after_mark()
    }

    /// Who votes; while a change is under way, who will.
    pub fn voters(&self) -> &NodeSet {
        &self.configuration().voters
    }

    /// How many voters, itself included, this replica has heard from within the longest election timeout:
    /// a leader from its followers, a follower from its leader.
    pub fn quorum_heard(&self, now: Instant) -> usize {
        self.voters().overlap(&self.heard_lately(now))
    }

    /// Itself, and whom it has heard from within the longest election timeout.
    pub(crate) fn heard_lately(&self, now: Instant) -> NodeSet {
        // While it is quiet, its host listens in its place.
        let recent = |at: Instant| self.rest.quiet || now.since(at) < self.config.election.1;
        let mut heard = NodeSet::from_iter([self.config.id]);
        match &self.role {
            Role::Leader(leader) => {
                let answered = leader.followers.iter().filter(|(_, p)| recent(p.heard));
                heard = answered.map(|(id, _)| *id).chain(heard.iter()).collect();
            }
            Role::Follower { leader: Some(leader), .. } if self.heard.is_some_and(recent) => {
                heard.insert(*leader);
            }
            Role::Follower { .. } | Role::PreCandidate { .. } | Role::Candidate { .. } => {}
        }
        heard
    }

    /// The oldest record still needed, if any is.
    pub fn oldest_record(&self) -> Option<Position> {
        self.kept.oldest()
    }

    /// Why the last input changed nothing, if it did not.
    pub fn ignored(&self) -> Option<Ignored> {
        self.ignored
    }

    /// All members but itself: whom a leader feeds.
    pub(crate) fn peers(&self) -> Vec<NodeId> {
        self.configuration().members().iter().filter(|id| *id != self.config.id).collect()
    }

    pub(crate) fn arm_election(&mut self, now: Instant) {
        let (from, to) = self.config.election;
        self.rest.quiet = false;
        self.deadline = now + self.prng.span(from, to);
    }

    /// Ends a step: tells the host if leadership changed.
    pub(crate) fn finish(&mut self, ignored: Option<Ignored>, out: &mut Effects<Raft>) {
        self.ignored = ignored;
        self.steps += 1;
        let (term, leader, leading) = (self.term, self.leader(), self.is_leading());
        if self.told != (term, leader, leading) {
            self.told = (term, leader, leading);
            self.refuse_questions(out);
            // Early: a hint that promises nothing.
            out.output_early(Output::Leader { term, leader, leading });
        }
    }

    /// Every invariant this replica can see.
    pub(crate) fn assert_invariants(&self) {
        const DEEP_EVERY: u64 = 1024;
        let (last, mark) = (self.log.last(), self.log.mark());
        assert!(mark.index <= self.commit, "mark {} > commit {}", mark.index, self.commit);
        assert!(self.commit <= last.index, "commit {} > last {}", self.commit, last.index);
        assert!(last.term <= self.term, "an entry of term {} in term {}", last.term, self.term);
        assert!(self.log.base().index <= mark.index, "the log starts after its mark");
        assert_eq!(
            (self.kept.term, self.kept.vote),
            (self.term, self.vote),
            "hard state in memory only"
        );
        assert!(self.log.configuration().0 <= last.index, "a configuration of no entry");
        match &self.role {
            Role::Follower { leader, incoming } => {
                assert_ne!(*leader, Some(self.config.id), "a follower of itself");
                assert!(incoming.is_none() || leader.is_some(), "a snapshot from nobody");
            }
            Role::PreCandidate { granted } => {
                assert!(granted.contains(self.config.id), "it would vote for itself");
                assert!(self.may_stand(), "who does not vote asks for votes");
                assert!(!self.reached(granted), "it should have stood");
            }
            Role::Candidate { granted } => {
                assert_eq!(self.vote, Some(self.config.id), "a candidate votes for itself");
                assert!(self.may_stand(), "who does not vote stands");
                assert!(!self.reached(granted), "it should lead");
            }
            Role::Leader(leader) => self.check_leader(leader, last),
        }
        self.check_rest(last);
        self.check_questions();
        if self.steps.is_multiple_of(DEEP_EVERY) {
            self.log.check_deep();
        }
    }

    fn check_leader(&self, leader: &Leader, last: LogId) {
        assert_eq!(self.vote, Some(self.config.id), "a leader voted for itself");
        assert_eq!(last.term, self.term, "a leader's log ends with its own term");
        assert!(leader.own <= last.index, "durable {} > last {}", leader.own, last.index);
        assert!(leader.noop <= last.index, "the no-op is gone");
        let (since, in_force) = self.log.configuration();
        let (me, followers, current) = (self.config.id, &leader.followers, self.configuration());
        let all = current.voters.iter().chain(current.outgoing.iter());
        let mut all = all.chain(current.learners.iter());
        let fed = all.all(|id| id == me || followers.contains_key(&id));
        let right = followers.keys().all(|id| *id != me && current.contains(*id));
        assert!(fed && right, "progress of all but itself");
        assert!(in_force.is_valid(), "a leader of {in_force:?}");
        if let Some(handover) = &leader.handover {
            assert!(self.voters().contains(handover.to), "leadership for {}", handover.to);
            assert!(!handover.told || leader.lease.is_given_up(), "told to stand, and a lease");
        }
        let decided = since <= self.commit && leader.noop <= self.commit;
        let belongs = in_force.votes(self.config.id) || leader.handover.is_some();
        assert!(belongs || !decided, "a removed leader goes on");
        for (id, progress) in &leader.followers {
            let matched = progress.matched;
            assert!(matched <= last.index, "{id} matches {matched} > {}", last.index);
            assert!(progress.told <= self.commit, "{id} was told what is not committed");
            assert!(progress.round <= leader.reads.round, "{id} answered a round that is none");
            match &progress.flow {
                Flow::Probe { next, .. } | Flow::Replicate { next, .. } => {
                    assert!(*next > matched, "{id}: next {next} <= matched {matched}");
                    assert!(*next <= last.index + 1, "{id}: next {next} > last {}", last.index);
                }
                Flow::Snapshot(t) => {
                    assert!(t.mark.is_some() || t.chunk.is_none(), "{id}: a chunk of nothing");
                }
            }
        }
        for (round, index, _) in &leader.reads.asked {
            assert!(*round <= leader.reads.round, "a round from the future");
            assert!(*index <= self.commit, "a read of what is not committed");
        }
        leader.lease.check(leader.reads.round);
    }
}

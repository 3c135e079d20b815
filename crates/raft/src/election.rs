//! Leader election: sections 3.4, 3.6.1, 4.2.3 (disruptive servers) and 9.6 (pre-vote).

use crate::lease::Lease;
use crate::state::{Flow, Leader, Progress, Reader, Reads, Role};
use crate::step::Handled;
use crate::{Ignored, Kind, LogId, Message, Output, Raft, Record};
use protocol::{Effects, Instant, Mutant, NodeId, NodeSet};

impl Raft {
    /// Whether a leader was heard from within the shortest election timeout. Until then nobody else can be
    /// needed, and who asks for votes was cut off or removed (section 4.2.3); and a leader's lease rests on it
    /// (`lease`). A leader hears itself, and stops leading by its own check of the quorum.
    pub(crate) fn leader_is_alive(&self, now: Instant) -> bool {
        self.is_leading() || self.heard.is_some_and(|at| now.since(at) < self.config.election.0)
    }

    fn save_hard(&mut self, out: &mut Effects<Raft>) {
        let (term, vote) = (self.term, self.vote);
        if vote.is_some() && self.config.planted.is(Mutant::ForgetVote) {
            return self.kept.set_hard(term, vote);
        }
        let at = out.persist(Record::Hard { term, vote });
        self.kept.hard(at, term, vote);
    }

    /// Adopts a later term.
    pub(crate) fn become_follower(&mut self, now: Instant, term: u64, out: &mut Effects<Raft>) {
        assert!(term > self.term, "{term} is no later than {}", self.term);
        self.give_up_leading(out);
        self.term = term;
        self.vote = None;
        self.save_hard(out);
        self.role = Role::Follower { leader: None, incoming: None };
        if self.config.planted.is(Mutant::PromiseEndsWithTerm) {
            self.heard = None;
        }
        self.arm_election(now);
    }

    /// Stays in its term but leads no more: it has not heard a majority for a whole election timeout, so
    /// another may have been elected, and whoever waits for an answer here would wait for ever.
    pub(crate) fn step_down(&mut self, now: Instant, out: &mut Effects<Raft>) {
        assert!(self.is_leading(), "only a leader steps down");
        self.give_up_leading(out);
        self.role = Role::Follower { leader: None, incoming: None };
        self.heard = None;
        self.arm_election(now);
    }

    fn give_up_leading(&mut self, out: &mut Effects<Raft>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let asked = leader.reads.asked.drain(..).flat_map(|(_, _, contexts)| contexts);
        for reader in asked.chain(leader.reads.waiting.drain(..)) {
            let Reader::Host(context) = reader else {
                continue; // It will see that this replica leads no more.
            };
            if self.config.planted.is(Mutant::ReadAfterStepDown) {
                out.output_early(Output::ReadReady { context, index: self.commit });
                continue;
            }
            // Early: a refusal promises nothing.
            out.output_early(Output::ReadRefused { context, leader: None });
        }
        for (to, progress) in &leader.followers {
            if let Flow::Snapshot(transfer) = &progress.flow {
                // Early: only lets the host free memory.
                out.output_early(Output::TransferOver { to: *to, transfer: transfer.id });
            }
        }
    }

    pub(crate) fn become_pre_candidate(&mut self, now: Instant, out: &mut Effects<Raft>) {
        assert!(!self.is_leading(), "a leader does not stand");
        self.heard = None;
        self.arm_election(now);
        let me = NodeSet::from_iter([self.config.id]);
        if self.majority() == 1 {
            return self.become_candidate(now, out);
        }
        self.role = Role::PreCandidate { granted: me };
        let (term, last) = (self.term + 1, self.log.last());
        for peer in self.peers() {
            out.send(peer, Message::PreVote { term, last });
        }
    }

    pub(crate) fn on_pre_vote(
        &self,
        now: Instant,
        from: NodeId,
        term: u64,
        last: LogId,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if self.leader_is_alive(now) {
            return Err(Ignored::LeaderAlive);
        }
        let granted = term > self.term && last >= self.log.last();
        let term = if granted { term } else { self.term };
        out.send(from, Message::PreVoteReply { term, granted });
        Ok(())
    }

    pub(crate) fn on_pre_vote_reply(
        &mut self,
        now: Instant,
        from: NodeId,
        term: u64,
        granted: bool,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let majority = self.majority();
        let Role::PreCandidate { granted: votes } = &mut self.role else {
            return Err(Ignored::WrongRole);
        };
        if !granted || term != self.term + 1 {
            return Err(Ignored::StaleReply);
        }
        if !votes.insert(from) {
            return Err(Ignored::Duplicate);
        }
        if votes.len() >= majority {
            self.become_candidate(now, out);
        }
        Ok(())
    }

    fn become_candidate(&mut self, now: Instant, out: &mut Effects<Raft>) {
        assert!(!self.is_leading(), "a leader does not stand");
        self.term += 1;
        self.vote = Some(self.config.id);
        self.save_hard(out);
        self.role = Role::Candidate { granted: NodeSet::new() };
        self.arm_election(now);
        let (term, last) = (self.term, self.log.last());
        for peer in self.peers() {
            out.send(peer, Message::Vote { term, last });
        }
        // Its own vote counts like any other: once it is durable.
        out.send(self.config.id, Message::Voted { term });
    }

    pub(crate) fn on_vote(
        &mut self,
        now: Instant,
        from: NodeId,
        last: LogId,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let free =
            self.vote.is_none_or(|to| to == from) || self.config.planted.is(Mutant::VoteTwice);
        let granted = free && last >= self.log.last();
        if granted {
            if self.vote.is_none() {
                self.vote = Some(from);
                self.save_hard(out);
            }
            // A vote ends this replica's own attempt in an earlier term's name, and gives the other time.
            if matches!(self.role, Role::PreCandidate { .. }) {
                self.role = Role::Follower { leader: None, incoming: None };
            }
            if !self.is_leading() {
                self.arm_election(now);
            }
        }
        out.send(from, Message::VoteReply { term: self.term, granted });
        Ok(())
    }

    pub(crate) fn on_vote_reply(
        &mut self,
        now: Instant,
        from: NodeId,
        granted: bool,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if granted { self.count_vote(now, from, out) } else { Err(Ignored::StaleReply) }
    }

    pub(crate) fn on_voted(&mut self, now: Instant, out: &mut Effects<Raft>) -> Handled {
        self.count_vote(now, self.config.id, out)
    }

    fn count_vote(&mut self, now: Instant, from: NodeId, out: &mut Effects<Raft>) -> Handled {
        let majority = self.majority();
        let Role::Candidate { granted } = &mut self.role else {
            return Err(Ignored::WrongRole);
        };
        if !granted.insert(from) {
            return Err(Ignored::Duplicate);
        }
        if granted.len() >= majority {
            self.become_leader(now, out);
        }
        Ok(())
    }

    fn become_leader(&mut self, now: Instant, out: &mut Effects<Raft>) {
        assert_eq!(self.vote, Some(self.config.id), "elected without its own vote");
        let next = self.log.last().index + 1;
        let progress = |id| {
            let flow = Flow::Probe { next, asked: None };
            (id, Progress { matched: 0, flow, heard: now, round: 0, told: 0 })
        };
        self.role = Role::Leader(Leader {
            followers: self.peers().into_iter().map(progress).collect(),
            own: 0,
            noop: next,
            reads: Reads::default(),
            lease: Lease::default(),
            transfers: 0,
        });
        self.deadline = now + self.config.heartbeat;
        self.active(now);
        self.append_own(Kind::Noop, out);
        self.feed_all(now, out);
    }
}

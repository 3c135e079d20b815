//! Linearizable reads without the log (ReadIndex, section 6.4), and the heartbeats they ride on.

use crate::state::{Flow, Role};
use crate::step::Handled;
use crate::{Ignored, Message, Output, Raft};
use alloc::vec::Vec;
use protocol::{Effects, Instant, Mutant, NodeId};

impl Raft {
    pub(crate) fn on_read(&mut self, context: u64, out: &mut Effects<Raft>) -> Handled {
        let (commit, leader, limit) = (self.commit, self.leader(), self.config.max_reads);
        let unproven = self.config.planted.is(Mutant::ReadWithoutQuorum);
        let Role::Leader(state) = &mut self.role else {
            // Early: a refusal promises nothing.
            out.output_early(Output::ReadRefused { context, leader });
            return Err(Ignored::WrongRole);
        };
        if unproven {
            out.output_early(Output::ReadReady { context, index: commit });
            return Ok(());
        }
        let asked: usize = state.reads.asked.iter().map(|(_, _, reads)| reads.len()).sum();
        if asked + state.reads.waiting.len() >= limit {
            // Early: a refusal promises nothing.
            out.output_early(Output::ReadRefused { context, leader });
            return Ok(());
        }
        state.reads.waiting.push(context);
        self.ask_round(out);
        Ok(())
    }

    /// Whether the commit index is as new as any read may need: before an entry of this term is committed,
    /// earlier leaders may have committed more than this one knows.
    fn commit_is_current(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => {
                self.commit >= leader.noop || self.config.planted.is(Mutant::ReadBeforeNoop)
            }
            Role::Follower { .. } | Role::PreCandidate { .. } | Role::Candidate { .. } => false,
        }
    }

    /// Starts a round for the reads that wait, unless one is under way: those that arrive meanwhile share the
    /// next.
    pub(crate) fn ask_round(&mut self, out: &mut Effects<Raft>) {
        let current = self.commit_is_current();
        let Ok(leader) = self.leader_mut() else { return };
        if current && leader.reads.asked.is_empty() && !leader.reads.waiting.is_empty() {
            self.heartbeat(out);
        }
    }

    /// One round of heartbeats; reads that wait ride on it.
    fn heartbeat(&mut self, out: &mut Effects<Raft>) {
        let (term, commit, current) = (self.term, self.commit, self.commit_is_current());
        let Ok(leader) = self.leader_mut() else { return };
        leader.reads.round += 1;
        let round = leader.reads.round;
        if current && !leader.reads.waiting.is_empty() {
            let reads = core::mem::take(&mut leader.reads.waiting);
            leader.reads.asked.push_back((round, commit, reads));
        }
        for (peer, progress) in &mut leader.followers {
            // No further than the follower is known to match: what it holds beyond may not be the same.
            let commit = commit.min(progress.matched);
            progress.told = progress.told.max(commit);
            // Early: it says only that this replica led when it was sent, by a term that is durable.
            out.send_early(*peer, Message::Heartbeat { term, commit, round });
        }
        self.confirm_reads(out);
    }

    /// Answers the reads whose round a majority has answered: no later leader can have been elected, and so
    /// nothing committed elsewhere, before those answers were sent.
    fn confirm_reads(&mut self, out: &mut Effects<Raft>) {
        let majority = self.majority();
        let Ok(leader) = self.leader_mut() else { return };
        let others = leader.followers.values().map(|p| p.round);
        let mut rounds: Vec<u64> = others.chain([leader.reads.round]).collect();
        let confirmed = protocol::quorum::committed(&mut rounds);
        assert!(rounds.len() >= majority, "a round of fewer than a majority");
        while leader.reads.asked.front().is_some_and(|(round, _, _)| *round <= confirmed) {
            let (_, index, reads) = leader.reads.asked.pop_front().expect("looked at it");
            for context in reads {
                // Early: committed state, confirmed by a quorum; nothing here depends on this disk.
                out.output_early(Output::ReadReady { context, index });
            }
        }
    }

    pub(crate) fn on_heartbeat(
        &mut self,
        now: Instant,
        from: NodeId,
        commit: u64,
        round: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        self.commit_to(commit, out);
        // Not early: it says that this replica is in the leader's term, which must be durable.
        out.send(from, Message::HeartbeatAck { term: self.term, round });
        Ok(())
    }

    pub(crate) fn on_heartbeat_ack(
        &mut self,
        now: Instant,
        from: NodeId,
        round: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if round > self.leader_mut()?.reads.round {
            return Err(Ignored::Malformed);
        }
        let (patience, heartbeat) = (self.config.election.0, self.config.heartbeat);
        let progress = self.heard_from(from, now)?;
        progress.round = progress.round.max(round);
        // The follower is alive; what it has not answered for long was lost.
        match &mut progress.flow {
            Flow::Probe { asked, .. } if asked.is_some_and(|at| now.since(at) >= heartbeat) => {
                *asked = None;
            }
            Flow::Replicate { inflight, moved, .. }
                if !inflight.is_empty() && now.since(*moved) >= patience =>
            {
                progress.flow = Flow::Probe { next: progress.matched + 1, asked: None };
            }
            Flow::Probe { .. } | Flow::Replicate { .. } | Flow::Snapshot(_) => {}
        }
        self.feed(from, now, out);
        self.resend_chunk(from, now, out);
        self.confirm_reads(out);
        self.ask_round(out);
        Ok(())
    }

    /// The leader's deadline: check-quorum (section 6.2), then a round.
    pub(crate) fn on_heartbeat_due(&mut self, now: Instant, out: &mut Effects<Raft>) {
        if self.quorum_heard(now) < self.majority() || self.leads_without_disk(now) {
            return self.step_down(now, out);
        }
        self.deadline = now + self.config.heartbeat;
        self.drop_dead_transfers(now, out);
        self.heartbeat(out);
    }
}

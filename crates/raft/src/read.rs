//! Linearizable reads without the log (ReadIndex, section 6.4), and the heartbeats they ride on.

use crate::state::{Flow, Role};
use crate::step::Handled;
use crate::{Ignored, Message, Output, Raft};
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
        let Role::Leader(leader) = &self.role else { return };
        let confirmed = self.agreed(|id| {
            let answered = leader.followers.get(&id).map(|progress| progress.round);
            answered.unwrap_or(if id == self.config.id { leader.reads.round } else { 0 })
        });
        let Ok(leader) = self.leader_mut() else { return };
        assert!(confirmed <= leader.reads.round, "a round from the future is confirmed");
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
        let (term, priority) = (self.term, self.priority(now));
        out.send(from, Message::HeartbeatAck { term, round, priority });
        Ok(())
    }

    pub(crate) fn on_heartbeat_ack(
        &mut self,
        now: Instant,
        from: NodeId,
        (round, priority): (u64, u8),
        out: &mut Effects<Raft>,
    ) -> Handled {
        let last = self.log.last().index;
        if round > self.leader_mut()?.reads.round {
            return Err(Ignored::Malformed);
        }
        let (patience, heartbeat) = (self.config.election.0, self.config.heartbeat);
        let progress = self.heard_from(from, now)?;
        progress.round = progress.round.max(round);
        progress.priority = priority;
        progress.end_round(progress.matched, last, now, patience);
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
        if !self.reached(&self.heard_lately(now)) {
            return self.step_down(now, out);
        }
        self.give_up_handover(now, out);
        self.advance_change(now, out);
        self.prefer(now, out);
        if !self.is_leading() {
            return;
        }
        self.deadline = now + self.config.heartbeat;
        self.drop_dead_transfers(now, out);
        self.heartbeat(out);
    }
}

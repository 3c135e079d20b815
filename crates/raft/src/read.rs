//! Linearizable reads without the log (ReadIndex, section 6.4), and the heartbeats they ride on.

use crate::state::{Flow, Reader, Role};
use crate::step::Handled;
use crate::{Ignored, Message, Output, Raft};
use protocol::{Effects, Instant, Mutant, NodeId};

impl Raft {
    pub(crate) fn on_read(
        &mut self,
        now: Instant,
        context: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if self.admit_read(now, Reader::Host(context), out) {
            return Ok(());
        }
        // Early: a refusal promises nothing.
        out.output_early(Output::ReadRefused { context, leader: self.leader() });
        if self.is_leading() { Err(Ignored::TooMany) } else { Err(Ignored::WrongRole) }
    }

    /// Answers a read under the lease, or queues it for a round. False if this replica does not lead, or has too
    /// many of them.
    pub(crate) fn admit_read(
        &mut self,
        now: Instant,
        reader: Reader,
        out: &mut Effects<Raft>,
    ) -> bool {
        let (limit, commit) = (self.config.max_reads, self.commit);
        let leased = self.commit_is_current() && self.lease_holds(now);
        let unproven = self.config.planted.is(Mutant::ReadWithoutQuorum);
        let stale = self.config.planted.is(Mutant::ReadRidesOnEarlierRound);
        if self.is_leading() {
            self.active(now);
        }
        let Ok(leader) = self.leader_mut() else { return false };
        if leased || unproven {
            self.answer_reader(reader, commit, out);
            return true;
        }
        let asked: usize = leader.reads.asked.iter().map(|(_, _, reads)| reads.len()).sum();
        if asked + leader.reads.waiting.len() >= limit {
            return false;
        }
        if stale && let Some((_, _, reads)) = leader.reads.asked.back_mut() {
            reads.push(reader);
            return true;
        }
        leader.reads.waiting.push(reader);
        self.ask_round(now, out);
        true
    }

    fn answer_reader(&self, reader: Reader, index: u64, out: &mut Effects<Raft>) {
        // Early: committed state, confirmed by a quorum or by the lease; nothing here depends on this disk.
        match reader {
            Reader::Host(context) => out.output_early(Output::ReadReady { context, index }),
            Reader::Follower(to, ticket) => {
                out.send_early(to, Message::ReadIndexReply { term: self.term, ticket, index });
            }
        }
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
    pub(crate) fn ask_round(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let current = self.commit_is_current();
        let Ok(leader) = self.leader_mut() else { return };
        if current && leader.reads.asked.is_empty() && !leader.reads.waiting.is_empty() {
            self.heartbeat(now, out);
        }
    }

    /// One round of heartbeats; reads that wait ride on it.
    pub(crate) fn heartbeat(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let (term, commit, current) = (self.term, self.commit, self.commit_is_current());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.reads.round += 1;
        let round = leader.reads.round;
        leader.lease.sent(round, now, &self.config);
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
        self.confirm_reads(now, out);
    }

    /// Answers the reads whose round a majority has answered: no later leader can have been elected, and so
    /// nothing committed elsewhere, before those answers were sent. The lease runs from that round, too.
    fn confirm_reads(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Role::Leader(leader) = &self.role else { return };
        let confirmed = self.answered(leader);
        let Role::Leader(leader) = &mut self.role else { return };
        assert!(confirmed <= leader.reads.round, "a round from the future is confirmed");
        leader.lease.answered(confirmed, now, &self.config);
        while let Role::Leader(leader) = &mut self.role
            && leader.reads.asked.front().is_some_and(|(round, _, _)| *round <= confirmed)
        {
            let (_, index, reads) = leader.reads.asked.pop_front().expect("looked at it");
            for reader in reads {
                self.answer_reader(reader, index, out);
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
        self.ask_again(now, from, out);
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
        self.confirm_reads(now, out);
        self.ask_round(now, out);
        Ok(())
    }

    /// The leader's deadline: check-quorum (section 6.2), then a round.
    pub(crate) fn on_heartbeat_due(&mut self, now: Instant, out: &mut Effects<Raft>) {
        if !self.reached(&self.heard_lately(now)) || self.leads_without_disk(now) {
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
        self.heartbeat(now, out);
    }
}

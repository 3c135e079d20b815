//! Leadership transfer: section 3.10. The leader takes no more proposals, brings the target's log up to its own end,
//! and tells it to stand at once. The target's Vote says so, or the others would refuse it for their leader's sake.
//!
//! Three roads lead here: the host asks for it ([`crate::Request::Transfer`]), this replica should not lead (its host
//! says so, or its configuration has removed it: it then stops leading in any case), and a voter of a higher priority
//! has caught up.

use crate::state::{Flow, Handover, Progress, Role};
use crate::step::Handled;
use crate::{Ignored, Message, Raft};
use core::cmp::Reverse;
use protocol::{Effects, Instant, Mutant, NodeId};
use stdx::Duration;

/// In election timeouts: after a handover for priority's sake, no other for so long; and a replica whose host asked it
/// to step down does not ask for leadership by its priority for so long.
const REST: u32 = 20;

impl Raft {
    pub(crate) fn on_transfer(
        &mut self,
        now: Instant,
        to: NodeId,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let leader = self.leader_mut()?;
        if leader.handover.is_some() {
            return Err(Ignored::Duplicate);
        }
        if to == self.config.id || !self.configuration().voters.contains(to) {
            return Err(Ignored::NotAVoter);
        }
        self.begin_handover(now, to, false, out);
        Ok(())
    }

    pub(crate) fn on_step_down(&mut self, now: Instant, out: &mut Effects<Raft>) -> Handled {
        self.rests_until = now + self.config.election.1 * REST;
        self.leader_mut()?;
        self.retire(now, out);
        Ok(())
    }

    /// Leads no more: hands over to the best follower if there is one, and steps down in any case. A single voter
    /// has nobody to leave the group to, and goes on.
    pub(crate) fn retire(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Ok(leader) = self.leader_mut() else { return };
        if let Some(handover) = &mut leader.handover {
            handover.leaves = true;
            return;
        }
        let alone = self.configuration().electors();
        if alone.iter().eq([self.config.id]) {
            return;
        }
        match self.best_heir(now) {
            Some(heir) => self.begin_handover(now, heir, true, out),
            None => self.step_down(now, out),
        }
    }

    /// The voter to lead instead: one that answers and whose log is nearest to this one's, by priority first.
    fn best_heir(&self, now: Instant) -> Option<NodeId> {
        let Role::Leader(leader) = &self.role else { return None };
        let voters = &self.configuration().voters;
        let able = |(id, progress): &(&NodeId, &Progress)| {
            voters.contains(**id)
                && matches!(progress.flow, Flow::Replicate { .. })
                && self.caught_up(progress, now)
        };
        let heirs = leader.followers.iter().filter(able);
        heirs.max_by_key(|(id, p)| (p.priority, p.matched, Reverse(**id))).map(|(id, _)| *id)
    }

    fn begin_handover(&mut self, now: Instant, to: NodeId, leaves: bool, out: &mut Effects<Raft>) {
        let until = now + self.config.election.0;
        let Ok(leader) = self.leader_mut() else { return };
        assert!(leader.handover.is_none(), "two handovers at once");
        leader.handover = Some(Handover { to, until, told: false, leaves });
        if !self.config.planted.is(Mutant::RestInHandover) {
            self.active(now); // It may have asked its followers to be quiet just before.
        }
        self.feed(to, now, out);
        self.hand_over(out);
    }

    /// Tells the target to stand, once it holds all that this leader has.
    pub(crate) fn hand_over(&mut self, out: &mut Effects<Raft>) {
        let (term, last) = (self.term, self.log.last().index);
        let hasty = self.config.planted.is(Mutant::TransferWithoutLog);
        let Ok(leader) = self.leader_mut() else { return };
        let Some(handover) = &mut leader.handover else { return };
        let matched = leader.followers.get(&handover.to).map_or(0, |progress| progress.matched);
        if handover.told || (matched < last && !hasty) {
            return;
        }
        assert!(matched <= last, "a follower is ahead of its leader");
        let to = handover.to;
        handover.told = true;
        // The voters will elect another though they hear this one. For the whole term, also if the transfer is
        // given up, since TimeoutNow and the Vote may arrive late.
        self.give_up_lease();
        // Early: that this replica leads `term` has been durable since before its election; nothing else is said.
        out.send_early(to, Message::TimeoutNow { term });
    }

    pub(crate) fn on_timeout_now(
        &mut self,
        now: Instant,
        from: NodeId,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        if !self.may_stand() {
            return Err(Ignored::NotAVoter);
        }
        self.become_candidate(now, true, out);
        Ok(())
    }

    /// At the leader's deadline: a target that has not been elected by now is given up. Who should not lead leaves
    /// anyway; others go on.
    pub(crate) fn give_up_handover(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Ok(leader) = self.leader_mut() else { return };
        let Some(Handover { until, leaves, .. }) = leader.handover else { return };
        if now < until {
            return;
        }
        leader.handover = None;
        if leaves {
            self.step_down(now, out);
        }
    }

    /// At the leader's deadline: a caught-up voter of a higher priority leads instead. It is safe and live whatever the
    /// numbers say, since nothing but the choice of the target rests on them; and they cannot make leadership wander,
    /// since it comes to rest for [`REST`] election timeouts.
    pub(crate) fn prefer(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Role::Leader(leader) = &self.role else { return };
        let busy = leader.handover.is_some() || self.commit < leader.noop || !self.is_settled();
        if busy || now < self.prefers_from {
            return;
        }
        let Some(heir) = self.best_heir(now) else { return };
        if leader.followers[&heir].priority > self.priority(now) {
            self.prefers_from = now + self.config.election.1 * REST;
            self.begin_handover(now, heir, false, out);
        }
    }

    /// How much this replica wants to lead.
    pub(crate) fn priority(&self, now: Instant) -> u8 {
        if now < self.rests_until { 0 } else { self.config.priority }
    }

    /// The earliest that a new leader looks for one of a higher priority.
    pub(crate) fn settle_in(&mut self, now: Instant) {
        let settled: Duration = self.config.election.1 * 2;
        self.prefers_from = self.prefers_from.max(now + settled);
    }
}

//! Cluster membership changes: chapter 4. Always by joint consensus (section 4.3): any number of changes in one step.
//!
//! A configuration is in force from the moment its entry is in a log, committed or not, and is taken back with it
//! (section 4.1). A leader counts by the latest in its log; a joint one is left as soon as it is committed, by
//! whoever leads then.

use crate::state::{CatchUp, Flow, Leader, Progress, Role};
use crate::step::Handled;
use crate::{Configuration, Ignored, Kind, Output, Raft, Refusal};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use protocol::{Effects, Instant, Mutant, NodeId, NodeSet, quorum};

impl Raft {
    /// The members: by the latest configuration in the log, committed or not.
    pub fn configuration(&self) -> &Configuration {
        if self.config.planted.is(Mutant::ConfigurationWhenCommitted) {
            return self.log.configuration_at(self.commit);
        }
        self.log.configuration().1
    }

    /// The members as of a committed entry that is not before the mark: what a [`crate::Mark`] there must name.
    pub fn configuration_at(&self, index: u64) -> &Configuration {
        self.log.configuration_at(index)
    }

    /// Whether the latest configuration is committed, and no joint one: nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.log.configuration().0 <= self.commit && !self.configuration().is_joint()
    }

    /// How far a leader is with `id`: whether it would be accepted as a new voter.
    pub fn is_caught_up(&self, now: Instant, id: NodeId) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        leader.followers.get(&id).is_some_and(|progress| self.caught_up(progress, now))
    }

    /// Whose agreement counts.
    fn counted(&self) -> Cow<'_, Configuration> {
        if self.config.planted.is(Mutant::CountNewHalfOnly) {
            return Cow::Owned(Configuration::of(self.voters().clone()));
        }
        Cow::Borrowed(self.configuration())
    }

    /// The highest value that a majority of each half has reached.
    pub(crate) fn agreed(&self, value: impl Fn(NodeId) -> u64) -> u64 {
        self.counted().agreed(value)
    }

    /// Up to where a majority of each half holds this leader's log on disk.
    pub(crate) fn held(&self, leader: &Leader) -> u64 {
        let (planted, me) = (self.config.planted, self.config.id);
        let matched = |id| {
            let matched = leader.followers.get(&id).map(|progress| progress.matched);
            matched.unwrap_or(if id == me { leader.own } else { 0 })
        };
        if planted.is(Mutant::CountLearners) {
            return Configuration::of(self.configuration().members()).agreed(matched);
        }
        if planted.is(Mutant::CountItselfRemoved) && !self.configuration().votes(me) {
            return self.agreed_with_itself(matched);
        }
        self.agreed(matched)
    }

    /// Up to which round a majority of each half has answered this leader.
    pub(crate) fn answered(&self, leader: &Leader) -> u64 {
        let (planted, me) = (self.config.planted, self.config.id);
        let answered = |id| {
            let answered = leader.followers.get(&id).map(|progress| progress.round);
            answered.unwrap_or(if id == me { leader.reads.round } else { 0 })
        };
        if planted.is(Mutant::RoundCountsItselfRemoved) && !self.configuration().votes(me) {
            return self.agreed_with_itself(answered);
        }
        self.agreed(answered)
    }

    /// Planted: as many as a majority of the voters, this replica among them although it is none.
    fn agreed_with_itself(&self, value: impl Fn(NodeId) -> u64) -> u64 {
        let mut values: Vec<u64> =
            self.voters().iter().chain([self.config.id]).map(value).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values[quorum::majority(self.voters().len()) - 1]
    }

    /// Whether these are a majority of each half.
    pub(crate) fn reached(&self, acks: &NodeSet) -> bool {
        if self.config.planted.is(Mutant::CountStrangersVote) {
            return acks.len() >= quorum::majority(self.configuration().voters.len());
        }
        self.counted().reached(acks)
    }

    /// Whether this replica votes in a configuration that may still be needed: the last committed one or a later
    /// one. A server that its own log removes goes on standing until that is committed, for it may be the only one
    /// whose log can win (section 4.2.2, figure 4.6).
    pub(crate) fn may_stand(&self) -> bool {
        self.log.configurations_from(self.commit).any(|some| some.votes(self.config.id))
    }

    pub(crate) fn on_change(
        &mut self,
        now: Instant,
        context: u64,
        voters: NodeSet,
        learners: NodeSet,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if let Err(reason) = self.admit_change(now, &voters, &learners) {
            // Early: a refusal promises nothing.
            out.output_early(Output::ChangeRefused { context, reason });
            return Err(Ignored::ChangeRefused);
        }
        let next = self.configuration().towards(voters, learners);
        let index = self.append_own(Kind::Config(next), out);
        // Early: it says where the entry stands, not that it will stay.
        out.output_early(Output::Appended { context, term: self.term, index });
        self.follow_configuration(now, out);
        self.feed_all(now, out);
        Ok(())
    }

    fn admit_change(
        &self,
        now: Instant,
        voters: &NodeSet,
        learners: &NodeSet,
    ) -> Result<(), Refusal> {
        let Role::Leader(leader) = &self.role else {
            return Err(Refusal::NotLeading(self.leader()));
        };
        if voters.is_empty() {
            return Err(Refusal::NoVoters);
        }
        if let Some(both) = voters.iter().find(|id| learners.contains(*id)) {
            return Err(Refusal::VoterAndLearner(both));
        }
        if leader.handover.is_some() {
            return Err(Refusal::HandingOver);
        }
        if self.commit < leader.noop {
            return Err(Refusal::TermNotCommitted);
        }
        if !self.is_settled() {
            return Err(Refusal::Underway);
        }
        let in_force = self.configuration();
        if in_force.voters == *voters && in_force.learners == *learners {
            return Err(Refusal::Unchanged);
        }
        let slow = |id: &NodeId| !in_force.voters.contains(*id) && !self.is_caught_up(now, *id);
        voters.iter().find(slow).map_or(Ok(()), |id| Err(Refusal::NotCaughtUp(id)))
    }

    /// Brings a leader's view of its followers in line with the configuration in force.
    pub(crate) fn follow_configuration(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let (peers, last) = (self.peers(), self.log.last().index);
        let Ok(leader) = self.leader_mut() else { return };
        for peer in &peers {
            leader.followers.entry(*peer).or_insert_with(|| Progress::new(last, now));
        }
        leader.followers.retain(|id, progress| {
            let stays = peers.contains(id);
            if let Flow::Snapshot(transfer) = &progress.flow
                && !stays
            {
                // Early: only lets the host free memory.
                out.output_early(Output::TransferOver { to: *id, transfer: transfer.id });
            }
            stays
        });
    }

    /// Goes on with a change as far as what is committed allows: leaves a joint configuration; hands over if the
    /// configuration does not know this leader any more (section 4.2.2).
    pub(crate) fn advance_change(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let early = self.config.planted.is(Mutant::LeaveJointEarly);
        let committed = self.log.configuration().0 <= self.commit || early;
        let Role::Leader(Leader { handover: None, noop, .. }) = &self.role else { return };
        if !committed || self.commit < *noop {
            return;
        }
        if self.configuration().is_joint() {
            let next = self.configuration().left();
            self.append_own(Kind::Config(next), out);
            self.follow_configuration(now, out);
            self.feed_all(now, out);
        } else if !self.configuration().votes(self.config.id) {
            self.retire(now, out);
        }
    }

    /// Whether a follower would not keep the group waiting if its acknowledgement counted (section 4.2.1). Replication
    /// to it goes in rounds: each ends when it holds durably what the leader had when the round began. It has caught
    /// up if its last round took no longer than the shortest election timeout, neither has the one under way, and it
    /// has answered within the longest.
    pub(crate) fn caught_up(&self, progress: &Progress, now: Instant) -> bool {
        let (shortest, longest) = self.config.election;
        let CatchUp { goal, since, quick } = progress.catch_up;
        let waits = progress.matched < goal && now.since(since) > shortest;
        quick && !waits && now.since(progress.heard) < longest
    }
}

impl Progress {
    /// A follower of which nothing is known; `last` is where the leader's log ends.
    pub(crate) fn new(last: u64, now: Instant) -> Progress {
        Progress {
            matched: 0,
            flow: Flow::Probe { next: last + 1, asked: None },
            heard: now,
            round: 0,
            told: 0,
            priority: 0,
            catch_up: CatchUp { goal: last, since: now, quick: false },
        }
    }

    /// Ends a round of catching up if the follower has reached its goal, and begins the next. One that held all of it
    /// when the round began (up to `before`) has needed no time, however long nothing was heard of it.
    pub(crate) fn end_round(
        &mut self,
        before: u64,
        last: u64,
        now: Instant,
        limit: stdx::Duration,
    ) {
        let CatchUp { goal, since, quick } = &mut self.catch_up;
        if self.matched >= *goal {
            *quick = before >= *goal || now.since(*since) <= limit;
            (*goal, *since) = (last, now);
        }
    }
}

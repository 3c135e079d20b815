//! Groups that have nothing to do and say nothing: no heartbeats, no deadlines.
//!
//! **Going quiet.** The host asks for it when a heartbeat is due ([`crate::Request::GoQuiet`]), and only if the hosts
//! of all replicas understand it. A leader agrees after it has been idle for the longest election timeout, with all
//! it has committed, all followers alive and caught up, no read and no snapshot on its way. It then sends `Quiet`
//! instead of heartbeats, again and again, to whoever has not acknowledged it; a follower learns the commit index by
//! it and has no deadline from then on; when all have acknowledged, the leader has none either. If one does not within
//! the shortest election timeout, all are woken by a heartbeat.
//!
//! **Waking.** A leader wakes by a proposal, by a read, or by whoever stands and may be right, or refuses it; its first
//! round, or the entry itself, wakes the followers: every word of a leader but `Quiet` arms them. A follower wakes by a
//! read that asks the leader, and when its host says that the leader's node is silent or was started again
//! (`PeerDown`).
//!
//! **Liveness.** A quiet follower needs someone to notice that its leader is no more. The leader's replica leads on in
//! its life, quiet or awake, or it has stepped down by a message of somebody who is awake, and is awake itself; or its
//! node is silent or in a new life, which the follower's host sees by itself and says. A lost wake-up is no more than a
//! lost heartbeat: the leader is awake and sends the next. A follower that was started again is armed; if its leader is
//! quiet, it is woken by `PeerUp`, or by the pre-vote.
//!
//! **Safety.** Being quiet changes deadlines only. A quiet follower's `heard` is as old as it is: it refuses votes for
//! what it promised and no longer; so a lease runs out by itself, and who wakes a follower leaves the promise whole.

use crate::state::{Flow, Role};
use crate::step::Handled;
use crate::{Ignored, LogId, Message, Raft, Request};
use protocol::{Effects, Input, Instant, Mutant, NodeId, NodeSet};
use stdx::Duration;

/// How near a replica is to having no deadline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// It has none.
    pub(crate) quiet: bool,
    /// When a leader last had something to do.
    active: Instant,
    /// A leader has asked its followers to be quiet: at which index, since when, and who is.
    asked: Option<(u64, Instant, NodeSet)>,
}

impl Rest {
    /// Whoever was asked to be quiet is told something after all.
    pub(crate) fn disturb(&mut self) {
        assert!(!self.quiet, "an entry of a leader that is quiet");
        self.asked = None;
    }

    /// What its future depends on, but for times.
    pub(crate) fn facts(&self) -> (bool, Option<(u64, usize)>) {
        (self.quiet, self.asked.as_ref().map(|(index, _, acked)| (*index, acked.len())))
    }
}

impl Raft {
    /// Whether nothing is to be done and nobody is to be told.
    pub fn is_quiet(&self) -> bool {
        self.rest.quiet
    }

    /// A leader has something to do.
    pub(crate) fn active(&mut self, now: Instant) {
        self.rest.active = now;
        self.rest.asked = None;
    }

    /// Nobody is quiet who has something to do, or nobody to wait for.
    pub(crate) fn check_rest(&self, last: LogId) {
        if !self.rest.quiet {
            return;
        }
        assert!(self.leader().is_some(), "quiet without a leader");
        if let Some(leader) = self.leads() {
            assert!(self.rest.asked.is_none(), "quiet while it asks others to be");
            assert_eq!(self.commit, last.index, "quiet with entries to commit");
            assert_eq!(leader.own, last.index, "quiet while its disk works");
            assert!(leader.reads.asked.is_empty(), "quiet with reads under way");
            assert!(leader.handover.is_none(), "quiet while it hands over");
            let level = leader.followers.values().all(|follower| follower.matched == last.index);
            assert!(level, "quiet with a follower that lags");
        }
    }

    /// What wakes a quiet leader, before it is handled. What only comes late does not.
    pub(crate) fn wake_for(&mut self, now: Instant, input: &Input<Raft>, out: &mut Effects<Raft>) {
        if !self.rest.quiet || !self.is_leading() {
            return;
        }
        let wakes = match input {
            Input::Message { from, message } => {
                matches!(
                    message,
                    Message::Vote { .. } | Message::AppendReject { .. } | Message::ReadIndex { .. }
                ) || self.is_missed_by(*from, message)
            }
            Input::Request(request) => matches!(
                request,
                Request::Propose { .. }
                    | Request::Read { .. }
                    | Request::ReadHere { .. }
                    | Request::Change { .. }
                    | Request::Transfer { .. }
                    | Request::StepDown
                    | Request::PeerUp { .. }
            ),
            Input::Deadline => false,
        };
        if wakes {
            self.wake_leader(now, out);
        }
    }

    /// Whether somebody would stand. One that was removed and does not know asks for ever: it is no member, and its log
    /// is behind that of every member. A stranger whose log is not may belong to a later configuration.
    fn is_missed_by(&self, from: NodeId, message: &Message) -> bool {
        let Message::PreVote { last, .. } = message else { return false };
        self.configuration().contains(from) || *last >= self.log.last()
    }

    /// Leads aloud again. What it has not heard of its followers while it did not ask says nothing about them.
    fn wake_leader(&mut self, now: Instant, out: &mut Effects<Raft>) {
        self.rest.quiet = false;
        self.active(now);
        self.deadline = now + self.config.heartbeat;
        if let Ok(leader) = self.leader_mut() {
            leader.followers.values_mut().for_each(|progress| progress.heard = now);
            leader.disk.1 = now; // Nothing was owed until now.
        }
        self.heartbeat(now, out);
    }

    /// The host would have it quiet; a heartbeat is due.
    pub(crate) fn on_go_quiet(&mut self, now: Instant, out: &mut Effects<Raft>) -> Handled {
        if !self.is_leading() || self.rest.quiet || now < self.deadline {
            return Err(Ignored::WrongRole);
        }
        if !self.may_rest(now) {
            self.rest.asked = None;
            return Err(Ignored::Busy);
        }
        let (term, index) = (self.term, self.log.last().index);
        let (_, since, acked) =
            self.rest.asked.get_or_insert_with(|| (index, now, NodeSet::new())).clone();
        if now.since(since) >= self.config.election.0 {
            self.wake_leader(now, out);
            return Ok(());
        }
        self.deadline = now + self.config.heartbeat;
        for peer in self.peers().into_iter().filter(|peer| !acked.contains(*peer)) {
            if let Ok(leader) = self.leader_mut()
                && let Some(progress) = leader.followers.get_mut(&peer)
            {
                progress.told = index;
            }
            // Early: as a heartbeat, it says that this replica led when it was sent; and all it names is committed.
            out.send_early(peer, Message::Quiet { term, index });
        }
        self.all_quiet();
        Ok(())
    }

    /// Idle for long, nothing on its way, and every follower alive and caught up.
    fn may_rest(&self, now: Instant) -> bool {
        let (last, patience) = (self.log.last().index, self.config.election);
        let settled = |leader: &crate::state::Leader| {
            let reads = leader.reads.asked.is_empty() && leader.reads.waiting.is_empty();
            let caught_up = leader.followers.values().all(|progress| {
                let level =
                    progress.matched == last && matches!(progress.flow, Flow::Replicate { .. });
                level && now.since(progress.heard) < patience.0
            });
            // Whoever is wanted more as a leader is handed leadership first.
            let priority = self.priority(now);
            let content = leader.followers.values().all(|p| p.priority <= priority);
            let handing_over = leader.handover.is_some();
            reads && caught_up && content && !handing_over && leader.own == last
        };
        let idle: Duration = now.since(self.rest.active);
        let idle = self.commit == last && self.is_settled() && idle >= patience.1;
        idle && self.leads().is_some_and(settled)
    }

    /// The leader is quiet once all its followers are.
    fn all_quiet(&mut self) {
        let peers = self.peers();
        let Some((index, _, acked)) = &self.rest.asked else { return };
        if peers.iter().all(|peer| acked.contains(*peer)) {
            assert_eq!(*index, self.log.last().index, "quiet with something new to say");
            self.rest.asked = None;
            self.rest.quiet = true;
        }
    }

    pub(crate) fn on_quiet(
        &mut self,
        now: Instant,
        from: NodeId,
        index: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        // Known to match the leader's log up to there, as for a heartbeat.
        self.commit_to(index, out);
        if index < self.log.last().index {
            return Err(Ignored::StaleReply); // Said before the leader's last entries.
        }
        if self.asks() {
            self.ask_again(now, from, out);
            return Err(Ignored::Busy);
        }
        assert!(!self.is_leading(), "its own leader's word");
        self.rest.quiet = true;
        // Not early: it says that this replica is in the leader's term, which must be durable.
        out.send(from, Message::QuietAck { term: self.term, index });
        Ok(())
    }

    pub(crate) fn on_quiet_ack(&mut self, now: Instant, from: NodeId, index: u64) -> Handled {
        self.heard_from(from, now)?;
        match &mut self.rest.asked {
            Some((asked, _, acked)) if *asked == index => acked.insert(from),
            Some(_) | None => return Err(Ignored::StaleReply),
        };
        self.all_quiet();
        Ok(())
    }

    /// The peer's node is silent, or in a new life: whoever led there may lead no more.
    pub(crate) fn on_peer_down(&mut self, now: Instant, peer: NodeId) -> Handled {
        let led =
            matches!(self.role, Role::Follower { leader: Some(leader), .. } if leader == peer);
        let deaf = self.config.planted.is(Mutant::PeerDownUnheard);
        if !self.rest.quiet || !led || deaf {
            return Err(Ignored::WrongRole);
        }
        if !self.may_stand() {
            return Err(Ignored::NotAVoter); // It would only forget a leader that may lead on, in silence.
        }
        // As if its deadline had stood all the time: the promise first, then chance.
        let (from, to) = self.config.election;
        let promised = self.heard.map_or(now, |heard| heard + from);
        self.arm_election(now);
        self.deadline = now.max(promised) + self.prng.span(Duration::ZERO, to - from);
        assert!(!self.rest.quiet, "a follower without a deadline and without a leader");
        Ok(())
    }

    /// The peer was started again, or is heard again: a leader has been woken to greet it.
    pub(crate) fn on_peer_up(&mut self) -> Handled {
        if self.is_leading() { Ok(()) } else { Err(Ignored::WrongRole) }
    }
}

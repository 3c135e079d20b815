//! Log replication, the leader's side: sections 3.5, 10.2 (batching, pipelining, parallel write).

use crate::state::{Flow, Leader, Progress, Role};
use crate::step::Handled;
use crate::{Entry, Ignored, Kind, LogId, Message, Output, Raft, Record};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use protocol::{Effects, Instant, NodeId};
use stdx::Bytes;

impl Raft {
    pub(crate) fn leader_mut(&mut self) -> Result<&mut Leader, Ignored> {
        match &mut self.role {
            Role::Leader(leader) => Ok(leader),
            Role::Follower { .. } | Role::PreCandidate { .. } | Role::Candidate { .. } => {
                Err(Ignored::WrongRole)
            }
        }
    }

    /// What the leader knows about `peer`, having just heard from it.
    pub(crate) fn heard_from(
        &mut self,
        peer: NodeId,
        now: Instant,
    ) -> Result<&mut Progress, Ignored> {
        let progress = self.leader_mut()?.followers.get_mut(&peer).ok_or(Ignored::NotAVoter)?;
        progress.heard = now;
        Ok(progress)
    }

    pub(crate) fn on_propose(
        &mut self,
        now: Instant,
        context: u64,
        payload: Bytes,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if !self.is_leading() {
            // Early: a refusal promises nothing; no entry was appended and none will be.
            out.output_early(Output::Refused { context, leader: self.leader() });
            return Err(Ignored::WrongRole);
        }
        self.active(now);
        let index = self.append_own(Kind::Command(payload), out);
        // Early: it says where the entry stands, not that it will stay.
        out.output_early(Output::Appended { context, term: self.term, index });
        self.feed_all(now, out);
        Ok(())
    }

    /// Appends to the leader's own log. Its disk works while the followers' do (section 10.2.1), and it counts
    /// itself only when it hears of its own durability.
    pub(crate) fn append_own(&mut self, kind: Kind, out: &mut Effects<Raft>) -> u64 {
        assert!(self.is_leading(), "only a leader creates entries");
        let (term, index) = (self.term, self.log.last().index + 1);
        let entry = Entry { index, term, kind };
        self.log.append(entry.clone());
        self.save_entries(vec![entry], out);
        out.send(self.config.id, Message::Durable { term, index });
        index
    }

    pub(crate) fn save_entries(&mut self, entries: Vec<Entry>, out: &mut Effects<Raft>) {
        let first = entries.first().expect("entries to save").index;
        let last = entries.last().expect("entries to save").index;
        assert_eq!(last, self.log.last().index, "saved before they were appended");
        let at = out.persist(Record::Entries { entries });
        self.kept.entries(at, first, last);
    }

    pub(crate) fn on_durable(
        &mut self,
        now: Instant,
        index: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let last = self.log.last().index;
        let leader = self.leader_mut()?;
        assert!(index <= last, "durable {index} > last {last} in the term that appended it");
        if index <= leader.own {
            return Err(Ignored::Duplicate);
        }
        leader.own = index;
        self.try_commit(now, out);
        Ok(())
    }

    pub(crate) fn feed_all(&mut self, now: Instant, out: &mut Effects<Raft>) {
        for peer in self.peers() {
            self.feed(peer, now, out);
        }
    }

    /// Sends `peer` whatever its flow allows.
    pub(crate) fn feed(&mut self, peer: NodeId, now: Instant, out: &mut Effects<Raft>) {
        let last = self.log.last().index;
        let limit = self.config.max_inflight;
        while let Role::Leader(leader) = &mut self.role {
            let progress = leader.followers.get_mut(&peer).expect("a follower for each peer");
            let next = match &progress.flow {
                Flow::Probe { next, asked: None } => *next,
                Flow::Replicate { next, inflight, .. } if *next <= last => {
                    let bytes: usize = inflight.iter().map(|(_, bytes)| bytes).sum();
                    if inflight.len() >= limit.messages.max(1) || bytes >= limit.bytes.max(1) {
                        return;
                    }
                    *next
                }
                Flow::Probe { .. } | Flow::Replicate { .. } | Flow::Snapshot(_) => return,
            };
            let Some(prev_term) = self.log.term_at(next - 1) else {
                return self.start_transfer(peer, now, out);
            };
            let entries = self.log.from(next, self.config.max_append_bytes);
            progress.sent(next, &entries, now);
            progress.told = self.commit.min(next - 1 + entries.len() as u64);
            let prev = LogId { term: prev_term, index: next - 1 };
            let (term, commit) = (self.term, self.commit);
            // Early: a leader that crashes and forgets these entries contradicts nobody; followers count
            // by their own disks, and its term was durable before it was elected.
            out.send_early(peer, Message::Append { term, prev, entries, commit });
        }
    }

    pub(crate) fn on_append_ack(
        &mut self,
        now: Instant,
        from: NodeId,
        matched: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let (last, base) = (self.log.last().index, self.log.base().index);
        let progress = self.heard_from(from, now)?;
        if matched > last {
            return Err(Ignored::Malformed);
        }
        if matched < progress.matched {
            return Err(Ignored::StaleReply);
        }
        let over = progress.acknowledged(matched, base, now);
        if let Some(transfer) = over {
            // Early: only lets the host free memory.
            out.output_early(Output::TransferOver { to: from, transfer });
        }
        self.try_commit(now, out);
        self.feed(from, now, out);
        self.tell_commit(from, out);
        Ok(())
    }

    /// Finds where the logs agree: past the follower's whole conflicting term if this log lacks it, or at the
    /// end of that term here (section 3.5's optimisation, in its form with one round trip a term).
    pub(crate) fn on_append_reject(
        &mut self,
        now: Instant,
        from: NodeId,
        prev: u64,
        hint: LogId,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let agreed = self.log.last_of_term(hint.term).map_or(hint.index, |last| last + 1);
        let progress = self.heard_from(from, now)?;
        let current = match &progress.flow {
            Flow::Probe { next, .. } => prev == *next - 1,
            Flow::Replicate { next, .. } => prev < *next,
            Flow::Snapshot(_) => false,
        };
        if !current || prev <= progress.matched {
            return Err(Ignored::StaleReply);
        }
        let next = agreed.min(prev).max(progress.matched + 1);
        progress.flow = Flow::Probe { next, asked: None };
        self.feed(from, now, out);
        Ok(())
    }

    pub(crate) fn on_unreachable(&mut self, peer: NodeId) -> Handled {
        let progress = self.leader_mut()?.followers.get_mut(&peer).ok_or(Ignored::NotAVoter)?;
        if let Flow::Replicate { .. } = progress.flow {
            // As if asked long ago: the next heartbeat it answers lets the probe go.
            progress.flow = Flow::Probe { next: progress.matched + 1, asked: Some(Instant(0)) };
        }
        Ok(())
    }
}

impl Progress {
    /// Entries from `next` on have left.
    fn sent(&mut self, next: u64, entries: &[Entry], now: Instant) {
        match &mut self.flow {
            Flow::Probe { asked, .. } => *asked = Some(now),
            Flow::Replicate { next: upcoming, inflight, moved } => {
                if inflight.is_empty() {
                    *moved = now;
                }
                let bytes = entries.iter().map(Entry::bytes).sum();
                *upcoming = next + entries.len() as u64;
                inflight.push_back((*upcoming - 1, bytes));
            }
            Flow::Snapshot(_) => panic!("entries to a follower that waits for a snapshot"),
        }
    }

    /// The follower matches up to `matched`; answers the transfer that this ends.
    fn acknowledged(&mut self, matched: u64, base: u64, now: Instant) -> Option<u64> {
        assert!(matched >= self.matched, "an acknowledgement taken back");
        self.matched = matched;
        match &mut self.flow {
            Flow::Probe { next, .. } => {
                if matched + 1 >= *next {
                    let next = matched + 1;
                    self.flow = Flow::Replicate { next, inflight: VecDeque::new(), moved: now };
                }
                None
            }
            Flow::Replicate { next, inflight, moved } => {
                while inflight.front().is_some_and(|(last, _)| *last <= matched) {
                    inflight.pop_front();
                    *moved = now;
                }
                *next = (*next).max(matched + 1);
                None
            }
            Flow::Snapshot(transfer) => {
                // Either ends it: the snapshot arrived, or the log here still reaches back to `matched`.
                let arrived = transfer.mark.as_ref().is_some_and(|mark| matched >= mark.index);
                let over = (arrived || matched >= base).then_some(transfer.id)?;
                let next = matched + 1;
                self.flow = Flow::Replicate { next, inflight: VecDeque::new(), moved: now };
                Some(over)
            }
        }
    }
}

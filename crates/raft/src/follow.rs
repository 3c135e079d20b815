//! Log replication, the follower's side: the consistency check of section 3.5.

use crate::state::Role;
use crate::step::Handled;
use crate::{Entry, Ignored, Kind, LogId, Message, Raft};
use alloc::vec::Vec;
use protocol::{Effects, Instant, Mutant, NodeId};

impl Raft {
    /// `from` leads this replica's term.
    pub(crate) fn follow(&mut self, now: Instant, from: NodeId) -> Handled {
        match &mut self.role {
            Role::Leader(_) => return Err(Ignored::SecondLeader),
            Role::Follower { leader: Some(leader), .. } if *leader != from => {
                return Err(Ignored::SecondLeader);
            }
            Role::Follower { leader, .. } => *leader = Some(from),
            Role::PreCandidate { .. } | Role::Candidate { .. } => {
                self.role = Role::Follower { leader: Some(from), incoming: None };
            }
        }
        self.heard = Some(now);
        self.arm_election(now);
        Ok(())
    }

    pub(crate) fn on_append(
        &mut self,
        now: Instant,
        from: NodeId,
        prev: LogId,
        entries: Vec<Entry>,
        commit: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        self.well_formed(prev, &entries)?;
        let term = self.term;
        let (prev, entries) = self.past_base(prev, entries);
        if !self.log.contains(prev) {
            let hint = self.conflict(prev.index);
            out.send(from, Message::AppendReject { term, prev: prev.index, hint });
            return Ok(());
        }
        let matched = prev.index + entries.len() as u64;
        self.adopt(prev, entries, out)?;
        self.commit_to(commit.min(matched), out);
        let ack = Message::AppendAck { term, matched };
        if self.config.planted.is(Mutant::AckBeforeSync) {
            out.send_early(from, ack);
        } else {
            out.send(from, ack);
        }
        Ok(())
    }

    /// Indices without gaps, terms that never fall, none later than the leader's own, voters in every configuration.
    fn well_formed(&self, prev: LogId, entries: &[Entry]) -> Handled {
        let mut before = prev;
        for entry in entries {
            let follows = before.index.checked_add(1) == Some(entry.index);
            let absurd = matches!(&entry.kind, Kind::Config(members) if !members.is_valid());
            if !follows || absurd || entry.term < before.term || entry.term > self.term {
                return Err(Ignored::Malformed);
            }
            before = LogId { term: entry.term, index: entry.index };
        }
        Ok(())
    }

    /// Leaves out what is before the part of the log in memory: it is committed, so it is the same.
    fn past_base(&self, prev: LogId, mut entries: Vec<Entry>) -> (LogId, Vec<Entry>) {
        let base = self.log.base();
        assert!(base.index <= self.commit, "an uncommitted entry left the log");
        if prev.index >= base.index {
            return (prev, entries);
        }
        entries.retain(|entry| entry.index > base.index);
        (base, entries)
    }

    /// The first entry of the term that stands at `index`, or where the log ends.
    fn conflict(&self, index: u64) -> LogId {
        let end = LogId { term: 0, index: self.log.last().index + 1 };
        self.log.first_of_term_at(index).unwrap_or(end)
    }

    /// Appends what is new. What conflicts is truncated first, and never anything else: a shorter or late
    /// AppendEntries must not remove entries that were acknowledged since.
    fn adopt(&mut self, prev: LogId, mut entries: Vec<Entry>, out: &mut Effects<Raft>) -> Handled {
        let careful = !self.config.planted.is(Mutant::TruncateCommitted);
        let known = |entry: &&Entry| self.log.term_at(entry.index) == Some(entry.term);
        let same = if careful { entries.iter().take_while(known).count() } else { 0 };
        if careful && same == entries.len() {
            return Ok(());
        }
        let first = prev.index + 1 + same as u64;
        if careful && first <= self.commit {
            return Err(Ignored::ConflictsWithCommitted);
        }
        self.log.truncate_from(first, self.config.planted);
        let fresh = entries.split_off(same);
        for entry in &fresh {
            self.log.append(entry.clone());
        }
        if !fresh.is_empty() {
            self.save_entries(fresh, out);
        }
        Ok(())
    }
}

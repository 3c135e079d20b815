//! What is committed, who is told: section 3.6.2 and figure 3.7 (figure 8 of the paper).

use crate::state::Role;
use crate::step::Handled;
use crate::{Ignored, Message, Output, Raft};
use protocol::{Effects, Instant, Mutant, NodeId};

impl Raft {
    /// Commits what a majority of each half of the voters holds on disk, if it is of this term. An entry of an
    /// earlier term on a majority can still be replaced (figure 8); it is committed by one of this term above it.
    pub(crate) fn try_commit(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Role::Leader(leader) = &self.role else { return };
        let held = self.held(leader);
        let own_term = self.log.term_at(held) == Some(self.term)
            || self.config.planted.is(Mutant::CommitEarlierTerm);
        assert!(held <= self.log.last().index, "a majority is ahead of its leader");
        if held <= self.commit || !own_term {
            return;
        }
        self.commit_to(held, out);
        if self.config.planted.is(Mutant::ConfigurationWhenCommitted) {
            self.follow_configuration(now, out);
        }
        for peer in self.peers() {
            self.tell_commit(peer, out);
        }
        self.ask_round(now, out);
        self.advance_change(now, out);
    }

    /// Moves the commit index forward and hands the entries over.
    pub(crate) fn commit_to(&mut self, index: u64, out: &mut Effects<Raft>) {
        let index = index.min(self.log.last().index);
        if index <= self.commit {
            return;
        }
        let entries = self.log.between(self.commit, index);
        assert_eq!(entries.len() as u64, index - self.commit, "each index once");
        self.commit = index;
        // Early: counted from acknowledgements that were durable when they were sent; if this replica crashes
        // before its own copy is on disk, the others' still stand.
        out.output_early(Output::Committed { entries });
    }

    /// Tells a follower that has nothing on its way and nothing to come; for others the next AppendEntries or
    /// heartbeat says it.
    pub(crate) fn tell_commit(&mut self, peer: NodeId, out: &mut Effects<Raft>) {
        let (term, commit, last) = (self.term, self.commit, self.log.last().index);
        let Ok(leader) = self.leader_mut() else { return };
        let progress = leader.followers.get_mut(&peer).expect("a follower for each peer");
        assert!(progress.told <= commit, "a follower was told what is not committed");
        if progress.matched == last && progress.told < commit {
            progress.told = commit;
            // Early: what is committed stays so whatever this replica forgets.
            out.send_early(peer, Message::Commit { term, commit });
        }
    }

    pub(crate) fn on_commit(
        &mut self,
        now: Instant,
        from: NodeId,
        commit: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        if commit <= self.commit {
            return Err(Ignored::Duplicate);
        }
        // No further than this log is known to match the leader's, so that the entries here are the same.
        self.commit_to(commit, out);
        Ok(())
    }
}

//! A leader whose disk takes no more: section 10.2.1 lets a leader commit what a majority of other disks holds
//! before its own does, so a disk that hangs would go unnoticed, while all that it should write piles up in memory
//! and every entry needs each of the disks that are left.
//!
//! Nothing here keeps such a replica from winning again: its pre-votes wait, as every promise does, for what it
//! has not yet written, and its own vote counts when it is durable.

use crate::Raft;
use crate::state::Leader;
use protocol::{Instant, Mutant, NodeSet};

/// So many of the longest election timeouts without a durable step, while entries wait, are too many: far above
/// what a slow disk takes for one sync.
const PATIENCE: u32 = 4;

impl Leader {
    /// Since when its own disk has owed it the same step; none if it owes nothing.
    fn owes_since(&mut self, last: u64, now: Instant) -> Option<Instant> {
        if self.own == last || self.disk.0 != self.own {
            self.disk = (self.own, now);
        }
        (self.own < last).then_some(self.disk.1)
    }
}

impl Raft {
    /// Whether this leader should let another lead: its disk hangs, and a majority of the voters, without it, is
    /// ahead of that disk. Without such a majority nobody could take over, and what it does is still right.
    pub(crate) fn leads_without_disk(&mut self, now: Instant) -> bool {
        let last = self.log.last().index;
        let (patience, planted) = (self.config.election.1 * PATIENCE, self.config.planted);
        let Ok(leader) = self.leader_mut() else { return false };
        let Some(since) = leader.owes_since(last, now) else { return false };
        let own = leader.own;
        let ahead = leader.followers.iter().filter(|(_, follower)| follower.matched > own);
        let ahead: NodeSet = ahead.map(|(id, _)| *id).collect();
        now.since(since) >= patience && self.reached(&ahead) && !planted.is(Mutant::LeadWithoutDisk)
    }
}

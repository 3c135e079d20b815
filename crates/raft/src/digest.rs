//! The state as the explorer compares it: no generator, deadlines as armed or not, ids renamed.

use crate::Raft;
use crate::state::{Flow, Leader, Role};
use core::hash::{Hash, Hasher};
use protocol::{Digest, NodeId, NodeSet, Renaming};

impl Raft {
    pub(crate) fn write_digest(&self, names: &Renaming, into: &mut Digest) {
        (self.term, self.vote.map(|id| names.of(id)), self.commit).hash(into);
        self.heard.is_some().hash(into);
        (self.log.base(), self.log.mark().index).hash(into);
        for entry in self.log.entries() {
            into.write(&wire::encode(entry));
        }
        self.rest.facts().hash(into);
        self.questions.digest(into);
        match &self.role {
            Role::Follower { leader, incoming } => {
                (0u8, leader.map(|id| names.of(id))).hash(into);
                if let Some(incoming) = incoming {
                    (incoming.transfer, incoming.mark.index, incoming.next).hash(into);
                }
            }
            Role::PreCandidate { granted } => (1u8, renamed(granted, names)).hash(into),
            Role::Candidate { granted } => (2u8, renamed(granted, names)).hash(into),
            Role::Leader(leader) => digest_leader(leader, names, into),
        }
    }
}

fn renamed(ids: &NodeSet, names: &Renaming) -> NodeSet {
    ids.iter().map(|id| names.of(id)).collect()
}

fn digest_leader(leader: &Leader, names: &Renaming, into: &mut Digest) {
    (3u8, leader.own, leader.noop, leader.transfers).hash(into);
    (leader.reads.round, &leader.reads.waiting, leader.lease.facts()).hash(into);
    for (round, index, contexts) in &leader.reads.asked {
        (round, index, contexts).hash(into);
    }
    let mut followers: alloc::vec::Vec<(NodeId, NodeId)> =
        leader.followers.keys().map(|id| (names.of(*id), *id)).collect();
    followers.sort_unstable();
    for (name, id) in followers {
        let progress = &leader.followers[&id];
        (name, progress.matched, progress.round, progress.told).hash(into);
        match &progress.flow {
            Flow::Probe { next, asked } => (0u8, next, asked.is_some()).hash(into),
            Flow::Replicate { next, inflight, .. } => {
                (1u8, next).hash(into);
                inflight.iter().for_each(|sent| sent.hash(into));
            }
            Flow::Snapshot(transfer) => {
                let mark = transfer.mark.as_ref().map(|mark| mark.index);
                (2u8, transfer.id, mark, transfer.seq, transfer.chunk.is_some()).hash(into);
            }
        }
    }
}

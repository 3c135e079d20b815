//! A replica that found its own bytes to be others than were sealed: it stops serving, loudly and for good.
//!
//! What such a replica would apply, every other replica may apply differently, so it applies nothing more. Which
//! of its copies is wrong (in memory, in the log) it cannot tell: it counts as lost, like one whose records are
//! damaged, and stays so after a restart. The group goes on without it.

use crate::api::Event;
use crate::catalog::CATALOG_GROUP;
use crate::message::{GroupId, Lost};
use crate::proposal::Outcome;
use crate::state::{Node, Timer};
use protocol::Effects;
use stdx::{NodeId, Now};

impl Node {
    /// Whether a message of consensus brings what was sealed. What does not is dropped, as if the link had lost
    /// it: the sender sends it again, and this replica never acknowledges what it could not apply.
    pub(crate) fn unsealed(
        &mut self,
        from: NodeId,
        id: GroupId,
        message: &raft::Message,
        out: &mut Effects<Node>,
    ) -> bool {
        let Err(broken) = crate::seal::message(id, message, self.config.planted) else {
            return false;
        };
        if let Some(group) = self.groups.get(&id) {
            let keyspace = group.info.keyspace.name.clone();
            let reason = broken.to_string();
            Node::event(out, Event::MessageDamaged { peer: from, keyspace, reason });
        }
        true
    }

    /// Serves `id` no more. The catalog stays readable as of what was applied: a node without one could not say
    /// where anything is, and as of an earlier time it is what any slow replica shows. After a restart the node
    /// does not start: it must be replaced.
    pub(crate) fn serve_no_more(
        &mut self,
        now: Now,
        id: GroupId,
        place: String,
        out: &mut Effects<Node>,
    ) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let (info, reads) = (group.info.clone(), core::mem::take(&mut group.reads));
        group.queue.clear();
        let keyspace = info.keyspace.name.clone();
        self.damaged.insert(id, Lost { info, place: place.clone() });
        self.said.retain(|(said, _)| *said != id);
        self.timers.set(Timer::Raft(id), None);
        self.timers.set(Timer::Expiry(id), None);
        self.tend_no_more(id, out);
        if id != CATALOG_GROUP {
            self.groups.remove(&id);
        }
        self.base_at = out.persist(self.base());
        Node::event(out, Event::Damaged { keyspace, place });
        for (_, read) in reads {
            self.answer_read(now, id, read.asker, Outcome::NotLeader(None), out);
        }
    }

    /// Whether a replica is held but not served: the catalog's, after [`Node::serve_no_more`].
    pub(crate) fn halted(&self, id: GroupId) -> bool {
        id == CATALOG_GROUP && self.damaged.contains_key(&id)
    }
}

//! How fast snapshots leave this node: so many bytes a second for all transfers together, so that one does not
//! starve the commits that share its links and disks.
//!
//! A leaky bucket of one chunk: a chunk leaves when the time that the one before it was worth has passed. What has
//! to wait is asked of the views later, one chunk for each follower at most, in turn.

use crate::message::GroupId;
use crate::state::{Node, Timer};
use alloc::collections::BTreeMap;
use core::ops::Bound::{Excluded, Unbounded};
use protocol::Effects;
use stdx::{Duration, Instant, Mutant, NodeId, Now};

/// A group's follower.
type To = (GroupId, NodeId);

/// The chunks that wait, and until when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    free: Instant,
    /// Raft's names for transfer and chunk: the newest that was asked for.
    waiting: BTreeMap<To, (u64, u64)>,
    served: To,
    /// Chunks that had to wait, since start.
    pub(crate) held: u64,
}

impl Throttle {
    /// Whose turn it is.
    fn next(&self) -> Option<To> {
        let after = self.waiting.range((Excluded(self.served), Unbounded)).next();
        after.or_else(|| self.waiting.first_key_value()).map(|(to, _)| *to)
    }
}

impl Node {
    /// Whether a chunk has to wait; it is asked for again when its time has come.
    pub(crate) fn must_wait(
        &mut self,
        now: Now,
        id: GroupId,
        (to, transfer, seq): (NodeId, u64, u64),
    ) -> bool {
        if now.mono >= self.throttle.free || self.config.planted.is(Mutant::SendAtOnce) {
            return false;
        }
        self.throttle.held += 1;
        self.throttle.waiting.insert((id, to), (transfer, seq));
        self.timers.set(Timer::Transfer, Some(self.throttle.free));
        true
    }

    /// A chunk of so many bytes is on its way.
    pub(crate) fn sent(&mut self, now: Now, bytes: usize) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000);
        if let Some(nanos) = nanos.checked_div(self.config.transfer_rate) {
            self.throttle.free = self.throttle.free.max(now.mono) + Duration::from_nanos(nanos);
        }
    }

    /// The transfer is over: nobody wants its chunk any more.
    pub(crate) fn forget_waiting(&mut self, id: GroupId, to: NodeId, transfer: u64) {
        if self.throttle.waiting.get(&(id, to)).is_some_and(|(known, _)| *known <= transfer) {
            self.throttle.waiting.remove(&(id, to));
        }
    }

    /// The next chunks may go.
    pub(crate) fn go_on_sending(&mut self, now: Now, out: &mut Effects<Node>) {
        while now.mono >= self.throttle.free
            && let Some(to) = self.throttle.next()
        {
            let (transfer, seq) = self.throttle.waiting.remove(&to).expect("just seen");
            self.throttle.served = to;
            self.need_chunk(now, to.0, (to.1, transfer, seq), out);
        }
        let waits = !self.throttle.waiting.is_empty();
        self.timers.set(Timer::Transfer, waits.then_some(self.throttle.free));
    }

    /// How many chunks of snapshots had to wait for their turn, since start.
    pub fn held_chunks(&self) -> u64 {
        self.throttle.held
    }
}

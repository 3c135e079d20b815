//! Keys that expire: time moves in a group by entries only, so a leader commits it when a key is due.

use crate::message::GroupId;
use crate::proposal::{Body, Operation, Outcome};
use crate::state::{Node, Timer};
use protocol::Effects;
use stdx::{Duration, Now};

/// An overdue key waits at least this long for the next tick, so that a burst of them shares one.
const EXPIRY_PAUSE: Duration = Duration::from_millis(100);

impl Node {
    /// Commits the time, unless a tick is on its way. If this replica no longer leads, the reads that wait
    /// for it are refused, since they were confirmed by a leader who cannot act any more.
    pub(crate) fn tick(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        if self.groups[&id].tick.is_some() {
            return;
        }
        let body = Body { session: None, epoch: 0, operation: Operation::Tick };
        if let Err(leader) = self.propose(now, id, body, out) {
            let group = self.groups.get_mut(&id).expect("just seen");
            for (_, read) in core::mem::take(&mut group.reads) {
                self.answer_read(now, id, read.asker, Outcome::NotLeader(leader), out);
            }
        }
    }

    /// Sets the timer for the next key that falls due in a group led here.
    pub(crate) fn watch_expiry(&mut self, now: Now, id: GroupId) {
        let group = &self.groups[&id];
        let due = group.machine.next_expiry().filter(|_| group.raft.is_leading());
        let deadline = due.map(|due_ms| {
            let wait = Duration::from_millis(due_ms.saturating_sub(now.wall.millis()));
            now.mono + wait.max(EXPIRY_PAUSE)
        });
        // An earlier deadline that still stands is kept: it only costs a look.
        match (self.timers.get(Timer::Expiry(id)), deadline) {
            (Some(before), Some(after)) if before <= after => {}
            _ => self.timers.set(Timer::Expiry(id), deadline),
        }
    }

    /// A key may be due in a group led here.
    pub(crate) fn expiry_passed(&mut self, now: Now, id: GroupId, out: &mut Effects<Node>) {
        let Some(group) = self.groups.get(&id) else { return };
        let due = group.machine.next_expiry().is_some_and(|at| at <= now.wall.millis());
        if due && group.raft.is_leading() {
            self.tick(now, id, out);
        }
        self.watch_expiry(now, id);
    }
}

//! Requests to groups: sent to whoever leads, sent again under the same number, answered once, or given up.

use super::{Op, Owner};
use crate::group::Asker;
use crate::message::{Content, GroupId};
use crate::proposal::{Body, Operation, Outcome, Session};
use crate::state::{Node, Timer};
use protocol::Effects;
use stdx::{Duration, NodeId, Now};

/// A request without an answer is sent again after this long: a lost message costs no more than an election.
const RETRY: Duration = Duration::from_millis(300);

impl Node {
    /// Makes a request of `group` and sends it if a leader is known.
    pub(crate) fn request(
        &mut self,
        now: Now,
        group: GroupId,
        (owner, write, operation): (Owner, bool, Operation),
        out: &mut Effects<Node>,
    ) -> u64 {
        self.gateway.next += 1;
        let number = self.gateway.next;
        let epoch = self.catalog().epoch;
        let here = !write
            && match &owner {
                Owner::Conn(conn, _) => self.gateway.conns.get(conn).is_some_and(|c| c.read_here),
                Owner::Declaration(_) => false,
            };
        let (sent, appended, tried) = (false, None, None);
        let op = Op { group, owner, write, here, epoch, operation, sent, appended, tried };
        self.gateway.ops.insert(number, op);
        if write {
            self.gateway.writes.insert((group, number));
        }
        if self.timers.get(Timer::Retry).is_none() {
            self.timers.set(Timer::Retry, Some(now.mono + RETRY));
        }
        self.submit(now, number, out);
        number
    }

    /// Forgets a request. If it is still on its way its group will ignore it once it has seen a later request
    /// of this session, whose low-water mark is higher.
    pub(crate) fn forget(&mut self, number: u64) -> Option<Op> {
        let op = self.gateway.ops.remove(&number)?;
        self.gateway.writes.remove(&(op.group, number));
        Some(op)
    }

    fn body(&self, number: u64, op: &Op) -> Body {
        let low = self.gateway.writes.range((op.group, 0)..).next();
        let low_water = low.filter(|(g, _)| *g == op.group).map_or(number, |(_, n)| *n);
        let session = op.write.then_some(Session {
            node: self.identity.node,
            life: self.identity.life,
            sequence: number,
            low_water,
        });
        Body { session, epoch: op.epoch, operation: op.operation.clone() }
    }

    /// Sends a request to whoever leads its group, if anyone is known to.
    fn submit(&mut self, now: Now, number: u64, out: &mut Effects<Node>) {
        let Some(op) = self.gateway.ops.get(&number) else { return };
        let (id, write) = (op.group, op.write);
        let Some(group) = self.groups.get(&id) else {
            self.submit_abroad(now, number, out);
            return;
        };
        let leading = group.raft.is_leading();
        // A second try goes to the leader: the first one may have been lost on its way there.
        let here = op.here && op.tried.is_none() && group.leader_node().is_some();
        if leading || here {
            let term = group.raft.term();
            if op.appended == Some(term) {
                return; // It is in our log: either it commits or the term ends.
            }
            let body = self.body(number, op);
            if !write {
                let life = self.identity.life;
                let asker = Asker { node: self.identity.node, life, number };
                self.mark(now, number, None);
                self.start_read(now, id, (asker, !leading), body, out);
            } else if self.propose(now, id, body, out).is_ok() {
                self.mark(now, number, Some(term));
            }
            return;
        }
        let Some(leader) = group.leader_node() else {
            // Nobody to ask: it has not left this node, and the retry or a new leader will find it.
            return;
        };
        self.send_to(now, number, leader, out);
    }

    /// No replica here: ask the last known leader, else the members in turn.
    fn submit_abroad(&mut self, now: Now, number: u64, out: &mut Effects<Node>) {
        let op = &self.gateway.ops[&number];
        let id = op.group;
        let Some(keyspace) = self.catalog().by_group(id) else { return };
        let members: Vec<NodeId> = keyspace.members.iter().map(|(_, node)| *node).collect();
        let guess = self.hints.get(&id).copied().filter(|node| members.contains(node));
        let target = guess.unwrap_or_else(|| *self.rng.pick(&members));
        if target != self.identity.node {
            self.send_to(now, number, target, out);
        }
    }

    fn send_to(&mut self, now: Now, number: u64, node: NodeId, out: &mut Effects<Node>) {
        let op = &self.gateway.ops[&number];
        let (group, body) = (op.group, self.body(number, op));
        let content = if op.write {
            Content::Write { group, body }
        } else {
            Content::Read { group, ticket: number, body }
        };
        // Early: a request promises nothing, and its number is never used again, since a new life has a
        // session of its own.
        out.send_early(node, self.packet(content));
        self.gateway.counters.forwarded += 1;
        self.mark(now, number, None);
    }

    fn mark(&mut self, now: Now, number: u64, appended: Option<u64>) {
        if let Some(op) = self.gateway.ops.get_mut(&number) {
            op.sent = true;
            op.appended = appended;
            op.tried = Some(now.mono);
        }
    }

    /// A group has a leader: what waits for one goes to it.
    pub(crate) fn resubmit_group(&mut self, now: Now, group: GroupId, out: &mut Effects<Node>) {
        let numbers: Vec<u64> = self
            .gateway
            .ops
            .iter()
            .filter(|(_, op)| op.group == group)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.submit(now, number, out);
        }
    }

    /// Sends again what has had no answer for a while.
    pub(crate) fn retry(&mut self, now: Now, out: &mut Effects<Node>) {
        let overdue: Vec<u64> = self
            .gateway
            .ops
            .iter()
            .filter(|(_, op)| op.tried.is_none_or(|at| at + RETRY <= now.mono))
            .map(|(number, _)| *number)
            .collect();
        for number in overdue {
            if let Some(op) = self.gateway.ops.get(&number)
                && !self.groups.contains_key(&op.group)
            {
                self.hints.remove(&op.group); // Silence: try another member.
            }
            self.submit(now, number, out);
        }
        let next = (!self.gateway.ops.is_empty()).then(|| now.mono + RETRY / 2);
        self.timers.set(Timer::Retry, next);
    }

    /// Another node answers a request.
    pub(crate) fn answered(
        &mut self,
        now: Now,
        from: NodeId,
        (group, number): (GroupId, u64),
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        let Some(op) = self.gateway.ops.get(&number) else { return }; // Answered before, or given up.
        if op.group != group {
            return; // Not an answer to this.
        }
        if matches!(outcome, Outcome::Done(_)) {
            self.hints.insert(group, from);
        }
        self.resolve(now, number, outcome, out);
    }

    /// What became of a request.
    pub(crate) fn resolve(
        &mut self,
        now: Now,
        number: u64,
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        if let Outcome::NotLeader(leader) = outcome {
            self.redirect(now, number, leader, out);
            return;
        }
        let Some(op) = self.forget(number) else { return }; // Answered before, or given up.
        match op.owner {
            Owner::Conn(conn, part) => self.part_done(now, conn, part, outcome, out),
            Owner::Declaration(name) => self.declaration_step(now, (&name, number), outcome, out),
        }
    }

    /// It was not executed there. It is sent on at once if another node is named; else it waits for the retry
    /// or for a leader, so that nodes that know no better do not pass it around in a circle.
    fn redirect(&mut self, now: Now, number: u64, leader: Option<NodeId>, out: &mut Effects<Node>) {
        let me = self.identity.node;
        let Some(op) = self.gateway.ops.get_mut(&number) else { return };
        op.appended = None;
        let group = op.group;
        if self.groups.contains_key(&group) {
            if core::mem::take(&mut op.here) {
                self.submit(now, number, out); // The replica here could not, but its leader may.
            }
            return; // Our own replica will know.
        }
        match leader.filter(|node| *node != me) {
            Some(node) if self.hints.get(&group) != Some(&node) => {
                self.hints.insert(group, node);
                self.send_to(now, number, node, out);
            }
            _ => {
                self.hints.remove(&group);
            }
        }
    }
}

//! From outcomes to replies: parts are gathered, merged and encoded; what came too late is said so.

use super::{Busy, Conn, Merge, Muted, Part, What};
use crate::api::{ConnId, Output};
use crate::message::GroupId;
use crate::proposal::{Item, Operation, Outcome};
use crate::state::{Node, Timer};
use data::Run;
use protocol::Effects;
use stdx::{Mutant, Now};
use wire::resp::{Args, Reply};

/// The machine is asked to report once a client has been given this many bytes...
const REPORT_BYTES: usize = 4 << 20;
/// ...and a client that has not read this many is served no further until it has.
const UNREAD_BYTES: usize = 16 << 20;

impl Conn {
    /// Whether the client must read before it is served again.
    pub(crate) fn behind(&self) -> bool {
        self.given + self.out.len() > UNREAD_BYTES
    }

    /// What was to be reported has been written.
    pub(crate) fn written(&mut self) {
        if let Some(bytes) = self.reported.take() {
            self.given -= bytes;
        }
    }

    /// Encodes the reply to one command.
    pub(crate) fn reply(&mut self, reply: &Reply) {
        self.answered += 1;
        match self.muted {
            Muted::No | Muted::Next => reply.encode(self.version, &mut self.out),
            Muted::Yes => {}
            Muted::This => self.muted = Muted::No,
        }
    }

    /// Hands over what is encoded. Early: an answer speaks of what a majority holds durably, of a confirmed
    /// read, or of something that was not done.
    pub(crate) fn flush(&mut self, conn: ConnId, out: &mut Effects<Node>) {
        let due = self.reported.is_none() && self.given + self.out.len() > REPORT_BYTES;
        // A client that is behind is heard of again only by a report, even if there is nothing new for it.
        if self.answered > 0 || (due && self.behind()) {
            let bytes = core::mem::take(&mut self.out);
            let answered = core::mem::take(&mut self.answered);
            self.given += bytes.len();
            if due {
                self.reported = Some(self.given);
            }
            out.output_early(Output::Reply { conn, bytes, answered, report: due });
        }
    }
}

impl Node {
    /// One part of what a connection waits for is answered.
    pub(crate) fn part_done(
        &mut self,
        now: Now,
        id: ConnId,
        part: usize,
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        let epoch = self.catalog().epoch;
        let Some(conn) = self.gateway.conns.get_mut(&id) else { return };
        let Some(busy) = &mut conn.busy else { return };
        busy.parts[part].op = None;
        match outcome {
            // Not an answer to what was asked: only the deadline can say more.
            Outcome::Done(replies) if !busy.fits(replies.len()) => return,
            Outcome::Done(replies) => busy.parts[part].replies = replies,
            Outcome::Stale(newer) => {
                self.rerouted(now, id, part, newer.max(epoch), out);
                return;
            }
            // Our own number came back as forgotten although we still wait: only the deadline can say more.
            Outcome::Forgotten | Outcome::NotLeader(_) => return,
        }
        if busy.parts.iter().all(|part| part.op.is_none()) {
            self.complete(now, id, out);
        }
    }

    /// The routing of a part was out of date and nothing of it was done.
    fn rerouted(&mut self, now: Now, id: ConnId, part: usize, epoch: u64, out: &mut Effects<Node>) {
        let conn = self.gateway.conns.get_mut(&id).expect("just seen");
        let busy = conn.busy.as_mut().expect("just seen");
        let again = Reply::err("TRYAGAIN a keyspace was declared meanwhile");
        if matches!(busy.what, What::Exec { .. }) {
            self.release(id); // Its queue is gone; nothing was done, so the client may start over.
            let conn = self.gateway.conns.get_mut(&id).expect("just seen");
            conn.reply(&again);
            self.gateway.ready.push_back(id);
            return;
        }
        if busy.parts.len() == 1 {
            busy.what = What::Epoch { epoch, fresh: false };
            busy.parts.clear();
            self.gateway.waiting.insert(id);
            self.wake_waiting();
            return;
        }
        // Of several parts this one did nothing: say so for its keys, the others stand.
        let count = busy.parts[part].keys.len().max(1);
        busy.parts[part].replies = vec![again; count];
        if busy.parts.iter().all(|part| part.op.is_none()) {
            self.complete(now, id, out);
        }
    }

    /// Everything a connection waited for has come.
    fn complete(&mut self, now: Now, id: ConnId, out: &mut Effects<Node>) {
        let epoch = self.catalog().epoch;
        let mut busy = self.release(id).expect("completed what was under way");
        let conn = self.gateway.conns.get_mut(&id).expect("just seen");
        match busy.what.clone() {
            What::Batch => {
                let replies = &busy.parts[0].replies;
                let done = replies.len().min(busy.commands.len());
                // Room for all of them at once; a line's marks and length take a little more.
                let room = replies.iter().map(|reply| crate::machine::weight(reply) + 8).sum();
                conn.out.reserve(room);
                replies[..done].iter().for_each(|reply| conn.reply(reply));
                // The batch ended early because its replies are long: the rest goes on its own.
                let rest = busy.commands.split_off(done);
                if !rest.is_empty() {
                    assert!(done > 0, "a batch that did nothing would go round for ever");
                    conn.requeue(rest, None); // What was done shows that the deadline was kept.
                }
            }
            What::Relay { .. } => {
                let reply = busy.parts[0].replies.first();
                conn.reply(reply.unwrap_or(&Reply::Null));
            }
            What::Exec { local } => {
                let reply =
                    busy.parts.into_iter().next().and_then(|p| p.replies.into_iter().next());
                conn.reply(&exec_reply(reply.unwrap_or(Reply::NullArray), local));
            }
            What::Spread(merge) => conn.reply(&merged(merge, &busy.parts)),
            What::Watch => {
                let error = busy.parts.iter().flat_map(|p| &p.replies).find(|r| r.is_error());
                for part in &busy.parts {
                    conn.watched(part.group, &busy.commands[0], part);
                }
                conn.reply(error.unwrap_or(&Reply::ok()));
            }
            What::Announce { name, implicit } => {
                self.announced(now, id, (name, implicit), busy, out);
                return;
            }
            What::Refresh => {
                let newest = match busy.parts.first().and_then(|part| part.replies.first()) {
                    Some(Reply::Int(epoch)) => epoch.unsigned_abs(),
                    _ => epoch,
                };
                // The leader's catalog may be ahead of the one here.
                busy.what = What::Epoch { epoch: newest, fresh: true };
                busy.parts.clear();
                self.gateway.deadlines.insert((busy.deadline, id));
                conn.busy = Some(busy);
                self.arm_deadlines();
                self.gateway.waiting.insert(id);
                self.wake_waiting();
                return;
            }
            What::Decide { .. } | What::Epoch { .. } => unreachable_wait(&busy.parts),
        }
        self.gateway.ready.push_back(id);
    }

    /// Takes what a connection waits for off it, and off all lists.
    pub(crate) fn release(&mut self, id: ConnId) -> Option<Busy> {
        let busy = self.gateway.conns.get_mut(&id)?.busy.take()?;
        self.gateway.deadlines.remove(&(busy.deadline, id));
        self.gateway.waiting.remove(&id);
        self.arm_deadlines();
        Some(busy)
    }

    /// The earliest deadline of all requests is when the node wants to be woken.
    pub(crate) fn arm_deadlines(&mut self) {
        let next = self.gateway.deadlines.first().map(|(at, _)| *at);
        self.timers.set(Timer::Request, next);
    }

    /// Requests whose deadline has passed are answered with what is known about them.
    pub(crate) fn deadlines(&mut self, now: Now) {
        while let Some((at, id)) = self.gateway.deadlines.first().copied() {
            if at > now.mono {
                break;
            }
            self.expire(now, id);
        }
        self.arm_deadlines();
    }

    fn expire(&mut self, now: Now, id: ConnId) {
        let busy = self.release(id).expect("deadlines belong to something under way");
        let mut sent = matches!(busy.what, What::Decide { .. });
        let mut group = busy.parts.first().map_or(0, |part| part.group);
        for part in &busy.parts {
            let Some(op) = part.op.and_then(|number| self.forget(number)) else {
                sent = true; // Answered: if it was a write, it was done.
                continue;
            };
            sent |= op.sent;
            group = op.group;
        }
        let reason = self.no_quorum(now, group);
        let atomic = matches!(busy.what, What::Exec { .. });
        let lenient = self.config.planted.is(Mutant::NoQuorumOnTimeout);
        let writes = |args: &Args| {
            let spec = data::lookup(args.name());
            spec.is_none_or(|spec| !matches!(spec.run, Run::Read(_)))
        };
        let any_write = !matches!(
            busy.what,
            What::Watch | What::Refresh | What::Epoch { .. } | What::Relay { write: false }
        );
        let mut counted = (0, 0);
        let conn = self.gateway.conns.get_mut(&id).expect("just released");
        for args in &busy.commands {
            // A read may always say no quorum; a write only if nothing of it can still happen.
            if any_write && sent && !lenient && (atomic || writes(args)) {
                counted.1 += 1;
                let text = format!("UNKNOWN outcome: no answer in time; {reason}");
                conn.failed(args, &Reply::err(text));
            } else {
                counted.0 += 1;
                conn.failed(args, &Reply::err(format!("CLUSTERDOWN {reason}")));
            }
        }
        self.gateway.counters.no_quorum += counted.0;
        self.gateway.counters.unknown += counted.1;
        self.gateway.ready.push_back(id);
    }

    /// Which keyspace lacks which quorum.
    fn no_quorum(&self, now: Now, group: GroupId) -> String {
        let name = if group == crate::catalog::CATALOG_GROUP {
            "catalog"
        } else {
            self.catalog().by_group(group).map_or("?", |keyspace| &keyspace.name)
        };
        let seen = self.groups.get(&group).map(|group| (group.leader_node(), group.quorum(now)));
        match seen {
            Some((_, (heard, of, needs))) if heard < needs => {
                format!("no quorum: keyspace {name} has {heard} of {of}, needs {needs}")
            }
            Some((None, (heard, of, needs))) => format!(
                "no quorum: keyspace {name} has no leader yet ({heard} of {of} heard, needs {needs})"
            ),
            Some((Some(leader), _)) => format!(
                "no quorum: keyspace {name} is led by node {leader}, which does not confirm what this node asks"
            ),
            None => match self.damaged.get(&group) {
                Some(lost) => {
                    format!("no quorum: keyspace {name} is damaged here at {}", lost.place)
                }
                None => format!("no quorum: keyspace {name} has no member that answers"),
            },
        }
    }
}

impl Busy {
    /// Whether a part may have so many replies. A batch may end early, but not before its first command.
    fn fits(&self, replies: usize) -> bool {
        match self.what {
            What::Batch => (1..=self.commands.len()).contains(&replies),
            _ => replies > 0,
        }
    }
}

/// EXEC's reply: the group's, with those made here put back in their places.
fn exec_reply(reply: Reply, local: Vec<(usize, Reply)>) -> Reply {
    let Reply::Array(mut replies) = reply else { return reply };
    for (place, reply) in local {
        replies.insert(place.min(replies.len()), reply);
    }
    Reply::Array(replies)
}

fn merged(merge: Merge, parts: &[Part]) -> Reply {
    if let Some(error) = parts.iter().flat_map(|part| &part.replies).find(|r| r.is_error()) {
        return error.clone();
    }
    match merge {
        Merge::AllOk => Reply::ok(),
        Merge::Sum => {
            let counts = parts.iter().flat_map(|part| &part.replies);
            Reply::Int(counts.map(|r| if let Reply::Int(n) = r { *n } else { 0 }).sum())
        }
        Merge::Place => {
            let mut values: Vec<(usize, Reply)> = Vec::new();
            for part in parts {
                if let Some(Reply::Array(replies)) = part.replies.first() {
                    values.extend(part.keys.iter().copied().zip(replies.iter().cloned()));
                }
            }
            values.sort_by_key(|(position, _)| *position);
            Reply::Array(values.into_iter().map(|(_, reply)| reply).collect())
        }
    }
}

fn unreachable_wait(parts: &[Part]) {
    assert!(parts.is_empty(), "a wait for the catalog has no parts to complete");
}

/// The request that carries commands to a group.
pub(crate) fn batch(commands: &[Args]) -> Operation {
    Operation::Batch(commands.iter().cloned().map(Item::Command).collect())
}

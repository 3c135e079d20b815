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

impl Conn {
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
        if self.answered > 0 {
            let bytes = core::mem::take(&mut self.out);
            let answered = core::mem::take(&mut self.answered);
            out.output_early(Output::Reply { conn, bytes, answered });
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
        if busy.parts.len() == 1 {
            busy.what = What::Epoch(epoch);
            busy.parts.clear();
            self.gateway.waiting.insert(id);
            self.wake_waiting();
            return;
        }
        // Of several parts this one did nothing: say so for its keys, the others stand.
        let again = Reply::err("TRYAGAIN a keyspace was declared meanwhile");
        let count = busy.parts[part].keys.len().max(1);
        busy.parts[part].replies = vec![again; count];
        if busy.parts.iter().all(|part| part.op.is_none()) {
            self.complete(now, id, out);
        }
    }

    /// Everything a connection waited for has come.
    fn complete(&mut self, now: Now, id: ConnId, out: &mut Effects<Node>) {
        let busy = self.release(id).expect("completed what was under way");
        let conn = self.gateway.conns.get_mut(&id).expect("just seen");
        match busy.what {
            What::Batch => {
                let replies = &busy.parts[0].replies;
                for (i, _) in busy.commands.iter().enumerate() {
                    conn.reply(replies.get(i).unwrap_or(&Reply::Null));
                }
            }
            What::Exec { local } => {
                let reply =
                    busy.parts.into_iter().next().and_then(|p| p.replies.into_iter().next());
                conn.reply(&exec_reply(reply.unwrap_or(Reply::NullArray), local));
            }
            What::Spread(merge) => conn.reply(&merged(merge, &busy.parts)),
            What::Watch => {
                for part in &busy.parts {
                    conn.watched(part.group, &busy.commands[0], part);
                }
                conn.reply(&Reply::ok());
            }
            What::Announce { name, implicit } => {
                self.announced(now, id, (name, implicit), (busy.commands, busy.parts), out);
                return;
            }
            What::Refresh => {
                conn.requeue(busy.commands);
                conn.fresh = true;
            }
            What::Decide { .. } | What::Epoch(_) => unreachable_wait(&busy.parts),
        }
        self.gateway.ready.push_back(id);
    }

    /// Takes what a connection waits for off it, and off all lists.
    pub(crate) fn release(&mut self, id: ConnId) -> Option<Busy> {
        let busy = self.gateway.conns.get_mut(&id)?.busy.take()?;
        self.gateway.deadlines.remove(&(busy.deadline, id));
        self.gateway.waiting.remove(&id);
        let next = self.gateway.deadlines.first().map(|(at, _)| *at);
        self.timers.set(Timer::Request, next);
        Some(busy)
    }

    /// Requests whose deadline has passed are answered with what is known about them.
    pub(crate) fn deadlines(&mut self, now: Now) {
        while let Some((at, id)) = self.gateway.deadlines.first().copied() {
            if at > now.mono {
                break;
            }
            self.expire(now, id);
        }
        let next = self.gateway.deadlines.first().map(|(at, _)| *at);
        self.timers.set(Timer::Request, next);
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
        let any_write = !matches!(busy.what, What::Watch | What::Refresh | What::Epoch(_));
        let mut counted = (0, 0);
        let conn = self.gateway.conns.get_mut(&id).expect("just released");
        for args in &busy.commands {
            // A read may always say no quorum; a write only if nothing of it can still happen.
            if any_write && sent && !lenient && (atomic || writes(args)) {
                counted.1 += 1;
                conn.reply(&Reply::err(format!("UNKNOWN outcome: no answer in time; {reason}")));
            } else {
                counted.0 += 1;
                conn.reply(&Reply::err(format!("CLUSTERDOWN {reason}")));
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
        match self.groups.get(&group).map(|group| group.quorum(now)) {
            Some((heard, of, needs)) if heard < needs => {
                format!("no quorum: keyspace {name} has {heard} of {of}, needs {needs}")
            }
            Some((heard, of, needs)) => format!(
                "no quorum: keyspace {name} has no leader yet ({heard} of {of} heard, needs {needs})"
            ),
            None => match self.damaged.get(&group) {
                Some(place) => format!("no quorum: keyspace {name} is damaged here at {place}"),
                None => format!("no quorum: keyspace {name} has no member that answers"),
            },
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

//! MULTI, EXEC, DISCARD, WATCH, UNWATCH: one atomic entry in one group's log, or nothing.

use super::pump::Known;
use super::route::{Route, cross, locate, route};
use super::{Conn, Part, Seen, What};
use crate::api::ConnId;
use crate::message::GroupId;
use crate::proposal::{Item, Operation};
use crate::state::Node;
use alloc::collections::{BTreeMap, BTreeSet};
use data::{Run, Spec};
use protocol::Effects;
use stdx::{Bytes, Now};
use wire::resp::{Args, Reply};

/// A transaction is one entry of the log: it has at most this many bytes.
const MULTI_BYTES: usize = 32 << 20;

/// A transaction being queued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Multi {
    commands: Vec<(&'static Spec, Args)>,
    bytes: usize,
    /// A command was refused when it was queued: EXEC will be.
    pub(crate) broken: bool,
}

/// A watched key, where it lives and what was seen.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// The keyspace selected when it was watched.
    selected: String,
    group: GroupId,
    seen: Seen,
}

impl Conn {
    /// Whether a command is queued by an open transaction rather than executed.
    pub(crate) fn queues(&self, spec: &Spec) -> bool {
        !matches!(spec.name, "multi" | "exec" | "discard" | "watch" | "quit" | "reset")
    }

    /// Queues a command of a transaction.
    pub(crate) fn enqueue(&mut self, spec: &'static Spec, args: Args) -> Result<(), Reply> {
        let free = matches!(spec.name, "ping" | "echo" | "time" | "command" | "info" | "unwatch");
        if matches!(spec.run, Run::Gateway) && !free {
            let name = spec.name.to_uppercase();
            return Err(Reply::err(format!("ERR {name} is not allowed in transactions")));
        }
        let multi = self.multi.as_mut().expect("queued within MULTI");
        multi.bytes += args.bytes_len();
        if multi.bytes > MULTI_BYTES {
            return Err(Reply::err(format!("ERR transaction of more than {MULTI_BYTES} bytes")));
        }
        multi.commands.push((spec, args));
        self.reply(&Reply::simple("QUEUED"));
        Ok(())
    }

    /// Notes what WATCH saw of one group's keys.
    pub(crate) fn watched(&mut self, group: GroupId, args: &Args, part: &Part) {
        for (position, reply) in part.keys.iter().zip(&part.replies) {
            if let Reply::Int(modified) = reply {
                let seen = (Bytes::from(args.get(*position)), modified.unsigned_abs());
                self.watches.push(Watch { selected: self.keyspace.clone(), group, seen });
            }
        }
    }
}

impl Node {
    /// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
    pub(crate) fn transaction(
        &mut self,
        now: Now,
        id: ConnId,
        (spec, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        match (spec.name, conn.multi.is_some()) {
            ("multi", false) => conn.multi = Some(Multi::default()),

            ("discard", true) => {
                conn.multi = None;
                conn.watches.clear();
            }
            ("exec", true) => return self.exec(now, id, args, out),
            ("discard" | "exec", false) => {
                let name = spec.name.to_uppercase();
                return Err(Reply::err(format!("ERR {name} without MULTI")));
            }
            ("unwatch", _) => conn.watches.clear(),
            ("watch", false) => return self.watch(now, id, args, out),
            // Redis answers these and leaves the transaction as it is.
            ("multi", true) => {
                conn.reply(&Reply::err("ERR MULTI calls can not be nested"));
                return Ok(());
            }
            ("watch", true) => {
                conn.reply(&Reply::err("ERR WATCH inside MULTI is not allowed"));
                return Ok(());
            }
            (name, _) => return Err(Reply::err(format!("ERR {name} is no transaction command"))),
        }
        conn.reply(&Reply::ok());
        Ok(())
    }

    fn watch(
        &mut self,
        now: Now,
        id: ConnId,
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let conn = &self.gateway.conns[&id];
        let mut places: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
        for position in 1..args.len() {
            match locate(self.catalog(), &conn.keyspace, args.get(position))? {
                Route::One(group) => places.entry(group).or_default().push(position),
                Route::Undeclared(name) => {
                    // A keyspace that is not there yet cannot be watched; declaring it makes it so.
                    self.declare(now, id, (name, None), vec![args], out);
                    return Ok(());
                }
                Route::Many(..) | Route::Refused(_) => return Err(Reply::err("ERR bad key")),
            }
        }
        let parts = places
            .into_iter()
            .map(|(group, positions)| {
                let keys = positions.iter().map(|i| Bytes::from(args.get(*i))).collect();
                (group, positions, Operation::Modified(keys))
            })
            .collect();
        self.wait(now, id, What::Watch, vec![args]);
        self.send_parts(now, id, false, parts, out);
        Ok(())
    }

    fn exec(
        &mut self,
        now: Now,
        id: ConnId,
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        let multi = conn.multi.take().expect("EXEC within MULTI");
        let watches = core::mem::take(&mut conn.watches);
        if multi.broken {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return Err(Reply::err(text));
        }
        // A watched key whose prefix has become a keyspace since has another history now.
        let moved = |watch: &Watch| {
            let place = locate(self.catalog(), &watch.selected, &watch.seen.0);
            place != Ok(Route::One(watch.group))
        };
        if watches.iter().any(moved) {
            self.conn(id).reply(&Reply::NullArray);
            return Ok(());
        }
        let mut groups: BTreeSet<GroupId> = watches.iter().map(|watch| watch.group).collect();
        let mut undeclared = None;
        for (spec, args) in multi.commands.iter().filter(|(spec, _)| !gateway_runs(spec)) {
            let conn = &self.gateway.conns[&id];
            match route(self.catalog(), &conn.keyspace, spec, args) {
                Route::One(group) => {
                    groups.insert(group);
                }
                Route::Many(many, _) => groups.extend(many.iter().map(|(group, _)| *group)),
                Route::Undeclared(name) => undeclared = Some(name),
                Route::Refused(error) => return Err(error),
            }
        }
        if let Some(name) = undeclared {
            let conn = self.gateway.conns.get_mut(&id).expect("pumped");
            conn.multi = Some(multi);
            conn.watches = watches;
            self.declare(now, id, (name, None), vec![args], out);
            return Ok(());
        }
        if groups.len() > 1 {
            return Err(cross(self.catalog(), groups.into_iter()));
        }
        let mut local = Vec::new();
        let mut commands = Vec::new();
        let mut write = false;
        for (place, (spec, args)) in multi.commands.into_iter().enumerate() {
            if gateway_runs(spec) {
                local.push((place, self.plain(now, spec, &args)));
            } else {
                write |= matches!(spec.run, Run::Write(_));
                commands.push(args);
            }
        }
        let Some(group) = groups.first().copied() else {
            let replies = local.into_iter().map(|(_, reply)| reply).collect();
            self.gateway.conns.get_mut(&id).expect("pumped").reply(&Reply::Array(replies));
            return Ok(());
        };
        let watches = watches.into_iter().map(|watch| watch.seen).collect();
        let operation = Operation::Batch(vec![Item::Exec { watches, commands }]);
        self.wait(now, id, What::Exec { local }, vec![args]);
        self.send_parts(now, id, write, vec![(group, Vec::new(), operation)], out);
        Ok(())
    }
}

fn gateway_runs(spec: &Spec) -> bool {
    matches!(spec.run, Run::Gateway)
}

//! Takes queued commands and turns them into answers made here or requests to groups.

use super::finish::batch;
use super::route::{Route, route};
use super::{Busy, Conn, Owner, Part, What};
use crate::api::{ConnId, Output};
use crate::catalog::CATALOG_GROUP;
use crate::message::GroupId;
use crate::proposal::Operation;
use crate::state::Node;
use data::{Context, Db, Run, Spec};
use protocol::Effects;
use stdx::{Instant, Now};
use wire::resp::{Args, Reply};

/// At most this many commands travel as one batch.
const BATCH_COMMANDS: usize = 1024;
/// A batch takes no further command once it has this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// A valid command and how to execute it.
pub(crate) type Known = (&'static Spec, Args);

impl Node {
    /// A client connected.
    pub(crate) fn open(&mut self, now: Now, id: ConnId, address: String) {
        self.gateway.counters.connections += 1;
        let conn = Conn {
            address,
            opened: now.mono,
            version: Default::default(),
            keyspace: "default".into(),
            authenticated: self.config.requirepass.is_none(),
            name: String::new(),
            library: Default::default(),
            last: String::new(),
            multi: None,
            watches: Vec::new(),
            backup: None,
            queue: Default::default(),
            busy: None,
            fresh: false,
            muted: Default::default(),
            read_here: false,
            timeout: None,
            requeued: None,
            limit: None,
            closing: false,
            given: 0,
            reported: None,
            out: Vec::new(),
            answered: 0,
        };
        self.gateway.conns.insert(id, conn);
    }

    /// A client is gone: what it asked for may still happen, but nobody waits for it.
    pub(crate) fn closed(&mut self, id: ConnId, out: &mut Effects<Node>) {
        self.end_backup(id, out);
        if let Some(busy) = self.release(id) {
            for number in busy.parts.iter().filter_map(|part| part.op) {
                self.forget(number);
            }
        }
        self.gateway.conns.remove(&id);
    }

    /// A client sent commands.
    pub(crate) fn commands(&mut self, id: ConnId, commands: Vec<Args>) {
        let Some(conn) = self.gateway.conns.get_mut(&id) else { return };
        conn.queue.extend(commands);
        self.gateway.ready.push_back(id);
    }

    /// A client has read what it was given.
    pub(crate) fn written(&mut self, id: ConnId) {
        if let Some(conn) = self.gateway.conns.get_mut(&id) {
            conn.written();
            self.gateway.ready.push_back(id);
        }
    }

    /// Serves every connection that has something to do.
    pub(crate) fn pump_all(&mut self, now: Now, out: &mut Effects<Node>) {
        while let Some(id) = self.gateway.ready.pop_front() {
            self.pump(now, id, out);
            self.settle(now, out);
        }
    }

    fn pump(&mut self, now: Now, id: ConnId, out: &mut Effects<Node>) {
        loop {
            let Some(conn) = self.gateway.conns.get_mut(&id) else { return };
            if conn.busy.is_some() || conn.closing || conn.behind() {
                break;
            }
            let paused = self.gateway.pause;
            if conn.queue.front().is_some_and(|args| paused.is_some_and(|p| p.holds(args))) {
                break;
            }
            let Some(args) = conn.queue.pop_front() else { break };
            conn.limit = conn.requeued.take();
            if conn.muted == super::Muted::Next {
                conn.muted = super::Muted::This;
            }
            if let Err(error) = self.take(now, id, args, out) {
                self.gateway.conns.get_mut(&id).expect("still open").refused(&error);
            }
        }
        let conn = self.gateway.conns.get_mut(&id).expect("still open");
        self.gateway.counters.commands += conn.answered as u64;
        conn.flush(id, out);
        if conn.closing && conn.busy.is_none() {
            out.output_early(Output::Close { conn: id, flush: true }); // Everything before was handed over.
            self.closed(id, out);
        }
    }

    /// Takes one command: answers it, queues it in a transaction, or sends it with those that follow.
    fn take(
        &mut self,
        now: Now,
        id: ConnId,
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let spec = data::lookup(args.name()).ok_or_else(|| data::unknown(&args))?;
        if !data::arity_ok(spec, &args) {
            return Err(data::wrong_arity(spec));
        }
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        if !conn.authenticated && !matches!(spec.name, "auth" | "hello" | "quit" | "reset") {
            return Err(Reply::err("NOAUTH Authentication required."));
        }
        conn.last.clear();
        conn.last.push_str(spec.name);
        if conn.multi.is_some() && conn.queues(spec) {
            return conn.enqueue(spec, args);
        }
        match spec.run {
            Run::Gateway => self.local(now, id, (spec, args), out),
            Run::Read(_) | Run::Write(_) => self.dispatch(now, id, (spec, args), out),
        }
    }

    /// Sends a data command on its way, together with the commands behind it that may travel with it.
    fn dispatch(
        &mut self,
        now: Now,
        id: ConnId,
        (spec, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let conn = &self.gateway.conns[&id];
        match route(self.catalog(), &conn.keyspace, spec, &args) {
            Route::Refused(error) => Err(error),
            Route::Undeclared(name) => self.undeclared(now, id, name, (spec, args), out),
            Route::Many(groups, merge) => {
                self.wait(now, id, What::Spread(merge), vec![args.clone()]);
                let write = matches!(spec.run, Run::Write(_));
                let parts: Vec<(GroupId, Vec<usize>, Operation)> = groups
                    .into_iter()
                    .map(|(group, keys)| {
                        let share = share(&args, &keys);
                        (group, keys, batch(&[share]))
                    })
                    .collect();
                self.send_parts(now, id, write, parts, out);
                Ok(())
            }
            Route::One(group) => {
                let mut write = matches!(spec.run, Run::Write(_));
                let mut commands = vec![args];
                self.gather(id, group, &mut commands, &mut write);
                let operation = batch(&commands);
                self.wait(now, id, What::Batch, commands);
                self.send_parts(now, id, write, vec![(group, Vec::new(), operation)], out);
                Ok(())
            }
        }
    }

    /// Adds the queued commands that go to the same group.
    fn gather(&mut self, id: ConnId, group: GroupId, commands: &mut Vec<Args>, write: &mut bool) {
        let mut bytes = commands[0].bytes_len();
        while commands.len() < BATCH_COMMANDS && bytes < BATCH_BYTES {
            let conn = &self.gateway.conns[&id];
            let Some(next) = conn.queue.front() else { break };
            let Some(spec) = data::lookup(next.name()) else { break };
            let data = matches!(spec.run, Run::Read(_) | Run::Write(_))
                && !self.gateway.pause.is_some_and(|pause| pause.holds(next));
            if !data || !data::arity_ok(spec, next) || conn.muted != super::Muted::No {
                break;
            }
            if route(self.catalog(), &conn.keyspace, spec, next) != Route::One(group) {
                break;
            }
            *write |= matches!(spec.run, Run::Write(_));
            let conn = self.gateway.conns.get_mut(&id).expect("pumped");
            let next = conn.queue.pop_front().expect("looked at it");
            bytes += next.bytes_len();
            commands.push(next);
        }
    }

    /// A command for a `db<number>` that nobody has declared, as far as this node knows.
    fn undeclared(
        &mut self,
        now: Now,
        id: ConnId,
        name: String,
        (spec, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        if matches!(spec.run, Run::Write(_)) {
            self.declare(now, id, (name, None), vec![args], out);
            return Ok(());
        }
        let seed = self.rng.next_u64();
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        if core::mem::take(&mut conn.fresh) {
            // The newest catalog does not know it either: it is empty.
            let cx = Context { now_ms: now.wall.millis(), seed, ..Context::default() };
            let reply = data::read(&Db::default(), cx, &args).expect("nothing is due in nothing");
            conn.reply(&reply);
            return Ok(());
        }
        self.refresh(now, id, args, out);
        Ok(())
    }

    /// Asks for the newest catalog, then takes the command anew.
    pub(crate) fn refresh(&mut self, now: Now, id: ConnId, args: Args, out: &mut Effects<Node>) {
        self.wait(now, id, What::Refresh, vec![args]);
        let parts = vec![(CATALOG_GROUP, Vec::new(), Operation::Barrier)];
        self.send_parts(now, id, false, parts, out);
    }

    /// The connection now waits, until its deadline.
    pub(crate) fn wait(&mut self, now: Now, id: ConnId, what: What, commands: Vec<Args>) {
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        conn.fresh = false;
        let whole = conn.timeout.unwrap_or(self.config.request_timeout);
        let deadline = conn.limit.take().unwrap_or(now.mono + whole);
        assert!(conn.busy.is_none(), "a connection waits for one thing at a time");
        conn.busy = Some(Busy { what, commands, parts: Vec::new(), deadline });
        self.gateway.deadlines.insert((deadline, id));
        self.arm_deadlines();
    }

    /// Makes the requests that the connection waits for.
    pub(crate) fn send_parts(
        &mut self,
        now: Now,
        id: ConnId,
        write: bool,
        parts: Vec<(GroupId, Vec<usize>, Operation)>,
        out: &mut Effects<Node>,
    ) {
        let busy = self.gateway.conns.get_mut(&id).and_then(|conn| conn.busy.as_mut());
        let busy = busy.expect("it waits already");
        // All parts exist before the first is sent, since an answer may come at once. Until it has a number,
        // a part waits under number 0, which no request has.
        busy.parts = parts
            .iter()
            .map(|(group, keys, _)| Part {
                group: *group,
                keys: keys.clone(),
                op: Some(0),
                replies: Vec::new(),
            })
            .collect();
        for (i, (group, _, operation)) in parts.into_iter().enumerate() {
            let owner = Owner::Conn(id, i);
            let number = self.request(now, group, (owner, write, operation), out);
            let Some(conn) = self.gateway.conns.get_mut(&id) else { return };
            if let Some(part) = conn.busy.as_mut().and_then(|busy| busy.parts.get_mut(i))
                && part.op == Some(0)
            {
                part.op = Some(number);
            }
        }
    }
}

/// The share of one group in a command: its name and only these keys.
fn share(args: &Args, keys: &[usize]) -> Args {
    if keys.is_empty() {
        return args.clone();
    }
    core::iter::once(args.name()).chain(keys.iter().map(|i| args.get(*i))).collect()
}

impl Conn {
    /// An error reply; within MULTI it also spoils the transaction.
    fn refused(&mut self, error: &Reply) {
        if let Some(multi) = &mut self.multi {
            multi.broken = true;
        }
        self.reply(error);
    }

    /// An error in place of what commands were waiting for. A failed EXEC ends its transaction.
    pub(crate) fn failed(&mut self, args: &Args, error: &Reply) {
        if args.is(0, "exec") {
            self.multi = None;
            self.watches.clear();
        }
        self.reply(error);
    }

    /// Puts commands back to the front of the queue.
    pub(crate) fn requeue(&mut self, commands: Vec<Args>, deadline: Option<Instant>) {
        self.requeued = deadline;
        for args in commands.into_iter().rev() {
            self.queue.push_front(args);
        }
    }
}

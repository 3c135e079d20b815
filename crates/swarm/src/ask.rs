//! What clients do: connect, ask, lose patience, hang up.

use crate::client::{Client, Link, Pending};
use crate::describe;
use crate::meaning::{Asked, Meaning, Watched, meaning};
use crate::model::{Command, Part};
use crate::run::{Run, Token};
use crate::workload::{args, instead};
use node::{ConnId, Request};
use sim::What;
use stdx::{Duration, Instant, NodeId};
use wire::resp::Args;

/// A probe without a connection tries again after this long.
const RECONNECT: Duration = Duration::from_millis(25);

impl Client {
    /// Whether it has asked what is not answered yet.
    pub(crate) fn waits(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.pending.is_empty())
    }
}

impl Run<'_> {
    /// Sees to it that the client is called at the time of its next request.
    pub(crate) fn next_ask(&mut self, client: usize) {
        if let Some(number) = self.clients[client].script.front() {
            let at = Instant(0) + self.plan.requests[*number].at;
            self.world.at(at, Token::Ask(client).pack());
        }
    }

    /// The client's next request, if it may make one; else it is left out.
    pub(crate) fn ask(&mut self, client: usize) {
        let Some(number) = self.clients[client].script.pop_front() else { return };
        self.next_ask(client);
        if self.clients[client].waits() || !self.connected(client) {
            return;
        }
        self.asked.push(number);
        let request = &self.plan.requests[number];
        let instead = instead(&request.commands, &self.clients[client].watched);
        self.send(client, request.db, instead.as_deref().unwrap_or(&request.commands));
    }

    /// The same of a probe, which goes on until all is answered.
    pub(crate) fn ask_probe(&mut self, client: usize) {
        if !self.connected(client) {
            return self.probe_in(client, RECONNECT);
        }
        let it = &mut self.clients[client];
        assert!(!it.waits(), "client {} has a request under way", it.number);
        let Some(probe) = &mut it.probe else { return };
        let Some(asked) = probe.agenda.pop() else { return };
        let asked = probe.source.anew(asked);
        probe.agenda.push(asked.clone());
        let db = probe.db;
        self.send(client, db, &[asked]);
    }

    /// A probe goes on after this long or less.
    pub(crate) fn probe_in(&mut self, client: usize, span: Duration) {
        let it = &mut self.clients[client];
        if it.probe.is_none() {
            return;
        }
        it.round += 1;
        let wait = it.prng.span(span / 4, span);
        let token = Token::Probe(client, it.round).pack();
        self.world.at(self.world.now() + wait, token);
    }

    /// Whether the client has a connection, if need be a new one to some node that is up.
    fn connected(&mut self, client: usize) -> bool {
        let it = &mut self.clients[client];
        if it.link.is_some() {
            return true;
        }
        let mut nodes: Vec<NodeId> = self.world.ids().collect();
        match &it.probe {
            Some(probe) => nodes = vec![probe.home],
            // Always drawn of all nodes: which of them are up changes nothing for the next time.
            None => it.prng.shuffle(&mut nodes),
        }
        let Some(node) = nodes.into_iter().find(|id| self.world.is_up(*id)) else { return false };
        self.conns += 1;
        let conn = ConnId(self.conns);
        let address = format!("client{}:{}", it.number, conn.0);
        if self.world.request(node, Request::Open { conn, address }).is_err() {
            return false;
        }
        let it = &mut self.clients[client];
        it.watched = Watched::No;
        it.link = Some(Link::new(node, conn));
        it.selected = 0;
        true
    }

    fn send(&mut self, client: usize, db: u64, commands: &[Args]) {
        let now = self.world.now();
        let it = &mut self.clients[client];
        let asked = meaning(commands, db, &it.watched);
        let mut asked = asked.unwrap_or_else(|why| panic!("not a request: {why:?}"));
        if commands.iter().any(|command| command.is(0, "EXEC") || command.is(0, "UNWATCH")) {
            it.watched = Watched::No;
        }
        let link = it.link.as_mut().expect("a connection to ask on");
        if !std::mem::replace(&mut link.greeted, true) && self.setup.read_here && it.number % 2 == 1
        {
            asked.insert(0, Asked { args: args(&[b"READONLY"]), meaning: Meaning::Nothing });
        }
        if std::mem::replace(&mut it.selected, db) != db {
            let select = args(&[b"SELECT", db.to_string().as_bytes()]);
            asked.insert(0, Asked { args: select, meaning: Meaning::Nothing });
        }
        let Some(link) = &mut it.link else { return };
        let commands = link.commands(&asked);
        let (node, conn) = (link.node, link.conn);
        for Asked { args, meaning } in asked {
            let number = self.seen.invoked(it.number, &meaning, now);
            self.world.record(Some(node), || What::Request {
                client: it.number,
                number,
                text: describe::command(&args),
            });
            link.pending.push_back(Pending { meaning, number });
        }
        it.patience.0 = now + self.setup.patience();
        self.watch_patience(client);
        if self.world.request(node, Request::Commands { conn, commands }).is_err() {
            self.hang_up(client);
        }
    }

    /// One token at a time sees to a client's patience, however many requests it makes meanwhile.
    fn watch_patience(&mut self, client: usize) {
        let (at, watched) = &mut self.clients[client].patience;
        if !std::mem::replace(watched, true) {
            self.world.at(*at, Token::Patience(client).pack());
        }
    }

    /// The client's patience is at its end, unless it has been answered since.
    pub(crate) fn impatient(&mut self, client: usize) {
        let it = &mut self.clients[client];
        it.patience.1 = false;
        if !it.waits() {
            return;
        }
        if self.world.now() < it.patience.0 {
            return self.watch_patience(client);
        }
        self.counters.add("clients that lost patience", 1);
        self.close(client);
        self.hang_up(client);
    }

    /// What the client was waiting for, nobody will ever tell.
    pub(crate) fn hang_up(&mut self, client: usize) {
        let it = &mut self.clients[client];
        if let Some(link) = it.link.take() {
            self.counters.add("connections lost", 1);
            let lost = link.pending.iter().filter(|pending| pending.number.is_some()).count();
            self.counters.add("outcomes lost with a connection", lost as u64);
        }
        it.watched = Watched::No;
        self.probe_in(client, RECONNECT);
    }

    pub(crate) fn close(&mut self, client: usize) {
        if let Some(link) = &self.clients[client].link {
            let (node, conn) = (link.node, link.conn);
            // A node that is down needs no telling.
            let _ = self.world.request(node, Request::Closed { conn });
        }
    }
}

impl crate::judge::Seen {
    /// Notes what a command asks, if the model knows it; answers its number in the history.
    fn invoked(&mut self, client: u64, meaning: &Meaning, now: Instant) -> Option<usize> {
        let parts = match meaning {
            Meaning::Operation { parts, .. } | Meaning::Exec { parts } => parts.clone(),
            Meaning::WatchedGet { key } => {
                vec![Part { key: key.clone(), command: Command::Get }]
            }
            Meaning::Nothing | Meaning::Watch | Meaning::Declare => return None,
        };
        let number = self.history.invoked(client, parts, now.0);
        if let Meaning::Operation { expires_ms: Some(millis), .. } = meaning {
            self.expiries.push((number, *millis));
        }
        Some(number)
    }
}

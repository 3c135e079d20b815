//! One seed: a cluster, its clients, its faults; then peace, and questions.

use crate::boot::NodeBoot;
use crate::client::{Client, Link, Pending, Watched};
use crate::describe;
use crate::judge::Seen;
use crate::model::{Command, Part};
use crate::report::{Counters, Report, Verdict};
use crate::setup::{Options, Setup, Workload};
use crate::shadow::Shadow;
use crate::watch::Watch;
use crate::workload::{Asked, Meaning, Source};
use node::{ConnId, Node, Request};
use sim::{Event, Nemesis, SimDisk, What, Why, World};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use stdx::{Duration, Instant, NodeId, Prng};

/// Between two looks of the onlooker.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// A healed cluster has settled, and has answered everything, after this long.
pub(crate) const PEACE: Duration = Duration::from_secs(20);
/// Replicas are compared at every so many indices while they change.
const COMPARE: u64 = 4;
/// A client without a connection tries again after this long.
const RECONNECT: Duration = Duration::from_millis(25);

/// What a token stands for; the low bits say of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Tick,
    PowerOff,
    PowerOn,
    /// A client's next request.
    Next(usize, u64),
    /// A client's patience is at its end.
    Patience(usize, u64),
}

impl Token {
    fn pack(self) -> u64 {
        match self {
            Token::Tick => 0,
            Token::PowerOff => 1,
            Token::PowerOn => 2,
            Token::Next(client, round) => 3 | (client as u64) << 8 | round << 24,
            Token::Patience(client, round) => 4 | (client as u64) << 8 | round << 24,
        }
    }

    fn unpack(token: u64) -> Token {
        let client = usize::try_from(token >> 8 & 0xffff).expect("16 bits");
        match token & 0xff {
            0 => Token::Tick,
            1 => Token::PowerOff,
            2 => Token::PowerOn,
            3 => Token::Next(client, token >> 24),
            _ => Token::Patience(client, token >> 24),
        }
    }
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) setup: Setup,
    pub(crate) world: World<NodeBoot>,
    pub(crate) clients: Vec<Client>,
    pub(crate) seen: Seen,
    pub(crate) watch: Watch,
    pub(crate) counters: Counters,
    prng: Prng,
    conns: u64,
    /// Clients make requests of their own accord.
    load: bool,
}

/// What a client says or hears, and which operation of the history it is.
pub(crate) fn numbered(text: String, number: Option<usize>) -> String {
    match number {
        Some(number) => format!("{text} (operation {number})"),
        None => text,
    }
}

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a seed runs on this thread now: its panics become verdicts, and a panic hook need not speak.
pub fn running() -> bool {
    RUNNING.get()
}

/// Runs one seed from start to end. Panics inside the cluster (a failed invariant) become a verdict where
/// panics unwind.
pub fn run_seed(seed: u64, options: Options) -> Report {
    let setup = Setup::draw(seed, &options);
    let (profile, workload) = (setup.profile, setup.workload);
    let mut run = Run::new(seed, setup, &options);
    RUNNING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| run.all()));
    RUNNING.set(false);
    let verdict = match result {
        Ok(Ok(())) => run.seen.judge(workload, run.setup.clock_error()),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
            let text = text.unwrap_or_else(|| "something without words".into());
            Verdict::Unsafe(format!("an invariant failed: {text}"))
        }
    };
    run.finish_counting();
    let trace = run.world.trace();
    let story = trace.map_or_else(Vec::new, |trace| trace.lines().collect());
    let moments = trace.map_or_else(Vec::new, |trace| trace.moments().cloned().collect());
    let history = &run.seen.history;
    let (all, lap, ok) = (history.len(), history.overlapping(), history.answered());
    let covers = all >= 200 && lap * 3 >= all && ok * 2 >= all;
    let digest = run.world.digest();
    let counters = run.counters;
    Report { seed, profile, workload, verdict, digest, counters, covers, story, moments }
}

impl Run {
    fn new(seed: u64, setup: Setup, options: &Options) -> Run {
        let story = options.story;
        let prng = Prng::new(seed).fork(101);
        let boot = NodeBoot {
            config: setup.node.clone(),
            segment_bytes: setup.segment_bytes,
            shadow: Shadow::default(),
            events: Vec::new(),
        };
        let mut world = World::new(seed, setup.world, boot);
        if story > 0 {
            world.trace_on(story);
            world.tell(|| format!("seed {seed}: {setup:?}"));
        }
        let mut run = Run {
            clients: Vec::new(),
            seen: Seen::default(),
            watch: Watch::new(options.witness),
            counters: Counters::default(),
            prng,
            conns: 0,
            load: true,
            setup,
            world,
        };
        for number in 0..run.setup.clients {
            let db = u64::from(run.setup.workload == Workload::Keyspaces && run.prng.chance(1, 3));
            run.client(number, db, None);
        }
        run
    }

    pub(crate) fn client(&mut self, number: u64, db: u64, home: Option<NodeId>) -> usize {
        let source = Source {
            workload: self.setup.workload,
            prng: self.prng.fork(1_000 + number),
            client: number,
            next: 0,
            padding: self.setup.padding,
        };
        self.clients.push(Client {
            number,
            source,
            home,
            db,
            link: None,
            greeted: false,
            round: 0,
            watched: Watched::No,
            agenda: Vec::new(),
            done: 0,
        });
        self.clients.len() - 1
    }

    /// All of it, up to the judgement of the history.
    fn all(&mut self) -> Result<(), Verdict> {
        let end = Instant(0) + self.setup.length;
        self.plan(end);
        self.go(end)?;
        self.load = false;
        self.world.calm();
        self.settle()?;
        self.probe()?;
        self.converge()
    }

    fn plan(&mut self, end: Instant) {
        let ids: Vec<NodeId> = self.world.ids().collect();
        if let Some(config) = self.setup.nemesis {
            let mut nemesis = Nemesis::new(config, ids, self.prng.fork(1));
            let from = Instant(0) + Duration::from_millis(400);
            for (at, fault) in nemesis.plan(from, end) {
                self.world.schedule(at, fault);
            }
        }
        for (at, off) in self.setup.power.clone() {
            self.world.at(Instant(0) + at, Token::PowerOff.pack());
            self.world.at(Instant(0) + at + off, Token::PowerOn.pack());
        }
        self.world.at(Instant(0), Token::Tick.pack());
        for client in 0..self.clients.len() {
            self.next_in(client, Duration::from_millis(300));
        }
    }

    pub(crate) fn go(&mut self, until: Instant) -> Result<(), Verdict> {
        while let Some(event) = self.world.run_until(until) {
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<Node>) -> Result<(), Verdict> {
        match event {
            Event::Output { node, output } => self.output(node, output)?,
            Event::Token(token) => self.token(Token::unpack(token))?,
            Event::Up { node } => {
                self.watch.restarted(node);
                for (node, event) in std::mem::take(&mut self.world.boot_mut().events) {
                    self.told(node, &event)?;
                }
            }
            Event::Down { node, why } => {
                if let Why::BootFailed(reason) = why {
                    self.no_start(node, &reason)?;
                }
                for client in 0..self.clients.len() {
                    let on = self.clients[client].link.as_ref().map(|link| link.node);
                    if on == Some(node) {
                        self.hang_up(client);
                    }
                }
            }
        }
        self.watch.look(&self.world, self.load, &mut self.counters).map_err(Verdict::Unsafe)?;
        self.watch.compare(&self.world, COMPARE).map_err(Verdict::Unsafe)
    }

    /// Only a full disk may keep a node from starting, and it must say so.
    fn no_start(&mut self, node: NodeId, reason: &str) -> Result<(), Verdict> {
        let full = self.world.disk(node).is_some_and(SimDisk::is_full);
        if full && reason.contains("no space left") {
            self.counters.add("starts refused by a full disk", 1);
            return Ok(());
        }
        Err(Verdict::Unsafe(format!("node {node} does not start again: {reason}")))
    }

    fn token(&mut self, token: Token) -> Result<(), Verdict> {
        match token {
            Token::Tick => {
                self.world.at(self.world.now() + TICK, Token::Tick.pack());
            }
            Token::PowerOff => {
                let ids: Vec<NodeId> = self.world.ids().collect();
                ids.into_iter().for_each(|id| self.world.crash(id));
                self.counters.add("power failures of the whole cluster", 1);
            }
            Token::PowerOn => {
                let ids: Vec<NodeId> = self.world.ids().collect();
                ids.into_iter().for_each(|id| self.world.restart(id));
            }
            Token::Next(client, round) if self.clients[client].round == round => self.next(client),
            Token::Patience(client, round) if self.clients[client].round == round => {
                self.counters.add("clients that lost patience", 1);
                self.close(client);
                self.hang_up(client);
            }
            Token::Next(..) | Token::Patience(..) => {}
        }
        Ok(())
    }

    /// A client makes its next request, if it may.
    fn next(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let probing = it.home.is_some();
        if !probing && !self.load && it.agenda.is_empty() {
            return;
        }
        if it.link.is_none() && !self.connect(client) {
            self.next_in(client, RECONNECT);
            return;
        }
        let it = &mut self.clients[client];
        let idle = it.link.as_ref().is_some_and(|link| link.pending.is_empty());
        assert!(idle, "client {} has a request under way", it.number);
        let mut asked = if let Some(asked) = it.agenda.pop() {
            let asked = it.source.anew(asked);
            it.agenda.push(asked.clone());
            vec![asked]
        } else if probing {
            return;
        } else {
            match std::mem::take(&mut it.watched) {
                Watched::Seen(key, value) => it.source.transaction(it.db, &key, value),
                Watched::Spoilt => vec![Source::unwatch()],
                Watched::No | Watched::Watching => it.source.request(it.db),
            }
        };
        if !std::mem::replace(&mut it.greeted, true) {
            asked.insert(0, Source::select(it.db));
        }
        self.send(client, asked);
    }

    /// Opens a connection to some node that is up.
    fn connect(&mut self, client: usize) -> bool {
        let up: Vec<NodeId> = self.world.ids().filter(|id| self.world.is_up(*id)).collect();
        let it = &self.clients[client];
        let node = match it.home {
            Some(home) => home,
            None if up.is_empty() => return false,
            None => *self.prng.pick(&up),
        };
        self.conns += 1;
        let conn = ConnId(self.conns);
        let address = format!("client{}:{}", it.number, conn.0);
        if self.world.request(node, Request::Open { conn, address }).is_err() {
            return false;
        }
        let it = &mut self.clients[client];
        it.watched = Watched::No;
        it.link = Some(Link::new(node, conn));
        it.greeted = it.db == 0;
        true
    }

    fn send(&mut self, client: usize, asked: Vec<Asked>) {
        let now = self.world.now();
        let it = &mut self.clients[client];
        let Some(link) = &mut it.link else { return };
        let commands = link.commands(&asked);
        let (node, conn) = (link.node, link.conn);
        for Asked { args, meaning } in asked {
            let number = match &meaning {
                Meaning::Operation { parts, expires_ms } => {
                    let history = &mut self.seen.history;
                    let number = history.invoked(it.number, parts.clone(), now.0);
                    if let Some(millis) = expires_ms {
                        self.seen.expiries.push((number, *millis));
                    }
                    Some(number)
                }
                Meaning::WatchedGet { key } => {
                    let command = Command::Get;
                    let parts = vec![Part { key: key.clone(), command }];
                    Some(self.seen.history.invoked(it.number, parts, now.0))
                }
                Meaning::Exec { parts } => {
                    Some(self.seen.history.invoked(it.number, parts.clone(), now.0))
                }
                Meaning::Nothing | Meaning::Watch | Meaning::Declare => None,
            };
            self.world.record(Some(node), || What::Request {
                client: it.number,
                text: numbered(describe::command(&args), number),
            });
            link.pending.push_back(Pending { meaning, number });
        }
        it.round += 1;
        let patience = Token::Patience(client, it.round).pack();
        self.world.at(now + self.setup.patience(), patience);
        if self.world.request(node, Request::Commands { conn, commands }).is_err() {
            self.hang_up(client);
        }
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
        self.next_in(client, RECONNECT);
    }

    fn close(&mut self, client: usize) {
        if let Some(link) = &self.clients[client].link {
            let (node, conn) = (link.node, link.conn);
            // A node that is down needs no telling.
            let _ = self.world.request(node, Request::Closed { conn });
        }
    }

    pub(crate) fn next_in(&mut self, client: usize, span: Duration) {
        let it = &mut self.clients[client];
        it.round += 1;
        let wait = self.prng.span(span / 4, span);
        let token = Token::Next(client, it.round).pack();
        self.world.at(self.world.now() + wait, token);
    }
}

//! A test language for interleavings: bare cores, each under the real [`Host`], with every message in flight, every
//! unfinished sync and every clock moved by a command. What happened is the output, read as documentation.
//!
//! | command | what it does |
//! | --- | --- |
//! | `nodes 3` | starts nodes 1 to 3 from nothing; more words are the protocol's own options |
//! | `request 1 propose a` | hands node 1 a request, in the protocol's own words |
//! | `deadline 1` | moves node 1's clock to its deadline |
//! | `wait 300`, `wait 1 300` | moves all clocks, or one, by so many milliseconds |
//! | `deliver 1->2`, `deliver 1->2 all`, `deliver 1->2 #3` | the first, all, or the third message in flight |
//! | `drop 1->2`, `drop 1->2 all`, `duplicate 1->2` | as it says; `*` stands for any node in `drop` |
//! | `sync 1` | the write under way becomes durable |
//! | `crash 1`, `restart 1` | loses what was not synced; recovers from what was |
//! | `stabilize`, `stabilize 1 2` | delivers and syncs until nothing is left, among all or these nodes |
//! | `state`, `network` | shows every node; every message in flight |
//!
//! A file is blocks of commands, a line `----`, and what they print; [`run`] answers the file with the output
//! made anew. Lines that start with `#` tell the story.

use protocol::{Action, Host, NodeId, NodeSet, Now, Planted, Position, Prng, Protocol};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Display, Write as _};
use std::time::Duration;
use wire::Batch;

/// How the cores of one protocol are made, asked and shown.
pub trait Language {
    /// The protocol.
    type Core: Protocol;
    /// The configuration of one node among `nodes`; `options` are the words after `nodes 3`.
    fn config(
        &self,
        id: NodeId,
        nodes: &NodeSet,
        options: &[String],
    ) -> <Self::Core as Protocol>::Config;
    /// A request from the words after the node.
    fn request(
        &self,
        nodes: &NodeSet,
        words: &[&str],
    ) -> Result<<Self::Core as Protocol>::Request, String>;
    /// A message, on one line.
    fn message(&self, message: &<Self::Core as Protocol>::Message) -> String;
    /// A record, on one line.
    fn record(&self, record: &<Self::Core as Protocol>::Record) -> String;
    /// An output, on one line.
    fn output(&self, output: &<Self::Core as Protocol>::Output) -> String;
    /// A node's state, on one line.
    fn state(&self, core: &Self::Core) -> String;
    /// Why the last input changed nothing, if it did not.
    fn ignored(&self, core: &Self::Core) -> Option<String>;
}

/// What happened in a [`World`].
#[derive(Debug)]
pub enum Event<P: Protocol> {
    /// A message went on the network.
    Sent(NodeId, NodeId, P::Message),
    /// A message was handed over; it was lost if the receiver is down.
    Delivered(NodeId, NodeId, P::Message, bool),
    /// A message was lost.
    Dropped(NodeId, NodeId, P::Message),
    /// Records began their way to the disk.
    Wrote(NodeId, Vec<P::Record>),
    /// A write became durable, up to a position.
    Synced(NodeId, Position),
    /// The node answered its host.
    Output(NodeId, P::Output),
    /// The log may drop what is before a position.
    Released(NodeId, Position),
    /// The node stopped; so many records were being written and are lost.
    Crashed(NodeId, usize),
    /// The node recovered from so many records.
    Restarted(NodeId, usize),
}

struct Machine<P: Protocol> {
    host: Option<Host<P>>,
    /// Durable records that were not released.
    log: VecDeque<(Position, Vec<u8>)>,
    durable: Position,
    writing: Option<Batch>,
    now: Now,
    lives: u64,
}

/// Cores under hosts, with all that is on its way between and below them in plain sight.
pub struct World<P: Protocol> {
    configure: Box<dyn Fn(NodeId) -> P::Config>,
    machines: BTreeMap<NodeId, Machine<P>>,
    network: BTreeMap<(NodeId, NodeId), VecDeque<P::Message>>,
    prng: Prng,
    planted: Planted,
    /// What happened since somebody last took it.
    pub events: Vec<Event<P>>,
}

impl<P: Protocol> World<P> {
    /// Starts `nodes`, each from nothing.
    pub fn new(
        nodes: &NodeSet,
        configure: impl Fn(NodeId) -> P::Config + 'static,
        prng: Prng,
        planted: Planted,
    ) -> World<P> {
        let mut world = World {
            configure: Box::new(configure),
            machines: BTreeMap::new(),
            network: BTreeMap::new(),
            prng,
            planted,
            events: Vec::new(),
        };
        for id in nodes.iter() {
            let machine = Machine {
                host: None,
                log: VecDeque::new(),
                durable: Position(0),
                writing: None,
                now: Now::default(),
                lives: 0,
            };
            world.machines.insert(id, machine);
            world.recover(id);
        }
        world
    }

    fn recover(&mut self, id: NodeId) -> usize {
        let machine = self.machines.get_mut(&id).expect("a node of this world");
        machine.lives += 1;
        let decode = |(at, bytes): &(Position, Vec<u8>)| {
            (*at, wire::decode_all(bytes).expect("the world's disk does not rot"))
        };
        let records: Vec<(Position, P::Record)> = machine.log.iter().map(decode).collect();
        let count = records.len();
        let prng = self.prng.fork(id.0).fork(machine.lives);
        let core = P::recover((self.configure)(id), machine.now, prng, records.into_iter());
        core.check();
        machine.host = Some(Host::new(id, core, machine.durable, 4096, self.planted));
        count
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.machines.keys().copied()
    }

    /// The core of a node that is up.
    pub fn core(&self, id: NodeId) -> Option<&P> {
        self.machines.get(&id)?.host.as_ref().map(Host::core)
    }

    /// The clock of a node.
    pub fn now(&self, id: NodeId) -> Option<Now> {
        self.machines.get(&id).map(|machine| machine.now)
    }

    /// Whether a write of this node is under way.
    pub fn is_writing(&self, id: NodeId) -> bool {
        self.machines.get(&id).is_some_and(|machine| machine.writing.is_some())
    }

    /// Links that carry messages, with how many.
    pub fn links(&self) -> impl Iterator<Item = ((NodeId, NodeId), usize)> + '_ {
        self.network.iter().map(|(link, queue)| (*link, queue.len())).filter(|(_, len)| *len > 0)
    }

    /// The messages in flight on a link.
    pub fn in_flight(&self, from: NodeId, to: NodeId) -> impl Iterator<Item = &P::Message> {
        self.network.get(&(from, to)).into_iter().flatten()
    }

    /// Hands a request to a node. False if it is down.
    pub fn request(&mut self, id: NodeId, request: P::Request) -> bool {
        let Some(host) = self.host(id) else { return false };
        let taken = host.request(request).is_ok();
        self.run(id);
        taken
    }

    /// Moves a node's clock to its deadline. False if there is none.
    pub fn deadline(&mut self, id: NodeId) -> bool {
        let Some(at) = self.host(id).and_then(|host| host.deadline()) else { return false };
        let machine = self.machines.get_mut(&id).expect("it has a host");
        machine.now.mono = machine.now.mono.max(at);
        self.run(id);
        true
    }

    /// Moves a node's clock; its deadline, if it passes, is noticed with the next input.
    pub fn wait(&mut self, id: NodeId, span: Duration) {
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.now.mono = machine.now.mono + span;
        }
    }

    /// Hands over the message at `place` on a link. False if there is none.
    pub fn deliver(&mut self, from: NodeId, to: NodeId, place: usize) -> bool {
        let Some(message) = self.take(from, to, place) else { return false };
        let copy = message.clone();
        let up = self.host(to).is_some_and(|host| host.receive(from, message));
        self.events.push(Event::Delivered(from, to, copy, up));
        self.run(to);
        true
    }

    /// Loses the message at `place` on a link. False if there is none.
    pub fn lose(&mut self, from: NodeId, to: NodeId, place: usize) -> bool {
        let Some(message) = self.take(from, to, place) else { return false };
        self.events.push(Event::Dropped(from, to, message));
        true
    }

    /// Copies the message at `place` to the end of its link. False if there is none.
    pub fn duplicate(&mut self, from: NodeId, to: NodeId, place: usize) -> bool {
        let Some(queue) = self.network.get_mut(&(from, to)) else { return false };
        let Some(copy) = queue.get(place).cloned() else { return false };
        queue.push_back(copy);
        true
    }

    /// Puts a late copy of a message at the head of its link.
    pub fn inject(&mut self, from: NodeId, to: NodeId, message: P::Message) {
        self.network.entry((from, to)).or_default().push_front(message);
    }

    /// Makes the write under way durable. False if there is none.
    pub fn sync(&mut self, id: NodeId) -> bool {
        let Some(machine) = self.machines.get_mut(&id) else { return false };
        let Some(batch) = machine.writing.take() else { return false };
        machine.log.extend(batch.records().map(|(at, _, bytes)| (at, bytes.to_vec())));
        machine.durable = batch.end();
        self.events.push(Event::Synced(id, batch.end()));
        let mut actions = VecDeque::new();
        if let Some(host) = &mut machine.host {
            host.synced(batch.end(), &mut actions);
        }
        self.carry_out(id, actions);
        self.run(id);
        true
    }

    /// Stops a node; what was not synced is lost. False if it is down.
    pub fn crash(&mut self, id: NodeId) -> bool {
        let Some(machine) = self.machines.get_mut(&id) else { return false };
        if machine.host.take().is_none() {
            return false;
        }
        let lost = machine.writing.take().map_or(0, |batch| batch.len());
        self.events.push(Event::Crashed(id, lost));
        true
    }

    /// Starts a node that is down from what it synced. False if it is up.
    pub fn restart(&mut self, id: NodeId) -> bool {
        if self.machines.get(&id).is_none_or(|machine| machine.host.is_some()) {
            return false;
        }
        let records = self.recover(id);
        self.events.push(Event::Restarted(id, records));
        true
    }

    fn host(&mut self, id: NodeId) -> Option<&mut Host<P>> {
        self.machines.get_mut(&id)?.host.as_mut()
    }

    fn take(&mut self, from: NodeId, to: NodeId, place: usize) -> Option<P::Message> {
        self.network.get_mut(&(from, to))?.remove(place)
    }

    /// Turns a node until it has nothing left to step.
    fn run(&mut self, id: NodeId) {
        loop {
            let Some(machine) = self.machines.get_mut(&id) else { return };
            let (now, Some(host)) = (machine.now, &mut machine.host) else { return };
            if !host.ready() && host.deadline().is_none_or(|at| at > now.mono) {
                return;
            }
            let mut actions = VecDeque::new();
            host.turn(&mut || now, &mut actions);
            self.carry_out(id, actions);
        }
    }

    fn carry_out(&mut self, id: NodeId, actions: VecDeque<Action<P>>) {
        for action in actions {
            let event = match action {
                Action::Send { to, message } => {
                    let queue = self.network.entry((id, to)).or_default();
                    queue.push_back(message.clone());
                    Event::Sent(id, to, message)
                }
                Action::Output(output) => Event::Output(id, output),
                Action::Write(batch) => {
                    let decode = |(_, _, bytes): (Position, u64, &[u8])| {
                        wire::decode_all(bytes).expect("a record that cannot be read back")
                    };
                    let records = batch.records().map(decode).collect();
                    let machine = self.machines.get_mut(&id).expect("it acts");
                    assert!(machine.writing.is_none(), "two writes at once");
                    machine.writing = Some(batch);
                    Event::Wrote(id, records)
                }
                Action::Release(before) => {
                    let machine = self.machines.get_mut(&id).expect("it acts");
                    machine.log.retain(|(at, _)| *at >= before);
                    Event::Released(id, before)
                }
            };
            self.events.push(event);
        }
    }
}

impl<P: Protocol> std::fmt::Debug for World<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("nodes", &self.machines.len()).finish()
    }
}

/// Runs a script and answers it with its output made anew.
pub fn run<L: Language + Clone + 'static>(language: &L, text: &str, seed: u64) -> String {
    let mut script = Script { language: language.clone(), world: None, seed };
    let (mut made, mut block, mut expected) = (String::new(), String::new(), false);
    for line in text.lines().chain([""]) {
        if expected {
            expected = !line.is_empty();
            continue;
        }
        if line == "----" {
            made.push_str(&block);
            made.push_str("----\n");
            for command in block.lines() {
                made.push_str(&script.command(command));
            }
            made.push('\n');
            block.clear();
            expected = true;
        } else if !line.is_empty() {
            block.push_str(line);
            block.push('\n');
        } else if !block.is_empty() && block.lines().all(|line| line.starts_with('#')) {
            made.push_str(&block);
            made.push('\n');
            block.clear();
        }
    }
    made.push_str(&block);
    made
}

struct Script<L: Language> {
    language: L,
    world: Option<World<L::Core>>,
    seed: u64,
}

type Outcome = Result<(), String>;

fn node(word: &str) -> Result<NodeId, String> {
    word.parse().map(NodeId).map_err(|_| format!("`{word}` is no node"))
}

fn done(happened: bool, what: impl Display) -> Outcome {
    if happened { Ok(()) } else { Err(what.to_string()) }
}

impl<L: Language + Clone + 'static> Script<L> {
    fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut out = String::new();
        match words.split_first() {
            None => {}
            Some((word, _)) if word.starts_with('#') => {}
            Some((word, rest)) => {
                if let Err(error) = self.execute(word, rest, &mut out) {
                    writeln!(out, "error: {error}").expect("a string");
                }
            }
        }
        out
    }

    fn execute(&mut self, word: &str, rest: &[&str], out: &mut String) -> Outcome {
        if word == "nodes" {
            let [count, options @ ..] = rest else { return Err("nodes COUNT".into()) };
            let count: u64 = count.parse().map_err(|_| format!("`{count}` is no count"))?;
            let nodes: NodeSet = (1..=count).map(NodeId).collect();
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            let (language, all) = (self.language.clone(), nodes.clone());
            let configure = move |id| language.config(id, &all, &options);
            self.world = Some(World::new(&nodes, configure, Prng::new(self.seed), Planted::NONE));
            return Ok(());
        }
        let mut world = self.world.take().ok_or("no `nodes` yet")?;
        let outcome = self.act(&mut world, word, rest, out);
        self.show(&mut world, out);
        self.world = Some(world);
        outcome
    }

    fn act(
        &self,
        world: &mut World<L::Core>,
        word: &str,
        rest: &[&str],
        out: &mut String,
    ) -> Outcome {
        match (word, rest) {
            ("request", [id, words @ ..]) => {
                let nodes: NodeSet = world.nodes().collect();
                let (id, request) = (node(id)?, self.language.request(&nodes, words)?);
                let taken = world.request(id, request);
                self.show_ignored(world, id, out);
                done(taken, format_args!("{id} is down"))
            }
            ("deadline", [id]) => done(world.deadline(node(id)?), "it has no deadline"),
            ("wait", [millis]) => {
                let nodes: Vec<NodeId> = world.nodes().collect();
                let span = span(millis)?;
                nodes.into_iter().for_each(|id| world.wait(id, span));
                Ok(())
            }
            ("wait", [id, millis]) => {
                world.wait(node(id)?, span(millis)?);
                Ok(())
            }
            ("deliver" | "drop" | "duplicate", [link, which @ ..]) => {
                self.messages(world, word, link, which, out)
            }
            ("sync", [id]) => done(world.sync(node(id)?), "nothing to sync"),
            ("crash", [id]) => done(world.crash(node(id)?), "it is down"),
            ("restart", [id]) => done(world.restart(node(id)?), "it is up"),
            ("stabilize", ids) => {
                let ids: Result<NodeSet, String> = ids.iter().map(|id| node(id)).collect();
                self.stabilize(world, &ids?, out)
            }
            ("state", []) => {
                self.states(world, out);
                Ok(())
            }
            ("network", []) => {
                self.network(world, out);
                Ok(())
            }
            _ => Err(format!("`{word}` with {} words is no command", rest.len())),
        }
    }

    fn messages(
        &self,
        world: &mut World<L::Core>,
        word: &str,
        link: &str,
        which: &[&str],
        out: &mut String,
    ) -> Outcome {
        let (from, to) = link.split_once("->").ok_or("FROM->TO")?;
        let matches = |pattern: &str, id: NodeId| pattern == "*" || pattern == id.to_string();
        let links: Vec<(NodeId, NodeId)> = world
            .links()
            .map(|(link, _)| link)
            .filter(|(a, b)| matches(from, *a) && matches(to, *b))
            .collect();
        if links.is_empty() {
            return Err(format!("nothing in flight {link}"));
        }
        let (place, all) = match which {
            [] => (0, false),
            ["all"] => (0, true),
            [nth] => match nth.strip_prefix('#').and_then(|n| n.parse::<usize>().ok()) {
                Some(nth) if nth > 0 => (nth - 1, false),
                _ => return Err(format!("`{nth}`: expected `all` or `#n`")),
            },
            _ => return Err("one of `all` and `#n`".into()),
        };
        for (from, to) in links {
            // Those in flight now, not those that they bring about.
            let count = if all { world.in_flight(from, to).count() } else { 1 };
            for _ in 0..count {
                let happened = match word {
                    "deliver" => world.deliver(from, to, place),
                    "drop" => world.lose(from, to, place),
                    _ => world.duplicate(from, to, place),
                };
                done(happened, format_args!("no such message {from}->{to}"))?;
                self.show(world, out);
                if word == "deliver" {
                    self.show_ignored(world, to, out);
                }
            }
        }
        Ok(())
    }

    /// Round by round: all that is in flight, then all syncs; among `ids`, or all if it is empty.
    fn stabilize(&self, world: &mut World<L::Core>, ids: &NodeSet, out: &mut String) -> Outcome {
        const ROUNDS: usize = 1000;
        let among = |id: &NodeId| ids.is_empty() || ids.contains(*id);
        for _ in 0..ROUNDS {
            let links: Vec<((NodeId, NodeId), usize)> =
                world.links().filter(|((a, b), _)| among(a) && among(b)).collect();
            let writing: Vec<NodeId> =
                world.nodes().filter(|id| among(id) && world.is_writing(*id)).collect();
            if links.is_empty() && writing.is_empty() {
                return Ok(());
            }
            for ((from, to), count) in links {
                for _ in 0..count {
                    world.deliver(from, to, 0);
                    self.show(world, out);
                    self.show_ignored(world, to, out);
                }
            }
            for id in writing {
                world.sync(id);
                self.show(world, out);
            }
        }
        Err(format!("not quiet after {ROUNDS} rounds"))
    }

    fn states(&self, world: &World<L::Core>, out: &mut String) {
        for id in world.nodes() {
            let state = world.core(id).map_or("down".into(), |core| self.language.state(core));
            let writing = if world.is_writing(id) { ", syncing" } else { "" };
            writeln!(out, "{id}: {state}{writing}").expect("a string");
        }
    }

    fn network(&self, world: &World<L::Core>, out: &mut String) {
        for ((from, to), _) in world.links() {
            for message in world.in_flight(from, to) {
                writeln!(out, "{from}->{to} {}", self.language.message(message)).expect("a string");
            }
        }
    }

    fn show_ignored(&self, world: &mut World<L::Core>, id: NodeId, out: &mut String) {
        self.show(world, out);
        if let Some(why) = world.core(id).and_then(|core| self.language.ignored(core)) {
            writeln!(out, "  {id} ignores it: {why}").expect("a string");
        }
    }

    fn show(&self, world: &mut World<L::Core>, out: &mut String) {
        let language = &self.language;
        for event in world.events.drain(..) {
            let line = match event {
                Event::Sent(from, to, m) => format!("  {from}->{to} {}", language.message(&m)),
                Event::Delivered(from, to, m, up) => {
                    let lost = if up { "" } else { " (lost: it is down)" };
                    format!("{to} <- {from}: {}{lost}", language.message(&m))
                }
                Event::Dropped(from, to, m) => {
                    format!("lost {from}->{to} {}", language.message(&m))
                }
                Event::Wrote(id, records) => {
                    let records: Vec<String> =
                        records.iter().map(|record| language.record(record)).collect();
                    format!("  {id} writes {}", records.join(", "))
                }
                Event::Synced(id, to) => format!("{id} synced up to {}", to.0),
                Event::Output(id, output) => format!("  {id}: {}", language.output(&output)),
                Event::Released(id, before) => format!("  {id} releases up to {}", before.0),
                Event::Crashed(id, lost) => {
                    format!("{id} crashed; {lost} records were being written")
                }
                Event::Restarted(id, found) => format!("{id} restarted from {found} records"),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
}

fn span(word: &str) -> Result<Duration, String> {
    word.parse().map(Duration::from_millis).map_err(|_| format!("`{word}` is no milliseconds"))
}

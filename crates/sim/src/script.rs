//! A test language for interleavings: bare cores, each under the real [`protocol::Host`], with every message
//! in flight, every unfinished sync and every clock moved by a command. What happened is the output, read
//! as documentation.
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

mod world;

pub use world::{Event, World};

use protocol::{NodeId, NodeSet, Planted, Prng, Protocol};
use std::fmt::{Display, Write as _};
use stdx::Duration;

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

//! A run as a space-time diagram: nodes and clients are processes; requests and answers are messages as well.

use draw::{End, Event, EventKind, Message, SpaceTime, Trouble};
use sim::{Fault, Moment, What};
use std::collections::BTreeMap;
use stdx::{Instant, NodeId};
use swarm::{Plan, Report};

/// The diagram of a run whose moments were kept.
pub(crate) fn of(plan: &Plan, report: &Report) -> SpaceTime {
    let mut drawing = Drawing::new(plan, report);
    for moment in &report.moments {
        drawing.add(moment);
    }
    drawing.done(plan, report)
}

struct Drawing<'a> {
    report: &'a Report,
    run: SpaceTime,
    nodes: usize,
    /// The lines of clients, by their numbers.
    clients: BTreeMap<u64, usize>,
    /// Messages under way by their number in the world: the event that sent it, to whom, kind and text.
    sent: BTreeMap<u64, (usize, usize, String, String)>,
    /// Which of them have been received at least once, or lost.
    ended: BTreeMap<u64, bool>,
    /// What was last said of each node's state.
    states: BTreeMap<usize, usize>,
}

impl Drawing<'_> {
    fn new<'a>(plan: &Plan, report: &'a Report) -> Drawing<'a> {
        let nodes = usize::try_from(plan.setup.world.nodes).unwrap_or(usize::MAX);
        let mut clients: BTreeMap<u64, usize> = BTreeMap::new();
        for moment in &report.moments {
            if let What::Request { client, .. } = moment.what {
                clients.insert(client, 0);
            }
        }
        clients.values_mut().zip(nodes..).for_each(|(line, at)| *line = at);
        let names = (1..=nodes).map(|node| format!("node {node}"));
        let processes = names.chain(clients.keys().map(|client| format!("client {client}")));
        let run = SpaceTime { processes: processes.collect(), ..SpaceTime::default() };
        let (sent, ended, states) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Drawing { report, run, nodes, clients, sent, ended, states }
    }

    fn event(&mut self, process: usize, at: Instant, kind: EventKind, label: String) -> usize {
        self.run.events.push(Event { process, at: at.0, kind, label, detail: String::new() });
        self.run.events.len() - 1
    }

    fn add(&mut self, moment: &Moment) {
        let at = moment.at;
        let Some(node) = moment.node.map(line) else {
            // What befalls all is marked on the first line.
            if let What::Fault { text, .. } = &moment.what {
                self.event(0, at, EventKind::Fault, text.clone());
            }
            return;
        };
        match &moment.what {
            What::Sent { to, id, kind, text, bytes } => {
                let event = self.event(node, at, EventKind::Send, kind.clone());
                let text = format!("{text} ({bytes} bytes)");
                self.sent.insert(*id, (event, line(*to), kind.clone(), text));
            }
            What::Delivered { from, id } => self.delivered(node, at, *from, *id),
            What::Dropped { id, why } => {
                if let Some((send, to, kind, text)) = self.sent.get(id).cloned()
                    && to < self.nodes
                {
                    self.ended.insert(*id, true);
                    let end = End::Lost { to, why: why.to_string() };
                    self.run.messages.push(Message { send, end, kind, text });
                }
            }
            What::State(state) => {
                let kind = EventKind::Local;
                let label = self.changed(node, state);
                let event = self.event(node, at, kind, label);
                self.run.events[event].detail.clone_from(state);
                self.states.insert(node, event);
            }
            What::Request { client, number, text } => {
                self.between(*client, node, at, ("request", *number, text));
            }
            What::Reply { client, number, text } => {
                self.between(*client, node, at, ("answer", *number, text));
            }
            What::Timer | What::Duplicated { .. } | What::Held { .. } => {}
            what => {
                let kind = match what {
                    What::Write { .. } | What::Synced { .. } => EventKind::Disk,
                    What::Down(_) => EventKind::Crash,
                    What::Up { .. } => EventKind::Start,
                    What::Paused(_) => EventKind::Pause,
                    What::Fault { .. } => EventKind::Fault,
                    _ => EventKind::Local,
                };
                let label = match what {
                    What::Fault { text, .. } => text.clone(),
                    What::Down(sim::Why::Crash) => "crashes".into(),
                    _ => what.to_string(),
                };
                self.event(node, at, kind, label);
            }
        }
    }

    fn delivered(&mut self, node: usize, at: Instant, from: NodeId, id: u64) {
        let Some((send, _, kind, text)) = self.sent.get(&id).cloned() else {
            self.event(node, at, EventKind::Receive, format!("from node {from}"));
            return;
        };
        let event = self.event(node, at, EventKind::Receive, format!("got {kind}"));
        self.ended.insert(id, true);
        self.run.messages.push(Message { send, end: End::Received(event), kind, text });
    }

    /// A request or an answer: an event on both lines, and an arrow, at one moment.
    fn between(
        &mut self,
        client: u64,
        node: usize,
        at: Instant,
        (kind, number, text): (&str, Option<usize>, &String),
    ) {
        let Some(client) = self.clients.get(&client).copied() else { return };
        let (from, to) = if kind == "request" { (client, node) } else { (node, client) };
        let send = self.event(from, at, EventKind::Client, text.clone());
        let receive = self.event(to, at, EventKind::Client, text.clone());
        let guilty = number.is_some_and(|number| self.report.guilty.contains(&number));
        let kind = if guilty { format!("{kind} of the violation") } else { kind.into() };
        if guilty {
            self.run.lit.extend([send, receive]);
        }
        let end = End::Received(receive);
        self.run.messages.push(Message { send, end, kind, text: text.clone() });
    }

    /// What is new of a node's state, by group.
    fn changed(&self, node: usize, state: &str) -> String {
        let before = self.states.get(&node).map_or("", |event| &self.run.events[*event].detail);
        let old: Vec<Vec<&str>> = before.split("; ").map(|g| g.split(", ").collect()).collect();
        let news = state.split("; ").filter_map(|group| {
            // "group 1: leads, term 2, log 3": what stands before the colon names the group.
            let (name, parts) = group.split_once(": ")?;
            let was = old.iter().find(|was| was[0].split(": ").next() == Some(name));
            let is_new = |part: &&str| {
                was.is_none_or(|was| !was.iter().any(|old| old.rsplit(": ").next() == Some(*part)))
            };
            let parts: Vec<&str> = parts.split(", ").filter(is_new).collect();
            (!parts.is_empty())
                .then(|| format!("{}: {}", name.replace("group ", "g"), parts.join(", ")))
        });
        news.collect::<Vec<_>>().join("; ")
    }

    fn done(mut self, plan: &Plan, report: &Report) -> SpaceTime {
        for (id, (send, to, kind, text)) in self.sent {
            if !self.ended.contains_key(&id) && to < self.nodes {
                let end = End::Flying { to };
                self.run.messages.push(Message { send, end, kind, text });
            }
        }
        let verdict = report.verdict.to_string();
        let first = verdict.lines().next().unwrap_or_default();
        self.run.title = format!("seed {}: {first}", plan.seed);
        self.run.troubles = troubles(plan, &self.run.events);
        self.run
    }
}

/// The line of a node.
fn line(node: NodeId) -> usize {
    usize::try_from(node.0).map_or(usize::MAX, |number| number.saturating_sub(1))
}

/// Partitions and slowness, from the fault to what mends it.
fn troubles(plan: &Plan, events: &[Event]) -> Vec<Trouble> {
    let at_of = |event: &&(usize, &Event), text: &str| {
        event.1.kind == EventKind::Fault && event.1.label == text
    };
    let faults: Vec<(usize, &Event)> = events.iter().enumerate().collect();
    let find = |text: &str, from: u64| {
        faults.iter().find(|event| event.1.at >= from && at_of(event, text)).map(|(at, _)| *at)
    };
    let mut troubles = Vec::new();
    for (at, fault) in &plan.faults {
        let begun = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let processes: Vec<usize> = match fault {
            Fault::Isolate(side) | Fault::OneWay(side, _) | Fault::Bridge { half: side, .. } => {
                side.iter().map(line).collect()
            }
            Fault::Clog(from, to) | Fault::SlowLink(from, to, _) => vec![line(*from), line(*to)],
            Fault::SlowNode(node, _)
            | Fault::SlowDisk(node, _)
            | Fault::SendOmission(node, _)
            | Fault::ReceiveOmission(node, _)
            | Fault::FullDisk(node) => vec![line(*node)],
            Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Damage(_)
            | Fault::Delay(_) => Vec::new(),
            _ => continue,
        };
        let label = fault.to_string();
        let Some(from) = find(&label, begun) else { continue };
        let heal = [Fault::Heal, Fault::HealAll].map(|mends| find(&mends.to_string(), begun));
        let until = heal.into_iter().flatten().min();
        troubles.push(Trouble { from, until, processes, label });
    }
    troubles
}

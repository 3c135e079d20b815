//! Cores under hosts, with nothing hidden: the network, the disks and the clocks move only when told to.

use protocol::{Action, Host, NodeId, NodeSet, Now, Planted, Position, Prng, Protocol};
use std::collections::{BTreeMap, VecDeque};
use stdx::Duration;
use wire::Batch;

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

//! One node as the explorer keeps it: the real host with its core, and the disk below.

use protocol::{Action, Digest, Host, NodeId, Now, Planted, Position, Prng, Protocol, Renaming};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use stdx::Mutant;
use wire::Batch;

/// Self-sends are stepped within the input that released them, so few inputs ever wait.
const QUEUE: usize = 64;

/// What a node did that others see, in order.
#[derive(Debug)]
pub(crate) enum Effect<P: Protocol> {
    Sent(NodeId, P::Message),
    Output(P::Output),
}

/// How a node is run here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// A write is durable as soon as it is asked for.
    pub(crate) instant: bool,
    /// Nothing ever crashes, so nobody reads the log.
    pub(crate) crash_free: bool,
    pub(crate) planted: Planted,
}

pub(crate) struct Place<P: Protocol> {
    id: NodeId,
    host: Option<Host<P>>,
    /// Durable records that were not released.
    log: Vec<(Position, Rc<[u8]>)>,
    durable: Position,
    writing: Option<Batch>,
    now: Now,
    lives: u64,
}

impl<P: Protocol> Clone for Place<P>
where
    P::Request: Clone,
    P::Output: Clone,
{
    fn clone(&self) -> Place<P> {
        Place {
            id: self.id,
            host: self.host.clone(),
            log: self.log.clone(),
            durable: self.durable,
            writing: self.writing.clone(),
            now: self.now,
            lives: self.lives,
        }
    }
}

impl<P: Protocol> Place<P>
where
    P::Request: Clone,
    P::Output: Clone + Debug,
{
    /// A node that was never up.
    pub(crate) fn new(id: NodeId) -> Place<P> {
        Place {
            id,
            host: None,
            log: Vec::new(),
            durable: Position(0),
            writing: None,
            now: Now::default(),
            lives: 0,
        }
    }

    pub(crate) fn core(&self) -> Option<&P> {
        self.host.as_ref().map(Host::core)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.host.is_some()
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.deadline().is_some())
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// How many records a crash now would lose from the write under way.
    pub(crate) fn unsynced(&self) -> usize {
        self.writing.as_ref().map_or(0, Batch::len)
    }

    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    pub(crate) fn lives(&self) -> u64 {
        self.lives
    }

    pub(crate) fn records(&self) -> usize {
        self.log.len()
    }

    /// Starts from what is durable.
    pub(crate) fn restart(&mut self, config: P::Config, rules: Rules) {
        assert!(self.host.is_none(), "it is up");
        self.lives += 1;
        let decode = |(at, bytes): &(Position, Rc<[u8]>)| {
            (*at, wire::decode_all(bytes).expect("the explorer's disk does not rot"))
        };
        let records: Vec<(Position, P::Record)> = self.log.iter().map(decode).collect();
        let prng = Prng::new(self.id.0).fork(self.lives);
        let core = P::recover(config, self.now, prng, records.into_iter());
        core.check();
        self.host = Some(Host::new(self.id, core, self.durable, QUEUE, rules.planted));
    }

    /// Stops at once; the write under way is lost.
    pub(crate) fn crash(&mut self, rules: Rules) {
        self.host = None;
        let lost = self.writing.take();
        if let Some(batch) = lost.filter(|_| rules.planted.is(Mutant::CrashKeepsWrite)) {
            self.keep(&batch, rules);
        }
    }

    pub(crate) fn deliver(&mut self, from: NodeId, message: P::Message) {
        let taken = self.up().receive(from, message);
        assert!(taken, "an empty queue has room");
    }

    pub(crate) fn request(&mut self, request: P::Request) {
        assert!(self.up().request(request).is_ok(), "an empty queue has room");
    }

    /// The clock of this node moves to its deadline.
    pub(crate) fn wake(&mut self) {
        let at = self.up().deadline().expect("it is armed");
        self.now.mono = self.now.mono.max(at);
    }

    /// How it is found if it crashes now.
    pub(crate) fn fallen(&self) -> Place<P> {
        let (log, now) = (self.log.clone(), self.now);
        Place { host: None, log, writing: None, now, ..*self }
    }

    /// Turns the node until nothing is left to step.
    pub(crate) fn run(&mut self, rules: Rules) -> Vec<Effect<P>> {
        let (now, mut actions) = (self.now, VecDeque::new());
        self.up().turn(&mut || now, &mut actions);
        self.carry_out(actions, rules)
    }

    /// The write under way becomes durable; nothing that waited for it has left yet.
    pub(crate) fn sync(&mut self, rules: Rules) -> VecDeque<Action<P>> {
        let batch = self.writing.take().expect("a write is under way");
        self.keep(&batch, rules);
        let mut actions = VecDeque::new();
        self.up().synced(batch.end(), &mut actions);
        actions
    }

    pub(crate) fn carry_out(
        &mut self,
        mut actions: VecDeque<Action<P>>,
        rules: Rules,
    ) -> Vec<Effect<P>> {
        let mut effects = Vec::new();
        let now = self.now;
        loop {
            let Some(action) = actions.pop_front() else {
                if !self.up().ready() {
                    return effects;
                }
                self.up().turn(&mut || now, &mut actions);
                continue;
            };
            match action {
                Action::Send { to, message } => effects.push(Effect::Sent(to, message)),
                Action::Output(output) => effects.push(Effect::Output(output)),
                Action::Write(batch) if rules.instant => {
                    self.keep(&batch, rules);
                    self.up().synced(batch.end(), &mut actions);
                }
                Action::Write(batch) => {
                    assert!(self.writing.is_none(), "two writes at once");
                    self.writing = Some(batch);
                }
                Action::Release(before) => self.log.retain(|(at, _)| *at >= before),
            }
        }
    }

    fn up(&mut self) -> &mut Host<P> {
        self.host.as_mut().expect("the node is up")
    }

    fn keep(&mut self, batch: &Batch, rules: Rules) {
        self.durable = batch.end();
        if !rules.crash_free {
            self.log.extend(batch.records().map(|(at, _, bytes)| (at, bytes.into())));
        }
    }

    /// All that the node's future depends on; see [`Protocol::digest`] for what a core leaves out.
    pub(crate) fn digest(&self, names: &Renaming, into: &mut Digest) {
        (names.of(self.id), self.host.is_some(), self.log.len()).hash(into);
        for (_, bytes) in &self.log {
            into.write(bytes);
        }
        if let Some(host) = &self.host {
            host.digest(names, into);
        }
        for (_, group, bytes) in self.writing.iter().flat_map(Batch::records) {
            group.hash(into);
            into.write(bytes);
        }
    }
}

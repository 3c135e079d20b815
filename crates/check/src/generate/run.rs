//! Clients, moments and outcomes: one agenda.

use super::Shape;
use super::draw::Drawer;
use super::world::{Draft, Scene, Store, World};
use crate::txn::{Fate, Op, Transactions, Txn};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stdx::Prng;

/// From one moment of a transaction to its next, at most.
const GAP: u64 = 100;
/// How much longer what becomes unknown takes, at most.
const LATE: u64 = 50;
/// A message between replicas takes up to so long.
const TRANSIT: u64 = 2_000;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A client invokes its next transaction.
    Invoke { client: usize },
    /// A moment of a transaction; after the last it returns.
    Stage { slot: usize, number: usize },
    /// A message reaches a replica.
    Deliver { to: usize, message: usize },
}

/// What will become of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    Answer,
    /// No effect, and its client is told.
    Fail,
    /// Its client never hears; an effect, late.
    Late,
    /// Its client never hears; no effect.
    Never,
}

#[derive(Debug, Default)]
struct Slot {
    draft: Draft,
    process: u64,
    invoked: u64,
    plan: Plan,
}

struct Run<'a> {
    shape: &'a Shape,
    prng: Prng,
    history: Transactions,
    drawer: Drawer,
    store: Box<dyn Store>,
    agenda: BinaryHeap<Reverse<(u64, u64, What)>>,
    /// Tells equal times apart.
    tickets: u64,
    /// Every event has a time of its own.
    now: u64,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The process that each client is at present.
    processes: Vec<u64>,
    /// How many more to invoke.
    left: usize,
    /// At the end of all, by client: operations still to do, one on each key.
    last: Vec<usize>,
    /// What those are.
    writes: bool,
    sent: Vec<(usize, usize)>,
}

/// The history of `seed` in the family of `shape`, sorted by invocation, lines numbered from 1.
///
/// Panics if the world does not know such keys ([`World::knows`]), and on no client, key or operation.
pub fn history(shape: &Shape, seed: u64) -> Transactions {
    assert!(shape.world.knows(shape.kind), "{:?} of {:?}", shape.world, shape.kind);
    assert!(shape.clients > 0 && shape.keys > 0 && shape.ops.0 > 0, "{shape:?}");
    let mut history = Transactions::new();
    let drawer = Drawer::new(shape, &mut history);
    let mut run = Run {
        shape,
        prng: Prng::new(seed),
        history,
        drawer,
        store: shape.world.store(shape),
        agenda: BinaryHeap::new(),
        tickets: 0,
        now: 0,
        slots: Vec::new(),
        free: Vec::new(),
        processes: (0..shape.clients).collect(),
        left: shape.txns,
        last: Vec::new(),
        writes: false,
        sent: Vec::new(),
    };
    run.all();
    let mut history = run.history;
    history.sort();
    for (txn, line) in history.txns.iter_mut().zip(1..) {
        txn.line = line;
    }
    history
}

impl Run<'_> {
    fn all(&mut self) {
        self.everybody();
        self.until_quiet();
        if self.shape.world == World::Eventual {
            self.last = vec![0; self.processes.len()];
            self.last[0] = self.drawer.keys.len();
            self.writes = true;
            self.everybody();
            self.until_quiet();
            self.last.fill(self.drawer.keys.len());
            self.writes = false;
            self.everybody();
            self.until_quiet();
        }
    }

    fn everybody(&mut self) {
        for client in 0..self.processes.len() {
            self.after(self.shape.think + 1, What::Invoke { client });
        }
    }

    fn until_quiet(&mut self) {
        while let Some(Reverse((at, _, what))) = self.agenda.pop() {
            self.now = at.max(self.now + 1);
            match what {
                What::Invoke { client } => self.invoke(client),
                What::Stage { slot, number } => self.stage(slot, number),
                What::Deliver { to, message } => self.store.deliver(to, message),
            }
        }
    }

    fn after(&mut self, most: u64, what: What) {
        let at = self.now + self.prng.range(1, most);
        self.tickets += 1;
        self.agenda.push(Reverse((at, self.tickets, what)));
    }

    fn invoke(&mut self, client: usize) {
        let left = match self.last.get_mut(client) {
            Some(left) => left,
            None => &mut self.left,
        };
        if *left == 0 {
            return;
        }
        *left -= 1;
        let left = *left;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let plan = self.draw(client, slot, left);
        let invoked = self.now;
        let process = self.processes[client];
        let of = &mut self.slots[slot];
        of.draft.client = client;
        of.draft.own.clear();
        (of.process, of.invoked, of.plan) = (process, invoked, plan);
        if matches!(plan, Plan::Late | Plan::Never) {
            // Nothing is observed, so all that can be said of it is known by now.
            let ops = of.draft.ops.iter().copied();
            self.history.push(process, (invoked, Txn::NEVER), Fate::Unknown, 0, ops);
            self.processes[client] += self.shape.clients;
            self.after(4 * GAP, What::Invoke { client });
        }
        match plan {
            Plan::Never => self.free.push(slot),
            Plan::Late => self.after(LATE * GAP, What::Stage { slot, number: 0 }),
            Plan::Answer | Plan::Fail => self.after(GAP, What::Stage { slot, number: 0 }),
        }
    }

    /// What a transaction will be; at the end of all it is on key `left`.
    fn draw(&mut self, client: usize, slot: usize, left: usize) -> Plan {
        let ops = &mut self.slots[slot].draft.ops;
        let (prng, history) = (&mut self.prng, &mut self.history);
        ops.clear();
        if !self.last.is_empty() {
            ops.push(match self.writes {
                true => self.drawer.write(left, client as u64, prng, history),
                false => self.drawer.read(self.drawer.keys[left].key, history),
            });
            return Plan::Answer;
        }
        for _ in 0..prng.range(self.shape.ops.0, self.shape.ops.1) {
            ops.push(self.drawer.op(client as u64, prng, history));
        }
        plan(self.shape, prng)
    }

    fn stage(&mut self, slot: usize, number: usize) {
        let Slot { draft, plan, .. } = &mut self.slots[slot];
        let stages = self.store.stages(draft.ops.len());
        if *plan == Plan::Fail {
            return self.returns(slot, Fate::Aborted);
        }
        if number == stages {
            return self.returns(slot, Fate::Committed);
        }
        let (history, prng, sent) = (&mut self.history, &mut self.prng, &mut self.sent);
        if !self.store.stage(number, draft, &mut Scene { history, prng, sent }) {
            return self.returns(slot, Fate::Aborted);
        }
        if *plan == Plan::Late {
            forget(&draft.ops, &mut self.history);
        }
        let most = if *plan == Plan::Late { LATE * GAP } else { GAP };
        self.after(most, What::Stage { slot, number: number + 1 });
        while let Some((to, message)) = self.sent.pop() {
            self.after(TRANSIT, What::Deliver { to, message });
        }
    }

    fn returns(&mut self, slot: usize, fate: Fate) {
        self.free.push(slot);
        let Slot { draft, process, invoked, plan } = &self.slots[slot];
        if *plan == Plan::Late {
            return;
        }
        let ops = draft.ops.iter().map(|op| if fate == Fate::Aborted { blind(*op) } else { *op });
        self.history.push(*process, (*invoked, self.now), fate, 0, ops);
        let client = draft.client;
        self.after(self.shape.think + 1, What::Invoke { client });
    }
}

fn plan(shape: &Shape, prng: &mut Prng) -> Plan {
    let drawn = prng.below(1_000);
    match drawn {
        _ if drawn < shape.unknown && prng.chance(1, 4) => Plan::Never,
        _ if drawn < shape.unknown => Plan::Late,
        _ if drawn < shape.unknown + shape.failed => Plan::Fail,
        _ => Plan::Answer,
    }
}

/// What Redis answered nobody is not known.
fn forget(ops: &[Op], history: &mut Transactions) {
    for op in ops {
        if let Op::Redis { command, .. } = op {
            history.redis[*command as usize].1 = None;
        }
    }
}

/// The operation without what was observed.
fn blind(op: Op) -> Op {
    match op {
        Op::Read { key, .. } => Op::Read { key, value: None },
        Op::Cas { key, from, to, .. } => Op::Cas { key, from, to, done: None },
        Op::ReadList { key, .. } => Op::ReadList { key, elements: None },
        Op::ReadSet { key, .. } => Op::ReadSet { key, elements: None },
        Op::Count { key, .. } => Op::Count { key, value: None },
        Op::Dequeue { key, .. } => Op::Dequeue { key, value: None },
        Op::Write { .. }
        | Op::Append { .. }
        | Op::Add { .. }
        | Op::Insert { .. }
        | Op::Enqueue { .. }
        | Op::Redis { .. } => op,
    }
}

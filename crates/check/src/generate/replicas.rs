//! Replicas of registers that tell each other of their writes.

use super::World;
use super::world::{Draft, Scene, Store};
use crate::txn::{KeyId, Op, ValueId};

/// A Lamport clock and its replica.
type Stamp = (u64, usize);

struct Replica {
    cells: Vec<(ValueId, Stamp)>,
    clock: u64,
    /// By replica: how many of its transactions were applied here.
    applied: Vec<u64>,
    /// Messages that came before what they depend on.
    waiting: Vec<usize>,
}

/// A transaction's writes.
#[derive(Clone)]
struct Message {
    from: usize,
    stamp: Stamp,
    /// What had been applied at its replica when it happened there.
    after: Vec<u64>,
    writes: Vec<(KeyId, ValueId)>,
    /// Replicas that have not applied it yet.
    left: usize,
}

pub(super) struct Replicas {
    world: World,
    replicas: Vec<Replica>,
    messages: Vec<Message>,
    /// Places of messages that all have applied.
    free: Vec<usize>,
    /// True time, as far as writes can tell.
    time: u64,
}

impl Replica {
    fn cell(&mut self, key: KeyId) -> &mut (ValueId, Stamp) {
        let index = key.0 as usize;
        if index >= self.cells.len() {
            self.cells.resize(index + 1, (ValueId::NIL, (0, 0)));
        }
        &mut self.cells[index]
    }

    fn ready(&self, message: &Message) -> bool {
        let known = |(have, need): (&u64, &u64)| have >= need;
        self.applied.iter().zip(&message.after).all(known)
    }
}

impl Replicas {
    const REPLICAS: usize = 3;

    pub(super) fn new(world: World) -> Replicas {
        let replica = || Replica {
            cells: Vec::new(),
            clock: 0,
            applied: vec![0; Self::REPLICAS],
            waiting: Vec::new(),
        };
        let replicas = (0..Self::REPLICAS).map(|_| replica()).collect();
        Replicas { world, replicas, messages: Vec::new(), free: Vec::new(), time: 0 }
    }

    fn causal(&self) -> bool {
        self.world != World::Eventual
    }

    fn send(
        &mut self,
        from: usize,
        stamp: Stamp,
        writes: Vec<(KeyId, ValueId)>,
        scene: &mut Scene<'_>,
    ) {
        let after = self.replicas[from].applied.clone();
        self.replicas[from].applied[from] += 1;
        let message = Message { from, stamp, after, writes, left: Self::REPLICAS - 1 };
        let place = match self.free.pop() {
            Some(place) => {
                self.messages[place] = message;
                place
            }
            None => {
                self.messages.push(message);
                self.messages.len() - 1
            }
        };
        let others = (0..Self::REPLICAS).filter(|to| *to != from);
        scene.sent.extend(others.map(|to| (to, place)));
    }

    fn apply(&mut self, to: usize, place: usize) {
        let message = &mut self.messages[place];
        let replica = &mut self.replicas[to];
        replica.clock = replica.clock.max(message.stamp.0);
        replica.applied[message.from] += 1;
        for &(key, value) in &message.writes {
            let cell = replica.cell(key);
            if self.world == World::CausalMemory || message.stamp >= cell.1 {
                *cell = (value, message.stamp);
            }
        }
        message.left -= 1;
        if message.left == 0 {
            self.free.push(place);
        }
    }

    /// A whole transaction on one replica.
    fn transact(&mut self, draft: &mut Draft, scene: &mut Scene<'_>) {
        let at = draft.client % Self::REPLICAS;
        let replica = &mut self.replicas[at];
        let stamp = (replica.clock + 1, at);
        let mut writes = Vec::new();
        for op in &mut draft.ops {
            match op {
                Op::Read { key, value } => *value = Some(replica.cell(*key).0),
                Op::Write { key, value } => {
                    *replica.cell(*key) = (*value, stamp);
                    writes.push((*key, *value));
                }
                other => unreachable!("{other:?} is never drawn for replicas"),
            }
        }
        if !writes.is_empty() {
            replica.clock += 1;
            self.send(at, stamp, writes, scene);
        }
    }

    /// Each operation anywhere.
    fn scatter(&mut self, draft: &mut Draft, scene: &mut Scene<'_>) {
        for op in &mut draft.ops {
            let at = scene.prng.index(Self::REPLICAS);
            match op {
                Op::Read { key, value } => *value = Some(self.replicas[at].cell(*key).0),
                Op::Write { key, value } => {
                    self.time += 1;
                    let stamp = (self.time, at);
                    *self.replicas[at].cell(*key) = (*value, stamp);
                    self.send(at, stamp, vec![(*key, *value)], scene);
                }
                other => unreachable!("{other:?} is never drawn for replicas"),
            }
        }
    }
}

impl Store for Replicas {
    fn stages(&self, _: usize) -> usize {
        1
    }

    fn stage(&mut self, _: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool {
        match self.causal() {
            true => self.transact(draft, scene),
            false => self.scatter(draft, scene),
        }
        true
    }

    fn deliver(&mut self, to: usize, message: usize) {
        if !self.causal() {
            return self.apply(to, message);
        }
        self.replicas[to].waiting.push(message);
        loop {
            let replica = &self.replicas[to];
            let ready = |place: &usize| replica.ready(&self.messages[*place]);
            let Some(place) = replica.waiting.iter().position(ready) else { return };
            let message = self.replicas[to].waiting.swap_remove(place);
            self.apply(to, message);
        }
    }
}

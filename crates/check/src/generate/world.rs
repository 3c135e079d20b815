//! The worlds a history can come from. What each promises holds by construction.

use super::cell::{Cell, is_read};
use super::replicas::Replicas;
use super::{Kind, Shape};
use crate::level::Level;
use crate::txn::{KeyId, Op, Transactions};
use std::collections::VecDeque;
use stdx::Prng;

/// How transactions take effect. All but the first two know registers only, but for `Snapshot` and `ReadCommitted`,
/// which know lists too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// Each at one moment, on one store.
    Serial,
    /// Those that only read do so from a prefix of the serial order that may be old, but never older than what their
    /// client has seen or done: followers of a log, as in ZooKeeper.
    Lagging,
    /// All reads at one moment, all writes at a later one, if no key written has been written in between; else the
    /// transaction aborts (first committer wins).
    Snapshot,
    /// Each read at a moment of its own, reads first; then all writes at one.
    ReadCommitted,
    /// Each on the replica of its client, which sends its writes to the others; they apply them in causal order, and
    /// of two writes the one with the higher Lamport clock stays.
    CausalConvergence,
    /// The same, but the write that is applied last stays: replicas may never agree.
    CausalMemory,
    /// Each operation on any replica, each write sent to the others by itself; the last by true time stays. After
    /// the last transaction and the last message each key is written once more, and once that has arrived, too, each
    /// client reads each key.
    Eventual,
}

impl World {
    /// All.
    pub const ALL: [World; 7] = [
        World::Serial,
        World::Lagging,
        World::Snapshot,
        World::ReadCommitted,
        World::CausalConvergence,
        World::CausalMemory,
        World::Eventual,
    ];

    /// What holds of every history from here, and with it what [`crate::map::BELOW`] says is below; the first also
    /// makes transactions on one key linearizable.
    pub fn promises(self) -> &'static [Level] {
        match self {
            World::Serial => &[Level::StrictSerializable, Level::Sequential],
            World::Lagging => &[Level::Sequential, Level::Serializable],
            World::Snapshot => &[Level::SnapshotIsolation, Level::ReadAtomic],
            World::ReadCommitted => &[Level::ReadCommitted],
            World::CausalConvergence => &[Level::CausalConvergence],
            World::CausalMemory => &[Level::CausalMemory],
            World::Eventual => &[Level::Convergence],
        }
    }

    /// Whether such keys can be used here.
    pub fn knows(self, kind: Kind) -> bool {
        match self {
            World::Serial | World::Lagging => true,
            World::Snapshot | World::ReadCommitted => matches!(kind, Kind::Register | Kind::List),
            _ => kind == Kind::Register,
        }
    }

    pub(super) fn store(self, shape: &Shape) -> Box<dyn Store> {
        match self {
            World::Serial => Box::new(Serial::default()),
            World::Lagging => Box::new(Lagging::new(shape.clients)),
            World::Snapshot => Box::new(Snapshot::default()),
            World::ReadCommitted => Box::new(ReadCommitted::default()),
            World::CausalConvergence | World::CausalMemory | World::Eventual => {
                Box::new(Replicas::new(self))
            }
        }
    }
}

/// A transaction under way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) client: usize,
    pub(super) ops: Vec<Op>,
    /// Cells as this transaction sees them, with the version of each when it was first seen.
    pub(super) own: Vec<(KeyId, u32, Cell)>,
}

/// What a world works with.
pub(super) struct Scene<'a> {
    pub(super) history: &'a mut Transactions,
    pub(super) prng: &'a mut Prng,
    /// Messages to put under way: to which replica, and which.
    pub(super) sent: &'a mut Vec<(usize, usize)>,
}

pub(super) trait Store {
    /// How many moments a transaction of so many operations has.
    fn stages(&self, ops: usize) -> usize;
    /// The moment `number`, from 0; false: the transaction aborts.
    fn stage(&mut self, number: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool;
    /// A message arrives.
    fn deliver(&mut self, to: usize, message: usize) {
        unreachable!("nobody sent message {message} to {to}");
    }
}

#[derive(Default)]
pub(super) struct Cells(Vec<Cell>);

impl Cells {
    fn at(&mut self, key: KeyId) -> &mut Cell {
        let index = key.0 as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, Cell::default);
        }
        &mut self.0[index]
    }

    fn run(&mut self, ops: &mut [Op], history: &mut Transactions) {
        for op in ops {
            *op = self.at(op.key()).apply(*op, history);
        }
    }

    /// Carries out the operations that change something.
    fn write(&mut self, ops: &[Op], history: &mut Transactions) {
        for op in ops {
            if !is_read(op, history) {
                self.at(op.key()).apply(*op, history);
            }
        }
    }
}

#[derive(Default)]
struct Serial(Cells);

impl Store for Serial {
    fn stages(&self, _: usize) -> usize {
        1
    }

    fn stage(&mut self, _: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool {
        self.0.run(&mut draft.ops, scene.history);
        true
    }
}

/// Followers of a log.
struct Lagging {
    leader: Cells,
    /// What changed something, from position `start` on.
    log: VecDeque<Vec<Op>>,
    start: usize,
    followers: Vec<(usize, Cells)>,
    /// By client: the position it has seen.
    seen: Vec<usize>,
}

impl Lagging {
    const FOLLOWERS: usize = 3;
    /// No follower is farther behind.
    const FARTHEST: usize = 100;

    fn new(clients: u64) -> Lagging {
        let followers = (0..Self::FOLLOWERS).map(|_| (0, Cells::default())).collect();
        let seen = (0..clients).map(|_| 0).collect();
        Lagging { leader: Cells::default(), log: VecDeque::new(), start: 0, followers, seen }
    }

    fn end(&self) -> usize {
        self.start + self.log.len()
    }

    fn follow(&mut self, follower: usize, upto: usize, history: &mut Transactions) {
        let (position, cells) = &mut self.followers[follower];
        while *position < upto {
            cells.write(&self.log[*position - self.start], history);
            *position += 1;
        }
    }

    fn trim(&mut self, history: &mut Transactions) {
        if self.log.len() <= Self::FARTHEST {
            return;
        }
        for follower in 0..Self::FOLLOWERS {
            self.follow(follower, self.start + 1, history);
        }
        self.log.pop_front();
        self.start += 1;
    }
}

impl Store for Lagging {
    fn stages(&self, _: usize) -> usize {
        1
    }

    fn stage(&mut self, _: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool {
        let Scene { history, prng, .. } = scene;
        let client = draft.client;
        if draft.ops.iter().all(|op| is_read(op, history)) {
            let follower = client % Self::FOLLOWERS;
            let mut upto = self.seen[client].max(self.followers[follower].0);
            if prng.chance(1, 4) {
                upto += prng.index(self.end() - upto + 1);
            }
            self.follow(follower, upto, history);
            self.seen[client] = upto;
            self.followers[follower].1.run(&mut draft.ops, history);
            return true;
        }
        self.leader.run(&mut draft.ops, history);
        self.log.push_back(draft.ops.clone());
        self.seen[client] = self.end();
        self.trim(history);
        true
    }
}

#[derive(Default)]
struct Snapshot {
    cells: Cells,
    versions: Vec<u32>,
}

impl Snapshot {
    fn version(&mut self, key: KeyId) -> &mut u32 {
        let index = key.0 as usize;
        if index >= self.versions.len() {
            self.versions.resize(index + 1, 0);
        }
        &mut self.versions[index]
    }
}

impl Store for Snapshot {
    fn stages(&self, _: usize) -> usize {
        2
    }

    fn stage(&mut self, number: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool {
        let Draft { ops, own, .. } = draft;
        if number == 0 {
            for op in ops {
                let place = own.iter().position(|(key, ..)| *key == op.key());
                let place = place.unwrap_or_else(|| {
                    let version = *self.version(op.key());
                    own.push((op.key(), version, self.cells.at(op.key()).clone()));
                    own.len() - 1
                });
                *op = own[place].2.apply(*op, scene.history);
            }
            return true;
        }
        let written = |key: KeyId, history: &Transactions| {
            ops.iter().any(|op| op.key() == key && !is_read(op, history))
        };
        own.retain(|(key, ..)| written(*key, scene.history));
        if own.iter().any(|(key, version, _)| self.version(*key) != version) {
            return false;
        }
        for (key, _, cell) in own.drain(..) {
            *self.version(key) += 1;
            *self.cells.at(key) = cell;
        }
        true
    }
}

#[derive(Default)]
struct ReadCommitted(Cells);

impl Store for ReadCommitted {
    fn stages(&self, ops: usize) -> usize {
        ops + 1
    }

    fn stage(&mut self, number: usize, draft: &mut Draft, scene: &mut Scene<'_>) -> bool {
        let Scene { history, .. } = scene;
        if number == 0 {
            draft.ops.sort_by_key(|op| !is_read(op, history));
        }
        match draft.ops.get_mut(number) {
            Some(op) if is_read(op, history) => *op = self.0.at(op.key()).apply(*op, history),
            Some(_) => {}
            None => self.0.write(&draft.ops, history),
        }
        true
    }
}

//! The replicated state of one group: a function of its log and nothing else.
//!
//! Invariants: two replicas that applied the same index are equal, and so are their snapshots byte for byte;
//! `time` never goes back and is the highest stamp applied; nothing here reads another clock.

use crate::catalog::{Catalog, Changed};
use crate::proposal::{Body, Item, Operation, Outcome, Proposal};
use crate::restore::Loading;
use crate::session::Sessions;
use crate::tables::out_of_memory;

mod header;

use alloc::collections::BTreeMap;
use data::{Context, Db, Unready};
use stdx::{Bytes, Mutant, Planted, Prng, WallClock};
use wire::resp::{Args, Reply};

/// How many due keys one entry removes beyond those its own command touches.
pub(crate) const EXPIRE_PER_ENTRY: usize = 16;
/// A batch ends once its replies have more bytes than this.
const BATCH_REPLIES: usize = 4 << 20;
/// One reply may have this many bytes more than the longest value: it fits a frame between nodes.
const LONGEST_REPLY: usize = 32 << 20;
/// How many keys one `CountPrefix` step looks at.
pub(crate) const COUNT_STEP: usize = 20_000;

/// The state machine of a group.
#[derive(Clone, Debug)]
pub struct Machine {
    applied: u64,
    time: WallClock,
    sessions: Sessions,
    state: State,
    planted: Planted,
}

/// What a group holds.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// The catalog.
    Catalog(Box<Catalog>),
    /// A keyspace.
    Keyspace(Box<Keys>),
}

/// A keyspace's data.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// The keys.
    pub(crate) db: Db,
    /// Prefixes that belong to other keyspaces, and since which epoch.
    pub(crate) fences: BTreeMap<String, u64>,
    /// The backup it was or is being restored from.
    pub(crate) loading: Option<Loading>,
}

/// Why a read cannot be answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotYet {
    /// A key it touches is due: commit a tick first.
    Due,
    /// A key it touches has to be loaded.
    Missing(u64),
    /// So many keys went meanwhile that more must be loaded.
    Short,
}

impl Machine {
    /// The empty state of a keyspace.
    pub fn keyspace(db: Db, planted: Planted) -> Machine {
        let keys = Keys { db, fences: BTreeMap::new(), loading: None };
        Machine::of(State::Keyspace(Box::new(keys)), planted)
    }

    /// The state of a new cluster's catalog.
    pub fn catalog(catalog: Catalog, planted: Planted) -> Machine {
        Machine::of(State::Catalog(Box::new(catalog)), planted)
    }

    fn of(state: State, planted: Planted) -> Machine {
        let (applied, time) = (0, WallClock(0));
        Machine { applied, time, sessions: Sessions::default(), state, planted }
    }

    /// The index of the last entry applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The highest stamp applied.
    pub fn time(&self) -> WallClock {
        self.time
    }

    /// The keys, if this is a keyspace.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        match &self.state {
            State::Keyspace(keys) => Some(keys),
            State::Catalog(_) => None,
        }
    }

    /// The keys, if this is a keyspace.
    pub(crate) fn keys_mut(&mut self) -> Option<&mut Keys> {
        match &mut self.state {
            State::Keyspace(keys) => Some(keys),
            State::Catalog(_) => None,
        }
    }

    /// The catalog, if this is its group.
    pub fn as_catalog(&self) -> Option<&Catalog> {
        match &self.state {
            State::Catalog(catalog) => Some(catalog),
            State::Keyspace(_) => None,
        }
    }

    /// Bytes of state, roughly: what a snapshot would weigh.
    pub fn bytes(&self) -> u64 {
        self.keys().map_or(4096, |keys| keys.db.bytes())
    }

    /// Nothing to do at `index` (a leader's no-op).
    pub fn skip(&mut self, index: u64) {
        assert_eq!(index, self.applied + 1, "an index was skipped");
        self.applied = index;
    }

    /// Applies the entry at `index`.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Outcome {
        self.skip(index);
        self.time = self.time.max(proposal.stamp);
        if let State::Keyspace(keys) = &mut self.state {
            keys.db.set_max_value(proposal.limit);
            keys.db.expire_due(self.time.millis(), EXPIRE_PER_ENTRY);
        }
        let Some(session) = &proposal.body.session else {
            return self.execute(index, proposal);
        };
        if !self.planted.is(Mutant::ForgetSessions)
            && let Err(outcome) = self.sessions.admit(session)
        {
            return outcome;
        }
        let skips = self.planted.is(Mutant::SkipCommand) && index.is_multiple_of(32);
        let outcome = if skips { Outcome::Forgotten } else { self.execute(index, proposal) };
        // A stale request did nothing: it comes back under another number, routed anew.
        if !self.planted.is(Mutant::ForgetSessions) {
            self.sessions.remember(session, &memorable(&outcome));
        }
        outcome
    }

    fn execute(&mut self, index: u64, proposal: &Proposal) -> Outcome {
        if let Some(epoch) = self.stale(&proposal.body) {
            return Outcome::Stale(epoch);
        }
        let (time, planted) = (self.time.millis(), self.planted);
        let mut cx = Context { now_ms: time, committed_ms: time, index, seed: proposal.seed };
        match (&mut self.state, &proposal.body.operation) {
            (State::Keyspace(keys), Operation::Load(load)) => {
                Outcome::Done(vec![keys.load(index, load, &mut self.time)])
            }
            (State::Keyspace(keys), Operation::Batch(items) | Operation::BatchFull(items))
                if keys.is_partial(planted) =>
            {
                Outcome::Done(vec![crate::restore::partial(); items.len()])
            }
            (State::Keyspace(keys), Operation::Batch(items) | Operation::BatchFull(items)) => {
                let full = matches!(proposal.body.operation, Operation::BatchFull(_));
                let mut replies = Replies::new(items.len(), &keys.db);
                for item in items {
                    if replies.full() {
                        break;
                    }
                    let refused = full && item.may_add();
                    let reply = if refused {
                        out_of_memory(item)
                    } else {
                        execute_item(&mut keys.db, cx, item)
                    };
                    replies.push(reply);
                    cx.seed = Prng::new(cx.seed).next_u64();
                }
                Outcome::Done(replies.list)
            }
            (State::Keyspace(_), Operation::Fence { .. }) if planted.is(Mutant::SkipFence) => {
                Outcome::Done(vec![Reply::ok()])
            }
            (State::Keyspace(keys), Operation::Fence { name, epoch }) => {
                keys.fence(name, *epoch);
                Outcome::Done(vec![Reply::ok()])
            }
            (State::Catalog(catalog), Operation::Catalog(change)) => {
                Outcome::Done(vec![changed(&catalog.change(change.clone()))])
            }
            (_, Operation::Tick) => Outcome::Done(vec![Reply::ok()]),
            (_, operation) => Outcome::Done(vec![misplaced(operation)]),
        }
    }

    /// The epoch from which one of the keys belongs elsewhere, if the request was routed by an older one.
    fn stale(&self, body: &Body) -> Option<u64> {
        let keys = self.keys()?;
        let newest = keys.fences.values().max()?;
        if body.epoch >= *newest {
            return None;
        }
        let fenced = |key: &[u8]| {
            let name = crate::contract::keyspace_of(key)?;
            keys.fences.get(name).copied().filter(|epoch| *epoch > body.epoch)
        };
        match &body.operation {
            Operation::Batch(items) | Operation::BatchFull(items) => {
                items.iter().find_map(|item| {
                    let watched = item.watches().iter().find_map(|(key, _)| fenced(key));
                    let mut named = item.commands().flat_map(data::command_keys);
                    watched.or_else(|| named.find_map(fenced))
                })
            }
            Operation::Modified(keys) => keys.iter().find_map(|key| fenced(key)),
            _ => None,
        }
    }

    /// Answers a confirmed read from the state as it is. `wall` is the leader's clock: a key that is due by it
    /// but not yet by the group's time has its expiry committed first.
    pub(crate) fn read(
        &mut self,
        wall: WallClock,
        seed: u64,
        body: &Body,
    ) -> Result<Outcome, NotYet> {
        if let Some(epoch) = self.stale(body) {
            return Ok(Outcome::Stale(epoch));
        }
        let now_ms = self.time.max(wall).millis();
        self.prepare_read(&body.operation, seed, now_ms).map_err(NotYet::Missing)?;
        let early = self.planted.is(Mutant::ReadBeforeExpiry);
        let committed_ms = if early { now_ms } else { self.time.millis() };
        let cx = Context { now_ms, committed_ms, index: self.applied, seed };
        let keys = match &self.state {
            State::Keyspace(keys) => keys,
            // How new the asker's own catalog must be.
            State::Catalog(catalog) => return Ok(Outcome::Done(vec![Reply::int(catalog.epoch)])),
        };
        match &body.operation {
            Operation::Batch(items) if keys.is_partial(self.planted) => {
                Ok(Outcome::Done(vec![crate::restore::partial(); items.len()]))
            }
            Operation::Loaded => Ok(Outcome::Done(vec![keys.progress()])),
            Operation::Batch(items) => {
                let mut replies = Replies::new(items.len(), &keys.db);
                for item in items {
                    if replies.full() {
                        break;
                    }
                    match read_item(&keys.db, cx, item) {
                        Ok(reply) => replies.push(reply),
                        Err(Unready::Due) => return Err(NotYet::Due),
                        Err(Unready::Short) => return Err(NotYet::Short),
                    }
                }
                Ok(Outcome::Done(replies.list))
            }
            Operation::CountPrefix { name, cursor } => {
                let prefix = [name.as_bytes(), b":"].concat();
                let counted = keys.db.count_prefix(&prefix, *cursor, COUNT_STEP);
                let (count, next) = counted.ok_or(NotYet::Short)?;
                Ok(Outcome::Done(vec![Reply::int(count), Reply::bulk(next.to_string())]))
            }
            Operation::Modified(names) => {
                let modified = |key: &Bytes| Reply::int(keys.db.modified(key, now_ms));
                Ok(Outcome::Done(names.iter().map(modified).collect()))
            }
            Operation::Barrier => Ok(Outcome::Done(vec![Reply::ok()])),
            operation => Ok(Outcome::Done(vec![misplaced(operation)])),
        }
    }

    /// When the leader should commit a tick although nobody asks, in the group's time.
    pub fn next_expiry(&self) -> Option<u64> {
        self.keys().and_then(|keys| keys.db.next_expiry())
    }

    /// Asserts what one state can see of itself.
    pub fn check(&self) {
        self.sessions.check();
        match &self.state {
            State::Catalog(catalog) => catalog.check(),
            State::Keyspace(keys) => keys.db.check(),
        }
    }

    /// As [`Machine::digest`], at a cost that does not grow with the keys.
    pub(crate) fn sum(&self) -> u64 {
        self.digest_with(Db::sum)
    }

    /// The same on every replica at the same index.
    pub fn digest(&self) -> u64 {
        self.digest_with(Db::digest)
    }

    fn digest_with(&self, of: impl Fn(&Db) -> u64) -> u64 {
        use core::hash::Hasher;
        let mut digest = stdx::Digest::default();
        digest.write_u64(self.applied);
        digest.write_u64(self.time.0);
        digest.write(&wire::encode(&self.sessions));
        match &self.state {
            State::Catalog(catalog) => {
                digest.write(&wire::encode(&**catalog));
                digest.write(&wire::encode(&catalog.sealed_names()));
            }
            State::Keyspace(keys) => {
                digest.write_u64(of(&keys.db));
                digest.write(&wire::encode(&keys.loading));
            }
        }
        digest.finish()
    }
}

impl Item {
    /// The keys that must not have changed, and the modify index seen.
    pub(crate) fn watches(&self) -> &[(Bytes, u64)] {
        match self {
            Item::Command(_) => &[],
            Item::Exec { watches, .. } => watches,
        }
    }

    /// The commands of the item.
    pub fn commands(&self) -> impl Iterator<Item = &Args> {
        match self {
            Item::Command(args) => core::slice::from_ref(args).iter(),
            Item::Exec { commands, .. } => commands.iter(),
        }
    }
}

/// The replies of one batch. It ends early, on every replica at the same command, once they are long: the
/// gateway sends the rest again, so that no answer outgrows a frame between nodes or a client's buffer.
struct Replies {
    list: Vec<Reply>,
    bytes: usize,
    longest: usize,
}

impl Replies {
    fn new(count: usize, db: &Db) -> Replies {
        let longest = db.max_value() + LONGEST_REPLY;
        Replies { list: Vec::with_capacity(count), bytes: 0, longest }
    }

    fn full(&self) -> bool {
        self.bytes > BATCH_REPLIES
    }

    fn push(&mut self, reply: Reply) {
        let weight = weight(&reply);
        self.bytes += weight;
        self.list.push(if weight > self.longest {
            // What the command did stands; only its answer is too long to give.
            Reply::err(format!(
                "ERR done, but the reply has {weight} bytes, more than {}",
                self.longest
            ))
        } else {
            reply
        });
    }
}

/// What a session remembers of an outcome. Long replies are not kept: a retry of such a request, after its answer
/// was lost, ends as unknown, and sessions stay small enough for the first chunk of a snapshot.
fn memorable(outcome: &Outcome) -> Outcome {
    const KEPT: usize = 16 << 10;
    match outcome {
        Outcome::Done(replies) if replies.iter().map(weight).sum::<usize>() > KEPT => {
            Outcome::Forgotten
        }
        outcome => outcome.clone(),
    }
}

/// About how many bytes a reply takes.
pub(crate) fn weight(reply: &Reply) -> usize {
    const FIXED: usize = 8;
    FIXED
        + match reply {
            Reply::Bulk(bytes) => bytes.len(),
            Reply::Simple(text) => text.len(),
            Reply::Error(text) => text.len(),
            Reply::Array(replies) | Reply::Set(replies) => replies.iter().map(weight).sum(),
            Reply::Map(pairs) => pairs.iter().map(|(k, v)| weight(k) + weight(v)).sum(),
            Reply::Verbatim(text) | Reply::Double(text) => text.len(),
            Reply::Int(_) | Reply::Null | Reply::NullArray | Reply::Bool(_) => 0,
        }
}

fn changed(what: &Changed) -> Reply {
    match what {
        Changed::Announced(epoch) => Reply::int(*epoch),
        Changed::Exists => Reply::err("ERR keyspace exists already"),
        Changed::Full => {
            Reply::err(format!("ERR no more than {} keyspaces", crate::catalog::MAX_KEYSPACES))
        }
        Changed::Decided => Reply::ok(),
    }
}

fn misplaced(operation: &Operation) -> Reply {
    Reply::err(format!("ERR this group cannot do {operation:?}"))
}

fn watches_hold(db: &Db, now_ms: u64, watches: &[(Bytes, u64)]) -> bool {
    watches.iter().all(|(key, modified)| db.modified(key, now_ms) == *modified)
}

fn execute_item(db: &mut Db, cx: Context, item: &Item) -> Reply {
    match item {
        Item::Command(args) => data::execute(db, cx, args),
        Item::Exec { watches, .. } if !watches_hold(db, cx.now_ms, watches) => Reply::NullArray,
        Item::Exec { commands, .. } => {
            let mut cx = cx;
            let mut replies = Vec::with_capacity(commands.len());
            for args in commands {
                replies.push(data::execute(db, cx, args));
                cx.seed = Prng::new(cx.seed).next_u64();
            }
            Reply::Array(replies)
        }
    }
}

fn read_item(db: &Db, cx: Context, item: &Item) -> Result<Reply, Unready> {
    match item {
        Item::Command(args) => data::read(db, cx, args),
        Item::Exec { watches, .. } if !watches_hold(db, cx.now_ms, watches) => Ok(Reply::NullArray),
        Item::Exec { commands, .. } => {
            let replies = commands.iter().map(|args| data::read(db, cx, args));
            Ok(Reply::Array(replies.collect::<Result<Vec<Reply>, Unready>>()?))
        }
    }
}

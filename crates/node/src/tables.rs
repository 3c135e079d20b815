//! Tables on disk: what is to be loaded before entries are applied and reads answered, what goes to the engine
//! and comes back, and how much memory that takes.
//!
//! The engine belongs to the machine around the node. What it is asked promises nothing, and its files are
//! scratch that a start fills anew from the log, so every ask leaves early. An answer is a request like any
//! other. While a load is under way its group applies nothing; other groups go on.

use crate::api::Output;
use crate::compare::Compared;
use crate::contract::TableKind;
use crate::group::Group;
use crate::machine::{EXPIRE_PER_ENTRY, Machine};
use crate::message::GroupId;
use crate::proposal::{Item, Operation, Proposal};
use crate::snapshot::Staging;
use crate::state::Node;
use data::Db;
use protocol::Effects;
use raft::Kind;
use stdx::{Bytes, Now, Prng};
use storage::{Answer, Ask, Needs, Stretch};
use wire::resp::Reply;

/// How many entries behind the one that waits have their keys loaded with it ...
const AHEAD: usize = 256;
/// ... and how many keys at most.
const KEYS_AHEAD: usize = 1024;
/// Every table has this much memory, however many there are.
const LEAST_CACHE: u64 = 16 << 10;

impl Operation {
    /// Client commands, and whether those that add are refused for want of memory.
    pub fn batch(&self) -> Option<(&[Item], bool)> {
        match self {
            Operation::Batch(items) => Some((items, false)),
            Operation::BatchFull(items) => Some((items, true)),
            _ => None,
        }
    }
}

impl Item {
    /// Whether any of its commands may add to the state (`denyoom` in Redis' words).
    pub(crate) fn may_add(&self) -> bool {
        self.commands().any(|args| data::lookup(args.name()).is_some_and(|c| c.has("denyoom")))
    }
}

impl Machine {
    /// What `operation` could look at. In the log each command has a seed of its own; reads share theirs.
    fn needs(&self, operation: &Operation, seed: u64, logged: bool) -> Needs {
        let mut needs = Needs::default();
        let Some(keys) = self.keys() else { return needs };
        let next = |seed: u64| if logged { Prng::new(seed).next_u64() } else { seed };
        match operation {
            Operation::Batch(_) | Operation::BatchFull(_) => {
                let mut seed = seed;
                for item in operation.batch().into_iter().flat_map(|(items, _)| items) {
                    let mut own = seed;
                    for args in item.commands() {
                        keys.db.needs(args, own, &mut needs);
                        own = next(own);
                    }
                    needs.keys.extend(item.watches().iter().map(|(key, _)| key.clone()));
                    seed = next(seed);
                }
            }
            Operation::Modified(names) => needs.keys.extend(names.iter().cloned()),
            Operation::CountPrefix { cursor, .. } => {
                let count = crate::machine::COUNT_STEP;
                needs.stretches.push(Stretch { from: *cursor, count });
            }
            _ => {}
        }
        needs
    }

    /// Makes resident what a read looks at, or answers which load to wait for.
    pub(crate) fn prepare_read(
        &mut self,
        operation: &Operation,
        seed: u64,
        now_ms: u64,
    ) -> Result<(), u64> {
        if self.keys().is_none_or(|keys| !keys.db.misses()) {
            return Ok(());
        }
        let needs = self.needs(operation, seed, false);
        let db = &mut self.keys_mut().expect("just seen").db;
        db.prepare(needs, now_ms, &mut Vec::new)
    }

    /// Makes resident what applying `proposal` looks at, or answers which load to wait for; that one brings
    /// the keys of `behind` as well.
    pub(crate) fn prepare_entry<'a>(
        &mut self,
        proposal: &Proposal,
        behind: impl Iterator<Item = &'a raft::Entry>,
    ) -> Result<(), u64> {
        if self.keys().is_none_or(|keys| !keys.db.misses()) {
            return Ok(());
        }
        let now_ms = self.time().max(proposal.stamp).millis();
        let mut needs = self.needs(&proposal.body.operation, proposal.seed, true);
        let mut behind = behind.take(AHEAD);
        let db = &mut self.keys_mut().expect("just seen").db;
        db.needs_of_expiry(now_ms, EXPIRE_PER_ENTRY, &mut needs);
        db.prepare(needs, now_ms, &mut || {
            let mut ahead = Vec::new();
            while ahead.len() < KEYS_AHEAD
                && let Some(entry) = behind.next()
            {
                ahead.extend(keys_of(entry));
            }
            ahead
        })
    }

    /// The table, if it is on disk.
    fn table_mut(&mut self) -> Option<&mut Db> {
        self.keys_mut().map(|keys| &mut keys.db).filter(|db| db.table_id().is_some())
    }

    /// The serial number of its table, if that is on disk.
    fn serial(&self) -> Option<u64> {
        self.keys().and_then(|keys| keys.db.table_id()).map(|id| id.serial)
    }

    /// About how many bytes of its keys are in memory.
    pub(crate) fn in_memory(&self) -> u64 {
        self.keys().map_or(0, |keys| keys.db.in_memory())
    }
}

/// As Redis at its `maxmemory`.
pub(crate) fn out_of_memory(item: &Item) -> Reply {
    const TEXT: &str = "OOM command not allowed when used memory > 'maxmemory'.";
    match item {
        Item::Command(_) => Reply::err(TEXT),
        Item::Exec { .. } => {
            Reply::err(format!("EXECABORT Transaction discarded because of: {TEXT}"))
        }
    }
}

fn keys_of(entry: &raft::Entry) -> Vec<Bytes> {
    let Kind::Command(payload) = &entry.kind else { return Vec::new() };
    let Ok(proposal) = wire::decode_all::<Proposal>(payload) else { return Vec::new() };
    let Some((items, _)) = proposal.body.operation.batch() else { return Vec::new() };
    let named = items.iter().flat_map(|item| item.commands().flat_map(data::command_keys));
    named.map(Bytes::from).collect()
}

impl Node {
    /// How many bytes each table on disk may keep in memory.
    pub(crate) fn cache_limit(&self) -> u64 {
        let shares = (self.on_disk.len() as u64).max(1);
        (self.config.tables.cache / shares).max(LEAST_CACHE.min(self.config.tables.cache))
    }

    /// Whether writes that add to a table in memory are to be refused.
    pub(crate) fn is_full(&self) -> bool {
        let limit = self.config.tables.memory;
        limit > 0 && self.used > limit
    }

    /// A group is there, or has another state: its table is tended from now on.
    pub(crate) fn tend_from_now(&mut self, id: GroupId) {
        let group = &self.groups[&id];
        if group.info.keyspace.contract.table == TableKind::Disk {
            self.on_disk.insert(id);
        }
        self.weigh(id);
    }

    /// Counts what a group has in memory.
    pub(crate) fn weigh(&mut self, id: GroupId) {
        let group = self.groups.get_mut(&id).expect("only groups that are here are weighed");
        let before = core::mem::replace(&mut group.weight, group.machine.in_memory());
        self.used = self.used - before + group.weight;
    }

    /// The group is served no more: its tables go.
    pub(crate) fn tend_no_more(&mut self, id: GroupId, out: &mut Effects<Node>) {
        self.on_disk.remove(&id);
        let group = self.groups.get_mut(&id).expect("served until now");
        self.used -= core::mem::take(&mut group.weight);
        for table in core::mem::take(&mut group.tables) {
            out.output_early(Output::Table(Ask::Drop { table })); // Early: it promises nothing (module).
        }
    }

    /// The step is over: every table on disk gives back memory, and asks what it has to ask.
    pub(crate) fn tend(&mut self, out: &mut Effects<Node>) {
        if self.on_disk.is_empty() {
            return;
        }
        let limit = self.cache_limit();
        let ids: Vec<GroupId> = self.on_disk.iter().copied().collect();
        for id in ids {
            let group = self.groups.get_mut(&id).expect("tended since it was here");
            let mut live = Vec::new();
            for machine in machines(&mut group.machine, &mut group.staging, &mut group.compared) {
                live.extend(machine.serial());
                let Some(db) = machine.table_mut() else { continue };
                db.trim(limit);
                for ask in db.take_asks() {
                    group.tables.insert(ask.table());
                    out.output_early(Output::Table(ask)); // Early: it promises nothing (module).
                }
            }
            // Of a state that another has replaced, or a snapshot that was given up.
            group.tables.retain(|table| {
                let kept = live.contains(&table.serial);
                if !kept {
                    out.output_early(Output::Table(Ask::Drop { table: *table }));
                }
                kept
            });
            self.weigh(id);
        }
    }

    /// The engine has answered.
    pub(crate) fn table_answered(&mut self, now: Now, answer: Answer, out: &mut Effects<Node>) {
        let (table, id) = (answer.table(), answer.table().group);
        let Some(group) = self.groups.get_mut(&id) else { return };
        let mut all = machines(&mut group.machine, &mut group.staging, &mut group.compared);
        let Some(machine) = all.find(|machine| machine.serial() == Some(table.serial)) else {
            return; // Of a state that is gone.
        };
        let ticket = machine.table_mut().expect("found by its table").answer(answer);
        drop(all);
        match ticket {
            Some(ticket) => self.loaded(now, id, ticket, out),
            None => self.apply(now, id, out), // It may have waited until something was written.
        }
        self.view_read(now, id, out);
    }
}

/// The state, the one that a snapshot brings, and the one that a replica in quarantine will have.
fn machines<'a>(
    live: &'a mut Machine,
    staging: &'a mut Option<Staging>,
    compared: &'a mut Compared,
) -> impl Iterator<Item = &'a mut Machine> {
    let staged = staging.as_mut().map(Staging::machine_mut);
    core::iter::once(live).chain(staged).chain(compared.machine_mut())
}

impl Group {
    /// Whether its engine has so much to write that applying waits for an answer.
    pub(crate) fn is_behind(&self, limit: u64) -> bool {
        self.machine.keys().is_some_and(|keys| keys.db.is_behind(limit))
    }

    /// How much log makes a snapshot worth its bytes. Entries since the last one are in memory: with a table on
    /// disk they may not grow to the size of the state.
    pub(crate) fn snapshot_after(&self, limit: u64) -> u64 {
        let bytes = self.machine.bytes();
        if self.machine.serial().is_some() { bytes.min(limit) } else { bytes }
    }
}

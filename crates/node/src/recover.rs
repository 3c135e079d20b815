//! From the records of the log to a running node (architecture.md section 3, Identity).

use crate::api::{Config, Event};
use crate::catalog::{CATALOG_GROUP, Catalog, Keyspace};
use crate::contract::{Contract, TableKind};
use crate::gateway::Gateway;
use crate::group::Group;
use crate::machine::Machine;
use crate::message::{GroupId, Identity, Lost, Record, Replica, tag};
use crate::snapshot::{Kept, Loading};
use crate::state::{Node, Timer};
use alloc::collections::{BTreeMap, BTreeSet};
use data::Db;
use protocol::{Effects, Protocol};
use raft::Raft;
use stdx::{NodeId, NodeSet, Now, Position, Prng};
use storage::{Damage, GroupMask, TableId};

/// What [`crate::open`] knows before the records are read.
#[derive(Clone, Debug)]
pub struct Start {
    /// As configured.
    pub config: Config,
    /// With the life of this start, durable already.
    pub identity: Identity,
    /// What the log could not give back.
    pub damage: Vec<Damage>,
}

/// What the log says of one group.
#[derive(Debug)]
struct Found {
    info: Replica,
    records: Vec<(Position, raft::Record)>,
    machine: Option<Machine>,
    kept: Kept,
    staging: Option<(Position, Loading)>,
    damaged: Option<String>,
}

/// Rebuilds a node.
pub(crate) fn recover(
    start: Start,
    now: Now,
    rng: Prng,
    records: impl Iterator<Item = (Position, Record)>,
) -> Node {
    let Start { config, identity, damage } = start;
    let mut peers = BTreeMap::new();
    let mut base_at = Position(0);
    let mut logged = 0;
    let records: Vec<(Position, Record)> = records.collect();
    let mut found = named(&records);
    let mut orphans = BTreeSet::new();
    for (at, record) in records {
        match record {
            Record::Base { peers: known, lost, .. } => {
                base_at = at;
                for Lost { info, place } in lost {
                    found.get_mut(&info.group).expect("named above").damaged = Some(place);
                }
                peers = known.into_iter().map(|peer| (peer.node, peer)).collect();
            }
            Record::Created(_) => {}
            Record::Peer(peer) => {
                peers.insert(peer.node, peer);
            }
            Record::Raft { group, record } => match found.get_mut(&group) {
                Some(found) => found.raft_record(at, record, &mut logged),
                None => _ = orphans.insert(group),
            },
            Record::Chunk { group, index, seq, bytes } => {
                logged += bytes.len() as u64;
                if let Some(found) = found.get_mut(&group) {
                    found.chunk(&config, at, (index, seq), &bytes);
                }
            }
        }
    }
    let mut node = Node {
        config,
        identity,
        peers,
        refused: Default::default(),
        outlived: Default::default(),
        groups: BTreeMap::new(),
        damaged: BTreeMap::new(),
        suspect: damage,
        orphans,
        hints: BTreeMap::new(),
        alive: Default::default(),
        throttle: Default::default(),
        timers: Default::default(),
        rng,
        said: Default::default(),
        gateway: Gateway::default(),
        base_at,
        logged,
        steps: 0,
        on_disk: BTreeSet::new(),
        used: 0,
        tables: 0,
    };
    node.timers.set(Timer::Compare, Some(now.mono + crate::compare::PERIOD));
    for (id, found) in found {
        node.revive(now, id, found);
    }
    node.listen_on(now);
    node
}

/// Which replicas exist. This comes first: the newest `Base` stands after records of groups that it names, whose
/// snapshots are older than it is.
fn named(records: &[(Position, Record)]) -> BTreeMap<GroupId, Found> {
    let oldest = records.first().map_or(Position(0), |(at, _)| *at);
    let mut found: BTreeMap<GroupId, Found> = BTreeMap::new();
    for (_, record) in records {
        let (named, lost) = match record {
            Record::Base { replicas, lost, .. } => (replicas.as_slice(), lost.as_slice()),
            Record::Created(info) => (core::slice::from_ref(info), &[][..]),
            _ => continue,
        };
        for info in named.iter().chain(lost.iter().map(|lost| &lost.info)) {
            found.entry(info.group).or_insert_with(|| Found::new(info.clone(), oldest));
        }
    }
    found
}

impl Found {
    fn new(info: Replica, at: Position) -> Found {
        let kept = Kept::new(at, 0);
        Found { info, records: Vec::new(), machine: None, kept, staging: None, damaged: None }
    }

    fn raft_record(&mut self, at: Position, record: raft::Record, logged: &mut u64) {
        if let raft::Record::Entries { entries } = &record {
            *logged += entries.iter().map(|e| e.bytes() as u64).sum::<u64>();
        }
        if let raft::Record::Mark { mark, .. } = &record {
            match self.staging.take() {
                Some((first, loading)) if loading.index == mark.index && loading.whole() => {
                    self.machine = Some(loading.machine);
                    self.kept = Kept::new(first, *logged);
                    // An older mark may have outlived the first chunks of its snapshot, which were released.
                    self.damaged = None;
                }
                _ => {
                    let id = self.info.group;
                    let place =
                        format!("group {id}: the snapshot up to {} is not whole", mark.index);
                    self.damaged = Some(place);
                }
            }
        }
        self.records.push((at, record));
    }

    fn chunk(&mut self, config: &Config, at: Position, (index, seq): (u64, u64), bytes: &[u8]) {
        if seq == 0 {
            // Positions name tables, since none is given twice; those made later count from another number.
            let db = empty_db(config, &self.info, at.0);
            let begun = Loading::begin((self.info.group, index), bytes, db, config.planted);
            self.staging = begun.ok().map(|loading| (at, loading));
        } else if let Some((_, loading)) = &mut self.staging
            && (loading.index != index || loading.add(bytes).is_err())
        {
            self.staging = None; // Its mark, if one follows, will find it missing.
        }
    }
}

impl Node {
    /// Whether a damaged replica accounts for damage under these tags.
    pub(crate) fn claims(&self, groups: GroupMask) -> bool {
        self.damaged.keys().any(|id| groups.covers(tag(*id)))
    }

    /// Where this start's damage may have touched a group.
    fn suspected(&self, id: GroupId) -> Option<String> {
        let hit = self.suspect.iter().find(|damage| damage.groups.covers(tag(id)));
        let orphan = || self.orphans.contains(&id).then(|| "a record that is missing".into());
        hit.map(|d| format!("{} offset {}", d.file, d.offset)).or_else(orphan)
    }

    fn revive(&mut self, now: Now, id: GroupId, found: Found) {
        let place = self.suspected(id).or(found.damaged);
        if let Some(place) = place {
            self.damaged.insert(id, Lost { info: found.info, place });
            return;
        }
        let machine = match found.machine {
            Some(machine) => machine,
            None => self.first_machine(&found.info),
        };
        let raft_config = self.raft_config(&found.info);
        let rng = self.rng.fork(id);
        self.rng.next_u64();
        let raft = Raft::recover(raft_config, now, rng, found.records.into_iter());
        assert_eq!(raft.mark().index, machine.applied(), "core and state start from one snapshot");
        self.timers.set(Timer::Raft(id), raft.deadline());
        self.groups.insert(id, Group::new(found.info, raft, machine, found.kept));
        self.tend_from_now(id);
    }

    fn first_machine(&mut self, info: &Replica) -> Machine {
        if info.group == CATALOG_GROUP {
            Machine::catalog(self.founding(), self.config.planted)
        } else {
            Machine::keyspace(self.empty_db(info), self.config.planted)
        }
    }

    fn founding(&self) -> Catalog {
        let nodes: Vec<NodeId> = self.config.members.iter().map(|member| member.node).collect();
        Catalog::founding(&nodes, &self.config.default_contract())
    }

    /// A table for a group without any keys.
    pub(crate) fn empty_db(&mut self, info: &Replica) -> Db {
        self.tables += 1;
        empty_db(&self.config, info, 1 << 63 | self.tables)
    }

    fn raft_config(&self, info: &Replica) -> raft::Config {
        let voters: NodeSet = info.keyspace.members.iter().map(|(replica, _)| *replica).collect();
        raft::Config {
            election: self.config.election,
            heartbeat: self.config.heartbeat,
            // Small in the simulator, so that snapshots are sent and appends take several messages.
            keep_bytes: usize::try_from(self.config.snapshot_bytes)
                .map_or(16 << 20, |b| b.min(16 << 20)),
            max_append_bytes: self.config.chunk_bytes.min(1 << 20),
            lease: info.keyspace.contract.lease(),
            planted: self.config.planted,
            ..raft::Config::new(info.replica, voters)
        }
    }

    /// Creates the replicas that the catalog places here and that do not exist yet.
    pub(crate) fn create_replicas(&mut self, now: Now, out: &mut Effects<Node>) {
        let me = self.identity.node;
        let missing: Vec<Replica> = self
            .catalog()
            .iter()
            .filter(|keyspace| keyspace.active && !self.groups.contains_key(&keyspace.group))
            .filter(|keyspace| !self.damaged.contains_key(&keyspace.group))
            .filter_map(|keyspace| {
                let replica = keyspace.replica_on(me)?;
                Some(Replica { group: keyspace.group, replica, keyspace: keyspace.clone() })
            })
            .collect();
        for info in missing {
            let id = info.group;
            if let Some(place) = self.suspected(id) {
                // Its record may be among what is lost, and with it votes that must not be given twice.
                let keyspace = info.keyspace.name.clone();
                self.damaged.insert(id, Lost { info, place: place.clone() });
                self.base_at = out.persist(self.base());
                Node::event(out, Event::Damaged { keyspace, place });
                continue;
            }
            let at = out.persist(Record::Created(info.clone()));
            let machine = Machine::keyspace(self.empty_db(&info), self.config.planted);
            let rng = self.rng.fork(id);
            self.rng.next_u64();
            let config = self.raft_config(&info);
            let raft = Raft::recover(config, now, rng, core::iter::empty());
            self.timers.set(Timer::Raft(id), raft.deadline());
            let keyspace = info.keyspace.name.clone();
            let kept = Kept::new(at, self.logged);
            self.groups.insert(id, Group::new(info, raft, machine, kept));
            self.tend_from_now(id);
            Node::event(out, Event::ReplicaCreated { keyspace });
        }
    }
}

/// `serial` tells the tables of a group apart.
fn empty_db(config: &Config, info: &Replica, serial: u64) -> Db {
    match info.keyspace.contract.table {
        TableKind::Memory => {
            let (part, whole) = config.misses;
            let prng = &mut Prng::new(serial ^ info.group);
            Db::missing(config.max_value, prng, part, whole.max(1))
        }
        TableKind::Disk => {
            let id = TableId { group: info.group, serial };
            Db::on_disk(config.max_value, id, config.planted)
        }
    }
}

/// The replicas of a founding member: the catalog's and those of `default`.
pub(crate) fn founding_replicas(config: &Config) -> Vec<Replica> {
    let nodes: Vec<NodeId> = config.members.iter().map(|member| member.node).collect();
    let catalog = Catalog::founding(&nodes, &config.default_contract());
    let own = Keyspace {
        name: "catalog".into(),
        group: CATALOG_GROUP,
        contract: Contract::default(),
        members: nodes.iter().map(|node| (*node, *node)).collect(),
        epoch: 1,
        active: true,
    };
    core::iter::once(&own)
        .chain(catalog.iter())
        .filter_map(|keyspace| {
            let replica = keyspace.replica_on(config.node)?;
            Some(Replica { group: keyspace.group, replica, keyspace: keyspace.clone() })
        })
        .collect()
}

/// Whether damage makes it impossible to know what this node is.
pub(crate) fn touches_identity(groups: GroupMask) -> bool {
    groups.covers(crate::NODE_RECORDS) || groups.covers(tag(CATALOG_GROUP))
}

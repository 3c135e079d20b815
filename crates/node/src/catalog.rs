//! The catalog: which keyspaces there are, where their replicas live, and since which epoch.
//!
//! One replicated group on every founding member. Keyspaces are declared in two steps, so that no acknowledged
//! write ever becomes unreachable (architecture.md section 1): `Create` announces the name under a new epoch; the
//! catalog's leader then fences the prefix in every group (`declare.rs`), counts the keys that have it, and
//! decides with `Activate` or `Refuse`.

use crate::contract::Contract;
use crate::message::GroupId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use stdx::NodeId;
use wire::{Reader, Wire, WireError, wire_enum, wire_struct};

/// At most this many keyspaces; each costs a group on three nodes.
pub(crate) const MAX_KEYSPACES: usize = 256;
/// How many refusals are remembered, for the clients that wait for them.
const MAX_REFUSALS: usize = 64;
/// The group that holds the catalog.
pub const CATALOG_GROUP: GroupId = 0;
/// The group of the keyspace `default`.
pub const DEFAULT_GROUP: GroupId = 1;

/// A declared keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// The group that serves it.
    pub group: GroupId,
    /// What it promises.
    pub contract: Contract,
    /// Replica id and node of each member.
    pub members: Vec<(NodeId, NodeId)>,
    /// The epoch that announced it.
    pub epoch: u64,
    /// Whether it serves; until then its keys are refused for a moment.
    pub active: bool,
}

wire_struct!(Keyspace { name, group, contract, members, epoch, active });

impl Keyspace {
    /// The node of a replica.
    pub fn node_of(&self, replica: NodeId) -> Option<NodeId> {
        self.members.iter().find(|(id, _)| *id == replica).map(|(_, node)| *node)
    }

    /// The replica on a node.
    pub fn replica_on(&self, node: NodeId) -> Option<NodeId> {
        self.members.iter().find(|(_, at)| *at == node).map(|(id, _)| *id)
    }
}

/// Why a declaration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The epoch that had announced it.
    pub epoch: u64,
    /// How many keys have its prefix, at least.
    pub keys: u64,
    /// The keyspace that holds them.
    pub holder: String,
}

wire_struct!(Refusal { epoch, keys, holder });

/// A change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Announce a keyspace.
    Create {
        /// Its name, valid by [`crate::contract::check_name`].
        name: String,
        /// What it promises.
        contract: Contract,
    },
    /// No group holds a key with its prefix: serve it.
    Activate {
        /// Its name.
        name: String,
        /// The epoch that announced it.
        epoch: u64,
    },
    /// Some group holds such keys: forget it.
    Refuse {
        /// Its name.
        name: String,
        /// Which declaration, and why.
        refusal: Refusal,
    },
    /// As `Create`, for a keyspace that serves nobody until it is opened: it is to be restored from a backup.
    CreateSealed {
        /// Its name.
        name: String,
        /// What it promises.
        contract: Contract,
    },
    /// Its group has the whole backup: serve it.
    Open {
        /// Its name.
        name: String,
    },
}

wire_enum!(Change, version 1 {
    1 => Create { name, contract },
    2 => Activate { name, epoch },
    3 => Refuse { name, refusal },
    20 => CreateSealed { name, contract },
    21 => Open { name },
});

/// The catalog's state, the same on every replica at the same index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Raised by every change of what a key's keyspace is.
    pub epoch: u64,
    nodes: Vec<NodeId>,
    keyspaces: BTreeMap<String, Keyspace>,
    refusals: BTreeMap<String, Refusal>,
    next_group: GroupId,
    next_replica: u64,
    /// Keyspaces that wait for their backup. Not among the bytes below, which are those of the first release:
    /// a snapshot writes it beside them if it is not empty.
    sealed: BTreeSet<String>,
}

impl Wire for Catalog {
    fn encode(&self, out: &mut Vec<u8>) {
        self.epoch.encode(out);
        self.nodes.encode(out);
        self.keyspaces.encode(out);
        self.refusals.encode(out);
        self.next_group.encode(out);
        self.next_replica.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Catalog, WireError> {
        Ok(Catalog {
            epoch: Wire::decode(from)?,
            nodes: Wire::decode(from)?,
            keyspaces: Wire::decode(from)?,
            refusals: Wire::decode(from)?,
            next_group: Wire::decode(from)?,
            next_replica: Wire::decode(from)?,
            sealed: BTreeSet::new(),
        })
    }
}

/// What a change did, for the gateway that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Announced under this epoch.
    Announced(u64),
    /// It exists already.
    Exists,
    /// There are too many.
    Full,
    /// Decided, or decided before.
    Decided,
}

impl Catalog {
    /// The catalog of a new cluster: `default` on the founding members, under its contract.
    pub fn founding(nodes: &[NodeId], default: &Contract) -> Catalog {
        let mut catalog = Catalog {
            epoch: 1,
            nodes: nodes.to_vec(),
            keyspaces: BTreeMap::new(),
            refusals: BTreeMap::new(),
            next_group: DEFAULT_GROUP,
            next_replica: 1,
            sealed: BTreeSet::new(),
        };
        catalog.nodes.sort_unstable();
        let default = catalog.place("default", default.clone(), true);
        catalog.keyspaces.insert(default.name.clone(), default);
        catalog
    }

    fn place(&mut self, name: &str, contract: Contract, active: bool) -> Keyspace {
        let group = self.next_group;
        self.next_group += 1;
        let replicas = self.nodes.len().min(3);
        let first = usize::try_from(group - 1).unwrap_or(0);
        let mut members = Vec::new();
        for i in 0..replicas {
            let node = self.nodes[(first + i) % self.nodes.len()];
            members.push((NodeId(self.next_replica), node));
            self.next_replica += 1;
        }
        Keyspace { name: name.into(), group, contract, members, epoch: self.epoch, active }
    }

    /// Applies one change.
    pub fn change(&mut self, change: Change) -> Changed {
        match change {
            Change::Create { name, contract } => self.create(&name, contract),
            Change::CreateSealed { name, contract } => {
                let changed = self.create(&name, contract);
                if matches!(changed, Changed::Announced(_)) {
                    self.sealed.insert(name);
                }
                changed
            }
            Change::Open { name } => {
                self.epoch += u64::from(self.sealed.remove(&name));
                Changed::Decided
            }
            Change::Activate { name, epoch } => {
                if let Some(keyspace) = self.keyspaces.get_mut(&name)
                    && keyspace.epoch == epoch
                    && !keyspace.active
                {
                    keyspace.active = true;
                    self.epoch += 1;
                }
                Changed::Decided
            }
            Change::Refuse { name, refusal } => {
                self.refuse(name, refusal);
                Changed::Decided
            }
        }
    }

    fn create(&mut self, name: &str, contract: Contract) -> Changed {
        if self.keyspaces.contains_key(name) {
            return Changed::Exists;
        }
        if self.keyspaces.len() >= MAX_KEYSPACES {
            return Changed::Full;
        }
        self.epoch += 1;
        let keyspace = self.place(name, contract, false);
        self.refusals.remove(name);
        self.keyspaces.insert(name.into(), keyspace);
        Changed::Announced(self.epoch)
    }

    fn refuse(&mut self, name: String, refusal: Refusal) {
        let pending = self
            .keyspaces
            .get(&name)
            .is_some_and(|keyspace| keyspace.epoch == refusal.epoch && !keyspace.active);
        if !pending {
            return; // Decided before, or a later declaration of the same name.
        }
        self.keyspaces.remove(&name);
        self.sealed.remove(&name);
        self.epoch += 1;
        if self.refusals.len() >= MAX_REFUSALS {
            self.refusals.pop_first();
        }
        self.refusals.insert(name, refusal);
    }

    /// A keyspace by name, announced or active.
    pub fn get(&self, name: &str) -> Option<&Keyspace> {
        self.keyspaces.get(name)
    }

    /// A keyspace by its group.
    pub fn by_group(&self, group: GroupId) -> Option<&Keyspace> {
        self.keyspaces.values().find(|keyspace| keyspace.group == group)
    }

    /// All keyspaces in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Keyspace> {
        self.keyspaces.values()
    }

    /// Whether `name` waits for its backup: declared, but not served.
    pub fn is_sealed(&self, name: &str) -> bool {
        self.sealed.contains(name)
    }

    pub(crate) fn sealed_names(&self) -> Vec<String> {
        self.sealed.iter().cloned().collect()
    }

    pub(crate) fn seal(&mut self, names: BTreeSet<String>) {
        self.sealed = names;
    }

    /// Why the last declaration of `name` was refused, if it was.
    pub fn refusal(&self, name: &str) -> Option<&Refusal> {
        self.refusals.get(name)
    }

    /// Groups and replicas are unique and below their counters; only announced keyspaces are inactive.
    pub fn check(&self) {
        let mut groups: Vec<GroupId> = self.keyspaces.values().map(|k| k.group).collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), self.keyspaces.len(), "two keyspaces share a group");
        for keyspace in self.keyspaces.values() {
            assert!(keyspace.group < self.next_group, "a group the catalog never gave out");
            assert!(keyspace.epoch <= self.epoch, "a keyspace of a later epoch");
            assert!(!keyspace.members.is_empty(), "a keyspace without members");
        }
        assert!(
            self.sealed.iter().all(|name| self.keyspaces.contains_key(name)),
            "a seal on nothing"
        );
    }
}

//! Starting: the log is read, the life durably raised, the core recovered.

use crate::api::{Config, Event};
use crate::catalog::CATALOG_GROUP;
use crate::message::{Identity, Lost, Record, Replica};
use crate::recover::{Start, founding_replicas, touches_identity};
use crate::state::Node;
use core::fmt;
use core::hash::Hasher;
use protocol::{Host, Protocol, Record as _};
use stdx::{Digest, Mutant, Now, Position, Prng};
use storage::{Disk, Log, LogConfig, LogError, Recovery};
use wire::Batch;

/// Inputs queued for a node at most; each connection and each peer is bounded by itself as well.
const INPUTS: usize = 65_536;

/// A node ready to run.
#[derive(Debug)]
pub struct Opened<D: Disk> {
    /// The node in its loop.
    pub host: Host<Node>,
    /// Its log.
    pub log: Log<D>,
    /// What the operator should know about the start.
    pub events: Vec<Event>,
}

/// Why a node does not start.
#[derive(Debug)]
pub enum OpenError {
    /// The log cannot be read or written.
    Log(LogError),
    /// A record cannot be read although its checksum holds: another version wrote it.
    Record(Position, wire::WireError),
    /// The folder belongs to another node or cluster.
    Foreign(String),
    /// The records that say what this node is are damaged, at this place.
    Damaged(String),
    /// The configuration contradicts itself.
    Config(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Log(error) => write!(f, "the log: {error}"),
            OpenError::Record(at, error) => write!(
                f,
                "record {} of the log: {error}; was the folder written by a newer version?",
                at.0
            ),
            OpenError::Foreign(reason) | OpenError::Config(reason) => f.write_str(reason),
            OpenError::Damaged(place) => write!(
                f,
                "the log is damaged at {place}, where it says what this node is and holds: it cannot serve; \
                 replace the node under a new id"
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// A digest of what a cluster is founded with: its name, and the contract of `default` if that is not the standard.
/// Each node begins its catalog by itself; so that they begin it alike, those that would not refuse each other, and
/// their own folders.
pub(crate) fn cluster_digest(config: &Config) -> u64 {
    let mut digest = Digest::default();
    digest.write(config.cluster.as_bytes());
    let contract = config.default_contract();
    if contract != config.standard_contract() {
        digest.write(&wire::encode(&contract));
    }
    digest.finish()
}

fn validate(config: &Config) -> Result<(), OpenError> {
    let node = config.node;
    let fail = |text: String| Err(OpenError::Config(text));
    if node.0 == 0 {
        return fail("node 0: ids start at 1".into());
    }
    if !config.members.iter().any(|member| member.node == node) {
        return fail(format!("node {node} is not among the members it was given"));
    }
    let mut ids: Vec<u64> = config.members.iter().map(|member| member.node.0).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != config.members.len() {
        return fail("two members have the same id".into());
    }
    let members = u16::try_from(ids.len()).unwrap_or(u16::MAX);
    if let Some(contract) = &config.default_contract
        && let Err(error) = crate::contract::built(contract, members)
    {
        return fail(format!("the contract of `default`: {error}"));
    }
    if ids.len() > 7 {
        return fail(format!("{} founding members: more than 7 are not built yet", ids.len()));
    }
    Ok(())
}

/// Opens a node's log and starts the node: on an empty disk as a founding member in its first life, else as
/// what the log says it is, in the next life.
pub fn open<D: Disk>(
    disk: D,
    log: LogConfig,
    config: Config,
    now: Now,
    rng: Prng,
) -> Result<Opened<D>, OpenError> {
    validate(&config)?;
    start(Log::open(disk, log).map_err(OpenError::Log)?, config, now, rng, &mut |_, _| {})
}

/// As [`open`], for one who has opened the log; `witness` is shown each record that it holds.
pub fn start<D: Disk>(
    (mut log, recovery): (Log<D>, Recovery),
    config: Config,
    now: Now,
    mut rng: Prng,
    witness: &mut dyn FnMut(Position, &Record),
) -> Result<Opened<D>, OpenError> {
    validate(&config)?;
    for damage in &recovery.damage {
        if touches_identity(damage.groups) {
            let place = format!("{} offset {}", damage.file, damage.offset);
            return Err(OpenError::Damaged(place));
        }
    }
    let mut records = read(&mut log, recovery.start)?;
    records.iter().for_each(|(at, record)| witness(*at, record));
    if config.planted.is(Mutant::ForgetLastRecord) {
        records.pop();
    }
    let base = next_base(&config, &mut rng, &records)?;
    let Record::Base { identity, .. } = base else {
        return Err(OpenError::Damaged("its start".into()));
    };
    let mut batch = Batch::new(recovery.next);
    batch.push(base.group(), |out| wire::Wire::encode(&base, out));
    log.append(&batch).map_err(OpenError::Log)?;
    let durable = log.sync().map_err(OpenError::Log)?;
    records.push((recovery.next, base));

    let mut events = Vec::new();
    if let Some(torn) = &recovery.torn {
        let place = format!("{} offset {}", torn.file, torn.offset);
        events.push(Event::TornTail { place });
    }
    let (node, planted) = (config.node, config.planted);
    let start = Start { config, identity, damage: recovery.damage };
    let core = Node::recover(start, now, rng, records.into_iter());
    for damage in core.suspect.iter().filter(|damage| !core.claims(damage.groups)) {
        // Of a replica whose creation was in it, or of one that is long gone.
        events.push(Event::Damaged { keyspace: "(none known)".into(), place: damage.to_string() });
    }
    for lost in core.damaged.values() {
        let (keyspace, place) = (lost.info.keyspace.name.clone(), lost.place.clone());
        if lost.info.group == CATALOG_GROUP {
            return Err(OpenError::Damaged(place));
        }
        events.push(Event::Damaged { keyspace, place });
    }
    let host = Host::new(node, core, durable, INPUTS, planted);
    Ok(Opened { host, log, events })
}

/// All that the log holds, in order.
fn read<D: Disk>(log: &mut Log<D>, start: Position) -> Result<Vec<(Position, Record)>, OpenError> {
    // One more: the start adds the raised life.
    let count = usize::try_from(log.next().0 - start.0 + 1).unwrap_or(0);
    let mut records = Vec::with_capacity(count.min(1 << 20));
    let mut unreadable = None;
    log.replay(&mut |at, _, bytes| match wire::decode_all::<Record>(bytes) {
        Ok(record) => records.push((at, record)),
        Err(error) => unreadable = unreadable.or(Some((at, error))),
    })
    .map_err(OpenError::Log)?;
    match unreadable {
        Some((at, error)) => Err(OpenError::Record(at, error)),
        None => Ok(records),
    }
}

/// Identity, peers, replicas and what is lost.
type Base = (Identity, Vec<Identity>, Vec<Replica>, Vec<Lost>);

/// Who this node is from now on: the same with a higher life, or new.
fn next_base(
    config: &Config,
    rng: &mut Prng,
    records: &[(Position, Record)],
) -> Result<Record, OpenError> {
    let cluster = cluster_digest(config);
    let mut base: Option<Base> = None;
    for (_, record) in records {
        match record {
            Record::Base { identity, peers, replicas, lost } => {
                base = Some((*identity, peers.clone(), replicas.clone(), lost.clone()));
            }
            Record::Created(replica) => {
                if let Some((.., replicas, _)) = &mut base
                    && !replicas.iter().any(|held| held.group == replica.group)
                {
                    replicas.push(replica.clone());
                }
            }
            Record::Peer(peer) => {
                if let Some((_, peers, ..)) = &mut base {
                    peers.retain(|known| known.node != peer.node);
                    peers.push(*peer);
                }
            }
            Record::Raft { .. } | Record::Chunk { .. } => {}
        }
    }
    let Some((identity, peers, replicas, lost)) = base else {
        let identity = Identity { node: config.node, cluster, disk: rng.next_u64(), life: 1 };
        let replicas = founding_replicas(config);
        return Ok(Record::Base { identity, peers: Vec::new(), replicas, lost: Vec::new() });
    };
    if identity.node != config.node {
        return Err(OpenError::Foreign(format!(
            "the folder belongs to node {}, the configuration says node {}",
            identity.node, config.node
        )));
    }
    if identity.cluster != cluster {
        return Err(OpenError::Foreign(format!(
            "the folder belongs to another cluster than `{}`, or to one founded with another contract of \
             `default`",
            config.cluster
        )));
    }
    let raised = u64::from(!config.planted.is(Mutant::SameLife));
    let identity = Identity { life: identity.life + raised, ..identity };
    Ok(Record::Base { identity, peers, replicas, lost })
}

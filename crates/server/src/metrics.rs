//! What a node counts, in Prometheus' words: base units, `_total` on counters.

use node::{ReplicaStatus, Status};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use stdx::{Duration, NodeId};

/// Kept by the log thread, read at each scrape.
#[derive(Clone, Debug)]
pub(crate) struct LogMetrics {
    syncs: Counter,
    bytes: Counter,
    seconds: Histogram,
}

impl Default for LogMetrics {
    fn default() -> LogMetrics {
        LogMetrics {
            syncs: Counter::default(),
            bytes: Counter::default(),
            // 50 us to 1.6 s: from a good NVMe drive to one that should be replaced.
            seconds: Histogram::new(exponential_buckets(50e-6, 2.0, 16)),
        }
    }
}

impl LogMetrics {
    /// One append and sync, done.
    pub(crate) fn wrote(&self, took: Duration, bytes: usize) {
        self.syncs.inc();
        self.bytes.inc_by(bytes as u64);
        self.seconds.observe(took.as_secs_f64());
    }
}

/// What the machine itself knows at a scrape.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) clients: usize,
    pub(crate) refused: u64,
    pub(crate) peers: Vec<PeerMetrics>,
    pub(crate) log: LogMetrics,
}

/// One link to a peer.
#[derive(Debug)]
pub(crate) struct PeerMetrics {
    pub(crate) peer: NodeId,
    pub(crate) up: bool,
    pub(crate) dropped: u64,
    pub(crate) sent: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKeyspace {
    keyspace: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByPeer {
    peer: u64,
}

/// The text of `/metrics`. A registry per scrape: the values live in the node's status, so there is no second
/// copy that could disagree with it.
pub(crate) fn render(status: &Status, machine: Machine) -> String {
    let mut registry = Registry::default();
    let Machine { clients, refused, peers, log } = machine;
    let count = ConstCounter::new(status.commands);
    registry.register("atoll_commands", "Commands answered", count);
    let open = ConstGauge::new(i64::try_from(clients).unwrap_or(i64::MAX));
    registry.register("atoll_clients", "Open client connections", open);
    let count = ConstCounter::new(refused);
    registry.register("atoll_clients_refused", "Clients refused at max-clients", count);
    let count = ConstCounter::new(status.forwarded);
    registry.register("atoll_forwarded", "Requests forwarded to another node", count);
    let ready = ConstGauge::new(i64::from(status.ready));
    registry.register("atoll_ready", "Whether every replica here knows a leader", ready);

    let errors = Family::<ByKind, Counter>::default();
    errors.get_or_create(&ByKind { kind: "no_quorum" }).inc_by(status.no_quorum);
    errors.get_or_create(&ByKind { kind: "unknown" }).inc_by(status.unknown);
    registry.register("atoll_errors", "Requests answered with an error of the cluster", errors);

    registry.register("atoll_log_syncs", "Syncs of the write-ahead log", log.syncs);
    registry.register("atoll_log_written_bytes", "Bytes of records written", log.bytes);
    let (help, unit) = ("Time of one append and sync of the log", Unit::Seconds);
    registry.register_with_unit("atoll_log_sync", help, unit, log.seconds);
    replicas(&mut registry, &status.replicas);
    links(&mut registry, &peers);

    let mut out = String::new();
    text::encode(&mut out, &registry).expect("writing to a string cannot fail");
    out
}

type Gauges = Family<ByKeyspace, Gauge<i64>>;

fn replicas(registry: &mut Registry, replicas: &[ReplicaStatus]) {
    let mut gauge = |name: &str, help: &str, of: &dyn Fn(&ReplicaStatus) -> u64| {
        let family = Gauges::default();
        for replica in replicas {
            let label = ByKeyspace { keyspace: replica.keyspace.clone() };
            family.get_or_create(&label).set(i64::try_from(of(replica)).unwrap_or(i64::MAX));
        }
        registry.register(name, help, family);
    };
    gauge("atoll_raft_term", "Raft's current term", &|r| r.term);
    gauge("atoll_raft_applied_index", "Index applied", &|r| r.applied);
    gauge("atoll_raft_last_index", "Last index in the log", &|r| r.last);
    gauge("atoll_raft_leader", "Whether this node leads", &|r| u64::from(r.leading));
    gauge("atoll_keys", "Keys in the keyspace", &|r| r.keys);
    gauge(
        "atoll_quarantined",
        "Whether the replica differs from a majority and is rebuilt",
        &|r| u64::from(r.quarantined),
    );
    gauge("atoll_damaged", "Whether the log is damaged and the replica not served", &|r| {
        u64::from(r.damaged.is_some())
    });
    let mut counter = |name: &str, help: &str, of: &dyn Fn(&ReplicaStatus) -> u64| {
        let family = Family::<ByKeyspace, Counter<u64, AtomicU64>>::default();
        for replica in replicas {
            let label = ByKeyspace { keyspace: replica.keyspace.clone() };
            family.get_or_create(&label).inc_by(of(replica));
        }
        registry.register(name, help, family);
    };
    counter("atoll_raft_elections", "Elections started", &|r| r.elections);
    counter("atoll_raft_snapshots", "Snapshots written or installed", &|r| r.snapshots);
}

fn links(registry: &mut Registry, peers: &[PeerMetrics]) {
    let (up, dropped, sent) = (
        Family::<ByPeer, Gauge<i64>>::default(),
        Family::<ByPeer, Counter>::default(),
        Family::<ByPeer, Counter>::default(),
    );
    for link in peers {
        let label = ByPeer { peer: link.peer.0 };
        up.get_or_create(&label).set(i64::from(link.up));
        dropped.get_or_create(&label).inc_by(link.dropped);
        sent.get_or_create(&label).inc_by(link.sent);
    }
    registry.register("atoll_peer_up", "Whether the link to the peer is up", up);
    registry.register("atoll_peer_dropped", "Messages dropped on the way to the peer", dropped);
    registry.register("atoll_peer_sent_bytes", "Bytes queued for the peer", sent);
}

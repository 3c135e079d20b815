use super::*;
use node::ReplicaStatus;
use stdx::NodeId;

fn replica(keyspace: &str, leader: Option<u64>, damaged: Option<&str>) -> ReplicaStatus {
    ReplicaStatus {
        keyspace: keyspace.to_owned(),
        term: 4,
        leader: leader.map(NodeId),
        damaged: damaged.map(str::to_owned),
        applied: 17,
        ..ReplicaStatus::default()
    }
}

#[test]
fn readiness_names_each_replica_that_is_missing_something() {
    let replicas = vec![
        replica("catalog", Some(1), None),
        replica("default", None, None),
        replica("account", Some(2), Some("log-3:512")),
    ];
    let (code, text) = readiness(&Status { replicas, ..Status::default() }, false);
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        text,
        "keyspace default: no leader known in term 4\nkeyspace account: log damaged at log-3:512\n"
    );
    let ready = Status { ready: true, ..Status::default() };
    assert_eq!(readiness(&ready, false).0, StatusCode::OK);
    assert_eq!(readiness(&ready, true).0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn metrics_have_base_units_and_totals() {
    let log = LogMetrics::default();
    log.wrote(Duration::from_micros(150), 4096);
    let peers = vec![PeerMetrics { peer: NodeId(2), up: true, dropped: 3, sent: 9 }];
    let status = Status {
        replicas: vec![replica("default", Some(1), None)],
        commands: 12,
        no_quorum: 2,
        ..Status::default()
    };
    let text = render(&status, Machine { clients: 5, refused: 1, peers, log });
    for line in [
        "atoll_commands_total 12",
        "atoll_clients 5",
        "atoll_clients_refused_total 1",
        "atoll_errors_total{kind=\"no_quorum\"} 2",
        "atoll_errors_total{kind=\"unknown\"} 0",
        "atoll_raft_term{keyspace=\"default\"} 4",
        "atoll_raft_applied_index{keyspace=\"default\"} 17",
        "atoll_raft_leader{keyspace=\"default\"} 0",
        "atoll_log_syncs_total 1",
        "atoll_log_sync_seconds_count 1",
        "atoll_peer_up{peer=\"2\"} 1",
        "atoll_peer_dropped_total{peer=\"2\"} 3",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing from\n{text}");
    }
}

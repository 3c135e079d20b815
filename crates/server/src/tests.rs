//! The machine around a core of a few verbs: what a client, a peer and an operator see of it.

mod core;
mod links;
mod log;
mod node;

use self::core::Core;
use crate::handle::{Opened, start_with};
use crate::options::StartError;
use crate::{Addresses, Listeners, NodeHandle, NodeOptions, Peer};
use protocol::{Host, Protocol};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use stdx::{NodeId, Planted};
use storage::{Log, LogConfig};

const PATIENCE: Duration = Duration::from_secs(20);

fn any() -> Addresses {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Addresses { client: any, peer: any, http: Some(any) }
}

fn options(cluster: &str, node: u64, dir: &Path, peers: Vec<Peer>) -> NodeOptions {
    let config = ::node::Config {
        cluster: cluster.to_owned(),
        node: NodeId(node),
        members: Vec::new(),
        request_timeout: Duration::from_secs(5),
        requirepass: None,
        max_value: 1 << 20,
        election: (Duration::ZERO, Duration::ZERO),
        heartbeat: Duration::ZERO,
        snapshot_bytes: 0,
        transfer_rate: 0,
        chunk_bytes: 0,
        default_contract: None,
        misses: (0, 1),
        tables: ::node::TablesConfig::default(),
        version: "0",
        started: stdx::WallClock(0),
        planted: Planted::NONE,
    };
    let log = LogConfig { segment_bytes: 1 << 16, ..LogConfig::default() };
    NodeOptions { config, dir: dir.to_path_buf(), peers, max_clients: 200, log, brake: None }
}

fn run(options: NodeOptions, listeners: Listeners) -> NodeHandle {
    start_with(options, listeners, |options, disk, now, rng| {
        let failed = |e: storage::LogError| StartError::Log(options.dir.clone(), e.to_string());
        let (mut log, _) = Log::open(disk, options.log).map_err(failed)?;
        let mut records = Vec::new();
        log.replay(&mut |at, _, bytes| {
            records.push((at, wire::decode_all(bytes).expect("written by us")));
        })
        .map_err(failed)?;
        let me = options.config.node;
        let core = Core::recover(me, now, rng, records.into_iter());
        let host = Host::new(me, core, log.durable(), 1024, Planted::NONE);
        Ok(Opened { host, log, events: Vec::new() })
    })
    .unwrap()
}

/// One node without peers, in a folder of its own.
fn alone() -> (NodeHandle, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let listeners = Listeners::bind(&any(), false).unwrap();
    let handle = run(options("test", 1, dir.path(), Vec::new()), listeners);
    assert!(handle.wait_ready(PATIENCE));
    (handle, dir)
}

fn connect(handle: &NodeHandle) -> TcpStream {
    let stream = TcpStream::connect(handle.addresses().client).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `commands` and reads exactly `expected`.
fn talk(stream: &mut TcpStream, commands: &[u8], expected: &[u8]) {
    stream.write_all(commands).unwrap();
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected));
}

/// Everything until the node closes the connection.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => panic!("not closed: {e}"),
        _ => got,
    }
}

fn stop(handle: NodeHandle) {
    handle.stop();
    handle.join().unwrap();
}

//! `atoll dev`: a whole cluster in this process, over real sockets and real folders.

use crate::args::Dev;
use crate::logging::{self, Format, Level};
use crate::{Failure, nodes, out};
use node::contract;
use server::{Addresses, Listeners, NodeHandle, NodeOptions, Peer};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stdx::NodeId;

/// How often readiness is looked at; a person cannot tell it from at once.
const GLANCE: Duration = Duration::from_millis(5);
/// After so long without a leader something is wrong, and the log says what.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &Dev) -> Result<(), Failure> {
    let started = Instant::now();
    logging::start(args.log, Level::Warn, Format::Text);
    if let Some(advice) = nodes::advice(usize::from(args.nodes)) {
        out::line(format_args!("note: {advice}"));
    }
    let (dir, temporary) = folder(args.dir.as_deref())?;
    let handles = start(args, &dir)?;
    for (number, handle) in (1..).zip(&handles) {
        let Addresses { client, http, .. } = handle.addresses();
        let http = http.expect("dev nodes always have one");
        out::line(format_args!("node {number}  redis://{client}  http://{http}"));
    }
    let kept = if temporary.is_some() { "temporary, removed at the end" } else { "kept" };
    out::line(format_args!("data    {} ({kept})", dir.display()));
    let result = nodes::runtime()?.block_on(watch(&handles, started, args.port));
    let stopped = nodes::stop(handles);
    if let Some(temporary) = temporary {
        temporary.close().map_err(|e| format!("cannot remove {}: {e}", dir.display()))?;
    }
    stopped.and(result)
}

fn folder(given: Option<&Path>) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    if let Some(dir) = given {
        return Ok((dir.to_path_buf(), None));
    }
    let made = tempfile::Builder::new().prefix("atoll-dev-").tempdir();
    let made =
        made.map_err(|e| format!("cannot make a temporary folder: {e}; give one by --dir"))?;
    Ok((made.path().to_path_buf(), Some(made)))
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Binds every port before any node starts, so that a taken one costs nothing but its message.
fn start(args: &Dev, dir: &Path) -> Result<Vec<NodeHandle>, Failure> {
    let each = || (1..=u64::from(args.nodes)).zip(args.port..).map(|(n, port)| (NodeId(n), port));
    let mut listeners = Vec::new();
    for (_, port) in each() {
        let (client, peer, http) = (address(port), address(port + 100), Some(address(port + 200)));
        let bound = Listeners::bind(&Addresses { client, peer, http }, false);
        listeners.push(bound.map_err(|e| format!("{e}; choose other ports by --port"))?);
    }
    let members: Vec<node::Member> = each()
        .map(|(node, port)| node::Member { node, client: address(port).to_string() })
        .collect();
    let peers: Vec<Peer> = each()
        .map(|(node, port)| Peer { node, address: address(port + 100).to_string() })
        .collect();
    let default_contract = match &args.default_contract {
        Some(words) => Some(contract::parse(&[words], args.nodes).map_err(|e| e.to_string())?),
        None => None,
    };
    let mut handles = Vec::new();
    for ((node, _), listeners) in each().zip(listeners) {
        let mut config = nodes::config("dev", node, members.clone());
        config.default_contract = default_contract.clone();
        let dir = dir.join(format!("node-{node}"));
        let options = NodeOptions::new(config, dir, peers.clone());
        match server::start(options, listeners) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                let _ = nodes::stop(handles);
                return Err(error.to_string());
            }
        }
    }
    Ok(handles)
}

async fn watch(handles: &[NodeHandle], started: Instant, port: u16) -> Result<(), Failure> {
    let mut signals = nodes::Signals::listen()?;
    tokio::select! {
        all = ready(handles) => {
            if all {
                welcome(started.elapsed(), port);
            } else {
                out::line(format_args!("not ready after {PATIENCE:?}; see /readyz and the log"));
            }
        }
        _ = signals.next() => return Ok(()),
        node = any_ended(handles) => return Err(format!("node {node} stopped")),
    }
    tokio::select! {
        name = signals.next() => {
            out::line(format_args!("{name}: stopping"));
            Ok(())
        }
        node = any_ended(handles) => Err(format!("node {node} stopped")),
    }
}

async fn ready(handles: &[NodeHandle]) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if handles.iter().all(|handle| handle.wait_ready(Duration::ZERO)) {
            return true;
        }
        tokio::time::sleep(GLANCE).await;
    }
    false
}

/// The number of the first node that ended by itself.
async fn any_ended(handles: &[NodeHandle]) -> usize {
    loop {
        if let Some(at) = handles.iter().position(NodeHandle::has_ended) {
            return at + 1;
        }
        tokio::time::sleep(GLANCE * 20).await;
    }
}

fn welcome(took: Duration, port: u16) {
    let other = port + 1;
    out::line(format_args!(
        "ready in {} ms; Ctrl-C stops it. Try this:\n\
         \n\
         \x20 redis-cli -p {port} set greeting hello\n\
         \x20 redis-cli -p {other} get greeting\n\
         \x20 redis-cli -p {port} keyspace create account\n\
         \x20 redis-cli -p {other} incr account:7\n\
         \x20 atoll keyspace show account --addr 127.0.0.1:{port}\n",
        took.as_millis()
    ));
}

//! What a node is started with, and why it may not start.

use crate::disk::FolderError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use stdx::NodeId;

/// Where a node listens. Port 0 lets the machine choose.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// For Redis clients.
    pub client: SocketAddr,
    /// For other nodes.
    pub peer: SocketAddr,
    /// For `/metrics`, `/livez` and `/readyz`, if wanted.
    pub http: Option<SocketAddr>,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub node: NodeId,
    /// Where it listens for nodes, `host:port`; resolved at each attempt to connect.
    pub address: String,
}

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// What the core is told.
    pub config: node::Config,
    /// Its data folder, created if needed.
    pub dir: PathBuf,
    /// The other nodes (an entry for this node itself is ignored).
    pub peers: Vec<Peer>,
    /// Clients beyond this are refused; Redis' `maxclients`.
    pub max_clients: usize,
    /// How the log is laid out.
    pub log: storage::LogConfig,
    /// A file whose number of milliseconds slows each sync, for tests of slow disks; none in earnest.
    pub brake: Option<PathBuf>,
}

/// Redis' default for `maxclients`.
const MAX_CLIENTS: usize = 10_000;

impl NodeOptions {
    /// The usual limits.
    pub fn new(config: node::Config, dir: PathBuf, peers: Vec<Peer>) -> NodeOptions {
        let log = storage::LogConfig::default();
        NodeOptions { config, dir, peers, max_clients: MAX_CLIENTS, log, brake: None }
    }
}

/// Why a node did not start, or stopped by itself.
#[derive(Debug)]
pub enum StartError {
    /// Clients could connect from elsewhere without a password.
    Unprotected(SocketAddr),
    /// An address could not be listened on: for whom, where, why.
    Listen(&'static str, SocketAddr, io::Error),
    /// The data folder cannot be used.
    Folder(FolderError),
    /// The log in the folder cannot be used: folder and reason.
    Log(PathBuf, String),
    /// The machine refused something else: what and why.
    Machine(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Unprotected(address) => write!(
                f,
                "refusing to listen for clients on {address} without a password: anyone who can \
                 reach it could read and change everything. Set requirepass, or listen on 127.0.0.1"
            ),
            StartError::Listen(whom, address, e) if e.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen for {whom} on {address}: port {} is taken by another process",
                address.port()
            ),
            StartError::Listen(whom, address, e) => {
                write!(f, "cannot listen for {whom} on {address}: {e}")
            }
            StartError::Folder(e) => e.fmt(f),
            StartError::Log(folder, reason) => {
                write!(f, "cannot open the log in {}: {reason}", folder.display())
            }
            StartError::Machine(what, e) => write!(f, "cannot {what}: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

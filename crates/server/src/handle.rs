//! A node's threads, from outside: bind, start, wait until ready, stop.

use crate::brake::Braked;
use crate::disk::FileDisk;
use crate::greeting::Identity;
use crate::journal::{Journal, LogThread};
use crate::metrics::LogMetrics;
use crate::options::{Addresses, NodeOptions, StartError};
use crate::outbound::Outbound;
use crate::peer::Inbound;
use crate::shard::{Parts, Served, Shard, Turns, report};
use crate::tables::{self, TableThread};
use crate::{client, clock, http, peer};
use node::Event;
use protocol::Host;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;
use stdx::{Duration, Now, Prng};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// Connections the kernel may hold before they are accepted.
const BACKLOG: i32 = 1024;

/// The bound sockets of a node, so that an address that is taken is found before anything starts.
#[derive(Debug)]
pub struct Listeners {
    client: TcpListener,
    peer: TcpListener,
    http: Option<TcpListener>,
    addresses: Addresses,
}

impl Listeners {
    /// Binds all addresses. Clients from elsewhere are only let in with a password (Redis' protected mode);
    /// the other two addresses are the operator's decision and draw a warning.
    pub fn bind(addresses: &Addresses, password: bool) -> Result<Listeners, StartError> {
        if !addresses.client.ip().is_loopback() && !password {
            return Err(StartError::Unprotected(addresses.client));
        }
        for (what, address) in [("peer", Some(addresses.peer)), ("http", addresses.http)] {
            if let Some(address) = address.filter(|a| !a.ip().is_loopback()) {
                tracing::warn!(%address, "the {what} address is open to the network and has no password");
            }
        }
        let client = bind("clients", addresses.client)?;
        let peer = bind("peers", addresses.peer)?;
        let http = addresses.http.map(|address| bind("http", address)).transpose()?;
        let bound = |socket: &TcpListener| {
            socket.local_addr().map_err(|e| StartError::Machine("read a socket's address", e))
        };
        let addresses = Addresses {
            client: bound(&client)?,
            peer: bound(&peer)?,
            http: http.as_ref().map(bound).transpose()?,
        };
        Ok(Listeners { client, peer, http, addresses })
    }

    /// Where they listen, with the ports the machine chose.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }
}

fn bind(whom: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || -> io::Result<TcpListener> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        // A restart must not wait for connections of its predecessor to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|e| StartError::Listen(whom, address, e))
}

/// How far a node has come.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Starting,
    /// Every replica knows a leader.
    Ready,
    /// Its thread has ended.
    Ended,
}

/// Where the node's thread tells how far it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<(Mutex<Stage>, Condvar)>);

impl Progress {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.0.lock().expect("nobody panics while holding it")
    }

    fn set(&self, stage: Stage) {
        *self.stage() = stage;
        self.0.1.notify_all();
    }

    /// Every replica of the node knows a leader.
    pub(crate) fn ready(&self) {
        self.set(Stage::Ready);
    }
}

/// A running node.
#[derive(Debug)]
pub struct NodeHandle {
    addresses: Addresses,
    progress: Progress,
    stop: Arc<Notify>,
    ended: Arc<Notify>,
    thread: JoinHandle<Result<(), StartError>>,
}

impl NodeHandle {
    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Waits until every replica of the node knows a leader. False if `patience` ran out or the node ended.
    pub fn wait_ready(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut stage = self.progress.stage();
        loop {
            match *stage {
                Stage::Ready => return true,
                Stage::Ended => return false,
                Stage::Starting => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.progress.0.1.wait_timeout(stage, left);
            stage = waited.expect("nobody panics while holding it").0;
        }
    }

    /// Whether the node has ended.
    pub fn has_ended(&self) -> bool {
        matches!(*self.progress.stage(), Stage::Ended)
    }

    /// Resolves when the node has ended, by [`NodeHandle::stop`] or by itself.
    pub async fn ended(&self) {
        if !self.has_ended() {
            self.ended.notified().await;
        }
    }

    /// Asks the node to drain: no new clients, no new commands, answers to all it took, at most for the
    /// request timeout.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits for the end of its threads; why it ended, if not by [`NodeHandle::stop`].
    pub fn join(self) -> Result<(), StartError> {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Starts a node on `listeners`. Returns once its folder is locked; recovery goes on in the node's thread.
pub fn start(options: NodeOptions, listeners: Listeners) -> Result<NodeHandle, StartError> {
    start_with(options, listeners, |options, disk, now, rng| {
        let disk = Braked::new(disk, options.brake.clone());
        let opened = node::open(disk, options.log, options.config.clone(), now, rng)
            .map_err(|e| StartError::Log(options.dir.clone(), e.to_string()))?;
        Ok(Opened { host: opened.host, log: opened.log, events: opened.events })
    })
}

/// Raises the limit of open files to what the machine allows: the usual soft limit of 1024 is for programs
/// that use `select`, and clients beyond it could not be accepted.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// What opening a folder gives.
pub(crate) struct Opened<P: Served, J> {
    pub(crate) host: Host<P>,
    pub(crate) log: J,
    pub(crate) events: Vec<Event>,
}

/// As [`start`], for any core and log.
pub(crate) fn start_with<P: Served, J: Journal>(
    options: NodeOptions,
    listeners: Listeners,
    open: impl FnOnce(&NodeOptions, FileDisk, Now, Prng) -> Result<Opened<P, J>, StartError>
    + Send
    + 'static,
) -> Result<NodeHandle, StartError> {
    raise_file_limit();
    let disk = FileDisk::open(&options.dir).map_err(StartError::Folder)?;
    let seed = clock::seed().map_err(|e| StartError::Machine("read /dev/urandom", e))?;
    let addresses = listeners.addresses;
    let progress = Progress::default();
    let (stop, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let name = format!("node-{}", options.config.node);
    let (told, stopped) = (progress.clone(), Arc::clone(&stop));
    let last = Last { progress: progress.clone(), ended: Arc::clone(&ended) };
    let body = move || {
        let _last = last;
        let rng = Prng::new(seed);
        let opened = open(&options, disk, clock::now(), rng.fork(0))?;
        run(&options, listeners, opened, &rng, told, stopped)
    };
    let thread = std::thread::Builder::new().name(name).spawn(body);
    let thread = thread.map_err(|e| StartError::Machine("start a thread", e))?;
    Ok(NodeHandle { addresses, progress, stop, ended, thread })
}

/// Runs however the node's thread ends.
struct Last {
    progress: Progress,
    ended: Arc<Notify>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A failed invariant stops the node; in a build that unwinds it would limp on without its shard.
            tracing::error!("a node's thread panicked: stopping the process");
            std::process::abort();
        }
        self.progress.set(Stage::Ended);
        self.ended.notify_one();
    }
}

fn run<P: Served, J: Journal>(
    options: &NodeOptions,
    listeners: Listeners,
    opened: Opened<P, J>,
    rng: &Prng,
    progress: Progress,
    stop: Arc<Notify>,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| StartError::Machine("start the runtime", e))?;
    let config = &options.config;
    opened.events.into_iter().for_each(report);
    let metrics = LogMetrics::default();
    let log = LogThread::spawn(format!("log-{}", config.node), opened.log, metrics.clone());
    let tables = TableThread::spawn(format!("tables-{}", config.node), tables::engine(options)?);
    let others: Vec<_> = options.peers.iter().filter(|p| p.node != config.node).collect();
    let peers: BTreeMap<_, _> =
        others.iter().map(|p| (p.node, Rc::new(Outbound::new(p.node)))).collect();
    let shard = Rc::new(Shard::new(Parts {
        host: opened.host,
        peers,
        max_clients: options.max_clients,
        max_value: config.max_value,
    }));
    let identity = Rc::new(Identity { cluster: config.cluster.clone(), me: config.node });
    let local = LocalSet::new();
    let served = async {
        for other in others {
            let to = Rc::clone(&shard.peers[&other.node]);
            let rng = rng.fork(other.node.0);
            tokio::task::spawn_local(peer::dial(other.clone(), to, Rc::clone(&identity), rng));
        }
        let sockets = sockets(listeners)
            .map_err(|e| StartError::Machine("hand a socket to the runtime", e))?;
        let inbound = Inbound::new(Rc::clone(&identity), config.max_value);
        tokio::task::spawn_local(peer::accept(sockets.peer, inbound, Rc::clone(&shard)));
        tokio::task::spawn_local(client::accept(sockets.client, Rc::clone(&shard)));
        if let Some(listener) = sockets.http {
            http::serve(listener, Rc::clone(&shard), metrics);
        }
        let turns = Turns::new(Rc::clone(&shard), (log, tables), progress);
        turns.run(stop, config.request_timeout).await;
        Ok(())
    };
    local.block_on(&runtime, served)
}

struct Sockets {
    client: tokio::net::TcpListener,
    peer: tokio::net::TcpListener,
    http: Option<tokio::net::TcpListener>,
}

fn sockets(listeners: Listeners) -> io::Result<Sockets> {
    let adopt = tokio::net::TcpListener::from_std;
    Ok(Sockets {
        client: adopt(listeners.client)?,
        peer: adopt(listeners.peer)?,
        http: listeners.http.map(adopt).transpose()?,
    })
}

//! A cluster of this very binary, in processes and a temporary folder of its own, whose nodes see each other
//! through [`Link`]s that can be cut.

use super::args::Bench;
use super::proxy::Link;
use crate::Failure;
use crate::client::Client;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use wire::resp::Reply;

/// A node that is not ready after this long has something to say in its log.
const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(20);

/// How the nodes reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wires {
    /// By [`Link`]s that can be cut, and cost time.
    Links,
    Direct,
}

/// Where the nodes keep their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disks {
    /// In the folder for temporary things.
    Shared,
    /// On a tmpfs each.
    Small,
}

/// A few segments of the log.
const SMALL_DISK: &str = "256m";

pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    /// What `default` promises, if it is not the standard.
    contract: Option<String>,
    /// Client, peer and http port of each node.
    ports: Vec<[u16; 3]>,
    nodes: Vec<Option<Child>>,
    /// From one node to another, by their numbers from 0.
    links: BTreeMap<(usize, usize), Link>,
    /// Disks of their own, to be given back.
    mounted: Vec<PathBuf>,
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port nobody listens on, below those that the machine gives to outgoing connections.
fn free_port(after: &mut u16) -> Result<u16, Failure> {
    while *after < 31_000 {
        *after += 1;
        if TcpListener::bind(local(*after)).is_ok() {
            return Ok(*after);
        }
    }
    Err("no free port below 31000".into())
}

impl Cluster {
    /// Of as many nodes as `args` says, whose `default` promises what it says.
    pub(crate) fn start(args: &Bench, wires: Wires, disks: Disks) -> Result<Cluster, Failure> {
        let made = tempfile::Builder::new().prefix("atoll-bench-").tempdir();
        let dir = made.map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let spread = u16::try_from(std::process::id() % 9_000).expect("below 9000");
        let mut port = 20_000 + spread;
        let mut ports = Vec::new();
        for _ in 0..args.nodes {
            ports.push([free_port(&mut port)?, free_port(&mut port)?, free_port(&mut port)?]);
        }
        let mut links = BTreeMap::new();
        let linked = if wires == Wires::Links { ports.len() } else { 0 };
        for from in 0..linked {
            for (to, [_, peer, _]) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
                links.insert((from, to), Link::start(local(*peer))?);
            }
        }
        let nodes = ports.iter().map(|_| None).collect();
        let contract = args.default_contract.clone();
        let mut cluster = Cluster { dir, contract, ports, nodes, links, mounted: Vec::new() };
        if disks == Disks::Small {
            cluster.mount()?;
        }
        (0..cluster.len()).try_for_each(|node| cluster.launch(node))?;
        (0..cluster.len()).try_for_each(|node| cluster.wait_ready(node))?;
        Ok(cluster)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.ports.iter().map(|[client, ..]| local(*client).to_string()).collect()
    }

    /// The node's configuration: its peers are behind its own links.
    fn config(&self, node: usize) -> String {
        let [client, peer, http] = self.ports[node];
        let (folder, brake) = (self.folder(node), self.brake_file(node));
        let mut text = format!(
            "cluster = \"bench\"\nnode = {}\ndir = {folder:?}\nclient = \"127.0.0.1:{client}\"\n\
             peer = \"127.0.0.1:{peer}\"\nhttp = \"127.0.0.1:{http}\"\ntest-brake = {brake:?}\n",
            node + 1
        );
        if let Some(contract) = &self.contract {
            let _ = writeln!(text, "default-contract = {contract:?}");
        }
        for (other, [client, own, _]) in self.ports.iter().enumerate() {
            let peer = self.links.get(&(node, other)).map_or(*own, Link::port);
            let _ = write!(
                text,
                "\n[[join]]\nnode = {}\npeer = \"127.0.0.1:{peer}\"\nclient = \"127.0.0.1:{client}\"\n",
                other + 1
            );
        }
        text
    }

    /// Starts a node that is down.
    pub(crate) fn launch(&mut self, node: usize) -> Result<(), Failure> {
        let failed = |error: std::io::Error| format!("cannot start node {}: {error}", node + 1);
        let path = self.dir.path().join(format!("node-{}.toml", node + 1));
        std::fs::write(&path, self.config(node)).map_err(failed)?;
        let log = self.dir.path().join(format!("node-{}.log", node + 1));
        let log = std::fs::File::options().create(true).append(true).open(log).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        self.nodes[node] = Some(child);
        Ok(())
    }

    pub(crate) fn wait_ready(&mut self, node: usize) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        while !ready(local(self.ports[node][2])) {
            let child = self.nodes[node].as_mut().ok_or("the node was not launched")?;
            let ended = child.try_wait().map_err(|error| error.to_string())?.is_some();
            if ended || Instant::now() > until {
                let log = self.dir.path().join(format!("node-{}.log", node + 1));
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("node {} does not become ready; it said:\n{said}", node + 1));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, node: usize) -> Result<(), Failure> {
        let Some(mut child) = self.nodes[node].take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// How the node ended, if it did so by itself; it is down then.
    pub(crate) fn ended(&mut self, node: usize) -> Result<Option<ExitStatus>, Failure> {
        let child = self.nodes[node].as_mut().ok_or("the node was not launched")?;
        let ended = child.try_wait().map_err(|error| error.to_string())?;
        if ended.is_some() {
            self.nodes[node] = None;
        }
        Ok(ended)
    }

    /// All that the node has logged.
    pub(crate) fn said(&self, node: usize) -> String {
        let log = self.dir.path().join(format!("node-{}.log", node + 1));
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// Who leads `default`, in its own opinion.
    pub(crate) fn leader(&self) -> Result<usize, Failure> {
        let opinion = |node: usize| {
            let mut client = Client::connect(&self.addresses()[node], None).ok()?;
            let Reply::Map(rows) = client.ask(&["KEYSPACE", "SHOW", "default"]).ok()? else {
                return None;
            };
            let (_, leader) = rows.iter().find(|(name, _)| is(name, "leader"))?;
            Some(is(leader, &(node + 1).to_string()))
        };
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let up = (0..self.len()).filter(|node| self.nodes[*node].is_some());
            if let Some(leader) = up.into_iter().find(|node| opinion(*node) == Some(true)) {
                return Ok(leader);
            }
            std::thread::sleep(GLANCE);
        }
        Err(format!("nobody leads for {PATIENCE:?}"))
    }

    /// So many milliseconds more for each sync of the node; none again.
    pub(crate) fn brake(&self, node: usize, pause: Option<&str>) -> Result<(), Failure> {
        let text = pause.unwrap_or_default();
        std::fs::write(self.brake_file(node), text).map_err(|error| error.to_string())
    }

    fn brake_file(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("node-{}.brake", node + 1))
    }

    fn folder(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("node-{}", node + 1))
    }

    /// Puts each node on a small disk of its own, which can be filled. Before it is launched.
    fn mount(&mut self) -> Result<(), Failure> {
        for node in 0..self.len() {
            let folder = self.folder(node);
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            let size = format!("size={SMALL_DISK}");
            let words = ["-t", "tmpfs", "-o", &size, "atoll-bench"];
            let done = Command::new("mount").args(words).arg(&folder).output();
            let done = done.map_err(|error| format!("mount: {error}"))?;
            if !done.status.success() {
                let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                return Err(format!("a disk of its own for each node needs root: {why}"));
            }
            self.mounted.push(folder);
        }
        Ok(())
    }

    /// Fills what is left of the node's disk, or gives it back.
    pub(crate) fn fill(&self, node: usize, full: bool) -> Result<(), Failure> {
        let path = self.folder(node).join("filler.tmp");
        if !full {
            return std::fs::remove_file(&path).map_err(|error| error.to_string());
        }
        let mut file = std::fs::File::create(&path).map_err(|error| error.to_string())?;
        let zeros = vec![0; 1 << 20];
        // To the last page: the end of the file is the end of the disk.
        while let Ok(count @ 1..) = file.write(&zeros) {
            assert!(count <= zeros.len(), "no more than there is");
        }
        Ok(())
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn pause(&mut self, node: usize, pause: bool) -> Result<(), Failure> {
        let Some(child) = &self.nodes[node] else { return Ok(()) };
        let signal = if pause { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        sent.map_err(|error| format!("kill {signal}: {error}"))?;
        Ok(())
    }

    /// Nothing passes between this node and the others any more, or all of it again.
    pub(crate) fn isolate(&mut self, node: usize, cut: bool) {
        for ((from, to), link) in &self.links {
            if *from == node || *to == node {
                link.cut(cut);
            }
        }
    }

    /// Ends all processes and removes what they wrote.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        (0..self.len()).try_for_each(|node| self.kill(node))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            let _ = self.kill(node);
        }
        for folder in &self.mounted {
            let _ = Command::new("umount").arg(folder).status();
        }
    }
}

/// Whether a reply is this text.
fn is(reply: &Reply, text: &str) -> bool {
    match reply {
        Reply::Simple(found) => found == text,
        Reply::Bulk(bytes) => bytes.as_ref() == text.as_bytes(),
        Reply::Int(number) => number.to_string() == text,
        _ => false,
    }
}

fn ready(http: SocketAddr) -> bool {
    use std::io::Read;
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect_timeout(&http, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

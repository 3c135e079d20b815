//! A cluster of this very binary, in processes and a temporary folder of its own, whose nodes see each other
//! through [`Link`]s that can be cut.

use super::proxy::Link;
use crate::Failure;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    /// Client, peer and http port of each node.
    ports: Vec<[u16; 3]>,
    nodes: Vec<Option<Child>>,
    /// From one node to another, by their numbers from 0.
    links: BTreeMap<(usize, usize), Link>,
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
    pub(crate) fn start(nodes: u16, wires: Wires) -> Result<Cluster, Failure> {
        let made = tempfile::Builder::new().prefix("atoll-bench-").tempdir();
        let dir = made.map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let spread = u16::try_from(std::process::id() % 9_000).expect("below 9000");
        let mut port = 20_000 + spread;
        let mut ports = Vec::new();
        for _ in 0..nodes {
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
        let mut cluster = Cluster { dir, ports, nodes, links };
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
        let folder = self.dir.path().join(format!("node-{}", node + 1));
        let mut text = format!(
            "cluster = \"bench\"\nnode = {}\ndir = {folder:?}\nclient = \"127.0.0.1:{client}\"\n\
             peer = \"127.0.0.1:{peer}\"\nhttp = \"127.0.0.1:{http}\"\n",
            node + 1
        );
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
    }
}

fn ready(http: SocketAddr) -> bool {
    use std::io::{Read, Write};
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

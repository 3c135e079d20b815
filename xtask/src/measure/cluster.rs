//! Processes of the binary on loopback, and a client just large enough to ask for figures.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at: finer than any figure that depends on it.
const GLANCE: Duration = Duration::from_millis(1);
/// Commands sent before their replies are read, while filling.
const PIPELINE: usize = 256;

/// Below the ports that the machine gives to outgoing connections.
static NEXT_PORT: AtomicU16 = AtomicU16::new(17_000);

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first of `count` ports with the same three digits free at +0, +100 and +200.
pub(crate) fn free_ports(count: u16) -> u16 {
    loop {
        let base = NEXT_PORT.fetch_add(count, Ordering::Relaxed);
        assert!(base < 31_000, "no free ports");
        let all = (0..3).flat_map(|kind| (0..count).map(move |at| base + kind * 100 + at));
        if all.into_iter().all(|port| TcpListener::bind(local(port)).is_ok()) {
            return base;
        }
    }
}

/// A child process that does not outlive its owner.
pub(crate) struct Node(Child);

impl Node {
    fn start(binary: &Path, words: &[&str]) -> Result<Node, String> {
        let mut command = Command::new(binary);
        command.args(words).args(["--log-level", "error"]);
        Node::spawn(command.stdout(Stdio::piped()))
    }

    /// Any other program, under the same rule.
    pub(crate) fn spawn(command: &mut Command) -> Result<Node, String> {
        let child = command.stdin(Stdio::null()).spawn();
        child.map(Node).map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How long `atoll dev` takes until it says that it is ready.
    pub(crate) fn dev(binary: &Path, dir: &Path) -> Result<Duration, String> {
        let port = free_ports(3).to_string();
        let dir = dir.to_str().ok_or("a folder whose name is no text")?;
        let started = Instant::now();
        let mut node = Node::start(binary, &["dev", "--dir", dir, "--port", &port])?;
        let out = node.0.stdout.take().ok_or("no stdout")?;
        for line in BufReader::new(out).lines() {
            if line.map_err(|e| e.to_string())?.starts_with("ready") {
                return Ok(started.elapsed());
            }
        }
        Err("atoll dev ended before it was ready".to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three nodes, counted from 0 here and from 1 in their own configuration.
pub(crate) struct Cluster {
    binary: PathBuf,
    folder: PathBuf,
    http: Vec<SocketAddr>,
    pub(crate) clients: Vec<SocketAddr>,
    nodes: Vec<Option<Node>>,
}

impl Cluster {
    /// Returns once all are ready.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Result<Cluster, String> {
        Cluster::start_with(binary, folder, "")
    }

    /// As [`Cluster::start`], with more lines in every node's configuration.
    pub(crate) fn start_with(binary: &Path, folder: &Path, lines: &str) -> Result<Cluster, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let base = free_ports(3);
        let at = |kind: u16| (0..3).map(|node| local(base + kind * 100 + node)).collect::<Vec<_>>();
        let (clients, peers, http) = (at(0), at(1), at(2));
        let mut members = String::new();
        for (number, (client, peer)) in (1..).zip(clients.iter().zip(&peers)) {
            let row = "\n[[join]]\nnode = ";
            writeln!(members, "{row}{number}\npeer = \"{peer}\"\nclient = \"{client}\"")
                .expect("writing to a string cannot fail");
        }
        for node in 0..3 {
            let text = format!(
                "cluster = \"measure\"\nnode = {}\ndir = {:?}\nclient = \"{}\"\npeer = \"{}\"\n\
                 http = \"{}\"\n{lines}{members}",
                node + 1,
                folder.join(format!("node-{node}")),
                clients[node],
                peers[node],
                http[node]
            );
            let path = folder.join(format!("{node}.toml"));
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let nodes = vec![None, None, None];
        let (binary, folder) = (binary.to_path_buf(), folder.to_path_buf());
        let mut cluster = Cluster { binary, folder, http, clients, nodes };
        (0..3).try_for_each(|node| cluster.launch(node))?;
        cluster.wait_ready()?;
        Ok(cluster)
    }

    pub(crate) fn launch(&mut self, node: usize) -> Result<(), String> {
        assert!(self.nodes[node].is_none(), "node {node} runs");
        let config = self.folder.join(format!("{node}.toml"));
        let config = config.to_str().ok_or("a folder whose name is no text")?;
        self.nodes[node] = Some(Node::start(&self.binary, &["serve", "--config", config])?);
        Ok(())
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().flatten().map(Node::pid).collect()
    }

    pub(crate) fn kill(&mut self, node: usize) -> Result<(), String> {
        let mut child = self.nodes[node].take().ok_or("the node does not run")?;
        child.0.kill().map_err(|e| e.to_string())?;
        child.0.wait().map(|_| ()).map_err(|e| e.to_string())
    }

    /// SIGTERM; waits for the end, which must be orderly.
    pub(crate) fn terminate(&mut self, node: usize) -> Result<(), String> {
        let mut child = self.nodes[node].take().ok_or("the node does not run")?;
        super::tell(Command::new("kill").arg("-TERM").arg(child.0.id().to_string()))?;
        let status = child.0.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("SIGTERM ends with {status}")) }
    }

    pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while !done() {
            if Instant::now() > until {
                return Err(format!("not within {PATIENCE:?}: {what}"));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    pub(crate) fn wait_ready(&self) -> Result<(), String> {
        for http in &self.http {
            Cluster::wait("/readyz says 200", || ready(*http).unwrap_or(false))?;
        }
        Ok(())
    }

    /// Until all nodes have applied equally much.
    pub(crate) fn wait_applied(&self) -> Result<(), String> {
        let applied = |node: &SocketAddr| {
            let shown = Client::connect(*node).ok()?.call(&["KEYSPACE", "SHOW", "default"]).ok()?;
            row(&shown, "applied")
        };
        Cluster::wait("all nodes have applied the same", || {
            let all: Vec<Option<String>> = self.clients.iter().map(applied).collect();
            all.iter().all(|one| one.is_some() && *one == all[0])
        })
    }

    /// In the opinion of the leader itself.
    pub(crate) fn leader(&self) -> Result<usize, String> {
        let mut found = None;
        Cluster::wait("a leader that knows of itself", || {
            found = (0..3).find(|node| {
                let shown = Client::connect(self.clients[*node])
                    .and_then(|mut client| client.call(&["KEYSPACE", "SHOW", "default"]));
                let leader = shown.ok().and_then(|shown| row(&shown, "leader"));
                leader.and_then(|leader| leader.parse().ok()) == Some(*node + 1)
            });
            found.is_some()
        })?;
        found.ok_or_else(|| "no leader".to_owned())
    }
}

/// One row of KEYSPACE SHOW.
fn row(shown: &str, name: &str) -> Option<String> {
    let mut lines = shown.lines().skip_while(|line| *line != name).skip(1);
    let value = lines.next()?.trim_start_matches(':');
    // A bulk's length, then the bulk; a number is complete.
    if value.starts_with('$') { lines.next().map(str::to_owned) } else { Some(value.to_owned()) }
}

fn ready(http: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(http)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains(" 200 "))
}

/// One connection, RESP2.
pub(crate) struct Client(BufReader<TcpStream>);

fn encode(words: &[&str], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        into.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Client, String> {
        let stream = TcpStream::connect(address).map_err(|e| format!("{address}: {e}"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        ready.map_err(|e| format!("{address}: {e}"))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// The reply as it came, without the last line end; an error reply is an error.
    pub(crate) fn call(&mut self, words: &[&str]) -> Result<String, String> {
        let mut bytes = Vec::new();
        encode(words, &mut bytes);
        self.0.get_mut().write_all(&bytes).map_err(|e| e.to_string())?;
        let mut reply = String::new();
        self.reply(&mut reply)?;
        reply.truncate(reply.trim_end().len());
        if reply.starts_with('-') { Err(reply) } else { Ok(reply) }
    }

    fn reply(&mut self, into: &mut String) -> Result<(), String> {
        let start = into.len();
        let read = self.0.read_line(into).map_err(|e| e.to_string())?;
        if read == 0 {
            return Err("the node closed the connection".to_owned());
        }
        let count = |line: &str| line[1..].trim_end().parse::<i64>().unwrap_or(-1);
        let line = into[start..].to_owned();
        match line.as_bytes()[0] {
            b'$' if count(&line) >= 0 => {
                let mut body = vec![0; usize::try_from(count(&line)).unwrap_or(0) + 2];
                self.0.read_exact(&mut body).map_err(|e| e.to_string())?;
                into.push_str(&String::from_utf8_lossy(&body));
                Ok(())
            }
            b'*' => (0..count(&line)).try_for_each(|_| self.reply(into)),
            _ => Ok(()),
        }
    }

    /// `total` bytes in values of `each`, pipelined, one key each.
    pub(crate) fn fill(&mut self, total: usize, each: usize) -> Result<(), String> {
        let value = "x".repeat(each);
        let count = total / each;
        for first in (0..count).step_by(PIPELINE) {
            let mut bytes = Vec::new();
            let last = (first + PIPELINE).min(count);
            (first..last).for_each(|n| encode(&["SET", &format!("fill{n}"), &value], &mut bytes));
            self.0.get_mut().write_all(&bytes).map_err(|e| e.to_string())?;
            for _ in first..last {
                let mut reply = String::new();
                self.reply(&mut reply)?;
                if reply != "+OK\r\n" {
                    return Err(format!("SET answers {reply}"));
                }
            }
        }
        Ok(())
    }
}

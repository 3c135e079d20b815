//! Real processes of the real binary: three nodes in folders of their own on free loopback ports.

use crate::resp::{Client, row};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) const ATOLL: &str = env!("CARGO_BIN_EXE_atoll");
/// Nothing here takes so long unless it hangs; the test then fails with the nodes' last words.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for a line on stderr before a condition is looked at again.
const GLANCE: Duration = Duration::from_millis(5);
/// How many of a process's last lines a failure shows.
const LAST_WORDS: usize = 60;

/// Below the ports that the machine gives to outgoing connections: one of those would block a restart.
const FIRST_PORT: u16 = 12_000;
const LAST_PORT: u16 = 31_000;
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that nobody listens on, not given out before by this process.
pub(crate) fn free_port() -> u16 {
    let span = LAST_PORT - FIRST_PORT;
    let start = u16::try_from(std::process::id() % u32::from(span)).expect("less than the span");
    for _ in 0..span {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (start.wrapping_mul(7) % span + step % span) % span;
        if TcpListener::bind(local(port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST_PORT} to {LAST_PORT}");
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What a process says, line by line, and a bell that rings at each line.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<(Mutex<VecDeque<String>>, Condvar)>);

impl Said {
    fn listen(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut lines = said.0.0.lock().expect("nobody panics with it");
                lines.push_back(line);
                said.0.1.notify_all();
            }
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.0.lock().expect("nobody panics with it").iter().cloned().collect()
    }

    /// Until something is said, or a moment later.
    pub(crate) fn wait(&self) {
        let lines = self.0.0.lock().expect("nobody panics with it");
        drop(self.0.1.wait_timeout(lines, GLANCE).expect("nobody panics with it"));
    }
}

/// A child process that does not outlive the test.
pub(crate) struct Process {
    child: Child,
    pub(crate) out: Said,
    pub(crate) err: Said,
    /// Ends with stderr.
    listener: Option<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Process {
        let mut command = Command::new(ATOLL);
        command.args(arguments).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {ATOLL}: {e}"));
        let (out, err) = (Said::default(), Said::default());
        out.listen(child.stdout.take().expect("piped"));
        let listener = Some(err.listen(child.stderr.take().expect("piped")));
        Process { child, out, err, listener }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Without a word, as by `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(name).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill is everywhere").success(), "kill {name} {}", self.pid());
    }

    /// The status after it ended by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end; {}", self.last_words());
            self.err.wait();
        }
    }

    /// Resident memory and its peak, in bytes.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process runs on Linux");
        let bytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let line = line.unwrap_or_else(|| panic!("it has ended; {}", self.last_words()));
            let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("KiB");
            kib << 10
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    /// All it said on stderr; it has ended.
    pub(crate) fn err_to_the_end(&mut self) -> String {
        self.ended();
        self.listener.take().expect("asked once").join().expect("it only reads");
        self.err.lines().join("\n")
    }

    pub(crate) fn last_words(&self) -> String {
        let lines = self.err.lines();
        let first = lines.len().saturating_sub(LAST_WORDS);
        let from = format!("last words of process {}:", self.pid());
        std::iter::once(from).chain(lines[first..].iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `/readyz` says 200.
pub(crate) fn ready(http: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&http, PATIENCE) else { return false };
    let asked = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| {
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
    });
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

/// Three nodes, numbered from 1; each may be down.
pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    /// Client, peer and http port of each node.
    ports: Vec<[u16; 3]>,
    extra: String,
    nodes: Vec<Option<Process>>,
}

impl Cluster {
    /// All of them, ready. `extra` is further lines of `node.toml`.
    #[track_caller]
    pub(crate) fn start(extra: &str) -> Cluster {
        let dir = tempfile::Builder::new().prefix("atoll-test-").tempdir().expect("a folder");
        let ports = (0..3).map(|_| [free_port(), free_port(), free_port()]).collect();
        let nodes = (0..3).map(|_| None).collect();
        let mut cluster = Cluster { dir, ports, extra: extra.to_owned(), nodes };
        (1..=3).for_each(|node| cluster.launch(node));
        (1..=3).for_each(|node| cluster.wait_ready(node));
        cluster
    }

    pub(crate) fn client_address(&self, node: usize) -> SocketAddr {
        local(self.ports[node - 1][0])
    }

    pub(crate) fn folder(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("node-{node}"))
    }

    /// The text of a node's configuration.
    pub(crate) fn config(&self, node: usize) -> String {
        let [client, peer, http] = self.ports[node - 1];
        let folder = self.folder(node);
        let mut text = format!(
            "cluster = \"test\"\nnode = {node}\ndir = {folder:?}\nclient = \"127.0.0.1:{client}\"\n\
             peer = \"127.0.0.1:{peer}\"\nhttp = \"127.0.0.1:{http}\"\n{}\n",
            self.extra
        );
        for (number, [client, peer, _]) in (1..).zip(&self.ports) {
            write!(
                text,
                "\n[[join]]\nnode = {number}\npeer = \"127.0.0.1:{peer}\"\n\
                 client = \"127.0.0.1:{client}\"\n"
            )
            .expect("writing to a string cannot fail");
        }
        text
    }

    /// Writes a configuration beside the nodes' own and answers its path.
    pub(crate) fn write_config(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a folder of our own");
        path
    }

    /// Starts a node that is down; does not wait for it.
    pub(crate) fn launch(&mut self, node: usize) {
        assert!(self.nodes[node - 1].is_none(), "node {node} runs already");
        let path = self.write_config(&format!("node-{node}.toml"), &self.config(node));
        let path = path.to_str().expect("an ordinary path");
        self.nodes[node - 1] = Some(Process::start(&["serve", "--config", path]));
    }

    #[track_caller]
    pub(crate) fn wait_ready(&mut self, node: usize) {
        let http = local(self.ports[node - 1][2]);
        let until = Instant::now() + PATIENCE;
        let process = self.nodes[node - 1].as_mut().expect("launched before");
        while !ready(http) {
            let running = process.is_running() && Instant::now() < until;
            assert!(running, "node {node} does not become ready; {}", process.last_words());
            process.err.wait();
        }
    }

    pub(crate) fn process(&mut self, node: usize) -> &mut Process {
        self.nodes[node - 1].as_mut().expect("the node runs")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node - 1].take().expect("the node runs").kill();
    }

    /// SIGTERM to all, which must end with 0.
    #[track_caller]
    pub(crate) fn terminate(&mut self) {
        self.nodes.iter().flatten().for_each(|process| process.signal("-TERM"));
        for node in self.nodes.iter_mut() {
            let Some(mut process) = node.take() else { continue };
            let status = process.ended();
            assert!(status.success(), "SIGTERM ends with {status}; {}", process.last_words());
        }
    }

    #[track_caller]
    pub(crate) fn client(&self, node: usize) -> Client {
        let client = Client::connect(self.client_address(node));
        client.unwrap_or_else(|e| panic!("cannot connect to node {node}: {e}"))
    }

    pub(crate) fn running(&self) -> Vec<usize> {
        (1..=3).filter(|node| self.nodes[node - 1].is_some()).collect()
    }

    /// Who leads `default`, in its own opinion and in that of whoever was asked first.
    #[track_caller]
    pub(crate) fn leader(&self) -> usize {
        self.leader_among(&self.running())
    }

    /// The same where others must not be asked.
    #[track_caller]
    pub(crate) fn leader_among(&self, nodes: &[usize]) -> usize {
        let until = Instant::now() + PATIENCE;
        let mut turn = nodes.iter().copied().cycle();
        let opinion = |node: usize| {
            let shown = self.client(node).ask("KEYSPACE SHOW default");
            row(&shown, "leader")?.parse::<usize>().ok()
        };
        loop {
            let node = turn.next().expect("somebody runs");
            let leader = opinion(node).filter(|leader| nodes.contains(leader));
            if let Some(leader) = leader.filter(|leader| opinion(*leader) == Some(*leader)) {
                return leader;
            }
            assert!(Instant::now() < until, "no leader; {}", self.last_words());
        }
    }

    pub(crate) fn last_words(&self) -> String {
        self.nodes.iter().flatten().map(Process::last_words).collect::<Vec<_>>().join("\n\n")
    }
}
